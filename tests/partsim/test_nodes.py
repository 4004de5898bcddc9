"""Nodes of a mesh with hanging ones on faces and edges, and what ranks share of them."""

import numpy as np
import pytest
from mpi4py import MPI

from partsim.mesh import local
from partsim.mesh.mesh import Mesh
from partsim.mesh.nodes import key_point, node_key
from partsim.mesh.partition import cut, deal, imbalance
from partsim.mesh.sides import side_of, surface
from tests.meshes import (
    alone, everywhere, nodal, node_points, noise, noisy, present, scattered, small_lattice, total,
    varied_leaves, varied_mesh,
)  # fmt: skip
from tests.trilinear import Elements

pytestmark = pytest.mark.pair

COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
# block, layer, seed, whether the blocks are given out at random
CASES = [(4, 0, 1, False), (4, 3, 1, False), (4, 3, 1, True), (4, 6, 2, True), (8, 5, 1, False)]


@pytest.fixture(params=CASES, ids=str)
def mesh(request, comm):
    """A mesh on all ranks; blocks at its top are partly active unless it is the bare plate."""
    block, layer, seed, random = request.param
    made = varied_mesh(comm, layer, block, seed)
    made = scattered(made) if random else made
    yield made
    made.close()


@pytest.fixture
def elements(mesh):
    return Elements(mesh.leaves, mesh.top)


def linear(points):
    return 300 + points @ np.array([2.0, -3.0, 5.0])


def free_entries(mesh):
    """(nb, (B+1)^3) which places of this rank's blocks read a node of the vector."""
    tables, free = mesh.nodes.tables, np.zeros(mesh.block_shape(), bool)
    for block in range(mesh.n_blocks):
        entries = slice(*tables.surface_first[block : block + 2])
        waste = tables.surface_slot[entries] == mesh.nodes.n_surface
        positions = tables.positions[tables.active[block]][: len(waste)]
        free[block, positions] = ~waste
        inner = np.zeros(3 * (mesh.lattice.block + 1,), bool)
        inner[1 : tables.active[block], 1:-1, 1:-1] = True
        free[block] |= inner.ravel()
    return free


def test_nodes_are_the_corners_of_cells_that_do_not_hang(mesh, elements):
    free, points = free_entries(mesh), node_points(mesh)
    vertices = elements.at(points[present(mesh)])
    np.testing.assert_array_equal(free[present(mesh)], ~elements.hanging[vertices])
    assert not free[~present(mesh)].any()
    keys = np.unique(np.concatenate(mesh.comm.allgather(node_key(points[free]))))
    np.testing.assert_array_equal(keys, np.sort(node_key(elements.points[~elements.hanging])))
    assert mesh.total_nodes == len(keys)


def test_each_place_of_the_vector_is_one_node(mesh):
    """Different blocks agree on where a node is, and no two nodes share a place."""
    vector = nodal(mesh, lambda points: node_key(points).astype(float))
    free = free_entries(mesh)
    keys = node_key(node_points(mesh))[free]
    np.testing.assert_array_equal(mesh.to_blocks(vector)[free], keys)
    assert len(np.unique(vector)) == mesh.nodes.n_total == len(np.unique(keys))
    np.testing.assert_array_equal(vector[: mesh.nodes.n_surface], mesh.nodes.key)


def test_every_node_has_one_owner(mesh):
    vector = nodal(mesh, lambda points: node_key(points).astype(float))
    owned = np.concatenate(mesh.comm.allgather(vector[mesh.owned]))
    assert len(owned) == len(np.unique(owned)) == mesh.total_nodes
    assert np.isin(vector, owned).all()


def test_linear_field_is_exact_at_hanging_nodes(mesh):
    values = mesh.to_blocks(nodal(mesh, linear))
    shown = present(mesh)
    np.testing.assert_allclose(values[shown], linear(node_points(mesh))[shown], rtol=1e-14)


