"""Fields on their way to a mesh that is refined, merged, grown and dealt out anew at once."""

from functools import cached_property

import numpy as np
import pytest

from partsim.fields import FIELDS
from partsim.mesh import growth, transfer
from partsim.mesh.mesh import Mesh
from partsim.mesh.transfer import Transfer, sources
from tests.meshes import (
    BAND, alone, cell_points, everywhere, make_mesh, node_points, noise, noisy, present,
    scattered, small_lattice, total, varied_leaves,
)  # fmt: skip
from tests.trilinear import Elements

pytestmark = pytest.mark.pair

COLD = 300.0
POWDER = {"temperature": COLD, "alpha_stable": 0.0, "martensite": 0.85, "beta_shift": 0.0}
NODAL = ["temperature", "alpha_stable", "martensite", "beta_shift"]


def random_state(mesh, seed):
    """Every field different and random, the same on any number of ranks."""
    bounds = {"temperature": (400, 2000)}
    state = {
        name: noisy(mesh, *bounds.get(name, (0, 0.9)), seed + number)
        for number, name in enumerate(NODAL)
    }
    lower = cell_points(mesh)
    there = lower[..., 2] < mesh.top
    return state | {"consolidated": np.where(there, noise(lower, seed), 0.0)}


def next_leaves(mesh, layer, seed):
    """A new row where needed, random blocks split and as many merged as the build allows."""
    random = np.random.default_rng(seed)
    leaves = growth.with_layer(mesh.leaves, mesh.lattice, layer)
    finer = random.random(len(leaves)) < 0.02
    merge = random.random(len(leaves)) < 0.95
    return growth.adapted(leaves, mesh.lattice, layer, BAND, (finer, merge))


class Move:
    """One transfer: meshes, their states, and what of the old mesh is left."""

    def __init__(self, old, new, seed=1):
        self.old, self.new, self.before = old, new, random_state(old, seed)
        self.transfer = Transfer(old, new)
        self.after = self.transfer(self.before, POWDER)

    def blocks(self, name, old=False):
        """Block-wise values of a nodal field on all ranks, NaN where there are no nodes."""
        mesh, state = (self.old, self.before) if old else (self.new, self.after)
        return everywhere(mesh, np.where(present(mesh), mesh.to_blocks(state[name]), np.nan))

    @cached_property
    def elements(self):
        return tuple(Elements(mesh.leaves, mesh.top) for mesh in (self.old, self.new))

    def at_vertices(self, name, old=False):
        """Values of a field at all vertices of the old or the new mesh."""
        mesh, elements = (self.old, self.elements[0]) if old else (self.new, self.elements[1])
        values, points = self.blocks(name, old), everywhere(mesh, node_points(mesh))
        result, shown = np.empty(len(elements.points)), ~np.isnan(values)
        result[elements.at(points[shown])] = values[shown]
        return result


def small_case(comm, layers=(3, 6), adapt=True, seed=5):
    """Blocks split, merged and new ones, layers added, another partition, given out at random."""
    lattice = small_lattice()
    old = make_mesh(comm, lattice, varied_leaves(lattice, layers[0]), layers[0])
    leaves = next_leaves(old, layers[1], seed) if adapt else old.leaves
    return Move(old, scattered(make_mesh(comm, lattice, leaves, layers[1], power=0.2)))


@pytest.fixture
def move(comm):
    made = small_case(comm)
    yield made
    made.old.close()
    made.new.close()


def volume(mesh):
    return total(mesh, mesh.volume)


def test_the_case_has_everything(move):
    kinds = np.unique(sources(move.old.leaves, move.new.leaves).kind)
    assert kinds.tolist() == [transfer.SAME, transfer.SPLIT, transfer.MERGED, transfer.FRESH]
    assert move.transfer.split > 0 and move.transfer.merged > 0
    assert move.transfer.repartitioned == (move.old.comm.size > 1)
    gone = set(map(tuple, np.c_[move.old.leaves.level, move.old.leaves.corner].tolist()))
    gone -= set(map(tuple, np.c_[move.new.leaves.level, move.new.leaves.corner].tolist()))
    assert len(gone) == move.transfer.split + move.transfer.merged


def test_enthalpy_is_that_of_the_old_mesh_and_of_the_powder(move):
    before = total(move.old, move.old.volume * move.before["temperature"])
    brought = (volume(move.new) - volume(move.old)) * COLD
    after = total(move.new, move.new.volume * move.after["temperature"])
    assert brought > 0
    assert after == pytest.approx(before + brought, rel=1e-13)


