"""The loops of the phase field over blocks of 8^3 cells and the order parameters alive in them.

A block keeps 8^3 values [z, y, x], flat, of each of its order parameters, twice: a step reads one
half and writes the other. It works on a copy of the block with a layer of ghosts around it, 10^3
values that stay in the cache; loops run from the first cell to the last, ghosts in between
included: their mobility is zero.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

SIDE = 8
SQUARE = SIDE * SIDE
CELLS = SIDE * SQUARE
WIDE = SIDE + 2
PLANE = WIDE * WIDE
ROOM = WIDE * PLANE
START, STOP = PLANE + WIDE, ROOM - PLANE - WIDE  # from the first cell's row to the last one's
BORDER = -1  # neighbour beyond the surface of the metal; below it: number of a remote face
FREE, DROPPED, THROWN, THROWN_SOLID = range(4)  # of a tally
NO_SLOT, NO_PLACE = -1, -2


class Pool(NamedTuple):
    """Order parameters of the blocks of a rank.

    eta      (2, capacity, 512)  values
    free     (capacity,)         places in eta that are not in use: the first tally[FREE] of them
    labels   (rows, slots)       grain of each order parameter of a row, in rising order
    places   (rows, slots)       where it is in eta
    tops     (2, capacity, 6)    its largest value in the layer of cells towards -x, +x, ... +z
    kept     (rows, slots)       whether it is not zero everywhere after the step at hand
    count    (rows,)             order parameters of a row
    half     (rows,)             0 or 1, which half of eta holds the present values
    tally    (4,)                FREE, DROPPED, THROWN, THROWN_SOLID
    scratch  (slots, 1000)       order parameters of one block with ghosts
    """

    eta: np.ndarray
    free: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    tops: np.ndarray
    kept: np.ndarray
    count: np.ndarray
    half: np.ndarray
    tally: np.ndarray
    scratch: np.ndarray


class Law(NamedTuple):
    """In the precision of eta: 4 gamma; 1 - 4 gamma; K = kappa / (m h^2); 6 K - 1; the cutoff."""

    interaction: float
    cubic: float
    gradient: float
    offset: float
    cutoff: float


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
    least       (n,)    largest tail that cannot raise an eta of a block to the cutoff in this step
    """

    neighbours: np.ndarray
    valid: np.ndarray
    faces: Faces
    least: np.ndarray


@njit(cache=True)
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


@njit(cache=True)
def find(pool, row, label):
    """Place of a grain's order parameter in a row, NO_SLOT where it has none."""
    slot = slot_of(pool, row, label)
    found = slot < pool.count[row] and pool.labels[row, slot] == label
    return pool.places[row, slot] if found else NO_SLOT


@njit(cache=True)
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
    pool.eta[pool.half[row], place] = 0
    pool.tops[pool.half[row], place] = 0
    return place


@njit(cache=True)
def remove(pool, row, slot):
    """Takes an order parameter out of a row; the others keep their order."""
    pool.free[pool.tally[FREE]] = pool.places[row, slot]
    pool.tally[FREE] += 1
    for later in range(slot + 1, pool.count[row]):
        pool.labels[row, later - 1] = pool.labels[row, later]
        pool.places[row, later - 1] = pool.places[row, later]
    pool.count[row] -= 1


@njit(cache=True, inline="always")
def copy_row(target, at, source, start):
    """Eight neighbours at once: loads before stores, so that they compile to one vector."""
    a, b, c, d = source[start], source[start + 1], source[start + 2], source[start + 3]
    e, f, g, h = source[start + 4], source[start + 5], source[start + 6], source[start + 7]
    target[at], target[at + 1], target[at + 2], target[at + 3] = a, b, c, d
    target[at + 4], target[at + 5], target[at + 6], target[at + 7] = e, f, g, h


@njit(cache=True)
def widen(cells, wide):
    """The cells (512,) inside of wide (1000,)."""
    to = wide[PLANE + WIDE + 1:]
    for k in range(SIDE):
        for j in range(SIDE):
            copy_row(to, k * PLANE + j * WIDE, cells, (k * SIDE + j) * SIDE)


@njit(cache=True)
def narrow(wide, cells):
    """cells (512,) = the inside of wide (1000,)."""
    of = wide[PLANE + WIDE + 1:]
    for k in range(SIDE):
        for j in range(SIDE):
            copy_row(cells, (k * SIDE + j) * SIDE, of, k * PLANE + j * WIDE)


