"""Planes cut out of a block of grains, looked up on the pixels of an image."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from partsim.crops.grainfile import Block
from partsim.crops.pixels import ROUND_OFF, Image
from partsim.errors import UserError


class Cut(NamedTuple):
    """Parallel planes, and the window in each; lengths in m, None for what the block suggests.

    section      "cross": planes x = const, y to the right; "longitudinal": y = const, x right
    first, last  positions of the planes; None: the middle half of the block along x, and one plane
                 in the middle along y
    spacing      between planes
    centre       of the window along the horizontal axis; None: of the block
    depth        of the window's top edge below the top surface
    """

    section: str = "cross"
    first: float | None = None
    last: float | None = None
    spacing: float = 8e-6
    centre: float | None = None
    depth: float = 0.0


class Planes(NamedTuple):
    """Labels (n, h, w) of the window in every plane, positions (n,) in m."""

    labels: np.ndarray
    positions: np.ndarray


def positions(block: Block, cut: Cut) -> np.ndarray:
    """(n,) where the planes are, in m; UserError where they are outside of the block."""
    length = block.grain.shape[_normal(cut)] * block.head.cell
    low, high = (0.25, 0.75) if cut.section == "cross" else (0.5, 0.5)
    first = low * length if cut.first is None else cut.first
    last = max(first, high * length) if cut.last is None else cut.last
    for name, value in (("first", first), ("last", last)):
        if not 0 <= value <= length:
            raise UserError(f"--{name} {value:g} m must be in the block, 0 to {length:g} m")
    if last < first:
        raise UserError(f"--last {last:g} m must be at least --first {first:g} m")
    if cut.spacing < block.head.cell * (1 - ROUND_OFF):
        raise UserError(f"--spacing {cut.spacing:g} m must be at least the cell of the grains, "
                        f"{block.head.cell:g} m")
    return first + cut.spacing * np.arange(int((last - first) / cut.spacing + ROUND_OFF) + 1)


def planes(block: Block, cut: Cut, image: Image) -> Planes:
    """The planes of a cut; labels are looked up in the cell that holds the centre of a pixel.

    Raises UserError where a window or a plane is not inside the block.
    """
    where = positions(block, cut)
    return Planes(np.stack(list(_windows(block.grain, block, cut, image))), where)


def melted_share(block: Block, cut: Cut, image: Image) -> float | None:
    """Share of the pixels that were molten at least once; None where the file does not tell."""
    if block.melted is None:
        return None
    return float(np.mean([window.mean() for window in _windows(block.melted, block, cut, image)]))


def _windows(cells: np.ndarray, block: Block, cut: Cut, image: Image) -> Iterator[np.ndarray]:
    """(h, w) of every plane, the first row on top."""
    rows, columns = _rows(block, cut, image), _columns(block, cut, image)
    axis = _normal(cut)
    for position in positions(block, cut):
        index = min(int(position / block.head.cell + ROUND_OFF), cells.shape[axis] - 1)
        yield cells.take(index, axis)[np.ix_(rows, columns)]


def _normal(cut: Cut) -> int:
    """The axis of the arrays (z, y, x) that the planes are normal to."""
    return {"cross": 2, "longitudinal": 1}[cut.section]


def _rows(block: Block, cut: Cut, image: Image) -> np.ndarray:
    """Cells along z of the rows of pixels, from the top."""
    height = len(block.grain) * block.head.cell
    if cut.depth < 0 or cut.depth + image.side > height * (1 + ROUND_OFF):
        raise UserError(
            f"--depth {cut.depth:g} m puts the {image.side:g} m of the image outside of the "
            f"grains, which are {height:g} m high"
        )
    return _cells(height - cut.depth - image.centres(), block, len(block.grain))


def _columns(block: Block, cut: Cut, image: Image) -> np.ndarray:
    """Cells along the horizontal axis of the columns of pixels."""
    count = block.grain.shape[3 - _normal(cut)]
    width = count * block.head.cell
    centre = width / 2 if cut.centre is None else cut.centre
    edge = centre - image.side / 2
    if edge < -ROUND_OFF * width or edge + image.side > width * (1 + ROUND_OFF):
        raise UserError(
            f"--centre {centre:g} m puts the {image.side:g} m of the image outside of the grains, "
            f"which are {width:g} m wide"
        )
    return _cells(edge + image.centres(), block, count)


def _cells(places: np.ndarray, block: Block, count: int) -> np.ndarray:
    return np.clip(np.floor(places / block.head.cell + ROUND_OFF).astype(int), 0, count - 1)
