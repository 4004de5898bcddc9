"""Windows of a map on pixels, and the line between what teaches and what tests."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from partsim.crops.pixels import Image
from partsim.errors import UserError

ROUNDED = 1e-3  # of a pixel: files have places to five digits
SPLITS = ("train", "held_out")  # left and right of the line


class Windows(NamedTuple):
    """Labels (n, h, w) of windows, their left edges (n,) in m, and the side (n,) they are on."""

    labels: np.ndarray
    positions: np.ndarray
    side: np.ndarray


def raster(points: np.ndarray, labels: np.ndarray, step: float, distance: float) -> np.ndarray:
    """(h, w) label of the nearest point at the centres of squares `distance` wide."""
    low, high = points.min(axis=0) - step / 2, points.max(axis=0) + step / 2
    columns, rows = np.floor((high - low) / distance + ROUNDED).astype(int)
    x = low[0] + (np.arange(columns) + 0.5) * distance
    y = low[1] + (np.arange(rows) + 0.5) * distance
    centres = np.stack(np.meshgrid(x, y), axis=-1)
    return labels[cKDTree(points).query(centres)[1]]


def cut_grains(picture: np.ndarray, line: int | None) -> np.ndarray:
    """Labels that lie on both sides of the line before column `line`."""
    if line is None:
        return np.array([], picture.dtype)
    return np.intersect1d(picture[:, :line], picture[:, line:])


def windows(
    picture: np.ndarray, image: Image, spacing: float, split: float | None
) -> tuple[Windows, int]:
    """All windows every `spacing` m, and how many grains the line cuts.

    picture  (h, w) labels, image.side / image.sampled from point to point
    split    where the line is, as a share of the width; None: no line, all windows teach

    A grain on both sides would be seen in training and again in the test: windows that show a part
    of one are left out, on both sides. Raises UserError where no window is left on a side.
    """
    distance = image.side / image.sampled
    stride = max(1, round(spacing / distance))
    line = None if split is None else round(split * picture.shape[1])
    cut = cut_grains(picture, line)
    sides = [(0, picture.shape[1])] if line is None else [(0, line), (line, picture.shape[1])]
    allowed = ~np.isin(picture, cut)
    found = [
        (row, column, side)
        for side, (begin, end) in enumerate(sides)
        for row in range(0, len(picture) - image.sampled + 1, stride)
        for column in range(begin, end - image.sampled + 1, stride)
        if allowed[row:row + image.sampled, column:column + image.sampled].all()
    ]
    _check_sides(found, len(sides), image)
    places = (image.centres() / distance).astype(int)
    labels = [picture[np.ix_(row + places, column + places)] for row, column, _ in found]
    _, columns, side = np.array(found).T
    return Windows(np.stack(labels), columns * distance, side), len(cut)


def _check_sides(found: list[tuple[int, int, int]], sides: int, image: Image) -> None:
    missing = set(range(sides)) - {side for _, _, side in found}
    if missing:
        where = "in it" if sides == 1 else f"{('left', 'right')[min(missing)]} of the line --split"
        raise UserError(f"the map has no window of {image.side:g} m {where} without grains that "
                        "the line cuts")
