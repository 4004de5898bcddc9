"""Blocks with the ghosts that their neighbours fill, and the order parameters that come in."""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.lines import ALL, lowest, spread
from partsim.grains.pool import (
    BORDER, CELLS, DROPPED, EAST, FLOOR, NEW, NO_PLACE, NO_SLOT, SIDE, SQUARE, WEST, find, insert,
    peak,
)
from partsim.grains.vectors import LINE, clear_line, copy_line, copy_row, east_line, west_line

FLOOR_LINES = SQUARE // LINE  # of a plane


class Faces(NamedTuple):
    """Faces of blocks that other ranks hold: face f has the entries starts[f] to starts[f + 1].

    starts (n + 1,), labels (entries,) rising in each face, values (entries, 64)
    """

    starts: np.ndarray
    labels: np.ndarray
    values: np.ndarray


class Around(NamedTuple):
    """What surrounds the blocks of a step.

    neighbours  (n, 6)  row of the neighbour towards -x, +x, -y, +y, -z, +z, BORDER, or -2 - number
                        of a remote face
    valid       (n, 3)  cells of the metal along x, y, z
    faces       of other ranks
    """

    neighbours: np.ndarray
    valid: np.ndarray
    faces: Faces


@kernel()
def lay_out(lines, cells, eta):
    """eta (1832,) = a copy of a block's cells (512,), zero in lines that are not kept and in all
    ghosts."""
    left = lines
    while left:
        line = lowest(left)
        cell = LINE * line
        copy_line(eta, inner(line), cells, cell)
        west_line(eta, WEST + cell, cells, cell)
        east_line(eta, EAST + cell, cells, cell)
        left &= left - 1
    left = lines ^ ALL
    while left:
        line = lowest(left)
        clear_line(eta, inner(line))
        clear_line(eta, WEST + LINE * line)
        clear_line(eta, EAST + LINE * line)
        left &= left - 1
    for line in range(FLOOR_LINES):
        clear_line(eta, SIDE + LINE * line)
        clear_line(eta, (SIDE + 1) * FLOOR + SIDE + LINE * line)
    for k in range(SIDE + 1):  # the last row of a plane and the first of the next
        clear_line(eta, (k + 1) * FLOOR - SIDE)


@kernel(inline="always")
def inner(line):
    """Where a copy has the cells of a line."""
    return FLOOR + SIDE + LINE * line + line // FLOOR_LINES * (FLOOR - SQUARE)


@kernel()
def take_face(cells, direction, face):
    """face (64,) = the layer of a block that its neighbour towards `direction` touches."""
    axis, layer = direction // 2, 0 if direction % 2 == 0 else SIDE - 1
    if axis == 0:
        of = cells[layer:]
        for n in range(SQUARE):
            face[n] = of[n * SIDE]
    elif axis == 1:
        of = cells[layer * SIDE:]
        for n in range(SIDE):
            copy_row(face, n * SIDE, of, n * SQUARE)
    else:
        of = cells[layer * SQUARE:]
        for n in range(SIDE):
            copy_row(face, n * SIDE, of, n * SIDE)


@kernel()
def put_ghosts(face, direction, eta):
    """What is towards `direction` of a copy eta (1832,) = face (64,)."""
    if direction == 0:
        for n in range(SQUARE):
            eta[WEST + n * SIDE] = face[n]
    elif direction == 1:
        for n in range(SQUARE):
            eta[EAST + SIDE - 1 + n * SIDE] = face[n]
    elif direction < 4:
        to = eta[FLOOR:] if direction == 2 else eta[2 * FLOOR - SIDE:]
        for k in range(SIDE):
            copy_row(to, k * FLOOR, face, k * SIDE)
    else:
        to = eta[SIDE:] if direction == 4 else eta[(SIDE + 1) * FLOOR + SIDE:]
        for n in range(SQUARE):
            to[n] = face[n]


