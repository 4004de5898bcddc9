"""The integer lattice on which blocks, cells and nodes are named."""

from dataclasses import dataclass
from math import ceil, floor

import numpy as np


@dataclass(frozen=True)
class Lattice:
    """The finest grid of the domain; every coordinate of the mesh is an integer on it.

    cell      m, edge of a finest cell
    block     cells along the edge of a block
    depth     level of the finest blocks (the roots have level 0)
    roots     (3,) root blocks along x, y, z
    origin    (3,) m, lower corner of the plate
    plate     lattice height of the plate's top
    layer     finest cells in one powder layer
    layers    layers of the whole build
    powder    ((x0, x1), (y0, y1)) lattice range in which powder is laid, whole blocks
    part      ((x0, x1), (y0, y1)) lattice range of the part's bounding box
    """

    cell: float
    block: int
    depth: int
    roots: tuple[int, int, int]
    origin: tuple[float, float, float]
    plate: int
    layer: int
    layers: int
    powder: tuple[tuple[int, int], tuple[int, int]]
    part: tuple[tuple[int, int], tuple[int, int]]

    @property
    def root_edge(self) -> int:
        """Edge of a root block in finest cells."""
        return self.block << self.depth

    def top(self, layer: int) -> int:
        """Lattice height of the top of layer number `layer` (0 is the plate)."""
        return self.plate + layer * self.layer

    def position(self, points: np.ndarray) -> np.ndarray:
        """Lattice points (..., 3) in m."""
        return np.asarray(self.origin) + self.cell * np.asarray(points)


def whole(ratio: float) -> int:
    """The integer that `ratio` is up to round-off."""
    return int(round(ratio))


def snap_range(low: float, high: float, unit: int, limit: int) -> tuple[int, int]:
    """The smallest range of whole `unit`s that covers [low, high] cells, clipped to [0, limit]."""
    first = floor(low / unit + 1e-9) * unit
    last = ceil(high / unit - 1e-9) * unit
    return max(first, 0), min(last, limit)


def make_lattice(part: np.ndarray, plate: np.ndarray, layers: tuple[float, int], mesh) -> Lattice:
    """The lattice of a part that is centred on its plate.

    part, plate  (3,) m, sizes
    layers       (thickness in m, number)
    mesh         inputs `cell`, `block`, `levels`, `powder_rim` of the job
    """
    cell, block, depth = mesh.cell, mesh.block, mesh.levels - 1
    origin = tuple(
        float(x) for x in ((part[0] - plate[0]) / 2, (part[1] - plate[1]) / 2, -plate[2])
    )
    root_edge = block << depth
    plate_cells = [whole(size / cell) for size in plate]
    thickness, count = layers
    layer = whole(thickness / cell)
    height = plate_cells[2] + layer * count
    roots = (plate_cells[0] // root_edge, plate_cells[1] // root_edge, -(-height // root_edge))
    powder, bounds = [], []
    for axis in range(2):
        low, high = -origin[axis] / cell, (part[axis] - origin[axis]) / cell
        rim = mesh.powder_rim / cell
        powder.append(snap_range(low - rim, high + rim, block, plate_cells[axis]))
        bounds.append(snap_range(low, high, 1, plate_cells[axis]))
    return Lattice(
        cell,
        block,
        depth,
        roots,
        origin,
        plate_cells[2],
        layer,
        count,
        (powder[0], powder[1]),
        (bounds[0], bounds[1]),
    )
