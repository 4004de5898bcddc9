"""The phases of the dense reference against closed forms, published rates and an ODE solver."""
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests import dense_laws
from tests.order import observed_order

pytestmark = pytest.mark.serial

MARTENSITE, STABLE = [[0.0], [0.9], [0.0]], [[0.9], [0.0], [0.0]]
SCHEMES = pytest.mark.parametrize("scheme", ["explicit", "crank-nicolson"])


def hold(state, T, dt, count, scheme="crank-nicolson"):
    """The state (3, n) after `count` steps at constant temperature."""
    state, T = np.array(state), np.array([float(T)])
    for _ in range(count):
        state = dense_laws.advance(state, T, T, dt, scheme)
    return state


def follow(state, temperatures, dt, scheme="crank-nicolson"):
    """The state after steps dt from each of the `temperatures` to the next."""
    state = np.array(state)
    for old, new in zip(temperatures, temperatures[1:]):
        state = dense_laws.advance(state, np.full_like(state[0], old), np.full_like(state[0], new),
                                   dt, scheme)
    return state


def test_law_golden_values():
    T = np.array([293.0, 600, 700, 750, 800, 850, 900, 1000, 1100, 1200])
    k, equilibrium, martensite = dense_laws.law(T)
    np.testing.assert_allclose(k, [
        2.071329e-9, 6.446457e-5, 1.863064e-3, 9.774415e-3, 4.599175e-2, 1.47e-1, 2.480083e-1,
        2.921369e-1, 2.939355e-1, 2.939978e-1], rtol=3e-7)
    np.testing.assert_allclose(equilibrium, [0.9] * 7 + [0.843766, 0.691613, 0.391282], atol=5e-7)
    np.testing.assert_allclose(
        martensite, [0.9, 0.642707, 0.458926, 0.334156, 0.180614, 0, 0, 0, 0, 0], atol=5e-7)
    assert (dense_laws.law(np.array([1273.0, 2000.0]))[1] == 0).all()


def test_cooling_rates_decide_between_the_alphas():
    """Fully martensitic from 410 K/s, mainly stable alpha below 20 K/s."""
    rates = np.array([1.0, 5, 10, 20, 50, 100, 200, 410, 1000, 1e4])
    temperatures = np.linspace(1400, 293, 4429)
    X_as, X_am, _ = follow(np.zeros((3, 10)), temperatures, 0.25 / rates)
    np.testing.assert_allclose(X_as, [
        0.898781, 0.881118, 0.836009, 0.659126, 0.200324, 0.043238, 0.007909, 0.001315, 0.000140,
        4.3e-7], atol=2e-5)
    np.testing.assert_allclose(X_am, [
        0.001219, 0.018882, 0.063991, 0.240874, 0.699676, 0.856762, 0.892091, 0.898685, 0.899860,
        0.9], atol=2e-5)


@pytest.mark.parametrize("T, golden", [(750, 0.017616), (800, 0.444019), (850, 0.852613)])
def test_hold_of_full_martensite(T, golden):
    """X_as = 0.9 / (1 + (c / (0.9 k t))^c) at 60 s, and at 0.1 s in the one step of the start."""
    k = dense_laws.law(np.array(float(T)))[0]
    exact = [0.9 / (1 + (2.51 / (0.9 * k * t)) ** 2.51) for t in (60, 0.1)]
    assert exact[0] == pytest.approx(golden, abs=5e-7)
    X_as, X_am, _ = hold(MARTENSITE, T, 0.1, 600)
    assert X_as == pytest.approx(exact[0], abs=1e-4) and X_as + X_am == pytest.approx(0.9)
    assert hold(MARTENSITE, T, 0.1, 1)[0] == pytest.approx(exact[1], rel=1e-12)


@pytest.mark.parametrize("T, early, late", [
    (950, 3.195e-35, 3.195e-24), (1000, 1.106e-26, 1.106e-15), (1100, 7.934e-20, 1)])
def test_start_of_dissolution(T, early, late):
    """Y after 1 and 10 s; X_as is not touched until Y is handed over, at 1100 K before 10 s."""
    state = hold(STABLE, T, 0.01, 100)
    assert state[2] == pytest.approx(early, rel=2e-4) and state[0] == 0.9
    if late < 1e-12:
        state = hold(state, T, 0.01, 900, "explicit")
        assert state[2] == pytest.approx(late, rel=2e-4) and state[0] == 0.9


def test_dissolution_after_the_hand_over():
    """X_as at 1100 K against the closed form of Y; near the hand-over a step adds 2 % to Y."""
    state = hold(STABLE, 1100, 0.01, 3000)
    k, equilibrium, _ = dense_laws.law(np.array(1100.0))
    Y = dense_laws.avrami(0, 0.9 - equilibrium, 3.8 * k * 30, 11.0)
    assert state[2] == 0 and 0.9 - state[0] == pytest.approx(Y, rel=3e-2)


