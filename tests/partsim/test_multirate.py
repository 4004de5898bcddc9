"""Multirate steps: one rate is forward Euler, and many rates are what their definition says."""

import numpy as np
import pytest
from mpi4py import MPI
from scipy import sparse

from partsim.job import MaterialChoice
from partsim.macrostep import MacroStep
from partsim.part import material as materials
from partsim.part.scan import ScanPath
from partsim.phase.integrate import BlockPhases, Options, PhaseFields
from partsim.phase.kernels import advance_explicit
from partsim.phase.ranges import Groups
from partsim.phase.model import PhaseLaw
from partsim.thermal.content import make_content_table
from partsim.thermal.levels import runs_by_level
from partsim.thermal.multirate import Multirate, settle_nodes, settle_run
from partsim.thermal.pace import FOLLOW, INTERVAL, NEVER, Pace, levels_below
from partsim.thermal.source import Optics
from partsim.timers import Timers
from tests.dense import BITS, STIFFNESS
from tests.heat_run import RADIUS, HeatRun
from tests.meshes import alone, noise, present, scattered, varied_mesh

DT, LAW = 1e-5, PhaseLaw()
HOT = {"lossy": True, "fixed": True}


class FixedPace:
    """A pace that gives every leaf a level of its own; under the top, where a beam may be, 0.

    near  whether they change from interval to interval
    """

    def __init__(self, mesh, highest, near=False):
        random = np.random.default_rng(5)
        count = len(mesh.leaves)
        self.stable = np.full(count, highest, np.int8)
        self.near = np.full(count, near)
        self.chosen = random.integers(0, highest + 1, (64, count)).astype(np.int8)
        upper = mesh.leaves.corner[:, 2] + mesh.active * mesh.leaves.stride
        self.chosen[:, upper == mesh.top] = 0
        if not near:
            self.stable = self.chosen[0]

    def advance(self, stop):
        """Nothing is to be followed."""

    def levels(self, start):
        """Other levels in each interval."""
        return self.chosen[start // INTERVAL]


def hot_run(mesh, **options):
    """A run from uneven temperatures, half of them above the liquidus."""
    return HeatRun(mesh, lambda points: 600 + 3000 * noise(points), **options)


def track(mesh):
    """A line over the powder, at half of its power from its middle on."""
    lattice = mesh.lattice
    corners = np.array([[9.0, 9.5, 0], [20.0, 14.0, 0], [22.0, 22.0, 0]])
    corners[:, 2] = lattice.top(mesh.layer)
    times = DT * np.array([0.0, 17.3, 40.0])
    return ScanPath(lattice.position(corners), times, np.array([200.0, 100.0]))


def macro(run, length, count, pace, path=None):
    """`count` macro steps of a HeatRun of that many base steps."""
    multirate = Multirate(run.heat, DT, run.ledger, length, pace)
    lattice = run.mesh.lattice
    if path is not None:
        multirate.aim_at((path,), Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder))
    stepper = MacroStep(multirate, None, "off", Timers())
    run.former = run.temperature.copy()
    for number in range(count):
        stepper.run(run.temperature, run.former, number * length)
    return run


def lost(run, name):
    """J of an entry of the account, of all ranks."""
    return run.mesh.comm.allreduce(getattr(run.ledger, name).value)


@pytest.fixture
def mesh(comm):
    """Each block is given to a rank at random."""
    made = scattered(varied_mesh(comm))
    yield made
    made.close()


ALLOYS = pytest.mark.parametrize("alloy", [
    materials.load(MaterialChoice(name=name, latent_heat=name == "316L"))
    for name in ("Ti-6Al-4V", "316L")
], ids=["Ti-6Al-4V", "316L"])


@ALLOYS
def test_one_rate_is_the_explicit_scheme(mesh, alloy):
    """Bit for bit, with hanging nodes, powder, a beam, losses and a fixed plate."""
    options = HOT | {"consolidated": 0.3, "alloy": alloy}
    one, other = (hot_run(mesh, **options) for _ in range(2))
    one.explicit(DT, 16, track(mesh))
    macro(other, 8, 2, FixedPace(mesh, 0), track(mesh))
    np.testing.assert_array_equal(one.temperature, other.temperature)
    assert other.ledger.laser.value == one.ledger.laser.value > 0
    for name in ("lost_top", "lost_plate"):
        assert lost(other, name) == pytest.approx(lost(one, name), rel=1e-12, abs=0)


