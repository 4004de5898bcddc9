"""Temperature of a half space under a beam that moves along straight lines, from Green's function.

Constant properties, no loss through the surface. The beam is a Gaussian in the plane and uniform
over a thickness below the surface, as in eq. (6) of Proell et al., arXiv 2402.17580.
"""
from typing import NamedTuple

import numpy as np
from scipy.integrate import quad_vec
from scipy.special import erf


class Source(NamedTuple):
    """A beam and what it heats.

    radius         m, > 0, where the intensity is 1/e^2 of its centre's
    depth          m, thickness that takes the heat; 0: the surface itself
    conductivity   W/(m K)
    heat_capacity  J/(m^3 K), density times specific heat
    """

    radius: float
    depth: float
    conductivity: float = 28.6
    heat_capacity: float = 4090.0 * 1130.0

    @property
    def diffusivity(self) -> float:
        """m^2/s."""
        return self.conductivity / self.heat_capacity


def kernel(source: Source, offset: np.ndarray, below: np.ndarray, age: float) -> np.ndarray:
    """Rise of T in K (n,) per J absorbed `age` seconds ago.

    offset  (n, 2)  m, from the beam's centre of that moment, in the plane
    below   (n,)    m, under the surface
    """
    spread = source.radius**2 + 8 * source.diffusivity * age
    plane = 2 / (np.pi * spread) * np.exp(-2 * (offset**2).sum(axis=-1) / spread)
    reach = np.sqrt(4 * source.diffusivity * age)
    if source.depth > 0:
        edges = erf((source.depth + below) / reach) + erf((source.depth - below) / reach)
        line = edges / (2 * source.depth)
    else:
        line = 2 * np.exp(-((below / reach) ** 2)) / (np.sqrt(np.pi) * reach)
    return plane * line / source.heat_capacity


def breaks(source: Source, newest: float, oldest: float, speed: float) -> np.ndarray:
    """Ages between newest and oldest that no feature of the integrand is much shorter than."""
    ages = [newest]
    while ages[-1] < oldest:
        spread = source.radius**2 + 8 * source.diffusivity * ages[-1]
        step = spread / (8 * source.diffusivity)
        if speed > 0:
            step = min(step, 2 * np.sqrt(spread) / speed)
        ages.append(ages[-1] + step)
    return np.array(ages[1:-1])


def temperature_rise(
    points: np.ndarray, t: float, path: tuple, source: Source, tolerance: float = 1e-9
) -> np.ndarray:
    """Rise of T in K (n,) at the points (n, 3) and the time t, to `tolerance` K in each segment.

    path    (ends (m+1, 3), times (m+1,), power (m,)): m, s, W; the surface is the plane z of ends,
            the body lies below
    The integral over the age s of the heat runs over sqrt(s), in which it is smooth at s = 0.
    Raises ArithmeticError where the quadrature misses the tolerance.
    """
    ends, times, power = path
    points = np.asarray(points, float)
    rise = np.zeros(len(points))
    for i in np.flatnonzero((power > 0) & (times[:-1] < t)):
        velocity = (ends[i + 1] - ends[i]) / (times[i + 1] - times[i])
        newest, oldest = max(t - times[i + 1], 0.0), t - times[i]

        def heated(root):
            beam = ends[i] + velocity * (oldest - root**2)
            away = points - beam
            return 2 * root * power[i] * kernel(source, away[:, :2], -away[:, 2], root**2)

        inner = np.sqrt(breaks(source, newest, oldest, np.linalg.norm(velocity)))
        part, error = quad_vec(heated, np.sqrt(newest), np.sqrt(oldest), epsabs=tolerance,
                               epsrel=1e-13, norm="max", points=inner, limit=100_000)
        if error > max(tolerance, 1e-12 * np.abs(part).max()):
            raise ArithmeticError(f"segment {i} of the path: error {error:.1e} K")
        rise += part
    return rise
