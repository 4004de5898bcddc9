"""Conduction, consolidation and the explicit update of a rank's blocks, one block after another."""

from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import kernel
from ..mesh.local import Tables, gather, scatter
from .conductivity import corner_sum, vary_kappa
from .content import walk
from .source import add_beam
from .stencil import GAP, conduct, conduct_uniform, make_weights, slab


class Conduction(NamedTuple):
    """What conduction needs of a rank's nb blocks.

    size          B zeros
    tables        where the nodes are
    edge          (nb,)      m, edge of a cell
    corner        (nb, 3)    lattice corner
    consolidated  (nb, B^3)  consolidated fraction r_c
    solid         (nb,)      whether r_c = 1 in the whole block and k does not depend on more
    law           (k_powder, k_melt, k_solid, T_solidus, T_liquidus)
    table         (n, COLUMNS)  k(T) as in .conductivity; n = 0 where the k of `law` are constant
    """

    size: tuple
    tables: Tables
    edge: np.ndarray
    corner: np.ndarray
    consolidated: np.ndarray
    solid: np.ndarray
    law: tuple
    table: np.ndarray


class Workspace(NamedTuple):
    """Scratch arrays of one block; `weights`, `own` and `aside` are those of conduct_uniform."""

    values: np.ndarray
    flux: np.ndarray
    kappa: np.ndarray
    corners: np.ndarray
    padded: np.ndarray
    weights: np.ndarray
    own: np.ndarray
    aside: np.ndarray


@njit(cache=True)
def make_workspace(size):
    """Scratch arrays for blocks of len(size)^3 cells."""
    n, pitch, width = len(size), len(size) + 1, slab(size)
    length = pitch**3 + width + 16
    padded = np.zeros(GAP + length)
    return Workspace(
        padded[GAP:],
        np.zeros(length),
        np.zeros(n * width),
        np.zeros(8 * (width + GAP)),
        padded,
        make_weights(size),
        np.zeros(pitch * width),
        np.zeros(pitch * (width + 2 * GAP)),
    )


@kernel(forceinline=True)
def conduct_block(block, conduction, work):
    """work.flux = K work.values, with the conductivity work.kappa where it varies."""
    size, scale = conduction.size, conduction.edge[block] / 12
    if conduction.solid[block]:
        scale *= conduction.law[2]
        conduct_uniform(work.padded, scale, size, work.weights, work.own, work.aside, work.flux)
    else:
        active = conduction.tables.active[block]
        conduct(work.values, work.kappa, scale, active, size, work.corners, work.flux)


@kernel()
def consolidate(values, active, size, law, consolidated, kappa):
    """Per cell, (2)-(5): r_c <- max(r_c, g(mean T)), kappa = k_p (1-r_c) + k_m g + k_s (r_c-g).

    Returns the smallest r_c of the block's active cells, 0 if some cells are not active yet.
    """
    n, pitch, width = len(size), len(size) + 1, slab(size)
    k_powder, k_melt, k_solid, solidus, liquidus = law
    slope = 1.0 / (liquidus - solidus)
    least = 1.0 if active == n else 0.0
    for k in range(active):
        for j in range(n):
            at, cell = (k * pitch + j) * pitch, (k * n + j) * n
            target = k * width + j * pitch
            for i in range(n):
                g = (0.125 * corner_sum(values, at + i, pitch) - solidus) * slope
                g = 0.0 if g < 0.0 else g
                g = 1.0 if g > 1.0 else g
                r = consolidated[cell + i]
                r = g if g > r else r
                consolidated[cell + i] = r
                kappa[target + i] = k_powder * (1.0 - r) + k_melt * g + k_solid * (r - g)
            for i in range(n):
                least = min(least, consolidated[cell + i])
    return least


@kernel()
def any_hotter(values, count, limit):
    """Whether one of the first `count` values exceeds the limit."""
    hotter = 0
    for n in range(count):
        hotter |= np.int64(values[n] > limit)
    return hotter != 0


@kernel()
def hottest(values, count):
    """The largest of the first `count` values, none of which is negative."""
    largest = 0.0
    for n in range(count):
        largest = max(largest, values[n])
    return largest


@kernel()
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


@kernel(forceinline=True)
def renew_kappa(block, conduction, work):
    """work.kappa, r_c and `solid` of a block that is not solid, at the temperatures work.values."""
    if conduction.solid[block]:
        return
    size, law, active = conduction.size, conduction.law, conduction.tables.active[block]
    consolidated, varies = conduction.consolidated[block], len(conduction.table) > 0
    if any_hotter(work.values, (len(size) + 1) ** 2 * (active + 1), law[3]):
        least = consolidate(work.values, active, size, law, consolidated, work.kappa)
        conduction.solid[block] = least == 1.0 and law[1] == law[2] and not varies
    elif not varies:
        cold_kappa(active, size, law, consolidated, work.kappa)
    if varies:
        vary_kappa(work.values, active, size, conduction.table, consolidated, work.kappa)


@kernel(forceinline=True)
def sweep_block(block, arrays, conduction, beam, rate, table, work):
    """One explicit step of a block; arguments and result as of `sweep`, whose `arrays` are
    (temperature, new, contributions) and whose `rate` is that of the block.
    """
    temperature, new, contributions = arrays
    size, tables = conduction.size, conduction.tables
    n, pitch = len(size), len(size) + 1
    gather(temperature, tables, block, work.values)
    active, peak = tables.active[block], 0.0
    renew_kappa(block, conduction, work)
    conduct_block(block, conduction, work)
    if beam.count and add_beam(beam, conduction.corner[block], active, n, work.flux):
        peak = hottest(work.values, pitch * pitch * (active + 1))
    target = tables.interior_first[block]
    for k in range(1, active):
        for j in range(1, n):
            row = (k * pitch + j) * pitch + 1
            for i in range(n - 1):
                old, lost = work.values[row + i], rate * work.flux[row + i]
                if table is None:
                    new[target + i] = old - lost
                else:
                    new[target + i] = walk(old, -lost, table)
            target += n - 1
    scatter(work.flux, tables, block, contributions)
    return peak


@kernel()
def sweep(temperature, new, contributions, conduction, beam, rates, work, table=None):
    """One explicit step of all blocks: interior nodes are updated, surface nodes collect flux.

    temperature    (n_total,)  K
    new            (n_total,)  K, interior nodes get T - d with d = dt/m (K T - load), or where
                   there is a table the temperature with the heat content theta(T) - d; as they are
                   read by their own block only, `new` may be `temperature`
    contributions  (n_slots,)  W, zero on entry
    beam           the source of the step
    rates          (nb,)       s/(J/K), dt over the lumped mass of an interior node
    table          a ContentTable or None

    Returns the highest old temperature in the blocks that the beam reaches, 0 if there is none.
    """
    arrays, peak = (temperature, new, contributions), 0.0
    for block in range(len(conduction.tables.active)):
        peak = max(peak, sweep_block(block, arrays, conduction, beam, rates[block], table, work))
    return peak


@kernel()
def finish_surface(temperature, new, contributions, rates, table=None):
    """What `sweep` does, at the surface nodes with d = (dt/m) R (0 at fixed ones); R becomes 0."""
    for node in range(len(rates)):
        old, lost = temperature[node], rates[node] * contributions[node]
        if table is None:
            new[node] = old - lost
        else:
            new[node] = walk(old, -lost, table)
        contributions[node] = 0.0
