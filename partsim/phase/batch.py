"""The phase model on a batch of points: one loop over its lanes after another, no branches inside.

`work` holds WIDTH values of each of the rows below, so that every loop runs over memory in cache,
through a single pointer, and compiles to full-width registers. A loop that no lane needs is
skipped; a lane that does not need the loop keeps its value. Symbols and equations: see lane.py.
"""

import numpy as np
from numba import njit

from partsim.fastmath import log2

from .lane import (
    HANDOVER,
    UNRESOLVED,
    cooled,
    dissolution,
    drives,
    equilibrium,
    growth,
    heated,
    pace,
    regularised,
    saturation,
    saturation_bound,
    shift,
    start_dissolution,
    start_growth,
)

WIDTH = 64

ALPHA, MARTENSITE, SHIFT = 0, WIDTH, 2 * WIDTH  # X_as, X_am and Y at the start of the step
NEW_ALPHA, NEW_MARTENSITE = 3 * WIDTH, 4 * WIDTH  # at its end
BEFORE, AFTER, LAST = 5 * WIDTH, 6 * WIDTH, 7 * WIDTH  # T around the substep, T after the step
EQUILIBRIUM, SATURATION, PACE = 8 * WIDTH, 9 * WIDTH, 10 * WIDTH  # the law at one temperature
FORMED, DECAYED, DISSOLVED = 11 * WIDTH, 12 * WIDTH, 13 * WIDTH  # (25), (26), (27) in 1/s
HELD, JUMP = 14 * WIDTH, 15 * WIDTH  # 1 while (69) replaces (27); the change of X_as by it
KNOWN_ALPHA, KNOWN_MARTENSITE = 16 * WIDTH, 17 * WIDTH  # X^n + dt/2 F(X^n, T^n)
SETTLED = 18 * WIDTH  # 1 where the fixed point is found
ROWS = 19

ITERATIONS = 200  # of the fixed point; steps up to 0.1 s take 2 to 20
ABSOLUTE_TOLERANCE = 1e-10
RELATIVE_TOLERANCE = 1e-8


@njit(cache=True, forceinline=True)
def fill(work, row, value):
    """One value in every lane of a row."""
    for i in range(WIDTH):
        work[row + i] = value


@njit(cache=True, forceinline=True)
def look(work, dt, law):
    """What a batch needs: (any lane above alpha_end, without stable alpha, and where (29) can act).

    X_am loses less than k_1 dt before (29), so that a lane far above Xam_eq needs no exponential.
    """
    hot = empty = 0
    forming = np.int64(law.excess > 0.0)
    for i in range(WIDTH):
        X_as, T_old, T = work[ALPHA + i], work[BEFORE + i], work[AFTER + i]
        hot |= np.int64((T > law.alpha_end) | (T_old > law.alpha_end))
        empty |= np.int64(X_as == 0.0)
        most = saturation_bound(T, law) * (1.0 - X_as * (1.0 / law.largest_alpha))
        forming |= np.int64((T < T_old) & (work[MARTENSITE + i] - law.rate * dt < most))
    return hot != 0, empty != 0, forming != 0


@njit(cache=True, forceinline=True, error_model="numpy")
def admit(work, law):
    """(30) at the old temperature in lanes above alpha_end.

    It changes only states interpolated between others, which (27) would take below 0.
    """
    for i in range(WIDTH):
        T_old, X_as, X_am = work[BEFORE + i], work[ALPHA + i], work[MARTENSITE + i]
        X_am = heated(X_as, X_am, equilibrium(T_old, law), T_old > law.alpha_end)
        work[MARTENSITE + i] = X_am


@njit(cache=True, forceinline=True, error_model="numpy")
def evaluate(work, temperature, hot, forming, law):
    """EQUILIBRIUM, SATURATION (0 unless `forming`) and PACE at the temperatures in a row."""
    fill(work, EQUILIBRIUM, law.largest_alpha)
    if hot:
        for i in range(WIDTH):
            work[EQUILIBRIUM + i] = equilibrium(work[temperature + i], law)
    fill(work, SATURATION, 0.0)
    if forming:
        for i in range(WIDTH):
            work[SATURATION + i] = saturation(work[temperature + i], law)
    for i in range(WIDTH):
        work[PACE + i] = pace(work[temperature + i], law)


