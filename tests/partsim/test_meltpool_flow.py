"""Flow in the box of a melt pool, against exact solutions and a published benchmark."""

import numpy as np
import pytest

from partsim.meltpool.flow import Flow, Liquid, X, Y, Z, pool_walls
from partsim.meltpool.kernels import HIGH, LOW
from partsim.meltpool.multigrid import Multigrid
from partsim.meltpool.pressure import Poisson, WeightedPoisson
from partsim.meltpool.track import surface_pull
from partsim.meltpool.walls import SLIP, STICK, Wall
from tests.order import observed_order, observed_orders

pytestmark = pytest.mark.serial
QUICK = 0.75
THIN = 4  # cells along an axis along which nothing changes
ALL_SLIP = {(axis, side): Wall(SLIP) for axis in range(3) for side in (0, 1)}
# U. Ghia, K. N. Ghia, C. T. Shin: J. Comput. Phys. 48 (1982) 387-411, Tables I and II, Re = 100:
# heights and u on the vertical line, places and v on the horizontal line through the middle
GHIA_Y = [0.9766, 0.9531, 0.8516, 0.7344, 0.6172, 0.5, 0.4531, 0.2813, 0.1719, 0.1016, 0.0547]
GHIA_U = [0.84123, 0.68717, 0.23151, 0.00332, -0.13641, -0.20581, -0.21090, -0.15662, -0.10150,
          -0.06434, -0.03717]
GHIA_X = [0.9609, 0.9453, 0.8047, 0.5, 0.2344, 0.1563, 0.0938, 0.0625]
GHIA_V = [-0.07391, -0.10313, -0.24533, 0.05454, 0.17527, 0.16077, 0.12317, 0.09233]


def inner(flow, axis):
    """A component on the faces across its axis, walls included."""
    ends = [n + LOW + (axis == other) for other, n in enumerate(flow.cells)]
    return flow.velocity[(axis, *(slice(LOW, end) for end in ends))]


def positions(flow, axis, other):
    """Places along `other` of the component `axis`, for broadcasting."""
    count = flow.cells[other] + (axis == other)
    place = flow.edge * (np.arange(count) + (0.0 if axis == other else 0.5))
    return place.reshape([-1 if n == other else 1 for n in range(3)])


def vortex(flow, axes):
    """One Taylor-Green vortex in a unit square of two axes, by component: it only decays."""
    first, second = axes
    place = {(a, b): np.pi * positions(flow, a, b) for a in axes for b in axes}
    return {
        first: np.sin(place[first, first]) * np.cos(place[first, second]),
        second: -np.cos(place[second, first]) * np.sin(place[second, second]),
    }


def vortex_error(n, axes, weight=QUICK, projection="direct"):
    """Largest error of a decaying vortex on n x n cells between walls that slip."""
    cells = tuple(n if axis in axes else THIN for axis in range(3))
    flow = Flow(Liquid(2.0, 0.04, weight, projection), 1 / n, cells)
    start = vortex(flow, axes)
    for axis, values in start.items():
        inner(flow, axis)[...] = values
    duration, steps = 0.5, n * n // 6
    for _ in range(steps):
        flow.step(duration / steps, ALL_SLIP)
    left = np.exp(-2 * np.pi**2 * 0.02 * duration)
    return max(np.abs(inner(flow, axis) - left * values).max() for axis, values in start.items())


def test_taylor_green_order():
    errors = [vortex_error(n, (Z, X), weight=1.0) for n in (16, 32)]
    assert observed_order(errors) == pytest.approx(2, abs=0.05)


def test_taylor_green_with_quick_comes_near_second_order():
    """Its error is a h^2 - b h^3, the second term from its dissipation: the order rises to 2."""
    first, second = observed_orders([vortex_error(n, (Z, X)) for n in (12, 24, 48)])
    assert 1.1 < first < second - 0.1 and 1.55 < second < 2


@pytest.mark.parametrize("axes", [(Z, Y), (Y, X), (X, Z)])
def test_taylor_green_is_the_same_along_all_axes(axes):
    assert vortex_error(12, axes) == pytest.approx(vortex_error(12, (Z, X)), rel=1e-9)


@pytest.mark.parametrize("projection", ["drag", "multigrid"])
def test_projections_are_the_same_without_drag(projection):
    assert vortex_error(12, (Z, X), projection=projection) == pytest.approx(
        vortex_error(12, (Z, X)), rel=1e-9)


def test_multigrid_solves_what_the_transform_solves():
    """And with weights it leaves the residual that was asked for."""
    shape, rng = (9, 14, 20), np.random.default_rng(3)
    f = rng.normal(size=shape)
    faces = [tuple(n - (axis == other) for other, n in enumerate(shape)) for axis in range(3)]
    ones, exact = [np.ones(face) for face in faces], Poisson(shape)
    np.testing.assert_allclose(
        Multigrid(shape).solve(f, ones), exact.solve(f), atol=1e-9 * np.abs(f).max())
    weights = [10.0 ** rng.uniform(-4, 0, face) for face in faces]
    phi = Multigrid(shape).solve(f, weights)
    rest = WeightedPoisson(weights, exact).apply(phi) - (f - f.mean())
    assert np.linalg.norm(rest) < 1e-11 * np.linalg.norm(f)


