"""The conductivity of cells where it depends on the temperature.

Eq. (5), k = (1 - r_c) k_powder + g k_melt + (r_c - g) k_solid, with every k at the cell's mean
temperature T; the liquid fraction g depends on T alone, so that
    k = k_powder(T) + r_c (k_solid - k_powder)(T) + (g (k_melt - k_solid))(T).
"""

import numpy as np

from ..compiled import kernel
from .stencil import slab

STEP = 2.0  # K, between the rows of a table


def make_conductivity_table(material) -> np.ndarray:
    """(n, 3) W/(m K): k_powder, k_solid - k_powder, g (k_melt - k_solid) at 0, STEP, 2 STEP, ... K.

    The last row counts for all higher temperatures; no row where no conductivity is a table.
    """
    names = ("conductivity_powder", "conductivity_solid", "conductivity_melt")
    curves = [material.curves[name] for name in names if name in material.curves]
    if not curves:
        return np.zeros((0, 3))
    last = max(material.liquidus, *(curve.T[-1] for curve in curves))
    nodes = STEP * np.arange(int(np.ceil(last / STEP)) + 1)
    powder, solid, melt = (values_at(material, name, nodes) for name in names)
    liquid = (nodes - material.solidus) / (material.liquidus - material.solidus)
    return np.stack([powder, solid - powder, np.clip(liquid, 0.0, 1.0) * (melt - solid)], axis=1)


def values_at(material, name: str, temperature: np.ndarray) -> np.ndarray:
    """(n,) a property of a material at temperatures (n,) in K."""
    if name not in material.curves:
        return np.full(len(temperature), getattr(material, name))
    return np.interp(temperature, material.curves[name].T, material.curves[name].value)


@kernel()
def vary_kappa(values, active, size, table, consolidated, kappa):
    """kappa = k(r_c, mean T) of the cells of a block, W/(m K).

    values        ((B+1)^3 + padding,)  K
    table         (n, 3)                as from make_conductivity_table
    consolidated  (B^3,)                r_c, already that of these temperatures
    kappa         (B N,)                only the places of cells are written
    """
    n, pitch, width = len(size), len(size) + 1, slab(size)
    plane, last = pitch * pitch, len(table) - 1
    for k in range(active):
        for j in range(n):
            at, cell = (k * pitch + j) * pitch, (k * n + j) * n
            target = k * width + j * pitch
            for i in range(n):
                low = values[at + i] + values[at + i + 1]
                low += values[at + i + pitch] + values[at + i + pitch + 1]
                high = values[at + plane + i] + values[at + plane + i + 1]
                high += values[at + plane + i + pitch] + values[at + plane + i + pitch + 1]
                place = max((0.125 / STEP) * (low + high), 0.0)
                row = min(max(int(place), 0), last - 1)
                above = min(place - row, 1.0)
                lower, upper, r = table[row], table[row + 1], consolidated[cell + i]
                first = lower[0] + r * lower[1] + lower[2]
                second = upper[0] + r * upper[1] + upper[2]
                kappa[target + i] = first + above * (second - first)
