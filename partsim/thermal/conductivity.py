"""The conductivity of cells where it depends on the temperature.

Eq. (5), k = (1 - r_c) k_powder + g k_melt + (r_c - g) k_solid, with every k at the cell's mean
temperature T; the liquid fraction g depends on T alone, so that
    k = k_powder(T) + r_c (k_solid - k_powder)(T) + (g (k_melt - k_solid))(T).
"""

import numpy as np

from ..compiled import kernel
from .stencil import slab

STEP = 2.0  # K, between the rows of a table
STRAIGHT = 1e-10  # W/(m K), by which round-off may bend a straight line in one row
POWDER, SOLID, MELT = 0, 1, 2  # W/(m K): k_powder, k_solid - k_powder, g (k_melt - k_solid)
FROM, TO = 3, 4  # rows between which all of these are straight, this row and the next among them
COLUMNS = 5


def make_conductivity_table(material) -> np.ndarray:
    """(n, COLUMNS) of conductivities at 0, STEP, 2 STEP, ... K.

    The last row counts for all higher temperatures; no row where no conductivity is a table.
    """
    names = ("conductivity_powder", "conductivity_solid", "conductivity_melt")
    curves = [material.curves[name] for name in names if name in material.curves]
    if not curves:
        return np.zeros((0, COLUMNS))
    last = max(material.liquidus, *(curve.T[-1] for curve in curves))
    nodes = STEP * np.arange(int(np.ceil(last / STEP)) + 1)
    powder, solid, melt = (values_at(material, name, nodes) for name in names)
    liquid = (nodes - material.solidus) / (material.liquidus - material.solidus)
    table = np.zeros((len(nodes), COLUMNS))
    table[:, POWDER], table[:, SOLID] = powder, solid - powder
    table[:, MELT] = np.clip(liquid, 0.0, 1.0) * (melt - solid)
    bend = np.abs(np.diff(table[:, :FROM], 2, axis=0)).max(axis=1)
    bends = np.r_[0, 1 + np.flatnonzero(bend > STRAIGHT), len(nodes) - 1]
    piece = np.searchsorted(bends, np.arange(len(nodes) - 1), side="right")
    table[:-1, FROM], table[:-1, TO] = bends[piece - 1], bends[piece]
    return table


def values_at(material, name: str, temperature: np.ndarray) -> np.ndarray:
    """(n,) a property of a material at temperatures (n,) in K."""
    if name not in material.curves:
        return np.full(len(temperature), getattr(material, name))
    return np.interp(temperature, material.curves[name].T, material.curves[name].value)


@kernel()
def vary_kappa(values, active, size, table, consolidated, kappa):
    """kappa = k(r_c, mean T) of the cells of a block, W/(m K).

    values        ((B+1)^3 + padding,)  K
    table         (n, COLUMNS)          as from make_conductivity_table
    consolidated  (B^3,)                r_c, already that of these temperatures
    kappa         (B N,)                only the places of cells are written
    """
    pitch = len(size) + 1
    at = table[min(max(int(values[0] * (1.0 / STEP)), 0), len(table) - 2)]
    low, high = at[FROM] * STEP, at[TO] * STEP
    if any_outside(values, pitch * pitch * (active + 1), low, high):
        look_up_kappa(values, active, size, table, consolidated, kappa)
    else:
        first, last = table[int(at[FROM])], table[int(at[TO])]
        straight_kappa(values, active, size, first, last, consolidated, kappa)


@kernel()
def any_outside(values, count, low, high):
    """Whether one of the first `count` values, or a NaN, lies outside a range."""
    outside = 0
    for n in range(count):
        outside |= np.int64(not ((values[n] >= low) & (values[n] <= high)))
    return outside != 0


@kernel(error_model="numpy")
def straight_kappa(values, active, size, first, last, consolidated, kappa):
    """vary_kappa where all temperatures lie between two rows of the table in a straight stretch."""
    n, pitch, width = len(size), len(size) + 1, slab(size)
    low, high = first[FROM] * STEP, first[TO] * STEP
    base, more = first[POWDER] + first[MELT], first[SOLID]
    base_rise = (last[POWDER] + last[MELT] - base) / (high - low)
    more_rise = (last[SOLID] - more) / (high - low)
    for k in range(active):
        for j in range(n):
            at, cell = (k * pitch + j) * pitch, (k * n + j) * n
            target = k * width + j * pitch
            for i in range(n):
                above = 0.125 * corner_sum(values, at + i, pitch) - low
                r = consolidated[cell + i]
                kappa[target + i] = (base + base_rise * above) + r * (more + more_rise * above)


@kernel(forceinline=True)
def corner_sum(values, at, pitch):
    """Sum of the temperatures at the corners of the cell whose lower corner is `at`."""
    up = at + pitch * pitch
    low = values[at] + values[at + 1]
    low += values[at + pitch] + values[at + pitch + 1]
    high = values[up] + values[up + 1]
    high += values[up + pitch] + values[up + pitch + 1]
    return low + high


@kernel()
def look_up_kappa(values, active, size, table, consolidated, kappa):
    """vary_kappa at any temperatures."""
    n, pitch, width, last = len(size), len(size) + 1, slab(size), len(table) - 1
    for k in range(active):
        for j in range(n):
            at, cell = (k * pitch + j) * pitch, (k * n + j) * n
            target = k * width + j * pitch
            for i in range(n):
                place = max((0.125 / STEP) * corner_sum(values, at + i, pitch), 0.0)
                row = min(max(int(place), 0), last - 1)
                above = min(place - row, 1.0)
                lower, upper, r = table[row], table[row + 1], consolidated[cell + i]
                first = lower[POWDER] + r * lower[SOLID] + lower[MELT]
                second = upper[POWDER] + r * upper[SOLID] + upper[MELT]
                kappa[target + i] = first + above * (second - first)
