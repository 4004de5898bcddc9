"""What the history fields ask of the mesh, against interpolation by scipy."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.interpolate import RegularGridInterpolator
from scipy.ndimage import convolve, distance_transform_cdt, generate_binary_structure

from partsim.mesh import adapt
from tests.meshes import (alone, cell_points, make_mesh, nodal, noisy, small_lattice,
                          varied_leaves, varied_mesh)

COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
NAMES = ["alpha_stable", "martensite"]


def inputs(**changes):
    """The entries of the job's mesh section that matter here."""
    given = {"coarsen": "interpolant", "coarsen_tolerance": 1e-2, "refine_tolerance": 4e-2,
             "surface_band": 1000}
    return SimpleNamespace(**given | changes)


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("step", [1, 2])
def test_deviation_is_that_from_the_trilinear_interpolant(pick, size, step):
    random = np.random.default_rng(size + step)
    values, counts = random.random(3 * (size + 1,)), random.random(3 * (size + 1,)) < 0.7
    axis = np.arange(0, size + 1, 2 * step)
    coarse = RegularGridInterpolator(3 * (axis,), values[:: 2 * step, :: 2 * step, :: 2 * step])
    fine = np.stack(np.meshgrid(*3 * (np.arange(0, size + 1, step),), indexing="ij"), -1)
    there = (slice(None, None, step),) * 3
    expected = np.abs(values[there] - coarse(fine))[counts[there]].max()
    found = pick(adapt.deviation)(values.ravel(), counts.ravel(), step, size, np.empty(values.size))
    assert found == pytest.approx(expected, rel=1e-13)


@COMPILED_AND_PLAIN
def test_nodes_count_where_a_cell_around_them_is_consolidated(pick):
    random = np.random.default_rng(1)
    cells = np.where(random.random((8, 8, 8)) < 0.1, random.random((8, 8, 8)), 0.0)
    expected, counts = np.zeros((9, 9, 9), bool), np.ones(729, bool)
    for place in np.argwhere(cells >= 0.5):
        expected[tuple(slice(a, a + 2) for a in place)] = True
    pick(adapt.consolidated_nodes)(cells.ravel(), 8, counts)
    np.testing.assert_array_equal(counts.reshape(9, 9, 9), expected)


@COMPILED_AND_PLAIN
def test_deviation_and_range_within_doubled_cells(pick):
    random = np.random.default_rng(2)
    cells, values, counts = random.random((4, 4, 4)), random.random((5, 5, 5)), np.ones((5, 5, 5))
    counts = random.random((5, 5, 5)) < 0.5
    doubled = [tuple(slice(2 * a, 2 * a + 2) for a in place) for place in np.ndindex(2, 2, 2)]
    expected = max(np.abs(cells[box] - cells[box].mean()).max() for box in doubled)
    assert pick(adapt.cell_deviation)(cells.ravel(), 4) == pytest.approx(expected, rel=1e-14)
    closed = [tuple(slice(s.start, s.stop + 1) for s in box) for box in doubled]
    expected = max(np.ptp(values[box][counts[box]]) for box in closed)
    assert pick(adapt.range_in_cells)(values.ravel(), counts.ravel(), 4) == expected
    assert pick(adapt.range_in_cells)(values.ravel(), np.zeros(125, bool), 4) == 0.0


@COMPILED_AND_PLAIN
def test_unknown_nodes_get_the_mean_of_known_neighbours_row_by_row(pick):
    random = np.random.default_rng(4)
    values, known = random.random((9, 9, 9)), random.random((9, 9, 9)) < 0.01
    assert 0 < known.sum() < 20
    beside = generate_binary_structure(3, 1).astype(float)
    expected, reached = np.where(known, values, 0.0), known.copy()
    while not reached.all():
        count = convolve(reached.astype(float), beside, mode="constant")
        mean = convolve(expected, beside, mode="constant") / np.maximum(count, 1)
        new = ~reached & (count > 0)
        expected[new], reached[new] = mean[new], True
    found, rows = values.ravel().copy(), np.where(known, 0, adapt.FAR).ravel()
    pick(adapt.spread_outward)(found, rows, 8)
    away = distance_transform_cdt(~known, "taxicab")
    np.testing.assert_array_equal(rows.reshape(9, 9, 9), away)
    np.testing.assert_allclose(found.reshape(9, 9, 9), expected, rtol=1e-13)
    nothing = np.full(729, adapt.FAR)
    pick(adapt.spread_outward)(found, nothing, 8)
    assert (nothing == adapt.FAR).all()


