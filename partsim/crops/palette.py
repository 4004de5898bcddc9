"""The 20 orientations of Xie et al. and their colours: images in which every grain is told apart.

Xie et al., Engineering with Computers 42, 63 (2026), Table 1.
"""

import functools
import heapq

import numpy as np

from partsim.crops.components import components, touching
from partsim.crops.ipf import from_bunge, ipf

COUNT = 20


def table_1() -> np.ndarray:
    """(20, 3) Bunge angles phi_1, Phi, phi_2 in degrees.

    They are uniform on the rotations: NumPy's legacy generator with the seed 1 draws 20 heights of
    points on the unit sphere, then 20 azimuths (phi_1), then 20 turns (phi_2).
    """
    random = np.random.RandomState(1)
    height = random.uniform(-1, 1, COUNT)
    azimuth, turn = random.uniform(0, 360, (2, COUNT))
    return np.stack([azimuth, np.degrees(np.arccos(height)), turn], axis=1)


def quaternions() -> np.ndarray:
    """(20, 4) the orientations of Table 1 as unit quaternions, sample to crystal."""
    return from_bunge(table_1())


@functools.cache
def colours() -> np.ndarray:
    """(20, 3) uint8, the colours of Table 1: inverse pole figures of the build direction."""
    return ipf(quaternions())


def nearest(wanted: np.ndarray, table: np.ndarray) -> np.ndarray:
    """(n, k) numbers of the colours (k, 3) for each of (n, 3), the nearest in RGB first."""
    gap = wanted[:, None].astype(float) - table
    return np.argsort((gap**2).sum(axis=2), axis=1, kind="stable")


def recolour(
    labels: np.ndarray, wanted: np.ndarray, table: np.ndarray | None = None
) -> np.ndarray:
    """(h, w) numbers of colours such that no two pieces that touch have the same one.

    labels  (h, w) of grains
    wanted  (m, 3) uint8, the colour that each grain should have
    table   (k, 3) uint8, six colours or more; None: those of Table 1

    A piece takes the nearest colour that no piece it touches has. The pieces come in the order of
    Matula and Beck (J. ACM 30, 417, 1983), the one with fewest neighbours last, again and again:
    pieces of a plane make a planar graph, and at most five are then coloured before any of them.
    """
    pieces = components(labels)
    _, corner = np.unique(pieces, return_index=True)
    table = colours() if table is None else table
    ranking = nearest(wanted[labels.ravel()[corner]], table)
    neighbours = _neighbours(pieces, len(corner))
    chosen = np.full(len(corner), -1)
    for piece in reversed(_smallest_last(neighbours)):
        taken = {chosen[other] for other in neighbours[piece]}
        chosen[piece] = next(colour for colour in ranking[piece] if colour not in taken)
    return chosen[pieces]


def plain(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w) numbers of the colours nearest to those wanted; grains that touch may merge."""
    return nearest(wanted, colours())[:, 0][labels]


def merged_share(labels: np.ndarray, numbers: np.ndarray) -> float:
    """Share of the pieces of grains that a picture with colours (h, w) no longer tells apart."""
    return 1 - (components(numbers).max() + 1) / (components(labels).max() + 1)


def _neighbours(pieces: np.ndarray, count: int) -> list[set[int]]:
    found: list[set[int]] = [set() for _ in range(count)]
    for one, other in touching(pieces).tolist():
        found[one].add(other)
        found[other].add(one)
    return found


def _smallest_last(neighbours: list[set[int]]) -> list[int]:
    """The pieces in the order in which they are taken away, always one with fewest left."""
    left = [len(others) for others in neighbours]
    coming = [(count, piece) for piece, count in enumerate(left)]
    heapq.heapify(coming)
    order: list[int] = []
    gone = [False] * len(left)
    while coming:
        count, piece = heapq.heappop(coming)
        if gone[piece] or count > left[piece]:
            continue  # pushed again since, with fewer
        order.append(piece)
        gone[piece] = True
        for other in neighbours[piece]:
            left[other] -= 1
            heapq.heappush(coming, (left[other], other))
    return order
