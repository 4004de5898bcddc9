"""Between the vectors of a rank and the (B+1)^3 nodes of one block: gather, hanging nodes, scatter.

A block's nodes lie in a flat array, x fastest, pitch P = B+1. Nodes strictly inside the block are
stored together in the vector; nodes on its surface are reached through tables. Hanging nodes (odd
positions on a face or edge that a coarser leaf touches) are in no vector: they are interpolated
after the gather, and what is collected at them goes to their masters, by the same weights, before
the scatter. Masters are even positions of the same face, so this needs nothing from outside.
"""

from typing import NamedTuple

import numpy as np

from ..compiled import kernel

INSIDE = 13  # of the 27 sides of a block, see sides.py


class Tables(NamedTuple):
    """Where the nodes of a rank's blocks are; S surface entries in all, nb blocks.

    size            B zeros, because the length of a tuple is known when a kernel is compiled
    surface_first   (nb+1,)       first surface entry of each block
    positions       (B+1, S_max)  flat local position of each surface entry, by active height
    surface_node    (S,)          where the entry's value is read (any valid place if hanging)
    surface_slot    (S,)          where the entry's contribution is added
    node_run        (nb, 27)      node of the first entry of each side that is a run, else 0
    slot_run        (nb, 27)      likewise its slot; a run has consecutive nodes and slots
    listed_first    (nb+1,)       the part of `listed` that belongs to each block
    listed          (L,)          entries, within their block, of no run that do not hang
    interior_first  (nb,)         place of the first interior node in the vector
    active          (nb,)         active height in cells
    hanging         (nb,)         bits 0-5: faces -x +x -y +y -z +z; bits 6-17: edges, see EDGES
    """

    size: tuple
    surface_first: np.ndarray
    positions: np.ndarray
    surface_node: np.ndarray
    surface_slot: np.ndarray
    node_run: np.ndarray
    slot_run: np.ndarray
    listed_first: np.ndarray
    listed: np.ndarray
    interior_first: np.ndarray
    active: np.ndarray
    hanging: np.ndarray


@kernel()
def interpolate_line(values, first, step, size):
    """values[odd] = mean of the two even neighbours along a line of size+1 nodes."""
    for u in range(1, size, 2):
        at = first + u * step
        values[at] = 0.5 * (values[at - step] + values[at + step])


@kernel()
def restrict_line(values, first, step, size):
    """The transpose of interpolate_line: odd values move to their neighbours and become zero."""
    for u in range(1, size, 2):
        at = first + u * step
        share = 0.5 * values[at]
        values[at - step] += share
        values[at + step] += share
        values[at] = 0.0


@kernel()
def face_frame(face, size):
    """First position and the two steps of a face; the first step is the lower axis."""
    pitch = size + 1
    steps = (1, pitch, pitch * pitch)
    axis = face // 2
    first = steps[axis] * size * (face % 2)
    if axis == 0:
        return first, steps[1], steps[2]
    if axis == 1:
        return first, steps[0], steps[2]
    return first, steps[0], steps[1]


