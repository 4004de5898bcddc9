"""Decentred octahedra: the loops of the cellular automaton of dendritic growth.

Gandin and Rappaz, Acta Materialia 45, 2187 (1997). Every growing cell carries an octahedron whose
six corners are dendrite tips along the <100> axes of its grain. A liquid cell whose centre lies in
the octahedron of one of its 26 neighbours joins that grain, with a smaller octahedron that shares
the nearest tip. Lengths are counted in cells.
"""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.pool import SIDE, THROWN, THROWN_SOLID, WIDE
from partsim.grains.nucleation import label_of, strikes

CELLS = SIDE**3
NEIGHBOURS = 27
LIQUID = -1
REACH = np.sqrt(3.0)  # from a cell to its farthest neighbour


class State(NamedTuple):
    """Cells of the blocks that were ever alive, in rows.

    label   (rows, 512)     number of the grain, LIQUID
    length  (rows, 512)     half the diagonal of the octahedron, 0 where nothing grows
    offset  (rows, 512, 3)  its centre from that of the cell, x y z
    """

    label: np.ndarray
    length: np.ndarray
    offset: np.ndarray


@kernel()
def beside(around, i, j, k, step):
    """Row (-1: none) and cell of a neighbour; around (27,) rows, step 0 to 26 from (-1, -1, -1)."""
    i += step % 3 - 1
    j += step // 3 % 3 - 1
    k += step // 9 - 1
    block = ((k + SIDE) // SIDE * 3 + (j + SIDE) // SIDE) * 3 + (i + SIDE) // SIDE
    return around[block], ((k % SIDE) * SIDE + j % SIDE) * SIDE + i % SIDE


@kernel()
def padded(i, j, k):
    """Index of a cell among the 10^3 temperatures of a block."""
    return ((k + 1) * WIDE + j + 1) * WIDE + i + 1


@kernel()
def melt(state, rows, kelvin, liquidus):
    """Cells above the liquidus lose their grain; kelvin (n, 1000)."""
    for n in range(len(rows)):
        for cell in range(CELLS):
            k, j, i = cell // 64, cell // 8 % 8, cell % 8
            if kelvin[n, padded(i, j, k)] > liquidus:
                state.label[rows[n], cell] = LIQUID
                state.length[rows[n], cell] = 0


@kernel()
def touches_liquid(state, around, i, j, k):
    """Whether one of the 26 neighbours is liquid."""
    for step in range(NEIGHBOURS):
        row, cell = beside(around, i, j, k, step)
        if row >= 0 and state.label[row, cell] == LIQUID:
            return True
    return False


@kernel()
def lengthen(state, rows, around, kelvin, tip):
    """Octahedra of solid cells at the liquid grow by V dt, others end; start is the cell's centre.

    Nothing grows beyond the metal, where the temperature is 0.

    around  (n, 27) rows beside
    tip     (liquidus, freezing range, factor dt / h, exponent)
    """
    liquidus, deepest, factor, exponent = tip
    for n in range(len(rows)):
        row = rows[n]
        for cell in range(CELLS):
            k, j, i = cell // 64, cell // 8 % 8, cell % 8
            T = kelvin[n, padded(i, j, k)]
            if state.label[row, cell] == LIQUID or T > liquidus or T <= 0:
                continue
            if not touches_liquid(state, around[n], i, j, k):
                state.length[row, cell] = 0
                continue
            if state.length[row, cell] == 0:
                state.offset[row, cell] = 0
            state.length[row, cell] += factor * min(liquidus - T, deepest) ** exponent


@kernel()
def reduced(a, v, axis):
    """Half diagonal of the octahedron of a cell at v in one of half diagonal a; nearest tip: axis.

    Along both edges from the tip, on the face towards the cell, what lies beside the cell's
    projection counts up to the distance of the farthest neighbour.
    """
    lift = (a - abs(v[0]) - abs(v[1]) - abs(v[2])) / 3
    near, best = abs(v[axis]) + lift, 0.0
    edge = np.sqrt(2.0) * a
    for other in range(3):
        if other != axis:
            along = (a - near + abs(v[other]) + lift) / np.sqrt(2.0)
            first = min(max(along, 0.0), REACH)
            second = min(max(edge - along, 0.0), REACH)
            best = max(best, (first + second) / np.sqrt(2.0))
    return best


@kernel()
def longest(v):
    """Axis of the largest component, the first of those."""
    axis = 0
    for other in range(1, 3):
        if abs(v[other]) > abs(v[axis]):
            axis = other
    return axis


@kernel()
def inside(state, matrices, row, cell, step):
    """How far inside a neighbour's octahedron a cell is, and its place in the crystal's axes."""
    offset, turn = state.offset[row, cell], matrices[state.label[row, cell]]
    x, y, z = 1 - step % 3 - offset[0], 1 - step // 3 % 3 - offset[1], 1 - step // 9 - offset[2]
    a = turn[0, 0] * x + turn[0, 1] * y + turn[0, 2] * z
    b = turn[1, 0] * x + turn[1, 1] * y + turn[1, 2] * z
    c = turn[2, 0] * x + turn[2, 1] * y + turn[2, 2] * z
    return state.length[row, cell] - abs(a) - abs(b) - abs(c), (a, b, c)


@kernel()
def captor(state, around, matrices, place):
    """The neighbour whose octahedron reaches farthest over a liquid cell: step 0 to 26, or -1."""
    best, found = 0.0, -1
    for step in range(NEIGHBOURS):
        row, cell = beside(around, place[0], place[1], place[2], step)
        if row >= 0 and state.label[row, cell] != LIQUID and state.length[row, cell] > 0:
            depth = inside(state, matrices, row, cell, step)[0]
            if depth >= 0 and (found < 0 or depth > best):
                best, found = depth, step
    return found


@kernel()
def capture(state, rows, around, kelvin, liquidus, matrices, events):
    """Finds the liquid cells that join a grain now, the state staying as it is; how many.

    events  (capacity, 7)  filled: row, cell, label, length, offset x y z
    """
    count = 0
    for n in range(len(rows)):
        for cell in range(CELLS):
            k, j, i = cell // 64, cell // 8 % 8, cell % 8
            T = kelvin[n, padded(i, j, k)]
            if state.label[rows[n], cell] != LIQUID or T > liquidus or T <= 0:
                continue
            step = captor(state, around[n], matrices, (i, j, k))
            if step >= 0:
                row, other = beside(around[n], i, j, k, step)
                events[count, 0], events[count, 1] = rows[n], cell
                join(state, matrices, row, other, step, events[count])
                count += 1
    return count


@kernel()
def join(state, matrices, row, other, step, event):
    """Fills label, length and offset of an event: the octahedron that shares the nearest tip."""
    label, a = state.label[row, other], np.float64(state.length[row, other])
    v = inside(state, matrices, row, other, step)[1]
    axis = longest(v)
    length = reduced(a, v, axis)
    shift = (a - length) * (1.0 if v[axis] > 0 else -1.0)
    event[2], event[3] = label, length
    for c in range(3):
        move = step // 3**c % 3 - 1
        event[4 + c] = move + state.offset[row, other, c] + shift * matrices[label, axis, c]


@kernel()
def nuclei(state, rows, corners, heat, chance, step, events, tally):
    """Finds the cells that nucleate, as partsim.grains.nucleation.nucleate does; how many.

    events  (capacity, 3)  filled: row, cell, label
    """
    count = 0
    for n in range(len(rows)):
        for cell in range(CELLS):
            k, j, i = cell // 64, cell // 8 % 8, cell % 8
            at = padded(i, j, k)
            if not heat[1][n, at] < heat[0][n, at]:
                continue
            solid = state.label[rows[n], cell] != LIQUID
            if solid and not chance.in_solid:
                continue
            x, y, z = corners[n, 0] + i, corners[n, 1] + j, corners[n, 2] + k
            number = (z * chance.cells[1] + y) * chance.cells[2] + x
            if strikes(chance, np.float64(heat[2][n, at]), step, number) and count < len(events):
                events[count, 0], events[count, 1] = rows[n], cell
                events[count, 2] = label_of(chance, step, number)
                count += 1
                tally[THROWN] += 1
                tally[THROWN_SOLID] += solid
    return count


@kernel()
def apply(state, events):
    """Gives captured cells their grain and octahedron."""
    for n in range(len(events)):
        row, cell = int(events[n, 0]), int(events[n, 1])
        state.label[row, cell] = int(events[n, 2])
        state.length[row, cell] = events[n, 3]
        for c in range(3):
            state.offset[row, cell, c] = events[n, 4 + c]
