"""Conduction and consolidation, against trilinear elements put together by hand."""

import numpy as np
import pytest
from mpi4py import MPI

from partsim.ledger import Ledger
from partsim.mesh.growth import plate_leaves
from partsim.thermal import kernels
from partsim.thermal.explicit import Explicit
from partsim.thermal.heat import Heat, compensated_dot
from partsim.thermal.losses import make_loss_law
from partsim.timers import Timers
from tests.meshes import (
    CELL, alone, cell_points, everywhere, make_mesh, material, nodal, node_points, noise, noisy,
    present, total, uniform_lattice, varied_mesh,
)  # fmt: skip
from tests.trilinear import Elements

COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
ALLOY = material(conductivity_melt=60.0, conductivity_powder=1.5)  # three different ones
# block, layer, seed, lowest temperature, finest cells of the plate beyond whole root blocks
CASES = {
    "hanging": (4, 6, 2, 1700, 0), "partly active": (4, 3, 1, 1700, 0),
    "large blocks": (8, 5, 1, 1700, 0), "cold": (4, 3, 3, 400, 0),
    "broken root blocks": (4, 6, 4, 1700, 12),
}
LAW = (0.286, 40.0, 28.6, 1878.0, 1928.0)


def phase_fractions(mean, consolidated):
    """Powder, melt and solid by eqs. 2 to 4, and the new consolidated fraction."""
    g = np.clip((mean - 1878) / (1928 - 1878), 0, 1)
    r_c = np.maximum(consolidated, g)
    return 1 - r_c, g, r_c - g, r_c


def conduct(heat, temperature):
    """(n_total,) W, K(T) T as a step of 1 s takes it from the nodes; consolidates."""
    new = np.empty_like(temperature)
    Explicit(heat, 1.0, Ledger(), Timers()).step(temperature, new=new)
    return heat.capacity * (temperature - new)


class Case:
    """A mesh with random consolidation at a temperature that melts some cells in part."""

    def __init__(self, mesh, low=1700):
        self.mesh, self.elements, self.low = mesh, Elements(mesh.leaves, mesh.top), low
        self.temperature = noisy(mesh, low, low + 400, 3)
        rows = everywhere(mesh, noise(cell_points(mesh), 4))
        self.consolidated = np.where(rows < 0.3, 0.0, np.where(rows > 0.6, 1.0, rows))
        self.state = self.consolidated[mesh.own].copy()
        self.heat = Heat(mesh, ALLOY, make_loss_law(ALLOY, False, False), False, self.state)
        self.flux = self.conduct(self.temperature)

    def conduct(self, temperature):
        """K(T) T in W."""
        return conduct(self.heat, temperature)

    def free(self, function):
        """(free,) values of a function of lattice points at the vertices that do not hang."""
        return function(self.elements.points[~self.elements.hanging])

    def warm(self):
        """(free,) K, the temperature at the vertices that do not hang."""
        return self.free(lambda points: self.low + 400 * noise(points, 3))

    def stiffness(self):
        """(free, free) K at this temperature, and the consolidated fractions after it."""
        elements = self.elements
        warm = elements.constraints @ self.warm()
        before = self.consolidated[elements.leaf, elements.place]
        powder, melt, solid, after = phase_fractions(warm[elements.corners].mean(axis=1), before)
        conductivity = 1.5 * powder + 60.0 * melt + 28.6 * solid
        return elements.stiffness(conductivity, CELL), after

    def cold_stiffness(self):
        """(free, free) K after that, far below the solidus."""
        after = self.stiffness()[1]
        return self.elements.stiffness(1.5 * (1 - after) + 28.6 * after, CELL)

    def at_free(self, vector):
        """(free,) a vector of this rank at the vertices it has, NaN elsewhere."""
        shown, values = present(self.mesh), np.full(len(self.elements.points), np.nan)
        assert shown.any() or not self.mesh.n_blocks
        values[self.elements.at(node_points(self.mesh)[shown])] = self.mesh.to_blocks(vector)[shown]
        return values[~self.elements.hanging]


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request, comm):
    block, layer, seed, low, extra = request.param
    made = Case(varied_mesh(comm, layer, block, seed, extra), low)
    yield made
    made.mesh.close()


