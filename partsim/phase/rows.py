"""The phase model on the rows of a batch: each function is one loop, or a few, over its lanes.

`work` holds WIDTH values of each of the rows below, so that every loop runs over memory in cache,
through a single pointer, without branches, and compiles to full-width registers. Loops are short
because a core looks only so far ahead: a long chain of dependent operations would leave its units
idle. visits.py names the sections of the code, work.py says what they cost. Symbols and equations:
see lane.py.
"""

import numpy as np

from partsim.fastmath import exp2_normal, log2

from ..compiled import kernel
from .lane import (
    HANDOVER,
    UNRESOLVED,
    cooled,
    dissolution,
    drives,
    equilibrium,
    growth,
    heated,
    regularised,
    saturation,
    saturation_bound,
    shift,
    slowness,
    start_dissolution,
    start_growth,
    supply,
)

WIDTH = 64

ALPHA, MARTENSITE, SHIFT = 0, WIDTH, 2 * WIDTH  # X_as, X_am and Y at the start of the step
NEW_ALPHA, NEW_MARTENSITE = 3 * WIDTH, 4 * WIDTH  # at its end
BEFORE, AFTER, LAST = 5 * WIDTH, 6 * WIDTH, 7 * WIDTH  # T around the substep, T after the step
EQUILIBRIUM, SATURATION, SLOWNESS = 8 * WIDTH, 9 * WIDTH, 10 * WIDTH  # the law at one temperature
PACE = 11 * WIDTH  # k_as X_as in 1/s
FORMED, DECAYED, DISSOLVED = 12 * WIDTH, 13 * WIDTH, 14 * WIDTH  # (25), (26), (27) in 1/s
HELD, JUMP = 15 * WIDTH, 16 * WIDTH  # 1 while (69) replaces (27); the change of X_as by it
KNOWN_ALPHA, KNOWN_MARTENSITE = 17 * WIDTH, 18 * WIDTH  # X^n + dt/2 F(X^n, T^n)
SETTLED = 19 * WIDTH  # 1 where the fixed point is found
INVERSE = 20 * WIDTH  # 1 / X_as
GROWTH, GREATER = 21 * WIDTH, 22 * WIDTH  # q and powers of 1 + q, see follow_growth
KEPT = 23 * WIDTH  # Y as it was read
ROWS = 24

ABSOLUTE_TOLERANCE = 1e-10
RELATIVE_TOLERANCE = 1e-8


@kernel(forceinline=True)
def fill(work, row, value):
    """One value in every lane of a row."""
    for i in range(WIDTH):
        work[row + i] = value


@kernel(forceinline=True)
def keep(work):
    """KEPT = SHIFT."""
    for i in range(WIDTH):
        work[KEPT + i] = work[SHIFT + i]


@kernel(forceinline=True)
def shifted(work):
    """Whether SHIFT is no longer what was kept."""
    other = 0
    for i in range(WIDTH):
        other |= np.int64(work[SHIFT + i] != work[KEPT + i])
    return other != 0


@kernel(forceinline=True, error_model="numpy")
def survey(work, law):
    """Whether any lane is above alpha_end, lacks stable alpha, cools below martensite_start."""
    hot = empty = cools = 0
    for i in range(WIDTH):
        T_old, T = work[BEFORE + i], work[AFTER + i]
        hot |= np.int64((T > law.alpha_end) | (T_old > law.alpha_end))
        empty |= np.int64(work[ALPHA + i] == 0.0)
        cools |= np.int64((T < T_old) & (T < law.martensite_start))
    return hot != 0, empty != 0, cools != 0


@kernel(forceinline=True, error_model="numpy")
def unchanging(work, X_as, least):
    """Whether all lanes have this X_as and no martensite, at temperatures of at least `least`."""
    other = 0
    for i in range(WIDTH):
        same = (work[ALPHA + i] == X_as) & (work[MARTENSITE + i] == 0.0)
        other |= np.int64(not (same & (work[BEFORE + i] >= least) & (work[AFTER + i] >= least)))
    return other == 0


