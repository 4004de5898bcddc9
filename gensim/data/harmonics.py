"""Orientations of cubic crystals as nine numbers that know the symmetry.

The cube axes r_1, r_2, r_3 of a crystal have no order and no sign. Of what is symmetric in them and
in their signs the harmonics of degree 4 are the first to tell one orientation from another:

    e_m = N sum_i Y_4m(r_i),  m = -4 ... 4,

Y real spherical harmonics, r_i in the axes of the sample, |e| = 1. All 24 equivalent orientations,
and no others, have the same e; it is continuous, and turning a crystal by a small angle w about any
axis moves e by w sqrt(20/3). Noise in e is thus noise of the orientation, the same wherever it is,
unlike noise in quaternions or in the colours of an inverse pole figure. Such embeddings are treated
by Hielscher and Lippert, J. Multivariate Anal. 185, 104764 (2021).

As pixels, e is stored in nine channels of 0 ... 255 for -1 ... 1.
"""

from functools import cache

import numpy as np
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

CHANNELS = 9
MIRRORED = slice(4)  # channels with m < 0, which are odd in y
GREY = 127.5  # levels for 1
STIFFNESS = 20 / 3  # |de/dw|^2
STARTS = 8000  # orientations from which the nearest one is sought: some 6 degrees apart
ROUNDS = 4  # of Newton's method from there
SMALL = 1e-4  # rad, of differences


def embedded(orientations: np.ndarray) -> np.ndarray:
    """(n, 9) from unit quaternions (n, 4) that turn the axes of the sample into the crystal's."""
    return _of_turns(Rotation.from_quat(orientations, scalar_first=True))


def pixels(values: np.ndarray) -> np.ndarray:
    """uint8 grey levels of e (..., 9)."""
    return np.rint(np.clip((values + 1) * GREY, 0, 255)).astype(np.uint8)


def orientations(levels: np.ndarray) -> np.ndarray:
    """(..., 4) unit quaternions whose e is nearest to grey levels (..., 9)."""
    values = levels.reshape(-1, CHANNELS) / GREY - 1
    values /= np.maximum(np.linalg.norm(values, axis=1, keepdims=True), np.finfo(float).tiny)
    starts, tree = _starts()
    turns = starts[tree.query(values)[1]]
    for _ in range(ROUNDS):
        slopes = [(values * _derivative(turns, axis)).sum(axis=1) for axis in np.eye(3)]
        turns = turns * Rotation.from_rotvec(-np.stack(slopes, axis=1) / STIFFNESS)
    return turns.as_quat(scalar_first=True).reshape(*levels.shape[:-1], 4)


def mirrored(image: np.ndarray) -> np.ndarray:
    """(h, w, 9) of the mirror image in y, left to right, of metal seen in a cross-section."""
    other = image[:, ::-1].copy()
    other[..., MIRRORED] = 255 - other[..., MIRRORED]
    return other


def _of_turns(turns: Rotation) -> np.ndarray:
    """(n, 9); the rows of the matrix of a turn are the axes of the crystal in the sample."""
    x, y, z = np.moveaxis(turns.as_matrix(), 2, 0)  # (n, 3) each
    xx, yy, zz = x * x, y * y, z * z
    harmonics = np.stack([
        35**0.5 / 2 * x * y * (xx - yy),
        (35 / 8) ** 0.5 * y * z * (3 * xx - yy),
        5**0.5 / 2 * x * y * (7 * zz - 1),
        (5 / 8) ** 0.5 * y * z * (7 * zz - 3),
        (35 * zz * zz - 30 * zz + 3) / 8,
        (5 / 8) ** 0.5 * x * z * (7 * zz - 3),
        5**0.5 / 4 * (xx - yy) * (7 * zz - 1),
        (35 / 8) ** 0.5 * x * z * (xx - 3 * yy),
        35**0.5 / 8 * (xx * xx - 6 * xx * yy + yy * yy),
    ], axis=1)  # orthonormal but for a common factor, (n, 9, 3)
    return harmonics.sum(axis=2) / 5.25**0.5  # sum over i, j of P_4(r_i . r_j) = 3 + 6 P_4(0)


def _derivative(turns: Rotation, axis: np.ndarray) -> np.ndarray:
    """(n, 9) of e by the angle by which crystals are turned about an axis of the sample."""
    ahead, back = (_of_turns(turns * Rotation.from_rotvec(-w * axis)) for w in (SMALL, -SMALL))
    return (ahead - back) / (2 * SMALL)


@cache
def _starts() -> tuple[Rotation, cKDTree]:
    turns = Rotation.random(STARTS, random_state=0)
    return turns, cKDTree(_of_turns(turns))
