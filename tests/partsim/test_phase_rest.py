"""Blocks that rest: what they miss, when they wake, and that scarce alpha is not delayed."""
import numpy as np
import pytest

from partsim.mesh.nodes import key_point
from partsim.phase import ranges, visits
from partsim.phase.integrate import BlockPhases, Options, PhaseFields
from partsim.phase.model import PhaseLaw, martensite_equilibrium, mobility
from tests.meshes import alone, make_mesh, scattered, small_lattice, varied_leaves

LAW = PhaseLaw()
TOLERANCE = 1e-6
BLOCK = 300  # points, of which no number of batches is made
STEP = 1e-4  # s


def block_phases(X_as, X_am, tolerance=TOLERANCE):
    """Blocks of BLOCK points each, whose two ranges have different lengths."""
    fields = PhaseFields(X_as.copy(), X_am.copy(), np.zeros(len(X_as)))
    blocks = len(X_as) // BLOCK
    first = 100 * np.arange(blocks + 1)
    second = first[-1] + (BLOCK - 100) * np.arange(blocks + 1)
    return BlockPhases(fields, ranges.Groups(first, second), LAW, Options(0.1, tolerance))


def temperatures(blocks, steps, seed=0):
    """(steps, points) K: each block cools and is heated again at a pace of its own."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(450, 1000, blocks)
    pace = rng.choice([0.0, 10.0, 300.0, 3000.0], blocks) * rng.choice([-1, 1], blocks)
    time = STEP * np.arange(steps)[:, None]
    path = start + pace * time + 40 * np.sin(2 * np.pi * 10 * time + rng.uniform(0, 6, blocks))
    path[steps // 2 : steps // 2 + 20, ::5] += 900  # the laser passes over every fifth block
    return path, rng.uniform(-3, 3, (blocks, BLOCK))


def history(tolerance, steps=1500, blocks=40):
    """The phases after a history of `temperatures`, and the share of points that did rest."""
    rng = np.random.default_rng(1)
    path, local = temperatures(blocks, steps)
    X_as = rng.choice([1e-12, 1e-4, 0.3], blocks).repeat(BLOCK)
    X_am = rng.uniform(0, 0.55, blocks).repeat(BLOCK)
    phases = block_phases(X_as, X_am, tolerance)
    inside = np.empty(blocks * BLOCK)

    def scatter(row):
        """Temperatures of all blocks in the order of the two ranges."""
        field = path[row][:, None] + local
        inside[: 100 * blocks] = field[:, :100].ravel()
        inside[100 * blocks :] = field[:, 100:].ravel()
        return inside.copy()

    T_old = scatter(0)
    for row in range(1, steps):
        T = scatter(row)
        phases.step("explicit", T_old, T, STEP)
        T_old = T
    phases.catch_up(T_old)
    rest = phases.visits[visits.REST] + phases.visits[visits.FORMING]
    return phases.fields, rest / ((steps - 1) * blocks * BLOCK)


def test_resting_blocks_miss_a_few_tolerances():
    resting, share = history(TOLERANCE)
    exact, never = history(0.0)
    assert share > 0.3 and never < 0.05
    missed = max(np.abs(a - b).max() for a, b in zip(resting, exact, strict=True))
    assert 0 < missed < 2 * TOLERANCE


def test_a_smaller_tolerance_misses_less():
    exact, _ = history(0.0, steps=600, blocks=15)
    missed = []
    for tolerance in (1e-4, 1e-6):
        resting, _ = history(tolerance, steps=600, blocks=15)
        missed.append(max(np.abs(a - b).max() for a, b in zip(resting, exact, strict=True)))
    assert missed[1] < missed[0] / 10


@pytest.mark.parametrize("T", [500.0, 700.0])
def test_scarce_alpha_is_not_delayed(T):
    """From X_as = 0 its power X_as^(1/c) grows evenly: (26) alone, the gap being 0."""
    X_am, steps, dt = 0.9, 4000, 1e-3
    phases = block_phases(np.zeros(BLOCK), np.full(BLOCK, X_am))
    for _ in range(steps):
        phases.step("explicit", np.full(BLOCK, T), np.full(BLOCK, T), dt)
    phases.catch_up(np.full(BLOCK, T))
    limit = mobility(T, LAW) * 0.9 * steps * dt / LAW.growth_exponent
    exact = 0.9 / (1 + limit**-LAW.growth_exponent)
    assert phases.visits[visits.REST] > 0.5 * steps * BLOCK
    assert phases.fields.alpha_stable == pytest.approx(exact, rel=1e-3)


def test_martensite_goes_on_forming_in_a_rest():
    """(29) binds at every step of a slow cooling in which nothing else happens."""
    T, X_as = 600.0, 1e-3
    X_am = martensite_equilibrium(X_as, T, LAW)
    phases = block_phases(np.full(BLOCK, X_as), np.full(BLOCK, X_am))
    for step in range(400):
        phases.step("explicit", np.full(BLOCK, T), np.full(BLOCK, T - 0.01), 1e-5)
        T -= 0.01
    assert phases.visits[visits.FORMING] > 0.9 * 400 * BLOCK
    exact = martensite_equilibrium(X_as, T, LAW)
    assert phases.fields.martensite == pytest.approx(exact, abs=2e-6)


def test_a_block_wakes_for_the_laser():
    phases = block_phases(np.full(BLOCK, 0.9), np.zeros(BLOCK))
    T = np.full(BLOCK, 400.0)
    phases.step("explicit", T, T, 1e-5)
    phases.step("explicit", T, T, 1e-5)
    assert phases.visits[visits.REST] == BLOCK
    hot = T.copy()
    hot[-1] = 2000.0
    phases.step("explicit", T, hot, 1e-5)
    assert phases.fields.alpha_stable[-1] == 0 and (phases.fields.alpha_stable[:-1] == 0.9).all()


def test_a_nan_wakes_its_block():
    phases = block_phases(np.full(BLOCK, 0.9), np.zeros(BLOCK))
    T = np.full(BLOCK, 400.0)
    phases.step("explicit", T, T, 1e-5)
    spoiled = T.copy()
    spoiled[7] = np.nan
    phases.step("explicit", T, spoiled, 1e-5)
    assert phases.visits[visits.REST] == 0


def test_every_owned_node_has_one_home_whatever_the_ranks(comm):
    """The nodes of a block are the same on one rank and on several."""
    lattice = small_lattice(4, 2)
    mesh = scattered(make_mesh(comm, lattice, varied_leaves(lattice, 2), 2))
    first, second = mesh.home
    assert first[0] == mesh.nodes.n_ghost and first[-1] == mesh.nodes.n_surface == second[0]
    assert second[-1] == mesh.nodes.n_total and (np.diff(first) >= 0).all()
    block = np.repeat(mesh.own, np.diff(first))
    points = key_point(mesh.nodes.key[mesh.nodes.n_ghost :])
    rows = np.concatenate(comm.allgather(np.column_stack([points, block])))
    assert len(np.unique(rows[:, :3], axis=0)) == len(rows)
    whole = alone(mesh)
    home = np.repeat(whole.own, np.diff(whole.home[0]))
    expected = np.column_stack([key_point(whole.nodes.key), home])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(expected, axis=0))
