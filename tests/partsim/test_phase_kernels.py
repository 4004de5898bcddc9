"""The vectorised phase step against the scalar model, point by point and bit by bit."""
import numpy as np
import pytest

from partsim.phase import kernels, model
from partsim.phase.model import PhaseLaw, Phases

pytestmark = pytest.mark.serial

LAW = PhaseLaw()
EXCESS = LAW._replace(excess=1.0)
SCHEMES = pytest.mark.parametrize("scheme", ["explicit", "crank-nicolson"])
READINGS = pytest.mark.parametrize("law", [LAW, EXCESS], ids=["martensite", "excess"])
CUT = LAW._replace(martensite_end=600.0)  # Xam0 jumps from 0.64 to 0.9
# temperatures of every regime and the kinks between them
LEVELS = [250, 293, 400, 600, 700, 800, 848, 870, 935, 936, 1000, 1200, 1273, 1300, 1373, 1400,
          1878, 1879, 1950]


def random_points(n, seed=0):
    """X_as, X_am, Y, T_old, T of points in every regime, pure ones and saturated ones included."""
    rng = np.random.default_rng(seed)
    X_a = rng.choice([0.0, 0.9, rng.uniform(0, 0.9)], n, p=[0.15, 0.35, 0.5])
    X_a = np.where(X_a == 0.9, 0.9, X_a * rng.uniform(0, 1, n))
    share = rng.choice([0.0, 1.0, 1e-9, 0.5], n) * rng.choice([1.0, 0.37], n)
    X_as = np.where(rng.uniform(size=n) < 0.3, X_a, X_a * share)
    X_am = np.maximum(X_a - X_as, 0.0)
    rounded_up = (X_as > 0.1) & (rng.uniform(size=n) < 0.1)  # X_a above 0.9 by the last bit
    X_as = np.where(rounded_up, np.nextafter(X_as, 1), X_as)
    Y = np.where((X_as == 0.9) & (rng.uniform(size=n) < 0.5), 10 ** rng.uniform(-45, -14, n), 0.0)
    T_old = rng.choice(LEVELS, n) + rng.choice([0.0, 1.0], n) * rng.uniform(-5, 5, n)
    T = T_old + rng.choice([0.0, 1.0, 100.0], n) * rng.normal(size=n)
    return X_as, X_am, Y, T_old, np.maximum(T, 200.0)


def advance(points, dt, law, scheme):
    """The points (copied) after one step."""
    points = [np.array(values) for values in points]
    if scheme == "explicit":
        kernels.advance_explicit(*points, dt, law)
    else:
        assert kernels.advance_crank_nicolson(*points, dt, law, 0.05) == 0
    return [*points[:3], points[4], points[4]]


def scalar(points, dt, law, scheme):
    """The same by the scalar model."""
    states = []
    for X_as, X_am, Y, T_old, T in zip(*points):
        state = Phases(X_as, X_am, Y)
        if scheme == "explicit":
            states.append(model.explicit_step(state, T_old, T, dt, law))
        else:
            states.append(model.advance(state, T_old, T, dt, law, 0.05))
    return np.array(states).T


@READINGS
@SCHEMES
@pytest.mark.parametrize("dt", [1e-5, 1e-3, 0.1])
def test_kernel_equals_the_scalar_model(scheme, dt, law):
    points = random_points(3000)
    X_as, X_am, Y, _, T = advance(points, dt, law, scheme)
    exact_as, exact_am, exact_Y = scalar(points, dt, law, scheme)
    np.testing.assert_allclose(X_as, exact_as, rtol=0, atol=1e-11)
    np.testing.assert_allclose(X_am, exact_am, rtol=0, atol=1e-10)
    for values, exact in ((X_as, exact_as), (X_am, exact_am), (Y, exact_Y)):
        np.testing.assert_allclose(values, exact, rtol=6e-7)
    assert ((exact_Y < 1e-20) & (exact_Y > 0)).sum() > 20


@pytest.mark.parametrize("law", [LAW, EXCESS, CUT], ids=["martensite", "excess", "cut"])
@SCHEMES
def test_a_point_does_not_depend_on_its_neighbours(scheme, law):
    """Shuffled points, split arrays and single points give every value bit by bit."""
    points = random_points(3333, seed=1)
    together = advance(points, 0.02, law, scheme)
    order = np.random.default_rng(2).permutation(3333)
    shuffled = advance([values[order] for values in points], 0.02, law, scheme)
    for a, b in zip(together, shuffled):
        np.testing.assert_array_equal(a[order], b)
    for n in (1, 5, 127, 128, 129, 300):
        some = advance([values[:n] for values in points], 0.02, law, scheme)
        for a, b in zip(together, some):
            np.testing.assert_array_equal(a[:n], b)
    singles = ([values[i : i + 1] for values in points] for i in range(200))
    alone = [advance(one, 0.02, law, scheme) for one in singles]
    for row, values in enumerate(together):
        np.testing.assert_array_equal(values[:200], [one[row][0] for one in alone])


@SCHEMES
def test_many_steps_do_not_depend_on_the_neighbours(scheme):
    """Forty steps along each point's own random temperature."""
    rng = np.random.default_rng(3)
    points = random_points(700, seed=3)
    order = rng.permutation(700)
    shuffled = [values[order] for values in points]
    for _ in range(40):
        change = rng.choice([0.0, 30.0, 300.0], 700) * rng.normal(size=700)
        T = np.clip(points[3] + change, 250, 2000)
        points = advance([*points[:4], T], 0.01, LAW, scheme)
        shuffled = advance([*shuffled[:4], T[order]], 0.01, LAW, scheme)
        for a, b in zip(points, shuffled):
            np.testing.assert_array_equal(a[order], b)


