"""Turning a map until the build direction points up, its orientations with it."""

from dataclasses import replace

import numpy as np
from scipy.spatial.transform import Rotation

from gensim.maps.ebsd import Map
from partsim.errors import UserError

DIRECTIONS = {"x": (1, 0, 0), "-x": (-1, 0, 0), "y": (0, 1, 0), "-y": (0, -1, 0)}
NORMAL = np.array([0.0, 0.0, 1.0])  # x to the right, y down: into the picture
FIRST = [1, 2, 3, 0]  # SciPy has the scalar of a quaternion last
LAST = [3, 0, 1, 2]


def axes_of(build: str, section: str) -> np.ndarray:
    """(3, 3) rows: x (scan), y (hatch) and z (build) of the part in the axes of the map.

    The picture is turned, never mirrored: to the right of the build direction u is normal x u.

    Raises UserError for a build direction that does not lie in the map.
    """
    if build not in DIRECTIONS:
        raise UserError(f"--build {build} must be one of {', '.join(DIRECTIONS)}: the direction in "
                        "the map, x to the right and y down, along which the part was built")
    up = np.array(DIRECTIONS[build], float)
    right = np.cross(NORMAL, up)
    return np.array([-NORMAL, right, up] if section == "cross" else [right, NORMAL, up])


def upright(map_: Map, build: str, section: str) -> Map:
    """The same map with x to the right and y down in a picture in which the part grows up, and
    orientations that turn the axes of the part, z along the build, into those of the crystal."""
    axes = axes_of(build, section)
    right, up = axes[1 if section == "cross" else 0], axes[2]
    points = np.stack([map_.points @ right[:2], -(map_.points @ up[:2])], axis=1)
    turned = Rotation.from_quat(map_.orientations[:, FIRST]) * Rotation.from_matrix(axes.T)
    return replace(
        map_, points=points - points.min(axis=0), orientations=turned.as_quat()[:, LAST]
    )