@kernel(forceinline=True, error_model="numpy")
def can_form(work, dt, law):
    """Whether (29) can act in any lane.

    X_am loses less than k_1 dt before (29), so that a lane far above Xam_eq needs no exponential.
    """
    forming = 0
    for i in range(WIDTH):
        X_as, T_old, T = work[ALPHA + i], work[BEFORE + i], work[AFTER + i]
        most = saturation_bound(T, law) * (1.0 - X_as * (1.0 / law.largest_alpha))
        forming |= np.int64((T < T_old) & (work[MARTENSITE + i] - law.rate * dt < most))
    return forming != 0


@kernel(forceinline=True)
def limit(work, ceiling):
    """Temperatures are at most `ceiling`."""
    for row in (BEFORE, AFTER):
        for i in range(WIDTH):
            T = work[row + i]
            work[row + i] = ceiling if T > ceiling else T


@kernel(forceinline=True, error_model="numpy")
def admit(work, law):
    """(31), (30) and no phase in the melt at the old temperature, in lanes above alpha_end; whether
    any lane then lacks stable alpha.

    It changes states interpolated between others, which (27) would take below 0, and those to which
    the old temperature is new.
    """
    empty = 0
    for i in range(WIDTH):
        T_old = work[BEFORE + i]
        X_as = regularised(work[ALPHA + i], T_old, law)
        X_am = work[MARTENSITE + i]
        X_am = heated(X_as, X_am, equilibrium(T_old, law), T_old > law.alpha_end)
        liquid = T_old > law.solidus
        X_as, X_am = 0.0 if liquid else X_as, 0.0 if liquid else X_am
        work[ALPHA + i], work[MARTENSITE + i] = X_as, X_am
        empty |= np.int64(X_as == 0.0)
    return empty != 0


@kernel(forceinline=True, error_model="numpy")
def equilibria(work, temperature, law):
    """EQUILIBRIUM at the temperatures in a row."""
    for i in range(WIDTH):
        work[EQUILIBRIUM + i] = equilibrium(work[temperature + i], law)


@kernel(forceinline=True, error_model="numpy")
def saturations(work, temperature, law):
    """SATURATION at the temperatures in a row."""
    for i in range(WIDTH):
        work[SATURATION + i] = saturation(work[temperature + i], law)


@kernel(forceinline=True, error_model="numpy")
def slownesses(work, temperature, law):
    """SLOWNESS at the temperatures in a row."""
    for i in range(WIDTH):
        work[SLOWNESS + i] = slowness(work[temperature + i], law)


@kernel(forceinline=True, error_model="numpy")
def supply_rows(work, alpha, martensite, law):
    """FORMED, DECAYED: what drives (25), (26) over X_as; PACE and INVERSE; whether (25) acts."""
    forms = 0
    for i in range(WIDTH):
        X_as, X_am = work[alpha + i], work[martensite + i]
        gap, drive = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
        inverse, work[PACE + i] = supply(X_as, work[SLOWNESS + i], law)
        work[FORMED + i], work[DECAYED + i] = gap * inverse, drive * inverse
        work[INVERSE + i] = inverse
        forms |= np.int64(gap > 0.0)
    return forms != 0


@kernel(forceinline=True)
def raise_rows(work, first, count, exponent):
    """`count` values from the row `first` on, to the power of the exponent.

    A loop for the logarithm and one for the exponential: together their chain of dependent
    operations is longer than what a core looks ahead.
    """
    for i in range(count):
        work[first + i] = exponent * log2(work[first + i])
    for i in range(count):
        work[first + i] = exp2_normal(work[first + i])


@kernel(forceinline=True, error_model="numpy")
def growth_rows(work, alpha, martensite, law):
    """FORMED, DECAYED: (25), (26), from their powers in the same rows."""
    for i in range(WIDTH):
        X_as, X_am, pace = work[alpha + i], work[martensite + i], work[PACE + i]
        gap, drive = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
        work[FORMED + i] = growth(gap, work[FORMED + i], pace)
        work[DECAYED + i] = growth(drive, work[DECAYED + i], pace)


