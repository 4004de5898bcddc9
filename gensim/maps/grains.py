"""Points of a map that are not indexed, and figures of its grains."""

from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from gensim.maps.ebsd import Map

LEAST_POINTS = 5  # of a grain in the figures: fewer may be noise


def filled(map_: Map) -> np.ndarray:
    """(n, 4) orientations; a point that is not indexed has that of the nearest indexed one."""
    nearest = cKDTree(map_.points[map_.indexed]).query(map_.points)[1]
    return map_.orientations[map_.indexed][nearest]


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
