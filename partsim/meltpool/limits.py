"""Which explicit steps are stable: the largest growth over all waves on the grid (von Neumann)."""

import math
from collections.abc import Callable

import numpy as np

from partsim.meltpool.alloy import Alloy
from partsim.schema import require
from partsim.trackjob import TrackJob

WEIGHTS = {"quick": 0.75, "released": 0.125}  # of partsim.meltpool.kernels.face_value
SAFETY = 0.9
ROUND_OFF = 1e-9
DIRECTIONS = np.array([[1, 0, 0], [1, 1, 0], [1, 1, 1]]) / np.sqrt([[1], [2], [3]])
ANGLES = np.concatenate([[0.01, 0.05, 0.1], np.linspace(0.2, np.pi, 14)])


def euler(z: np.ndarray) -> np.ndarray:
    """Growth of one explicit Euler step of du/dt = lambda u, z = lambda dt."""
    return np.abs(1 + z)


def adams_bashforth(z: np.ndarray) -> np.ndarray:
    """Growth of the second-order Adams-Bashforth step: the larger root of
    g^2 - (1 + 3 z / 2) g + z / 2."""
    middle = (1 + 1.5 * z) / 2
    root = np.sqrt(middle**2 - z / 2)
    return np.maximum(np.abs(middle + root), np.abs(middle - root))


def symbols(diffusion: float, courant: np.ndarray, weight: float) -> np.ndarray:
    """lambda dt of diffusion and convection for waves of all angles in three dimensions.

    diffusion  a dt / h^2          courant  (3,)  u dt / h along each axis
    """
    waves = np.concatenate([-ANGLES[::-1], [0.0], ANGLES])
    forward, backward = np.exp(1j * waves), np.exp(-1j * waves)
    face = weight * (1 + forward) / 2 + (1 - weight) * (3 - backward) / 2
    spread = -2 * diffusion * (1 - np.cos(waves))
    x, y, z = (spread - number * face * (1 - backward) for number in courant)
    return x + y[:, None] + z[:, None, None]


def largest_growth(
    step: float, rates: tuple[float, float], weight: float, growth: Callable
) -> float:
    """Largest growth of any wave, for flow along an axis or a diagonal.

    rates  a / h^2 and u / h in 1/s
    """
    diffusion, courant = step * rates[0], step * rates[1]
    return max(
        float(growth(symbols(diffusion, courant * way, weight)).max()) for way in DIRECTIONS
    )


def stable_limit(rates: tuple[float, float], weight: float, growth: Callable) -> float:
    """Longest step in s without a growing wave, to a thousandth, by bisection."""
    short, long = 0.0, 1 / (2 * rates[0])
    while long - short > 1e-3 * long:
        middle = (short + long) / 2
        stable = largest_growth(middle, rates, weight, growth) <= 1 + ROUND_OFF
        short, long = (middle, long) if stable else (short, middle)
    return short


def step_limit(job: TrackJob, alloy: Alloy) -> float:
    """Longest step in s for which conduction with convection at melt.largest_speed (Euler) and
    viscosity with it (Adams-Bashforth) are both stable."""
    edge, weight = job.domain.cell, WEIGHTS[job.melt.scheme]
    speed = job.melt.largest_speed / edge if job.melt.flow else 0.0
    heat = stable_limit((alloy.largest_diffusivity / edge**2, speed), weight, euler)
    if not job.melt.flow:
        return heat
    viscous = alloy.viscosity / alloy.density / edge**2
    return min(heat, stable_limit((viscous, speed), weight, adams_bashforth))


def step_of(job: TrackJob, alloy: Alloy) -> tuple[float, int]:
    """The step in s and how many of them the laser is on: the track takes a whole number.

    Raises UserError for a melt.step that is not stable.
    """
    limit = step_limit(job, alloy)
    wanted = SAFETY * limit if job.melt.step is None else job.melt.step
    require(wanted <= limit, "melt.step", f"{wanted:g} s",
            f"at most {limit:.3g} s, where conduction, viscosity and convection at "
            f"melt.largest_speed = {job.melt.largest_speed:g} m/s stay stable on cells of "
            f"{job.domain.cell:g} m")
    duration = job.track.length / job.laser.speed
    count = math.ceil(duration / wanted * (1 - ROUND_OFF))
    return duration / count, count
