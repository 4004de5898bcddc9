"""Heat content as a temperature: the table, melting, losses, k(T), energy and ranks."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.special import erfinv

from partsim.job import MaterialChoice
from partsim.mesh import growth
from partsim.part import material as materials
from partsim.part.material import Curve
from partsim.part.scan import ScanPath
from partsim.thermal import conductivity, kernels, losses
from partsim.thermal.conductivity import make_conductivity_table
from partsim.thermal.content import STEP, contents, make_content_table, temperatures
from partsim.thermal.losses import cool_content, loss, make_loss_law
from partsim.thermal.stencil import slab
from tests.build_job import EXPLICIT, build_job, run_build
from tests.heat_run import HeatRun
from tests.meshes import (
    alone, cell_points, make_mesh, material, nodal, noise, small_lattice,
    uniform_lattice, varied_leaves,
)  # fmt: skip
from tests.order import observed_orders
from tests.stefan import Stefan

COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
STEEL = materials.load(MaterialChoice(name="316L", latent_heat=True))
TABLE = make_content_table(STEEL)
DIFFUSIVITY = 28.6 / (4090 * 1130)


def content_by_quadrature(temperature, alloy):
    """theta from the definition: c_p between the points of its table, and the latent heat."""
    curve = alloy.curves["heat_capacity"]
    kinks = [t for t in curve.T if t < temperature]
    sensible, _ = quad(np.interp, 0, temperature, args=(curve.T, curve.value), points=kinks)
    liquid = (temperature - alloy.solidus) / (alloy.liquidus - alloy.solidus)
    return (sensible + alloy.latent_heat * min(max(liquid, 0), 1)) / alloy.heat_capacity


def test_table_is_exact_at_its_nodes():
    at = np.array([2.0, 300.0, 900.0, 1656.0, 1660.0, 1700.0, 1724.0, 2500.0, 3090.0, 6000.0])
    expected = [content_by_quadrature(t, STEEL) for t in at]
    np.testing.assert_allclose(contents(at, TABLE), expected, rtol=1e-12)
    assert np.diff(TABLE.content).min() > 0


def test_constant_heat_capacity_needs_no_table():
    assert make_content_table(material()) is None
    latent = make_content_table(material(latent_heat=286e3))
    at = np.array([300.0, 1878.0, 1928.0, 3000.0])
    np.testing.assert_allclose(
        contents(at, latent) - at, np.array([0, 0, 1, 1]) * 286e3 / 1130, atol=1e-11)


def test_temperatures_are_the_inverse():
    at = np.concatenate([np.linspace(1, 6000, 997), [1658.15, 1723.15, 2.0, 4000.0]])
    back = temperatures(contents(at, TABLE), at, TABLE)
    np.testing.assert_allclose(back, at, rtol=1e-13)
    for near in (0 * at, at + 3.0, at - 1000.0, 2 * at):
        np.testing.assert_array_equal(temperatures(contents(at, TABLE), near, TABLE), back)


@COMPILED_AND_PLAIN
def test_walk_adds_heat_content(pick):
    """theta(T') = theta(T) + change over any number of segments, both ways; 0 changes nothing."""
    random = np.random.default_rng(3)
    old = np.concatenate([random.uniform(200, 4000, 100), [1658.0, 1660.0, 300.0, 1722.0]])
    for change in (0.0, 1e-9, 0.3, -0.3, 40.0, -40.0, 700.0, -150.0):
        new, given, rates = np.empty_like(old), np.full(len(old), -change), np.ones(len(old))
        pick(kernels.finish_surface)(old, new, given, rates, TABLE)
        if change == 0.0:
            np.testing.assert_array_equal(new, old)
        np.testing.assert_allclose(contents(new, TABLE) - contents(old, TABLE), change, atol=3e-12)


@COMPILED_AND_PLAIN
def test_cooled_surface_solves_its_equation(pick):
    """theta(T) + dt A/m q(T) = theta(T*), against scipy's bracketing root finder."""
    law = make_loss_law(STEEL, True, True)
    for ratio in (0.0, 1e-7, 4e-6, 1e-4):
        for hot in (250.0, 293.0, 900.0, 1660.0, 1700.0, 1725.0, 2600.0, 3500.0, 4500.0, 9000.0):
            target = contents(np.array([hot]), TABLE)[0]

            def balance(t):
                return contents(np.array([t]), TABLE)[0] + ratio * loss(t, law)[0] - target
            root = brentq(balance, 50, max(hot, 293) + 1, xtol=1e-12, rtol=1e-14)
            found = pick(cool_content)(target, hot, ratio, law, TABLE)
            assert found == pytest.approx(root, rel=1e-12)


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("hottest", [9000.0, 1000.0], ids=["evaporating", "faint"])
def test_surface_cools_as_its_nodes_do(pick, hottest):
    """Cold, hot and evaporating nodes, some of which leave their segment; fixed ones stay."""
    law = make_loss_law(STEEL, True, True)
    hot = np.array([293.0, 500.1, 900.0, 1659.0, 1724.1, 2600.0, 3500.0, 4500.0, 9000.0, 700.0])
    ratio = np.array([1e-4, 4e-6, 1e-3, 1e-4, 4e-6, 1e-7, 4e-6, 1e-4, 4e-6, 0.0])
    hot, ratio = hot[hot <= hottest], ratio[hot <= hottest]
    target = contents(hot, TABLE)
    expected = [cool_content(*each, law, TABLE) for each in zip(target, hot, ratio)]
    nodes, (room, before, after) = np.arange(len(hot))[::-1].copy(), np.zeros((3, len(hot)))
    cooled, content = hot.copy(), target.copy()
    account = nodes, ratio[nodes], law, TABLE, room, before, after
    pick(losses.cool_surface_content)(cooled, *account)
    np.testing.assert_allclose(cooled, expected, rtol=1e-12)
    np.testing.assert_array_equal(before, target[nodes])
    np.testing.assert_array_equal(after, contents(cooled, TABLE)[nodes])
    pick(losses.cool_contents)(content, hot + 5.0, *account)
    np.testing.assert_allclose(content, contents(cooled, TABLE), rtol=1e-12)
    np.testing.assert_array_equal(after, content[nodes])
    assert (np.abs(cooled - hot) > 2 * STEP).any() and cooled[-1] == hot[-1]


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("low, high, error", [
    (310, 1600, 1e-11), (100, 200, 1e-11), (250, 350, 1e-11), (1800, 3000, 1e-11),
    (3000, 3200, 1e-11), (1700, 1715, 1e-4), (1600, 1800, 0.15)])
def test_conductivity_within_a_straight_stretch_and_across_its_ends(pick, low, high, error):
    """k_powder (1 - r_c) + k_melt g + k_solid (r_c - g) at the mean of the corners, by np.interp.

    While steel melts, g k_melt is a parabola and the table its chords; beside the solidus and the
    liquidus, which are no nodes of it, it cuts corners of 0.27 W/(m K^2).
    """
    size, pitch = (0,) * 4, 5
    values, kappa = np.zeros(pitch**3 + 64), np.zeros(4 * slab(size))
    values[: pitch**3] = low + (high - low) * np.random.default_rng(1).random(pitch**3)
    corners = values[: pitch**3].reshape(pitch, pitch, pitch)
    for axis in range(3):
        corners = 0.5 * (np.take(corners, range(4), axis) + np.take(corners, range(1, 5), axis))
    mean = corners.ravel()
    g = np.clip((mean - STEEL.solidus) / (STEEL.liquidus - STEEL.solidus), 0, 1)
    r_c = np.maximum(np.random.default_rng(2).random(64), g)
    table = make_conductivity_table(STEEL)
    pick(conductivity.vary_kappa)(values, 4, size, table, r_c, kappa)

    def k(name):
        return np.interp(mean, STEEL.curves[name].T, STEEL.curves[name].value)
    solid, melt = k("conductivity_solid"), k("conductivity_melt")
    expected = STEEL.conductivity_powder * (1 - r_c) + melt * g + solid * (r_c - g)
    found = kappa.reshape(4, -1)[:, : pitch * pitch - 5].reshape(4, 4, pitch)[..., :4].ravel()
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)


