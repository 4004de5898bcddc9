"""One step of a batch: which rows it needs, and in which order.

A loop that no lane needs is skipped; a lane that does not need the loop keeps its value. The loops
are in rows.py, the equations in lane.py. `visits` counts the sections gone through, see visits.py.
"""


from ..compiled import kernel
from . import visits as at
from .rows import (
    AFTER,
    ALPHA,
    BEFORE,
    DECAYED,
    DISSOLVED,
    EQUILIBRIUM,
    FORMED,
    HELD,
    JUMP,
    MARTENSITE,
    NEW_ALPHA,
    NEW_MARTENSITE,
    SATURATION,
    SETTLED,
    WIDTH,
    arrest,
    bound_rows,
    can_form,
    creep,
    dissolve_rows,
    equilibria,
    euler_rows,
    fill,
    follow_growth,
    gate,
    growth_rows,
    hot_euler_rows,
    iterate_rows,
    known_rows,
    melt,
    raise_rows,
    regularise,
    saturations,
    scale,
    seek,
    slownesses,
    start,
    supply_rows,
    survey,
    unchanging,
)

# kinds of batches: pure ones, those that may rest without and with (29), others
STABLE, BETA, SLOW, TIGHT, OTHER = 1, 2, 4, 8, 16

ITERATIONS = 200  # of the fixed point; steps up to 0.1 s take 2 to 20


@kernel(forceinline=True, error_model="numpy")
def look(work, dt, law, visits):
    """What a batch needs: (any lane above alpha_end, without stable alpha, where (29) can act), and
    its kind."""
    hot, empty, cools = survey(work, law)
    visits[at.LOADED] += 1
    if work[MARTENSITE] == 0.0:  # the first lane tells whether the batch may be a pure one
        visits[at.COMPARED] += 1
        if not hot and unchanging(work, law.largest_alpha, 0.0):
            return hot, empty, False, STABLE
        if empty and unchanging(work, 0.0, law.alpha_start):
            return hot, empty, False, BETA
    forming = law.excess > 0.0 or (hot and cools)  # what is hot may lose its martensite to (30)
    if cools and not forming:
        visits[at.COOLING] += 1
        forming = can_form(work, dt, law)
    return hot, empty, forming, OTHER


@kernel(forceinline=True, error_model="numpy")
def evaluate(work, temperature, hot, forming, law, visits):
    """EQUILIBRIUM, SATURATION (0 unless `forming`) and SLOWNESS at the temperatures in a row."""
    fill(work, EQUILIBRIUM, law.largest_alpha)
    if hot:
        visits[at.EQUILIBRIA] += 1
        equilibria(work, temperature, law)
    fill(work, SATURATION, 0.0)
    if forming:
        visits[at.SATURATIONS] += 1
        saturations(work, temperature, law)
    visits[at.SLOWNESSES] += 1
    slownesses(work, temperature, law)


@kernel(forceinline=True, error_model="numpy")
def raise_drives(work, alpha, martensite, law, visits):
    """The powers of (25), (26) in FORMED and DECAYED, PACE and INVERSE of the state in two rows.

    Where X_a has reached Xa_eq in every lane, as in powder, FORMED costs nothing.
    """
    visits[at.SUPPLIED] += 1
    if supply_rows(work, alpha, martensite, law):
        visits[at.RAISED] += 2
        raise_rows(work, FORMED, 2 * WIDTH, 1.0 / law.growth_exponent)
    else:
        visits[at.RAISED] += 1
        raise_rows(work, DECAYED, WIDTH, 1.0 / law.growth_exponent)


@kernel(forceinline=True, error_model="numpy")
def grow(work, alpha, martensite, law, visits):
    """FORMED, DECAYED, PACE and INVERSE of the state in two rows."""
    raise_drives(work, alpha, martensite, law, visits)
    visits[at.GROWN] += 1
    growth_rows(work, alpha, martensite, law)


@kernel(forceinline=True, error_model="numpy")
def dissolve(work, alpha, martensite, law, visits):
    """DISSOLVED of the state in two rows, 0 in held lanes; whether (27) acts in any lane."""
    visits[at.SOUGHT] += 1
    found = seek(work, alpha, martensite, law)
    if found:
        visits[at.FOUND] += 1
        dissolve_rows(work, alpha, martensite, law)
    return found