def test_enthalpy_over_a_sequence_of_adaptations(comm):
    """Eight layers, an adaptation with each: round-off does not add up either."""
    lattice = small_lattice()
    mesh = make_mesh(comm, lattice, varied_leaves(lattice, 0), 0)
    state, merged, split = random_state(mesh, 1), 0, 0
    for layer in range(1, 9):
        leaves = next_leaves(mesh, layer, layer)
        new = make_mesh(comm, lattice, leaves, layer, power=layer / 4)
        move = Transfer(mesh, new)
        after = move(state, POWDER)
        expected = total(mesh, mesh.volume * state["temperature"])
        expected += (volume(new) - volume(mesh)) * COLD
        enthalpy = total(new, new.volume * after["temperature"])
        assert enthalpy == pytest.approx(expected, rel=1e-13)
        merged, split = merged + move.merged, split + move.split
        mesh.close()
        mesh, state = new, after
    mesh.close()
    assert merged > 100 and split > 10


def test_layer_mixes_with_the_nodes_it_is_laid_on(comm):
    """T = (m_old T_old + dm T_0) / (m_old + dm) at the old top, T_0 above, all else untouched."""
    move = small_case(comm, (2, 4), adapt=False)
    old, new = (move.at_vertices("temperature", old=True), move.at_vertices("temperature"))
    volumes = [np.zeros(len(elements.points)) for elements in move.elements]
    for each, elements in zip(volumes, move.elements):
        each[~elements.hanging] = elements.volume(move.new.lattice.cell)
    points, top = move.elements[1].points, move.old.top
    kept = np.flatnonzero(points[:, 2] <= top)
    at = move.elements[0].at(points[kept])
    m_old, m_new = volumes[0][at], volumes[1][kept]
    grown = m_new > m_old * (1 + 1e-12)
    assert grown.sum() == 17 * 17
    mixed = (m_old * old[at] + (m_new - m_old) * COLD)[grown] / m_new[grown]
    np.testing.assert_allclose(new[kept[grown]], mixed, rtol=1e-14)
    free = ~move.elements[1].hanging[kept]
    np.testing.assert_array_equal(new[kept[~grown & free]], old[at[~grown & free]])
    assert (new[points[:, 2] > top] == COLD).all()


def test_nodes_that_touch_no_changed_block_keep_their_bits(move):
    old, new = move.elements
    there = set(map(tuple, np.c_[old.lower, old.edge].tolist()))
    same = np.array([tuple(cell) in there for cell in np.c_[new.lower, new.edge].tolist()])
    around = np.r_[same, True][new.around(new.points)].all(axis=1)  # the cell -1 is none
    kept = np.flatnonzero(around & ~new.hanging)
    assert 1000 < len(kept) < len(new.points)
    at = old.at(new.points[kept])
    for name in NODAL:
        before, after = move.at_vertices(name, old=True), move.at_vertices(name)
        np.testing.assert_array_equal(after[kept], before[at])


@pytest.mark.parametrize("value", [COLD, 1234.5678])
def test_constant_stays_and_bounds_are_kept(move, value):
    shown = present(move.new)
    for name, other in POWDER.items():
        field = move.new.to_blocks(move.after[name])[shown]
        low = min(move.old.comm.allreduce(move.before[name].min(), min), other)
        high = max(move.old.comm.allreduce(move.before[name].max(), max), other)
        assert low * (1 - 1e-14) <= field.min() and field.max() <= high * (1 + 1e-14)
    constant = {name: np.full(move.old.nodes.n_total, value) for name in NODAL}
    constant["consolidated"] = np.full((move.old.n_blocks, 64), 0.3)
    result = Transfer(move.old, move.new)(constant, dict.fromkeys(NODAL, value))
    for name in NODAL:
        np.testing.assert_allclose(result[name], value, rtol=5e-16 * (name == "temperature"))


def pieces(move):
    """(elements, cells, whether their leaf stays) that together are the old material."""
    old, new = move.elements
    kind = sources(move.old.leaves, move.new.leaves).kind
    later = kind[move.new.leaves.find(old.lower)]
    yield old, later == transfer.SAME, True
    yield old, later == transfer.MERGED, False
    yield new, kind[new.leaf] == transfer.SPLIT, False


def lumped(elements, cells):
    """Vertices of some cells and the cells' volumes, shared among them, in finest cells."""
    points, place = np.unique(elements.corners[cells], return_inverse=True)
    share = np.repeat(elements.edge[cells] ** 3 / 8, 8)
    return elements.points[points], np.bincount(place.ravel(), share)