def column(comm, cells, length, function, alloy, **options):
    """A plate of `cells` cells over its depth and 4 x 4 across; the function takes z in m."""
    lattice = uniform_lattice((1, 1, cells // 4), length / cells)
    mesh = make_mesh(comm, lattice, growth.plate_leaves(lattice, 8), 0)
    return HeatRun(
        mesh, lambda points: function(lattice.cell * points[..., 2]), alloy=alloy, **options)


def heights(run):
    """(n_total,) m above the bottom."""
    return nodal(run.mesh, lambda points: run.mesh.lattice.cell * points[..., 2])


@pytest.mark.serial
def test_melting_front_of_neumann(comm):
    """A half-space that melts from its face: profile (observed order above 1.5) and front."""
    problem = Stefan(2600.0, 1900.0, 1800.0, 300.0, DIFFUSIVITY, 286e3 / 1130)
    alloy = material(latent_heat=286e3, solidus=1800.0, liquidus=1900.0)
    length, time, errors, misses = 8e-4, 2e-3, [], []
    for cells in (32, 64, 128):
        run = column(comm, cells, length, lambda z: np.where(z == 0, 2600.0, 300.0), alloy,
                     fixed=True)
        count = 4 * (cells // 32) ** 2 * 10
        run.explicit(time / count, count)
        z = heights(run)
        exact = problem.temperature(z, time)
        errors.append(np.sqrt(np.mean((run.temperature - exact) ** 2)))
        order = np.argsort(z)
        front = np.interp(-1800.0, -run.temperature[order], z[order])
        misses.append(abs(front - problem.fronts()[1] * time**0.5))
        assert abs(run.gap()) < 1e-12
        run.close()
    assert observed_orders(errors).min() > 0.5 and observed_orders(errors).mean() > 1.5
    assert errors[-1] < 0.5  # K, of 2300
    # as the front passes the nodes, its error goes up and down; m, of 1.6e-4
    assert misses[0] < 3e-6 and max(misses[1:]) < misses[0] / 4
    without = 2 * DIFFUSIVITY**0.5 * erfinv((2600 - 1800) / (2600 - 300))
    assert without > 1.03 * problem.fronts()[1]


def test_steady_profile_of_varying_conductivity(comm):
    """Where k = a + b T, a T + b T^2 / 2 is linear in z (Kirchhoff), and so it is on the nodes."""
    low, high = 400.0, 1600.0
    curve = Curve(T=(300.0, 1878.0), value=(8.0, 30.0))
    alloy = material(curves={"conductivity_solid": curve, "conductivity_melt": curve})
    run = column(comm, 16, 4e-4, lambda z: np.where(z > 3.9e-4, high, low), alloy)
    heat, z = run.heat, heights(run)
    heat.fixed = np.flatnonzero((z == 0) | (z > 3.9e-4))
    heat.fixed_owned = heat.fixed[heat.fixed >= run.mesh.nodes.n_ghost]
    run.long([2e-3] * 60)
    slope = (30.0 - 8.0) / (1878.0 - 300.0)

    def transform(t):
        return (8.0 - 300 * slope) * t + slope * t**2 / 2
    expected = transform(low) + z / 4e-4 * (transform(high) - transform(low))
    np.testing.assert_allclose(transform(run.temperature), expected, rtol=1e-9)
    run.close()


def random_build(comm, alloy, mesh=None):
    """Powder, melt and solid at random temperatures on blocks of three sizes."""
    lattice = small_lattice(4)
    mesh = mesh or make_mesh(comm, lattice, varied_leaves(lattice, 3, seed=4), 3)
    lower = cell_points(mesh)
    consolidated = np.where(lower[..., 2] < lattice.plate, 1.0, noise(lower, 8))
    return HeatRun(
        mesh, lambda points: 400 + 1900 * noise(points, 9), True, True, consolidated, alloy)


def test_tables_of_constants_conduct_like_the_constants(comm):
    """Eq. (5) with three different conductivities, in powder, melt and what lies between."""
    values = {"conductivity_powder": 0.5, "conductivity_melt": 50.0, "conductivity_solid": 20.0}
    tables = {name: Curve(T=(300.0, 2000.0), value=(k, k)) for name, k in values.items()}
    melting = {"solidus": 1200.0, "liquidus": 2000.0}  # so that the ends of g are nodes
    runs = [random_build(comm, material(curves=curves, **values, **melting)).explicit(1e-5, 3)
            for curves in ({}, tables)]
    np.testing.assert_allclose(runs[1].blocks(), runs[0].blocks(), rtol=2e-11)
    for run in runs:
        run.close()


def test_super_steps_approach_explicit_ones(comm):
    """Their error falls faster than the step; conductivities and latent heat have kinks."""
    reference, gaps = random_build(comm, STEEL).explicit(1e-6, 800), []
    for count in (2, 4, 8):
        run = random_build(comm, STEEL).long([8e-4 / count] * count)
        gaps.append(np.abs(run.temperature - reference.temperature).max(initial=0.0))
        assert abs(run.gap()) < 1e-11
        run.close()
    reference.close()
    gaps = comm.allreduce(np.array(gaps), np.maximum)
    assert observed_orders(gaps).mean() > 1.4 and gaps[0] > 1


def track(lattice):
    """A short line over the powder."""
    ends = np.array([[0.0, 0.0, 0.0], [2e-4, 1e-4, 0.0]])
    return ScanPath(ends, np.array([0.0, 2.4e-4]), np.array([150.0]))


def test_any_number_of_ranks_gives_the_same_bits_and_the_energy_closes(comm):
    """A line over powder, with losses, latent heat, c_p(T) and k(T)."""
    shared = random_build(comm, STEEL)
    single = random_build(comm, STEEL, mesh=alone(shared.mesh))
    for run in (shared, single):
        run.explicit(8e-6, 30, track(run.mesh.lattice))
        assert abs(run.gap()) < 1e-12
    np.testing.assert_array_equal(shared.blocks(), single.blocks())
    for run in (shared, single):
        run.long([1e-4] * 3)
    np.testing.assert_array_equal(shared.blocks(), single.blocks())
    assert shared.ledger.laser.value > 0.02
    for run in (shared, single):
        run.close()


@pytest.mark.parametrize("steps, tolerance", [(EXPLICIT, 1e-12), ({}, 1e-11)],
                         ids=["explicit", "super-steps"])
def test_build_with_tables_closes_its_energy(shared_tmp, comm, steps, tolerance):
    """Layers, growth, adaptation, losses and cool-down; what the mesh does costs nothing."""
    changes = {"material.name": "316L", "material.latent_heat": True, "laser.power": "100 W",
               "phase.laser_scheme": "off", "phase.cooling_scheme": "off", **steps}
    build = run_build(comm, build_job(changes), shared_tmp / "steel")
    energy = build.energy()
    assert energy["lost_top"] > 0 and energy["layers"] > 1
    assert build.site.counts.blocks_coarsened > 0
    assert comm.allreduce(build.peak, op=max) > STEEL.liquidus
    assert abs(energy["adaptation"]) <= 1e-12 * energy["layers"]
    assert abs(energy["closing_error"]) <= tolerance