@kernel(forceinline=True, error_model="numpy")
def hold(work, dt, law, visits):
    """(69) instead of (27) where it must."""
    visits[at.ARRESTED] += 1
    if arrest(work, dt, law):
        visits[at.CREPT] += 1
        creep(work, dt, law)


@kernel(forceinline=True, error_model="numpy")
def correct(work, hot, forming, full, law, visits):
    """The rest of the correction C of (42), (44): (31), (30) or (29), bounds, no phase in the melt.

    Neither (30) nor (29) can act where no lane is hot, forms martensite or exceeds X_max.
    """
    if full:
        visits[at.SCALED] += 1
        scale(work, law)
    if hot:
        visits[at.MELTED] += 1
        regularise(work, law)
    if hot or forming or full:
        visits[at.GATED] += 1
        if gate(work, law):
            visits[at.SCALED] += 1
            scale(work, law)
    if hot:
        melt(work, law)


@kernel(forceinline=True, error_model="numpy")
def euler(work, dt, late, needs, law, visits):
    """(41), (42), the rates at the new temperature; `late` after a wait; `needs` from look."""
    hot, empty, forming, _ = needs
    visits[at.CHANGED] += 1
    evaluate(work, AFTER, hot, forming, law, visits)
    if late or hot or empty:
        grow(work, ALPHA, MARTENSITE, law, visits)
        if late:
            visits[at.LATE] += 1
            follow_growth(work, dt, law)
        full = euler_with_starts(work, dt, hot, empty, law, visits)
    else:
        raise_drives(work, ALPHA, MARTENSITE, law, visits)
        visits[at.EULER] += 1
        full = euler_rows(work, dt, law)
    correct(work, hot, forming, full, law, visits)


@kernel(forceinline=True, error_model="numpy")
def euler_with_starts(work, dt, hot, empty, law, visits):
    """(41) where lanes may dissolve or lack stable alpha; whether any lane exceeds X_max."""
    visits[at.HOT_EULER] += 1
    for row in (HELD, JUMP, DISSOLVED):
        fill(work, row, 0.0)
    if hot and dissolve(work, ALPHA, MARTENSITE, law, visits):
        hold(work, dt, law, visits)
    hot_euler_rows(work, dt)
    if empty:
        visits[at.STARTED] += 1
        start(work, dt, law)
    return bound_rows(work, law)


@kernel(forceinline=True, error_model="numpy")
def iterate(work, dt, hot, law, visits):
    """(45)-(49): X^(k+1) = KNOWN + dt/2 F(X^(k), T^(n+1)) until settled; whether it was not."""
    unsettled = True
    for _ in range(ITERATIONS):
        visits[at.ITERATED] += 1
        grow(work, NEW_ALPHA, NEW_MARTENSITE, law, visits)
        if hot:
            dissolve(work, NEW_ALPHA, NEW_MARTENSITE, law, visits)
        unsettled = iterate_rows(work, dt)
        if not unsettled:
            break
    return unsettled


@kernel(forceinline=True, error_model="numpy")
def crank_nicolson(work, dt, law, visits):
    """(43), (44) with the analytical starts; whether a lane found no fixed point."""
    hot, empty, forming, _ = look(work, dt, law, visits)
    visits[at.CHANGED] += 1
    for i in range(WIDTH):
        work[NEW_ALPHA + i], work[NEW_MARTENSITE + i] = work[ALPHA + i], work[MARTENSITE + i]
        work[DISSOLVED + i] = work[HELD + i] = work[JUMP + i] = work[SETTLED + i] = 0.0
    if hot or empty:
        evaluate(work, AFTER, hot, forming, law, visits)
        if hot and dissolve(work, ALPHA, MARTENSITE, law, visits):
            hold(work, dt, law, visits)
        if empty:
            visits[at.STARTED] += 1
            start(work, dt, law)
    evaluate(work, BEFORE, hot, forming, law, visits)
    grow(work, ALPHA, MARTENSITE, law, visits)
    if hot:
        dissolve(work, ALPHA, MARTENSITE, law, visits)
    visits[at.KNOWN] += 1
    known_rows(work, dt)
    evaluate(work, AFTER, hot, forming, law, visits)
    unsettled = iterate(work, dt, hot, law, visits)
    correct(work, hot, forming, bound_rows(work, law), law, visits)
    return unsettled