def test_hanging_nodes_lie_on_the_coarse_side(mesh, elements):
    """For any field: the values in all blocks are those of the constraints put together by hand."""
    def random(points):
        return noise(points, 3)

    values = mesh.to_blocks(nodal(mesh, random))
    expected = elements.constraints @ random(elements.points[~elements.hanging])
    shown = present(mesh)
    at = elements.at(node_points(mesh)[shown])
    np.testing.assert_allclose(values[shown], expected[at], rtol=1e-14)
    some = np.arange(0, mesh.n_blocks, 3)
    np.testing.assert_array_equal(
        mesh.some_blocks(nodal(mesh, random), some)[shown[some]], values[some][shown[some]]
    )


def test_collecting_is_the_transpose_of_interpolating(mesh, elements):
    """sum v . to_blocks(u) over blocks = assemble(v) . u, and as the constraints say."""
    u = noisy(mesh, -1, 1, 5)
    v = np.where(present(mesh), noise(node_points(mesh), 6) - 0.5, 0.0)
    left = mesh.comm.allreduce(float((v * mesh.to_blocks(u)).sum()))
    assembled = mesh.assemble(v.copy())
    assert total(mesh, assembled * u) == pytest.approx(left, rel=1e-12)
    rows = everywhere(mesh, v), everywhere(mesh, node_points(mesh)), everywhere(mesh, present(mesh))
    full = np.bincount(elements.at(rows[1][rows[2]]), rows[0][rows[2]], len(elements.points))
    expected = np.zeros(len(elements.points))
    expected[~elements.hanging] = elements.constraints.T @ full
    free = free_entries(mesh)
    at = elements.at(node_points(mesh)[free])
    np.testing.assert_allclose(mesh.to_blocks(assembled)[free], expected[at], atol=1e-13)


def test_volume_and_area_of_the_nodes(mesh, elements):
    expected = np.zeros(len(elements.points))
    expected[~elements.hanging] = elements.volume(mesh.lattice.cell)
    free = free_entries(mesh)
    at = elements.at(node_points(mesh)[free])
    np.testing.assert_allclose(mesh.to_blocks(mesh.volume)[free], expected[at], rtol=1e-13)
    expected[~elements.hanging] = elements.area(mesh.lattice.cell)
    area = np.zeros(mesh.nodes.n_total)
    area[: mesh.nodes.n_surface] = mesh.area
    np.testing.assert_allclose(mesh.to_blocks(area)[free], expected[at], rtol=1e-13)
    z = key_point(mesh.nodes.key)[:, 2]
    np.testing.assert_array_equal(mesh.bottom, np.flatnonzero(z == 0))


def test_any_rank_sees_the_sums_and_ghosts_of_one_rank_bit_for_bit(mesh):
    serial = alone(mesh)
    assert serial.total_nodes == mesh.total_nodes and serial.nodes.n_ghost == 0
    for assembled in ("assemble", "largest"):
        parts = []
        for each in (mesh, serial):
            vector = getattr(each, assembled)(noise(node_points(each), 7) - 0.3)
            parts.append(each.to_blocks(vector))
        shown = present(mesh)
        np.testing.assert_array_equal(parts[0][shown], parts[1][mesh.own][shown])
    for name in ("volume", "bottom", "area"):
        vectors = [np.zeros(each.nodes.n_total) for each in (mesh, serial)]
        for each, vector in zip((mesh, serial), vectors):
            if name == "bottom":
                vector[each.bottom] = 1
            else:
                vector[: len(getattr(each, name))] = getattr(each, name)
        blocks = mesh.to_blocks(vectors[0]), serial.to_blocks(vectors[1])[mesh.own]
        np.testing.assert_array_equal(*(rows[present(mesh)] for rows in blocks))


