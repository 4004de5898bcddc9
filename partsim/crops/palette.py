"""The 20 orientations of Xie et al. and their colours: images in which every grain is told apart.

Xie et al., Engineering with Computers 42, 63 (2026), Table 1.
"""

import functools

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


def nearest(wanted: np.ndarray) -> np.ndarray:
    """(n, 20) numbers of the colours for each of (n, 3), the nearest in RGB first."""
    gap = wanted[:, None].astype(float) - colours()
    return np.argsort((gap**2).sum(axis=2), axis=1, kind="stable")


def recolour(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w) numbers of colours such that no two pieces that touch have the same one.

    labels  (h, w) of grains      wanted  (m, 3) uint8, the colour that each grain should have

    A piece takes the nearest colour that no piece it touches has. The pieces come in the order of
    Matula and Beck (J. ACM 30, 417, 1983), the one with fewest neighbours last, again and again:
    pieces of a plane make a planar graph, and at most five are then coloured before any of them.
    """
    pieces = components(labels)
    _, corner = np.unique(pieces, return_index=True)
    ranking = nearest(wanted[labels.ravel()[corner]])
    neighbours = _neighbours(pieces, len(corner))
    chosen = np.full(len(corner), -1)
    for piece in reversed(_smallest_last(neighbours)):
        taken = {chosen[other] for other in neighbours[piece]}
        chosen[piece] = next(colour for colour in ranking[piece] if colour not in taken)
    return chosen[pieces]


def plain(labels: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(h, w) numbers of the colours nearest to those wanted; grains that touch may merge."""
    return nearest(wanted)[:, 0][labels]


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
    left = {piece: set(others) for piece, others in enumerate(neighbours)}
    order = []
    while left:
        piece = min(left, key=lambda p: (len(left[p]), p))
        for other in left.pop(piece):
            left[other].discard(piece)
        order.append(piece)
    return order
