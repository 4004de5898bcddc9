"""Both laws of growth in temperatures that are known: speeds, shapes, a dense reference, nuclei."""

from types import SimpleNamespace

import numpy as np
import pytest
from mpi4py import MPI

from partsim.grains import nucleation
from partsim.grains.blocks import Grid, deal
from partsim.grains.dendrites import DendriticLaw, tip_velocity
from partsim.grains.nucleation import NUCLEUS
from partsim.grains.orientations import matrices, random_quaternions
from partsim.grains.phasefield import PhaseFieldLaw, front_speed, longest_step, mobility
from partsim.growjob import Dendritic, Grains, Nucleation, PhaseField
from tests.growth import Even, run

SELF = MPI.COMM_SELF
LIQUIDUS = 1723.0


def job(share=PhaseField().share, **grains):
    return SimpleNamespace(phase_field=PhaseField(share=share), dendritic=Dendritic(),
                           grains=Grains(**grains), nucleation=Nucleation())


def field(law, label, shape):
    """Order parameter of a grain over the whole window, from the rows of one rank."""
    whole = np.zeros([8 * n for n in law.grid.shape])
    pool = law.store.pool
    for block, row in law.store.row_of.items():
        for slot in range(pool.count[row]):
            if pool.labels[row, slot] == label:
                whole[law.grid.cut(block)] = law.store.values(row)[slot].reshape(8, 8, 8)
    return whole[tuple(slice(0, n) for n in shape)]


@pytest.mark.serial
@pytest.mark.parametrize("kelvin, step", [(1720.0, 2e-7), (1600.0, 4e-7), (1500.0, 8e-7)])
def test_flat_front_is_as_fast_as_its_uncut_tail_wants(kelvin, step):
    """With the default precision, cutoff and slots."""
    inputs = job(step=step)
    cells, start = 80, 8
    law = PhaseFieldLaw(SELF, Grid((4, 4, cells)), inputs, LIQUIDUS, None)
    grain = np.full((4, 4, cells), -1)
    grain[..., :start] = 0
    law.start(grain, np.arange(1))
    expected = front_speed(inputs.phase_field, kelvin, 2e-6, step)
    steps = int(0.4 * cells * 2e-6 / (expected * step))
    places = []
    for _ in range(2):
        run(law, Even(kelvin), 1, steps)
        places.append(field(law, 0, grain.shape)[2, 2].sum())
    speed = (places[1] - places[0]) * 2e-6 / (steps * step)
    assert speed == pytest.approx(expected, rel=0.02)
    assert law.finish() and law.counts()["dropped_order_parameters"] == 0


def test_front_speed_is_that_of_the_note():
    """Values of a run without cutoff, made independently of this code."""
    assert front_speed(PhaseField(), 1720.0, 2e-6, 2e-7) == pytest.approx(0.283, rel=0.01)
    assert longest_step(PhaseField(), 2e-6) == pytest.approx(4.65e-7, rel=0.01)


def dense(eta, kelvin, law, step, cell):
    """One step of all order parameters (grains, nz, ny, nx) everywhere, as the equation reads."""
    padded = np.pad(eta, [(0, 0)] + [(1, 1)] * 3, mode="edge")
    around = sum(
        np.roll(padded, shift, axis)[:, 1:-1, 1:-1, 1:-1] for axis in (1, 2, 3) for shift in (1, -1)
    )
    squares = (eta**2).sum(axis=0) - eta**2
    melting = 2.0 if kelvin > LIQUIDUS else 0.0
    force = eta**3 - eta + 4 * law.interaction * eta * squares + melting * eta
    drive = law.barrier * force - law.gradient * (around - 6 * eta) / cell**2
    return eta - step * mobility(law, kelvin) * drive


