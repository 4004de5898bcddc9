"""Which multiple of the base step each block may take: its level l, steps of 2^l base steps.

Three things bound a level. Stability: a step of forward Euler on cells of edge h must stay below
h^2 rho c / (2 k). The beam: blocks within REACH radii and a cell of it take the base step. And
what the beam leaves behind: the heat of a beam that has passed tau ago changes in a time of about
tau, so that a step may be SHARE of it. So does the cold of the powder, tau after it was laid.

Phases have turns of their own, which only the beam and what it leaves behind bound: stability is
none of their concern, and diffusion, with rates of about 1/s, changes little in a few base steps.
What follows the temperature at once is told the highest one in between near a beam, where it may be
one of some microseconds; a lowest one is reached again, and what is farther away peaks slowly.

The beam's way is divided into intervals that stand on a grid of their own, so that levels are a
function of the paths, of time and of the mesh alone: the same on all ranks and in a resumed run.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from .source import Optics

REACH = 3.5  # beam radii; the source itself ends at 3
SHARE = 0.05
NEVER = -(1 << 40)  # base steps
INTERVAL = 16  # base steps of the grid on which the beam's way is divided
FOLLOW = 2  # the phases near a beam take steps of 2^FOLLOW base steps


class Pace:
    """Levels of all blocks while the beams follow their paths, one stretch on one mesh.

    low, high  (n, 3)  m, corners of the blocks' active parts
    stable     (n,)    the largest level of each block that is stable
    near       (n,)    whether a beam ever comes near the block
    """

    def __init__(
        self, grid, paths: Sequence, optics: Optics, step: float, longest: float, dwell: int
    ):
        """step, longest  s, the base step and the longest stable one; dwell  base steps since the
        beams of the stretch before were off, which any block near these beams may have seen"""
        lattice, leaves = grid.lattice, grid.leaves
        edge = leaves.edge[:, None] * np.ones(3, np.int64)
        edge[:, 2] = grid.active * leaves.stride
        self.low = lattice.position(leaves.corner)
        self.high = lattice.position(leaves.corner + edge)
        self.stable = levels_below(longest * leaves.stride.astype(float) ** 2 / step)
        self.paths, self.step = paths, step
        self.reach = REACH * optics.radius + optics.cell
        self.last = np.full(len(leaves), -dwell)
        self.done = 0
        end = max((path.times[-1] for path in paths), default=0.0)
        self.near = self.visited(0, int(np.ceil(end / step))).any(axis=0)

    def lay(self, thickness: float) -> "Pace":
        """As the stretch begins, powder is laid: in the blocks that this layer touches, thickness
        in m, it counts like a beam that has passed."""
        self.last[self.high[:, 2] > self.high[:, 2].max() - 1.5 * thickness] = 0
        return self

    def advance(self, stop: int) -> None:
        """Follows the beams up to the base step `stop` of the stretch."""
        intervals = -(-stop // INTERVAL)
        for path in self.paths:
            self.follow(path, self.last, (self.done, intervals))
        self.done = max(self.done, intervals)

    def follow(self, path, last: np.ndarray, intervals: tuple[int, int]) -> None:
        """Renews `last` (n,) in some intervals of the grid, from the first to before the second."""
        follow(last, (self.low, self.high), (path.times, path.ends, path.power), intervals,
               self.step, self.reach)

    def visited(self, start: int, stop: int) -> np.ndarray:
        """(beams, n) whether a beam comes near a block in the intervals of these base steps."""
        last = np.full((len(self.paths), len(self.last)), NEVER)
        for path, own in zip(self.paths, last):
            self.follow(path, own, (start // INTERVAL, -(-stop // INTERVAL)))
        return last > NEVER

    def levels(self, start: int) -> np.ndarray:
        """(n,) the levels that steps from `start` on may have, not yet bounded by stability."""
        passed = np.maximum(start - self.last, 0)
        return levels_below(SHARE * passed)


class Rhythm(NamedTuple):
    """How often blocks step, (n,) whole numbers each.

    level  the temperature in steps of 2^level base steps
    turn   the phases in steps of 2^turn base steps, never shorter ones
    """

    level: np.ndarray
    turn: np.ndarray


def highest_levels(pace: Pace, length: int) -> tuple[np.ndarray, int]:
    """(n,) int8, the highest level that each block may have in macro steps of `length` base steps,
    and the base steps between two choices of levels: no block near a beam takes longer steps."""
    highest = length.bit_length() - 1
    limit = np.minimum(pace.stable, highest)
    limit[pace.near] = np.minimum(limit[pace.near], INTERVAL.bit_length() - 1)
    lowest = int(limit[pace.near].min(initial=highest))
    limit[pace.near] = lowest
    return limit, 1 << lowest


def rhythm(pace: Pace, limit: np.ndarray, start: int, steps: tuple[int, int]) -> Rhythm:
    """That of an interval from the base step `start` on, with levels of at most `limit` (n,).

    steps  base steps of an interval and of a macro step
    """
    pace.advance(start + steps[0])
    interval, longest = (count.bit_length() - 1 for count in steps)
    free, shortest = pace.levels(start), min(FOLLOW, interval)
    level = np.where(pace.near, np.minimum(free, limit), limit)
    return Rhythm(level, np.where(pace.near, np.clip(free, shortest, longest), longest))


def levels_below(ratio: np.ndarray) -> np.ndarray:
    """(n,) int8, the largest l >= 0 with 2^l <= ratio; 0 where there is none."""
    return (np.frexp(np.maximum(ratio, 1.0))[1] - 1).astype(np.int8)


@njit(cache=True)
def follow(last, boxes, path, intervals, step, reach):
    """last = end of the newest interval in which a beam has been within reach of a box.

    last       (n,)  base steps, updated
    boxes      low, high (n, 3) in m
    path       times (m+1,), ends (m+1, 3), power (m,)
    intervals  (first, stop) on the grid
    """
    times, ends, power = path
    low, high = boxes
    first, stop = intervals
    for interval in range(first, stop):
        start, end = interval * INTERVAL * step, (interval + 1) * INTERVAL * step
        segment = max(np.searchsorted(times, start, side="right") - 1, 0)
        while segment < len(power) and times[segment] < end:
            t0, t1 = max(times[segment], start), min(times[segment + 1], end)
            if power[segment] > 0.0 and t1 > t0:
                whole = times[segment + 1] - times[segment]
                a, b = (t0 - times[segment]) / whole, (t1 - times[segment]) / whole
                mark(last, (interval + 1) * INTERVAL, boxes,
                     ends[segment] + a * (ends[segment + 1] - ends[segment]),
                     ends[segment] + b * (ends[segment + 1] - ends[segment]), reach)
            segment += 1


@njit(cache=True)
def mark(last, time, boxes, begin, end, reach):
    """last = time for the boxes within reach of the box around the points begin and end (3,)."""
    low, high = boxes
    for box in range(len(last)):
        square = 0.0
        for axis in range(3):
            below = low[box, axis] - max(begin[axis], end[axis])
            above = min(begin[axis], end[axis]) - high[box, axis]
            gap = max(below, above, 0.0)
            square += gap * gap
        if square <= reach * reach:
            last[box] = max(last[box], time)