def agree(found, expected, tolerance=1e-13):
    """Equal where known, to a tolerance relative to the largest value."""
    known = ~np.isnan(found)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found[known], expected[known], rtol=0, atol=tolerance * scale)


def test_operator_is_the_assembled_stiffness(case):
    """C^T K C with another conductivity in each cell, hanging nodes on faces and edges."""
    agree(case.at_free(case.flux), case.stiffness()[0] @ case.warm())
    for seed in range(3):
        def random(points):
            return noise(points, 20 + seed) - 0.5
        found = case.conduct(nodal(case.mesh, random))
        agree(case.at_free(found), case.cold_stiffness() @ case.free(random))


def test_consolidation_in_the_mesh(case):
    _, after = case.stiffness()
    rows = everywhere(case.mesh, case.state)[case.elements.leaf, case.elements.place]
    np.testing.assert_allclose(rows, after, atol=1e-13)
    above = np.ones(case.consolidated.shape, bool)
    above[case.elements.leaf, case.elements.place] = False
    inactive = everywhere(case.mesh, case.state)[above]
    np.testing.assert_array_equal(inactive, case.consolidated[above])


def test_heat_in_the_uppermost_nodes_alone_melts_their_cells(case):
    """However cold the nodes below: what counts is the mean over the cell."""
    mesh = case.mesh
    case.state[:] = 0.0
    case.conduct(nodal(mesh, lambda points: np.where(points[..., 2] == mesh.top, 4e3, 3e2)))
    below = cell_points(mesh)[..., 2] + mesh.leaves.stride[mesh.own][:, None]
    np.testing.assert_array_equal(case.state > 0, below == mesh.top)
    assert set(case.state[case.state > 0]) <= {1.0}


def test_operator_is_symmetric_and_conserves_heat(case):
    u, v = noisy(case.mesh, -1, 1, 30), noisy(case.mesh, -1, 1, 31)
    left = total(case.mesh, case.conduct(u) * v)
    right = total(case.mesh, case.conduct(v) * u)
    assert left == pytest.approx(right, rel=1e-11)
    flux = case.conduct(u)
    size = case.mesh.comm.allreduce(np.abs(flux).max(), MPI.MAX)
    assert abs(total(case.mesh, flux)) < 1e-12 * size * case.mesh.total_nodes**0.5
    flat = case.conduct(np.full(case.mesh.nodes.n_total, 1234.5))
    assert np.abs(flat).max() < 1e-12 * size * 1e3


def test_operator_bit_for_bit_as_on_one_rank(case):
    serial = Case(alone(case.mesh), case.low)
    pairs = []
    for each in (case, serial):
        u = noisy(each.mesh, -1, 1, 40)
        pairs.append(each.mesh.to_blocks(each.conduct(u)))
    shown = present(case.mesh)
    np.testing.assert_array_equal(pairs[0][shown], pairs[1][case.mesh.own][shown])


def test_linear_temperature_conducts_nothing_into_inner_nodes(case):
    """The patch test, across hanging nodes and ranks: heat enters at the boundary only."""
    mesh, elements = case.mesh, case.elements
    case.state[:] = 1.0
    around = elements.around(elements.points[~elements.hanging])
    inner = (around >= 0).all(axis=1)
    for slope in ([2.0, -3.0, 5.0], [0.0, 0.0, 5.0]):
        temperature = nodal(mesh, lambda points: 300 + points @ slope)
        flux = case.conduct(temperature)
        into = case.at_free(flux)[inner]
        assert np.nanmax(np.abs(into)) < 1e-11 * np.abs(flux).max()
    # along z alone, k dT/dz times the area comes in through the bottom
    bottom = nodal(mesh, lambda points: points[..., 2] == 0) * flux
    width = np.array(mesh.lattice.roots[:2]) * mesh.lattice.root_edge * CELL
    assert total(mesh, bottom) == pytest.approx(-28.6 * 5.0 / CELL * width.prod(), rel=1e-11)