class History:
    """Fields on a mesh with partly active blocks at its top; the lowest 16 cells are powder."""

    def __init__(self, mesh, field):
        self.mesh = mesh
        self.state = {
            "alpha_stable": nodal(mesh, field), "martensite": np.zeros(mesh.nodes.n_total),
            "consolidated": 1.0 * (cell_points(mesh)[..., 2] >= 16),
        }
        self.complete = mesh.active == mesh.lattice.block
        self.powder = mesh.leaves.corner[:, 2] + mesh.leaves.edge <= 16

    def wishes(self, **changes):
        """What is asked for after the history has been continued where cells may merge."""
        deep = adapt.deep_blocks(self.mesh.leaves, self.mesh.top, inputs(**changes).surface_band)
        adapt.extend_history(self.mesh, self.state, NAMES, deep)
        return adapt.wishes(self.mesh, self.state, NAMES, inputs(**changes))


@pytest.fixture
def mesh(comm):
    made = varied_mesh(comm, 3)
    yield made
    made.close()


def test_linear_history_may_merge_everywhere(mesh):
    """The interpolant is exact; nearly equal values are another matter."""
    history = History(mesh, lambda points: points @ [0.01, 0.005, 0.008])
    finer, coarser = history.wishes()
    assert not finer.any()
    np.testing.assert_array_equal(coarser, history.complete)
    assert (~history.complete).any()
    _, equal = history.wishes(coarsen="equal")
    np.testing.assert_array_equal(equal, history.complete & history.powder)
    never = history.wishes(coarsen="never")
    assert not never[0].any() and not never[1].any()


def test_bend_is_resolved_where_it_is(mesh):
    """|x - 21| bends inside of doubled cells in the blocks around x = 21, whatever their level."""
    history = History(mesh, lambda points: 0.1 * np.abs(points[..., 0] - 21))
    finer, coarser = history.wishes()
    low, high = mesh.leaves.corner[:, 0], mesh.leaves.corner[:, 0] + mesh.leaves.edge
    bent = (low < 21) & (high > 21) & ~history.powder
    assert set(mesh.leaves.stride[bent]) == {1, 2}
    np.testing.assert_array_equal(finer, history.complete & bent)
    np.testing.assert_array_equal(coarser, history.complete & ~bent)


def test_parent_that_would_be_split_at_once_is_not_made(mesh):
    """A zigzag of four cells: doubled cells resolve it, their parent would be found too coarse."""
    history = History(mesh, lambda points: 0.03 * np.abs(points[..., 1] % 4 - 2))
    finest = (mesh.leaves.stride == 1) & history.complete & ~history.powder
    _, refused = history.wishes()
    _, granted = history.wishes(refine_tolerance=1.0)
    assert granted[finest].all() and not refused[finest].any()


def test_consolidated_fraction_is_a_history_too(mesh):
    history = History(mesh, lambda points: 0.0 * points[..., 0])
    lower = cell_points(mesh)
    history.state["consolidated"] = 1.0 * ((lower[..., 2] >= 16) & (lower[..., 0] < 21))
    _, coarser = history.wishes()
    low, high = mesh.leaves.corner[:, 0], mesh.leaves.corner[:, 0] + mesh.leaves.edge
    boundary = (low < 21) & (high > 21) & ~history.powder & (mesh.leaves.stride == 1)
    assert boundary.any() and not coarser[boundary].any()
    far = (high <= 20) | (low >= 24) | history.powder
    np.testing.assert_array_equal(coarser[far], history.complete[far])


BAND, UPPER = 11, 24  # the surface band of the meshes that follow: blocks up to here are deep


@pytest.fixture
def tall(comm):
    """The part begins at a height of 16, the top is 35."""
    lattice = small_lattice()
    made = make_mesh(comm, replace(lattice, plate=16), varied_leaves(lattice, 3), 19)
    yield made
    made.close()


