"""The loops of the phase field over blocks of 8^3 cells and the order parameters alive in them.

An order parameter is kept per block with a layer of ghosts around it: 10^3 values [z, y, x], flat.
Loops run from the first cell to the last, ghosts in between included: their mobility is zero.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

SIDE = 8
WIDE = SIDE + 2
PLANE = WIDE * WIDE
ROOM = WIDE * PLANE
START, STOP = PLANE + WIDE, ROOM - PLANE - WIDE  # from the first cell's row to the last one's
FACE = SIDE * SIDE
BORDER = -1  # neighbour beyond the surface of the metal; below it: number of a remote face
FREE, DROPPED, THROWN, THROWN_SOLID = range(4)  # of a tally
NO_SLOT, NO_PLACE = -1, -2
BLANK = 0  # place in eta that is zero and never given away


class Pool(NamedTuple):
    """Order parameters of the blocks of a rank.

    eta     (capacity, 1000)  values with ghosts; zero at the place BLANK
    free    (capacity,)       places in eta that are not in use: the first tally[FREE] of them
    labels  (rows, slots)     grain of each order parameter of a row
    places  (rows, slots)     where it is in eta
    count   (rows,)           order parameters of a row
    tally   (4,)              FREE, DROPPED, THROWN, THROWN_SOLID
    """

    eta: np.ndarray
    free: np.ndarray
    labels: np.ndarray
    places: np.ndarray
    count: np.ndarray
    tally: np.ndarray


class Law(NamedTuple):
    """In the precision of eta: 4 gamma; 1 - 4 gamma; K = kappa / (m h^2); 6 K - 1; the cutoff."""

    interaction: float
    cubic: float
    gradient: float
    offset: float
    cutoff: float


class Faces(NamedTuple):
    """Faces of blocks that other ranks hold: face f has the entries starts[f] to starts[f + 1].

    starts (n + 1,), labels (entries,), values (entries, 64)
    """

    starts: np.ndarray
    labels: np.ndarray
    values: np.ndarray


@njit(cache=True)
def find(pool, row, label):
    """Place of a grain's order parameter in a row, NO_SLOT where it has none."""
    for slot in range(pool.count[row]):
        if pool.labels[row, slot] == label:
            return pool.places[row, slot]
    return NO_SLOT


@njit(cache=True)
def insert(pool, row, label):
    """Place of a new order parameter, zero everywhere; NO_SLOT or NO_PLACE where there is none."""
    slot = pool.count[row]
    if slot == pool.labels.shape[1]:
        return NO_SLOT
    if pool.tally[FREE] == 0:
        return NO_PLACE
    pool.tally[FREE] -= 1
    place = pool.free[pool.tally[FREE]]
    pool.labels[row, slot] = label
    pool.places[row, slot] = place
    pool.count[row] = slot + 1
    pool.eta[place] = 0
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
def copy_layer(eta, source, target, start, shift, strides):
    """eta[target] = eta[source] moved by `shift` in a layer that begins at `start` of the target.

    strides  along the layer; constants where this is called, so that it compiles to vectors
    """
    p, q = strides
    for u in range(SIDE):
        for v in range(SIDE):
            i = start + u * p + v * q
            eta[target, i] = eta[source, i + shift]


@njit(cache=True)
def copy_face(eta, source, low, target, high, axis):
    """Layer `high` of place `target` = layer `low` of place `source`, across axis 0 (x), 1 or 2."""
    if axis == 0:
        copy_layer(eta, source, target, PLANE + WIDE + high, low - high, (PLANE, WIDE))
    elif axis == 1:
        copy_layer(eta, source, target, PLANE + high * WIDE + 1, (low - high) * WIDE, (PLANE, 1))
    else:
        copy_layer(eta, source, target, high * PLANE + WIDE + 1, (low - high) * PLANE, (WIDE, 1))


@njit(cache=True, inline="always")
def layer_top(eta, place, start, strides):
    """Largest value of a layer that begins at `start`."""
    p, q = strides
    top = eta[place, start]
    for u in range(SIDE):
        for v in range(SIDE):
            value = eta[place, start + u * p + v * q]
            top = value if value > top else top
    return top


