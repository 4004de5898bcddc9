"""Orientations of grains, as unit quaternions (scalar first) that turn sample into crystal axes."""

import numpy as np

from partsim.crops import palette
from partsim.grains.chance import uniforms
from partsim.grains.nucleation import ORIENTATION

PAPER = palette.COUNT
STREAM = 2**32  # of the random numbers, three for each grain


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
    return palette.quaternions()[chosen]


def matrices(quaternions: np.ndarray) -> np.ndarray:
    """(n, 3, 3) R with v_crystal = R v_sample; its rows are the <100> axes in the sample."""
    w, x, y, z = np.asarray(quaternions).T
    return np.moveaxis(np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]), -1, 0)