@njit(cache=True, forceinline=True, error_model="numpy")
def grow(work, alpha, martensite, law):
    """FORMED and DECAYED of the state in two rows; a loop each, as one would exceed the registers.

    Where X_a has reached Xa_eq in every lane, as in powder, FORMED costs nothing.
    """
    c = 1.0 / law.growth_exponent
    forms = 0
    for i in range(WIDTH):
        X_as, X_am = work[alpha + i], work[martensite + i]
        gap, _ = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
        forms |= np.int64(gap > 0.0)
    if forms:
        for i in range(WIDTH):
            X_as, X_am, k_as = work[alpha + i], work[martensite + i], work[PACE + i]
            gap, _ = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
            work[FORMED + i] = growth(X_as, gap, c * log2(gap / X_as), k_as)
    else:
        fill(work, FORMED, 0.0)
    for i in range(WIDTH):
        X_as, X_am, k_as = work[alpha + i], work[martensite + i], work[PACE + i]
        _, drive = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
        work[DECAYED + i] = growth(X_as, drive, c * log2(drive / X_as), k_as)


@njit(cache=True, forceinline=True, error_model="numpy")
def start(work, dt, law):
    """The new state of lanes without stable alpha, which are SETTLED by it."""
    for i in range(WIDTH):
        Xa_eq, Xam_0, k_as = work[EQUILIBRIUM + i], work[SATURATION + i], work[PACE + i]
        X_as, X_am = start_growth(work[MARTENSITE + i], Xa_eq, Xam_0, k_as, dt, law)
        empty = work[ALPHA + i] == 0.0
        work[NEW_ALPHA + i] = X_as if empty else work[NEW_ALPHA + i]
        work[NEW_MARTENSITE + i] = X_am if empty else work[NEW_MARTENSITE + i]
        work[SETTLED + i] = 1.0 if empty else work[SETTLED + i]


@njit(cache=True, forceinline=True, error_model="numpy")
def reactant(work, alpha, martensite, i, law):
    """X_as, X_am after (30), and whether (27) acts: X_as > 0 and X_max >= X_a > Xa_eq."""
    X_as, Xa_eq = work[alpha + i], work[EQUILIBRIUM + i]
    X_am = heated(X_as, work[martensite + i], Xa_eq, work[AFTER + i] > work[BEFORE + i])
    acts = (X_as > 0.0) & (X_as + X_am > Xa_eq) & (Xa_eq < law.largest_alpha)
    return X_as, X_am, acts


@njit(cache=True, forceinline=True, error_model="numpy")
def dissolve(work, alpha, martensite, law):
    """DISSOLVED of the state in two rows, 0 in held lanes; whether (27) acts in any lane."""
    found = 0
    for i in range(WIDTH):
        found |= np.int64(reactant(work, alpha, martensite, i, law)[2])
    fill(work, DISSOLVED, 0.0)
    if found:
        for i in range(WIDTH):
            X_as, X_am, acts = reactant(work, alpha, martensite, i, law)
            Y = shift(X_as, X_am, work[SHIFT + i], law)
            rate = dissolution(Y, work[EQUILIBRIUM + i], work[PACE + i], law)
            work[DISSOLVED + i] = rate if acts & (work[HELD + i] == 0.0) else 0.0
    return found != 0