@pytest.mark.parametrize("share, tolerance", [(0.0, 1e-5), (1e-4, 0.02)])
@pytest.mark.parametrize("kelvin", [1690.0, 1800.0])
def test_blocks_equal_a_dense_computation(comm, kelvin, share, tolerance):
    """Partly filled blocks, several ranks, 12 grains: to round-off in single precision; to tails of
    the order of share / (M K) where grains that lag are cut, and never in who leads."""
    shape, inputs, steps = (13, 10, 18), job(share=share), 30
    grain = np.random.default_rng(1).integers(0, 12, (5, 4, 6)).repeat(3, 0).repeat(3, 1).repeat(
        3, 2)[:13, :10, :18]
    grain[:, :, 9:] = -1
    law = PhaseFieldLaw(comm, Grid(shape), inputs, LIQUIDUS, None)
    law.start(grain, np.arange(12))
    run(law, Even(kelvin), 3, steps // 3)
    eta = (grain == np.arange(12)[:, None, None, None]).astype(float)
    for _ in range(steps):
        eta = dense(eta, kelvin, inputs.phase_field, 2e-7, 2e-6)
    # blocks beside one another keep copies only on their owner: the sum counts each cell once
    found = np.array([comm.allreduce(field(law, label, shape)) for label in range(12)])
    np.testing.assert_allclose(found, eta, atol=tolerance)
    seen = eta.max(axis=0) > 1e-9
    np.testing.assert_array_equal(found.argmax(axis=0)[seen], eta.argmax(axis=0)[seen])


@pytest.mark.parametrize("share", [0.0, 1e-4])
def test_tails_that_are_not_let_in_would_be_cut(comm, share):
    """Bit for bit the order parameters of a run in which every tail comes in."""
    shape, found = (13, 10, 18), []
    grain = np.random.default_rng(2).integers(0, 12, (5, 4, 6)).repeat(3, 0).repeat(3, 1).repeat(
        3, 2)[:13, :10, :18]
    grain[:, :, 9:] = -1
    for more in (1, 1e6):
        law = PhaseFieldLaw(comm, Grid(shape), job(share=share), LIQUIDUS, None)
        law.constants = law.constants._replace(tail=law.constants.tail * np.float32(more))
        law.start(grain, np.arange(12))
        run(law, Even(1690.0), 3, 10)
        found.append([comm.allreduce(field(law, label, shape)) for label in range(12)])
    np.testing.assert_array_equal(*found)


def test_probability_of_a_nucleus():
    """Values per step of 2e-7 s and cell of 2 um, worked out by others, to their digits."""
    found = nucleation.probability(Nucleation(), np.array([5.0, 10.0, 20.0, 37.0]), LIQUIDUS, 2e-7,
                                   2e-6)
    expected, digits = [5e-7, 1.9e-5, 4.5e-5, 4.96e-5], [5e-8, 5e-7, 5e-7, 5e-8]
    assert (abs(found - expected) <= digits).all()


class Cooling(Even):
    """The same temperature everywhere, falling a little from frame to frame."""

    def sample(self, number, grid, blocks):
        return super().sample(number, grid, blocks) * np.float32(1 - 1e-6 * number)


@pytest.mark.parametrize("law_of", [PhaseFieldLaw, DendriticLaw])
@pytest.mark.parametrize("rule, thrown", [("paper", 0), ("code", 1)])
def test_only_the_rule_of_the_code_lets_solid_nucleate(comm, law_of, rule, thrown):
    grid, inputs = Grid((8, 8, 16)), job()
    law = Nucleation(rule=rule, multiplier=40.0)
    chance = nucleation.chance(law, LIQUIDUS, 2e-7, 2e-6, (3, 0, grid.cells))
    growth = law_of(comm, grid, inputs, LIQUIDUS, chance)
    growth.start(np.zeros(grid.cells, int), np.arange(1))
    growth.rest[:] = False
    run(growth, Cooling(1700.0), 1, 3)
    labels = np.unique([part for _, part, _ in growth.finish()])
    counts = growth.counts()
    assert (counts["nuclei_thrown"] > 0) == bool(thrown)
    assert counts["nuclei_thrown_into_solid"] == counts["nuclei_thrown"]
    assert (labels >= NUCLEUS).any() == bool(thrown)


def test_nuclei_follow_seed_step_and_cell_only(comm):
    """Liquid that cools: the same nuclei on all ranks as on one, others with another seed."""
    found = {}
    for name, ranks, seed in (("own", comm, 3), ("alone", SELF, 3), ("other", SELF, 4)):
        grid = Grid((8, 16, 24))
        chance = nucleation.chance(Nucleation(multiplier=20.0), LIQUIDUS, 2e-7, 2e-6,
                                   (seed, 0, grid.cells))
        law = PhaseFieldLaw(ranks, grid, job(), LIQUIDUS, chance)
        law.start(np.full(grid.cells, -1), np.arange(0))
        run(law, Cooling(1700.0), 1, 20)
        found[name] = np.array([part for _, part, _ in law.finish()])
    np.testing.assert_array_equal(found["own"], found["alone"])
    assert len(np.unique(found["own"])) > 5
    assert not np.isin(found["other"][found["other"] >= 0], found["own"]).all()


def test_one_grain_is_an_octahedron(comm):
    """|R (x - x_0)|_1 <= V t for a grain of any orientation, to a cell's half."""
    grid, inputs, kelvin = Grid((40, 40, 40)), job(window=500.0), LIQUIDUS - 25.0
    law = DendriticLaw(comm, grid, inputs, LIQUIDUS, None)
    grain = np.full(grid.cells, -1)
    grain[20, 20, 20] = 0
    law.start(grain, np.array([5]))
    law.rest[:] = False
    step = float(tip_velocity(Dendritic(), 25.0)) * 2e-7 / 2e-6
    steps = int(15 / step)
    run(law, Even(kelvin), 2, steps // 2)
    solid = np.zeros(grid.cells, bool)
    for block, part, _ in law.finish():
        solid[grid.cut(block)] = part == 0
    turn = matrices(random_quaternions(0, np.array([5])))[0]
    away = (np.indices(grid.cells)[::-1].reshape(3, -1) - 20.0)
    norm = np.abs(turn @ away).sum(axis=0).reshape(grid.cells)
    length = 2 * (steps // 2) * step
    assert solid[norm < length - 1.0].all() and not solid[norm > length + 1.0].any()
    assert solid.sum() == pytest.approx(4 / 3 * length**3, rel=0.05)


class Gradient(Even):
    """Cooler towards small z: liquidus at a height that rises from frame to frame."""

    def sample(self, number, grid, blocks):
        z = np.arange(10) - 1 + 8 * grid.places(blocks)[:, 2][:, None]
        T = LIQUIDUS + 2.0 * (z - 4.0 - number)
        out = super().sample(number, grid, blocks).reshape(len(blocks), 10, 10, 10)
        return np.where(out > 0, T[:, :, None, None], 0).astype(np.float32).reshape(len(blocks), -1)


@pytest.mark.serial
def test_grains_with_100_along_the_gradient_win():
    """Columns that start with random orientations: those left have <100> nearer to z."""
    shape, columns = (64, 32, 32), 64
    grid, inputs = Grid(shape), job(window=500.0)
    law = DendriticLaw(SELF, grid, inputs, LIQUIDUS, None)
    grain = np.full(shape, -1)
    grain[:4] = np.arange(columns).reshape(8, 8).repeat(4, 0).repeat(4, 1)
    law.start(grain, np.arange(columns))
    law.rest[:] = False
    run(law, Gradient(LIQUIDUS - 10), 60, 25)
    top = np.full(shape, -1)
    for block, part, _ in law.finish():
        top[grid.cut(block)] = part
    aligned = np.abs(matrices(random_quaternions(0, np.arange(columns)))[:, :, 2]).max(axis=1)
    left = top[44][top[44] >= 0]
    assert len(left) > 900 and len(np.unique(left)) < columns / 2
    assert aligned[left].mean() > aligned.mean() + 0.05


def test_blocks_are_dealt_evenly():
    grid = Grid((40, 40, 80))
    blocks = np.arange(0, grid.count, 3)
    weights = 5.0 + blocks % 7
    owner = deal(grid, blocks, weights, 3)
    loads = [weights[owner == rank].sum() for rank in range(3)]
    assert max(loads) - min(loads) < 30
    assert len(deal(grid, blocks[:0], weights[:0], 3)) == 0


@pytest.mark.serial
@pytest.mark.parametrize("law_of", [PhaseFieldLaw, DendriticLaw])
def test_nothing_grows_in_from_beyond_the_metal(law_of):
    """Melt above one grain, number 1, in blocks that the metal fills in part."""
    shape = (13, 10, 9)
    grain = np.full(shape, -1)
    grain[:4] = 1
    law = law_of(SELF, Grid(shape), job(), LIQUIDUS, None)
    law.start(grain, np.arange(2))
    law.rest[:] = False
    run(law, Even(1690.0), 8, 80)
    whole = np.full([8 * n for n in law.grid.shape], -2)
    for block, labels, _ in law.finish():
        whole[law.grid.cut(block)] = labels
    np.testing.assert_array_equal(whole[:13, :10, :9], 1)