@njit(cache=True)
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


@njit(cache=True)
def put_ghosts(face, direction, wide):
    """The ghosts of wide (1000,) towards `direction` = face (64,)."""
    axis, ghost = direction // 2, 0 if direction % 2 == 0 else SIDE + 1
    if axis == 0:
        to = wide[PLANE + WIDE + ghost:]
        for k in range(SIDE):
            for j in range(SIDE):
                to[k * PLANE + j * WIDE] = face[k * SIDE + j]
    elif axis == 1:
        to = wide[PLANE + ghost * WIDE + 1:]
        for k in range(SIDE):
            copy_row(to, k * PLANE, face, k * SIDE)
    else:
        to = wide[ghost * PLANE + WIDE + 1:]
        for j in range(SIDE):
            copy_row(to, j * WIDE, face, j * SIDE)


@njit(cache=True)
def put_neighbour(cells, direction, wide):
    """The ghosts of wide (1000,) towards `direction` = the layer of cells (512,) beyond."""
    if direction == 0:
        to, of = wide[PLANE + WIDE:], cells[SIDE - 1:]
        for k in range(SIDE):
            for j in range(SIDE):
                to[k * PLANE + j * WIDE] = of[(k * SIDE + j) * SIDE]
    elif direction == 1:
        to, of = wide[PLANE + WIDE + SIDE + 1:], cells
        for k in range(SIDE):
            for j in range(SIDE):
                to[k * PLANE + j * WIDE] = of[(k * SIDE + j) * SIDE]
    elif direction < 4:
        to = wide[PLANE + 1:] if direction == 2 else wide[PLANE + (SIDE + 1) * WIDE + 1:]
        of = cells[SQUARE - SIDE:] if direction == 2 else cells
        for k in range(SIDE):
            copy_row(to, k * PLANE, of, k * SQUARE)
    else:
        to = wide[WIDE + 1:] if direction == 4 else wide[(SIDE + 1) * PLANE + WIDE + 1:]
        of = cells[CELLS - SQUARE:] if direction == 4 else cells
        for j in range(SIDE):
            copy_row(to, j * WIDE, of, j * SIDE)


