"""What the history fields say about the mesh: where cells may merge or are too coarse."""

import numpy as np
from numba import njit

from .local import interpolate_line

FAR = 1e9  # rows from what is known where nothing is known


@njit(cache=True)
def interpolate_between(work, step, size):
    """Replaces the values between every (2*step)-th node by their trilinear interpolant."""
    pitch = size + 1
    plane = pitch * pitch
    for k in range(0, pitch, 2 * step):
        for j in range(0, pitch, 2 * step):
            interpolate_line(work, k * plane + j * pitch, step, size // step)
    for k in range(0, pitch, 2 * step):
        for i in range(0, pitch, step):
            interpolate_line(work, k * plane + i, step * pitch, size // step)
    for j in range(0, pitch, step):
        for i in range(0, pitch, step):
            interpolate_line(work, j * pitch + i, step * plane, size // step)


@njit(cache=True)
def deviation(values, counts, step, size, work):
    """Largest |value - interpolant of every (2*step)-th node| over every step-th node that counts.

    values, work  ((B+1)^3,)
    counts        ((B+1)^3,) whether a node counts
    """
    pitch = size + 1
    work[:] = values
    interpolate_between(work, step, size)
    largest = 0.0
    for k in range(0, pitch, step):
        for j in range(0, pitch, step):
            for i in range(0, pitch, step):
                at = (k * pitch + j) * pitch + i
                if counts[at]:
                    largest = max(largest, abs(values[at] - work[at]))
    return largest


@njit(cache=True)
def consolidated_nodes(consolidated, size, counts):
    """counts ((B+1)^3,) = whether a node touches a cell of the block with r_c >= 0.5."""
    pitch = size + 1
    counts[:] = False
    for k in range(size):
        for j in range(size):
            for i in range(size):
                if consolidated[(k * size + j) * size + i] >= 0.5:
                    for corner in range(8):
                        z, y, x = k + corner // 4, j + corner // 2 % 2, i + corner % 2
                        counts[(z * pitch + y) * pitch + x] = True


@njit(cache=True)
def cell_deviation(consolidated, size):
    """Largest |value - mean of its 2x2x2 cells| over the cells of a block."""
    largest = 0.0
    for k in range(0, size, 2):
        for j in range(0, size, 2):
            for i in range(0, size, 2):
                mean = 0.0
                for corner in range(8):
                    z, y, x = k + corner // 4, j + corner // 2 % 2, i + corner % 2
                    mean += consolidated[(z * size + y) * size + x] / 8
                for corner in range(8):
                    z, y, x = k + corner // 4, j + corner // 2 % 2, i + corner % 2
                    largest = max(largest, abs(consolidated[(z * size + y) * size + x] - mean))
    return largest


@njit(cache=True)
def range_in_cells(values, counts, size):
    """Largest difference between two nodes of one doubled cell (2x2x2 cells) of a block."""
    pitch = size + 1
    largest = 0.0
    for k in range(0, size, 2):
        for j in range(0, size, 2):
            for i in range(0, size, 2):
                low, high = np.inf, -np.inf
                for z in range(k, k + 3):
                    for y in range(j, j + 3):
                        for x in range(i, i + 3):
                            at = (z * pitch + y) * pitch + x
                            if counts[at]:
                                low, high = min(low, values[at]), max(high, values[at])
                if high > low:
                    largest = max(largest, high - low)
    return largest


@njit(cache=True)
def block_errors(values, consolidated, size, errors):
    """What merging would lose, per block, as the maximum over the history fields.

    values        (fields, nb, (B+1)^3)
    consolidated  (nb, B^3)
    errors        (4, nb)  deviation of the fields from the interpolant on doubled cells; the same
                  one level further (error of the parents' own cells); range in doubled cells;
                  deviation of r_c from its mean in doubled cells
    """
    work = np.empty(values.shape[2])
    counts = np.empty(values.shape[2], np.bool_)
    errors[:] = 0.0
    for block in range(values.shape[1]):
        consolidated_nodes(consolidated[block], size, counts)
        errors[3, block] = cell_deviation(consolidated[block], size)
        for name in range(values.shape[0]):
            own = values[name, block]
            errors[0, block] = max(errors[0, block], deviation(own, counts, 1, size, work))
            errors[1, block] = max(errors[1, block], deviation(own, counts, 2, size, work))
            errors[2, block] = max(errors[2, block], range_in_cells(own, counts, size))


@njit(cache=True)
def spread_outward(values, rows, size):
    """Gives the unknown nodes of a block the mean of known neighbours, row by row from these.

    values  ((B+1)^3,)  updated
    rows    ((B+1)^3,)  how many rows away from what is known, FAR where nothing is yet; updated
    """
    pitch = size + 1
    before, old = rows.copy(), values.copy()
    for row in range(1, 3 * size + 1):
        before[:], old[:] = rows, values
        if before.max() < FAR:
            break
        for at in range(len(values)):
            if before[at] < FAR:
                continue
            total, count, place = 0.0, 0, (at % pitch, at // pitch % pitch, at // pitch**2)
            for axis in range(3):
                step = pitch**axis
                if place[axis] > 0 and before[at - step] < FAR:
                    total, count = total + old[at - step], count + 1
                if place[axis] < size and before[at + step] < FAR:
                    total, count = total + old[at + step], count + 1
            if count > 0:
                values[at], rows[at] = total / count, row


@njit(cache=True)
def spread_blocks(values, rows, size):
    """`spread_outward` for each block, values and rows (nb, (B+1)^3)."""
    for block in range(len(values)):
        spread_outward(values[block], rows[block], size)


def deep_blocks(leaves, top: int, band: int) -> np.ndarray:
    """(n,) whether blocks lie lower than `band` finest cells below the top."""
    return leaves.corner[:, 2] + leaves.edge <= top - band


def merge_once(leaves, top: int, band: int) -> np.ndarray:
    """(n,) whether blocks merge whatever the r_c in them: finest ones below the surface band."""
    return deep_blocks(leaves, top, band) & (leaves.level == leaves.depth)


def extend_history(mesh, state: dict[str, np.ndarray], names: list[str], deep: np.ndarray) -> None:
    """Continues the history fields into the powder beside the part, in the leaves `deep` (n,).

    Nodes that touch nothing consolidated have no history that counts. With that of their
    neighbours the fields stay smooth where cells of part and powder merge. Of the blocks around a
    node the one in which it is nearest to what counts gives the value. Collective.
    """
    size, own = mesh.lattice.block, np.flatnonzero(deep[mesh.own])
    counts = np.zeros(mesh.block_shape(), bool)
    for block, cells in enumerate(state["consolidated"]):
        consolidated_nodes(cells, size, counts[block])
    counted = mesh.largest(counts.astype(float)) > 0
    known = mesh.some_blocks(counted.astype(float), own) == 1.0
    for name in names:
        values, rows = mesh.some_blocks(state[name], own), np.where(known, 0.0, FAR)
        spread_blocks(values, rows, size)
        away, spread = np.full(mesh.block_shape(), FAR), np.full(mesh.block_shape(), -np.inf)
        away[own] = rows * mesh.leaves.stride[mesh.own[own], None]
        nearest = -mesh.largest(-away)
        chosen = (rows < FAR) & (away[own] == mesh.some_blocks(nearest, own))
        spread[own] = np.where(chosen, values, -np.inf)
        found = mesh.largest(spread)
        state[name][:] = np.where(counted | np.isneginf(found), state[name], found)


def wishes(
    mesh, state: dict[str, np.ndarray], names: list[str], inputs
) -> tuple[np.ndarray, np.ndarray]:
    """(n,) leaves to split and (n,) leaves to merge, for all leaves on all ranks.

    inputs  the job's mesh section: coarsen ("interpolant", "equal", "never"), coarsen_tolerance,
            refine_tolerance, surface_band. Merging is refused where the parent would at once be
            split again. Below the surface band finest blocks merge once whatever the r_c in them;
            so do those of the plate whatever their phases.
    """
    leaves, lattice = mesh.leaves, mesh.lattice
    deep = deep_blocks(leaves, mesh.top, inputs.surface_band)
    values = np.stack([mesh.to_blocks(state[name]) for name in names])
    errors = np.zeros((4, mesh.n_blocks))
    block_errors(values, state["consolidated"], lattice.block, errors)
    interpolant, parents, spread, jump = mesh.everywhere(errors.T).T
    complete = mesh.active == lattice.block
    finer = np.maximum(interpolant, np.where(deep, 0.0, jump)) > inputs.refine_tolerance
    finer &= complete & ~kept_coarse(leaves, lattice, deep)
    if inputs.coarsen == "never":
        return np.zeros_like(finer), np.zeros_like(finer)
    once = merge_once(leaves, mesh.top, inputs.surface_band)
    measure = np.maximum(spread if inputs.coarsen == "equal" else interpolant,
                         np.where(once, 0.0, jump))
    mergeable = (measure <= inputs.coarsen_tolerance) & (parents <= inputs.refine_tolerance)
    mergeable |= once & (leaves.corner[:, 2] < lattice.plate)
    return finer, complete & mergeable


def kept_coarse(leaves, lattice, deep: np.ndarray) -> np.ndarray:
    """(n,) whether blocks have merged once in the plate, so that only growth splits them."""
    in_plate = leaves.corner[:, 2] < lattice.plate
    return deep & in_plate & (leaves.level == lattice.depth - 1)