def halved(mesh):
    """A history that is smooth in the part, the cells up to x = 23, and is not in the powder."""
    history = History(mesh, lambda points: np.where(points[..., 0] <= 23, 0.2, 0.9))
    lower = cell_points(mesh)
    upper = lower[..., 0] + mesh.leaves.stride[mesh.own][:, None]
    history.state["consolidated"] = 1.0 * ((lower[..., 2] >= 16) & (upper <= 23))
    return history


def test_deep_cells_merge_once_across_the_surface(tall):
    history, leaves = halved(tall), tall.leaves
    finer, coarser = history.wishes(surface_band=BAND)
    high = leaves.corner + leaves.edge[:, None]
    cut = (leaves.corner[:, 0] < 23) & (high[:, 0] > 23) & (leaves.corner[:, 2] >= 16)
    deep, finest = high[:, 2] <= UPPER, leaves.stride == 1
    assert (cut & deep & finest).any() and (cut & deep & ~finest).any()
    assert coarser[cut & deep & finest].all() and not coarser[cut & deep & ~finest].any()
    assert not coarser[cut & ~deep].any()
    assert not finer[cut & deep].any() and finer[cut & ~deep & history.complete].all()


def test_history_goes_on_into_powder_where_cells_may_merge(tall):
    """It changes at no node that counts, and nowhere else."""
    history = halved(tall)
    state, before = history.state, history.state["alpha_stable"].copy()
    deep = adapt.deep_blocks(tall.leaves, tall.top, BAND)
    adapt.extend_history(tall, state, ["alpha_stable"], deep)
    after, place = state["alpha_stable"], nodal(tall, lambda points: points[..., 0])
    height = nodal(tall, lambda points: points[..., 2])
    changed = np.abs(after - before) > 1e-6
    assert tall.comm.allreduce(int(changed.sum())) > 20
    np.testing.assert_allclose(after[changed], 0.2, rtol=1e-15)  # what it is in all of the part
    assert (place[changed] > 23).all() and (height[changed] <= UPPER).all()
    assert (place[changed] <= 32).all()  # of blocks that hold both, the coarsest end there
    np.testing.assert_allclose(after[~changed], before[~changed], rtol=1e-15)


def test_history_goes_on_from_what_is_nearest(tall):
    """Coarse cells that are half powder count as the part's: beside them it reaches a cell further,
    and powder that touches these alone must not bring their history to other heights."""
    history = History(tall, lambda points: np.where(points[..., 0] <= 24, points[..., 2], 99.0))
    middle = cell_points(tall) + 0.5 * tall.leaves.stride[tall.own][:, None, None]
    history.state["consolidated"] = 1.0 * ((middle[..., 2] >= 16) & (middle[..., 0] <= 23))
    before = history.state["alpha_stable"].copy()
    adapt.extend_history(tall, history.state, ["alpha_stable"], np.ones(len(tall.leaves), bool))
    moved = np.abs(history.state["alpha_stable"] - before)
    x, z = (nodal(tall, lambda points: points[..., axis]) for axis in (0, 2))
    assert moved[x > 24].any() and moved[(x <= 24) & (z >= 16)].max() < 1  # means of two heights


def test_deep_cells_of_the_plate_merge_once_whatever_their_phases(comm, mesh):
    history = History(mesh, lambda points: 0.9 * (points[..., 2] < 27))
    finer, coarser = history.wishes(surface_band=3)
    refused = history.wishes()[1]
    leaves = mesh.leaves
    low, high = leaves.corner[:, 2], leaves.corner[:, 2] + leaves.edge
    uneven, finest = (low < 27) & (high >= 27) & (high <= 32), leaves.stride == 1
    assert (uneven & finest).any() and (uneven & ~finest).any()
    assert coarser[uneven & finest].all() and not refused[uneven & finest].any()
    assert not coarser[uneven & ~finest].any() and not finer[uneven & (leaves.stride == 2)].any()


def test_wishes_do_not_depend_on_the_ranks(mesh):
    states = []
    for each in (mesh, alone(mesh)):
        state = {name: noisy(each, 0, 0.06, seed) for seed, name in enumerate(NAMES)}
        state["consolidated"] = 1.0 * (cell_points(each)[..., 2] >= 20)
        given = inputs(coarsen_tolerance=0.035, surface_band=8)
        states.append(adapt.wishes(each, state, NAMES, given))
    np.testing.assert_array_equal(*states)
    assert np.any(states[0]) and not np.all(states[0])
