"""The phase step of a run: choice of the scheme, subcycling, start and beta."""
import numpy as np
import pytest

from partsim.errors import UserError
from partsim.phase.integrate import PhaseFields, beta, initial, make_phase_step
from partsim.phase.model import PhaseLaw, Phases, advance, explicit_step, martensite_saturation

pytestmark = pytest.mark.serial

LAW = PhaseLaw()


def fields(X_as, X_am, n=3):
    return PhaseFields(*(np.full(n, value) for value in (X_as, X_am, 0.0)))


def test_long_explicit_steps_are_divided():
    points, state, T_old = fields(0.2, 0.3), Phases(0.2, 0.3), 900.0
    make_phase_step("explicit", LAW, 0.1)(points, np.full(3, 900.0), np.full(3, 800.0), 0.5)
    for T in (880.0, 860.0, 840.0, 820.0, 800.0):
        state, T_old = explicit_step(state, T_old, T, 0.1, LAW), T
    assert points.alpha_stable == pytest.approx(state.X_as, abs=1e-10)
    assert points.martensite == pytest.approx(state.X_am, abs=1e-10)


def test_long_implicit_steps_are_divided():
    points = fields(0.2, 0.3)
    make_phase_step("crank-nicolson", LAW, 0.1)(points, np.full(3, 900.0), np.full(3, 800.0), 0.5)
    state = advance(Phases(0.2, 0.3), 900, 800, 0.5, LAW, 0.1)
    assert points.alpha_stable == pytest.approx(state.X_as, abs=1e-10)
    assert points.martensite == pytest.approx(state.X_am, abs=1e-10)


def test_off_changes_no_phase():
    points = fields(0.2, 0.3)
    make_phase_step("off", LAW, 0.1)(points, np.full(3, 900.0), np.full(3, 1900.0), 0.5)
    assert (points.alpha_stable == 0.2).all() and (points.martensite == 0.3).all()


def test_unknown_scheme_is_refused():
    with pytest.raises(UserError, match='scheme = "implicit", but it must be one of explicit, '):
        make_phase_step("implicit", LAW, 0.1)


def test_a_fixed_point_that_is_not_found_stops_the_run():
    step = make_phase_step("crank-nicolson", LAW, 10.0)
    with pytest.raises(ArithmeticError, match="3 phase states of a step of 10 s did not converge"):
        step(fields(0.8, 0.0), np.full(3, 1200.0), np.full(3, 1200.0), 10.0)


def test_initial_phases():
    T = np.array([293.0, 600.0, 848.0, 900.0])
    for values, expected in zip(initial("plate", T, LAW), (0.9, 0.0, 0.0)):
        np.testing.assert_array_equal(values, expected)
    X_as, X_am, Y = initial("powder", T, LAW)
    np.testing.assert_array_equal(X_as + Y, 0.0)
    np.testing.assert_allclose(X_am, [martensite_saturation(value, LAW) for value in T], atol=1e-15)
    with pytest.raises(UserError, match='kind = "melt", but it must be plate or powder'):
        initial("melt", T, LAW)


def test_beta_is_the_rest_of_the_solid():
    T = np.array([300.0, 1100.0, 1877.0, 1903.0, 2000.0])
    X_as = np.array([0.9, 0.4, 0.0, 0.0, 0.0])
    X_am = np.array([0.0, 0.2, 0.0, 0.0, 0.0])
    found = beta(X_as, X_am, np.zeros(5), T, LAW)
    np.testing.assert_allclose(found, [0.1, 0.4, 1.0, 0.5, 0.0], atol=1e-15)


def test_beta_above_its_least_keeps_the_shifted_fraction():
    """0.1 + Y where Y is active, X_sol - X_as - X_am where it is left over from another state."""
    shift = np.array([3e-14, 3e-14])
    found = beta(np.array([0.9, 0.7]), np.zeros(2), shift, np.full(2, 1000.0), LAW)
    assert found[0] - 0.1 == pytest.approx(3e-14, rel=1e-2)
    assert found[1] == pytest.approx(0.3, abs=1e-15)