@kernel(forceinline=True, error_model="numpy")
def follow_growth(work, dt, law):
    """FORMED and DECAYED of lanes with stable alpha as they are on average over a long dt.

    What drives (25), (26) and k_as stay, so that X_as^(1/c) grows evenly: X_as(dt) = X_as (1 + q)^c
    with q = dt R / (c X_as), where forward Euler has X_as (1 + c q).
    """
    c = law.growth_exponent
    for i in range(WIDTH):
        q = (dt / c) * (work[FORMED + i] + work[DECAYED + i]) * work[INVERSE + i]
        work[GREATER + i], work[GROWTH + i] = 1.0 + q, q
    raise_rows(work, GREATER, WIDTH, c)
    for i in range(WIDTH):
        q = work[GROWTH + i]
        series = 1.0 + (0.5 * (c - 1.0)) * q * (1.0 + (c - 2.0) * (1.0 / 3.0) * q)
        factor = (work[GREATER + i] - 1.0) / (c * q) if q > 0.05 else series
        factor = factor if work[ALPHA + i] > 0.0 else 1.0
        work[FORMED + i] *= factor
        work[DECAYED + i] *= factor


@kernel(forceinline=True, error_model="numpy")
def patience(work, tolerance, most, law):
    """(s, tight): the batch may rest for s slowness(T) seconds below T.

    So long, no fraction changes by more than the tolerance: X_as ((1 + q)^c - 1) is below it, with
    q as in follow_growth. It is tight if martensite can form by (29) where Xam0 = most.
    """
    c = law.growth_exponent
    for i in range(WIDTH):
        work[GREATER + i] = 1.0 + tolerance * work[INVERSE + i]
    raise_rows(work, GREATER, WIDTH, 1.0 / c)
    shortest, tight = np.float64(np.inf).view(np.int64), 0
    for i in range(WIDTH):
        rate = (work[FORMED + i] + work[DECAYED + i]) * work[SLOWNESS + i] * work[INVERSE + i]
        wait = c * (work[GREATER + i] - 1.0) / rate
        wait = wait if wait > 0.0 else 0.0
        # numbers that are not negative are ordered like their bits, of which a loop finds the least
        shortest = min(shortest, np.float64(wait).view(np.int64))
        least = most * (1.0 / law.largest_alpha) * (law.largest_alpha - work[NEW_ALPHA + i])
        tight |= np.int64(work[NEW_MARTENSITE + i] + tolerance < least)
    return np.int64(shortest).view(np.float64), tight != 0


@kernel(forceinline=True, error_model="numpy")
def start(work, dt, law):
    """The new state of lanes without stable alpha, which are SETTLED by it."""
    for i in range(WIDTH):
        Xa_eq, Xam_0 = work[EQUILIBRIUM + i], work[SATURATION + i]
        k_as = law.rate / work[SLOWNESS + i]
        X_as, X_am = start_growth(work[MARTENSITE + i], Xa_eq, Xam_0, k_as, dt, law)
        empty = work[ALPHA + i] == 0.0
        work[NEW_ALPHA + i] = X_as if empty else work[NEW_ALPHA + i]
        work[NEW_MARTENSITE + i] = X_am if empty else work[NEW_MARTENSITE + i]
        work[SETTLED + i] = 1.0 if empty else work[SETTLED + i]


@kernel(forceinline=True, error_model="numpy")
def reactant(work, alpha, martensite, i, law):
    """X_as, X_am after (30), and whether (27) acts: X_as > 0 and X_max >= X_a > Xa_eq."""
    X_as, Xa_eq = work[alpha + i], work[EQUILIBRIUM + i]
    X_am = heated(X_as, work[martensite + i], Xa_eq, work[AFTER + i] > work[BEFORE + i])
    acts = (X_as > 0.0) & (X_as + X_am > Xa_eq) & (Xa_eq < law.largest_alpha)
    return X_as, X_am, acts


@kernel(forceinline=True, error_model="numpy")
def seek(work, alpha, martensite, law):
    """Whether (27) acts in any lane; DISSOLVED is cleared."""
    found = 0
    for i in range(WIDTH):
        found |= np.int64(reactant(work, alpha, martensite, i, law)[2])
        work[DISSOLVED + i] = 0.0
    return found != 0


@kernel(forceinline=True, error_model="numpy")
def dissolve_rows(work, alpha, martensite, law):
    """DISSOLVED: (27), 0 in held lanes."""
    for i in range(WIDTH):
        X_as, X_am, acts = reactant(work, alpha, martensite, i, law)
        Y = shift(X_as, X_am, work[SHIFT + i], law)
        rate = dissolution(Y, work[EQUILIBRIUM + i], law.rate / work[SLOWNESS + i], law)
        work[DISSOLVED + i] = rate if acts & (work[HELD + i] == 0.0) else 0.0


