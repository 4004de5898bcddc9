"""Points of a block in the vectors, and lanes of a batch: rows are read and written by batches.

A block has two ranges of points. Batches of WIDTH lanes go through the first and then through the
second; the last batch may be shorter, and one may hold the end of the first and the beginning of
the second.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel
from .rows import AFTER, ALPHA, BEFORE, MARTENSITE, NEW_ALPHA, NEW_MARTENSITE, WIDTH


class Groups(NamedTuple):
    """The points of each of nb blocks: two ranges in the vectors.

    first, second  (nb+1,)  block b has the points first[b]:first[b+1] and second[b]:second[b+1]
    """

    first: np.ndarray
    second: np.ndarray


@kernel(forceinline=True)
def block_points(groups, block):
    """The two ranges of a block."""
    first, second = groups.first, groups.second
    return first[block], first[block + 1], second[block], second[block + 1]


@kernel(forceinline=True)
def lanes_of(points, first):
    """(lanes of the batch from `first` on in the first range, lanes in both)."""
    ahead = points[1] - points[0]
    total = ahead + points[3] - points[2]
    return min(max(ahead - first, 0), WIDTH), min(total - first, WIDTH)


@kernel(forceinline=True)
def row_in(values, points, first, row, work):
    """A row of the batch from `first` on; lanes beyond the block's end repeat the first lane."""
    ahead, lanes = lanes_of(points, first)
    target = work[row : row + WIDTH]
    copy(values[points[0] + first : points[0] + first + ahead], target)
    start = points[2] + first - (points[1] - points[0])
    copy(values[start + ahead : start + lanes], target[ahead:])
    for i in range(lanes, WIDTH):
        target[i] = target[0]


@kernel(forceinline=True)
def row_out(values, points, first, row, work):
    """The reverse of row_in."""
    ahead, lanes = lanes_of(points, first)
    source = work[row : row + WIDTH]
    copy(source[:ahead], values[points[0] + first :])
    start = points[2] + first - (points[1] - points[0])
    copy(source[ahead:lanes], values[start + ahead :])


@kernel(forceinline=True)
def copy(source, target):
    """target[i] = source[i]; a plain loop, which the compiler turns into wide moves."""
    for i in range(len(source)):
        target[i] = source[i]


@kernel(forceinline=True)
def whole_batch(points, first):
    """Where the batch from `first` on begins if all its lanes lie in one range, else -1."""
    ahead, lanes = lanes_of(points, first)
    if ahead == WIDTH:
        return points[0] + first
    if ahead == 0 and lanes == WIDTH:
        return points[2] + first - (points[1] - points[0])
    return -1


@kernel(forceinline=True)
def copy_in(state, points, first, work):
    """State and temperatures of the points from `first` on."""
    start = whole_batch(points, first)
    if start >= 0:
        X_as, X_am = state[0][start : start + WIDTH], state[1][start : start + WIDTH]
        T_old, T = state[3][start : start + WIDTH], state[4][start : start + WIDTH]
        for i in range(WIDTH):
            work[ALPHA + i], work[MARTENSITE + i] = X_as[i], X_am[i]
            work[BEFORE + i], work[AFTER + i] = T_old[i], T[i]
    else:
        row_in(state[0], points, first, ALPHA, work)
        row_in(state[1], points, first, MARTENSITE, work)
        row_in(state[3], points, first, BEFORE, work)
        row_in(state[4], points, first, AFTER, work)


@kernel(forceinline=True)
def copy_out(state, points, first, work):
    """The new state of the points from `first` on."""
    start = whole_batch(points, first)
    if start >= 0:
        X_as, X_am = state[0][start : start + WIDTH], state[1][start : start + WIDTH]
        for i in range(WIDTH):
            X_as[i], X_am[i] = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i]
    else:
        row_out(state[0], points, first, NEW_ALPHA, work)
        row_out(state[1], points, first, NEW_MARTENSITE, work)
