"""Solutions of the heat equation in a box, different along each axis, and the sources they need."""
from typing import NamedTuple

import numpy as np
from scipy.special import eval_legendre


class DecayingWave(NamedTuple):
    """T = mean + amplitude exp(-rate t) X(x) Y(y) Z(z) in [0, lengths], constant properties.

    X and Y are cos(waves pi x / length): insulated sides. Z is the same, or, with a fixed bottom
    (T = mean at z = 0), sin((waves - 1/2) pi z / length), which is insulated at the top too.

    lengths       m, along x, y, z
    waves         half waves along x, y, z, whole numbers
    mean          K
    amplitude     K
    rate          1/s, any; with `natural_rate` the source vanishes
    diffusivity   m^2/s
    fixed_bottom  bool
    """

    lengths: tuple[float, float, float]
    waves: tuple[int, int, int] = (1, 2, 3)
    mean: float = 800.0
    amplitude: float = 300.0
    rate: float = 0.0
    diffusivity: float = 28.6 / (4090 * 1130)
    fixed_bottom: bool = False

    @property
    def wave_numbers(self) -> np.ndarray:
        """Wave numbers (3,) in 1/m along x, y, z."""
        shift = np.array([0.0, 0.0, 0.5 if self.fixed_bottom else 0.0])
        return np.pi * (np.array(self.waves) - shift) / np.array(self.lengths)

    @property
    def natural_rate(self) -> float:
        """diffusivity |k|^2 in 1/s: how fast the wave decays without a source."""
        return float(self.diffusivity * (self.wave_numbers**2).sum())

    def decaying_naturally(self) -> "DecayingWave":
        """The same wave without a source."""
        return self._replace(rate=self.natural_rate)

    def shape(self, points: np.ndarray) -> np.ndarray:
        """X Y Z at the points (..., 3)."""
        phases = np.asarray(points) * self.wave_numbers
        last = np.sin if self.fixed_bottom else np.cos
        return np.cos(phases[..., 0]) * np.cos(phases[..., 1]) * last(phases[..., 2])

    def temperature(self, points: np.ndarray, t: float) -> np.ndarray:
        """T (...) in K at the points (..., 3) and the time t."""
        return self.mean + self.amplitude * np.exp(-self.rate * t) * self.shape(points)

    def source(self, points: np.ndarray, t: float) -> np.ndarray:
        """(dT/dt - diffusivity Laplacian T) (...) in K/s; times rho c_p it is the heat in W/m^3."""
        wave = self.temperature(points, t) - self.mean
        return (self.natural_rate - self.rate) * wave


def lumped_rate(wave: DecayingWave, cell: float) -> float:
    """The rate in 1/s at which trilinear cubes with lumped mass let the wave decay.

    With theta = k cell and, along each axis, the symbols s = 2 - 2 cos(theta) of the slope and
    m = (2 + cos(theta)) / 3 of the mass matrix: diffusivity / cell^2 (s m m + m s m + m m s).
    """
    theta = wave.wave_numbers * cell
    slope, mass = 2 - 2 * np.cos(theta), (2 + np.cos(theta)) / 3
    return float(wave.diffusivity / cell**2 * (slope / mass).sum() * mass.prod())


def legendre_factor(dt: float, longest: float, rate):
    """What a super-step (RKL2) of dt multiplies a mode of this rate (1/s) by, in closed form.

    It has the least odd number s of stages with (s^2 + s - 2) / 4 longest >= dt.
    """
    s = next(n for n in range(3, 99999, 2) if (n * n + n - 2) / 4 * longest >= dt)
    b = (s * s + s - 2) / (2 * s * (s + 1))
    return 1 - b + b * eval_legendre(s, 1 - 4 * dt * rate / (s * s + s - 2))