@ALLOYS
@pytest.mark.parametrize("near", [False, True], ids=["levels that stay", "levels that change"])
def test_energy_is_conserved_at_any_levels(mesh, alloy, near):
    """Also with powder that melts, c_p(T), latent heat and losses."""
    run = hot_run(mesh, consolidated=0.3, alloy=alloy, **HOT)
    macro(run, 16, 4, FixedPace(mesh, 4, near), track(mesh))
    assert lost(run, "lost_top") > 0 and lost(run, "lost_plate") != 0
    assert abs(run.gap()) <= 1e-11


@pytest.mark.parametrize("near", [False, True], ids=["levels that stay", "levels that change"])
def test_ranks_agree_bit_for_bit(mesh, near):
    """Levels are those of leaves, whoever owns them."""
    together = hot_run(mesh, consolidated=0.3, **HOT)
    macro(together, 16, 4, FixedPace(mesh, 4, near), track(mesh))
    whole = alone(mesh)
    single = hot_run(whole, consolidated=0.3, **HOT)
    macro(single, 16, 4, FixedPace(whole, 4, near), track(whole))
    np.testing.assert_array_equal(together.blocks(), single.blocks())
    whole.close()


def incidence(mesh):
    """Sparse (nb (B+1)^3, n_total): what each node of a block takes of each node of the mesh."""
    columns = []
    for node in range(mesh.nodes.n_total):
        unit = np.zeros(mesh.nodes.n_total)
        unit[node] = 1.0
        values = np.where(present(mesh), mesh.to_blocks(unit), 0.0).ravel()
        columns.append(sparse.csc_array(values[:, None]))
    return sparse.hstack(columns).tocsr()


def block_stiffness(mesh, block, conductivity):
    """((B+1)^3, (B+1)^3) of one block, assembled from its active cells."""
    size, pitch = mesh.lattice.block, mesh.lattice.block + 1
    edge = mesh.leaves.stride[mesh.own][block] * mesh.lattice.cell
    steps = np.array([pitch * pitch, pitch, 1])
    matrix = np.zeros((pitch**3, pitch**3))
    for cell in np.ndindex(int(mesh.active[mesh.own][block]), size, size):
        nodes = (cell + BITS) @ steps
        matrix[np.ix_(nodes, nodes)] += conductivity * edge * STIFFNESS
    return matrix


def by_definition(mesh, heat, temperature, level, count):
    """`count` base steps: every block's residual frozen over its step, every node with its fastest
    block, by matrices and without any list of blocks or nodes."""
    take, rows = incidence(mesh), (mesh.lattice.block + 1) ** 3
    parts = [take[rows * b:rows * (b + 1)] for b in range(mesh.n_blocks)]
    stiffness = [block_stiffness(mesh, b, heat.conduction.law[2]) for b in range(mesh.n_blocks)]
    touched = np.array([np.diff(part.tocsc().indptr) > 0 for part in parts])
    fastest = np.where(touched, level[:, None], 99).min(axis=0)
    residual, T = np.zeros(touched.shape), temperature.copy()
    for time in range(count):
        for b in np.flatnonzero(time % 2 ** level == 0):
            residual[b] = parts[b].T @ (stiffness[b] @ (parts[b] @ T))
        due = time % 2 ** fastest == 0
        T[due] -= (DT * 2 ** fastest * residual.sum(axis=0) / heat.capacity)[due]
    return T


class Turns(FixedPace):
    """Half of the blocks are near a beam; their phases may take steps of up to 32 base steps."""

    def __init__(self, mesh):
        super().__init__(mesh, 5)
        self.stable[:], self.near = 5, np.arange(len(mesh.leaves)) % 2 == 0


