"""Orders in dt and h with waves that differ along each axis, and the limit of stability."""

import numpy as np
import pytest

from partsim.mesh.forest import box_leaves
from partsim.mesh.lattice import Lattice
from tests.heat_run import HeatRun
from tests.manufactured import DecayingWave, legendre_factor, lumped_rate
from tests.meshes import CELL, make_mesh, noise, small_lattice, uniform_lattice, varied_leaves
from tests.order import observed_order

DIFFUSIVITY = 28.6 / (4090 * 1130)
LIMIT = CELL**2 / (2 * DIFFUSIVITY)  # s; the operator's largest symbol is 4 alpha/h^2
LENGTHS = (8e-4, 1.2e-3, 8e-4)
WAVE = DecayingWave(LENGTHS).decaying_naturally()
COLD_BELOW = DecayingWave(LENGTHS, (1, 3, 2), fixed_bottom=True).decaying_naturally()


def waving(comm, wave, cells, fine=False, fixed=False):
    """A box of `cells` by 1.5 `cells` by `cells` full of a wave; with a finer region if asked."""
    cell, depth = 8e-4 / cells, int(fine)
    roots = (cells // 4, cells * 3 // 8, cells // 4)
    lattice = uniform_lattice(roots, cell)
    leaves = box_leaves(4, 0, 0, np.zeros(3, int), 4 * np.array(roots))
    if fine:
        finest = tuple((0, 8 * n) for n in roots[:2])
        lattice = Lattice(cell / 2, 4, depth, roots, (0, 0, 0), 8 * roots[2], 1, 0, finest, finest)
        leaves = box_leaves(4, 1, 0, np.zeros(3, int), 8 * np.array(roots))
        middle = (leaves.corner + 4) / (8 * np.array(roots))
        leaves = leaves.split((middle > [0.5, 0.34, 0.5]).all(axis=1))
    mesh = make_mesh(comm, lattice, leaves, 0)
    return HeatRun(mesh, lambda points: wave.temperature(lattice.cell * points, 0), fixed=fixed)


@pytest.mark.parametrize("wave", [WAVE, COLD_BELOW], ids=["insulated", "fixed bottom"])
@pytest.mark.parametrize(
    "order, spans, cells", [(1, 0.6, 8), (2, 2.4, 32)], ids=["explicit", "super-steps"])
def test_orders_in_dt(comm, wave, order, spans, cells):
    """The grid lets a wave decay at a known rate: each scheme errs by its own amount."""
    rate, errors = lumped_rate(wave, 8e-4 / cells), []
    end = spans / rate
    for count in (8, 16, 32):
        run, dt = waving(comm, wave, cells, fixed=wave.fixed_bottom), end / count
        if order == 1:
            factor = 1 - rate * dt
            run.explicit(dt, count)
        else:
            assert dt > run.longest
            run.longest /= 8  # with few stages the error depends on their number too
            factor = legendre_factor(dt, run.longest, rate)
            run.long(count * [dt])
        by_hand = wave._replace(rate=-np.log(factor**count) / end)
        assert run.error(by_hand, end) < 1e-7
        errors.append(run.error(wave._replace(rate=rate), end))
        run.close()
    assert observed_order(errors) == pytest.approx(order, abs=0.15)


@pytest.mark.parametrize("fine", [False, True], ids=["uniform", "hanging nodes"])
def test_order_in_h(comm, fine):
    """Against the exact solution, with dt proportional to h^2: explicit steps and super-steps."""
    end, errors = 0.3 / WAVE.natural_rate, {"explicit": [], "long": []}
    for cells in (8, 16, 32):
        count = 8 * (cells // 8) ** 2
        run = waving(comm, WAVE, cells, fine).explicit(end / (4 * count), 4 * count)
        errors["explicit"].append(run.error(WAVE, end))
        run.close()
        if cells < 32:
            run = waving(comm, WAVE, cells, fine).long(count * [end / count])
            errors["long"].append(run.error(WAVE, end))
            run.close()
    for found in errors.values():
        assert observed_order(found) == pytest.approx(2, abs=0.15)


@pytest.mark.parametrize("roots", [(2, 3, 2), (1, 2, 1)], ids=["12 blocks", "2 blocks"])
def test_explicit_stability_limit(comm, roots):
    """Noise decays just below the largest step and explodes just above it."""
    limit, mean = LIMIT, 1000.0
    for share, grows in ((0.99, False), (1.05, True)):
        lattice = uniform_lattice(roots, CELL)
        leaves = box_leaves(4, 0, 0, np.zeros(3, int), 4 * np.array(roots))
        run = HeatRun(make_mesh(comm, lattice, leaves, 0), lambda p: mean + noise(p, 3) - 0.5)
        run.explicit(share * limit, 150)
        largest = comm.allreduce(np.abs(run.temperature - mean).max(initial=0), max)
        assert (largest > 100) == grows and (largest < 0.5) == (not grows)
        run.close()


def test_finest_cells_limit_the_step_beside_hanging_nodes(comm):
    lattice = small_lattice()
    mesh = make_mesh(comm, lattice, varied_leaves(lattice, 3), 3)
    run = HeatRun(mesh, lambda points: 1000 + noise(points, 3) - 0.5)
    run.explicit(0.99 * LIMIT, 300)
    assert comm.allreduce(np.abs(run.temperature - 1000).max(), max) < 0.5
    run.close()
