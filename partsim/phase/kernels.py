"""One step of the phase model over any number of points: eqs. (13)-(49) and (67)-(69).

Points are taken in batches of WIDTH lanes, and a batch in which nothing can change is left at
once. No point ever depends on its neighbours. `law` is a PhaseLaw of model.py, where the same
steps stand in plain Python.
"""

from math import ceil

import numpy as np
from numba import njit

from .batch import (
    AFTER,
    ALPHA,
    BEFORE,
    LAST,
    MARTENSITE,
    NEW_ALPHA,
    NEW_MARTENSITE,
    ROWS,
    SHIFT,
    WIDTH,
    admit,
    crank_nicolson,
    euler,
    look,
)


def advance_explicit(
    alpha_stable: np.ndarray,
    martensite: np.ndarray,
    beta_shift: np.ndarray,
    temperature_old: np.ndarray,
    temperature: np.ndarray,
    dt: float,
    law: tuple,
) -> None:
    """One step (41), (42) to `temperature`, which is copied to `temperature_old`.

    alpha_stable, martensite      (n,)  1, updated
    beta_shift                    (n,)  1, Y of (68), updated
    temperature_old, temperature  (n,)  K, at the start and at the end of the step
    dt                                  s

    All arrays are contiguous. Bytes per point: 40 where nothing can change (four reads, one
    write), 56 where something can, 72 in a batch with a point above alpha_end.
    """
    advance((alpha_stable, martensite, beta_shift, temperature_old, temperature), dt, law, 0)


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
    # 0.3 s in steps of 0.1 s are 3, whatever the last bit of the quotient
    return advance(state, dt, law, max(1, ceil(dt / max_substep * (1 - 1e-12))))


def advance(state: tuple[np.ndarray, ...], dt: float, law: tuple, substeps: int) -> int:
    """A step of X_as, X_am, Y, T_old, T (n,): whole batches in place, the rest in a padded copy."""
    assert all(values.flags.c_contiguous for values in state)
    n = len(state[0])
    whole = n // WIDTH * WIDTH
    failed = sweep(tuple(values[:whole].reshape(-1, WIDTH) for values in state), dt, law, substeps)
    if whole < n:
        idle_point = (law.largest_alpha, 0.0, 0.0, law.martensite_end, law.martensite_end)
        rest = tuple(np.full((1, WIDTH), value) for value in idle_point)
        for values, padded in zip(state, rest):
            padded[0, : n - whole] = values[whole:]
        failed += sweep(rest, dt, law, substeps)
        for values, padded in zip(state[:4], rest):
            values[whole:] = padded[0, : n - whole]
    return failed


@njit(cache=True)
def sweep(state, dt, law, substeps):
    """A step of arrays (batches, WIDTH), explicit for 0 substeps, else Crank-Nicolson."""
    X_as, X_am, Y, T_old, T = state
    work = np.zeros(ROWS * WIDTH)
    failed = 0
    for b in range(X_as.shape[0]):
        if not idle(X_as, X_am, T_old, T, b, law):
            load(X_as, X_am, T_old, T, b, work)
            needs = look(work, dt, law)
            if needs[0]:
                for i in range(WIDTH):
                    work[SHIFT + i] = Y[b, i]
                admit(work, law)
            if substeps == 0:
                euler(work, dt, needs, law)
            else:
                failed += subcycle(work, dt, substeps, law)
            for i in range(WIDTH):
                X_as[b, i], X_am[b, i] = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i]
            if needs[0]:
                for i in range(WIDTH):
                    Y[b, i] = work[SHIFT + i]
        for i in range(WIDTH):
            T_old[b, i] = T[b, i]
    return failed


@njit(cache=True, forceinline=True)
def load(X_as, X_am, T_old, T, b, work):
    """The state and the temperatures of a batch; one loop, as four would not vectorise."""
    for i in range(WIDTH):
        work[ALPHA + i], work[MARTENSITE + i] = X_as[b, i], X_am[b, i]
        work[BEFORE + i], work[AFTER + i] = T_old[b, i], T[b, i]


@njit(cache=True, forceinline=True)
def subcycle(work, dt, substeps, law):
    """Equal Crank-Nicolson steps along a linear temperature; the fixed points not found."""
    failed = 0
    for i in range(WIDTH):
        work[LAST + i] = work[AFTER + i]
    for left in range(substeps, 0, -1):
        for i in range(WIDTH):
            T = work[BEFORE + i] + (work[LAST + i] - work[BEFORE + i]) / left
            work[AFTER + i] = work[LAST + i] if left == 1 else T
        failed += crank_nicolson(work, dt / substeps, law)
        if left > 1:
            for i in range(WIDTH):
                work[ALPHA + i] = work[NEW_ALPHA + i]
                work[MARTENSITE + i] = work[NEW_MARTENSITE + i]
                work[BEFORE + i] = work[AFTER + i]
    return failed


@njit(cache=True, forceinline=True)
def idle(X_as, X_am, T_old, T, b, law):
    """Whether no point of a batch can change, exactly; the first point tells which kind to try."""
    if X_am[b, 0] != 0.0:
        return False
    if X_as[b, 0] == 0.0:
        return all_beta(X_as, X_am, T_old, T, b, law)
    return all_stable(X_as, X_am, T_old, T, b, law)


@njit(cache=True, forceinline=True)
def all_stable(X_as, X_am, T_old, T, b, law):
    """Whether a batch is pure stable alpha and stays below alpha_end: no rate, gate or start."""
    other = 0
    for i in range(WIDTH):
        pure = (X_as[b, i] == law.largest_alpha) & (X_am[b, i] == 0.0)
        other |= np.int64(not (pure & (T_old[b, i] <= law.alpha_end) & (T[b, i] <= law.alpha_end)))
    return other == 0


@njit(cache=True, forceinline=True)
def all_beta(X_as, X_am, T_old, T, b, law):
    """Whether a batch is pure beta or melt and stays above alpha_start: no rate, gate or start."""
    other = 0
    for i in range(WIDTH):
        pure = (X_as[b, i] == 0.0) & (X_am[b, i] == 0.0)
        hot = (T_old[b, i] >= law.alpha_start) & (T[b, i] >= law.alpha_start)
        other |= np.int64(not (pure & hot))
    return other == 0
