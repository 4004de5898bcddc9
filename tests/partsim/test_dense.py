"""The dense reference itself, against closed forms and conservation."""
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import brentq

from tests import dense_laws
from tests.dense import STIFFNESS, Dense
from tests.manufactured import DecayingWave, legendre_factor, lumped_rate
from tests.order import observed_order

pytestmark = pytest.mark.serial

TITANIUM = SimpleNamespace(
    density=4090.0, heat_capacity=1130.0, conductivity_powder=0.286, conductivity_melt=28.6,
    conductivity_solid=28.6, solidus=1878.0, liquidus=1928.0, emissivity=0.7, ambient=293.0,
    boiling=3130.0, evaporation_pressure=54e3, molar_mass=0.0478, evaporation_enthalpy=8.84e6,
    enthalpy_reference=538.0, evaporation_cap=4130.0)
DIFFUSIVITY = 28.6 / (4090 * 1130)
CELL = 5e-5
LONGEST = 0.9 * CELL**2 / (2 * DIFFUSIVITY)


def setup(**changes):
    """A small adiabatic build: plate of 12 x 10 x 4 cells, powder on 8 x 7 of them, 3 layers."""
    return SimpleNamespace(**{
        "cell": CELL, "plate": (12, 10, 4), "origin": (-1e-4, -1.5e-4, -2e-4),
        "box": (2, 10, 1, 8), "layers": 3, "layer_cells": 1, "radius": 6e-5, "temperature": 293.0,
        "bottom": "insulated", "material": TITANIUM, "radiation": False, "evaporation": False,
        "largest_substep": 0.1, **changes})


def line(start, end, seconds, power=180.0):
    """A path of one line between points (x, y)."""
    return np.array([[*start, 0], [*end, 0]]), np.array([0, seconds]), np.array([power])


TRACK = line((5e-5, 0), (3e-4, 5e-5), 2.5e-4)


def balance(build, before):
    """What the ledger does not explain, relative to the laser's energy."""
    books = build.ledger
    kept = books["laser"] + books["layers"] - books["lost_top"] - books["lost_plate"]
    return (kept - (build.stored() - before)) / books["laser"]


def nodes(build):
    """Coordinates (z, y, x, 3) from the plate's lower corner, in the order x, y, z."""
    z, y, x = build.setup.cell * np.indices(build.T.shape)
    return np.stack([x, y, z], -1)


def test_stiffness_by_quadrature():
    """Integrals of grad N_i . grad N_j over the unit cube with two Gauss points per axis."""
    corners = np.array(list(np.ndindex(2, 2, 2)))
    expected = np.zeros((8, 8))
    for point in corners / np.sqrt(3) + 0.5 - 0.5 / np.sqrt(3):
        hats = np.where(corners, point, 1 - point)
        slopes = np.where(corners, 1, -1)
        gradient = np.stack([slopes[:, a] * np.delete(hats, a, 1).prod(1) for a in range(3)])
        expected += gradient.T @ gradient / 8
    np.testing.assert_allclose(STIFFNESS, expected, atol=1e-15)


def test_linear_temperature_heats_no_inner_node():
    build = Dense(setup(layers=0))
    flow = build.heat_flow(300 + nodes(build) @ [2e5, -3e5, 5e5])
    np.testing.assert_allclose(flow[1:-1, 1:-1, 1:-1], 0, atol=1e-12)
    assert abs(flow[0]).max() > 1e-4
    assert flow.sum() == pytest.approx(0, abs=1e-12)


def wave_build(cells, fixed_bottom=False):
    """A plate of 2 x 1.5 x 1 mm with a wave in it, cells: along x, y, z."""
    wave = DecayingWave((2e-3, 1.5e-3, 1e-3), fixed_bottom=fixed_bottom)
    build = Dense(setup(
        cell=2e-3 / cells[0], plate=cells, layers=0, temperature=wave.mean,
        bottom="fixed" if fixed_bottom else "insulated"))
    build.T = wave.temperature(nodes(build), 0)
    return build, wave


@pytest.mark.parametrize("fixed_bottom", [False, True])
def test_wave_decays_as_its_symbol_says(fixed_bottom):
    """Each step multiplies it by 1 - dt rate, a super-step by a Legendre polynomial."""
    build, wave = wave_build((16, 12, 8), fixed_bottom)
    rate = lumped_rate(wave, build.setup.cell)
    for _ in range(20):
        build.explicit_step(TRACK, 1.0, 2e-4)
    build.super_step(5e-3, LONGEST)
    left = (1 - 2e-4 * rate) ** 20 * legendre_factor(5e-3, LONGEST, rate)
    expected = wave.mean + left * wave.amplitude * wave.shape(nodes(build))
    np.testing.assert_allclose(build.T, expected, atol=1e-9)


def test_wave_converges_at_second_order():
    """With steps ~ cell^2, so that the first order in time does not show."""
    errors = []
    for n in (3, 6):
        build, wave = wave_build((8 * n, 6 * n, 4 * n))
        for _ in range(n**2):
            build.explicit_step(TRACK, 1.0, 1e-3 / n**2)
        exact = wave.decaying_naturally().temperature(nodes(build), 1e-3)
        errors.append(abs(build.T - exact).max())
    assert observed_order(errors) == pytest.approx(2, abs=0.1)