@njit(cache=True, forceinline=True, error_model="numpy")
def hold(work, dt, law):
    """Lanes whose Y, or whose loss by DISSOLVED before half of Y_eq, is below HANDOVER are HELD.

    (69) advances their Y, and JUMP takes X_as to X_max - X_am - Y as far as its digits reach.
    """
    for i in range(WIDTH):
        X_as, X_am, acts = reactant(work, ALPHA, MARTENSITE, i, law)
        Y = shift(X_as, X_am, work[SHIFT + i], law)
        Y = 0.0 if Y < 0.0 else Y
        limit = law.largest_alpha - work[EQUILIBRIUM + i]
        little = (work[DISSOLVED + i] * dt < HANDOVER) & (2.0 * Y < limit)
        held = acts & (little | (Y < HANDOVER))
        Y = start_dissolution(Y, work[EQUILIBRIUM + i], work[PACE + i], dt, law)
        work[HELD + i] = 1.0 if held else 0.0
        work[JUMP + i] = ((law.largest_alpha - X_am) - Y) - X_as if held else 0.0
        work[DISSOLVED + i] = 0.0 if held else work[DISSOLVED + i]
        work[SHIFT + i] = Y if held else (0.0 if acts else work[SHIFT + i])


@njit(cache=True, forceinline=True)
def forget(work, law):
    """SHIFT = 0 in lanes above alpha_end where it no longer agrees with X_max - X_a.

    Below alpha_end it is kept: (25) does not consume so small a Y before the next heating.
    """
    for i in range(WIDTH):
        difference = law.largest_alpha - (work[NEW_ALPHA + i] + work[NEW_MARTENSITE + i])
        stale = abs(difference - work[SHIFT + i]) > UNRESOLVED
        hot = (work[AFTER + i] > law.alpha_end) | (work[BEFORE + i] > law.alpha_end)
        work[SHIFT + i] = 0.0 if stale & hot else work[SHIFT + i]


@njit(cache=True, forceinline=True, error_model="numpy")
def scale(work, law):
    """Both fractions scaled where X_a exceeds X_max."""
    for i in range(WIDTH):
        X_a = work[NEW_ALPHA + i] + work[NEW_MARTENSITE + i]
        factor = law.largest_alpha / X_a if X_a > law.largest_alpha else 1.0
        work[NEW_ALPHA + i] *= factor
        work[NEW_MARTENSITE + i] *= factor


@njit(cache=True, forceinline=True, error_model="numpy")
def gate(work, law):
    """(30) or (29), then the upper bound."""
    crowded = 0
    for i in range(WIDTH):
        X_as, T_old, T = work[NEW_ALPHA + i], work[BEFORE + i], work[AFTER + i]
        X_am = heated(X_as, work[NEW_MARTENSITE + i], work[EQUILIBRIUM + i], T > T_old)
        X_am = cooled(X_as, X_am, work[SATURATION + i], T < T_old, law)
        work[NEW_MARTENSITE + i] = X_am
        crowded |= np.int64(X_as + X_am > law.largest_alpha)
    if crowded:
        scale(work, law)


@njit(cache=True, forceinline=True, error_model="numpy")
def correct(work, hot, forming, law):
    """The correction C of (42), (44): bounds, (31), (30) or (29), bounds, no phase in the melt.

    Neither (30) nor (29) can act where no lane is hot, forms martensite or exceeds X_max.
    """
    full = 0
    for i in range(WIDTH):
        X_as, X_am = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i]
        X_as, X_am = 0.0 if X_as < 0.0 else X_as, 0.0 if X_am < 0.0 else X_am
        work[NEW_ALPHA + i], work[NEW_MARTENSITE + i] = X_as, X_am
        # the sum decides on the bound, the difference on (30): they can differ in the last bit
        above = (X_as + X_am > law.largest_alpha) | (X_am > law.largest_alpha - X_as)
        full |= np.int64(above)
    if full:
        scale(work, law)
    if hot:
        for i in range(WIDTH):
            work[NEW_ALPHA + i] = regularised(work[NEW_ALPHA + i], work[AFTER + i], law)
    if hot or forming or full:
        gate(work, law)
    if hot:
        for i in range(WIDTH):
            liquid = work[AFTER + i] > law.solidus
            work[NEW_ALPHA + i] = 0.0 if liquid else work[NEW_ALPHA + i]
            work[NEW_MARTENSITE + i] = 0.0 if liquid else work[NEW_MARTENSITE + i]
        forget(work, law)