def test_temperature_is_the_mixture_of_what_was_there(move):
    """P^T (m T) / m with P put together by hand: the heat of each piece of old material goes to
    the new nodes by their hat functions; what hung and still hangs stays with its masters.
    """
    old, new = move.elements
    before = move.at_vertices("temperature", old=True)
    free, hung = new.points[~new.hanging], set(map(tuple, old.points[old.hanging].tolist()))
    hung &= set(map(tuple, new.points[new.hanging].tolist()))
    heat = np.zeros(len(free))
    for elements, cells, stays in pieces(move):
        points, mass = lumped(elements, cells)
        spread = new.interpolation(points)
        slave = np.array([stays and tuple(point) in hung for point in points.tolist()])
        warm = old.interpolation(points[~slave]) @ before[~old.hanging]
        heat += spread[~slave].T @ (mass[~slave] * warm)
        taken = spread[slave].T @ mass[slave]
        masters = np.flatnonzero(taken)
        heat[masters] += taken[masters] * before[old.at(free[masters])]
    points, mass = lumped(new, new.lower[:, 2] >= move.old.top)
    heat += new.interpolation(points).T @ mass * COLD
    found = move.at_vertices("temperature")[~new.hanging]
    np.testing.assert_allclose(found, heat / new.volume(1.0), rtol=1e-13)


def test_phases_are_kept_where_nodes_remain_and_interpolated_in_between(move):
    old, new = move.elements
    for name in NODAL[1:]:
        before, after = move.at_vertices(name, old=True), move.at_vertices(name)
        laid = new.points[:, 2] > move.old.top
        free = ~new.hanging & ~laid
        expected = old.interpolation(new.points[free]) @ before[~old.hanging]
        np.testing.assert_allclose(after[free], expected, rtol=1e-14)
        np.testing.assert_array_equal(after[laid & ~new.hanging], POWDER[name])
        remaining = np.isin(key(new.points), key(old.points)) & free
        np.testing.assert_array_equal(after[remaining], before[old.at(new.points[remaining])])


def key(points):
    return points @ np.array([1 << 42, 1 << 21, 1])


def test_consolidated_fraction_is_the_mean_of_the_cells(move):
    """Kept, repeated in split cells, averaged over merged ones, zero in new powder."""
    cells = []
    for mesh, state, elements in zip(
        (move.old, move.new), (move.before, move.after), move.elements
    ):
        rows = everywhere(mesh, state["consolidated"])
        values = rows[elements.leaf, elements.place]
        cells.append(np.r_[values, 0.0][elements.grid[1:-1, 1:-1, 1:-1]])
    fine, high = np.zeros_like(cells[1]), cells[0].shape[2]
    fine[:, :, :high] = cells[0]
    new = move.elements[1]
    boxes = [tuple(slice(a, a + edge) for a in low) for low, edge in zip(new.lower, new.edge)]
    means = [fine[box].mean() for box in boxes]
    np.testing.assert_allclose([cells[1][box].flat[0] for box in boxes], means, rtol=1e-14)


def test_result_does_not_depend_on_the_ranks(move):
    """Bit for bit: the same transfer on one rank."""
    serial = Move(alone(move.old), alone(move.new))
    for name in FIELDS:
        if FIELDS[name].place == "cell":
            own = everywhere(move.new, move.after[name]), serial.after[name]
        else:
            own = move.blocks(name), serial.blocks(name)
        np.testing.assert_array_equal(*own)


def test_nothing_changes_when_only_the_ranks_change(comm):
    """To a partition in which all but one rank have no blocks, and back."""
    lattice, leaves = small_lattice(), varied_leaves(small_lattice(), 3)
    shared = make_mesh(comm, lattice, leaves, 3)
    alone_at_work = Mesh(comm, lattice, leaves, 3, np.full(len(leaves), comm.size - 1))
    for move in (Move(shared, alone_at_work), Move(alone_at_work, shared)):
        for name in NODAL:
            np.testing.assert_array_equal(move.blocks(name), move.blocks(name, old=True))
        states = (move.new, move.after), (move.old, move.before)
        cells = [everywhere(mesh, state["consolidated"]) for mesh, state in states]
        np.testing.assert_array_equal(*cells)
        assert (move.transfer.split, move.transfer.merged) == (0, 0)
        assert set(move.after) == set(FIELDS)


@pytest.mark.parametrize("size", [4, 8])
def test_kernels_compiled_equal_plain(size):
    random = np.random.default_rng(size)
    nodes, cells = (size + 1) ** 3, size**3
    kind = np.array([transfer.SAME, transfer.SPLIT, transfer.MERGED, transfer.FRESH])
    rows = np.tile(np.arange(8), (4, 1))
    octant, values = np.array([0, 6, 0, 0]), random.random((8, nodes))
    volume, consolidated = random.random((4, nodes)), random.random((8, cells))
    for kernel, arguments, shape in (
        (transfer.carry_nodes, (values, size), nodes),
        (transfer.carry_heat, (values, size, volume), nodes),
        (transfer.carry_cells, (consolidated, size), cells),
    ):
        results = np.full((2, 4, shape), -1.0)
        kernel(kind, rows, octant, *arguments, results[0])
        kernel.py_func(kind, rows, octant, *arguments, results[1])
        np.testing.assert_array_equal(*results)
