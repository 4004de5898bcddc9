"""Radiation and evaporation: the flux, and the temperature that is left after a step of it."""

import numpy as np
import pytest
from scipy.optimize import brentq

from partsim.thermal import losses
from partsim.thermal.losses import cool_node, cool_surface, loss, make_loss_law, removed, start
from tests.meshes import material

COMPILED_AND_PLAIN = pytest.mark.parametrize(
    "pick", [lambda f: f, lambda f: f.py_func], ids=["compiled", "plain"]
)
LAW = make_loss_law(material(), True, True)
RADIATION = make_loss_law(material(), True, False)
EVAPORATION = make_loss_law(material(), False, True)
GLOW = 1878.0
GLOWING = make_loss_law(material(), True, False, GLOW)  # of grouped layers
KINKED = make_loss_law(material(), True, True, GLOW)
HEAT = 4090 * 1130
# dt A / m of a top node between four cells: 10 us and 50 um to 100 us and 20 um, and at a corner
RATIOS = [2e-5 / (HEAT * 5e-5), 2e-4 / (HEAT * 2e-5), 1e-3 / (HEAT * 2e-5), 0.0]


def plain_flux(temperature, glow=np.inf):
    """q of eqs. (11) and (12), in the symbols of equations (11), (12) and their table."""
    alloy, limited = material(), min(temperature, 4130.0)
    q_rad = 0.7 * 5.670374e-8 * (min(temperature, glow)**4 - 293.0**4)
    c_t = alloy.evaporation_enthalpy * alloy.molar_mass / 8.314462618
    c_m = alloy.molar_mass / (2 * np.pi * 8.314462618)
    rate = 0.82 * 54e3 * np.exp(-c_t * (1 / limited - 1 / 3130)) * np.sqrt(c_m / limited)
    return q_rad + rate * (8.84e6 + 1130 * (limited - 538))


def cooled(targets, ratios, law=LAW, cool=cool_surface):
    """Temperatures after a step, and those before and after as they are handed back."""
    targets = np.asarray(targets, float)
    nodes, places = 2 * np.arange(len(targets)), np.full(2 * len(targets), -1.0)
    places[nodes] = targets
    before, after = np.empty((2, len(targets)))
    ratios = np.broadcast_to(np.asarray(ratios, float), targets.shape).copy()
    cool(places, nodes, ratios, law, before, after)
    assert (places[1::2] == -1).all()
    np.testing.assert_array_equal(places[nodes], after)
    np.testing.assert_array_equal(before, targets)
    return after


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("temperature, radiated, evaporated", [
    (1928.0, 5.482e5, 1.275e4), (3130.0, 3.809e6, 2.818e8), (4130.0, 1.155e7, 1.371e10),
])
def test_flux_has_the_values_of_the_table(pick, temperature, radiated, evaporated):
    assert pick(loss)(temperature, RADIATION)[0] == pytest.approx(radiated, rel=3e-4)
    assert pick(loss)(temperature, EVAPORATION)[0] == pytest.approx(evaporated, rel=6e-4)
    assert pick(loss)(temperature, LAW)[0] == pytest.approx(plain_flux(temperature), rel=1e-13)


@COMPILED_AND_PLAIN
def test_flux_over_the_whole_range(pick):
    for temperature in np.linspace(250, 6000, 60):
        flux = pick(loss)(temperature, LAW)[0]
        missing = losses.FAINT if temperature <= LAW.faint else 1e-9
        assert flux == pytest.approx(plain_flux(temperature), rel=1e-12, abs=missing)


def test_no_flux_at_ambient_temperature_and_only_radiation_above_the_cap():
    assert loss(293.0, LAW)[0] == pytest.approx(0, abs=1e-9)
    assert loss(293.0, RADIATION)[0] == pytest.approx(0, abs=1e-10)
    more = loss(5000.0, LAW)[0] - loss(4130.0, LAW)[0]
    assert more == pytest.approx(0.7 * 5.670374e-8 * (5000.0**4 - 4130.0**4), rel=1e-3)
    assert loss(2500.0, GLOWING) == (loss(GLOW, RADIATION)[0], 0.0)
    assert loss(GLOW, GLOWING) == loss(GLOW, RADIATION)
    nothing = make_loss_law(material(), False, False)
    assert loss(3000.0, nothing) == (0.0, 0.0)


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("law", [LAW, RADIATION, EVAPORATION, GLOWING, KINKED],
                         ids=["both", "radiation", "vapour", "glowing", "kinked"])
def test_derivative(pick, law):
    """By Richardson's central differences, on both sides of the cap and of the glow."""
    for temperature in (300.0, 1000.0, 1877.0, 1879.0, 1928.0, 3130.0, 4129.0, 4131.0, 5500.0):
        def slope(step):
            above, below = (loss.py_func(temperature + s, law)[0] for s in (step, -step))
            return (above - below) / (2 * step)
        expected = (4 * slope(0.25) - slope(0.5)) / 3
        found = pick(loss)(temperature, law)[1]
        assert found == pytest.approx(expected, rel=2e-8, abs=1e-6)


