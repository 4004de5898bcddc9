"""The blocks of 8^3 cells that the window is divided into: which can change, and who computes them.

A block that is alive in an epoch is updated, every cell of it; all others are held. A law of growth
decides which (`alive`): blocks with liquid in them or around, and blocks that are warmer than
grains.window and not at rest.
"""

import numpy as np
from scipy.ndimage import binary_dilation, generate_binary_structure

from partsim.grains.pool import BORDER, SIDE

NEW_WEIGHT = 12  # order parameters of a block that nobody has counted yet
FIXED_WEIGHT = 6  # work per block, in order parameters


class Grid:
    """Blocks of a window of `cells` (nz, ny, nx); the last ones along an axis may be partly filled.

    shape  (bz, by, bx) blocks; they are numbered in this order, x fastest
    """

    def __init__(self, cells: tuple[int, int, int]) -> None:
        self.cells = cells
        self.shape = tuple(-(-n // SIDE) for n in cells)
        self.count = int(np.prod(self.shape))
        # cells of metal in the blocks along x, y, z
        self.valid = tuple(
            np.minimum(SIDE, n - SIDE * np.arange(-(-n // SIDE))) for n in cells[::-1]
        )

    def places(self, blocks: np.ndarray) -> np.ndarray:
        """(n, 3) x y z of blocks among blocks."""
        z, y, x = np.unravel_index(blocks, self.shape)
        return np.column_stack([x, y, z])

    def valid_of(self, blocks: np.ndarray) -> np.ndarray:
        """(n, 3) cells of metal along x, y, z in blocks."""
        places = self.places(blocks)
        return np.column_stack([self.valid[axis][places[:, axis]] for axis in range(3)])

    def neighbours(self, blocks: np.ndarray) -> np.ndarray:
        """(n, 6) numbers of the blocks at -x, +x, -y, +y, -z, +z; BORDER beyond the metal."""
        places = self.places(blocks)
        found = np.empty((len(places), 6), np.int64)
        for direction in range(6):
            moved = places.copy()
            moved[:, direction // 2] += 2 * (direction % 2) - 1
            inside = ((moved >= 0) & (moved < self.shape[::-1])).all(axis=1)
            kept = np.where(inside[:, None], moved, 0)
            number = np.ravel_multi_index(kept[:, ::-1].T, self.shape)
            found[:, direction] = np.where(inside, number, BORDER)
        return found

    def cut(self, block: int) -> tuple[slice, slice, slice]:
        """The cells of a block in an array [z, y, x] of the window."""
        place = self.places(np.array([block]))[0]
        return tuple(slice(SIDE * n, SIDE * (n + 1)) for n in place[::-1])


def widened(marked: np.ndarray, corners: bool) -> np.ndarray:
    """Blocks (bz, by, bx) that are marked, and their neighbours across faces, or also across edges
    and corners."""
    return binary_dilation(marked, generate_binary_structure(3, 3 if corners else 1))


def deal(grid: Grid, blocks: np.ndarray, weights: np.ndarray, ranks: int) -> np.ndarray:
    """(n,) rank of each block: runs of equal weight in the order of x, then z, then y."""
    places = grid.places(blocks)
    order = np.lexsort((places[:, 1], places[:, 2], places[:, 0]))
    ends = np.cumsum(weights[order])
    owner = np.empty(len(blocks), np.int64)
    middle = ends - weights[order] / 2
    owner[order] = np.minimum(ranks * middle / max(ends[-1], 1), ranks - 1) if len(ends) else []
    return owner
