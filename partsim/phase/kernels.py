"""One step of the phase model over any number of points: eqs. (13)-(49) and (67)-(69).

Points are taken in batches of WIDTH lanes. A batch computes only what some of its lanes need, and
a lane that does not need it keeps its value: no point ever depends on its neighbours. The loops
run over the rows of a small array, so that all of them stay in cache and compile to full-width
registers. `law` is a PhaseLaw of model.py, where the same steps stand in plain Python.
"""

from math import ceil

import numpy as np
from numba import njit

from .batch import (
    AFTER, ALPHA, BEFORE, HELD, LAST, MARTENSITE, NEW_ALPHA, NEW_MARTENSITE, ROWS, SHIFT, WIDTH,
    crank_nicolson, euler, fill, look,
)  # fmt: skip


@njit(cache=True, forceinline=True)
def all_stable(alpha_stable, martensite, temperature_old, temperature, batch, law):
    """Whether a batch is pure stable alpha and stays below alpha_end: no rate, gate or start acts."""
    other = 0
    for i in range(WIDTH):
        T_old, T = temperature_old[batch, i], temperature[batch, i]
        pure = (alpha_stable[batch, i] >= law.largest_alpha) & (martensite[batch, i] == 0.0)
        other |= np.int64(not (pure & (T_old <= law.alpha_end) & (T <= law.alpha_end)))
    return other == 0


@njit(cache=True, forceinline=True)
def all_beta(alpha_stable, martensite, temperature_old, temperature, batch, law):
    """Whether a batch is pure beta or melt and stays above alpha_start: no rate, gate or start."""
    other = 0
    for i in range(WIDTH):
        T_old, T = temperature_old[batch, i], temperature[batch, i]
        pure = (alpha_stable[batch, i] == 0.0) & (martensite[batch, i] == 0.0)
        other |= np.int64(not (pure & (T_old >= law.alpha_start) & (T >= law.alpha_start)))
    return other == 0


@njit(cache=True, forceinline=True)
def idle(X_as, X_am, T_old, T, b, law):
    """Whether no point of a batch can change, exactly; the first point tells which kind to try."""
    if X_am[b, 0] != 0.0:
        return False
    if X_as[b, 0] == 0.0:
        return all_beta(X_as, X_am, T_old, T, b, law)
    return all_stable(X_as, X_am, T_old, T, b, law)


@njit(cache=True, forceinline=True)
def load(X_as, X_am, T_old, T, b, work):
    """The state and the temperatures of a batch; one loop, as four would not vectorise."""
    for i in range(WIDTH):
        work[ALPHA + i], work[MARTENSITE + i] = X_as[b, i], X_am[b, i]
        work[BEFORE + i], work[AFTER + i] = T_old[b, i], T[b, i]


@njit(cache=True, forceinline=True)
def store(work, X_as, X_am, b):
    """The new state of a batch."""
    for i in range(WIDTH):
        X_as[b, i], X_am[b, i] = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i]


@njit(cache=True, forceinline=True)
def subcycle(work, dt, substeps, law):
    """Equal Crank-Nicolson substeps along a linear temperature; how many did not converge."""
    hot, empty, forming = look(work, dt, law)
    failed = 0
    for i in range(WIDTH):
        work[LAST + i] = work[AFTER + i]
    for left in range(substeps, 0, -1):
        for i in range(WIDTH):
            T = work[BEFORE + i] + (work[LAST + i] - work[BEFORE + i]) / left
            work[AFTER + i] = work[LAST + i] if left == 1 else T
        failed += crank_nicolson(work, dt / substeps, law)
        for i in range(WIDTH):
            work[ALPHA + i], work[MARTENSITE + i] = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i]
            work[BEFORE + i] = work[AFTER + i]
    return failed


@njit(cache=True)
def sweep(X_as, X_am, Y, T_old, T, dt, law, substeps):
    """A step of arrays (batches, WIDTH), explicit for 0 substeps, else Crank-Nicolson.

    Returns the number of fixed points that were not found.
    """
    work = np.zeros(ROWS * WIDTH)
    failed = 0
    for b in range(X_as.shape[0]):
        if not idle(X_as, X_am, T_old, T, b, law):
            load(X_as, X_am, T_old, T, b, work)
            hot = look(work, dt, law)[0]
            if hot:
                for i in range(WIDTH):
                    work[SHIFT + i] = Y[b, i]
            if substeps == 0:
                euler(work, dt, law)
            else:
                failed += subcycle(work, dt, substeps, law)
            store(work, X_as, X_am, b)
            if hot:
                for i in range(WIDTH):
                    Y[b, i] = work[SHIFT + i]
        for i in range(WIDTH):
            T_old[b, i] = T[b, i]
    return failed
