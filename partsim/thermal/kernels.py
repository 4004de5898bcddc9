"""Conduction, consolidation and the explicit update of a rank's blocks.

The stiffness of a trilinear cube of edge h and conductivity kappa acts as
    r_i = kappa h / 12 (4 T_i - sum of the three face diagonals - the body diagonal of node i),
so no matrix is needed. A block is worked on as flat rows: slabs of N entries, N = (B+1)^2 rounded
up to whole vectors, in which every entry is treated as the lower corner of a cell and those that
are not one have kappa = 0. `size` is a tuple with B entries, because the length of a tuple is
known when a kernel is compiled.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..mesh.local import Tables, gather, restrict
from .source import add_beam


class Conduction(NamedTuple):
    """What conduction needs of a rank's nb blocks.

    size          B zeros
    tables        where the nodes are
    edge          (nb,)      m, edge of a cell
    corner        (nb, 3)    lattice corner
    consolidated  (nb, B^3)  consolidated fraction r_c
    solid         (nb,)      whether r_c = 1 in the whole block and k does not depend on more
    law           (k_powder, k_melt, k_solid, T_solidus, T_liquidus)
    """

    size: tuple
    tables: Tables
    edge: np.ndarray
    corner: np.ndarray
    consolidated: np.ndarray
    solid: np.ndarray
    law: tuple


class Workspace(NamedTuple):
    """Scratch arrays of one block."""

    values: np.ndarray
    flux: np.ndarray
    kappa: np.ndarray
    corners: np.ndarray
    solid_kappa: np.ndarray


@njit(cache=True, inline="always")
def slab(size):
    """Entries of a slab of a block, rounded up to whole vectors."""
    return ((len(size) + 1) ** 2 + 7) // 8 * 8


@njit(cache=True)
def make_workspace(size, k_solid):
    """Scratch arrays for blocks of len(size)^3 cells; solid_kappa is k_solid in every cell."""
    n, pitch, width = len(size), len(size) + 1, slab(size)
    length = pitch**3 + width + 16
    region = (width + pitch + 1 + 7) // 8 * 8
    solid_kappa = np.zeros(n * width)
    for k in range(n):
        for j in range(n):
            for i in range(n):
                solid_kappa[k * width + j * pitch + i] = k_solid
    return Workspace(
        np.zeros(length), np.zeros(length), np.zeros(n * width), np.zeros(8 * region), solid_kappa
    )


@njit(cache=True)
def conduct(values, kappa, scale, active, size, corners, flux):
    """flux = K values on the `active` lowest cell layers of a block.

    values, flux  ((B+1)^3 + padding,)  K, W
    kappa         (B N,)                W/(m K), zero where no cell starts
    scale         m, h/12
    corners       (8 regions,)          what each cell gives to its corners; its gaps stay zero
    """
    pitch = len(size) + 1
    plane, width = pitch * pitch, slab(size)
    region = (width + pitch + 1 + 7) // 8 * 8
    gap = pitch + 1
    for n in range(width):
        flux[n] = 0.0
    for k in range(active):
        low, row = k * plane, k * width
        high = low + plane
        for c in range(width):
            l0, l1 = values[low + c], values[low + c + 1]
            l2, l3 = values[low + c + pitch], values[low + c + pitch + 1]
            u0, u1 = values[high + c], values[high + c + 1]
            u2, u3 = values[high + c + pitch], values[high + c + pitch + 1]
            lower, upper = (l0 + l3) + (l1 + l2), (u0 + u3) + (u1 + u2)
            q = kappa[row + c] * scale
            corners[gap + c] = q * (4.0 * l0 - l3 - (upper - u0))
            corners[region + gap + c] = q * (4.0 * l1 - l2 - (upper - u1))
            corners[2 * region + gap + c] = q * (4.0 * l2 - l1 - (upper - u2))
            corners[3 * region + gap + c] = q * (4.0 * l3 - l0 - (upper - u3))
            corners[4 * region + gap + c] = q * (4.0 * u0 - u3 - (lower - l0))
            corners[5 * region + gap + c] = q * (4.0 * u1 - u2 - (lower - l1))
            corners[6 * region + gap + c] = q * (4.0 * u2 - u1 - (lower - l2))
            corners[7 * region + gap + c] = q * (4.0 * u3 - u0 - (lower - l3))
        for n in range(width):
            flux[low + n] += (corners[gap + n] + corners[region + gap + n - 1]) + (
                corners[2 * region + gap + n - pitch] + corners[3 * region + gap + n - pitch - 1]
            )
        for n in range(width):
            flux[high + n] = (
                corners[4 * region + gap + n] + corners[5 * region + gap + n - 1]
            ) + (corners[6 * region + gap + n - pitch] + corners[7 * region + gap + n - pitch - 1])


@njit(cache=True)
def consolidate(values, active, size, law, consolidated, kappa):
    """Per cell, (2)-(5): r_c <- max(r_c, g(mean T)), kappa = k_p (1-r_c) + k_m g + k_s (r_c-g).

    Returns the smallest r_c of the block's active cells, 0 if some cells are not active yet.
    """
    n, pitch, width = len(size), len(size) + 1, slab(size)
    plane = pitch * pitch
    k_powder, k_melt, k_solid, solidus, liquidus = law
    slope = 1.0 / (liquidus - solidus)
    least = 1.0 if active == n else 0.0
    for k in range(active):
        for j in range(n):
            at, cell = (k * pitch + j) * pitch, (k * n + j) * n
            target = k * width + j * pitch
            for i in range(n):
                low = values[at + i] + values[at + i + 1]
                low += values[at + i + pitch] + values[at + i + pitch + 1]
                high = values[at + plane + i] + values[at + plane + i + 1]
                high += values[at + plane + i + pitch] + values[at + plane + i + pitch + 1]
                g = (0.125 * (low + high) - solidus) * slope
                g = 0.0 if g < 0.0 else g
                g = 1.0 if g > 1.0 else g
                r = consolidated[cell + i]
                r = g if g > r else r
                consolidated[cell + i] = r
                kappa[target + i] = k_powder * (1.0 - r) + k_melt * g + k_solid * (r - g)
            for i in range(n):
                least = min(least, consolidated[cell + i])
    return least


@njit(cache=True)
def any_hotter(values, count, limit):
    """Whether one of the first `count` values exceeds the limit."""
    hotter = 0
    for n in range(count):
        hotter |= np.int64(values[n] > limit)
    return hotter != 0


@njit(cache=True)
def cold_kappa(active, size, law, consolidated, kappa):
    """What `consolidate` gives where no node is above the solidus: g = 0, r_c stays."""
    n, pitch, width = len(size), len(size) + 1, slab(size)
    k_powder, k_solid = law[0], law[2]
    for k in range(active):
        for j in range(n):
            cell, target = (k * n + j) * n, k * width + j * pitch
            for i in range(n):
                r = consolidated[cell + i]
                kappa[target + i] = k_powder * (1.0 - r) + k_solid * r


@njit(cache=True, forceinline=True)
def block_kappa(block, conduction, work):
    """The conductivity of a block with the temperatures work.values; renews r_c and `solid`."""
    if conduction.solid[block]:
        return work.solid_kappa
    size, law, active = conduction.size, conduction.law, conduction.tables.active[block]
    consolidated = conduction.consolidated[block]
    if not any_hotter(work.values, (len(size) + 1) ** 2 * (active + 1), law[3]):
        cold_kappa(active, size, law, consolidated, work.kappa)
        return work.kappa
    least = consolidate(work.values, active, size, law, consolidated, work.kappa)
    conduction.solid[block] = least == 1.0 and law[1] == law[2]
    return work.kappa


@njit(cache=True, forceinline=True)
def scatter(block, tables, flux, contributions):
    """Adds the surface part of a block's flux to its nodes, after hanging nodes to masters."""
    if tables.hanging[block]:
        restrict(flux, tables.hanging[block], tables.size)
    first = tables.surface_first[block]
    positions = tables.positions[tables.active[block]]
    for entry in range(tables.surface_first[block + 1] - first):
        contributions[tables.surface_slot[first + entry]] += flux[positions[entry]]


