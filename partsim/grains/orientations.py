"""Orientations of grains, as unit quaternions (scalar first) that turn sample into crystal axes."""

import numpy as np

from partsim.grains.chance import uniforms
from partsim.grains.nucleation import ORIENTATION

PAPER = 20
STREAM = 2**32  # of the random numbers, three for each grain


def paper_angles() -> np.ndarray:
    """(20, 3) Bunge angles phi_1, Phi, phi_2 in rad of Table 1 of Xie 2026.

    Its recipe: NumPy's RandomState(1) draws 20 heights of points on the unit sphere, 20 azimuths
    and 20 turns; phi_1 is the azimuth and Phi the angle from the pole.
    """
    random = np.random.RandomState(1)
    height = random.uniform(-1, 1, PAPER)
    azimuth, turn = random.uniform(0, 2 * np.pi, PAPER), random.uniform(0, 2 * np.pi, PAPER)
    return np.column_stack([azimuth, np.arccos(height), turn])


def from_bunge(angles: np.ndarray) -> np.ndarray:
    """(n, 4) quaternions of rotations by phi_1 about z, Phi about the new x, phi_2 about the new z.

    Passive: they turn sample into crystal coordinates, the convention of orix.
    """
    first, tilt, second = np.asarray(angles).T
    half, total, difference = tilt / 2, (first + second) / 2, (first - second) / 2
    quaternions = np.column_stack([
        np.cos(half) * np.cos(total), -np.sin(half) * np.cos(difference),
        -np.sin(half) * np.sin(difference), -np.cos(half) * np.sin(total),
    ])
    return np.where(quaternions[:, :1] < 0, -1, 1) * quaternions


def random_quaternions(seed: int, labels: np.ndarray) -> np.ndarray:
    """(n, 4) uniform on the rotations, each a function of the seed and the label.

    K. Shoemake, Uniform random rotations, Graphics Gems III (1992).
    """
    labels = np.asarray(labels, np.int64)
    u, v, w = (uniforms(seed, STREAM + axis, labels) for axis in range(3))
    v, w = 2 * np.pi * v, 2 * np.pi * w
    low, high = np.sqrt(1 - u), np.sqrt(u)
    return np.column_stack([high * np.cos(w), low * np.sin(v), low * np.cos(v), high * np.sin(w)])


def paper_choice(seed: int, labels: np.ndarray) -> np.ndarray:
    """(n,) which of the 20 orientations each grain has."""
    return (PAPER * uniforms(seed, ORIENTATION, np.asarray(labels, np.int64))).astype(np.int64)


def quaternions(kind: str, seed: int, labels: np.ndarray) -> np.ndarray:
    """(n, 4) of grains by their labels; kind as in `growjob.Grains.orientations`."""
    if kind == "random":
        return random_quaternions(seed, labels)
    chosen = labels if kind == "paper merged" else paper_choice(seed, labels)
    return from_bunge(paper_angles())[chosen]


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """(n, 3, 3) R with v_crystal = R v_sample; its rows are the <100> axes in the sample."""
    w, x, y, z = np.asarray(quaternions).T
    return np.moveaxis(np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]), -1, 0)
