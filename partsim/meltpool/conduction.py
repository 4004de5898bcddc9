"""What conduction alone tells of a pool before it is computed: its width, in closed form.

In a half-space of constant properties the steady rise of energy around a Gaussian beam that is
uniform down to a depth d is, at the surface and x behind the beam, the sum over all ages s of heat

    e(x, y) = P int_0^inf 2 exp(-2 ((x - v s)^2 + y^2) / w) / (pi w) erf(d / sqrt(4 a s)) / d ds

with w = r^2 + 8 a s (Green's function of the half-space). The diffusivity a is the mean between the
initial temperature and the liquidus, latent heat included.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf

from partsim.meltpool.alloy import Alloy
from partsim.meltpool.source import Beam

AGES = np.geomspace(1e-4, 1e4, 400)  # of heat, in r^2 / a
PLACES = 200  # along the track, among which the hottest is sought
FAR = 30.0  # beam radii, a pool is narrower


def pool_width(beam: Beam, speed: float, alloy: Alloy, initial: float) -> float:
    """Width in m of what is above the liquidus at the surface, 0 where nothing is.

    speed  m/s     initial  K, the temperature of the metal
    """
    cold, hot = np.array(alloy.integrals(initial)), np.array(alloy.integrals(alloy.liquidus))
    melting, conducted = hot - cold
    diffusivity = float(conducted / melting)

    def excess(y: float) -> float:
        return hottest(beam, speed, diffusivity, y) - melting

    if excess(0.0) <= 0:
        return 0.0
    return 2 * brentq(excess, 0.0, FAR * beam.radius, rtol=1e-4)


def hottest(beam: Beam, speed: float, diffusivity: float, y: float) -> float:
    """The largest e in J/m^3 at the surface on a line along the track, y m beside its centre."""
    age = AGES * beam.radius**2 / diffusivity
    spread = beam.radius**2 + 8 * diffusivity * age
    behind = np.concatenate([[0.0], np.geomspace(beam.radius / 20, 200 * beam.radius, PLACES)])
    away = (behind[:, None] - speed * age)**2 + y * y
    plane = 2 / (math.pi * spread) * np.exp(-2 * away / spread)
    down = erf(beam.depth / np.sqrt(4 * diffusivity * age)) / beam.depth
    return beam.power * float(np.trapezoid(plane * down, age, axis=1).max())