@njit(cache=True)
def face_top(eta, place, layer, axis):
    """Largest value of a layer across an axis."""
    if axis == 0:
        return layer_top(eta, place, PLANE + WIDE + layer, (PLANE, WIDE))
    if axis == 1:
        return layer_top(eta, place, PLANE + layer * WIDE + 1, (PLANE, 1))
    return layer_top(eta, place, layer * PLANE + WIDE + 1, (WIDE, 1))


@njit(cache=True)
def face_index(n, layer, axis):
    """Index of cell n of 64 in a layer across an axis."""
    u, v = n // SIDE + 1, n % SIDE + 1
    if axis == 0:
        return u * PLANE + v * WIDE + layer
    if axis == 1:
        return u * PLANE + v + layer * WIDE
    return u * WIDE + v + layer * PLANE


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
    """Lets in the grains of a neighbour whose tail at the face is at least `least`."""
    layer = SIDE if direction % 2 == 0 else 1
    for slot in range(pool.count[other]):
        if find(pool, row, pool.labels[other, slot]) == NO_SLOT:
            top = face_top(pool.eta, pool.places[other, slot], layer, direction // 2)
            if top >= least and not let_in(pool, row, pool.labels[other, slot]):
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
def set_ghosts(pool, row, other, direction, valid):
    """Ghosts of all order parameters of a row on the side of a neighbour on this rank.

    `other` may be BORDER: no flux, the ghosts equal the cells before them.
    """
    axis, upper = direction // 2, direction % 2
    ghost = valid + 1 if upper else 0
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        if other == BORDER:
            copy_face(pool.eta, place, valid if upper else 1, place, ghost, axis)
            continue
        source = find(pool, other, pool.labels[row, slot])
        if source == NO_SLOT:
            copy_face(pool.eta, BLANK, 0, place, ghost, axis)
        else:
            copy_face(pool.eta, source, 1 if upper else SIDE, place, ghost, axis)


@njit(cache=True)
def set_remote_ghosts(pool, row, faces, number, direction):
    """The same for a neighbour on another rank."""
    axis, ghost = direction // 2, SIDE + 1 if direction % 2 else 0
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        copy_face(pool.eta, BLANK, 0, place, ghost, axis)
        for entry in range(faces.starts[number], faces.starts[number + 1]):
            if faces.labels[entry] == pool.labels[row, slot]:
                for n in range(FACE):
                    pool.eta[place, face_index(n, ghost, axis)] = faces.values[entry, n]


@njit(cache=True)
def fill_ghosts(pool, rows, neighbours, valid, faces, least):
    """Ghosts of the rows from their six neighbours; False if the pool is too small: to be repeated.

    neighbours  (n, 6)  row of each neighbour, BORDER, or -2 - number of a remote face
    valid       (n, 3)  cells of the metal along x, y, z
    least       (n,)    largest tail that cannot raise an eta of a row to the cutoff in this step

    Directions 0 to 5 are -x, +x, -y, +y, -z, +z.
    """
    for n in range(len(rows)):
        row = rows[n]
        for d in range(6):
            other = neighbours[n, d]
            if other >= 0:
                roomy = newcomers(pool, row, other, d, least[n])
            else:
                roomy = other == BORDER or remote_newcomers(pool, row, faces, -2 - other, least[n])
            if not roomy:
                return False
        for d in range(6):
            other = neighbours[n, d]
            if other >= BORDER:
                set_ghosts(pool, row, other, d, valid[n, d // 2])
            else:
                set_remote_ghosts(pool, row, faces, -2 - other, d)
    return True


@njit(cache=True)
def advance_eta(eta, place, factor, mobility, n, law, out):
    """out = eta - M (eta (a + (1 - 4 gamma) eta^2) - K sum of neighbours), a = `factor`."""
    cubic, gradient = law.cubic, law.gradient
    for i in range(START, STOP):
        around = (
            (eta[place, i - 1] + eta[place, i + 1]) + (eta[place, i - WIDE] + eta[place, i + WIDE])
        ) + (eta[place, i - PLANE] + eta[place, i + PLANE])
        c = eta[place, i]
        out[i] = c - mobility[n, i] * (c * (factor[i] + cubic * (c * c)) - gradient * around)


@njit(cache=True)
def keep(eta, place, out, mobility, n, cutoff):
    """eta = out where it reaches the cutoff, zero elsewhere; how many cells are not zero."""
    count, zero = 0, cutoff - cutoff
    for i in range(START, STOP):
        stays = out[i] >= cutoff
        eta[place, i] = out[i] if stays else zero
        count += 1 if stays and mobility[n, i] > zero else 0
    return count


@njit(cache=True)
def note_change(eta, place, out, mobility, n):
    """Largest |out - eta| where the metal is."""
    top = 0.0
    for i in range(START, STOP):
        if mobility[n, i] > 0:
            top = max(top, abs(np.float64(out[i]) - np.float64(eta[place, i])))
    return top


@njit(cache=True)
def interaction(pool, row, law, melting, n, factor):
    """factor = 4 gamma sum of eta^2 + 2 (1 - zeta)^2 + 6 K - 1, `melting` being the second term."""
    factor[:] = 0
    eta = pool.eta
    for slot in range(pool.count[row]):
        place = pool.places[row, slot]
        for i in range(ROOM):
            factor[i] += eta[place, i] * eta[place, i]
    for i in range(ROOM):
        factor[i] = law.interaction * factor[i] + (melting[n, i] + law.offset)


@njit(cache=True)
def advance(pool, rows, law, mobility, melting, change):
    """One explicit step of every order parameter of the rows, their ghosts being filled.

    mobility, melting  (n, 1000)  L m dt, 2 (1 - zeta)^2; zero outside of the metal and in ghosts
    change             (n,)       largest change of an eta, or (0,) where it is not asked for
    """
    factor, out = np.zeros(ROOM, pool.eta.dtype), np.zeros(ROOM, pool.eta.dtype)
    for n in range(len(rows)):
        row = rows[n]
        interaction(pool, row, law, melting, n, factor)
        slot = 0
        while slot < pool.count[row]:
            place = pool.places[row, slot]
            advance_eta(pool.eta, place, factor, mobility, n, law, out)
            if len(change):
                change[n] = max(change[n], note_change(pool.eta, place, out, mobility, n))
            if keep(pool.eta, place, out, mobility, n, law.cutoff):
                slot += 1
            else:
                remove(pool, row, slot)


@njit(cache=True)
def winners(pool, row, valid, labels):
    """labels (8, 8, 8) = grain of the largest eta in each cell; returns the least of these eta."""
    least = 2.0
    for k in range(valid[2]):
        for j in range(valid[1]):
            for i in range(valid[0]):
                cell = ((k + 1) * WIDE + j + 1) * WIDE + i + 1
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
                for slot in range(pool.count[row]):
                    cell = ((k + 1) * WIDE + j + 1) * WIDE + i + 1
                    total += pool.eta[pool.places[row, slot], cell]
                if total < 0.5:
                    labels[k, j, i] = -1


@njit(cache=True)
def largest(pool, row, cell):
    """Grain of the largest eta of a cell, and that eta; -1 and 0 where all are zero."""
    label, value = np.int64(-1), 0.0
    for slot in range(pool.count[row]):
        eta = pool.eta[pool.places[row, slot], cell]
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
                pool.eta[place, ((k + 1) * WIDE + j + 1) * WIDE + i + 1] = 1
    return 0


@njit(cache=True)
def pack_faces(pool, rows, directions, faces):
    """Fills starts, labels, values with faces of rows that lie towards `directions`; how many."""
    entry = 0
    for n in range(len(rows)):
        faces.starts[n] = entry
        axis, layer = directions[n] // 2, SIDE if directions[n] % 2 else 1
        for slot in range(pool.count[rows[n]]):
            place = pool.places[rows[n], slot]
            if face_top(pool.eta, place, layer, axis) > 0:
                faces.labels[entry] = pool.labels[rows[n], slot]
                for i in range(FACE):
                    faces.values[entry, i] = pool.eta[place, face_index(i, layer, axis)]
                entry += 1
    faces.starts[len(rows)] = entry
    return entry