@kernel(forceinline=True, error_model="numpy")
def arrest(work, dt, law):
    """Lanes whose Y, or whose loss by DISSOLVED before half of Y_eq, is below HANDOVER are HELD.

    Returns whether any is. SHIFT is then its Y, and 0 where (27) goes on.
    """
    found = 0
    for i in range(WIDTH):
        X_as, X_am, acts = reactant(work, ALPHA, MARTENSITE, i, law)
        Y = shift(X_as, X_am, work[SHIFT + i], law)
        Y = 0.0 if Y < 0.0 else Y
        limit = law.largest_alpha - work[EQUILIBRIUM + i]
        little = (work[DISSOLVED + i] * dt < HANDOVER) & (2.0 * Y < limit)
        held = acts & (little | (Y < HANDOVER))
        found |= np.int64(held)
        work[HELD + i] = 1.0 if held else 0.0
        work[SHIFT + i] = Y if held else (0.0 if acts else work[SHIFT + i])
    return found != 0


@kernel(forceinline=True, error_model="numpy")
def creep(work, dt, law):
    """(69) in the HELD lanes, whose Y is in SHIFT.

    JUMP takes X_as to X_max - X_am - Y as far as its digits reach.
    """
    for i in range(WIDTH):
        X_as, X_am, _ = reactant(work, ALPHA, MARTENSITE, i, law)
        k_as, held = law.rate / work[SLOWNESS + i], work[HELD + i] != 0.0
        Y = start_dissolution(work[SHIFT + i], work[EQUILIBRIUM + i], k_as, dt, law)
        work[JUMP + i] = ((law.largest_alpha - X_am) - Y) - X_as if held else 0.0
        work[DISSOLVED + i] = 0.0 if held else work[DISSOLVED + i]
        work[SHIFT + i] = Y if held else work[SHIFT + i]


@kernel(forceinline=True, error_model="numpy")
def bounded(work, i, X_as, X_am, law):
    """Stores a new state of lane i, no fraction below 0; whether X_a or (30) exceeds X_max.

    The sum decides on the bound, the difference on (30): they can differ in the last bit.
    """
    X_as, X_am = 0.0 if X_as < 0.0 else X_as, 0.0 if X_am < 0.0 else X_am
    work[NEW_ALPHA + i], work[NEW_MARTENSITE + i] = X_as, X_am
    return (X_as + X_am > law.largest_alpha) | (X_am > law.largest_alpha - X_as)


@kernel(forceinline=True, error_model="numpy")
def euler_rows(work, dt, law):
    """growth_rows and (41) where nothing dissolves or starts; whether any lane exceeds X_max."""
    full = 0
    for i in range(WIDTH):
        X_as, X_am, pace = work[ALPHA + i], work[MARTENSITE + i], work[PACE + i]
        gap, drive = drives(X_as, X_am, work[EQUILIBRIUM + i], work[SATURATION + i], law)
        formed = growth(gap, work[FORMED + i], pace)
        decayed = growth(drive, work[DECAYED + i], pace)
        work[FORMED + i], work[DECAYED + i] = formed, decayed
        full |= np.int64(bounded(work, i, X_as + dt * (formed + decayed), X_am - dt * decayed, law))
    return full != 0


@kernel(forceinline=True, error_model="numpy")
def hot_euler_rows(work, dt):
    """(41) where something may dissolve."""
    for i in range(WIDTH):
        work[NEW_ALPHA + i] = work[ALPHA + i] + dt * (work[FORMED + i] + work[DECAYED + i])
        work[NEW_MARTENSITE + i] = work[MARTENSITE + i] - dt * work[DECAYED + i]
        work[NEW_ALPHA + i] += work[JUMP + i] - dt * work[DISSOLVED + i]


@kernel(forceinline=True, error_model="numpy")
def bound_rows(work, law):
    """No fraction below 0; whether any lane exceeds X_max."""
    full = 0
    for i in range(WIDTH):
        full |= np.int64(bounded(work, i, work[NEW_ALPHA + i], work[NEW_MARTENSITE + i], law))
    return full != 0


