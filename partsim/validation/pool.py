"""Width, depth and length of a melt pool from a field of temperatures.

Along every line of nodes the isotherm is found by linear interpolation, as the trilinear field has
it. The width is the largest over the pool at the surface, the depth the largest under its middle
line, the length that at the surface along the middle line.
"""

from typing import NamedTuple

import numpy as np

from .track import Field


class Pool(NamedTuple):
    """Width, depth and length in m; 0 where nothing is molten."""

    width: float
    depth: float
    length: float


def crossings(position: np.ndarray, values: np.ndarray, level: float) -> tuple[np.ndarray, ...]:
    """First and last position (m,), (m,) at which each row of values (m, n) is at the level.

    position  (n,), rising; rows that do not reach the level are left out; a row that is above it
    at an end has its crossing there
    """
    rows = values[(values >= level).any(axis=1)]
    above = rows >= level
    count = len(position)
    first, last = above.argmax(axis=1), count - 1 - above[:, ::-1].argmax(axis=1)
    return (between(position, rows, level, first, np.maximum(first - 1, 0)),
            between(position, rows, level, last, np.minimum(last + 1, count - 1)))


def between(position, rows, level, inner, outer) -> np.ndarray:
    """(m,) where each row falls to the level between the places inner (m,) and outer (m,)."""
    row = np.arange(len(rows))
    high, low = rows[row, inner], rows[row, outer]
    share = np.divide(high - level, high - low, out=np.zeros(len(rows)), where=high > low)
    return position[inner] + share * (position[outer] - position[inner])


def measure(field: Field, level: float) -> Pool:
    """The pool of the metal above `level` K. Raises ValueError where it leaves the strip."""
    middle = field.middle
    surface, section = field.temperature[-1], field.temperature[:, middle]
    rim = (surface[:, [0, -1]], surface[[0, -1]], section[0])
    if max(edge.max() for edge in rim) >= level:
        raise ValueError("the melt pool reaches the rim of the finest cells")
    low, high = crossings(field.y, surface.T, level)
    bottom, _ = crossings(field.z, section.T, level)
    back, front = crossings(field.x, surface[middle][None], level)
    if len(low) == 0:
        return Pool(0.0, 0.0, 0.0)
    return Pool(float((high - low).max()), float(-bottom.min()), float(front[0] - back[0]))