@njit(cache=True)
def sweep(temperature, contributions, conduction, beam, rates, work):
    """One explicit step of all blocks: interior nodes are updated, surface nodes collect flux.

    temperature    (n_total,)  K; interior nodes are read by their own block only, so they are
                   overwritten at once: T <- T - dt/m (K T - load)
    contributions  (n_slots,)  W, zero on entry
    beam           the source of the step
    rates          (nb,)       s/(J/K), dt over the lumped mass of an interior node

    Returns the highest old temperature in the blocks that the beam reaches, 0 if there is none.
    """
    size, tables = conduction.size, conduction.tables
    n, pitch = len(size), len(size) + 1
    peak = 0.0
    for block in range(len(tables.active)):
        gather(temperature, tables, block, work.values)
        active = tables.active[block]
        kappa = block_kappa(block, conduction, work)
        conduct(
            work.values, kappa, conduction.edge[block] / 12, active, size, work.corners, work.flux
        )
        if beam.count and add_beam(beam, conduction.corner[block], active, n, work.flux):
            peak = max(peak, work.values[: pitch * pitch * (active + 1)].max())
        rate, target = rates[block], tables.interior_first[block]
        for k in range(1, active):
            for j in range(1, n):
                row = (k * pitch + j) * pitch + 1
                for i in range(n - 1):
                    temperature[target + i] -= rate * work.flux[row + i]
                target += n - 1
        scatter(block, tables, work.flux, contributions)
    return peak


