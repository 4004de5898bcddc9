"""The phase step along whole temperature histories: tabulated results, orders, an exact solver."""
import os

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from partsim.phase import kernels
from partsim.phase.model import PhaseLaw
from tests.partsim.phase_reference import Point, random_history

pytestmark = pytest.mark.serial

LAW = PhaseLaw()
HISTORIES = 1000 if os.environ.get("PARTSIM_FULL") else 40
GRID, LENGTH = 0.1, 60.0  # s, of the random histories


def state(X_as, X_am, T):
    """X_as, X_am, Y and T_old of one point."""
    return [np.array([value]) for value in (X_as, X_am, 0.0, T)]


def advance(point, T, dt, scheme="crank-nicolson", substep=0.1):
    """One thermal step of the point(s), in place."""
    T = np.broadcast_to(T, point[0].shape).astype(float)
    if scheme == "explicit":
        kernels.advance_explicit(*point, T, dt, LAW)
    else:
        assert kernels.advance_crank_nicolson(*point, T, dt, LAW, substep) == 0
    point[3][:] = T


@pytest.mark.parametrize(
    "rate, X_as, X_am, increment",
    [
        (1, 0.898781, 0.001219, 0.25),
        (5, 0.881118, 0.018882, 0.25),
        (10, 0.836009, 0.063991, 0.01),
        (20, 0.659126, 0.240874, 0.25),
        (50, 0.200324, 0.699676, 0.25),
        (100, 0.043238, 0.856762, 0.25),
        (200, 0.007909, 0.892091, 0.25),
        (410, 0.001315, 0.898685, 0.25),
        (1000, 0.000140, 0.899860, 0.25),
        (1e4, 4.3e-7, 0.9000, 0.25),
    ],
)
def test_cooling_at_constant_rate(rate, X_as, X_am, increment):
    """1400 K to 293 K: martensite above 410 K/s, mainly stable alpha below 20 K/s."""
    point = state(0.0, 0.0, 1400.0)
    for step in range(1, round(1107 / increment) + 1):
        advance(point, 1400 - increment * step, increment / rate, substep=1.0)
    assert point[0][0] == pytest.approx(X_as, abs=1e-6)
    assert point[1][0] == pytest.approx(X_am, abs=1e-6)


@pytest.mark.parametrize(
    "T, expected",
    [
        (750, [1e-6, 0.000200, 0.017616, 0.779362, 0.898451]),
        (800, [3.0e-5, 0.009657, 0.444019, 0.897153, 0.899968]),
        (850, [0.000557, 0.150260, 0.852613, 0.899845, 0.899998]),
        (900, [0.002067, 0.384201, 0.886740, 0.899958, 0.900000]),
    ],
)
def test_hold_of_full_martensite(T, expected):
    point, times = state(0.0, 0.9, float(T)), [0, 1, 10, 60, 600, 3600]
    for before, time, X_as in zip(times, times[1:], expected):
        advance(point, T, time - before, substep=0.002 if time < 600 else 0.05)
        assert point[0][0] == pytest.approx(X_as, abs=3e-5)
        assert point[0][0] + point[1][0] == pytest.approx(0.9, abs=1e-12)


def test_reheating_of_full_martensite():
    """At 1000 K/s; the tabulated values at 1100 and 1200 K had a step error of 1e-5."""
    point, exact, T_old = state(0.0, 0.9, 293.0), Point(0.0, 0.9), 293.0
    for T, X_am in ((900, 0.899998), (1000, 0.843740), (1100, 0.691537), (1200, 0.391162)):
        advance(point, T, (T - T_old) / 1000, substep=1e-4)
        exact.run(T_old, float(T), (T - T_old) / 1000)
        assert point[1][0] == pytest.approx(exact.X_am, abs=4e-8)
        assert point[1][0] == pytest.approx(X_am, abs=1.2e-5)
        T_old = T
    advance(point, 1273, 0.073)
    assert point[1][0] == 0


