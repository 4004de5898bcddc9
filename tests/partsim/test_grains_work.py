"""The step of the phase field in one block: its declared work, and no flux out of metal in part."""
import numpy as np
import pytest

from partsim.fastmath import exp
from partsim.grains import kernels, work
from partsim.grains.ghosts import Around, Faces
from partsim.grains.kernels import Law
from partsim.grains.lines import ALL
from partsim.grains.pool import BORDER, CELLS, Scratch
from partsim.grains.sampling import Heat
from partsim.grains.store import Store
from tests.counting import counted, counting

LAW = Law(4.0, -3.0, 0.06, -0.65, 0.18, 1e-6, 1e-8)
RATES = 0.05, 1000.0, 2000.0, 1700.0  # A, B, cap, liquidus


@pytest.mark.serial
@pytest.mark.parametrize("grains", [1, 3])
def test_declared_flops_are_executed(grains):
    """A block of 8^3 cells that belong to so many grains."""
    store = Store(8, np.float64, rows=1, capacity=8)
    store.make(0, np.arange(8**3).reshape(8, 8, 8) % grains)
    pool = store.pool._replace(eta=counted(store.pool.eta),
                               scratch=Scratch(*map(counted, store.pool.scratch)))
    nothing = Faces(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 64)))
    around = Around(np.full((1, 6), BORDER), np.full((1, 3), 8), nothing)
    heat = Heat(counted(np.full((1, CELLS), 1700.0)), counted(np.full((1, CELLS), 1600.0)), 0.5,
                RATES)
    with counting(kernels) as count:
        kernels.advance(pool, np.array([0]), around, LAW, heat, np.zeros(0))
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
    frames = np.zeros((2, 8, 8, 8), np.float32)
    frames[:, *metal] = chance.uniform(1200, 2200, (2, nz, ny, nx))
    for slot in range(2):
        pool.eta[0, pool.places[0, slot]] = eta[slot].ravel()
        pool.lines[0, pool.places[0, slot]] = ALL
    around = Around(np.full((1, 6), BORDER), np.array([[nx, ny, nz]]),
                    Faces(np.zeros(1, np.int64), np.zeros(0, np.int64), np.zeros((0, 64))))
    heat = Heat(*frames.reshape(2, 1, CELLS), np.float32(0.25), RATES)
    kernels.advance(pool, np.array([0]), around, LAW, heat, np.zeros(0))
    kelvin = (frames[0] + np.float32(0.25) * (frames[1] - frames[0]))[metal].astype(float)
    mobility = 0.05 * np.vectorize(exp)(-1000 / np.minimum(kelvin, 2000))
    melting = 2.0 * (kelvin > 1700)
    squares = (eta**2).sum(axis=0)[metal]
    for slot in range(2):
        c = eta[slot][metal]
        wide = np.pad(c, 1, mode="edge")
        around_c = sum(wide[tuple(np.roll([shift, np.s_[1:-1], np.s_[1:-1]], axis))]
                       for axis in range(3) for shift in (np.s_[:-2], np.s_[2:]))
        rate = (c * (LAW.interaction * squares + melting + LAW.offset + LAW.cubic * c**2)
                - LAW.gradient * around_c)
        expected = c - mobility * rate
        found = store.values(0)[slot].reshape(8, 8, 8)[metal]
        np.testing.assert_allclose(found, expected, rtol=1e-13)
