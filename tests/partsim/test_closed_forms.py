"""The references themselves: Green's function of a moving beam, manufactured waves, orders."""
import numpy as np
import pytest
from scipy.integrate import quad, tplquad

from tests.greens import Source, kernel, temperature_rise
from tests.manufactured import DecayingWave, lumped_rate
from tests.order import observed_order, observed_orders

pytestmark = pytest.mark.serial

BEAM = Source(radius=6e-5, depth=5e-5)
CORNER = np.array([[0, 0, 0], [1e-3, 0, 0], [1e-3, 8e-5, 0], [2e-4, 8e-5, 0]], float)
TIMES = np.array([0, 1e-3, 1.3e-3, 2.1e-3])
PATH = (CORNER, TIMES, np.array([180.0, 0.0, 120.0]))
POINTS = np.array([[5e-4, 0, 0], [5e-4, 1e-4, -6e-5], [2e-4, 8e-5, -5e-5], [1.4e-3, 3e-4, -2e-4]])


def test_standing_beam_on_the_surface():
    """At its centre: P sqrt 2 / (pi^1.5 k R) arctan(sqrt(8 a t) / R)."""
    beam = Source(radius=6e-5, depth=0)
    path = (np.zeros((2, 3)), np.array([0, 1.0]), np.array([10.0]))
    for t in (1e-6, 1e-3, 1.0):
        rise = temperature_rise(np.zeros((1, 3)), t, path, beam)
        angle = np.arctan(np.sqrt(8 * beam.diffusivity * t) / beam.radius)
        exact = 10 * np.sqrt(2) / (np.pi**1.5 * 28.6 * beam.radius) * angle
        assert rise[0] == pytest.approx(exact, abs=1e-8)


def test_rosenthal():
    """A point that has always moved at v: P / (2 pi k r) exp(-v (r + x) / (2 a))."""
    beam, speed = Source(radius=1e-7, depth=0), 0.01
    path = (np.array([[-0.06, 0, 0], [0, 0, 0]]), np.array([0, 6.0]), np.array([10.0]))
    points = np.array([[-1e-3, 0, 0], [1e-3, 0, 0], [1e-4, 3e-4, -5e-4]])
    r = np.linalg.norm(points, axis=1)
    exact = 10 / (2 * np.pi * 28.6 * r) * np.exp(
        -speed * (r + points[:, 0]) / (2 * beam.diffusivity))
    rise = temperature_rise(points, 6.0, path, beam)
    np.testing.assert_allclose(rise, exact, rtol=1e-7)


@pytest.mark.parametrize("depth", [0, 5e-5])
def test_kernel_holds_the_energy(depth):
    """The integral of rho c (T - T0) over the half space is one joule."""
    beam, size = Source(6e-5, depth), 6e-4
    x, weight = np.polynomial.legendre.leggauss(80)
    plane = np.stack(np.meshgrid(x * size, x * size), -1).reshape(-1, 2)
    below = (x + 1) / 2 * size
    warm = [kernel(beam, plane, np.full(len(plane), z), 5e-4) for z in below]
    layers = np.array(warm) @ np.outer(weight, weight).ravel() * size**2
    energy = layers @ weight * size / 2 * beam.heat_capacity
    assert energy == pytest.approx(1, abs=1e-8)


def test_kernel_is_the_point_source_spread_over_the_beam():
    """Green's function of the half space, integrated over the beam by brute force."""
    age, at, offset = 2e-4, 3e-5, np.array([4e-5, -2e-5])
    four = 4 * BEAM.diffusivity * age

    def heated(z, y, x):
        beam = np.exp(-2 * (x * x + y * y) / BEAM.radius**2) * 2 / (np.pi * BEAM.radius**2)
        lateral = (offset[0] - x) ** 2 + (offset[1] - y) ** 2
        images = sum(np.exp(-(lateral + (at + side * z) ** 2) / four) for side in (-1, 1))
        return beam / BEAM.depth * images / (np.pi * four) ** 1.5 / BEAM.heat_capacity

    size = 1.5e-4
    box = (-size, size, -size, size, 0, BEAM.depth)
    brute, _ = tplquad(heated, *box, epsabs=0, epsrel=1e-6)
    assert kernel(BEAM, offset[None], np.array([at]), age)[0] == pytest.approx(brute, rel=2e-5)