def isothermal(X_as, X_am, T, duration):
    """X_as and X_am after the duration, by a general solver."""
    k, c, b = 0.294 / (1 + np.exp(-0.0337 * (T - 850))), 2.51, 11.0
    equilibrium = 0.9 if T <= 935 else 1 - np.exp(-0.0068 * (1273 - T))

    def rates(t, X):
        gap, excess = max(equilibrium - sum(X), 0), max(sum(X) - equilibrium, 0)
        low = k * X[0] ** (1 - 1 / c)
        lost = 3.8 * k * (0.9 - sum(X)) ** (1 - 1 / b) * excess ** (1 + 1 / b) if excess else 0.0
        decayed = low * X[1] ** (1 + 1 / c)
        return [low * gap ** (1 + 1 / c) + decayed - lost, -decayed]

    tight = {"method": "DOP853", "rtol": 1e-12, "atol": 1e-14}
    return solve_ivp(rates, (0, duration), [X_as, X_am], **tight).y[:, -1]


@pytest.mark.parametrize("scheme, order", [("explicit", 1), ("crank-nicolson", 2)])
@pytest.mark.parametrize("start", [(0.2, 0.4, 800), (0.1, 0.0, 1000), (0.8, 0.0, 1100)])
def test_order_at_constant_temperature(scheme, order, start):
    """Growth with decomposition, growth and dissolution over 4 s."""
    X_as, X_am, T = start
    exact = isothermal(*start, 4.0)
    errors = []
    for steps in (16, 32, 64):
        point = state(X_as, X_am, float(T))
        for _ in range(steps):
            advance(point, T, 4.0 / steps, scheme, substep=1.0)
        errors.append(np.hypot(point[0][0] - exact[0], point[1][0] - exact[1]))
    observed = np.log2(np.array(errors[:-1]) / errors[1:])
    assert observed == pytest.approx([order] * 2, abs=0.06)


def start_of(seed, T):
    """X_as and X_am at the start of a history: melt, or one of three solids."""
    return (0.0, 0.0) if T > 1273 else [(0.9, 0.0), (0.0, 0.9), (0.3, 0.5)][seed % 3]


@pytest.fixture(scope="module", params=[0.0, 1.0], ids=["martensite", "excess"])
def references(request):
    """(excess, histories, starts, exact states at every corner of every history)."""
    histories = [random_history(seed, GRID, LENGTH) for seed in range(HISTORIES)]
    starts = [start_of(seed, T[0]) for seed, (_, T) in enumerate(histories)]
    exact = []
    for (times, T), start in zip(histories, starts):
        point, states = Point(*start, request.param), []
        for i in range(len(times) - 1):
            point.run(T[i], T[i + 1], times[i + 1] - times[i])
            states.append((point.X_as, point.X_am))
        exact.append(states)
    return request.param, histories, starts, exact


def differences(references, scheme, dt):
    """|difference| of X_as and X_am at every corner of every history."""
    excess, histories, starts, exact = references
    law = LAW._replace(excess=excess)
    grid = np.arange(round(LENGTH / GRID) + 1) * GRID
    T = np.array([np.interp(grid, *history) for history in histories]).T.copy()
    X_as, X_am = np.array(starts).T.copy()
    Y, T_old = np.zeros_like(X_as), T[0].copy()
    corners = [dict(zip(np.rint(times[1:] / GRID).astype(int), states))
               for (times, _), states in zip(histories, exact)]
    found, steps = [], round(GRID / dt)
    for row in range(1, len(grid)):
        if scheme == "crank-nicolson":
            assert kernels.advance_crank_nicolson(X_as, X_am, Y, T_old, T[row], GRID, law, dt) == 0
            T_old = T[row]
        else:
            for left in range(steps, 0, -1):
                between = T[row] if left == 1 else T_old + (T[row] - T_old) / left
                kernels.advance_explicit(X_as, X_am, Y, T_old, between, GRID / steps, law)
                T_old = between
        for point, states in enumerate(corners):
            if row in states:
                found.append((X_as[point] - states[row][0], X_am[point] - states[row][1]))
    return np.abs(found).max(axis=1)


@pytest.mark.parametrize(
    "scheme, dt, worst, mean",
    [("explicit", 1e-3, 4.2e-4, 4.3e-5), ("crank-nicolson", 1e-2, 1e-3, 7.5e-5),
     ("crank-nicolson", 1e-3, 1e-4, 6.6e-6)],
)
def test_random_histories(references, scheme, dt, worst, mean):
    """Piecewise-linear temperatures, fast and slow, with reheating and remelting."""
    error = differences(references, scheme, dt)
    print(f"{scheme}, dt = {dt:g} s, {HISTORIES} histories, {len(error)} corners, "
          f"excess = {references[0]:g}: worst {error.max():.2e}, mean {error.mean():.2e}")
    assert error.max() < worst
    assert error.mean() < mean
