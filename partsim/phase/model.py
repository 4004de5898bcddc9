"""The phase model of one point in plain Python, with the symbols of the paper: the reference.

X_as stable alpha, X_am martensite, X_b beta, X_a = X_as + X_am; T in K, t in s. Numbers in
brackets are equations of arXiv 2402.17580.
"""

from math import ceil, exp, inf, isfinite, sqrt
from typing import NamedTuple

from partsim.errors import UserError

from .batch import ITERATIONS
from .lane import HANDOVER, UNRESOLVED
from .rows import ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE


class PhaseLaw(NamedTuple):
    """Constants of the phase model; the defaults are those of Ti-6Al-4V.

    Temperatures, rates and exponents: tables 2 and 3 of arXiv 2402.17580 (fitted by its reference
    [23]). X_max: its section 2.2. regularisation_end: not stated there; the value of a public
    implementation of the journal version (doi 10.1016/j.addma.2024.104380). excess: the paper
    leaves open whether (26) is driven by all martensite (0) or by its excess over Xam_eq (1).
    """

    solidus: float = 1878.0  # K, T_s
    liquidus: float = 1928.0  # K, T_l
    alpha_start: float = 1273.0  # K, T_as,sta: no stable alpha in equilibrium above
    alpha_end: float = 935.0  # K, T_as,end: X_max in equilibrium below
    martensite_start: float = 848.0  # K, T_am,sta
    martensite_end: float = 293.0  # K, T_inf
    regularisation_end: float = 1373.0  # K, T_reg,2: no stable alpha at all above
    alpha_exponent: float = 0.0068  # 1/K, k_as,eq
    martensite_exponent: float = 0.00415  # 1/K, k_am,eq
    largest_alpha: float = 0.9  # X_max
    growth_exponent: float = 2.51  # c_as
    dissolution_exponent: float = 11.0  # c_b
    rate: float = 0.294  # 1/s, k_1
    rate_centre: float = 850.0  # K, k_2
    rate_slope: float = 0.0337  # 1/K, k_3
    dissolution_factor: float = 3.8  # f
    excess: float = 0.0


class Phases(NamedTuple):
    """The state of a point. Y is X_b - (1 - X_max) where 1 - X_a has lost its digits, else 0."""

    X_as: float
    X_am: float
    Y: float = 0.0


class Rates(NamedTuple):
    """Diffusion in 1/s: (25), (26), (27)."""

    b_as: float
    am_as: float
    as_b: float


def check_law(law: PhaseLaw) -> None:
    """Raises UserError for constants that are not numbers or contradict each other."""
    for name, value in law._asdict().items():
        if not isfinite(value) or value < 0 or (value == 0 and name != "excess"):
            raise UserError(f"phase.{name} = {value:g}, but it must be a positive number")
    ascending = ("martensite_end", "martensite_start", "alpha_end", "alpha_start",
                 "regularisation_end", "solidus", "liquidus")
    for lower, upper in zip(ascending, ascending[1:]):
        low, high = getattr(law, lower), getattr(law, upper)
        if low > high or (low == high and upper != "solidus"):
            raise UserError(f"phase.{upper} = {high:g} K, but it must be above {lower}, {low:g} K")
    if law.largest_alpha >= 1:
        raise UserError(f"phase.largest_alpha = {law.largest_alpha:g}, but it must be below 1")
    if law.growth_exponent <= 1 or law.dissolution_exponent <= 1:
        raise UserError("phase.growth_exponent and dissolution_exponent must be above 1")
    if law.excess not in (0, 1):
        raise UserError(f"phase.excess = {law.excess:g}, but it must be 0 or 1")


def liquid_fraction(T: float, law: PhaseLaw) -> float:
    """X_liq, (16)."""
    return min(max((T - law.solidus) / (law.liquidus - law.solidus), 0.0), 1.0)


def stable_equilibrium(T: float, law: PhaseLaw) -> float:
    """Xa_eq, (17)."""
    if T <= law.alpha_end:
        return law.largest_alpha
    if T >= law.alpha_start:
        return 0.0
    return min(1 - exp(-law.alpha_exponent * (law.alpha_start - T)), law.largest_alpha)


def martensite_saturation(T: float, law: PhaseLaw) -> float:
    """Xam0, (18)."""
    if T <= law.martensite_end:
        return law.largest_alpha
    if T >= law.martensite_start:
        return 0.0
    return min(1 - exp(-law.martensite_exponent * (law.martensite_start - T)), law.largest_alpha)


def martensite_equilibrium(X_as: float, T: float, law: PhaseLaw) -> float:
    """Xam_eq, (19)."""
    return martensite_saturation(T, law) * (law.largest_alpha - X_as) / law.largest_alpha


def mobility(T: float, law: PhaseLaw) -> float:
    """k_as in 1/s, (28); k_b = f k_as."""
    return law.rate / (1 + exp(-law.rate_slope * (T - law.rate_centre)))