@pytest.mark.parametrize("block, roots", [(4, (2, 3, 2)), (8, (1, 2, 1))])
def test_uniform_mesh_is_the_assembled_stiffness(comm, block, roots):
    """Without hanging nodes: K itself, column by column for some unit vectors."""
    lattice = uniform_lattice(roots, CELL, block)
    mesh = make_mesh(comm, lattice, plate_leaves(lattice, 0), 0)
    case = Case(mesh)
    assert not case.elements.hanging.any()
    stiffness = case.cold_stiffness()
    points = case.elements.points
    for column in range(0, len(points), 97):
        unit = nodal(mesh, lambda here: (here == points[column]).all(axis=-1))
        expected = stiffness[:, [column]].toarray().ravel()
        agree(case.at_free(case.conduct(unit)), expected)
    mesh.close()


def slabs(size, cells):
    """Cell values (B, B, B) as the flat rows that the kernel reads."""
    width = kernels.slab.py_func(size)
    rows = np.zeros((len(size), width))
    for k, j in np.ndindex(len(size), len(size)):
        first = j * (len(size) + 1)
        rows[k, first : first + len(size)] = cells[k, j]
    return rows.ravel()


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("n, active", [(4, 4), (4, 1), (8, 8), (8, 5)])
def test_conduct_within_one_block(pick, n, active):
    random, size = np.random.default_rng(n), (0,) * n
    lattice = uniform_lattice((1, 1, 1), 1.0, n)
    elements = Elements(plate_leaves(lattice, 0), active)
    cells = random.random((n, n, n))
    expected = elements.stiffness(cells.ravel()[elements.place], 1.0)
    values = random.random((n + 1, n + 1, n + 1))
    work = kernels.make_workspace(size)
    work.values[: values.size] = values.ravel()
    work.flux[:] = np.nan
    pick(kernels.conduct)(
        work.values, slabs(size, cells), 1 / 12, active, size, work.corners, work.flux
    )
    x, y, z = elements.points.T
    flux = work.flux[: values.size].reshape(values.shape)
    np.testing.assert_allclose(flux[z, y, x], expected @ values[z, y, x], atol=1e-14)


def uniform_and_general(values, n, pick=lambda f: f):
    """The flux ((n+1)^3,) by the stencil of 27 points, and by `conduct` with equal cells."""
    work, size = kernels.make_workspace((0,) * n), (0,) * n
    work.values[: values.size] = values.ravel()
    work.flux[:] = np.nan
    scratch = work.weights, work.own, work.aside
    for _ in range(2):  # the scratch arrays may be used again
        pick(kernels.conduct_uniform)(work.padded, 2.5 / 12, size, *scratch, work.flux)
    found = work.flux[: values.size].copy()
    kernels.cold_kappa(n, size, (0.0, 0.0, 2.5), np.ones(n**3), work.kappa)
    kernels.conduct(work.values, work.kappa, 1 / 12, n, size, work.corners, work.flux)
    return found, work.flux[: values.size]


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("n", [4, 8])
def test_stencil_is_the_stiffness_of_equal_cells(pick, n):
    values = np.random.default_rng(n).uniform(300, 3000, 3 * (n + 1,))
    found, expected = uniform_and_general(values, n, pick)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    assert abs(found.sum()) < 1e-13 * np.abs(found).sum()
    for place in [(0, 0, 0), (0, 2, n), (n, 1, 1), (1, n, 3), (2, 2, 2)]:
        unit = np.zeros_like(values)
        unit[place] = 1.0
        found, expected = uniform_and_general(unit, n)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("n", [4, 8])
def test_linear_temperature_in_a_block_of_equal_cells(n):
    """Heat passes through the surface only: k dT/dx times the area on the two faces along x."""
    z, y, x = np.indices(3 * (n + 1,))
    found, _ = uniform_and_general(300.0 + 3 * x, n)
    inside = found.reshape(3 * (n + 1,))
    np.testing.assert_allclose(inside[:, :, 1:-1], 0.0, atol=1e-11)
    assert inside[:, :, -1].sum() == pytest.approx(2.5 * 3 * n * n, rel=1e-12)
    found, _ = uniform_and_general(1234.5 - 2 * x + 5 * y - 3 * z, n)
    np.testing.assert_allclose(found.reshape(3 * (n + 1,))[1:-1, 1:-1, 1:-1], 0, atol=1e-11)
    assert np.abs(found).max() > 1


