"""One step of the phase model over any number of points: eqs. (13)-(49) and (67)-(69).

Points are taken in batches of WIDTH lanes. No point ever depends on its neighbours, but for one
thing: the points of a block may rest together. A block rests as long as nothing in it can change by
more than a tolerance since its last step; the time that it has waited is made up for by one step.
`law` is a PhaseLaw of model.py, where the same steps stand in plain Python.
"""

from math import ceil
from typing import NamedTuple

import numpy as np
from numba import njit

from ..compiled import kernel
from . import visits as at
from .batch import BETA, OTHER, SLOW, STABLE, TIGHT, crank_nicolson, euler, look
from .lane import cooled, saturation, slowness
from .ranges import Groups, block_points, copy_in, copy_out, lanes_of, row_in, row_out
from .rows import (
    AFTER,
    ALPHA,
    BEFORE,
    LAST,
    MARTENSITE,
    NEW_ALPHA,
    NEW_MARTENSITE,
    ROWS,
    SETTLED,
    SHIFT,
    WIDTH,
    admit,
    keep,
    limit,
    patience,
    shifted,
)

WAITED, BUDGET = 0, 1  # s, since the last step; longest wait
FLOOR, CEILING = 2, 3  # K, the rest ends where a temperature leaves this range
FORMS = 4  # 1 where martensite may form by (29) within the range, which then goes on
REST_COLUMNS = 5

MARGIN = 1.0  # K, by which temperatures may leave their present range in a rest
LEEWAY = 0.95  # share of the largest wait: (29) may raise what drives (26) until its end


class Step(NamedTuple):
    """What a step is for all blocks.

    dt         s
    substeps   0 for an explicit step (41), else the number of equal substeps of (43)
    tolerance  largest change of a fraction that a resting block may miss; 0 lets rest only blocks
               in which nothing can change at all
    told       whether T_old may be higher than what the temperature was when the step began
    """

    dt: float
    substeps: int
    tolerance: float
    told: bool


class Span(NamedTuple):
    """What a step is for one block.

    dt, substeps, tolerance  as in Step, but for the time that the block has waited
    late                     whether it makes up for a wait
    most                     Xam0 at the lowest temperature in the coming rest
    ceiling                  K, temperatures are taken not to exceed it
    """

    dt: float
    substeps: int
    late: bool
    tolerance: float
    most: float
    ceiling: float


def advance_explicit(
    alpha_stable: np.ndarray,
    martensite: np.ndarray,
    beta_shift: np.ndarray,
    temperature_old: np.ndarray,
    temperature: np.ndarray,
    dt: float,
    law: tuple,
) -> None:
    """One step (41), (42) from `temperature_old` to `temperature`.

    alpha_stable, martensite      (n,)  1, updated
    beta_shift                    (n,)  1, Y of (68), updated
    temperature_old, temperature  (n,)  K
    dt                                  s

    All arrays are contiguous.
    """
    state = (alpha_stable, martensite, beta_shift, temperature_old, temperature)
    advance(state, Step(dt, 0, 0.0, False), law)


def advance_crank_nicolson(
    alpha_stable: np.ndarray,
    martensite: np.ndarray,
    beta_shift: np.ndarray,
    temperature_old: np.ndarray,
    temperature: np.ndarray,
    dt: float,
    law: tuple,
    max_substep: float,
) -> int:
    """One step (43), (44) in equal substeps of at most max_substep (s), arguments as above.

    The temperature is linear in between. Returns the number of fixed points that were not found.
    """
    state = (alpha_stable, martensite, beta_shift, temperature_old, temperature)
    return advance(state, Step(dt, substep_count(dt, max_substep), 0.0, False), law)


def substep_count(dt: float, largest: float) -> int:
    """How many equal substeps of at most `largest` s a step takes."""
    # 0.3 s in steps of 0.1 s are 3, whatever the last bit of the quotient
    return max(1, ceil(dt / largest * (1 - 1e-12)))


