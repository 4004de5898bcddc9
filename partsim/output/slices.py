"""Plane cuts through a snapshot; only the blocks that a cut meets are read.

A file of five million cells is cut in about a second.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import h5py
import numpy as np

from partsim.errors import UserError
from partsim.mesh.view import BlockView, Location
from partsim.output.shared_file import seal_holds
from partsim.output.snapshot import BLOCK_TABLE, VTK_ORDER

CACHE_BYTES = 1 << 26  # of unpacked chunks, which hold the cells of several blocks


class Snapshot:
    """A snapshot file opened for reading; raises UserError if it is none.

    header      what the writer said: time, layer and so on
    first_cell  (nb,) row of the block's first cell in the fields of cells
    view        the blocks of all ranks, without fields
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        try:
            if not seal_holds(path):
                raise UserError(f"{path} is damaged or not a snapshot of partsim")
            self._file = h5py.File(path, "r", locking="best-effort", rdcc_nbytes=CACHE_BYTES)
            table = self._file["partsim"]
            self.header: dict = json.loads(table["header"][()])
            arrays = {name: table[name][()] for name in BLOCK_TABLE}
            self.first_cell = table["first_cell"][()]
        except KeyError as failure:
            raise UserError(f"{path} is not a snapshot of partsim") from failure
        except OSError as failure:
            raise UserError(f"cannot read {path}: {failure.strerror or failure}") from failure
        origin = np.array(self.header["lattice_origin"])
        self.view = BlockView(self.header["size"], self.header["h"], origin, **arrays)

    def __enter__(self) -> "Snapshot":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def node_fields(self) -> set[str]:
        """Names of the fields at points."""
        return set(self._file["VTKHDF/PointData"])

    @cached_property
    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """(3,), (3,) m, lower and upper corner of the box around all active cells."""
        view = self.view
        extent = np.stack([np.full(len(view), view.size)] * 2 + [view.active], axis=-1)
        upper = (view.corner + view.stride[:, None] * extent)[view.active > 0].max(axis=0)
        lower = view.corner.min(axis=0)
        return view.lattice_origin + view.h * lower, view.lattice_origin + view.h * upper

    def hottest(self) -> np.ndarray:
        """(3,) m, the point of the highest temperature."""
        grid = self._file["VTKHDF"]
        return grid["Points"][int(np.argmax(grid["PointData/temperature"][()]))].astype(float)

    def at_nodes(self, location: Location, names: Iterable[str]) -> dict[str, np.ndarray]:
        """name -> (n,) nodal fields, interpolated trilinearly; NaN outside."""
        inside = np.flatnonzero(location.block >= 0)
        found = location.rows(inside)
        points = self._points(found)
        result = {}
        for name in names:
            result[name] = np.full(len(location.block), np.nan)
            corners = self._file["VTKHDF/PointData"][name][()][points]
            result[name][inside] = (corners * found.weights).sum(axis=-1)
        return result

    def at_cells(self, location: Location, name: str) -> np.ndarray:
        """(n,) a cell field, the value of the cell; NaN outside."""
        values = np.full(len(location.block), np.nan)
        inside = np.flatnonzero(location.block >= 0)
        found = location.rows(inside)
        rows = self.first_cell[found.block] + self._cell_in_block(found)
        values[inside] = self._file["VTKHDF/CellData"][name][()][rows]
        return values

    def cell_values(self, name: str) -> np.ndarray:
        """(n,) a cell field of all active cells, block by block."""
        return self._file["VTKHDF/CellData"][name][()]

    def cell_means(self, name: str) -> np.ndarray:
        """(n,) means of a nodal field over the corners of all active cells, in the same order."""
        corners = self._file["VTKHDF/Connectivity"][()].reshape(-1, 8)
        return self._file["VTKHDF/PointData"][name][()][corners].mean(axis=1)

    def _cell_in_block(self, found: Location) -> np.ndarray:
        x, y, z = found.cell.T
        return (z * self.view.size + y) * self.view.size + x

    def _points(self, found: Location) -> np.ndarray:
        """(n, 8) rows of the points at the corners of cells, in the order of the weights."""
        blocks, place = np.unique(found.block, return_inverse=True)
        size = self.view.size
        table = np.zeros((len(blocks), size**3, 8), np.int32)
        connectivity = self._file["VTKHDF/Connectivity"]
        for row, block in enumerate(blocks):
            first, count = self.first_cell[block], self.view.active[block] * size**2
            cells = connectivity[8 * first : 8 * (first + count)].reshape(-1, 8)
            table[row, :count, VTK_ORDER] = cells.T
        return table[place, self._cell_in_block(found)]

    def cell_edges(self, cut: "Cut") -> np.ndarray:
        """(n, 2, 2) m, lines (u, v) between the cells that meet a cut parallel to two axes."""
        view = self.view
        a, b = int(np.argmax(cut.across)), int(np.argmax(cut.up))
        normal = 3 - a - b
        height = (cut.origin[normal] - view.lattice_origin[normal]) / view.h
        count = np.stack([np.full(len(view), view.size)] * 2 + [view.active], axis=-1)
        upper = view.corner + view.stride[:, None] * count
        met = (view.corner[:, normal] < height) & (height <= upper[:, normal]) & (view.active > 0)
        segments = []
        for along, cross in (a, b), (b, a):
            steps = np.minimum(np.arange(view.size + 1), count[met, cross][:, None])
            line = view.corner[met, cross][:, None] + view.stride[met][:, None] * steps
            ends = np.empty((*line.shape, 2, 3))
            ends[..., cross] = line[..., None]
            ends[..., along] = np.stack([view.corner[:, along], upper[:, along]], 1)[met][:, None]
            segments.append(ends[..., [a, b]].reshape(-1, 2, 2))
        return view.lattice_origin[[a, b]] + view.h * np.concatenate(segments)