def test_solid_blocks_conduct_as_their_cells_do(comm):
    """The operator of a mesh with solid blocks, by the stencil and cell by cell."""
    mesh = varied_mesh(comm, 3)
    state = np.random.default_rng(1).random((mesh.n_blocks, 64))
    state[mesh.own % 2 == 0] = 1.0
    heat = Heat(mesh, material(), make_loss_law(material(), False, False), False, state)
    assert heat.conduction.solid.any() and not heat.conduction.solid.all()
    u = noisy(mesh, -1, 1, 50)
    found = conduct(heat, u)
    heat.conduction.solid[:] = False
    expected = conduct(heat, u)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
    mesh.close()


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("n, active", [(4, 4), (4, 2), (8, 8)])
def test_consolidate_by_equations_2_to_5(pick, n, active):
    random, size = np.random.default_rng(n), (0,) * n
    values = random.uniform(1800, 2000, (n + 1, n + 1, n + 1))
    mean = sum(
        values[z : z + n, y : y + n, x : x + n] for z in (0, 1) for y in (0, 1) for x in (0, 1)
    ) / 8
    before = np.where(random.random((n, n, n)) < 0.5, random.random((n, n, n)), 0.0)
    powder, melt, solid, after = phase_fractions(mean, before)
    expected = LAW[0] * powder + LAW[1] * melt + LAW[2] * solid
    work, r_c = kernels.make_workspace(size), before.ravel().copy()
    least = pick(kernels.consolidate)(values.ravel(), active, size, LAW, r_c, work.kappa)
    found = r_c.reshape(n, n, n)
    np.testing.assert_allclose(found[:active], after[:active], rtol=1e-12, atol=1e-14)
    np.testing.assert_array_equal(found[active:], before[active:])
    width = kernels.slab.py_func(size)
    kept = active * width
    np.testing.assert_allclose(work.kappa[:kept], slabs(size, expected)[:kept], rtol=1e-12)
    assert least == (found.min() if active == n else 0.0)


@pytest.mark.parametrize("mean, r_c, kappa", [
    (1500.0, 0.0, 0.286), (1878.0, 0.0, 0.286), (1903.0, 0.0, (0.286 + 40) / 2),
    (1928.0, 0.2, 40.0), (2500.0, 0.0, 40.0), (1500.0, 1.0, 28.6), (1500.0, 0.25, 7.3645),
    (1890.5, 0.5, 0.5 * 0.286 + 0.25 * 40 + 0.25 * 28.6),
])
def test_conductivity_of_powder_melt_and_solid(mean, r_c, kappa):
    work, consolidated = kernels.make_workspace((0,) * 4), np.full(64, r_c)
    kernels.consolidate(np.full(125, mean), 4, (0,) * 4, LAW, consolidated, work.kappa)
    assert work.kappa[0] == pytest.approx(kappa, rel=1e-14)


def test_blocks_that_cannot_change_are_known(comm):
    """A block counts as solid once all of it was molten and only if melt conducts alike."""
    for alloy, expected in ((material(), True), (ALLOY, False)):
        mesh = varied_mesh(comm, 3)
        state = np.zeros((mesh.n_blocks, 64))
        heat = Heat(mesh, alloy, make_loss_law(alloy, False, False), False, state)
        for almost in (0.0, 0.99):
            state[:] = almost
            conduct(heat, noisy(mesh, 1700, 1885, 1))
            assert not heat.conduction.solid.any()
        conduct(heat, nodal(mesh, lambda points: np.full(points.shape[:-1], 2000.0)))
        whole = mesh.active[mesh.own] == 4
        np.testing.assert_array_equal(heat.conduction.solid, whole & expected)
        again = Heat(mesh, alloy, heat.law, False, state)
        np.testing.assert_array_equal(again.conduction.solid, heat.conduction.solid)
        mesh.close()


@COMPILED_AND_PLAIN
def test_compensated_product(pick):
    a, b = np.array([1e16, 1.0, -1e16, 1.0, 3.0]), np.array([1.0, 1.0, 1.0, 1.0, 0.5])
    assert pick(compensated_dot)(a, b) == 3.5
