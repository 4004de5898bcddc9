"""A step of the phase field over blocks and the order parameters alive in them.

It works on a copy of one order parameter that stays in the cache, see partsim.grains.pool.
"""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.ghosts import all_newcomers, gather
from partsim.grains.lines import keep
from partsim.grains.pool import (
    CELLS, EAST, FACTOR, FLOOR, LEAST, MOBILITY, NEW, SIDE, SQUARE, WEST, fetch_row, measure,
    remove, sum_of_squares,
)
from partsim.grains.sampling import mobilities


class Law(NamedTuple):
    """In the precision of eta: 4 gamma; 1 - 4 gamma; K = kappa / (m h^2); 6 K - 1; 3 K; the cutoff;
    and the square of the share of sqrt(sum of eta^2) below which an eta is cut."""

    interaction: float
    cubic: float
    gradient: float
    offset: float
    tail: float
    cutoff: float
    share_squared: float


@kernel()
def advance_eta(eta, work, law):
    """NEW = eta - MOBILITY (eta (FACTOR + (1 - 4 gamma) eta^2) - K sum of neighbours); zero below
    the cutoff and where its square is below LEAST.

    eta  (1832,)  the copy of an order parameter      work  of Scratch
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
def interaction(squares, law, work):
    """From the sums of eta^2: LEAST = share^2 of it, FACTOR = 4 gamma of it + 2 (1 - zeta)^2
    + 6 K - 1, where FACTOR is 2 (1 - zeta)^2 to begin with."""
    for cell in range(CELLS):
        work[LEAST + cell] = law.share_squared * squares[cell]
        work[FACTOR + cell] = law.interaction * squares[cell] + (work[FACTOR + cell] + law.offset)


@kernel()
def advance(pool, rows, around, law, heat, change):
    """One explicit step of every order parameter of the rows, and of those that come in from their
    neighbours; False if the pool is too small: to be repeated with a larger one.

    heat    sampling.Heat
    change  (n,)  largest change of an eta, or (0,) where it is not asked for
    """
    scratch, work = pool.scratch, pool.scratch.work
    for n in range(len(rows)):
        row = rows[n]
        if n + 1 < len(rows):
            fetch_row(pool, rows[n + 1])
        sum_of_squares(pool, row)
        top = mobilities(heat, n, scratch.rate, work[MOBILITY:], work[FACTOR:])
        if not all_newcomers(pool, row, n, around, law, law.tail * top):
            return False
        interaction(scratch.squares, law, work)
        scratch.seen[:] = 0
        new, top = 1 - pool.half[row], 0.0
        for slot in range(pool.count[row]):
            place = pool.places[row, slot]
            gather(pool, row, slot, n, around)
            advance_eta(scratch.eta, work, law)
            if len(change):
                top = max(top, largest_change(scratch.eta, work))
            measure(work[NEW:], scratch.maxima, pool.tops[new, place])
            pool.lines[new, place] = keep(work[NEW:], pool.eta[new, place])
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
        if pool.lines[pool.half[row], pool.places[row, slot]] == 0:
            remove(pool, row, slot)
