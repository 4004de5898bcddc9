"""The surface of a block by its sides: 8 corners, 12 edges, 6 faces.

Along each axis a place is at the low end (0), between (1) or at the high end (2) of the block's
active part; side 9 z + 3 y + x has all places with these three, and side 13 is the inside. The
entries of a surface come side by side, within a side with x fastest. So blocks of one size that
meet at a side list its nodes in the same order, nodes are numbered in the order in which they are
met, and most sides are runs: their nodes follow each other in the vector.
"""

from functools import lru_cache

import numpy as np

from .forest import DIRECTIONS
from .local import INSIDE

SIDES = 27


def side_of(points: np.ndarray, size: int, active: int) -> np.ndarray:
    """(n,) the sides of local points (n, 3)."""
    part = (points > 0).astype(int) + (points == [size, size, active])
    return part @ [1, 3, 9]


@lru_cache
def surface(size: int, active: int) -> np.ndarray:
    """(S, 3) local x, y, z of the nodes on the surface of a block's active part."""
    if active == 0:
        return np.zeros((0, 3), np.int64)
    z, y, x = np.meshgrid(*(np.arange(n + 1) for n in (active, size, size)), indexing="ij")
    points = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    points = points[side_of(points, size, active) != INSIDE]
    return points[np.argsort(side_of(points, size, active), kind="stable")]


@lru_cache
def position_table(size: int) -> np.ndarray:
    """Tables.positions."""
    pitch = size + 1
    table = np.zeros((size + 1, len(surface(size, size))), np.int32)
    for height in range(1, size + 1):
        points = surface(size, height)
        table[height, : len(points)] = points @ [1, pitch, pitch * pitch]
    return table


@lru_cache
def hanging_sides() -> tuple[np.ndarray, np.ndarray]:
    """(18, 26) which neighbours hang each face and edge if coarser; (18, 3) the side itself.

    The rows are the bits of Tables.hanging; a side is the direction to the face or edge.
    """
    faces = [[-1, 0, 0], [1, 0, 0], [0, -1, 0], [0, 1, 0], [0, 0, -1], [0, 0, 1]]
    edges = []
    for axis in range(3):
        low, high = [other for other in range(3) if other != axis]
        for corner in range(4):
            side = [0, 0, 0]
            side[low], side[high] = 2 * (corner % 2) - 1, 2 * (corner // 2) - 1
            edges.append(side)
    sides = np.array(faces + edges)
    # A neighbour touches the whole side if it goes no further than the side does along each axis.
    matters = ((DIRECTIONS[None] == 0) | (DIRECTIONS[None] == sides[:, None])).all(axis=-1)
    return matters, sides


@lru_cache
def hanging_positions(size: int, active: int, bits: int) -> np.ndarray:
    """(S,) which surface positions hang: odd ones on a hanging face or edge."""
    points = surface(size, active)
    _, sides = hanging_sides()
    high = np.array([size, size, size])
    result = np.zeros(len(points), bool)
    for bit, side in enumerate(sides):
        if bits >> bit & 1:
            at = ((side == 0) | (points == np.where(side < 0, 0, high))).all(axis=1)
            result |= at & ((points % 2 == 1) & (side == 0)).any(axis=1)
    return result


def find_runs(entries: tuple, active: np.ndarray, size: int) -> tuple[np.ndarray, ...]:
    """Tables.node_run, slot_run, listed_first and listed of blocks with the active heights (nb,).

    entries  first (nb+1,) entry of each block; node, slot, hanging (S,) of all entries
    """
    first, node, slot, hanging = entries
    runs = np.zeros((2, len(active), SIDES), np.int32)
    listed = ~hanging
    for height in np.unique(active[active > 0]):
        sides = side_of(surface(size, height), size, height)
        blocks = np.flatnonzero(active == height)
        for side in np.unique(sides):
            places = first[blocks][:, None] + np.flatnonzero(sides == side)
            run = ~hanging[places].any(axis=1)
            for numbers in (node, slot):
                run &= (np.diff(numbers[places], axis=1) == 1).all(axis=1)
            for starts, numbers in zip(runs, (node, slot)):
                starts[blocks[run], side] = numbers[places[run, 0]]
            listed[places[run]] = False
    before = np.r_[0, np.cumsum(listed)]
    within = np.arange(len(node)) - np.repeat(first[:-1], np.diff(first))
    return *runs, before[first], within[listed].astype(np.int32)
