"""Order parameters alive in blocks of 8^3 cells: where they are kept.

A block keeps 8^3 values [z, y, x], flat, of each of its order parameters, twice: a step reads one
half and writes the other. Lines of 16 cells that are zero are not kept, see partsim.grains.lines.
Temperatures of a block with a layer of ghosts around it have 10^3.

A step works on a copy of one at a time that a compiler can read in whole vectors and that stays in
the cache: rows of 8 without ghosts between them, what lies west and east of every cell kept beside.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from partsim.compiled import kernel
from partsim.grains.lines import LINES, add_squares, fetch_lines, spread
from partsim.grains.vectors import LINE

SIDE = 8
SQUARE = SIDE * SIDE
CELLS = SIDE * SQUARE
WIDE = SIDE + 2
PLANE = WIDE * WIDE
ROOM = WIDE * PLANE
FLOOR = WIDE * SIDE  # a copy's plane: rows of 8, a row of ghosts before and after them
WEST = WIDE * FLOOR + SIDE  # in a copy, where the values west of the cells begin,
EAST = WEST + CELLS  # and those to the east
COPY = EAST + CELLS
assert LINES * LINE == CELLS
MOBILITY, FACTOR, LEAST, NEW = range(0, 4 * CELLS, CELLS)  # in Scratch.work
MAXIMA = 3 * SQUARE  # room for them
BORDER = -1  # neighbour beyond the surface of the metal; below it: number of a remote face
FREE, DROPPED, THROWN, THROWN_SOLID = range(4)  # of a tally
NO_SLOT, NO_PLACE = -1, -2


class Scratch(NamedTuple):
    """Room for the work on one block, in the precision of eta.

    eta      (1832,)  an order parameter with what surrounds it: ten planes of ten rows of 8, ghosts
                      around 8 planes of 8 rows; a gap of 8; the value west of each cell; and east.
                      The first of the cells, not of the ghosts, begins a line of the cache
    work     (2048,)  MOBILITY, FACTOR, LEAST, NEW of the cells, see partsim.grains.kernels: one
                      array, so that a loop need not ask whether it reads what it writes
    maxima   (192,)
    squares  (512,)   sums of eta^2
    face     (64,)    a layer of cells
    rate     (512,)   mobilities, float64
    seen     (6,)     how many entries of a neighbour have been passed, int64
    """

    eta: np.ndarray
    work: np.ndarray
    maxima: np.ndarray
    squares: np.ndarray
    face: np.ndarray
    rate: np.ndarray
    seen: np.ndarray


class Pool(NamedTuple):
    """Order parameters of the blocks of a rank.

    eta      (2, capacity, 512)  values in the lines that are kept, anything in others
    lines    (2, capacity)       those lines
    free     (capacity,)         places in eta that are not in use: the first tally[FREE] of them
    labels   (rows, slots)       grain of each order parameter of a row, in rising order
    places   (rows, slots)       where it is in eta
    tops     (2, capacity, 6)    its largest value in the layer of cells towards -x, +x, ... +z
    count    (rows,)             order parameters of a row
    half     (rows,)             0 or 1, which half of eta holds the present values
    tally    (4,)                FREE, DROPPED, THROWN, THROWN_SOLID
    scratch  for one block at a time
    """

    eta: np.ndarray
    lines: np.ndarray
    free: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    tops: np.ndarray
    count: np.ndarray
    half: np.ndarray
    tally: np.ndarray
    scratch: Scratch


@kernel()
def slot_of(pool, row, label):
    """The first slot of a row whose grain is not below `label`; the number of slots if none."""
    low, high = 0, pool.count[row]
    while low < high:
        middle = (low + high) // 2
        if pool.labels[row, middle] < label:
            low = middle + 1
        else:
            high = middle
    return low


@kernel()
def find(pool, row, label):
    """Place of a grain's order parameter in a row, NO_SLOT where it has none."""
    slot = slot_of(pool, row, label)
    found = slot < pool.count[row] and pool.labels[row, slot] == label
    return pool.places[row, slot] if found else NO_SLOT