def phases_by_definition(phases, groups, level, told, turns):
    """The phases of all blocks after two intervals, moved when it is their turn.

    level, turns  (2, nb) of each interval       told  (33, n_total) temperatures, base step by step
    """
    for block in range(level.shape[1]):
        nodes = np.r_[groups.first[block]:groups.first[block + 1],
                      groups.second[block]:groups.second[block + 1]]
        fields, moved = [values[nodes].copy() for values in phases], 0
        for time in range(1, 33):
            every = turns[(time - 1) // INTERVAL, block]
            if time % every == 0 or (time == 16 and turns[1, block] < every):
                begins = np.arange(moved, time, 2 ** level[(time - 1) // INTERVAL, block])
                begins = begins if level[(time - 1) // INTERVAL, block] < FOLLOW else begins[:1]
                T_old = told[begins][:, nodes].max(axis=0)
                advance_explicit(*fields, T_old, told[time][nodes].copy(), DT * (time - moved), LAW)
                moved = time
        assert moved == 32
        for values, new in zip(phases, fields):
            values[nodes] = new


@pytest.mark.serial
@pytest.mark.parametrize("tolerance", [0.0, 1e-5])
def test_phases_move_in_turn_with_the_highest_temperature_in_between(tolerance):
    """Bit for bit as defined: near a beam every four base steps, behind it in longer steps, and at
    once where a beam comes near; T_old is the highest one only where steps are the shortest. Blocks
    that rest miss a few tolerances."""
    mesh = varied_mesh(MPI.COMM_SELF)
    run, pace = hot_run(mesh, consolidated=0.3), Turns(mesh)
    random = np.random.default_rng(2)
    fields = PhaseFields(*random.uniform(0, 0.4, (2, mesh.nodes.n_total)),
                         np.zeros(mesh.nodes.n_total))
    expected = tuple(values.copy() for values in fields)
    phases = BlockPhases(fields, Groups(*mesh.home), LAW, Options(1.0, tolerance))
    multi = Multirate(run.heat, DT, run.ledger, 32, pace)
    stepper = MacroStep(multi, phases, "explicit", Timers())
    state = (run.temperature, np.zeros_like(run.temperature))
    told, level, turns = [run.temperature.copy()], [], []
    for since in (0, 16):
        behind = multi.begin(since, since)
        stepper.move_now(behind, state, since)
        level.append(multi.levels.block.astype(int))
        turns.append(multi.levels.turn.copy())
        for number in range(INTERVAL):
            stepper.shared(state, since + number, number)
            told.append(run.temperature.copy())
    assert len(behind) and len(np.unique(turns)) == 4 and (np.array(level) < FOLLOW).any()
    phases_by_definition(expected, phases.groups, np.array(level), np.array(told), np.array(turns))
    phases.catch_up(run.temperature)
    for mine, theirs in zip(fields, expected):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=2 * tolerance)
    mesh.close()


@pytest.mark.serial
def test_runs_are_neighbours_of_one_level():
    node = np.repeat([2, 1, 2, 0], [9, 8, 30, 12]).astype(np.int8)
    alike = np.full(len(node), True)
    alike[[25, 30, 49]] = False
    runs, first, single = runs_by_level(node, alike, 4)
    assert runs.tolist() == [[50, 59], [9, 17], [0, 9], [17, 25], [31, 47]]
    assert first.tolist() == [0, 1, 2, 5, 5]
    assert np.flatnonzero(single).tolist() == [25, 26, 27, 28, 29, 30, 47, 48, 49]
    nothing = runs_by_level(node[:0], alike[:0], 4)
    assert [len(each) for each in nothing] == [0, 5, 0]


@pytest.mark.serial
@ALLOYS
def test_runs_settle_as_single_nodes_do(alloy):
    """Bit for bit, those of the level alone."""
    rng, table = np.random.default_rng(3), make_content_table(alloy)
    T, rates = rng.uniform(300, 2500, 50), rng.uniform(1e-5, 1e-4, 50)
    residual, levels = rng.normal(0, 1e5, (5, 50)), rng.integers(1, 4, 50).astype(np.int8)
    other_T, other = T.copy(), residual.copy()
    settle_run(T, residual[3], rates, levels, 3, table)
    arrays = (other_T, other, rates, levels, np.full(50, 3, np.int8))
    assert settle_nodes(np.arange(50), 3, 3, arrays, 0, table) == 0
    np.testing.assert_array_equal(T, other_T)
    np.testing.assert_array_equal(residual, other)
    assert ((residual[3] == 0) == (levels == 3)).all()


@pytest.mark.serial
def test_many_rates_are_what_they_are_defined_as():
    """Against matrices, on blocks of three sizes with hanging nodes; four levels at random."""
    mesh = varied_mesh(MPI.COMM_SELF)
    run, pace = hot_run(mesh), FixedPace(mesh, 3)
    expected = by_definition(mesh, run.heat, run.temperature, pace.stable.astype(int), 16)
    macro(run, 8, 2, pace)
    assert len(np.unique(mesh.leaves.stride)) == 3
    np.testing.assert_allclose(run.temperature, expected, rtol=1e-12)
    mesh.close()


def brute_distance(pace, path, leaf, start, stop):
    """m, least distance of a leaf's box from the beam in so many base steps, finely sampled."""
    times = np.linspace(start * DT, stop * DT, 200, endpoint=False)
    where = path.position(times)[path.power_at(times) > 0]
    gap = np.maximum(pace.low[leaf] - where, where - pace.high[leaf]).clip(0)
    return np.linalg.norm(gap, axis=1).min(initial=np.inf)


def test_beam_is_near_only_blocks_of_level_zero(mesh):
    """Wherever a finely sampled beam comes within reach; and the levels behind it rise."""
    path, lattice = track(mesh), mesh.lattice
    optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
    pace = Pace(mesh, (path,), optics, DT, 1.8e-4, -NEVER)
    for start in range(0, 64, INTERVAL):
        pace.advance(start + INTERVAL)
        level = pace.levels(start)
        for leaf in range(len(mesh.leaves)):
            distance = brute_distance(pace, path, leaf, start, start + INTERVAL)
            if distance < pace.reach:
                assert pace.near[leaf] and level[leaf] == 0
    assert (pace.last == NEVER).any() and pace.near.any()
    pace.advance(1000)
    assert pace.levels(40 + 200 * INTERVAL)[pace.near].min() >= 7


@pytest.mark.parametrize("dwell, level", [(0, 0), (19, 0), (40, 1), (320, 4)])
def test_what_the_scan_before_left_behind_is_followed_too(mesh, dwell, level):
    """A step may be a twentieth of the time since a beam has passed, also one of another sweep."""
    path, lattice = track(mesh), mesh.lattice
    optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
    assert (Pace(mesh, (path,), optics, DT, 1.8e-4, dwell).levels(0) == level).all()


def test_powder_counts_like_a_beam_in_the_blocks_that_it_touches(mesh):
    """Also below it where it begins a new row of blocks; a beam that has passed later counts."""
    lattice, thickness = mesh.lattice, mesh.lattice.layer * mesh.lattice.cell
    optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
    pace = Pace(mesh, (), optics, DT, 1.8e-4, 15_000).lay(thickness)
    upper = mesh.leaves.corner[:, 2] + mesh.active * mesh.leaves.stride
    touched = upper >= mesh.top - lattice.layer
    assert touched.any() and not touched.all()
    for start, level in (0, 0), (39, 0), (40, 1), (1280, 6):
        assert (pace.levels(start)[touched] == level).all()
        assert (pace.levels(start)[~touched] == 9).all()


def test_levels_do_not_depend_on_where_a_run_was_resumed(mesh):
    path, lattice = track(mesh), mesh.lattice
    optics = Optics(RADIUS, lattice.cell, lattice.origin[:2], lattice.powder)
    through, resumed = (Pace(mesh, (path,), optics, DT, 1.8e-4, -NEVER) for _ in range(2))
    for start in (0, 16, 32, 40, 44):
        through.advance(start + 4)
    resumed.advance(44 + 4)
    np.testing.assert_array_equal(through.levels(44), resumed.levels(44))


def test_level_is_the_largest_power_of_two_below():
    ratio = np.array([0.0, 0.99, 1.0, 1.99, 2.0, 7.9, 8.0, 18.0, 64.0])
    assert levels_below(ratio).tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 6]