@dataclass(frozen=True)
class Cut:
    """A rectangle through the build, the points origin + u across + v up.

    origin, across, up  (3,) m, unit vectors
    u, v                (2,) m, ranges
    labels              of the two axes
    """

    origin: np.ndarray
    across: np.ndarray
    up: np.ndarray
    u: tuple[float, float]
    v: tuple[float, float]
    labels: tuple[str, str]

    def points(self, columns: int) -> np.ndarray:
        """(rows, columns, 3) m, centres of square pixels, the lowest row first."""
        width, height = self.u[1] - self.u[0], self.v[1] - self.v[0]
        rows = max(round(columns * height / width), 1)
        u = self.u[0] + width * (np.arange(columns) + 0.5) / columns
        v = self.v[0] + height * (np.arange(rows) + 0.5) / rows
        return self.origin + u[:, None] * self.across + v[:, None, None] * self.up

    def place(self, point: np.ndarray) -> tuple[float, float]:
        """m, the coordinates u and v of the point's projection."""
        return float((point - self.origin) @ self.across), float((point - self.origin) @ self.up)

    def window(self, centre: tuple[float, float], size: tuple[float, float]) -> "Cut":
        """The part of the cut around a point, moved where it would reach over the border."""
        return replace(
            self, u=_shifted(centre[0], size[0], self.u), v=_shifted(centre[1], size[1], self.v)
        )


def _shifted(centre: float, width: float, limits: tuple[float, float]) -> tuple[float, float]:
    """A range of `width` around `centre`, inside the limits."""
    low, high = limits
    width = min(width, high - low)
    start = min(max(centre - width / 2, low), high - width)
    return start, start + width


def horizontal(snapshot: Snapshot, z: float) -> Cut:
    """The cut at height z in m over the whole domain."""
    low, high = snapshot.bounds
    return Cut(
        np.array([0, 0, z]), np.array([1.0, 0, 0]), np.array([0, 1.0, 0]),
        (low[0], high[0]), (low[1], high[1]), ("x / mm", "y / mm"),
    )


def vertical(snapshot: Snapshot, point: np.ndarray, direction: np.ndarray) -> Cut:
    """The upright cut through a point along a horizontal direction, over the whole domain.

    u is the distance along the direction, x or y itself where the direction is an axis.
    """
    low, high = snapshot.bounds
    across = np.array([direction[0], direction[1], 0.0]) / np.hypot(*direction[:2])
    if across[np.argmax(np.abs(across))] < 0:
        across = -across
    origin = np.array([point[0], point[1], 0.0])
    origin -= (origin @ across) * across
    moving = np.abs(across) > 1e-12
    ends = np.stack([low - origin, high - origin])[:, moving] / across[moving]
    named = {(1.0, 0.0): "x / mm", (0.0, 1.0): "y / mm"}
    label = named.get(tuple(np.round(across[:2], 9)), "along the beam / mm")
    u = float(ends.min(axis=0).max()), float(ends.max(axis=0).min())
    return Cut(origin, across, np.array([0, 0, 1.0]), u, (low[2], high[2]), (label, "z / mm"))