@njit(cache=True)
def finish_surface(temperature, contributions, rates):
    """T <- T - (dt/m) R at the surface nodes (rates is zero at fixed ones); R becomes zero."""
    for node in range(len(rates)):
        temperature[node] -= rates[node] * contributions[node]
        contributions[node] = 0.0


@njit(cache=True)
def store_kappa(temperature, conduction, work, kappa, diagonal):
    """kappa (nb, B N) at this temperature, and the diagonal of K (nb, (B+1)^3), W/K."""
    size = conduction.size
    n, pitch, width = len(size), len(size) + 1, slab(size)
    for block in range(len(conduction.edge)):
        gather(temperature, conduction.tables, block, work.values)
        kappa[block] = block_kappa(block, conduction, work)
        own = diagonal[block]
        own[:] = 0.0
        for k in range(conduction.tables.active[block]):
            for j in range(n):
                for i in range(n):
                    share = kappa[block, k * width + j * pitch + i] * conduction.edge[block] / 3
                    for corner in range(8):
                        z, y, x = k + corner // 4, j + corner // 2 % 2, i + corner % 2
                        own[(z * pitch + y) * pitch + x] += share


@njit(cache=True)
def apply(vector, conduction, kappa, work, contributions, result):
    """result = K vector at interior nodes, contributions += K vector at surface nodes.

    kappa  (nb, B N)  W/(m K), as from store_kappa
    """
    size, tables = conduction.size, conduction.tables
    n, pitch = len(size), len(size) + 1
    for block in range(len(tables.active)):
        gather(vector, tables, block, work.values)
        active = tables.active[block]
        scale = conduction.edge[block] / 12
        conduct(work.values, kappa[block], scale, active, size, work.corners, work.flux)
        target = tables.interior_first[block]
        for k in range(1, active):
            for j in range(1, n):
                row = (k * pitch + j) * pitch + 1
                for i in range(n - 1):
                    result[target + i] = work.flux[row + i]
                target += n - 1
        scatter(block, tables, work.flux, contributions)
