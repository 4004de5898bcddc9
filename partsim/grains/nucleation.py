"""Classical nucleation, equations (16) and (17) of Xie 2026, cell by cell and step by step.

k_B T and the latent heat per volume stand where the paper prints kT and L: growjob.Nucleation.
"""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.chance import uniform
from partsim.grains.pool import (
    CELLS, DROPPED, FREE, NO_SLOT, SIDE, SQUARE, THROWN, THROWN_SOLID, eta_of, find, insert,
    largest, measure_row, put_value, remove,
)
from partsim.grains.sampling import between
from partsim.growjob import Nucleation

BOLTZMANN = 1.38e-23  # J/K, the program's digits
PLANCK = 6.626e-34  # J s
GAS = 8.314  # J/(mol K)
NUCLEUS = 2**40  # labels of nuclei begin here
TABLE = 4096  # steps of undercooling in the table
ORIENTATION = 2**31  # stream of the choice among a set of orientations
SOLID = 0.5  # eta above which a cell is solid


class Chance(NamedTuple):
    """Who nucleates.

    liquidus, deepest  K       table  (TABLE + 1,) probability in a step, of the undercooling
    in_solid           whether solid nucleates, too
    seed               of the random numbers
    merged             number of orientations of which grains of one are one grain; 0: none
    cells              (nz, ny, nx) of the window
    """

    liquidus: float
    deepest: float
    table: np.ndarray
    in_solid: bool
    seed: int
    merged: int
    cells: tuple[int, int, int]


def rate(law: Nucleation, undercooling: np.ndarray, liquidus: float) -> np.ndarray:
    """J in 1/(m^3 s) at undercoolings (n,) > 0 in K."""
    T = liquidus - undercooling
    driving = law.latent_heat * undercooling / liquidus
    barrier = law.wetting * 16 * np.pi * law.interface**3 / (3 * driving**2)
    hops = BOLTZMANN * T * law.sites * law.multiplier / PLANCK
    return hops * np.exp(-law.activation / (GAS * T) - barrier / (BOLTZMANN * T))


def probability(
    law: Nucleation, undercooling: np.ndarray, liquidus: float, step: float, cell: float
) -> np.ndarray:
    """Of a nucleus in one cell of edge `cell` in one time step."""
    return -np.expm1(-rate(law, undercooling, liquidus) * step * cell**3)


def chance(
    law: Nucleation, liquidus: float, step: float, cell: float, place: tuple
) -> Chance | None:
    """The table of probabilities; place = seed, merged, cells; None where nothing nucleates."""
    if law.rule == "none" or law.multiplier == 0:
        return None
    with np.errstate(under="ignore"):
        depths = np.linspace(0, law.deepest, TABLE + 1)
        table = np.zeros(TABLE + 1)
        table[1:] = probability(law, depths[1:], liquidus, step, cell)
    return Chance(liquidus, law.deepest, table, law.rule == "code", *place)


@kernel()
def interpolated(table, share):
    """Value of a table over [0, 1] at a share of it, linear."""
    position = share * (len(table) - 1)
    low = min(int(position), len(table) - 2)
    return table[low] + (position - low) * (table[low + 1] - table[low])


@kernel()
def strikes(chance, kelvin, step, number):
    """Whether a cooling cell of this temperature and number may become a nucleus in a step."""
    undercooling = chance.liquidus - kelvin
    if not 0 < undercooling <= chance.deepest:
        return False
    likely = interpolated(chance.table, undercooling / chance.deepest)
    return uniform(chance.seed, step, number) < likely


@kernel()
def label_of(chance, step, number):
    """Label of a nucleus: above all others, or the number of its orientation."""
    cells = chance.cells[0] * chance.cells[1] * chance.cells[2]
    label = NUCLEUS + step * cells + number
    if chance.merged:
        return np.int64(chance.merged * uniform(chance.seed, ORIENTATION, label))
    return label


@kernel()
def nucleate(pool, rows, corners, heat, chance, step):
    """Gives nuclei their cells: one order parameter is 1 there, all others are 0.

    corners  (n, 3)  first cell of each row's block, x y z
    heat     sampling.Heat
    """
    for n in range(len(rows)):
        before, after = heat.before[n], heat.after[n]
        for cell in range(CELLS):
            if not after[cell] < before[cell]:
                continue
            i, j, k = cell % SIDE, cell // SIDE % SIDE, cell // SQUARE
            x, y, z = corners[n, 0] + i, corners[n, 1] + j, corners[n, 2] + k
            number = (z * chance.cells[1] + y) * chance.cells[2] + x
            kelvin = np.float64(between(before[cell], after[cell], heat.weight))
            if strikes(chance, kelvin, step, number):
                seed_cell(pool, rows[n], cell, label_of(chance, step, number), chance.in_solid)


@kernel()
def seed_cell(pool, row, cell, label, in_solid):
    """Makes a cell a nucleus where the rule allows it."""
    solid = largest(pool, row, cell)[1] >= SOLID
    if solid and not in_solid:
        return
    place = find(pool, row, label)
    if place == NO_SLOT:
        place = insert(pool, row, label)
    if place == NO_SLOT:
        pool.tally[DROPPED] += 1
        remove(pool, row, weakest(pool, row))
        place = insert(pool, row, label)
    assert pool.tally[FREE] >= 0 and place >= 0
    for slot in range(pool.count[row]):
        if eta_of(pool, row, slot, cell) > 0:
            put_value(pool, row, pool.places[row, slot], cell, 0)
    put_value(pool, row, place, cell, 1)
    measure_row(pool, row)
    pool.tally[THROWN] += 1
    pool.tally[THROWN_SOLID] += solid


@kernel()
def weakest(pool, row):
    """Slot of the order parameter whose largest value is the smallest of the row."""
    found, least = 0, np.inf
    for slot in range(pool.count[row]):
        top = 0.0
        for cell in range(CELLS):
            top = max(top, eta_of(pool, row, slot, cell))
        if top < least:
            found, least = slot, top
    return found
