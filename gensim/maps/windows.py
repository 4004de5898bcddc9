"""Windows of a map on pixels, and the lines between what teaches, validates and tests."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from partsim.crops.pixels import Image
from partsim.errors import UserError

ROUNDED = 1e-3  # of a pixel: files have places to five digits


class Windows(NamedTuple):
    """Labels (n, h, w) of windows, their left edges (n,) in m, and the part (n,) they are in."""

    labels: np.ndarray
    positions: np.ndarray
    part: np.ndarray


def parts_of(split: float | None, validation: float) -> dict[str, float]:
    """The splits from left to right, and where each ends as a share of the map's width.

    split       where what is held out begins, None: nothing is
    validation  share of the width that validates, left of there
    """
    end = 1.0 if split is None else split
    found = {"train": end - validation}
    found |= {"validation": end} if validation else {}
    return found if split is None else found | {"held_out": 1.0}


def raster(points: np.ndarray, labels: np.ndarray, step: float, distance: float) -> np.ndarray:
    """(h, w) label of the nearest point at the centres of squares `distance` wide."""
    low, high = points.min(axis=0) - step / 2, points.max(axis=0) + step / 2
    columns, rows = np.floor((high - low) / distance + ROUNDED).astype(int)
    x = low[0] + (np.arange(columns) + 0.5) * distance
    y = low[1] + (np.arange(rows) + 0.5) * distance
    centres = np.stack(np.meshgrid(x, y), axis=-1)
    return labels[cKDTree(points).query(centres)[1]]


def cut_grains(picture: np.ndarray, lines: Sequence[int]) -> np.ndarray:
    """Labels that lie on both sides of a line before one of the columns `lines`."""
    cut = [np.intersect1d(picture[:, :line], picture[:, line:]) for line in lines]
    return np.unique(np.concatenate([np.array([], picture.dtype), *cut]))


def windows(
    picture: np.ndarray, image: Image, spacing: float, parts: dict[str, float]
) -> tuple[Windows, int]:
    """All windows every `spacing` m, and how many grains the lines between the parts cut.

    picture  (h, w) labels, image.side / image.sampled from point to point
    parts    of the width, see parts_of

    A grain on both sides would be seen in training and again in the test: windows that show a part
    of one are left out, on both sides. Raises UserError where a part has no window left.
    """
    distance = image.side / image.sampled
    stride = max(1, round(spacing / distance))
    ends = [round(share * picture.shape[1]) for share in parts.values()]
    cut = cut_grains(picture, ends[:-1])
    allowed = ~np.isin(picture, cut)
    found = [
        (row, column, part)
        for part, (begin, end) in enumerate(zip([0, *ends], ends))
        for row in range(0, len(picture) - image.sampled + 1, stride)
        for column in range(begin, end - image.sampled + 1, stride)
        if allowed[row:row + image.sampled, column:column + image.sampled].all()
    ]
    for part, name in enumerate(parts):
        if part not in {each for _, _, each in found}:
            raise UserError(f"the map has no window of {image.side:g} m for {name}, without grains "
                            "that a line between the parts cuts")
    places = (image.centres() / distance).astype(int)
    labels = [picture[np.ix_(row + places, column + places)] for row, column, _ in found]
    _, columns, part = np.array(found).T
    return Windows(np.stack(labels), columns * distance, part), len(cut)
