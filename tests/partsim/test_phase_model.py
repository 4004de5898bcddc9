"""The phase model of one point against tabulated values and closed forms."""
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from partsim.errors import UserError
from partsim.phase import model
from partsim.phase.model import PhaseLaw, Phases

pytestmark = pytest.mark.serial

LAW = PhaseLaw()
C, CB = LAW.growth_exponent, LAW.dissolution_exponent
TABLE = [  # T, Xa_eq, Xam0, k_as, k_b
    (293, 0.900000, 0.900000, 2.071329e-9, 7.871049e-9),
    (600, 0.900000, 0.642707, 6.446457e-5, 2.449654e-4),
    (700, 0.900000, 0.458926, 1.863064e-3, 7.079645e-3),
    (750, 0.900000, 0.334156, 9.774415e-3, 3.714278e-2),
    (800, 0.900000, 0.180614, 4.599175e-2, 1.747686e-1),
    (850, 0.900000, 0, 1.470000e-1, 5.586000e-1),
    (900, 0.900000, 0, 2.480083e-1, 9.424314e-1),
    (1000, 0.843766, 0, 2.921369e-1, 1.110120),
    (1100, 0.691613, 0, 2.939355e-1, 1.116955),
    (1200, 0.391282, 0, 2.939978e-1, 1.117192),
    (1300, 0, 0, 2.939999e-1, 1.117200),
]


@pytest.mark.parametrize("T, Xa_eq, Xam0, k_as, k_b", TABLE)
def test_law_at_tabulated_temperatures(T, Xa_eq, Xam0, k_as, k_b):
    assert model.stable_equilibrium(T, LAW) == pytest.approx(Xa_eq, abs=5.1e-7)
    assert model.martensite_saturation(T, LAW) == pytest.approx(Xam0, abs=5.1e-7)
    assert model.mobility(T, LAW) == pytest.approx(k_as, rel=3e-7)
    assert LAW.dissolution_factor * model.mobility(T, LAW) == pytest.approx(k_b, rel=4e-7)


def test_law_at_its_ends():
    assert model.stable_equilibrium(935, LAW) == 0.9
    assert model.stable_equilibrium(935.001, LAW) == pytest.approx(0.899581, abs=2e-6)
    assert model.martensite_saturation(293.1, LAW) == 0.9  # the exponential alone gives 0.90002
    assert model.martensite_equilibrium(0.3, 293, LAW) == pytest.approx(0.6)


def test_diffusion_conserves_the_sum_of_the_phases():
    """(20) + (21) + (22) = 0, term by term: martensite lost is stable alpha gained."""
    R = model.rates(Phases(0.3, 0.2), 800, LAW)
    dX_as, dX_am, dX_b = R.b_as + R.am_as - R.as_b, -R.am_as, R.as_b - R.b_as
    assert dX_as + dX_am + dX_b == pytest.approx(0, abs=1e-17)
    assert R.b_as > 0 and R.am_as > 0 and R.as_b == 0


def test_rates_are_the_products_of_powers():
    R = model.rates(Phases(0.3, 0.2), 800, LAW)
    k = 4.599175e-2
    assert R.b_as == pytest.approx(k * 0.3 ** (1.51 / 2.51) * 0.4 ** (3.51 / 2.51), rel=2e-7)
    assert R.am_as == pytest.approx(k * 0.3 ** (1.51 / 2.51) * 0.2 ** (3.51 / 2.51), rel=2e-7)
    R = model.rates(Phases(0.75, 0), 1100, LAW)
    above = 0.75 - 0.691613
    assert R.as_b == pytest.approx(1.116955 * 0.15 ** (10 / 11) * above ** (12 / 11), rel=1e-5)
    assert R.b_as == R.am_as == 0


@pytest.mark.parametrize(
    "T, factor", [(650, 0.256), (700, 0.369), (750, 0.523), (800, 0.731), (848, 1.0)]
)
def test_second_reading_of_martensite_decomposition(T, factor):
    """X_am - Xam_eq instead of X_am, at X_am = 0.9 - X_as: the same factor for every X_as."""
    excess = LAW._replace(excess=1.0)
    for X_as in (1e-6, 0.2, 0.7):
        full = Phases(X_as, 0.9 - X_as)
        ratio = model.rates(full, T, excess).am_as / model.rates(full, T, LAW).am_as
        assert ratio == pytest.approx(factor, abs=6e-4)


@pytest.mark.parametrize(
    "T, X_as", [(850, 1.57e-16), (935, 7.79e-16)]
)
def test_first_stable_alpha_in_ten_microseconds(T, X_as):
    assert model.start_growth(0.0, T, 1e-5, LAW).X_as == pytest.approx(X_as, rel=4e-3)


@pytest.mark.parametrize("T, t", [(800, 60.6), (850, 19.0), (935, 10.0), (1100, 12.4)])
def test_half_of_the_equilibrium(T, t):
    half = model.stable_equilibrium(T, LAW) / 2
    assert model.start_growth(0.0, T, t, LAW).X_as == pytest.approx(half, rel=1e-2)


@pytest.mark.parametrize("X_am", [0.0, 0.9, 0.5])
@pytest.mark.parametrize("T", [600, 800, 900, 1100])
def test_start_of_growth_solves_the_equations(X_am, T):
    """From X_as = 0 against an integration of v = X_as^(1/c), which is regular at 0."""
    X_am = min(X_am, model.stable_equilibrium(T, LAW))
    dt = 0.05

    def regular(t, y):
        gap, drive = model.growth_drives(y[0] ** C, y[1], T, LAW)
        k, p = model.mobility(T, LAW), (C + 1) / C
        return [k / C * (gap**p + drive**p), -k * y[0] ** (C - 1) * drive**p]

    exact = solve_ivp(regular, (0, dt), [0.0, X_am], method="DOP853", rtol=1e-12, atol=1e-20)
    X_as, rest, _ = model.start_growth(X_am, T, dt, LAW)
    one_channel = X_am in (0.0, model.stable_equilibrium(T, LAW))
    assert X_as == pytest.approx(exact.y[0, -1] ** C, rel=1e-9 if one_channel else 1e-5)
    assert X_am - rest == pytest.approx(X_am - exact.y[1, -1], rel=1e-5, abs=2e-16)