@kernel()
def insert(pool, row, label):
    """Place of a new order parameter, zero everywhere; NO_SLOT or NO_PLACE where there is none."""
    if pool.count[row] == pool.labels.shape[1]:
        return NO_SLOT
    if pool.tally[FREE] == 0:
        return NO_PLACE
    pool.tally[FREE] -= 1
    place = pool.free[pool.tally[FREE]]
    slot = slot_of(pool, row, label)
    for later in range(pool.count[row], slot, -1):
        pool.labels[row, later] = pool.labels[row, later - 1]
        pool.places[row, later] = pool.places[row, later - 1]
    pool.labels[row, slot] = label
    pool.places[row, slot] = place
    pool.count[row] += 1
    pool.lines[pool.half[row], place] = 0
    pool.tops[pool.half[row], place] = 0
    return place


@kernel()
def remove(pool, row, slot):
    """Takes an order parameter out of a row; the others keep their order."""
    pool.free[pool.tally[FREE]] = pool.places[row, slot]
    pool.tally[FREE] += 1
    for later in range(slot + 1, pool.count[row]):
        pool.labels[row, later - 1] = pool.labels[row, later]
        pool.places[row, later - 1] = pool.places[row, later]
    pool.count[row] -= 1


@kernel()
def eta_of(pool, row, slot, cell):
    """eta of an order parameter in a cell, in double precision."""
    half, place = pool.half[row], pool.places[row, slot]
    kept = pool.lines[half, place] >> (cell // LINE) & 1
    return np.float64(pool.eta[half, place, cell]) if kept else 0.0


@kernel()
def put_value(pool, row, place, cell, value):
    """eta of the order parameter at a place in a cell = value."""
    half, line = pool.half[row], cell // LINE
    cells = pool.eta[half, place]
    if not pool.lines[half, place] >> line & 1:
        cells[line * LINE:(line + 1) * LINE] = 0
        pool.lines[half, place] |= 1 << line
    cells[cell] = value


@kernel()
def fetch_row(pool, row):
    """Brings a row into the cache before it is needed."""
    half = pool.half[row]
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        fetch_lines(pool.lines[half, place], pool.eta[half, place], pool.eta[1 - half, place])


@kernel()
def sum_of_squares(pool, row):
    """scratch.squares (512,) = sum of eta^2 over the order parameters of a row."""
    half, squares = pool.half[row], pool.scratch.squares
    squares[:] = 0
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        add_squares(pool.lines[half, place], pool.eta[half, place], squares)


@kernel()
def peak(values):
    """The largest of values (n,); numba does not compile values.max() without reference counts."""
    top = values[0]
    for value in values:
        top = max(top, value)
    return top


@kernel(inline="always")
def larger(a, b):
    """The larger of two; max() of numba's is not compiled to vectors."""
    return a if a > b else b


@kernel(inline="always")
def top_of_eight(values, at):
    """The largest of eight neighbours."""
    return larger(
        larger(larger(values[at], values[at + 1]), larger(values[at + 2], values[at + 3])),
        larger(larger(values[at + 4], values[at + 5]), larger(values[at + 6], values[at + 7])),
    )


@kernel(inline="always")
def fold(layer, maxima):
    """The largest of a layer (64,), by halves; maxima (56,) are overwritten."""
    for n in range(32):
        maxima[n] = larger(layer[n], layer[32 + n])
    for n in range(16):
        maxima[32 + n] = larger(maxima[n], maxima[16 + n])
    for n in range(8):
        maxima[48 + n] = larger(maxima[32 + n], maxima[40 + n])
    return top_of_eight(maxima, 48)


@kernel()
def measure(cells, maxima, tops):
    """tops (6,) = largest value in each of the six outer layers of cells (512,); maxima (192,) are
    overwritten."""
    for n in range(SQUARE):  # the largest along z
        maxima[n] = larger(
            larger(larger(cells[n], cells[SQUARE + n]),
                   larger(cells[2 * SQUARE + n], cells[3 * SQUARE + n])),
            larger(larger(cells[4 * SQUARE + n], cells[5 * SQUARE + n]),
                   larger(cells[6 * SQUARE + n], cells[7 * SQUARE + n])),
        )
    west, east = maxima[0], maxima[SIDE - 1]
    for n in range(1, SIDE):
        west = larger(west, maxima[n * SIDE])
        east = larger(east, maxima[n * SIDE + SIDE - 1])
    tops[0], tops[1] = west, east
    tops[2], tops[3] = top_of_eight(maxima, 0), top_of_eight(maxima, SQUARE - SIDE)
    tops[4] = fold(cells, maxima[SQUARE:])
    tops[5] = fold(cells[CELLS - SQUARE:], maxima[2 * SQUARE:])


@kernel()
def measure_row(pool, row):
    """Renews the tops of all order parameters of a row."""
    cells, half = pool.scratch.work[NEW:], pool.half[row]
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        spread(pool.lines[half, place], pool.eta[half, place], cells)
        measure(cells, pool.scratch.maxima, pool.tops[half, place])


@njit(cache=True)
def in_order(pool, rows, eta, lines, tops):
    """Copies the present order parameters of rows to new arrays, as long as the old ones, one after
    another: a step then reads and writes on through memory."""
    end = 0
    for row in rows:
        half = pool.half[row]
        for slot in range(pool.count[row]):
            place = pool.places[row, slot]
            eta[half, end] = pool.eta[half, place]
            lines[half, end] = pool.lines[half, place]
            tops[half, end] = pool.tops[half, place]
            pool.places[row, slot] = end
            end += 1
    capacity = len(pool.free)
    pool.tally[FREE] = capacity - end
    for n in range(capacity - end):
        pool.free[n] = capacity - 1 - n


@kernel()
def largest(pool, row, cell):
    """Grain of the largest eta of a cell, and that eta; -1 and 0 where all are zero."""
    label, top = np.int64(-1), 0.0
    for slot in range(pool.count[row]):
        eta = eta_of(pool, row, slot, cell)
        if eta > top:
            label, top = pool.labels[row, slot], eta
    return label, top


@kernel()
def winners(pool, row, valid, labels):
    """labels (8, 8, 8) = grain of the largest eta in each cell; returns the least of these eta."""
    least = 2.0
    for k in range(valid[2]):
        for j in range(valid[1]):
            for i in range(valid[0]):
                cell = (k * SIDE + j) * SIDE + i
                labels[k, j, i], top = largest(pool, row, cell)
                least = min(least, top)
    return least


@kernel()
def mark_liquid(pool, row, valid, labels):
    """labels (8, 8, 8) = -1 where all eta together are below 1/2."""
    for k in range(valid[2]):
        for j in range(valid[1]):
            for i in range(valid[0]):
                total = 0.0
                cell = (k * SIDE + j) * SIDE + i
                for slot in range(pool.count[row]):
                    total += eta_of(pool, row, slot, cell)
                if total < 0.5:
                    labels[k, j, i] = -1


@kernel()
def fill_row(pool, row, grain):
    """Order parameters 1 in their own cells and 0 elsewhere, from the grains [z, y, x] of a block.

    Negative numbers are liquid.
    0; or NO_SLOT or NO_PLACE, after which the row is to be filled again.
    """
    for k in range(grain.shape[0]):
        for j in range(grain.shape[1]):
            for i in range(grain.shape[2]):
                if grain[k, j, i] < 0:
                    continue
                place = find(pool, row, grain[k, j, i])
                if place == NO_SLOT:
                    place = insert(pool, row, grain[k, j, i])
                if place < 0:
                    return place
                put_value(pool, row, place, (k * SIDE + j) * SIDE + i, 1)
    measure_row(pool, row)
    return 0
