"""Grains of a map: points joined where the disorientation of neighbours is small."""

from typing import Any

import numpy as np
from orix.quaternion import Orientation, Rotation, symmetry
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from gensim.maps.ebsd import Map

LEAST_POINTS = 5  # of a grain in the figures: fewer may be noise


def filled(map_: Map) -> np.ndarray:
    """(n, 4) orientations; a point that is not indexed has that of the nearest indexed one."""
    nearest = cKDTree(map_.points[map_.indexed]).query(map_.points)[1]
    return map_.orientations[map_.indexed][nearest]


def disorientations(orientations: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """(k,) smallest angles in degrees between the crystals of pairs (k, 2), cubic symmetry."""
    one, other = (Orientation(orientations[pairs[:, i]], symmetry.Oh) for i in (0, 1))
    return one.angle_with(other, degrees=True)


def segmented(map_: Map, orientations: np.ndarray, tolerance: float) -> np.ndarray:
    """(n,) grain of every point, from 0; neighbours less than `tolerance` degrees apart are joined.
    """
    near = map_.pairs[disorientations(orientations, map_.pairs) < tolerance]
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


def figures(map_: Map, labels: np.ndarray) -> dict[str, Any]:
    """Counts and sizes (m) of the grains: diameter of the circle of equal area; mean intercepts
    along the rows and the columns, with the segments that the edge of the map cuts.

    On a hexagonal grid there are no columns: intercept_y is None.
    """
    size = np.bincount(labels)
    large = size[size >= LEAST_POINTS]
    diameter = np.sqrt(4 * large * map_.point_area / np.pi)
    along_x, along_y = (_intercept(map_, labels, axis) for axis in (0, 1))
    return {
        "components": len(size),
        "grains": len(large),
        "diameter": float(diameter.mean()) if len(large) else None,
        "diameter_by_area": float(np.average(diameter, weights=large)) if len(large) else None,
        "intercept_x": along_x,
        "intercept_y": along_y,
    }


def _intercept(map_: Map, labels: np.ndarray, axis: int) -> float | None:
    """Length of all lines of points along an axis over the number of their segments."""
    first, second = map_.pairs.T
    gap = np.abs(map_.points[first] - map_.points[second])
    along = gap[:, 1 - axis] < gap[:, axis] / 10
    if not along.any():
        return None
    lines = len(labels) - along.sum()
    crossings = (labels[first] != labels[second])[along].sum()
    return float(len(labels) * gap[along, axis].mean() / (crossings + lines))