@kernel(forceinline=True, error_model="numpy")
def known_rows(work, dt):
    """KNOWN: X^n and what is known of (44) beforehand."""
    for i in range(WIDTH):
        gain = work[FORMED + i] + work[DECAYED + i] - work[DISSOLVED + i]
        work[KNOWN_ALPHA + i] = work[ALPHA + i] + (work[JUMP + i] + 0.5 * dt * gain)
        work[KNOWN_MARTENSITE + i] = work[MARTENSITE + i] - 0.5 * dt * work[DECAYED + i]


@kernel(forceinline=True, error_model="numpy")
def iterate_rows(work, dt):
    """One round of (45)-(49): new state, SETTLED where it is found; whether any is not."""
    unsettled = 0
    for i in range(WIDTH):
        old_as, old_am, done = work[NEW_ALPHA + i], work[NEW_MARTENSITE + i], work[SETTLED + i]
        gain = work[FORMED + i] + work[DECAYED + i] - work[DISSOLVED + i]
        X_as = work[KNOWN_ALPHA + i] + 0.5 * dt * gain
        X_am = work[KNOWN_MARTENSITE + i] - 0.5 * dt * work[DECAYED + i]
        size_as = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(X_as)
        size_am = ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(X_am)
        r_as, r_am = (X_as - old_as) * size_am, (X_am - old_am) * size_as
        limit = size_as * size_am
        small = 0.5 * (r_as * r_as + r_am * r_am) < limit * limit
        now = 1.0 if small else done
        work[NEW_ALPHA + i] = X_as if done == 0.0 else old_as
        work[NEW_MARTENSITE + i] = X_am if done == 0.0 else old_am
        work[SETTLED + i] = now
        unsettled |= np.int64(now == 0.0)
    return unsettled != 0


@kernel(forceinline=True, error_model="numpy")
def scale(work, law):
    """Both fractions scaled where X_a exceeds X_max."""
    for i in range(WIDTH):
        X_a = work[NEW_ALPHA + i] + work[NEW_MARTENSITE + i]
        factor = law.largest_alpha / X_a if X_a > law.largest_alpha else 1.0
        work[NEW_ALPHA + i] *= factor
        work[NEW_MARTENSITE + i] *= factor


@kernel(forceinline=True, error_model="numpy")
def gate(work, law):
    """(30) or (29); whether any lane then exceeds X_max."""
    crowded = 0
    for i in range(WIDTH):
        X_as, T_old, T = work[NEW_ALPHA + i], work[BEFORE + i], work[AFTER + i]
        X_am = heated(X_as, work[NEW_MARTENSITE + i], work[EQUILIBRIUM + i], T > T_old)
        X_am = cooled(X_as, X_am, work[SATURATION + i], T < T_old, law)
        work[NEW_MARTENSITE + i] = X_am
        crowded |= np.int64(X_as + X_am > law.largest_alpha)
    return crowded != 0


@kernel(forceinline=True, error_model="numpy")
def regularise(work, law):
    """(31)."""
    for i in range(WIDTH):
        work[NEW_ALPHA + i] = regularised(work[NEW_ALPHA + i], work[AFTER + i], law)


@kernel(forceinline=True)
def melt(work, law):
    """No phase in the melt; SHIFT = 0 in hot lanes where it no longer agrees with X_max - X_a.

    Below alpha_end it is kept: (25) does not consume so small a Y before the next heating.
    """
    for i in range(WIDTH):
        liquid = work[AFTER + i] > law.solidus
        work[NEW_ALPHA + i] = 0.0 if liquid else work[NEW_ALPHA + i]
        work[NEW_MARTENSITE + i] = 0.0 if liquid else work[NEW_MARTENSITE + i]
        difference = law.largest_alpha - (work[NEW_ALPHA + i] + work[NEW_MARTENSITE + i])
        stale = abs(difference - work[SHIFT + i]) > UNRESOLVED
        hot = (work[AFTER + i] > law.alpha_end) | (work[BEFORE + i] > law.alpha_end)
        work[SHIFT + i] = 0.0 if stale & hot else work[SHIFT + i]
