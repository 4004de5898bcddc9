"""A step of the phase field over blocks and the order parameters alive in them.

It works on copies of a block with ghosts that stay in the cache; loops run from the first cell to
the last, ghosts in between included: their mobility is zero.
"""

from typing import NamedTuple

import numpy as np

from partsim.compiled import kernel
from partsim.grains.ghosts import all_newcomers, gather, narrow, widen
from partsim.grains.pool import CELLS, PLANE, ROOM, WIDE, measure, remove

START, STOP = PLANE + WIDE, ROOM - PLANE - WIDE  # from the first cell's row to the last one's


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
def advance_eta(eta, factor, least, mobility, law, out):
    """out = eta - M (eta (a + (1 - 4 gamma) eta^2) - K sum of neighbours), a = `factor`; zero below
    the cutoff and where its square is below `least`."""
    cubic, gradient, cutoff, zero = law.cubic, law.gradient, law.cutoff, law.cutoff - law.cutoff
    for i in range(START, STOP):
        around = ((eta[i - 1] + eta[i + 1]) + (eta[i - WIDE] + eta[i + WIDE])) + (
            eta[i - PLANE] + eta[i + PLANE]
        )
        c = eta[i]
        new = c - mobility[i] * (c * (factor[i] + cubic * (c * c)) - gradient * around)
        kept = (new >= cutoff) & (new * new >= least[i])
        out[i] = new if kept else zero  # vectors, as out is not what is read


@kernel()
def largest_change(eta, out, mobility):
    """Largest |out - eta| where the metal is."""
    top = 0.0
    for i in range(START, STOP):
        if mobility[i] > 0:
            top = max(top, abs(np.float64(out[i]) - np.float64(eta[i])))
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
def interaction(melting, law, factor, least):
    """From `factor`, the sum of eta^2: least = share^2 of it, factor = 4 gamma of it
    + 2 (1 - zeta)^2 + 6 K - 1, `melting` being the second term."""
    for i in range(START, STOP):
        least[i] = law.share_squared * factor[i]
        factor[i] = law.interaction * factor[i] + (melting[i] + law.offset)


@kernel()
def advance(pool, rows, around, law, heat, change):
    """One explicit step of every order parameter of the rows, and of those that come in from their
    neighbours; False if the pool is too small: to be repeated with a larger one.

    heat    (mobility, melting), (n, 1000) each: L m dt, 2 (1 - zeta)^2; zero outside of the metal
            and in ghosts
    change  (n,)  largest change of an eta, or (0,) where it is not asked for
    """
    mobility, melting = heat
    factor, least, out = pool.scratch.factor, pool.scratch.least, pool.scratch.out
    squares = pool.scratch.squares
    for n in range(len(rows)):
        row = rows[n]
        sum_of_squares(pool, row)
        if not all_newcomers(pool, row, n, around, law):
            return False
        gather(pool, row, n, around)
        factor[:] = 0  # in ghosts, too
        widen(squares, factor)
        interaction(melting[n], law, factor, least)
        new, top = 1 - pool.half[row], 0.0
        for slot in range(pool.count[row]):
            eta = pool.scratch.eta[slot]
            advance_eta(eta, factor, least, mobility[n], law, out)
            if len(change):
                top = max(top, largest_change(eta, out, mobility[n]))
            cells = pool.eta[new, pool.places[row, slot]]
            narrow(out, cells)
            pool.kept[row, slot] = measure(cells, pool.tops[new, pool.places[row, slot]]) > 0
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