def growth_drives(X_as: float, X_am: float, T: float, law: PhaseLaw) -> tuple[float, float]:
    """Xa_eq - X_a and X_am (less Xam_eq in the second reading of (26)), not below 0."""
    gap = stable_equilibrium(T, law) - X_as - X_am
    return max(gap, 0.0), max(X_am - law.excess * martensite_equilibrium(X_as, T, law), 0.0)


def surplus_beta(state: Phases, law: PhaseLaw) -> float:
    """Y: the one stored if X_max - X_a agrees with it, else this difference."""
    difference = law.largest_alpha - (state.X_as + state.X_am)
    return max(state.Y if abs(difference - state.Y) <= UNRESOLVED else difference, 0.0)


def heat(X_as: float, X_am: float, T: float, law: PhaseLaw) -> float:
    """X_am after (30)."""
    return min(X_am, max(stable_equilibrium(T, law) - X_as, 0.0))


def dissolves(state: Phases, T: float, law: PhaseLaw) -> bool:
    """Whether (27) acts."""
    Xa_eq = stable_equilibrium(T, law)
    return state.X_as > 0 and Xa_eq < law.largest_alpha and state.X_as + state.X_am > Xa_eq


def rates(state: Phases, T: float, law: PhaseLaw, heating: bool = False) -> Rates:
    """(25)-(27); on heating (30) takes martensite before (27) takes stable alpha."""
    X_as, X_am, _ = state
    c, k_as = law.growth_exponent, mobility(T, law)
    gap, drive = growth_drives(X_as, X_am, T, law)
    low = k_as * max(X_as, 0.0) ** ((c - 1) / c)
    formed, decayed = low * gap ** ((c + 1) / c), low * drive ** ((c + 1) / c)
    if heating:
        state = state._replace(X_am=heat(X_as, X_am, T, law))
    if not dissolves(state, T, law):
        return Rates(formed, decayed, 0.0)
    c, k_b, Y = law.dissolution_exponent, law.dissolution_factor * k_as, surplus_beta(state, law)
    above = max(law.largest_alpha - stable_equilibrium(T, law) - Y, 0.0)
    return Rates(formed, decayed, k_b * Y ** ((c - 1) / c) * above ** ((c + 1) / c))


def start_growth(X_am: float, T: float, dt: float, law: PhaseLaw) -> Phases:
    """The state after dt from X_as = 0.

    dx/dt = k x^((c-1)/c) (l - x)^((c+1)/c) from 0 has x = l / (1 + (c / (k l t))^c). Here
    l^((c+1)/c) is the sum of the driving terms of (25) and (26): exact where one of them is 0.
    """
    c, k_as = law.growth_exponent, mobility(T, law)
    formed, decayed = (drive ** ((c + 1) / c) for drive in growth_drives(0.0, X_am, T, law))
    if formed + decayed == 0:
        return Phases(0.0, X_am)
    limit = (formed + decayed) ** (c / (c + 1))
    X_as = limit / (1 + (c / (k_as * limit * dt)) ** c)
    return Phases(X_as, X_am - X_as * decayed / (formed + decayed))


def start_dissolution(Y: float, T: float, dt: float, law: PhaseLaw) -> float:
    """Y after dt by (69), exact at constant temperature."""
    c, Y_eq = law.dissolution_exponent, law.largest_alpha - stable_equilibrium(T, law)
    k_b = law.dissolution_factor * mobility(T, law)
    v = (Y_eq / Y - 1) ** (-1 / c) if Y > 0 else 0.0
    return Y_eq / (1 + (v + k_b * Y_eq * dt / c) ** -c)


def bounded(X_as: float, X_am: float, law: PhaseLaw) -> tuple[float, float]:
    """No fraction below 0, and both scaled where X_a exceeds X_max."""
    X_as, X_am = max(X_as, 0.0), max(X_am, 0.0)
    scale = min(law.largest_alpha / (X_as + X_am), 1.0) if X_as + X_am > 0 else 1.0
    return X_as * scale, X_am * scale


def regularised(X_as: float, T: float, law: PhaseLaw) -> float:
    """X_as after (31)."""
    if T <= law.alpha_start:
        return X_as
    remaining = (law.regularisation_end - T) / (law.regularisation_end - law.alpha_start)
    return min(X_as, law.largest_alpha * max(remaining, 0.0))


def correct(
    X_as: float, X_am: float, T_old: float, T: float, law: PhaseLaw
) -> tuple[float, float]:
    """The correction C of (42), (44): bounds, (31), (30) or (29), bounds, no phase in the melt."""
    X_as, X_am = bounded(X_as, X_am, law)
    X_as = regularised(X_as, T, law)
    if T > T_old:
        X_am = heat(X_as, X_am, T, law)
    elif T < T_old:
        X_am = max(X_am, martensite_equilibrium(X_as, T, law))
    return (0.0, 0.0) if T > law.solidus else bounded(X_as, X_am, law)


