"""Grains of cubic crystals: points joined where the disorientation of neighbours is small."""

import numpy as np
from orix.quaternion import Orientation, Rotation, symmetry
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def disorientations(orientations: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(k,) smallest angles in degrees between the crystals of pairs (k, 2), cubic symmetry."""
    one, other = (Orientation(orientations[pairs[:, i]], symmetry.Oh) for i in (0, 1))
    return one.angle_with(other, degrees=True)


def segmented(orientations: np.ndarray, pairs: np.ndarray, tolerance: float) -> np.ndarray:
    """(n,) grain of every point, from 0; of the neighbours `pairs` (k, 2) those less than
    `tolerance` degrees apart are joined."""
    near = pairs[disorientations(orientations, pairs) < tolerance]
    link = (np.ones(len(near), bool), (near[:, 0], near[:, 1]))
    graph = coo_array(link, shape=(len(orientations),) * 2)
    return connected_components(graph, directed=False)[1]


def mean_orientations(orientations: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(m, 4) mean orientation of every grain: of its points' cubic equivalents that are nearest to
    its first point, their quaternions added and normalised."""
    _, first = np.unique(labels, return_index=True)
    reference = orientations[first[labels]]
    equivalent = Rotation(symmetry.O.data).outer(Rotation(orientations)).data
    likeness = np.einsum("snq,nq->sn", equivalent, reference)
    best, each = np.argmax(np.abs(likeness), axis=0), np.arange(len(labels))
    aligned = equivalent[best, each] * np.sign(likeness[best, each])[:, None]
    total = np.zeros((len(first), 4))
    np.add.at(total, labels, aligned)
    return total / np.linalg.norm(total, axis=1, keepdims=True)