@kernel()
def put_neighbour(lines, cells, direction, eta):
    """What is towards `direction` of a copy eta (1832,), of which ghosts are zero, = the layer of
    cells (512,) beyond."""
    if direction < 2:
        to, of = (WEST, SIDE - 1) if direction == 0 else (EAST + SIDE - 1, 0)
        while lines:
            cell = LINE * lowest(lines)
            eta[to + cell] = cells[of + cell]
            eta[to + cell + SIDE] = cells[of + cell + SIDE]
            lines &= lines - 1
    elif direction < 4:
        to, of = (FLOOR, SQUARE - SIDE) if direction == 2 else (2 * FLOOR - SIDE, 0)
        for k in range(SIDE):
            if lines >> ((of + k * SQUARE) // LINE) & 1:
                copy_row(eta, to + k * FLOOR, cells, of + k * SQUARE)
    else:
        to, of = (SIDE, CELLS - SQUARE) if direction == 4 else ((SIDE + 1) * FLOOR + SIDE, 0)
        for j in range(SIDE):
            if lines >> ((of + j * SIDE) // LINE) & 1:
                copy_row(eta, to + j * SIDE, cells, of + j * SIDE)


@kernel()
def mirror(eta, direction, valid):
    """No flux where the metal ends after `valid` cells: beyond the surface is what is before it."""
    inside = eta[FLOOR + SIDE:]
    if direction < 2:
        x = valid - 1 if direction else 0
        beside = eta[EAST + x:] if direction else eta[WEST:]
        for k in range(SIDE):
            for j in range(SIDE):
                beside[(k * SIDE + j) * SIDE] = inside[k * FLOOR + j * SIDE + x]
    elif direction < 4:
        to, of = (valid + 1, valid) if direction == 3 else (0, 1)
        for k in range(SIDE):
            for i in range(SIDE):
                eta[(k + 1) * FLOOR + to * SIDE + i] = eta[(k + 1) * FLOOR + of * SIDE + i]
    else:
        to, of = (valid + 1, valid) if direction == 5 else (0, 1)
        for n in range(SQUARE):
            eta[to * FLOOR + SIDE + n] = eta[of * FLOOR + SIDE + n]


@kernel()
def let_in(pool, row, label):
    """Gives a row a grain that comes from a neighbour; False if the pool is too small."""
    if find(pool, row, label) != NO_SLOT:
        return True
    place = insert(pool, row, label)
    if place == NO_SLOT:
        pool.tally[DROPPED] += 1
    return place != NO_PLACE


@kernel()
def newcomers(pool, row, other, direction, least):
    """Lets in the grains of a neighbour whose tail at the face is at least `least`; False if the
    pool is too small."""
    own, tops = 0, pool.tops[pool.half[other]]
    for slot in range(pool.count[other]):
        label = pool.labels[other, slot]
        while own < pool.count[row] and pool.labels[row, own] < label:
            own += 1
        if own < pool.count[row] and pool.labels[row, own] == label:
            continue
        top = tops[pool.places[other, slot], direction ^ 1]
        if top >= least and not let_in(pool, row, label):
            return False
    return True


@kernel()
def remote_newcomers(pool, row, faces, number, least):
    """The same for a neighbour on another rank."""
    for entry in range(faces.starts[number], faces.starts[number + 1]):
        top = peak(faces.values[entry])
        if top >= least and not let_in(pool, row, faces.labels[entry]):
            return False
    return True


@kernel()
def smallest(face):
    """The smallest of a layer (64,), which is overwritten; by halves, as vectors."""
    for half in (32, 16, 8, 4, 2, 1):
        for n in range(half):
            a, b = face[n], face[n + half]
            face[n] = a if a < b else b
    return face[0]


@kernel()
def least_tail(scratch, direction, reach, law):
    """Largest eta beyond a face that would be cut in all cells at the face, scratch.squares being
    the sums of eta^2."""
    take_face(scratch.squares, direction, scratch.face)
    least = smallest(scratch.face)
    return max(law.cutoff, np.sqrt(law.share_squared * least)) / max(reach, law.cutoff)


@kernel()
def all_newcomers(pool, row, n, around, law, reach):
    """The same from all six neighbours of the n-th block; scratch.squares = sums of its eta^2.

    reach  3 K M at most: the share of an eta beyond a face that comes in
    """
    for d in range(6):
        other = around.neighbours[n, d]
        if other == BORDER:
            continue
        least = least_tail(pool.scratch, d, reach, law)
        if other >= 0:
            if not newcomers(pool, row, other, d, least):
                return False
        elif not remote_newcomers(pool, row, around.faces, -2 - other, least):
            return False
    return True


@kernel()
def gather(pool, row, slot, n, around):
    """scratch.eta = a copy of an order parameter of the n-th block with what surrounds it.

    To be called for slot after slot: scratch.seen, zero to begin with, counts the entries of the
    neighbours that have smaller labels.
    """
    half, place, eta = pool.half[row], pool.places[row, slot], pool.scratch.eta
    lay_out(pool.lines[half, place], pool.eta[half, place], eta)
    for direction in range(6):
        other = around.neighbours[n, direction]
        if other == BORDER:
            mirror(eta, direction, around.valid[n, direction // 2])
        elif other >= 0:
            gather_from(pool, pool.labels[row, slot], other, direction)
        else:
            gather_remote(pool, pool.labels[row, slot], around.faces, -2 - other, direction)


@kernel()
def gather_from(pool, label, other, direction):
    """Ghosts of a grain from a neighbour on this rank, which may have none."""
    scratch, half = pool.scratch, pool.half[other]
    there = scratch.seen[direction]
    while there < pool.count[other] and pool.labels[other, there] < label:
        there += 1
    scratch.seen[direction] = there
    if there < pool.count[other] and pool.labels[other, there] == label:
        place = pool.places[other, there]
        if pool.tops[half, place, direction ^ 1] > 0:
            put_neighbour(pool.lines[half, place], pool.eta[half, place], direction, scratch.eta)


@kernel()
def gather_remote(pool, label, faces, number, direction):
    """The same from a neighbour on another rank."""
    scratch, end = pool.scratch, faces.starts[number + 1]
    there = max(scratch.seen[direction], faces.starts[number])
    while there < end and faces.labels[there] < label:
        there += 1
    scratch.seen[direction] = there
    if there < end and faces.labels[there] == label:
        put_ghosts(faces.values[there], direction, scratch.eta)


@kernel()
def pack_faces(pool, rows, directions, faces):
    """Fills starts, labels, values with faces of rows that lie towards `directions`; how many."""
    entry, cells = 0, pool.scratch.work[NEW:]
    for n in range(len(rows)):
        faces.starts[n] = entry
        half = pool.half[rows[n]]
        for slot in range(pool.count[rows[n]]):
            place = pool.places[rows[n], slot]
            if pool.tops[half, place, directions[n]] > 0:
                spread(pool.lines[half, place], pool.eta[half, place], cells)
                take_face(cells, directions[n], faces.values[entry])
                faces.labels[entry] = pool.labels[rows[n], slot]
                entry += 1
    faces.starts[len(rows)] = entry
    return entry
