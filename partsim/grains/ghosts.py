"""Blocks with the ghosts that their neighbours fill, and the order parameters that come in."""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.pool import (
    BORDER, CELLS, DROPPED, EAST, FLOOR, GUARD, NO_PLACE, NO_SLOT, PLANE, SIDE, SQUARE, WEST, WIDE,
    copy_row, find, insert, peak,
)


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
    reach       (n,)    3 K M of a block at most: share of the eta beyond a face that comes in
    """

    neighbours: np.ndarray
    valid: np.ndarray
    faces: Faces
    reach: np.ndarray


@kernel()
def narrow(wide, cells):
    """cells (512,) = the inside of wide (1000,)."""
    of = wide[PLANE + WIDE + 1:]
    for k in range(SIDE):
        for j in range(SIDE):
            copy_row(cells, (k * SIDE + j) * SIDE, of, k * PLANE + j * WIDE)


@kernel()
def lay_out(cells, eta):
    """eta (1824,) = a copy of the block's cells, 1 to 512 of cells (514,): what is west and east of
    its outer layers is not yet right, ghosts are not yet there."""
    for k in range(SIDE):
        for n in range(SQUARE):
            cell = k * SQUARE + n
            eta[(k + 1) * FLOOR + SIDE + n] = cells[cell + 1]
            eta[WEST + cell] = cells[cell]
            eta[EAST + cell] = cells[cell + 2]


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
    """What is towards `direction` of a copy eta (1824,) = face (64,)."""
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
def put_neighbour(cells, direction, eta):
    """What is towards `direction` of a copy eta (1824,) = the layer of cells (512,) beyond."""
    if direction == 0:
        for n in range(SQUARE):
            eta[WEST + n * SIDE] = cells[n * SIDE + SIDE - 1]
    elif direction == 1:
        for n in range(SQUARE):
            eta[EAST + SIDE - 1 + n * SIDE] = cells[n * SIDE]
    elif direction < 4:
        to = eta[FLOOR:] if direction == 2 else eta[2 * FLOOR - SIDE:]
        of = cells[SQUARE - SIDE:] if direction == 2 else cells
        for k in range(SIDE):
            copy_row(to, k * FLOOR, of, k * SQUARE)
    elif direction == 4:
        for n in range(SQUARE):
            eta[SIDE + n] = cells[CELLS - SQUARE + n]
    else:
        for n in range(SQUARE):
            eta[(SIDE + 1) * FLOOR + SIDE + n] = cells[n]


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
def least_tail(scratch, direction, reach, law):
    """Largest eta beyond a face that would be cut in all cells at the face, scratch.squares being
    the sums of eta^2."""
    take_face(scratch.squares, direction, scratch.face)
    least = scratch.face[0]
    for value in scratch.face:
        least = min(least, value)
    return max(law.cutoff, np.sqrt(law.share_squared * least)) / max(reach, law.cutoff)


@kernel()
def all_newcomers(pool, row, n, around, law):
    """The same from all six neighbours of the n-th block; scratch.squares = sums of its eta^2."""
    for d in range(6):
        other = around.neighbours[n, d]
        if other == BORDER:
            continue
        least = least_tail(pool.scratch, d, around.reach[n], law)
        if other >= 0:
            if not newcomers(pool, row, other, d, least):
                return False
        elif not remote_newcomers(pool, row, around.faces, -2 - other, least):
            return False
    return True


@kernel()
def gather(pool, row, n, around):
    """scratch.eta = copies of the order parameters of the n-th block with what surrounds them."""
    capacity = pool.eta.shape[1]
    for slot in range(pool.count[row]):
        place = pool.half[row] * capacity + pool.places[row, slot]
        lay_out(pool.flat[GUARD + place * CELLS - 1:], pool.scratch.eta[slot])
    for d in range(6):
        other = around.neighbours[n, d]
        if other == BORDER:
            for slot in range(pool.count[row]):
                mirror(pool.scratch.eta[slot], d, around.valid[n, d // 2])
        elif other >= 0:
            gather_from(pool, row, other, d)
        else:
            gather_remote(pool, row, around.faces, -2 - other, d)


@kernel()
def gather_from(pool, row, other, direction):
    """Ghosts of all order parameters of a row from a neighbour on this rank, zero where it has
    none."""
    there, values, tops = 0, pool.eta[pool.half[other]], pool.tops[pool.half[other]]
    scratch = pool.scratch
    for slot in range(pool.count[row]):
        label = pool.labels[row, slot]
        while there < pool.count[other] and pool.labels[other, there] < label:
            there += 1
        place = pool.places[other, there] if there < pool.count[other] else 0
        same = there < pool.count[other] and pool.labels[other, there] == label
        if same and tops[place, direction ^ 1] > 0:
            put_neighbour(values[place], direction, scratch.eta[slot])
        else:
            put_ghosts(scratch.blank, direction, scratch.eta[slot])


@kernel()
def gather_remote(pool, row, faces, number, direction):
    """The same from a neighbour on another rank."""
    scratch = pool.scratch
    there, end = faces.starts[number], faces.starts[number + 1]
    for slot in range(pool.count[row]):
        label = pool.labels[row, slot]
        while there < end and faces.labels[there] < label:
            there += 1
        if there < end and faces.labels[there] == label:
            put_ghosts(faces.values[there], direction, scratch.eta[slot])
        else:
            put_ghosts(scratch.blank, direction, scratch.eta[slot])


@kernel()
def pack_faces(pool, rows, directions, faces):
    """Fills starts, labels, values with faces of rows that lie towards `directions`; how many."""
    entry = 0
    for n in range(len(rows)):
        faces.starts[n] = entry
        values = pool.eta[pool.half[rows[n]]]
        for slot in range(pool.count[rows[n]]):
            place = pool.places[rows[n], slot]
            if pool.tops[pool.half[rows[n]], place, directions[n]] > 0:
                take_face(values[place], directions[n], faces.values[entry])
                faces.labels[entry] = pool.labels[rows[n], slot]
                entry += 1
    faces.starts[len(rows)] = entry
    return entry