@pytest.mark.parametrize("T, golden", [(850, 1.57e-16), (935, 7.79e-16)])
def test_start_of_stable_alpha(T, golden):
    """Ten microseconds from pure beta, then the closed form after many steps."""
    assert hold(np.zeros((3, 1)), T, 1e-5, 1)[0] == pytest.approx(golden, rel=5e-3)
    k, equilibrium, _ = dense_laws.law(np.array(float(T)))
    exact = dense_laws.avrami(0, equilibrium, k * 30, 2.51)
    assert hold(np.zeros((3, 1)), T, 0.1, 300)[0] == pytest.approx(exact, rel=2e-4)


def test_start_from_beta_and_martensite():
    """Both channels, against the regular variable v = X_as^(1/c): dv/dt = k/c (room + decay)."""
    c, T, dt = 2.51, np.array(900.0), 0.1
    k = dense_laws.law(T)[0]

    def rates(_, state):
        v, X_am = state
        room, decay = max(0.9 - v**c - X_am, 0) ** (1 + 1 / c), X_am ** (1 + 1 / c)
        return [k / c * (room + decay), -k * v ** (c - 1) * decay]
    v, X_am = solve_ivp(rates, [0, dt], [0, 0.3], rtol=1e-12, atol=1e-14).y[:, -1]
    X_as, martensite, _ = hold([[0.0], [0.3], [0.0]], T, dt, 1)
    assert X_as == pytest.approx(v**c, rel=1e-4)
    assert martensite == pytest.approx(X_am, abs=1e-4 * v**c)


@SCHEMES
@pytest.mark.parametrize("ramp", [0, 25])
def test_order_in_time(scheme, ramp):
    """Held, and heated where neither gate nor kink is met: 1 and 2."""
    def final(count, scheme):
        temperatures = np.linspace(850, 850 + ramp, count + 1)
        return follow([[0.2], [0.3], [0.0]], temperatures, 2.0 / count, scheme)[:2]
    reference = final(1000, "crank-nicolson")
    errors = [abs(final(count, scheme) - reference).max() for count in (20, 40)]
    expected = {"explicit": 1, "crank-nicolson": 2}[scheme]
    assert observed_order(errors) == pytest.approx(expected, abs=0.1)


@SCHEMES
def test_reheating_removes_martensite(scheme):
    temperatures = np.linspace(293, 1273, 981)
    expected = {900: 0.899998, 1000: 0.843740, 1100: 0.691537, 1200: 0.391162, 1273: 0}
    for end, X_am in expected.items():
        part = temperatures[temperatures <= end]
        assert follow(MARTENSITE, part, 1e-3, scheme)[1] == pytest.approx(X_am, abs=1.5e-4)


@SCHEMES
def test_cooling_refills_martensite_and_holding_does_not(scheme):
    martensite = dense_laws.law(np.array(700.0))[2]
    cooled = follow(np.zeros((3, 1)), [1000.0, 849.0, 700.0], 1e-9, scheme)
    assert cooled[1] == pytest.approx(martensite, rel=1e-9)
    held = hold([[0.5], [0.28], [0.0]], 600, 1.0, 1, scheme)
    assert held[1] < 0.28 < (1 - held[0] / 0.9) * dense_laws.law(np.array(600.0))[2]
    refilled = follow(held, [600.0, 599.0], 1.0, scheme)
    limit = (1 - refilled[0] / 0.9) * dense_laws.law(np.array(599.0))[2]
    assert refilled[1] == pytest.approx(limit, rel=1e-12)
    too_much = [[0.2], [0.69], [0.0]]
    assert hold(too_much, 1000, 1e-9, 1, scheme)[1] == pytest.approx(0.69, rel=1e-8)
    assert follow(too_much, [999.0, 1000.0], 1e-9, scheme)[1] == pytest.approx(0.643766, abs=1e-6)


@SCHEMES
def test_martensite_goes_before_stable_alpha(scheme):
    """On heating X_as dissolves only once there is no martensite left."""
    both = follow([[0.68], [0.05], [0.0]], [1000.0, 1100.0], 1e-2, scheme)
    assert both[0] > 0.68 and both.sum() == pytest.approx(0.691613, abs=1e-6)
    alone = follow([[0.75], [0.05], [0.0]], [1100.0, 1150.0], 0.1, scheme)
    assert alone[0] < 0.75 - 1e-4 and alone[1] == 0


@SCHEMES
def test_stable_alpha_fades_above_its_limit_and_melts(scheme):
    assert follow(STABLE, [1200.0, 1323.0], 1e-9, scheme)[0] == pytest.approx(0.45)
    assert (follow(STABLE, [1800.0, 1879.0], 1e-5, scheme) == 0).all()
    assert (follow([[0.0], [0.9], [0.0]], [1900.0, 1879.0], 1e-5, scheme)[1] == 0).all()


def test_bounds_keep_the_ratio():
    np.testing.assert_allclose(dense_laws.bounded([0.8, 0.4]), [0.6, 0.3])
    np.testing.assert_allclose(dense_laws.bounded([-0.1, 0.4]), [0, 0.4])