def test_slots_are_left_empty_by_a_sum(mesh):
    contributions = np.zeros(mesh.nodes.n_slots)
    local.add_blocks(
        np.ones(mesh.block_shape()), mesh.nodes.tables, contributions, np.zeros(mesh.nodes.n_total)
    )
    mesh.halo.sum(contributions)
    assert (contributions[: mesh.nodes.n_surface] > 0).all()
    assert (contributions[mesh.nodes.n_surface + 1 :] == 0).all()


def test_a_part_of_the_halo_sums_like_the_whole_bit_for_bit(mesh):
    """Two blocks add to their nodes; all ranks that touch these are told which blocks they are."""
    nodes = mesh.nodes
    chosen = np.zeros(len(mesh.leaves), bool)
    chosen[len(chosen) // mesh.comm.size - 1 : len(chosen) // mesh.comm.size + 1] = True
    whole, touched = np.zeros(nodes.n_slots), [nodes.foreign_node[chosen[nodes.foreign_block]]]
    random, tables = np.random.default_rng(mesh.comm.rank), nodes.tables
    for block in np.flatnonzero(chosen[mesh.own]):
        entries = slice(*tables.surface_first[block : block + 2])
        real = tables.surface_slot[entries] != nodes.n_surface
        np.add.at(whole, tables.surface_slot[entries][real], random.random(real.sum()))
        touched.append(tables.surface_node[entries][real])
    some = whole.copy()
    mesh.halo.sum(whole)
    mesh.halo.sum_part(some, mesh.halo.part(np.concatenate(touched)))
    np.testing.assert_array_equal(some, whole)
    assert mesh.comm.allreduce(float(np.abs(whole).sum())) > 0


def test_ghosts_get_the_values_of_their_owners(mesh):
    vector = nodal(mesh, lambda points: noise(points, 9))
    expected, ghosts = vector.copy(), slice(mesh.nodes.n_ghost)
    vector[ghosts] = -1.0
    mesh.halo.to_ghosts(vector)
    np.testing.assert_array_equal(vector, expected)


def test_ranks_meet_at_hanging_nodes(mesh):
    """The meshes of these tests are worth something on several ranks."""
    ghosts = mesh.comm.allreduce(mesh.nodes.n_ghost)
    across = mesh.comm.allreduce(mesh.hanging_across)
    assert (across > 0) == (ghosts > 0) == (mesh.comm.size > 1)


def test_every_kind_of_hanging_side_occurs():
    hanging = varied_mesh(MPI.COMM_SELF, 3).nodes.hanging
    assert np.bitwise_or.reduce(hanging) == (1 << 18) - 1
    assert ((hanging & 63 == 0) & (hanging > 0)).any()  # an edge alone


def test_rank_without_blocks(comm):
    """Fewer blocks than ranks: the last rank owns all, or the first."""
    leaves = varied_leaves(small_lattice(), 2)
    for empty_first in (True, False):
        owner = np.full(len(leaves), comm.size - 1 if empty_first else 0)
        mesh = Mesh(comm, small_lattice(), leaves, 2, owner)
        assert mesh.total_nodes == (~Elements(leaves, mesh.top).hanging).sum()
        assert mesh.hanging_across == 0
        assert total(mesh, mesh.volume) == pytest.approx(
            (48 * 48 * 32 + 16 * 16 * 2) * mesh.lattice.cell**3, rel=1e-13
        )
        mesh.close()


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("size", [4, 8])
@pytest.mark.parametrize("bits", [*(1 << bit for bit in range(18)), 5, 63, (1 << 18) - 1])
def test_interpolation_and_its_transpose_within_a_block(pick, size, bits):
    random = np.random.default_rng(bits)
    u, v = random.random((2, (size + 1) ** 3))
    up, down = u.copy(), v.copy()
    pick(local.interpolate)(up, bits, size)
    pick(local.restrict)(down, bits, size)
    moved = down != v
    assert moved.any() and down.sum() == pytest.approx(v.sum(), rel=1e-13)
    assert u @ down == pytest.approx(v @ up, rel=1e-13)
    assert not down[up != u].any()  # what hung is empty now


def test_sides_that_are_runs(mesh):
    """Each entry is in a run of its side, listed, or hangs; most are in runs."""
    tables, size = mesh.nodes.tables, mesh.lattice.block
    wanted = tables.surface_slot != mesh.nodes.n_surface
    in_runs = 0
    for block in range(mesh.n_blocks):
        first, last = tables.surface_first[block : block + 2]
        sides = side_of(surface(size, tables.active[block]), size, tables.active[block])
        listed = tables.listed[slice(*tables.listed_first[block : block + 2])]
        rest = np.setdiff1d(np.flatnonzero(wanted[first:last]), listed)
        assert wanted[first + listed].all()
        within = np.arange(len(sides)) - np.searchsorted(sides, sides)
        for runs, places in ((tables.node_run, tables.surface_node),
                             (tables.slot_run, tables.surface_slot)):
            found = runs[block, sides[rest]] + within[rest]
            np.testing.assert_array_equal(found, places[first:last][rest])
        assert not np.isin(sides[listed], sides[rest]).any()
        in_runs += len(rest)
    assert in_runs > 0.6 * wanted.sum()


def test_cut_deals_out_equal_work():
    weight = np.random.default_rng(1).integers(1, 5, 1000)
    for ranks in (1, 2, 3, 7):
        owner = cut(weight, ranks)
        assert len(owner) == 1000 and np.unique(np.diff(owner, prepend=0)).tolist() in ([0], [0, 1])
        shares = np.bincount(owner, weight)
        wanted = weight.sum() / ranks * np.arange(1, ranks + 1)
        assert np.abs(np.cumsum(shares) - wanted).max() <= weight.max() / 2
        assert imbalance(weight, owner, ranks) == pytest.approx(max(shares) / np.mean(shares))


def test_groups_stay_together_and_the_others_get_the_rest():
    work, group = np.ones(100), np.full(100, -1)
    group[40:60], group[90:] = 0, 1
    for ranks, share in ((1, [100]), (2, [50, 50]), (3, [33, 33, 34]), (7, [20, 14, 14, 13])):
        owner = deal(work, group, ranks)
        shares = np.bincount(owner, minlength=ranks)
        assert [len(set(owner[group == each])) for each in (0, 1)] == [1, 1]
        np.testing.assert_allclose(np.sort(shares)[::-1][:4], np.sort(share)[::-1], atol=1)
        pieces = [np.flatnonzero((owner == rank) & (group < 0)) for rank in range(ranks)]
        assert (np.diff(np.concatenate(pieces)) > 0).all()


@pytest.mark.parametrize("ranks", [1, 2, 3, 7])
def test_blocks_that_pause_are_dealt_apart(ranks):
    """In the intervals in which they rest and in those in which they work, the rank that has most
    has no more than it must: that of the group, or an equal share."""
    work, group, pause = np.ones(200), np.full(200, -1), np.ones(200)
    group[90:130], pause[:80] = 0, 4
    owner = deal(work, group, ranks, pause)
    resting = np.bincount(owner[80:], minlength=ranks)
    working = resting + 4 * np.bincount(owner[:80], minlength=ranks)
    assert len(set(owner[group == 0])) == 1
    assert resting.max() <= max(40, np.ceil(120 / ranks) + 1)
    assert working.max() <= np.ceil(440 / ranks) + 4
    if ranks == 2:  # cut together, the group's rank gets most that pause, and no other block
        owner = deal(work, group, ranks)
        assert np.bincount(owner[80:]).tolist() == [40, 80]


def test_ranks_with_too_much_get_nothing_more():
    owner = cut(np.ones(10), 3, np.array([2.0, 20.0, 0.0]))
    assert np.bincount(owner, minlength=3).tolist() == [4, 0, 6]
