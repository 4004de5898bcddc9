"""The leaves of the block octree: where they are, who touches whom, splitting and merging.

A leaf is a block of B^3 cells. All ranks hold all leaves (a few integers each), sorted along the
Morton curve, so that every question about neighbours is a vectorised look-up.
"""

from dataclasses import dataclass, field

import numpy as np

DIRECTIONS = np.array(
    [
        (x, y, z)
        for z in (-1, 0, 1)
        for y in (-1, 0, 1)
        for x in (-1, 0, 1)
        if (x, y, z) != (0, 0, 0)
    ]
)
OCTANTS = np.array([(x, y, z) for z in (0, 1) for y in (0, 1) for x in (0, 1)])


def spread(bits: np.ndarray) -> np.ndarray:
    """Moves the 21 low bits of each number three places apart."""
    word = bits.astype(np.uint64)
    for shift, mask in (
        (32, 0x1F00000000FFFF),
        (16, 0x1F0000FF0000FF),
        (8, 0x100F00F00F00F00F),
        (4, 0x10C30C30C30C30C3),
        (2, 0x1249249249249249),
    ):
        word = (word | (word << np.uint64(shift))) & np.uint64(mask)
    return word


def morton(points: np.ndarray) -> np.ndarray:
    """Morton keys of non-negative integer points (..., 3), x in the lowest bit."""
    x, y, z = (spread(points[..., axis]) for axis in range(3))
    return (x | (y << np.uint64(1)) | (z << np.uint64(2))).astype(np.int64)


@dataclass(frozen=True)
class Leaves:
    """Blocks in Morton order.

    block, depth  cells along a block's edge, level of the finest blocks
    level         (n,)    int64, 0 for a root
    corner        (n, 3)  int64, lattice coordinates of the lower corner
    """

    block: int
    depth: int
    level: np.ndarray
    corner: np.ndarray
    key: np.ndarray = field(init=False, repr=False)

    def __post_init__(self) -> None:
        key = morton(self.corner // self.block)
        order = np.argsort(key, kind="stable")
        object.__setattr__(self, "level", np.asarray(self.level, np.int64)[order])
        object.__setattr__(self, "corner", np.asarray(self.corner, np.int64).reshape(-1, 3)[order])
        object.__setattr__(self, "key", key[order])

    def __len__(self) -> int:
        return len(self.level)

    @property
    def stride(self) -> np.ndarray:
        """(n,) edge of a cell in finest cells."""
        return np.left_shift(1, self.depth - self.level)

    @property
    def edge(self) -> np.ndarray:
        """(n,) edge of a block in finest cells."""
        return self.block * self.stride

    def find(self, points: np.ndarray) -> np.ndarray:
        """The leaf that holds each lattice cell (..., 3), -1 where there is none."""
        inside = (points >= 0).all(axis=-1)
        key = morton(np.where(inside[..., None], points, 0) // self.block)
        leaf = np.searchsorted(self.key, key, side="right") - 1
        offset = points - self.corner[leaf]
        held = (offset >= 0).all(axis=-1) & (offset < self.edge[leaf][..., None]).all(axis=-1)
        return np.where(inside & held & (leaf >= 0), leaf, -1)

    def neighbours(self, which: np.ndarray | None = None) -> np.ndarray:
        """(m, 26) the leaf at the place of each equally large neighbour, -1 where there is none.

        It is the neighbour itself or the coarser leaf over it; where the place is divided, one of
        the finer leaves in it (which finds this leaf in its own row).
        """
        which = np.arange(len(self)) if which is None else which
        places = self.corner[which, None, :] + DIRECTIONS * self.edge[which, None, None]
        return self.find(places)

    def active(self, top: int) -> np.ndarray:
        """(n,) height in cells of each block's part below the lattice height `top`."""
        return np.clip((top - self.corner[:, 2]) // self.stride, 0, self.block)

    def replaced(self, gone: np.ndarray, level: np.ndarray, corner: np.ndarray) -> "Leaves":
        """Without the leaves flagged in `gone` (n,), with new ones."""
        keep = ~gone
        return Leaves(
            self.block,
            self.depth,
            np.concatenate([self.level[keep], level]),
            np.concatenate([self.corner[keep], corner.reshape(-1, 3)]),
        )

    def split(self, flagged: np.ndarray) -> "Leaves":
        """With every flagged leaf replaced by its eight children."""
        if not flagged.any():
            return self
        half = self.edge[flagged] // 2
        corner = self.corner[flagged][:, None, :] + OCTANTS * half[:, None, None]
        return self.replaced(flagged, np.repeat(self.level[flagged] + 1, 8), corner)

    def balanced(self) -> "Leaves":
        """The smallest refinement in which touching leaves differ by at most one level."""
        leaves = self
        while True:
            beside = leaves.neighbours()
            too_coarse = (beside >= 0) & (leaves.level[beside] < leaves.level[:, None] - 1)
            flagged = np.zeros(len(leaves), bool)
            flagged[beside[too_coarse]] = True
            if not flagged.any():
                return leaves
            leaves = leaves.split(flagged)

    def families(self, flagged: np.ndarray) -> np.ndarray:
        """(m, 8) the leaves of each complete family of eight siblings that are all flagged."""
        candidates = np.flatnonzero(flagged & (self.level > 0))
        double = 2 * self.edge[candidates]
        parent = self.corner[candidates] // double[:, None] * double[:, None]
        parent_key = morton(parent // self.block) * 64 + self.level[candidates]
        # In Morton order siblings follow each other, unless one of them is divided.
        first = np.flatnonzero(np.r_[True, parent_key[1:] != parent_key[:-1]][: len(parent_key)])
        count = np.diff(np.r_[first, len(parent_key)])
        complete = first[count == 8]
        return candidates[complete[:, None] + np.arange(8)]

    def merged(self, flagged: np.ndarray) -> "Leaves":
        """With complete flagged families merged where the 2:1 balance allows it."""
        leaves, wanted = self, flagged
        for level in range(self.depth, 0, -1):
            beside = leaves.neighbours()
            touched_by_finer = np.zeros(len(leaves), bool)
            finer = (beside >= 0) & (leaves.level[beside] < leaves.level[:, None])
            touched_by_finer[beside[finer]] = True
            family = leaves.families(wanted & (leaves.level == level))
            family = family[~touched_by_finer[family].any(axis=1)]
            gone = np.zeros(len(leaves), bool)
            gone[family] = True
            corner = leaves.corner[family[:, 0]]
            coarser = leaves.replaced(gone, np.full(len(family), level - 1), corner)
            wanted = carried(leaves, wanted, coarser)
            leaves = coarser
        return leaves


def carried(old: Leaves, flagged: np.ndarray, new: Leaves) -> np.ndarray:
    """The flags of the old leaves on those new leaves that are the same; the others get False."""
    source = old.find(new.corner)
    same = (source >= 0) & (old.level[source] == new.level)
    return same & flagged[source]


def box_leaves(block: int, depth: int, level: int, low: np.ndarray, high: np.ndarray) -> Leaves:
    """The leaves of one level that fill the lattice box [low, high)."""
    edge = block << (depth - level)
    axes = [np.arange(low[axis], high[axis], edge) for axis in range(3)]
    corner = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    return Leaves(block, depth, np.full(len(corner), level), corner)
