"""Which blocks exist when a layer is laid, and how fine they have to be."""

import numpy as np

from .forest import Leaves, box_leaves
from .lattice import Lattice


def overlaps(corner: np.ndarray, edge: np.ndarray, box: tuple) -> np.ndarray:
    """(n,) whether the x-y footprint of each block overlaps the lattice rectangle `box`."""
    inside = np.ones(len(corner), bool)
    for axis, (low, high) in enumerate(box):
        inside &= (corner[:, axis] < high) & (corner[:, axis] + edge > low)
    return inside


def must_be_finest(
    lattice: Lattice, corner: np.ndarray, edge: np.ndarray, layer: int, band: int
) -> np.ndarray:
    """(n,) whether blocks at `corner` with `edge` may only be finest.

    They are where powder is laid next (a coarse cell cannot grow by one layer), and within `band`
    finest cells below the top under the part, where the beam acts.
    """
    top = lattice.top(layer)
    upper = corner[:, 2] + edge
    beneath_beam = (upper > top - band) & overlaps(corner, edge, lattice.part)
    at_top = (upper >= top) & overlaps(corner, edge, lattice.powder)
    return beneath_beam | at_top


def plate_leaves(lattice: Lattice, band: int) -> Leaves:
    """The mesh of the bare plate.

    It stands on root blocks; what they leave of its thickness, a whole number of finest blocks, is
    filled with rows of blocks as large as fit.
    """
    low, high = np.zeros(3, int), np.array([root * lattice.root_edge for root in lattice.roots])
    rows = []
    for level in range(lattice.depth + 1):
        edge = lattice.block << (lattice.depth - level)
        high[2] = lattice.plate // edge * edge
        rows.append(box_leaves(lattice.block, lattice.depth, level, low, high))
        low[2] = high[2]
    level = np.concatenate([row.level for row in rows])
    corner = np.concatenate([row.corner for row in rows])
    leaves = Leaves(lattice.block, lattice.depth, level, corner)
    while True:
        needed = must_be_finest(lattice, leaves.corner, leaves.edge, 0, band)
        flagged = needed & (leaves.level < lattice.depth)
        if not flagged.any():
            return leaves.balanced()
        leaves = leaves.split(flagged)


def with_layer(leaves: Leaves, lattice: Lattice, layer: int) -> Leaves:
    """With new rows of finest blocks when the top of `layer` rises above the existing ones."""
    (x0, x1), (y0, y1) = lattice.powder
    built = int((leaves.corner[:, 2] + leaves.edge).max())
    rows = -(-(lattice.top(layer) - built) // lattice.block)
    if rows <= 0:
        return leaves
    low, high = np.array([x0, y0, built]), np.array([x1, y1, built + rows * lattice.block])
    fresh = box_leaves(lattice.block, lattice.depth, lattice.depth, low, high)
    return leaves.replaced(np.zeros(len(leaves), bool), fresh.level, fresh.corner)


def adapted(
    leaves: Leaves, lattice: Lattice, layer: int, band: int, wishes: tuple[np.ndarray, np.ndarray]
) -> Leaves:
    """Refined where asked, merged where allowed, 2:1 balanced, finest where the build needs it.

    wishes  (n,) flags to split, (n,) flags to merge, both from the history fields
    """
    finer, coarser = wishes
    edge = leaves.edge
    needed = must_be_finest(lattice, leaves.corner, edge, layer, band)
    parent_edge = 2 * edge
    parent = leaves.corner // parent_edge[:, None] * parent_edge[:, None]
    parent_needed = must_be_finest(lattice, parent, parent_edge, layer, band)
    coarser = coarser & ~parent_needed & ~finer
    split = leaves.split((finer | needed) & (leaves.level < lattice.depth)).balanced()
    source = leaves.find(split.corner)
    kept = leaves.level[source] == split.level
    return split.merged(kept & coarser[source])
