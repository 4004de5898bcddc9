"""Steps of several base steps, told the highest temperature in between."""
import numpy as np
import pytest

from partsim.phase import kernels
from partsim.phase.kernels import advance_explicit
from partsim.phase.model import PhaseLaw, Phases, admit, explicit_step

pytestmark = pytest.mark.serial

LAW, DT, TURN = PhaseLaw(), 1e-5, 4


def peaks(highest):
    """(1 + 4 m, n) K, base step by base step: points that are heated to these peaks (n,) within
    0.3 ms, and cool below the start of martensite in twice that time."""
    time = DT * np.arange(1 + TURN * 40)[:, None] - 3e-4
    return 500 + (highest - 500) * np.exp(-(time / np.where(time < 0, 1.5e-4, 3e-4)) ** 2)


def walk(T, turn, told=True):
    """X_as and X_am (n,) of annealed and of quenched points after steps of `turn` base steps."""
    X_as, X_am, Y = np.array([(0.9, 0.1), (0.0, 0.6), (0.0, 0.0)]).repeat(T.shape[1] // 2, axis=1)
    for end in range(turn, len(T), turn):
        T_old = T[end - turn : end].max(axis=0) if told else T[end - turn].copy()
        advance_explicit(X_as, X_am, Y, T_old, T[end].copy(), turn * DT, LAW)
    return np.array([X_as, X_am])


def test_the_highest_temperature_in_between_is_not_missed():
    """Peaks between the steps, above each temperature at which something happens at once; only
    diffusion, of less than 4e-5 a step, differs from base steps."""
    T = peaks(np.tile(np.linspace(940.0, 1950.0, 102), 2))
    exact, told, missed = walk(T, 1), walk(T, TURN), walk(T, TURN, told=False)
    assert np.abs(told - exact).max() < 2e-4
    assert np.abs(missed - exact).max() > 2e-2
    assert (exact[0] < 1e-6).any() and (exact[0] > 0.85).any() and (exact[1] > 0.3).any()


@pytest.mark.parametrize("T_old", [900.0, 1100.0, 1300.0, 1800.0, 1900.0])
def test_old_temperature_is_admitted_as_the_reference_does(T_old):
    rng = np.random.default_rng(1)
    X = rng.uniform(0, 0.45, (2, 200))
    fields, T = [*X.copy(), np.zeros(200)], rng.uniform(600, 1300, 200)
    advance_explicit(*fields, np.full(200, T_old), T, DT, LAW)
    for n in range(200):
        state = explicit_step(Phases(*X[:, n]), T_old, T[n], DT, LAW)
        np.testing.assert_allclose([values[n] for values in fields], state, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("T_old, expected", [
    (930.0, Phases(0.3, 0.4)), (1150.0, Phases(0.3, 0.26673)), (1300.0, Phases(0.3, 0.0)),
    (1370.0, Phases(0.027, 0.0)), (1380.0, Phases(0.0, 0.0)), (1900.0, Phases(0.0, 0.0)),
])
def test_admitted_states(T_old, expected):
    """(30) at 1150 K, where 1 - exp(-0.0068 x 123) = 0.56673 are in equilibrium; (31) at 1370 K,
    where 0.9 x 3 / 100 are left."""
    np.testing.assert_allclose(admit(Phases(0.3, 0.4), T_old, LAW), expected, atol=1e-5)


def test_a_block_that_has_rested_was_never_as_hot_as_what_it_wakes_to():
    """The time of its rest counts at temperatures that it may have had, not at T_old = 930 K."""
    tolerance, count = 1e-5, 128
    points = np.repeat(np.array([0.3, 0.2, 0.0])[:, None], count, axis=1)
    T = np.linspace(660.0, 720.0, count)
    rested, awake = points.copy(), points.copy()
    groups = kernels.Groups(np.zeros(2, np.int64), np.array([0, count]))
    rest, seen = kernels.awake(1), kernels.no_visits()

    def both(T_old, T, dt):
        state = (*rested, T_old, T)
        kernels.sweep(state, groups, rest, kernels.Step(dt, 0, tolerance, True), LAW, seen)
        advance_explicit(*awake, T_old, T, dt, LAW)

    for _ in range(10):
        both(T, T, 1e-3)
    assert rest[0, kernels.WAITED] > 5e-3
    both(np.full(count, 930.0), np.full(count, 1000.0), DT)
    assert np.abs(rested - awake).max() < 2 * tolerance


def test_a_resting_block_is_told_of_a_peak():
    """It rests as X_max does below alpha_end: 1400 K in between leave none of it."""
    fields = np.repeat(np.array([0.9, 0.0, 0.0])[:, None], 128, axis=1)
    groups = kernels.Groups(np.zeros(2, np.int64), np.array([0, 128]))
    rest, step = kernels.awake(1), kernels.Step(TURN * DT, 0, 1e-5, True)
    for T_old, T in ((800.0, 810.0), (810.0, 820.0), (1400.0, 900.0)):
        state = (*fields, np.full(128, T_old), np.full(128, T))
        kernels.sweep(state, groups, rest, step, LAW, kernels.no_visits())
    np.testing.assert_allclose(fields[0], 0.0, atol=1e-6)