@kernel()
def edge_frame(edge, size):
    """First position and the step of an edge (0-3 along x, 4-7 along y, 8-11 along z)."""
    pitch = size + 1
    steps = (1, pitch, pitch * pitch)
    axis, corner = edge // 4, edge % 4
    low = 1 if axis == 0 else 0
    high = 1 if axis == 2 else 2
    first = size * (steps[low] * (corner % 2) + steps[high] * (corner // 2))
    return first, steps[axis]


@kernel()
def interpolate(values, hanging, size):
    """Fills the hanging nodes of one block's `values` ((B+1)^3,) from their masters."""
    for face in range(6):
        if hanging >> face & 1:
            first, u, v = face_frame(face, size)
            for row in range(0, size + 1, 2):
                interpolate_line(values, first + row * v, u, size)
            for column in range(size + 1):
                interpolate_line(values, first + column * u, v, size)
    for edge in range(12):
        if hanging >> (6 + edge) & 1:
            first, step = edge_frame(edge, size)
            interpolate_line(values, first, step, size)


@kernel()
def restrict(values, hanging, size):
    """The transpose of interpolate: what is at hanging nodes goes to their masters."""
    for face in range(6):
        if hanging >> face & 1:
            first, u, v = face_frame(face, size)
            for column in range(size + 1):
                restrict_line(values, first + column * u, v, size)
            for row in range(0, size + 1, 2):
                restrict_line(values, first + row * v, u, size)
    for edge in range(12):
        if hanging >> (6 + edge) & 1:
            first, step = edge_frame(edge, size)
            restrict_line(values, first, step, size)


@kernel()
def restrict_blocks(values, hanging, size):
    """`restrict` of every row of `values` (nb, (B+1)^3) by its bits `hanging` (nb,)."""
    for block in range(len(hanging)):
        if hanging[block]:
            restrict(values[block], hanging[block], size)


@kernel(forceinline=True)
def span(part, size):
    """First place and number of places of a part of an axis: low end, between, high end.

    There are none where the size is 0: in a block that is not active yet.
    """
    return (0, 1, size)[part], (min(size, 1), size - 1, min(size, 1))[part]


@kernel(forceinline=True)
def gather(vector, tables, block, values):
    """values ((B+1)^3,) of one block from the rank's vector, hanging nodes interpolated.

    Sides are copied as if all were runs: those that are none read what is first in the vector,
    which has at least a face's worth of nodes, and get their values afterwards. Unsigned indices
    spare the test for negative ones.
    """
    size, active = len(tables.size), tables.active[block]
    one, inner, pitch = np.uint64(1), np.uint64(size - 1), np.uint64(size + 1)
    runs = tables.node_run[block]
    for z in range(3):
        for y in range(3):
            (k, planes), (j, rows) = span(z, active), span(y, size)
            side = 9 * z + 3 * y
            inside = side + 1 == INSIDE
            left, right = np.uint64(runs[side]), np.uint64(runs[side + 2])
            middle = np.uint64(tables.interior_first[block] if inside else runs[side + 1])
            for plane in range(k, k + planes):
                row = np.uint64((plane * (size + 1) + j) * (size + 1))
                for _ in range(rows):
                    values[row] = vector[left]
                    for i in range(inner):
                        values[row + one + i] = vector[middle + i]
                    values[row + inner + one] = vector[right]
                    left, middle, right, row = left + one, middle + inner, right + one, row + pitch
    first, positions = tables.surface_first[block], tables.positions[active]
    for at in range(tables.listed_first[block], tables.listed_first[block + 1]):
        entry = tables.listed[at]
        values[positions[entry]] = vector[tables.surface_node[first + entry]]
    if tables.hanging[block]:
        interpolate(values, tables.hanging[block], size)


@kernel(forceinline=True)
def scatter(values, tables, block, contributions):
    """Adds the surface part of a block's `values` to their slots, after hanging ones to masters.

    The values are used up: those of no run are added one by one and become zero, so that the sides
    can be added as if all were runs.
    """
    size, active = len(tables.size), tables.active[block]
    if tables.hanging[block]:
        restrict(values, tables.hanging[block], size)
    first, positions = tables.surface_first[block], tables.positions[active]
    for at in range(tables.listed_first[block], tables.listed_first[block + 1]):
        entry = tables.listed[at]
        contributions[tables.surface_slot[first + entry]] += values[positions[entry]]
        values[positions[entry]] = 0.0
    one, inner, pitch = np.uint64(1), np.uint64(size - 1), np.uint64(size + 1)
    runs = tables.slot_run[block]
    for z in range(3):
        for y in range(3):
            (k, planes), (j, rows) = span(z, active), span(y, size)
            side = 9 * z + 3 * y
            left, middle = np.uint64(runs[side]), np.uint64(runs[side + 1])
            right = np.uint64(runs[side + 2])
            for plane in range(k, k + planes):
                row = np.uint64((plane * (size + 1) + j) * (size + 1))
                for _ in range(rows):
                    contributions[left] += values[row]
                    if side + 1 != INSIDE:
                        for i in range(inner):
                            contributions[middle + i] += values[row + one + i]
                    contributions[right] += values[row + inner + one]
                    left, middle, right, row = left + one, middle + inner, right + one, row + pitch


@kernel()
def gather_blocks(vector, tables, values):
    """values (nb, (B+1)^3) of all blocks; rows above the active height are left as they are."""
    for block in range(len(tables.active)):
        gather(vector, tables, block, values[block])


@kernel()
def add_blocks(values, tables, contributions, interior):
    """Adds block-wise `values` (nb, (B+1)^3; used up) to their nodes, in block order.

    contributions  (slots,)  receives the surface entries
    interior       (n,)      the rank's vector, whose interior nodes are overwritten
    """
    size = len(tables.size)
    inner, pitch = size - 1, size + 1
    for block in range(len(tables.active)):
        own, active = values[block], tables.active[block]
        if tables.hanging[block]:
            restrict(own, tables.hanging[block], size)
        first = tables.surface_first[block]
        positions = tables.positions[active]
        for entry in range(tables.surface_first[block + 1] - first):
            contributions[tables.surface_slot[first + entry]] += own[positions[entry]]
        target = tables.interior_first[block]
        for k in range(1, active):
            for j in range(1, size):
                row = (k * pitch + j) * pitch + 1
                for i in range(inner):
                    interior[target + i] = own[row + i]
                target += inner


@kernel()
def raise_blocks(values, tables, largest, interior):
    """The same with the maximum instead of the sum; nothing is moved from hanging nodes."""
    size = len(tables.size)
    inner, pitch = size - 1, size + 1
    for block in range(len(tables.active)):
        own, active = values[block], tables.active[block]
        first = tables.surface_first[block]
        positions = tables.positions[active]
        for entry in range(tables.surface_first[block + 1] - first):
            slot = tables.surface_slot[first + entry]
            largest[slot] = max(largest[slot], own[positions[entry]])
        target = tables.interior_first[block]
        for k in range(1, active):
            for j in range(1, size):
                row = (k * pitch + j) * pitch + 1
                for i in range(inner):
                    interior[target + i] = own[row + i]
                target += inner


@kernel()
def sum_shared(contributions, first, slots, nodes):
    """contributions[node] = sum of its slots in key order; the slots become zero.

    first  (m+1,)  first slot of each shared node in `slots`
    nodes  (m,)    the shared nodes
    """
    for shared in range(len(nodes)):
        total = 0.0
        for at in range(first[shared], first[shared + 1]):
            total += contributions[slots[at]]
            contributions[slots[at]] = 0.0
        contributions[nodes[shared]] = total


@kernel()
def max_shared(contributions, first, slots, nodes):
    """contributions[node] = largest of its slots."""
    for shared in range(len(nodes)):
        largest = -np.inf
        for at in range(first[shared], first[shared + 1]):
            largest = max(largest, contributions[slots[at]])
        contributions[nodes[shared]] = largest
