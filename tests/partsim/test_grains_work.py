"""The step of the phase field in one block: its declared work, and no flux out of metal in part."""
import numpy as np
import pytest

from partsim.grains import kernels, work
from partsim.grains.ghosts import Around, Faces
from partsim.grains.kernels import Law
from partsim.grains.pool import BORDER, GUARD, ROOM, Scratch
from partsim.grains.store import Store
from tests.counting import counted, counting

LAW = Law(4.0, -3.0, 0.06, -0.65, 1e-6, 1e-8)


@pytest.mark.serial
@pytest.mark.parametrize("grains", [1, 3])
def test_declared_flops_are_executed(grains):
    """A block of 8^3 cells that belong to so many grains."""
    store = Store(8, np.float64, rows=1, capacity=8)
    store.make(0, np.arange(8**3).reshape(8, 8, 8) % grains)
    flat = counted(store.pool.flat)
    pool = store.pool._replace(
        eta=flat[GUARD:-GUARD].reshape(store.pool.eta.shape), flat=flat,
        scratch=Scratch(*map(counted, store.pool.scratch)))
    nothing = Faces(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 64)))
    around = Around(np.full((1, 6), BORDER), np.full((1, 3), 8), nothing, np.zeros(1))
    mobility, melting = counted(np.full((1, ROOM), 0.01)), counted(np.zeros((1, ROOM)))
    with counting(kernels) as count:
        kernels.advance(pool, np.array([0]), around, LAW, (mobility, melting), np.zeros(0))
    assert count.flops == pytest.approx(work.advance(grains, 8).flops * grains * 8**3, rel=1e-12)


@pytest.mark.serial
def test_nothing_flows_out_of_a_block_that_is_metal_in_part():
    """A step of two grains in 5 x 7 x 6 cells beside NumPy, whose edges repeat the last cells."""
    chance, (nx, ny, nz) = np.random.default_rng(8), (5, 7, 6)
    store = Store(4, np.float64, rows=1, capacity=8)
    grain = np.full((8, 8, 8), -1)
    grain[:nz, :ny, :nx] = np.arange(nz * ny * nx).reshape(nz, ny, nx) % 2
    store.make(0, grain[:nz, :ny, :nx].astype(np.int64))
    pool, metal = store.pool, np.s_[:nz, :ny, :nx]
    eta = np.zeros((2, 8, 8, 8))
    eta[:, *metal] = chance.uniform(0.1, 1, (2, nz, ny, nx))
    mobility, melting = np.zeros((2, 10, 10, 10))
    mobility[1:nz + 1, 1:ny + 1, 1:nx + 1] = chance.uniform(0.01, 0.05, (nz, ny, nx))
    for slot in range(2):
        pool.eta[0, pool.places[0, slot]] = eta[slot].ravel()
    around = Around(np.full((1, 6), BORDER), np.array([[nx, ny, nz]]),
                    Faces(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 64))),
                    np.zeros(1))
    kernels.advance(pool, np.array([0]), around, LAW,
                    (mobility.reshape(1, -1), melting.reshape(1, -1)), np.zeros(0))
    squares = (eta**2).sum(axis=0)[metal]
    for slot in range(2):
        c = eta[slot][metal]
        wide = np.pad(c, 1, mode="edge")
        around_c = sum(wide[tuple(np.roll([shift, np.s_[1:-1], np.s_[1:-1]], axis))]
                       for axis in range(3) for shift in (np.s_[:-2], np.s_[2:]))
        rate = (c * (LAW.interaction * squares + LAW.offset + LAW.cubic * c**2)
                - LAW.gradient * around_c)
        expected = c - mobility[1:nz + 1, 1:ny + 1, 1:nx + 1] * rate
        found = pool.eta[pool.half[0], pool.places[0, slot]].reshape(8, 8, 8)[metal]
        np.testing.assert_allclose(found, expected, rtol=1e-13)
