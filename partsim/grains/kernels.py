"""A step of the phase field over blocks and the order parameters alive in them.

It works on copies of a block that stay in the cache, see partsim.grains.pool.
"""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.ghosts import all_newcomers, gather, narrow
from partsim.grains.pool import (
    CELLS, EAST, FACTOR, FLOOR, LEAST, MOBILITY, NEW, SIDE, SQUARE, WEST, measure, remove,
)


class Law(NamedTuple):
    """In the precision of eta: 4 gamma; 1 - 4 gamma; K = kappa / (m h^2); 6 K - 1; the cutoff; and
    the square of the share of sqrt(sum of eta^2) below which an eta is cut."""

    interaction: float
    cubic: float
    gradient: float
    offset: float
    cutoff: float
    share_squared: float


@kernel()
def advance_eta(eta, work, law):
    """NEW = eta - MOBILITY (eta (FACTOR + (1 - 4 gamma) eta^2) - K sum of neighbours); zero below
    the cutoff and where its square is below LEAST.

    eta  (1824,)  the copy of an order parameter      work  of Scratch
    """
    cubic, gradient, cutoff, zero = law.cubic, law.gradient, law.cutoff, law.cutoff - law.cutoff
    for k in range(SIDE):
        for n in range(SQUARE):
            cell, at = k * SQUARE + n, (k + 1) * FLOOR + SIDE + n
            around = (
                (eta[WEST + cell] + eta[EAST + cell]) + (eta[at - SIDE] + eta[at + SIDE])
            ) + (eta[at - FLOOR] + eta[at + FLOOR])
            c = eta[at]
            new = c - work[MOBILITY + cell] * (
                c * (work[FACTOR + cell] + cubic * (c * c)) - gradient * around)
            kept = (new >= cutoff) & (new * new >= work[LEAST + cell])
            work[NEW + cell] = new if kept else zero


@kernel()
def largest_change(eta, work):
    """Largest |NEW - eta| where the metal is."""
    top = 0.0
    for k in range(SIDE):
        for n in range(SQUARE):
            cell = k * SQUARE + n
            if work[MOBILITY + cell] > 0:
                old = np.float64(eta[(k + 1) * FLOOR + SIDE + n])
                top = max(top, abs(np.float64(work[NEW + cell]) - old))
    return top


@kernel()
def sum_of_squares(pool, row):
    """scratch.squares (512,) = sum of eta^2 over the order parameters of a row."""
    values, squares = pool.eta[pool.half[row]], pool.scratch.squares
    squares[:] = 0
    for slot in range(pool.count[row]):
        eta = values[pool.places[row, slot]]
        for i in range(CELLS):
            squares[i] += eta[i] * eta[i]


@kernel()
def interaction(squares, law, work):
    """From the sums of eta^2: LEAST = share^2 of it, FACTOR = 4 gamma of it + 2 (1 - zeta)^2
    + 6 K - 1, where FACTOR is 2 (1 - zeta)^2 to begin with."""
    for cell in range(CELLS):
        work[LEAST + cell] = law.share_squared * squares[cell]
        work[FACTOR + cell] = law.interaction * squares[cell] + (work[FACTOR + cell] + law.offset)


@kernel()
def put_back(work, cells):
    """cells (512,) = NEW."""
    for cell in range(CELLS):
        cells[cell] = work[NEW + cell]


@kernel()
def advance(pool, rows, around, law, heat, change):
    """One explicit step of every order parameter of the rows, and of those that come in from their
    neighbours; False if the pool is too small: to be repeated with a larger one.

    heat    (mobility, melting), (n, 1000) each: L m dt, 2 (1 - zeta)^2; zero outside of the metal
            and in ghosts
    change  (n,)  largest change of an eta, or (0,) where it is not asked for
    """
    mobility, melting = heat
    work, lines = pool.scratch.work, pool.scratch.lines
    for n in range(len(rows)):
        row = rows[n]
        sum_of_squares(pool, row)
        if not all_newcomers(pool, row, n, around, law):
            return False
        gather(pool, row, n, around)
        narrow(mobility[n], work[MOBILITY:])
        narrow(melting[n], work[FACTOR:])
        interaction(pool.scratch.squares, law, work)
        new, top = 1 - pool.half[row], 0.0
        for slot in range(pool.count[row]):
            eta, place = pool.scratch.eta[slot], pool.places[row, slot]
            advance_eta(eta, work, law)
            if len(change):
                top = max(top, largest_change(eta, work))
            pool.kept[row, slot] = measure(work[NEW:], lines, pool.tops[new, place]) > 0
            put_back(work, pool.eta[new, place])
        if len(change):
            change[n] = top
    for n in range(len(rows)):
        turn(pool, rows[n])
    return True


@kernel()
def turn(pool, row):
    """The values just written become the present ones; order parameters that are zero go."""
    pool.half[row] = 1 - pool.half[row]
    for slot in range(pool.count[row] - 1, -1, -1):
        if pool.kept[row, slot] == 0:
            remove(pool, row, slot)
