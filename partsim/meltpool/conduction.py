"""What conduction alone tells of a pool, in closed form: constant properties, a steady beam.

In a half-space the steady rise of energy around a Gaussian beam that is uniform down to a depth d
is, x behind the beam and z below the surface, the sum over all ages s of heat

    e = P int_0^inf 2 exp(-2 ((x - v s)^2 + y^2) / w) / (pi w)
        (erf((d + z) / q) + erf((d - z) / q)) / (2 d) ds

with w = r^2 + 8 a s and q^2 = 4 a s (Green's function of the half-space). Energy and diffusivity
are means between the initial temperature and that of the pool's edge, latent heat included.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import erf

from partsim.meltpool.alloy import Alloy
from partsim.meltpool.source import Beam

AGES = np.geomspace(1e-4, 1e3, 160)  # of heat, in r^2 / a
# behind the beam in r, where the hottest place of a line along the track is sought
PLACES = np.concatenate([[0.0], np.geomspace(0.1, 100.0, 30)])
FAR = 300.0  # beam radii, no pool reaches as far
ACCURACY = 1e-4


class Metal(NamedTuple):
    """diffusivity  m^2/s     melting  J/m^3, from the initial temperature to the pool's edge"""

    diffusivity: float
    melting: float


class Pool(NamedTuple):
    """Width, depth and length in m; 0 where nothing is molten."""

    width: float
    depth: float
    length: float


def mean_metal(alloy: Alloy, initial: float, edge: float) -> Metal:
    """The metal between two temperatures in K."""
    cold, hot = np.array(alloy.integrals(initial)), np.array(alloy.integrals(edge))
    melting, conducted = (hot - cold).tolist()
    return Metal(conducted / melting, melting)


def pool(beam: Beam, speed: float, metal: Metal) -> Pool:
    """The pool of a beam that moves at speed m/s: widest and deepest over its length."""
    if excess(beam, speed, metal, (0.0, 0.0)) <= 0:
        return Pool(0.0, 0.0, 0.0)
    return Pool(*(size(beam, speed, metal) for size in (pool_width, pool_depth, pool_length)))


def pool_width(beam: Beam, speed: float, metal: Metal) -> float:
    """Width in m of the pool at the surface."""
    return 2 * edge_of(lambda y: excess(beam, speed, metal, (y, 0.0)), beam.radius)


def pool_depth(beam: Beam, speed: float, metal: Metal) -> float:
    """Depth in m of the pool under the middle of the track."""
    return edge_of(lambda z: excess(beam, speed, metal, (0.0, z)), beam.radius)


def edge_of(above: Callable[[float], float], first: float) -> float:
    """Where a falling function becomes negative, 0 where it is so at 0; first is a first guess."""
    if above(0.0) <= 0:
        return 0.0
    far = first
    while above(far) > 0:
        far *= 1.5
    return brentq(above, 0.0, far, rtol=ACCURACY)


def pool_length(beam: Beam, speed: float, metal: Metal) -> float:
    """Length in m of a pool that exists, at the surface along its middle."""
    places = beam.radius * PLACES
    hottest = places[np.argmax(rises(beam, speed, metal.diffusivity, places, (0.0, 0.0)))]

    def above(x: float) -> float:
        x = np.array([x])
        return float(rises(beam, speed, metal.diffusivity, x, (0.0, 0.0))[0]) - metal.melting

    far = FAR * beam.radius
    return brentq(above, hottest, far, rtol=ACCURACY) - brentq(above, -far, hottest, rtol=ACCURACY)


def excess(beam: Beam, speed: float, metal: Metal, beside: tuple[float, float]) -> float:
    """Largest rise in J/m^3 on a line along the track, less that of melting.

    beside  m, distances of the line: from the middle of the track, and below the surface
    """
    places = beam.radius * PLACES
    return float(rises(beam, speed, metal.diffusivity, places, beside).max()) - metal.melting


def rises(
    beam: Beam, speed: float, diffusivity: float, behind: np.ndarray, beside: tuple[float, float]
) -> np.ndarray:
    """e in J/m^3 at places (n,) in m behind the beam on a line; beside as in excess."""
    y, z = beside
    age = AGES * beam.radius**2 / diffusivity
    spread = beam.radius**2 + 8 * diffusivity * age
    reach = np.sqrt(4 * diffusivity * age)
    away = (behind[:, None] - speed * age)**2 + y * y
    plane = 2 / (math.pi * spread) * np.exp(-2 * away / spread)
    down = (erf((beam.depth + z) / reach) + erf((beam.depth - z) / reach)) / (2 * beam.depth)
    return beam.power * np.trapezoid(plane * down, age, axis=1)