def advance(state: tuple[np.ndarray, ...], step: Step, law: tuple) -> int:
    """A step of X_as, X_am, Y, T_old, T (n,) in which nothing rests; the fixed points not found."""
    assert all(values.flags.c_contiguous for values in state)
    whole = Groups(np.zeros(2, np.int64), np.array([0, len(state[0])]))
    return sweep(state, whole, awake(1), step, law, no_visits())


def awake(blocks: int) -> np.ndarray:
    """(blocks, REST_COLUMNS) of blocks that do not rest."""
    rest = np.zeros((blocks, REST_COLUMNS))
    rest[:, BUDGET] = -1.0
    return rest


def no_visits() -> np.ndarray:
    """(SECTIONS,) how many batches went through each section of the code, see visits.py."""
    return np.zeros(at.SECTIONS, np.int64)


def make_work() -> np.ndarray:
    """Scratch rows of a batch."""
    return np.zeros(ROWS * WIDTH)


@njit(cache=True)
def sweep(state, groups, rest, step, law, visits):
    """A step of all blocks; returns the number of fixed points that were not found.

    state   X_as, X_am, Y, T_old, T, (n,) each; the first three are updated. T_old is the highest
            temperature before T since the step began, or the first one
    rest    (nb, REST_COLUMNS), updated
    visits  (SECTIONS,), added to
    """
    work = np.zeros(ROWS * WIDTH)
    failed = 0
    for block in range(rest.shape[0]):
        failed += step_block(block, state, groups, rest, step, law, work, visits)
    return failed


@kernel()
def step_block(block, state, groups, rest, step, law, work, visits):
    """`sweep` of one block; work as of make_work."""
    points, own = block_points(groups, block), rest[block]
    inside = within(state[4], points, own) and (not step.told or within(state[3], points, own))
    if not (inside and own[WAITED] + step.dt <= own[BUDGET]):
        return wake(state, points, own, inside, step, law, work, visits)
    own[WAITED] += step.dt if own[BUDGET] < np.inf else 0.0
    forms = own[FORMS] > 0.0
    if forms:
        form(state, points[0], points[1], law)
        form(state, points[2], points[3], law)
    total = points[1] - points[0] + points[3] - points[2]
    visits[at.FORMING if forms else at.REST] += total
    return 0


@njit(cache=True)
def catch_up(state, groups, rest, law, visits):
    """Every block makes up for the time that it has waited, at the temperatures T_old, and wakes.

    state, rest, visits as in sweep
    """
    work = np.zeros(ROWS * WIDTH)
    for block in range(rest.shape[0]):
        waited = rest[block, WAITED]
        if waited > 0.0:
            span = Span(waited, 0, True, 0.0, 0.0, np.inf)
            move(state, block_points(groups, block), span, law, work, visits)
        rest[block, WAITED], rest[block, BUDGET] = 0.0, -1.0


@kernel(forceinline=True)
def within(T, points, own):
    """Whether all temperatures of a block lie in the range in which it may rest."""
    return not (beyond(T, points[0], points[1], own) or beyond(T, points[2], points[3], own))


@kernel()
def beyond(T, start, stop, own):
    """Whether a temperature (or a NaN) lies outside the range in which the block may rest."""
    outside = 0
    floor, ceiling = own[FLOOR], own[CEILING]
    part = T[start:stop]
    for i in range(len(part)):
        outside |= np.int64(not ((part[i] >= floor) & (part[i] <= ceiling)))
    return outside != 0


@kernel(error_model="numpy")
def form(state, start, stop, law):
    """(29) alone, at the points of a range."""
    X_as, X_am = state[0][start:stop], state[1][start:stop]
    T_old, T = state[3][start:stop], state[4][start:stop]
    for i in range(len(T)):
        X_am[i] = cooled(X_as[i], X_am[i], saturation(T[i], law), T[i] < T_old[i], law)


@kernel()
def extent(T, points):
    """Lowest and highest temperature of a block."""
    low, high = np.inf, -np.inf
    for part in (T[points[0] : points[1]], T[points[2] : points[3]]):
        for i in range(len(part)):
            low, high = min(low, part[i]), max(high, part[i])
    return low, high