@pytest.mark.parametrize("t", [7e-4, 1.3e-3, 1.9e-3, 5e-3])
def test_moving_beam_against_quadrature_in_time(t):
    expected = np.zeros(len(POINTS))
    for (start, end), begin, stop, power in zip(
            zip(CORNER, CORNER[1:]), TIMES, TIMES[1:], PATH[2]):
        for n, point in enumerate(POINTS):
            def heated(tau):
                away = point - start - (tau - begin) / (stop - begin) * (end - start)
                return power * kernel(BEAM, away[None, :2], np.array([-point[2]]), t - tau)[0]
            cuts = np.linspace(begin, min(stop, t), 20) if t > begin else []
            expected[n] += sum(quad(heated, a, b, epsabs=1e-8)[0] for a, b in zip(cuts, cuts[1:]))
    np.testing.assert_allclose(temperature_rise(POINTS, t, PATH, BEAM), expected, atol=1e-5)


def test_a_line_in_two_pieces_is_the_line():
    middle = CORNER[0] + 0.3 * (CORNER[1] - CORNER[0])
    power = np.insert(PATH[2], 0, PATH[2][0])
    split = np.insert(CORNER, 1, middle, axis=0), np.insert(TIMES, 1, 3e-4), power
    whole, pieces = (temperature_rise(POINTS, 2.5e-3, path, BEAM) for path in (PATH, split))
    np.testing.assert_allclose(pieces, whole, atol=1e-8)


@pytest.mark.parametrize("fixed_bottom", [False, True])
def test_wave_solves_the_heat_equation(fixed_bottom):
    """Differences of the temperature against the source; faces insulated or at the mean."""
    wave = DecayingWave((2e-3, 1.5e-3, 1e-3), rate=70.0, fixed_bottom=fixed_bottom)
    at, t, size = np.array([3e-4, 5e-4, 7e-4]), 2e-3, 1e-6
    steps = size * np.eye(3)
    change = (wave.temperature(at, t + 1e-6) - wave.temperature(at, t - 1e-6)) / 2e-6
    bend = sum(wave.temperature(at + e, t) + wave.temperature(at - e, t) for e in steps)
    laplacian = (bend - 6 * wave.temperature(at, t)) / size**2
    assert wave.source(at, t) == pytest.approx(change - wave.diffusivity * laplacian, rel=1e-4)
    assert wave.decaying_naturally().source(at, t) == 0
    lengths = np.array(wave.lengths)
    for axis in range(3):
        for face in (0.0, lengths[axis]):
            outside, inside = at.copy(), at.copy()
            outside[axis], inside[axis] = face + size, face - size
            jump = wave.temperature(outside, t) - wave.temperature(inside, t)
            if fixed_bottom and axis == 2 and face == 0:
                assert wave.temperature((outside + inside) / 2, t) == wave.mean
                assert abs(jump) > 0.1
            else:
                assert jump == pytest.approx(0, abs=1e-9)


def test_lumped_rate_converges_at_second_order():
    wave = DecayingWave((2e-3, 1.5e-3, 1e-3))
    errors = [abs(lumped_rate(wave, cell) - wave.natural_rate) for cell in (1e-4, 5e-5, 2.5e-5)]
    assert observed_order(errors) == pytest.approx(2, abs=0.02)


def test_order_of_a_power():
    sizes = np.array([0.9, 0.3, 0.1])
    assert observed_order(5 * sizes**1.5, ratio=3) == pytest.approx(1.5)
    np.testing.assert_allclose(observed_orders(5 * sizes**1.5, ratio=3), [1.5, 1.5])