@READINGS
@SCHEMES
def test_fractions_stay_in_bounds(scheme, law):
    rng = np.random.default_rng(4)
    points = random_points(2000, seed=4)
    for _ in range(60):
        T = np.clip(points[3] + rng.choice([0, 20, 400], 2000) * rng.normal(size=2000), 250, 2200)
        points = advance([*points[:4], T], 10 ** rng.uniform(-5, -1), law, scheme)
        X_as, X_am, Y, _, T = points
        assert (X_as >= 0).all() and (X_am >= 0).all() and (Y >= 0).all()
        assert (X_as + X_am <= 0.9 * (1 + 3e-16)).all()
        assert (X_as[T > 1878] == 0).all() and (X_am[T > 1878] == 0).all()
        assert (X_as[T >= 1373] == 0).all()
        assert (Y[X_as + X_am < 0.9 - 1e-5] == 0).all()


@SCHEMES
@pytest.mark.parametrize(
    "X_as, X_am, T_old, T",
    [(0.9, 0.0, 300, 900), (0.9, 0.0, 934, 935), (0.9, 0.0, 900, 300), (0.0, 0.0, 2500, 1290),
     (0.0, 0.0, 1273, 2500), (0.0, 0.0, 1900, 1900)],
)
@pytest.mark.parametrize("dt", [1e-5, 1.0])
def test_what_cannot_change_does_not(scheme, X_as, X_am, T_old, T, dt):
    """Bit by bit, in a batch of its kind (left at once) and beside a point that changes."""
    for beside in (False, True):
        points = [np.full(128, value) for value in (X_as, X_am, 0.0, T_old, T)]
        if beside:
            for values, value in zip(points, (0.2, 0.5, 0.0, 700.0, 701.0)):
                values[-1] = value
        new = advance(points, dt, LAW, scheme)
        for before, after in zip(points[:3], new):
            np.testing.assert_array_equal(before[:127], after[:127])
        assert beside == (new[0][-1] != points[0][-1])


@SCHEMES
@pytest.mark.parametrize(
    "point",
    [(0.9, 0.0, 1e-30, 930, 935.5), (0.9, 0.0, 0.0, 936, 936), (0.9, 0.0, 0.0, 1100, 900),
     (0.0, 0.0, 0.0, 1274, 1272.9), (0.0, 0.0, 0.0, 1200, 1900), (0.899, 0.0, 0.0, 700, 700),
     (0.0, 0.1, 0.0, 700, 700)],
)
def test_a_uniform_batch_that_barely_changes_is_not_left(scheme, point):
    points = [np.full(128, float(value)) for value in point]
    exact = scalar(points, 0.1, LAW, scheme)
    for values, expected in zip(advance(points, 0.1, LAW, scheme), exact):
        np.testing.assert_allclose(values, expected, rtol=5e-7)


def test_martensite_between_cold_steps_keeps_the_sum():
    """(26) alone conserves X_as + X_am: ten thousand explicit steps of a full martensite."""
    points = [np.full(3, value) for value in (1e-3, 0.899, 0.0, 800.0, 800.0)]
    for _ in range(10_000):
        kernels.advance_explicit(*points, 1e-3, LAW)
    assert points[0][0] > 0.01
    np.testing.assert_allclose(points[0] + points[1], 0.9, rtol=0, atol=1e-13)


def test_dissolution_does_not_start_from_rounding():
    """X_max - X_a = 1e-13 is noise of a full point, not a beta fraction that could grow."""
    noisy = [np.array([value]) for value in (0.9 - 1e-13, 0.0, 0.0, 1100.0, 1100.0)]
    kernels.advance_explicit(*noisy, 1e-5, LAW)
    assert noisy[2][0] == pytest.approx(model.start_dissolution(0.0, 1100, 1e-5, LAW), rel=1e-12)
    assert 0 < noisy[2][0] < 1e-60


@pytest.mark.parametrize("largest_substep", [0.02, 0.2, 1.0])
def test_dissolution_starts_with_any_substep(largest_substep):
    """At 1100 K the equilibrium is reached from pure stable alpha, also by coarse substeps."""
    points = [np.array([value]) for value in (0.9, 0.0, 0.0, 1100.0, 1100.0)]
    assert kernels.advance_crank_nicolson(*points, 400.0, LAW, largest_substep) == 0
    assert points[0][0] == pytest.approx(0.691613, abs=2e-3)


def test_unsettled_fixed_points_are_counted():
    points = [np.full(200, value) for value in (0.8, 0.0, 0.0, 1200.0, 1200.0)]
    points[0][::2] = 0.0
    assert kernels.advance_crank_nicolson(*points, 10.0, LAW, 10.0) == 100


def test_arrays_must_be_contiguous():
    points = [np.zeros((10, 2))[:, 0] for _ in range(5)]
    with pytest.raises(AssertionError):
        kernels.advance_explicit(*points, 1e-5, LAW)


def test_nan_temperature_is_not_hidden():
    points = [np.full(200, value) for value in (0.3, 0.3, 0.0, 700.0, 700.0)]
    points[4][7] = np.nan
    kernels.advance_explicit(*points, 1e-5, LAW)
    assert np.isnan(points[0]).sum() == 1