@kernel()
def wake(state, points, own, inside, step, law, work, visits):
    """The step of a block and of the time that it has waited; renews its row `own` of rest."""
    T_old, T = state[3], state[4]
    waited, dt, late = own[WAITED], step.dt, False
    if waited > 0.0:
        if inside and step.substeps == 0:
            dt, late = dt + waited, True
        else:
            # T_old may be higher than what the block has rested at
            still = (state[0], state[1], state[2], T_old, T_old)
            past = Span(waited, 0, True, 0.0, 0.0, own[CEILING])
            move(still, points, past, law, work, visits)
    low, high = extent(T, points)
    floor, ceiling = low - MARGIN, min(high + MARGIN, law.alpha_end)
    span = Span(dt, step.substeps, late, step.tolerance, saturation(floor, law), np.inf)
    kind, wait, failed = move(state, points, span, law, work, visits)
    own[WAITED], own[BUDGET], own[FLOOR], own[CEILING] = 0.0, -1.0, floor, ceiling
    own[FORMS] = 1.0 if kind & TIGHT else 0.0
    if kind == STABLE:
        own[BUDGET], own[FLOOR], own[CEILING] = np.inf, -np.inf, law.alpha_end
    elif kind == BETA:
        own[BUDGET], own[FLOOR], own[CEILING] = np.inf, law.alpha_start, np.inf
    elif not kind & (OTHER | BETA):
        own[BUDGET] = LEEWAY * slowness(ceiling, law) * wait
    return failed


@kernel()
def move(state, points, span, law, work, visits):
    """A step of a block, batch by batch: (kinds of its batches, their patience, not converged)."""
    total = points[1] - points[0] + points[3] - points[2]
    kinds, shortest, failed = 0, np.inf, 0
    for first in range(0, total, WIDTH):
        copy_in(state, points, first, work)
        if span.ceiling < np.inf:
            limit(work, span.ceiling)
        visits[at.READ] += 1
        needs = look(work, span.dt, law, visits)
        kind = needs[3]
        if kind == OTHER:
            visits[at.WRITTEN] += 1
            failed += change(state, points, first, needs, span, law, work, visits)
            if span.tolerance > 0.0 and not (needs[0] or needs[1] or law.excess > 0.0):
                visits[at.MEASURED] += 1
                wait, tight = patience(work, span.tolerance, span.most, law)
                kind = TIGHT if tight else SLOW
                shortest = min(shortest, wait)
            copy_out(state, points, first, work)
        kinds |= kind
    return kinds, shortest, failed


@kernel(forceinline=True)
def change(state, points, first, needs, span, law, work, visits):
    """The step of a batch in which something can change; the number of fixed points not found."""
    Y = state[2]
    hot, empty, forming, kind = needs
    if hot:
        row_in(Y, points, first, SHIFT, work)
        keep(work)
        visits[at.ADMITTED] += 1
        empty = admit(work, law)
    needs, failed = (hot, empty, forming, kind), 0
    if span.substeps == 0:
        euler(work, span.dt, span.late, needs, law, visits)
    else:
        lanes = lanes_of(points, first)[1]
        failed = subcycle(work, span.dt, span.substeps, lanes, law, visits)
    if hot and shifted(work):
        visits[at.SHIFTED] += 1
        row_out(Y, points, first, SHIFT, work)
    return failed


@kernel(forceinline=True)
def subcycle(work, dt, substeps, lanes, law, visits):
    """Equal Crank-Nicolson steps along a linear temperature; the fixed points not found."""
    failed = 0
    for i in range(WIDTH):
        work[LAST + i] = work[AFTER + i]
    for left in range(substeps, 0, -1):
        for i in range(WIDTH):
            T = work[BEFORE + i] + (work[LAST + i] - work[BEFORE + i]) / left
            work[AFTER + i] = work[LAST + i] if left == 1 else T
        if crank_nicolson(work, dt / substeps, law, visits):
            for i in range(lanes):
                failed += work[SETTLED + i] == 0.0
        if left > 1:
            for i in range(WIDTH):
                work[ALPHA + i] = work[NEW_ALPHA + i]
                work[MARTENSITE + i] = work[NEW_MARTENSITE + i]
                work[BEFORE + i] = work[AFTER + i]
    return failed