def hold(state: Phases, T_old: float, T: float, dt: float, law: PhaseLaw) -> Phases | None:
    """The state advanced by (69), or None where (27) does not act or has taken over."""
    heating = T > T_old
    X_am = heat(state.X_as, state.X_am, T, law) if heating else state.X_am
    known = state._replace(X_am=X_am)
    Y = surplus_beta(known, law)
    little = rates(state, T, law, heating).as_b * dt < HANDOVER
    early = 2 * Y < law.largest_alpha - stable_equilibrium(T, law)
    if not dissolves(known, T, law) or not (little and early or Y < HANDOVER):
        return None
    Y = start_dissolution(Y, T, dt, law)
    return Phases(law.largest_alpha - X_am - Y, state.X_am, Y)


def finish(
    X_as: float, X_am: float, Y: float, T_old: float, T: float, law: PhaseLaw
) -> Phases:
    """The corrected state; above alpha_end Y = 0 once it no longer agrees with X_max - X_a."""
    new = Phases(*correct(X_as, X_am, T_old, T, law), Y)
    stale = abs(law.largest_alpha - (new.X_as + new.X_am) - Y) > UNRESOLVED
    return new._replace(Y=0.0) if stale and max(T_old, T) > law.alpha_end else new


def dissolution_start(
    state: Phases, T_old: float, T: float, dt: float, law: PhaseLaw
) -> tuple[float, float, float]:
    """(change of X_as by (69), its Y, factor of (27)); the factor is 0 while (69) acts."""
    held = hold(state, T_old, T, dt, law)
    if held is not None:
        return held.X_as - state.X_as, held.Y, 0.0
    acts = rates(state, T, law, T > T_old).as_b > 0
    return 0.0, 0.0 if acts else state.Y, 1.0


def admit(state: Phases, T_old: float, law: PhaseLaw) -> Phases:
    """(31), (30), no phase in the melt, at the old temperature.

    It changes a state interpolated between others, and one to which the old temperature is new: the
    highest one that it has seen since the last step.
    """
    if T_old <= law.alpha_end:
        return state
    X_as = regularised(state.X_as, T_old, law)
    X_am = heat(X_as, state.X_am, T_old, law)
    return Phases(0.0, 0.0, state.Y) if T_old > law.solidus else Phases(X_as, X_am, state.Y)


def explicit_step(state: Phases, T_old: float, T: float, dt: float, law: PhaseLaw) -> Phases:
    """(41), (42), the rates at the new temperature."""
    state = admit(state, T_old, law)
    if state.X_as == 0:
        X_as, X_am, _ = start_growth(state.X_am, T, dt, law)
        return finish(X_as, X_am, state.Y, T_old, T, law)
    jump, Y, free = dissolution_start(state, T_old, T, dt, law)
    R = rates(state, T, law, T > T_old)
    X_as = state.X_as + dt * (R.b_as + R.am_as) + (jump - dt * free * R.as_b)
    return finish(X_as, state.X_am - dt * R.am_as, Y, T_old, T, law)


def crank_nicolson_step(
    state: Phases, T_old: float, T: float, dt: float, law: PhaseLaw
) -> Phases:
    """(43), (44) by the fixed point (45)-(49). Raises ArithmeticError where it is not found."""
    state = admit(state, T_old, law)
    if state.X_as == 0:
        X_as, X_am, _ = start_growth(state.X_am, T, dt, law)
        return finish(X_as, X_am, state.Y, T_old, T, law)
    jump, Y, free = dissolution_start(state, T_old, T, dt, law)
    R = rates(state, T_old, law, T > T_old)
    known_as = state.X_as + jump + dt / 2 * (R.b_as + R.am_as - free * R.as_b)
    known_am = state.X_am - dt / 2 * R.am_as
    X_as, X_am, _ = state
    for _ in range(ITERATIONS):
        R = rates(Phases(X_as, X_am, Y), T, law, T > T_old)
        new_as = known_as + dt / 2 * (R.b_as + R.am_as - free * R.as_b)
        new_am = known_am - dt / 2 * R.am_as
        r = residual(new_as, X_as), residual(new_am, X_am)
        X_as, X_am = new_as, new_am
        if sqrt((r[0] ** 2 + r[1] ** 2) / 2) < 1:
            return finish(X_as, X_am, Y, T_old, T, law)
    raise ArithmeticError(f"no fixed point at T = {T:g} K, dt = {dt:g} s from {state}")


def residual(new: float, old: float) -> float:
    """One component of the weighted residual in (47)-(49)."""
    return (new - old) / (ABSOLUTE_TOLERANCE + RELATIVE_TOLERANCE * abs(new))


def advance(
    state: Phases, T_old: float, T: float, dt: float, law: PhaseLaw, max_substep: float = inf
) -> Phases:
    """Crank-Nicolson in equal substeps of at most max_substep, the temperature linear."""
    n = max(1, ceil(dt / max_substep * (1 - 1e-12)))
    for left in range(n, 0, -1):
        T_next = T if left == 1 else T_old + (T - T_old) / left
        state = crank_nicolson_step(state, T_old, T_next, dt / n, law)
        T_old = T_next
    return state