@njit(cache=True)
def clear_ghosts(direction, wide):
    """The ghosts of wide (1000,) towards `direction` = 0."""
    stride = (1, WIDE, PLANE)[direction // 2]
    u, v = ((WIDE, PLANE), (1, PLANE), (1, WIDE))[direction // 2]
    ghost = 0 if direction % 2 == 0 else (SIDE + 1) * stride
    for a in range(1, SIDE + 1):
        for b in range(1, SIDE + 1):
            wide[ghost + a * u + b * v] = 0


@njit(cache=True)
def mirror(wide, direction, valid):
    """No flux where the metal ends after `valid` cells: ghosts equal the cells before them."""
    stride = (1, WIDE, PLANE)[direction // 2]
    u, v = ((WIDE, PLANE), (1, PLANE), (1, WIDE))[direction // 2]
    layer, ghost = (valid, valid + 1) if direction % 2 else (1, 0)
    for a in range(1, SIDE + 1):
        for b in range(1, SIDE + 1):
            wide[ghost * stride + a * u + b * v] = wide[layer * stride + a * u + b * v]


@njit(cache=True, inline="always")
def rows_top(cells, first, stride, count):
    """Largest values (8,) of `count` rows of eight that begin at `first`, `stride` apart."""
    a, b, c, d = cells[first], cells[first + 1], cells[first + 2], cells[first + 3]
    e, f, g, h = cells[first + 4], cells[first + 5], cells[first + 6], cells[first + 7]
    for n in range(1, count):
        row = cells[first + n * stride:]
        a, b, c, d = max(a, row[0]), max(b, row[1]), max(c, row[2]), max(d, row[3])
        e, f, g, h = max(e, row[4]), max(f, row[5]), max(g, row[6]), max(h, row[7])
    return a, b, c, d, e, f, g, h


@njit(cache=True)
def measure(cells, tops):
    """tops (6,) = largest value in each of the six outer layers of cells (512,); the largest of all
    is returned."""
    lines = rows_top(cells, 0, SIDE, SQUARE)
    tops[0], tops[1] = lines[0], lines[7]
    tops[2] = max(rows_top(cells, 0, SQUARE, SIDE))
    tops[3] = max(rows_top(cells, SQUARE - SIDE, SQUARE, SIDE))
    tops[4] = max(rows_top(cells, 0, SIDE, SIDE))
    tops[5] = max(rows_top(cells, CELLS - SQUARE, SIDE, SIDE))
    return max(lines)


@njit(cache=True)
def let_in(pool, row, label):
    """Gives a row a grain that comes from a neighbour; False if the pool is too small."""
    if find(pool, row, label) != NO_SLOT:
        return True
    place = insert(pool, row, label)
    if place == NO_SLOT:
        pool.tally[DROPPED] += 1
    return place != NO_PLACE


@njit(cache=True)
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


@njit(cache=True)
def remote_newcomers(pool, row, faces, number, least):
    """The same for a neighbour on another rank."""
    for entry in range(faces.starts[number], faces.starts[number + 1]):
        top = faces.values[entry].max()
        if top >= least and not let_in(pool, row, faces.labels[entry]):
            return False
    return True


@njit(cache=True)
def all_newcomers(pool, row, n, around):
    """The same from all six neighbours of the n-th block."""
    for d in range(6):
        other, least = around.neighbours[n, d], around.least[n]
        if other >= 0:
            if not newcomers(pool, row, other, d, least):
                return False
        elif other != BORDER:
            if not remote_newcomers(pool, row, around.faces, -2 - other, least):
                return False
    return True


@njit(cache=True)
def gather(pool, row, n, around):
    """pool.scratch = the order parameters of the n-th block with their ghosts."""
    values = pool.eta[pool.half[row]]
    for slot in range(pool.count[row]):
        widen(values[pool.places[row, slot]], pool.scratch[slot])
    for d in range(6):
        other = around.neighbours[n, d]
        if other == BORDER:
            for slot in range(pool.count[row]):
                mirror(pool.scratch[slot], d, around.valid[n, d // 2])
        elif other >= 0:
            gather_from(pool, row, other, d)
        else:
            gather_remote(pool, row, around.faces, -2 - other, d)


@njit(cache=True)
def gather_from(pool, row, other, direction):
    """Ghosts of all order parameters of a row from a neighbour on this rank."""
    there, values = 0, pool.eta[pool.half[other]]
    for slot in range(pool.count[row]):
        label = pool.labels[row, slot]
        while there < pool.count[other] and pool.labels[other, there] < label:
            there += 1
        if there < pool.count[other] and pool.labels[other, there] == label:
            put_neighbour(values[pool.places[other, there]], direction, pool.scratch[slot])
        else:
            clear_ghosts(direction, pool.scratch[slot])


@njit(cache=True)
def gather_remote(pool, row, faces, number, direction):
    """The same from a neighbour on another rank."""
    there, end = faces.starts[number], faces.starts[number + 1]
    for slot in range(pool.count[row]):
        label = pool.labels[row, slot]
        while there < end and faces.labels[there] < label:
            there += 1
        if there < end and faces.labels[there] == label:
            put_ghosts(faces.values[there], direction, pool.scratch[slot])
        else:
            clear_ghosts(direction, pool.scratch[slot])


@njit(cache=True)
def advance_eta(eta, factor, mobility, law, out):
    """out = eta - M (eta (a + (1 - 4 gamma) eta^2) - K sum of neighbours), a = `factor`; zero below
    the cutoff."""
    cubic, gradient, cutoff, zero = law.cubic, law.gradient, law.cutoff, law.cutoff - law.cutoff
    for i in range(START, STOP):
        around = ((eta[i - 1] + eta[i + 1]) + (eta[i - WIDE] + eta[i + WIDE])) + (
            eta[i - PLANE] + eta[i + PLANE]
        )
        c = eta[i]
        new = c - mobility[i] * (c * (factor[i] + cubic * (c * c)) - gradient * around)
        out[i] = new if new >= cutoff else zero  # vectors, as out is not what is read


@njit(cache=True)
def largest_change(eta, out, mobility):
    """Largest |out - eta| where the metal is."""
    top = 0.0
    for i in range(START, STOP):
        if mobility[i] > 0:
            top = max(top, abs(np.float64(out[i]) - np.float64(eta[i])))
    return top


@njit(cache=True)
def interaction(scratch, count, law, melting, factor):
    """factor = 4 gamma sum of eta^2 + 2 (1 - zeta)^2 + 6 K - 1, `melting` being the second term."""
    factor[:] = 0
    for slot in range(count):
        eta = scratch[slot]
        for i in range(START, STOP):
            factor[i] += eta[i] * eta[i]
    for i in range(START, STOP):
        factor[i] = law.interaction * factor[i] + (melting[i] + law.offset)


@njit(cache=True)
def advance(pool, rows, around, law, heat, change):
    """One explicit step of every order parameter of the rows, and of those that come in from their
    neighbours; False if the pool is too small: to be repeated with a larger one.

    heat    (mobility, melting), (n, 1000) each: L m dt, 2 (1 - zeta)^2; zero outside of the metal
            and in ghosts
    change  (n,)  largest change of an eta, or (0,) where it is not asked for
    """
    mobility, melting = heat
    factor, out = np.zeros(ROOM, pool.eta.dtype), np.zeros(ROOM, pool.eta.dtype)
    for n in range(len(rows)):
        row = rows[n]
        if not all_newcomers(pool, row, n, around):
            return False
        gather(pool, row, n, around)
        interaction(pool.scratch, pool.count[row], law, melting[n], factor)
        new, top = 1 - pool.half[row], 0.0
        for slot in range(pool.count[row]):
            eta = pool.scratch[slot]
            advance_eta(eta, factor, mobility[n], law, out)
            if len(change):
                top = max(top, largest_change(eta, out, mobility[n]))
            cells = pool.eta[new, pool.places[row, slot]]
            narrow(out, cells)
            pool.kept[row, slot] = measure(cells, pool.tops[new, pool.places[row, slot]]) > 0
        if len(change):
            change[n] = top
    for n in range(len(rows)):
        turn(pool, rows[n])
    return True


@njit(cache=True)
def turn(pool, row):
    """The values just written become the present ones; order parameters that are zero go."""
    pool.half[row] = 1 - pool.half[row]
    for slot in range(pool.count[row] - 1, -1, -1):
        if pool.kept[row, slot] == 0:
            remove(pool, row, slot)


@njit(cache=True)
def winners(pool, row, valid, labels):
    """labels (8, 8, 8) = grain of the largest eta in each cell; returns the least of these eta."""
    least = 2.0
    for k in range(valid[2]):
        for j in range(valid[1]):
            for i in range(valid[0]):
                cell = (k * SIDE + j) * SIDE + i
                best, value = largest(pool, row, cell)
                labels[k, j, i] = best
                least = min(least, value)
    return least


@njit(cache=True)
def mark_liquid(pool, row, valid, labels):
    """labels (8, 8, 8) = -1 where all eta together are below 1/2."""
    for k in range(valid[2]):
        for j in range(valid[1]):
            for i in range(valid[0]):
                total = 0.0
                cell = (k * SIDE + j) * SIDE + i
                for slot in range(pool.count[row]):
                    total += pool.eta[pool.half[row], pool.places[row, slot], cell]
                if total < 0.5:
                    labels[k, j, i] = -1


@njit(cache=True)
def largest(pool, row, cell):
    """Grain of the largest eta of a cell, and that eta; -1 and 0 where all are zero."""
    label, value = np.int64(-1), 0.0
    for slot in range(pool.count[row]):
        eta = pool.eta[pool.half[row], pool.places[row, slot], cell]
        if eta > value:
            label, value = pool.labels[row, slot], np.float64(eta)
    return label, value


@njit(cache=True)
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
                pool.eta[pool.half[row], place, (k * SIDE + j) * SIDE + i] = 1
    measure_row(pool, row)
    return 0


@njit(cache=True)
def measure_row(pool, row):
    """Renews the tops of all order parameters of a row."""
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        measure(pool.eta[pool.half[row], place], pool.tops[pool.half[row], place])


@njit(cache=True)
def pack_faces(pool, rows, directions, faces):
    """Fills starts, labels, values with faces of rows that lie towards `directions`; how many."""
    entry, face = 0, np.empty(SQUARE, pool.eta.dtype)
    for n in range(len(rows)):
        faces.starts[n] = entry
        values = pool.eta[pool.half[rows[n]]]
        for slot in range(pool.count[rows[n]]):
            place = pool.places[rows[n], slot]
            if pool.tops[pool.half[rows[n]], place, directions[n]] > 0:
                take_face(values[place], directions[n], face)
                faces.labels[entry] = pool.labels[rows[n], slot]
                faces.values[entry] = face
                entry += 1
    faces.starts[len(rows)] = entry
    return entry
