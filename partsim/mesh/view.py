"""The blocks of one rank as plain arrays of geometry and fields, for those who only read."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from partsim.mesh.forest import morton

CORNERS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])
SNAP = 1e-6  # a point this close to a lattice plane, in finest cells, lies on it
NOWHERE = len(CORNERS)


class Location(NamedTuple):
    """Where points lie in the cells of a view.

    block    (n,)    row of the view, -1 outside its active cells
    cell     (n, 3)  cell in the block, x, y, z
    weights  (n, 8)  trilinear weights of the cell's corners, x fastest
    side     (n,)    which of the eight cells around the point was taken, NOWHERE if none
    """

    block: np.ndarray
    cell: np.ndarray
    weights: np.ndarray
    side: np.ndarray

    def corners(self, size: int) -> np.ndarray:
        """(n, 8) the cell's corners in the raveled (size+1, size+1, size+1) nodes of the block."""
        x, y, z = np.moveaxis(self.cell[:, None] + CORNERS, -1, 0)
        return (z * (size + 1) + y) * (size + 1) + x

    def rows(self, which: np.ndarray) -> "Location":
        """The location of some of the points."""
        return Location(*(array[which] for array in self))


@dataclass(frozen=True)
class BlockView:
    """The blocks that this rank owns, or all blocks of a file.

    size            cells along the edge of a block, B
    h               m, edge of a finest cell
    lattice_origin  (3,) m, place of lattice point (0, 0, 0)
    corner          (nb, 3) lattice coordinates x, y, z of the lower corners, multiples of the
                    block's edge
    stride          (nb,) edge of the block's cells in finest cells
    level           (nb,) 0 for the coarsest
    active          (nb,) active height: cells [k, :, :] with k >= active do not exist
    nodes           name -> (nb, B+1, B+1, B+1) [z, y, x]; nothing is said above the active height
    cells           name -> (nb, B, B, B)
    """

    size: int
    h: float
    lattice_origin: np.ndarray
    corner: np.ndarray
    stride: np.ndarray
    level: np.ndarray
    active: np.ndarray
    nodes: dict[str, np.ndarray] = field(default_factory=dict)
    cells: dict[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.corner)

    @property
    def edge(self) -> np.ndarray:
        """(nb,) m, edge of the block's cells."""
        return self.h * self.stride

    @property
    def active_cells(self) -> np.ndarray:
        """(nb, B, B, B) whether the cell exists."""
        below = np.arange(self.size) < self.active[:, None]
        return np.broadcast_to(below[:, :, None, None], (len(self),) + 3 * (self.size,))

    @property
    def active_nodes(self) -> np.ndarray:
        """(nb, B+1, B+1, B+1) whether the node is a corner of a cell that exists."""
        height = np.where(self.active > 0, self.active, -1)
        below = np.arange(self.size + 1) <= height[:, None]
        return np.broadcast_to(below[:, :, None, None], (len(self),) + 3 * (self.size + 1,))

    def node_positions(self) -> np.ndarray:
        """(nb, B+1, B+1, B+1, 3) m, places x, y, z of the nodes."""
        return self._positions(np.arange(self.size + 1.0))

    def cell_centres(self) -> np.ndarray:
        """(nb, B, B, B, 3) m, centres x, y, z of the cells."""
        return self._positions(np.arange(self.size) + 0.5)

    def _positions(self, along: np.ndarray) -> np.ndarray:
        z, y, x = np.meshgrid(along, along, along, indexing="ij")
        inside = np.stack([x, y, z], axis=-1) * self.stride[:, None, None, None, None]
        return self.lattice_origin + self.h * (self.corner[:, None, None, None] + inside)

    def find(self, cells: np.ndarray) -> np.ndarray:
        """(n,) the block with the active cell that holds each finest lattice cell (n, 3), or -1."""
        if len(self) == 0:
            return np.full(len(cells), -1)
        key = morton(self.corner // self.size)
        order = np.argsort(key)
        inside = (cells >= 0).all(axis=-1)
        wanted = morton(np.where(inside[:, None], cells, 0) // self.size)
        block = order[np.maximum(np.searchsorted(key[order], wanted, side="right") - 1, 0)]
        step = (cells - self.corner[block]) // self.stride[block, None]
        held = inside & (step >= 0).all(axis=-1) & (step < self.size).all(axis=-1)
        return np.where(held & (step[:, 2] < self.active[block]), block, -1)

    def locate(self, points: np.ndarray) -> Location:
        """The active cells that hold points (n, 3) in m.

        A point on a face, edge or corner belongs to up to eight cells: the lower ones are tried
        first, along x, then y, then z, so that the choice `side` depends on the mesh alone.
        """
        place = (np.asarray(points, float).reshape(-1, 3) - self.lattice_origin) / self.h
        whole = np.rint(place)
        place = np.where(np.abs(place - whole) < SNAP, whole, place)
        lower = np.ceil(place).astype(np.int64) - 1
        between = place == whole
        taken, block, side = lower.copy(), np.full(len(place), -1), np.full(len(place), NOWHERE)
        for number, upwards in enumerate(CORNERS == 1):
            rest = np.flatnonzero((block < 0) & (between | ~upwards).all(axis=-1))
            tried = lower[rest] + upwards
            found = self.find(tried)
            block[rest], taken[rest] = found, tried
            side[rest] = np.where(found >= 0, number, NOWHERE)
        return self._within(place, taken, block, side)

    def _within(
        self, place: np.ndarray, taken: np.ndarray, block: np.ndarray, side: np.ndarray
    ) -> Location:
        """The location of lattice places, given the finest cell and the block that hold each."""
        if len(self) == 0:
            return Location(block, np.zeros_like(taken), np.zeros((len(place), 8)), side)
        here = np.maximum(block, 0)
        stride = self.stride[here, None]
        cell = np.where(block[:, None] < 0, 0, (taken - self.corner[here]) // stride)
        share = (place - self.corner[here]) / stride - cell
        share = np.where(block[:, None] < 0, 0.0, share)[:, None]
        weights = np.where(CORNERS == 1, share, 1 - share).prod(axis=-1)
        return Location(block, cell, weights, side)

    def interpolate(self, nodal: np.ndarray, location: Location) -> np.ndarray:
        """(n,) trilinear values of a nodal field (nb, B+1, B+1, B+1), NaN outside the view."""
        values = np.full(len(location.block), np.nan)
        inside = np.flatnonzero(location.block >= 0)
        found = location.rows(inside)
        rows = nodal.reshape(len(self), (self.size + 1) ** 3)
        corners = rows[found.block[:, None], found.corners(self.size)]
        values[inside] = (corners * found.weights).sum(axis=-1)
        return values
