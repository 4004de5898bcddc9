"""Writes cantilever.stl: the cantilever of the AM Bench of NIST, AMB2018-01 and AMB2022-01.

    python meshes/cantilever.py

Beside it cantilever_slice.stl, the middle 0.32 mm of its width.

Lengths in mm, x along the part, y across, z from the plate upwards.
"""

from pathlib import Path

import numpy as np
import shapely
import trimesh

WIDTH, SLICE, HEIGHT, RIDGE = 5.0, 0.32, 12.0, 12.5
PERIOD, PERIODS = 14.0, 4
LEGS = ((0.0, 5.0), (7.0, 7.5), (9.5, 12.0))  # thick, thin, medium
END_BLOCK = 56.0
OVERHANG, CLOSED = 5.0, 7.0  # the gaps narrow from here to there
RIDGES, RIDGE_PERIOD, RIDGE_WIDTH = 11, 7.0, 1.0
TIP_END = 75.0  # the tip is a right angle in plan


def profile(tip_start: float) -> np.ndarray:
    """(n, 2) corners x, z of the part up to the tip, seen from the front, anticlockwise.

    Between two legs the lower side goes up at the right of one and down along the overhang of the
    next; the last two corners lie on the plane in which the tip begins.
    """
    legs = [(PERIOD * i + a, PERIOD * i + b) for i in range(PERIODS) for a, b in LEGS]
    gaps = zip([b for _, b in legs], [a for a, _ in legs[1:]] + [END_BLOCK], strict=True)
    below = [(0.0, 0.0)]
    for left, right in gaps:
        below += [(left, 0.0), (left, CLOSED), (right, OVERHANG), (right, 0.0)]
    above = []
    for left in RIDGE_PERIOD * np.arange(RIDGES):
        above += [(left, HEIGHT), (left, RIDGE), (left + RIDGE_WIDTH, RIDGE),
                  (left + RIDGE_WIDTH, HEIGHT)]
    upper = above[1:]  # the first ridge stands at the very end
    return np.array([*upper[::-1], *below, (tip_start, 0.0), (tip_start, HEIGHT)])


def cantilever(width: float) -> trimesh.Trimesh:
    """The closed surface: the profile, pushed along y, and a prism for the tip."""
    tip_start = TIP_END - width / 2
    corners = profile(tip_start)
    front = np.insert(corners, 1, 0.0, axis=1)
    back = np.insert(corners, 1, width, axis=1)
    inner = shapely.get_parts(shapely.constrained_delaunay_triangles(shapely.Polygon(corners)))
    flat = np.stack([shapely.get_coordinates(shapely.orient_polygons(each))[:3] for each in inner])
    face = np.insert(flat, 1, 0.0, axis=2)
    sides = [quad(front[i], back[i], back[i + 1], front[i + 1]) for i in range(-1, len(front) - 2)]
    bottom, top = (
        np.array([(tip_start, 0.0, z), (TIP_END, width / 2, z), (tip_start, width, z)])
        for z in (0.0, HEIGHT)
    )
    slopes = [quad(bottom[i], bottom[i + 1], top[i + 1], top[i]) for i in (0, 1)]
    triangles = [face, face[:, ::-1] + (0.0, width, 0.0), *sides, *slopes]
    triangles += [bottom[None, ::-1], top[None]]
    soup = np.concatenate([part.reshape(-1, 3) for part in triangles])
    return trimesh.Trimesh(soup, np.arange(len(soup)).reshape(-1, 3), process=True)


def quad(*corners: np.ndarray) -> np.ndarray:
    """(2, 3, 3) two triangles for four corners, anticlockwise seen from outside."""
    a, b, c, d = corners
    return np.array([[a, b, c], [a, c, d]])


if __name__ == "__main__":
    here = Path(__file__)
    cantilever(WIDTH).export(here.with_suffix(".stl"))
    cantilever(SLICE).export(here.with_name("cantilever_slice.stl"))
