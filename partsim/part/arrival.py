"""When a beam comes to places that it has not been to: the end of what they were like before it."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .scan import ScanPath

# share of the reach: lines of a hatch touch places of a grid, which round-off must not decide
TOUCHING = 1e-6


class Arrivals(NamedTuple):
    """The first beam at each of n places: s when, inf for none; its W and m/s there."""

    time: np.ndarray
    power: np.ndarray
    speed: np.ndarray


def arrivals(paths: Sequence[ScanPath], places: np.ndarray, reach: float) -> Arrivals:
    """When a working beam is first within `reach` (m) of places (n, 2), those that a line touches
    included.

    Along a segment from a to b in the time t: |a + s (b - a) - p| = reach, the lesser s of the two,
    or 0 where a itself is within reach.
    """
    first = Arrivals(np.full(len(places), np.inf), *np.zeros((2, len(places))))
    for path in paths:
        for segment in np.flatnonzero(path.power > 0):
            ends, (begin, end) = path.ends[segment:segment + 2, :2], path.times[segment:segment + 2]
            share = first_within(ends, places, reach)
            when = begin + share * (end - begin)
            earlier = when < first.time
            first.time[earlier] = when[earlier]
            first.power[earlier] = path.power[segment]
            first.speed[earlier] = np.linalg.norm(ends[1] - ends[0]) / (end - begin)
    return first


def first_within(ends: np.ndarray, places: np.ndarray, reach: float) -> np.ndarray:
    """(n,) share of the way along a line (2, 2) to where a place (n, 2) is within reach, or inf."""
    way, gap = ends[1] - ends[0], ends[0] - places
    square, middle = way @ way, gap @ way
    rest = (gap**2).sum(axis=1) - (reach * (1 + TOUCHING)) ** 2
    root = middle**2 - square * rest
    with np.errstate(invalid="ignore", divide="ignore"):
        share = (-middle - np.sqrt(root)) / square
    found = np.where((root >= 0) & (share >= 0) & (share <= 1), share, np.inf)
    return np.where(rest <= 0, 0.0, found)