def test_shares_are_the_integrals_of_hat_functions():
    build = Dense(setup())
    X, radius = 1.37e-4, 6e-5
    for axis, first, last in ((0, 2, 10), (1, 1, 8)):
        left = build.setup.origin[axis] + CELL * np.arange(first, last)
        left = left[abs(left + CELL / 2 - X) <= 3 * radius]
        places = build.setup.origin[axis] + CELL * np.arange(build.T.shape[2 - axis])

        def part(place, a):
            return quad(lambda x: max(0, 1 - abs(x - place) / CELL) * np.exp(
                -2 * ((x - X) / radius) ** 2), a, a + CELL, epsabs=1e-16)[0]

        expected = np.array([sum(part(place, a) for a in left) for place in places])
        np.testing.assert_allclose(
            build.spread(X, axis), expected / expected.sum(), atol=1e-12)


def test_energy_is_power_times_time_whatever_the_steps():
    """Steps that straddle the ends of lines, a pause and the end of the path."""
    ends = np.array([[0, 0, 0], [3e-4, 0, 0], [3e-4, 1e-4, 0], [1e-4, 1e-4, 0]])
    times, power = np.array([0, 3e-4, 3.7e-4, 5.1e-4]), np.array([180.0, 0, 150.0])
    for count in (1, 7, 40):
        build = Dense(setup())
        build.grow()
        build.grow()
        loads = [build.absorb((ends, times, power), i * 6e-4 / count, 6e-4 / count)
                 for i in range(count)]
        assert np.sum(loads) == pytest.approx(180 * 3e-4 + 150 * 1.4e-4, rel=1e-13)
        assert build.ledger["laser"] == pytest.approx(np.sum(loads), rel=1e-13)
    assert np.sum(loads, 0).sum((1, 2)) == pytest.approx(
        [0, 0, 0, 0, 0, 0.0375, 0.0375, 0], rel=1e-12)


@pytest.mark.parametrize("layer_cells", [1, 2])
def test_depth_of_the_source_is_one_layer(layer_cells):
    build = Dense(setup(layer_cells=layer_cells))
    build.grow()
    share = build.absorb(line((1e-4, 0), (2e-4, 0), 1e-4, 1e4), 0, 1e-4).sum((1, 2))
    top = {1: [0.5, 0.5], 2: [0.25, 0.5, 0.25]}[layer_cells]
    np.testing.assert_allclose(share[4:4 + len(top)], top, rtol=1e-13)
    assert share.sum() == pytest.approx(1, rel=1e-13)


def test_a_long_step_spreads_the_beam_along_its_way():
    """Pieces of at most R/4 act at their middles."""
    build = Dense(setup(radius=2e-4))
    build.grow()
    whole = build.absorb(line((1e-4, 0), (2e-4, 0), 1e-4), 0, 1e-4)
    halves = [build.absorb(line((x, 0), (x, 0), 1e-4, 90.0), 0, 1e-4)
              for x in (1.25e-4, 1.75e-4)]
    np.testing.assert_allclose(whole, sum(halves), rtol=1e-12)


def test_growth_mixes_the_old_top_with_cold_powder():
    build = Dense(setup())
    build.T[:5] = 1000.0
    stored, heat = build.stored(), 4090 * 1130 * CELL**3
    build.grow()
    inner, edge, corner = (slice(2, 8), slice(3, 10)), (1, slice(3, 10)), (1, 2)
    np.testing.assert_allclose(build.T[4][inner], (1000 + 293) / 2)
    np.testing.assert_allclose(build.T[4][edge], (1000 * 4 + 293 * 2) / 6)
    np.testing.assert_allclose(build.T[4][corner], (1000 * 4 + 293) / 5)
    assert (build.T[4, 0] == 1000).all() and (build.T[5] == 293).all()
    assert build.stored() - stored == pytest.approx(heat * 8 * 7 * 293, rel=1e-12)
    assert build.ledger["layers"] == pytest.approx(heat * 8 * 7 * 293, rel=1e-13)
    assert (build.X_as[4] == 0.9).all() and (build.X_am[5] == 0.9).all()


def test_exposed_area_is_the_plate_in_plan():
    build = Dense(setup())
    for laid in range(3):
        assert build.area.sum() == pytest.approx(12 * 10 * CELL**2, rel=1e-13)
        assert build.area[4 + laid, 3:8, 4:9] == pytest.approx(CELL**2)
        build.grow()


def hot_build(**changes):
    """Three layers on a hot part, each with a track and, if `cool`, two super-steps."""
    cool = changes.pop("cool")
    build = Dense(setup(**changes))
    build.T += 500 * np.exp(-(nodes(build) ** 2).sum(-1) / 1e-7)
    before = build.stored()
    for _ in range(3):
        build.grow()
        for step in range(30):
            build.explicit_step(TRACK, step * 1e-5, 1e-5)
        if cool:
            build.super_step(1e-3, LONGEST)
            build.super_step(0.02, LONGEST)
    return build, before