def cavity(n, reynolds):
    """The steady flow below a lid (the upper z face) that moves along x at 1 m/s."""
    flow = Flow(Liquid(1.0, 1 / reynolds, QUICK), 1 / n, (n, THIN, n))
    walls = {(axis, side): Wall(STICK) for axis in (Z, X) for side in (0, 1)}
    walls |= {(Y, side): Wall(SLIP) for side in (0, 1)}
    walls[Z, 1] = Wall(STICK, {X: 2.0})
    step = 0.6 / (6 * n * n / reynolds + n)
    change, former = 1.0, flow.velocity.copy()
    while change > 1e-4 * step:
        flow.step(step, walls)
        change = np.abs(flow.velocity - former).max()
        former[...] = flow.velocity
    return flow


def test_lid_driven_cavity():
    n = 32
    flow = cavity(n, 100.0)
    centres = (np.arange(n) + 0.5) / n
    u, v = inner(flow, X)[:, 1, n // 2], inner(flow, Z)[n // 2, 1]
    assert np.interp(GHIA_Y, centres, u) == pytest.approx(GHIA_U, abs=6e-3)
    assert np.interp(GHIA_X, centres, v) == pytest.approx(GHIA_V, abs=6e-3)


def film_error(nz, tension_slope=-4e-4, gradient=-2e3):
    """Largest error in the middle of a long film that its surface drives, over the surface's
    speed; the surface cools along x."""
    depth, viscosity, density = 1e-4, 6e-3, 8084.0
    h, cells = depth / nz, (nz, THIN, 6 * nz)
    flow = Flow(Liquid(density, viscosity, QUICK), h, cells)
    T = 2000 + gradient * h * np.arange(cells[X]) * np.ones((THIN, 1))
    pull = surface_pull(T, np.ones_like(T), tension_slope)
    walls = pool_walls({axis: value / viscosity for axis, value in pull.items()})
    walls |= {(Y, side): Wall(SLIP) for side in (0, 1)}
    step = 0.06 * h * h * density / viscosity
    for _ in range(round(0.3 * depth**2 * density / viscosity / step)):
        flow.step(step, walls)
    z = (np.arange(nz) + 0.5) / nz
    tau = tension_slope * gradient
    exact = tau * depth / (4 * viscosity) * (3 * z**2 - 2 * z)
    found = inner(flow, X)[:, 1, cells[X] // 2]
    assert found[-1] > 0  # towards the cold
    return np.abs(found - exact).max() / (tau * depth / (4 * viscosity))


def test_marangoni_film_second_order():
    """u = tau h / (4 mu) (3 (z/h)^2 - 2 z/h): no net flow through a film with closed ends."""
    errors = [film_error(nz) for nz in (3, 6, 12)]
    assert observed_order(errors) == pytest.approx(2, abs=0.2)
    assert errors[-1] < 0.01


def test_surface_is_pulled_only_where_it_is_liquid():
    T = np.array([[2000.0, 1900.0, 1700.0, 1600.0]])
    liquid = np.array([[1.0, 1.0, 0.5, 0.0]])
    along_x = surface_pull(T, liquid, -4e-4)[X]
    faces = along_x[LOW, LOW:-HIGH]
    assert faces == pytest.approx([0.0, 0.04, 0.06, 0.01])
    assert along_x.sum() == pytest.approx(0.11)


@pytest.mark.parametrize("projection", ["drag", "direct", "multigrid"])
def test_drag_stops_the_flow_and_nothing_diverges(projection):
    n, rng = 12, np.random.default_rng(1)
    flow = Flow(Liquid(1.0, 0.01, QUICK, projection), 1 / n, (n, n, n))
    for axis in range(3):
        inner(flow, axis)[...] = rng.normal(size=inner(flow, axis).shape)
    drag = np.zeros((n, n, n))
    drag[: n // 2] = 1e9
    for _ in range(5):
        flow.step(1e-3, pool_walls({}), drag)
    speed = flow.fastest()
    assert np.abs(flow.divergence()).max() < 1e-12 * speed
    solid = np.abs(inner(flow, X)[: n // 2 - 1]).max()
    assert solid < (1.0 if projection == "direct" else 1e-3) * speed


def test_flow_moves_with_its_box():
    rng = np.random.default_rng(2)
    flow = Flow(Liquid(1.0, 0.01, QUICK), 0.1, (6, 5, 8))
    for axis in range(3):
        inner(flow, axis)[...] = rng.normal(size=inner(flow, axis).shape)
    there = flow.moved((8, 6, 8), 3)
    kept = slice(None), slice(None, 5), slice(None, 5)
    for axis in (Z, Y, X):
        new, old = inner(there, axis), inner(flow, axis)
        top = (slice(2, None), *kept[1:])
        assert np.array_equal(new[top], old[:, :5, 3:8])
    assert not there.velocity[..., :LOW, :, :].any()