@pytest.mark.parametrize(
    "T, after_1, after_10",
    [(950, 3.195e-35, 3.195e-24), (1000, 1.106e-26, 1.106e-15), (1100, 7.934e-20, 7.934e-9),
     (1200, 3.563e-15, 3.560e-4)],
)
def test_start_of_dissolution_far_below_the_machine_precision(T, after_1, after_10):
    assert model.start_dissolution(0.0, T, 1.0, LAW) == pytest.approx(after_1, rel=2e-4)
    assert model.start_dissolution(0.0, T, 10.0, LAW) == pytest.approx(after_10, rel=2e-4)


def test_steps_of_the_dissolution_start_add_up():
    """(69) is exact at constant temperature: 20 000 steps are one."""
    Y = 0.0
    for _ in range(20_000):
        Y = model.start_dissolution(Y, 1100, 1e-4, LAW)
    assert Y == pytest.approx(model.start_dissolution(0.0, 1100, 2.0, LAW), rel=1e-11)


def test_dissolution_at_constant_temperature_follows_the_exact_solution():
    """The paper's figure 14: analytical start and (27) after it, against (69) from 0 throughout."""
    state, dt = Phases(0.9, 0.0), 0.02
    shifted, beta = [], []
    for step in range(1, 10_001):
        state = model.explicit_step(state, 1100, 1100, dt, LAW)
        exact = model.start_dissolution(0.0, 1100, step * dt, LAW)
        if state.Y > 0:
            shifted.append(state.Y / exact)
            assert state.X_as == pytest.approx(0.9 - exact, abs=2e-16)
        beta.append((0.1 + max(state.Y, 0.9 - state.X_as)) - (0.1 + exact))
    assert len(shifted) > 200 and shifted == pytest.approx([1] * len(shifted), rel=1e-11)
    assert state.Y == 0 and state.X_as == pytest.approx(0.691613, abs=5e-3)
    assert np.abs(beta).max() < 2.5e-3


def test_shifted_fraction_survives_a_cold_interval_and_ends_in_the_melt():
    law, state = LAW, Phases(0.9, 0.0)
    for _ in range(10):
        state = model.explicit_step(state, 1100, 1100, 0.1, law)
    Y = state.Y
    assert Y == pytest.approx(7.934e-20, rel=1e-3)
    state = model.explicit_step(state, 1100, 500, 0.1, law)
    assert state == Phases(0.9, 0.0, Y)
    state = model.explicit_step(state, 500, 1100, 0.1, law)
    assert state.Y == pytest.approx(model.start_dissolution(0.0, 1100, 1.1, law), rel=1e-9)
    assert model.explicit_step(state, 1100, 1900, 0.1, law) == Phases(0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "before, T_old, T, after",
    [
        ((-0.1, 0.2), 900, 900, (0.0, 0.2)),
        ((0.8, 0.4), 900, 900, (0.6, 0.3)),
        ((0.0, 0.0), 700, 600, (0.0, 0.642707)),
        ((0.3, 0.0), 700, 600, (0.3, 0.642707 * 2 / 3)),
        ((0.3, 0.0), 600, 600, (0.3, 0.0)),
        ((0.3, 0.5), 990, 1100, (0.3, 0.391613)),
        ((0.3, 0.5), 1100, 1000, (0.3, 0.5)),
        ((0.8, 0.1), 990, 1100, (0.8, 0.0)),
        ((0.8, 0.0), 1300, 1323, (0.45, 0.0)),
        ((0.2, 0.0), 1300, 1323, (0.2, 0.0)),
        ((0.2, 0.0), 1400, 1380, (0.0, 0.0)),
        ((0.9, 0.0), 900, 1879, (0.0, 0.0)),
    ],
)
def test_correction(before, T_old, T, after):
    assert model.correct(*before, T_old, T, LAW) == pytest.approx(after, abs=1e-6)


def test_liquid_fraction():
    assert [model.liquid_fraction(T, LAW) for T in (1800, 1878, 1903, 2000)] == [0, 0, 0.5, 1]


@pytest.mark.parametrize(
    "change, text",
    [
        ({"rate": -1.0}, "phase.rate = -1, but it must be a positive number"),
        ({"rate": np.nan}, "phase.rate = nan, but it must be a positive number"),
        ({"alpha_end": 1300.0}, "phase.alpha_start = 1273 K, but it must be above alpha_end"),
        ({"martensite_start": 940.0}, "phase.alpha_end = 935 K, but it must be above martensite_"),
        ({"largest_alpha": 1.0}, "phase.largest_alpha = 1, but it must be below 1"),
        ({"excess": 0.5}, "phase.excess = 0.5, but it must be 0 or 1"),
        ({"growth_exponent": 1.0}, "phase.growth_exponent and dissolution_exponent must be above"),
    ],
)
def test_contradictory_law_is_refused(change, text):
    with pytest.raises(UserError) as refusal:
        model.check_law(LAW._replace(**change))
    assert str(refusal.value).startswith(text) and "\n" not in str(refusal.value)


def test_default_law_is_accepted():
    model.check_law(LAW)
    model.check_law(LAW._replace(regularisation_end=1878.0, excess=1.0))
