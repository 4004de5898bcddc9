"""Order parameters of blocks on one rank: rows that come, go and move to other ranks."""

import numpy as np

from partsim.errors import UserError
from partsim.grains.lines import keep
from partsim.grains.pool import (
    CELLS, COPY, FREE, MAXIMA, NO_PLACE, NO_SLOT, SIDE, SQUARE, Pool, Scratch, fill_row,
    in_order, insert, measure_row,
)
from partsim.grains.vectors import LINE

Packed = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


LINE_OF_CACHE = 64  # bytes
PER_ROW = ("labels", "places", "count", "half")
PER_PLACE = ("eta", "lines", "tops")


def scratch(dtype: np.dtype) -> Scratch:
    """Room for the work on one block."""
    eta, work, maxima, squares, face = (
        aligned((size,), dtype) for size in (SIDE + COPY, 4 * CELLS, MAXIMA, CELLS, SQUARE)
    )
    return Scratch(eta[SIDE:], work, maxima, squares, face, np.zeros(CELLS), np.zeros(6, np.int64))


def aligned(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Zeros that begin with a line of the cache: vectors that straddle two take twice as long."""
    size, item = int(np.prod(shape)), np.dtype(dtype).itemsize
    raw = np.zeros(size + LINE_OF_CACHE // item, dtype)
    first = -raw.ctypes.data % LINE_OF_CACHE // item
    return raw[first:first + size].reshape(shape)


def room(capacity: int, dtype: np.dtype) -> dict[str, np.ndarray]:
    """eta, lines and tops of a Pool, zero."""
    return {"eta": aligned((2, capacity, CELLS), dtype),
            "lines": np.zeros((2, capacity), np.int64),
            "tops": np.zeros((2, capacity, 6), dtype)}


class Store:
    """Rows of order parameters by the number of their block.

    other  room like that of the pool, in which they are put in order: pages of memory that are new
           must be cleared first, which took up to an eighth of the time of growth
    """

    def __init__(self, slots: int, dtype: np.dtype, rows: int = 256, capacity: int = 4096) -> None:
        self.row_of: dict[int, int] = {}
        self.spare = list(range(rows))[::-1]
        self.melted = np.zeros((rows, CELLS), bool)
        self.pool = Pool(
            **room(capacity, dtype), free=np.arange(capacity, dtype=np.int32)[::-1].copy(),
            labels=np.zeros((rows, slots), np.int64), places=np.zeros((rows, slots), np.int32),
            count=np.zeros(rows, np.int32),
            half=np.zeros(rows, np.int64), tally=np.array([capacity, 0, 0, 0]),
            scratch=scratch(dtype),
        )
        self.other = room(0, dtype)

    def blocks(self) -> list[int]:
        """Numbers of all blocks here, in order."""
        return sorted(self.row_of)

    def rows(self, blocks: np.ndarray) -> np.ndarray:
        """Rows of blocks that are here."""
        return np.array([self.row_of[int(block)] for block in blocks], np.int64)

    def new_row(self, block: int) -> int:
        """An empty row for a block."""
        if not self.spare:
            self._more_rows()
        row = self.row_of[block] = self.spare.pop()
        self.pool.count[row] = 0
        self.melted[row] = False
        return row

    def make(self, block: int, grain: np.ndarray) -> None:
        """A row whose order parameters are 1 in the cells of their grains, (nz, ny, nx) int64."""
        row = self.new_row(block)
        while status := fill_row(self.pool, row, grain):
            if status == NO_SLOT:
                raise UserError(
                    f"phase_field.slots = {self.pool.labels.shape[1]}, but it must be larger: a "
                    "block of 8^3 cells has more grains"
                )
            self.enlarge()
            self._empty(row)

    def enlarge(self) -> None:
        """Doubles the room for order parameters."""
        pool = self.pool
        old = len(pool.free)
        assert pool.tally[FREE] <= old
        free = np.concatenate([
            pool.free[:pool.tally[FREE]], np.arange(old, 2 * old), np.zeros_like(pool.free)
        ])[:2 * old].astype(np.int32)
        pool.tally[FREE] += old
        wider = room(2 * old, pool.eta.dtype)
        for name in PER_PLACE:
            wider[name][:, :old] = getattr(pool, name)
        self.pool = pool._replace(**wider, free=free)

    def tidy(self, first: np.ndarray) -> None:
        """Brings the order parameters into the order of rows, `first` before all others."""
        others = np.setdiff1d(np.array(list(self.row_of.values()), np.int64), first)
        before = {name: getattr(self.pool, name) for name in PER_PLACE}
        if self.other["tops"].shape != self.pool.tops.shape:
            self.other = room(len(self.pool.free), self.pool.eta.dtype)
        in_order(self.pool, np.concatenate([first, others]), **self.other)
        self.pool, self.other = self.pool._replace(**self.other), before

    def reserve(self, places: int) -> None:
        """Room for at least so many more order parameters."""
        while self.pool.tally[FREE] < places:
            self.enlarge()

    def values(self, row: int) -> np.ndarray:
        """(count, 512) order parameters of a row."""
        places = self.pool.places[row, :self.pool.count[row]]
        return np.where(self.kept(row), self.pool.eta[self.pool.half[row], places], 0)

    def kept(self, row: int) -> np.ndarray:
        """(count, 512) which cells of a row's order parameters lie in lines that are kept."""
        lines = self.pool.lines[self.pool.half[row], self.pool.places[row, :self.pool.count[row]]]
        return (lines[:, None] >> np.arange(CELLS) // LINE & 1).astype(bool)

    def kept_share(self, row: int) -> float:
        """Sum over the order parameters of a row of the share of their cells that is kept."""
        return float(self.kept(row).mean(axis=1).sum())

    def packed(self, blocks: list[int]) -> Packed:
        """All that is known of blocks, for another rank; they are no longer here."""
        rows = self.rows(blocks)
        pool = self.pool
        counts = pool.count[rows]
        labels = [pool.labels[row, :n] for row, n in zip(rows, counts)]
        eta = [self.values(row) for row in rows]
        parcel = (np.array(blocks), counts, np.concatenate(labels), np.concatenate(eta),
                  self.melted[rows])
        for block in blocks:
            self._empty(self.row_of[block])
            self.spare.append(self.row_of.pop(block))
        return parcel

    def unpack(self, parcel: Packed) -> None:
        """Takes over blocks that another rank has packed."""
        blocks, counts, labels, eta, melted = parcel
        self.reserve(len(labels))
        ends = np.cumsum(counts)
        for block, end, count, molten in zip(blocks.tolist(), ends, counts, melted):
            row = self.new_row(block)
            self.melted[row] = molten
            for entry in range(end - count, end):
                place = insert(self.pool, row, labels[entry])
                assert place > NO_PLACE and place != NO_SLOT
                half = self.pool.half[row]
                self.pool.lines[half, place] = keep(eta[entry], self.pool.eta[half, place])
            measure_row(self.pool, row)

    def _empty(self, row: int) -> None:
        pool = self.pool
        count, free = int(pool.count[row]), int(pool.tally[FREE])
        pool.free[free:free + count] = pool.places[row, :count]
        pool.tally[FREE] = free + count
        pool.count[row] = 0

    def _more_rows(self) -> None:
        rows = len(self.pool.count)
        self.spare = list(range(rows, 2 * rows))[::-1]
        double = {
            name: np.concatenate([array, np.zeros_like(array)])
            for name, array in self.pool._asdict().items() if name in PER_ROW
        }
        self.pool = self.pool._replace(**double)
        self.melted = np.concatenate([self.melted, np.zeros_like(self.melted)])