@COMPILED_AND_PLAIN
@pytest.mark.parametrize("law, glow", [(LAW, np.inf), (KINKED, GLOW)], ids=["law", "kinked"])
@pytest.mark.parametrize("ratio", RATIOS)
def test_cooled_node_solves_its_equation(pick, ratio, law, glow):
    """T + dt A/m q(T) = T*, against scipy's bracketing root finder."""
    kinks = [4129.999, 4130.0, 4130.001, GLOW - 1e-3, GLOW, GLOW + 1e-3, GLOW + 1, 3e4, 2e5]
    targets = np.concatenate([np.linspace(293, 6000, 80), kinks])
    found = cooled(targets, ratio, law, pick(cool_surface))
    for target, temperature in zip(targets, found):
        def balance(t):
            return t + ratio * plain_flux(t, glow) - target
        root = brentq(balance, 200, target + 1, xtol=1e-12, rtol=1e-14)
        missing = ratio * losses.FAINT if temperature <= law.faint else 0.0
        assert temperature == pytest.approx(root, rel=0, abs=3e-13 * root + missing)


def test_both_ways_to_the_root_agree():
    """The vector code's two Newton steps are taken only where they have arrived."""
    targets = np.linspace(250, 6000, 400)
    for ratio in RATIOS[:3]:
        result = np.empty(400)
        losses.newton_twice(targets, np.full(400, ratio), LAW, result)
        arrived = result > 0
        expected = np.array([cool_node(target, ratio, LAW) for target in targets])
        np.testing.assert_allclose(result[arrived], expected[arrived], rtol=1e-13)
        assert arrived.any() and (~arrived).any()
        whole = cooled(targets, ratio)
        np.testing.assert_allclose(whole, expected, rtol=1e-13)


def test_each_node_is_on_its_own():
    """The result of a node depends on neither its place nor the nodes beside it."""
    random = np.random.default_rng(1)
    targets, ratios = random.uniform(280, 6000, 300), random.choice(RATIOS, 300)
    together, order = cooled(targets, ratios), random.permutation(300)
    np.testing.assert_array_equal(cooled(targets[order], ratios[order]), together[order])
    single = [cooled([target], [ratio])[0] for target, ratio in zip(targets, ratios)]
    np.testing.assert_array_equal(single, together)


@pytest.mark.parametrize("law", [LAW, RADIATION, GLOWING], ids=["both", "radiation", "glow"])
def test_hotter_stays_hotter_and_nothing_crosses_the_ambient(law):
    targets = np.linspace(200, 20000, 4000)
    for ratio in RATIOS[:3]:
        found = cooled(targets, ratio, law)
        assert (np.diff(found) > 0).all()
        assert (found[targets > 293] >= 293).all() and (found[targets < 293] <= 293).all()
        assert (np.sign(targets - found) == np.sign(targets - 293)).all()


def test_energy_removed_is_the_flux_booked():
    """sum m (T* - T) = dt sum A q(T) to round-off of the temperatures."""
    random = np.random.default_rng(2)
    targets, ratios = random.uniform(1500, 6000, 200), np.full(200, RATIOS[1])
    capacity = random.uniform(1e-9, 1e-7, 200)
    after = cooled(targets, ratios)
    gone = removed(targets, after, capacity)
    assert gone == pytest.approx((capacity * (targets - after)).sum(), rel=1e-13)
    flux = np.array([plain_flux(temperature) for temperature in after])
    assert gone == pytest.approx((capacity * ratios * flux).sum(), rel=1e-10)


def test_nothing_evaporates_where_it_is_faint():
    """The limit is where 10 uW/m^2 would leave; both ways to the root give the same bits below."""
    below, above = (plain_flux(T) - loss.py_func(T, RADIATION)[0]
                    for T in (LAW.faint, LAW.faint + 1))
    assert below < losses.FAINT < above
    assert loss(LAW.faint, LAW) == loss(LAW.faint, RADIATION) and RADIATION.faint == np.inf
    targets, (full, faint) = np.linspace(150, LAW.faint, 333), np.empty((2, 333))
    for law in (LAW, KINKED._replace(glow=700.0)):
        for ratio in RATIOS:
            losses.newton_twice(targets, np.full(333, ratio), law, full)
            losses.newton_twice_faint(targets, np.full(333, ratio), law, faint)
            np.testing.assert_array_equal(full, faint)
            assert (full > 0).any()


@COMPILED_AND_PLAIN
def test_newton_starts_above_the_root(pick):
    """From there the convex flux lets it descend monotonically."""
    for law, glow, kinks in (LAW, np.inf, [4130.0]), (KINKED, GLOW, [GLOW, 4130.0]):
        for ratio in RATIOS[:3]:
            for target in np.linspace(300, 60000, 90):
                begin = pick(start)(target, ratio, law)
                assert begin + ratio * plain_flux(begin, glow) >= target * (1 - 1e-13)
                root = cool_node(target, ratio, law)
                assert all((root <= kink) == (begin <= kink) for kink in kinks)