def test_adiabatic_energy_closes():
    build, before = hot_build(cool=False)
    assert balance(build, before) == pytest.approx(0, abs=1e-12)
    assert build.ledger["lost_top"] == build.ledger["lost_plate"] == 0
    assert build.T.max() > TITANIUM.liquidus and build.r_c[4:].max() == 1


def test_energy_closes_with_losses_and_super_steps():
    build, before = hot_build(cool=True, bottom="fixed", radiation=True, evaporation=True)
    assert balance(build, before) == pytest.approx(0, abs=1e-9)
    assert build.ledger["lost_top"] > 0.05 * build.ledger["laser"]
    assert build.ledger["lost_plate"] > 0.05 * build.ledger["laser"]


def test_consolidation_remembers_and_conducts():
    """A powder cell conducts 100 times less until its mean temperature has passed the liquidus."""
    build = Dense(setup())
    build.grow()
    conductance = build.conductance(build.T)[:, 0] / CELL
    assert (conductance[:480] == 28.6).all() and conductance[480:] == pytest.approx(0.286)
    build.T[4:6, 3:5, 4:6] = 1903.0
    build.T[4:6, 3:5, 5:7] = 1950.0
    halfway = build.conductance(build.T)[:, 0].reshape(-1, 1)
    assert build.r_c[4, 3, 5] == 1 and build.r_c[4, 3, 4] == pytest.approx((1926.5 - 1878) / 50)
    build.T[:] = 500.0
    r_c = build.r_c[4, 1:8, 2:10].ravel()
    cold = build.conductance(build.T)[480:, 0] / CELL
    np.testing.assert_allclose(cold, 0.286 + (28.6 - 0.286) * r_c)
    assert halfway.max() == 28.6 * CELL


def test_surface_loss_golden_values():
    hot, cap = np.array([1928.0, 3130.0, 4130.0]), 5000.0
    radiation = dense_laws.surface_loss(hot, setup(radiation=True))
    np.testing.assert_allclose(radiation, [5.482e5, 3.809e6, 1.155e7], rtol=5e-4)
    evaporation = dense_laws.surface_loss(hot, setup(evaporation=True))
    np.testing.assert_allclose(evaporation, [1.275e4, 2.818e8, 1.371e10], rtol=5e-4)
    assert dense_laws.surface_loss(cap, setup(evaporation=True)) == evaporation[2]


def test_losses_solve_their_equation_at_each_top_node():
    """T + dt A/m q(T) = T* against brentq, from far above the boiling point to below ambient."""
    build = Dense(setup(radiation=True, evaporation=True, layers=1))
    build.T[4] = np.linspace(250, 6000, 13)
    heat_flow = build.heat_flow(build.T)
    before = (build.T - 1e-5 * heat_flow / build.mass)[4]
    build.explicit_step(TRACK, 1.0, 1e-5)

    for start, end, ratio in zip(before.flat, build.T[4].flat, (build.area / build.mass)[4].flat):
        def rest(T):
            return T + 1e-5 * ratio * dense_laws.surface_loss(T, build.setup) - start
        exact = brentq(rest, 100, max(start, 293) + 10, xtol=1e-12, rtol=1e-14)
        assert end == pytest.approx(exact, abs=1e-9)


def test_steady_conduction_to_a_radiating_top():
    """k (T_bottom - T_top) / height = q_rad(T_top), linear in between."""
    build = Dense(setup(
        layers=0, plate=(3, 2, 6), bottom="fixed", radiation=True, temperature=1500.0,
        material=SimpleNamespace(**{**vars(TITANIUM), "conductivity_solid": 0.5})))
    for _ in range(50):
        build.super_step(0.5, 50 * LONGEST)

    def rest(T):
        return 0.5 * (1500 - T) / (6 * CELL) - dense_laws.surface_loss(T, build.setup)
    top = brentq(rest, 300, 1500, xtol=1e-12)
    assert top < 1450
    expected = np.linspace(1500, top, 7)[:, None, None]
    np.testing.assert_allclose(build.T, np.broadcast_to(expected, build.T.shape), atol=1e-7)


def test_super_step_is_second_order_in_time():
    def final(count):
        build, _ = hot_build(cool=False, radiation=True, evaporation=True)
        for step in range(100):
            build.explicit_step(TRACK, 1.0, 1e-5)
        for _ in range(count):
            build.super_step(4e-3 / count, LONGEST / 10)
        return build.T
    exact = (4 * final(64) - final(32)) / 3
    errors = [abs(final(count) - exact).max() for count in (4, 8)]
    assert observed_order(errors) == pytest.approx(2, abs=0.2)


def test_plate_temperature_may_change_in_time():
    """The reaction of the fixed nodes includes the heat that changes their own temperature."""
    build = Dense(setup(bottom="fixed", layers=0))
    before = build.stored()
    build.bottom_temperature = 400.0
    build.super_step(0.01, LONGEST)
    assert (build.T[0] == 400).all() and build.T[-1].min() > 293
    assert -build.ledger["lost_plate"] == pytest.approx(build.stored() - before, rel=1e-9)