@njit(cache=True, forceinline=True, error_model="numpy")
def euler(work, dt, needs, law):
    """(41), (42), the rates at the new temperature; `needs` from look."""
    hot, empty, forming = needs
    evaluate(work, AFTER, hot, forming, law)
    grow(work, ALPHA, MARTENSITE, law)
    for i in range(WIDTH):
        gain = dt * (work[FORMED + i] + work[DECAYED + i])
        work[NEW_ALPHA + i] = work[ALPHA + i] + gain
        work[NEW_MARTENSITE + i] = work[MARTENSITE + i] - dt * work[DECAYED + i]
    if hot:
        fill(work, HELD, 0.0)
        if dissolve(work, ALPHA, MARTENSITE, law):
            hold(work, dt, law)
            for i in range(WIDTH):
                work[NEW_ALPHA + i] += work[JUMP + i] - dt * work[DISSOLVED + i]
    if empty:
        start(work, dt, law)
    correct(work, hot, forming, law)


@njit(cache=True, forceinline=True, error_model="numpy")
def iterate(work, dt, hot, law):
    """(45)-(49): X^(k+1) = KNOWN + dt/2 F(X^(k), T^(n+1)) until settled; lanes left unsettled."""
    for _ in range(ITERATIONS):
        grow(work, NEW_ALPHA, NEW_MARTENSITE, law)
        if hot:
            dissolve(work, NEW_ALPHA, NEW_MARTENSITE, law)
        unsettled = 0
        for i in range(WIDTH):
            gain = work[FORMED + i] + work[DECAYED + i] - work[DISSOLVED + i]
            X_as = work[KNOWN_ALPHA + i] + 0.5 * dt * gain
            X_am = work[KNOWN_MARTENSITE + i] - 0.5 * dt * work[DECAYED + i]
            size_as = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(X_as)
            size_am = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(X_am)
            r_as = (X_as - work[NEW_ALPHA + i]) * size_am
            r_am = (X_am - work[NEW_MARTENSITE + i]) * size_as
            limit = size_as * size_am
            small = 0.5 * (r_as * r_as + r_am * r_am) < limit * limit
            frozen = work[SETTLED + i] != 0.0
            work[NEW_ALPHA + i] = work[NEW_ALPHA + i] if frozen else X_as
            work[NEW_MARTENSITE + i] = work[NEW_MARTENSITE + i] if frozen else X_am
            work[SETTLED + i] = 1.0 if frozen | small else 0.0
            unsettled += np.int64(not (frozen | small))
        if unsettled == 0:
            break
    return unsettled


@njit(cache=True, forceinline=True, error_model="numpy")
def crank_nicolson(work, dt, law):
    """(43), (44) with the analytical starts; how many lanes found no fixed point."""
    hot, empty, forming = look(work, dt, law)
    for i in range(WIDTH):
        work[NEW_ALPHA + i], work[NEW_MARTENSITE + i] = work[ALPHA + i], work[MARTENSITE + i]
        work[DISSOLVED + i] = work[HELD + i] = work[JUMP + i] = work[SETTLED + i] = 0.0
    if hot or empty:
        evaluate(work, AFTER, hot, forming, law)
        if hot and dissolve(work, ALPHA, MARTENSITE, law):
            hold(work, dt, law)
        if empty:
            start(work, dt, law)
    evaluate(work, BEFORE, hot, forming, law)
    grow(work, ALPHA, MARTENSITE, law)
    if hot:
        dissolve(work, ALPHA, MARTENSITE, law)
    for i in range(WIDTH):
        gain = work[FORMED + i] + work[DECAYED + i] - work[DISSOLVED + i]
        work[KNOWN_ALPHA + i] = work[ALPHA + i] + (work[JUMP + i] + 0.5 * dt * gain)
        work[KNOWN_MARTENSITE + i] = work[MARTENSITE + i] - 0.5 * dt * work[DECAYED + i]
    evaluate(work, AFTER, hot, forming, law)
    unsettled = iterate(work, dt, hot, law)
    correct(work, hot, forming, law)
    return unsettled
