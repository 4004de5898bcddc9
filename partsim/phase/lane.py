"""The phase model of one point, compiled into the loops of kernels.py: equations, no arrays.

Every function is free of branches and calls, so that a loop over points vectorises. Symbols: X_as
stable alpha, X_am martensite, X_a their sum, X_max its largest value, Y = X_b - (1 - X_max) the
beta fraction of a point whose X_max - X_a has lost its digits. Both products of powers in the
rates take one power: x^((c-1)/c) y^((c+1)/c) = x y (y/x)^(1/c). Equation numbers are those of
arXiv 2402.17580; `law` is a PhaseLaw of model.py, where its constants have names and sources.
"""


from partsim.fastmath import exp, exp2, exp_accurate, fma, log2, log_accurate

from ..compiled import kernel

HANDOVER = 1e-12  # a step's loss of X_as from which on (27) replaces its analytical start
UNRESOLVED = 5e-13  # X_max - X_a is not known better
TINY = 1e-150  # X_as below it would overflow where one divides by it; none that grows is


@kernel(forceinline=True, error_model="numpy")
def equilibrium(T, law):
    """Xa_eq, (17)."""
    X = 1.0 - exp(-law.alpha_exponent * (law.alpha_start - T))
    X = X if (X < law.largest_alpha) & (T > law.alpha_end) else law.largest_alpha
    return X if T < law.alpha_start else 0.0


@kernel(forceinline=True, error_model="numpy")
def saturation(T, law):
    """Xam0, (18)."""
    X = 1.0 - exp(-law.martensite_exponent * (law.martensite_start - T))
    X = X if (X < law.largest_alpha) & (T > law.martensite_end) else law.largest_alpha
    return X if T < law.martensite_start else 0.0


@kernel(forceinline=True, error_model="numpy")
def saturation_bound(T, law):
    """A number above saturation(T): 1 - e^-x < x - x^2/2 + x^3/6 - x^4/24 + x^5/120, x >= 0."""
    x = law.martensite_exponent * (law.martensite_start - T)
    s = fma(x, fma(x, fma(x, 1 / 120, -1 / 24), 1 / 6), -1 / 2)
    sum5 = fma(x * x, s, x)
    bound = sum5 + 1e-9  # more than the error of exp
    bound = bound if T > law.martensite_end else 1.0
    return bound if T < law.martensite_start else 0.0


@kernel(forceinline=True, error_model="numpy")
def slowness(T, law):
    """k_1 / k_as(T), (28)."""
    return 1.0 + exp((-law.rate_slope) * (T - law.rate_centre))


@kernel(forceinline=True, error_model="numpy")
def drives(X_as, X_am, Xa_eq, Xam_0, law):
    """What drives (25) and (26): Xa_eq - X_a and X_am, or X_am - Xam_eq where law.excess is 1."""
    stable = law.excess / law.largest_alpha * Xam_0 * (law.largest_alpha - X_as)
    return Xa_eq - (X_as + X_am), X_am - stable


@kernel(forceinline=True, error_model="numpy")
def supply(X_as, slow, law):
    """1 / X_as and k_as X_as in 1/s for slow = slowness(T), by one division."""
    X = X_as if X_as > TINY else TINY
    r = 1.0 / (slow * X)
    return slow * r, law.rate * (X * r) * (0.0 if X_as < 0.0 else X_as)


@kernel(forceinline=True, error_model="numpy")
def growth(drive, power, pace):
    """k_as X_as^((c-1)/c) drive^((c+1)/c) in 1/s; (25), (26).

    power = (drive / X_as)^(1/c), pace = k_as X_as
    """
    rate = pace * drive * power
    return rate if drive > 0.0 else 0.0


@kernel(forceinline=True, error_model="numpy")
def start_growth(X_am, Xa_eq, Xam_0, k_as, dt, law):
    """X_as and X_am after dt from X_as = 0; exact where only one of (25) and (26) acts.

    X_as = x z/(1 + z), z = (k_as x dt / c)^c, x^((c+1)/c) = gap^((c+1)/c) + drive^((c+1)/c).
    """
    c = law.growth_exponent
    power = (c + 1.0) / c
    gap, drive = drives(0.0, X_am, Xa_eq, Xam_0, law)
    formed = exp2(power * log2(gap)) if gap > 0.0 else 0.0
    decayed = exp2(power * log2(drive)) if drive > 0.0 else 0.0
    both = formed + decayed
    size = log2(both) / power
    z = exp2(c * (size + log2(k_as * dt / c)))
    X_as = exp2(size) * z / (1.0 + z) if both > 0.0 else 0.0
    lost = X_as * decayed / both if both > 0.0 else 0.0
    return X_as, X_am - lost


@kernel(forceinline=True, error_model="numpy")
def heated(X_as, X_am, Xa_eq, heating):
    """X_am after (30): on heating martensite above the equilibrium goes, before X_as does."""
    room = Xa_eq - X_as
    room = 0.0 if room < 0.0 else room
    return room if heating & (X_am > room) else X_am


@kernel(forceinline=True, error_model="numpy")
def cooled(X_as, X_am, Xam_0, cooling, law):
    """X_am after (29): on cooling martensite is at least Xam_eq, (19)."""
    free = law.largest_alpha - X_as
    least = Xam_0 * (free * (1.0 / law.largest_alpha))
    least = free if least > free else least
    return least if cooling & (X_am < least) else X_am


@kernel(forceinline=True, error_model="numpy")
def regularised(X_as, T, law):
    """X_as after (31)."""
    slope = law.largest_alpha / (law.regularisation_end - law.alpha_start)
    most = slope * (law.regularisation_end - T)
    most = 0.0 if most < 0.0 else most
    return most if (T > law.alpha_start) & (X_as > most) else X_as


@kernel(forceinline=True, error_model="numpy")
def shift(X_as, X_am, Y, law):
    """Y of a state: the one stored if X_max - X_a agrees with it, else this difference."""
    difference = law.largest_alpha - (X_as + X_am)
    return Y if abs(difference - Y) <= UNRESOLVED else difference


@kernel(forceinline=True, error_model="numpy")
def dissolution(Y, Xa_eq, k_as, law):
    """R_as>b in 1/s, (27) as k_b Y^((c-1)/c) (Y_eq - Y)^((c+1)/c)."""
    c = 1.0 / law.dissolution_exponent
    drive = (law.largest_alpha - Xa_eq) - Y
    rate = law.dissolution_factor * k_as * Y * drive * exp2(c * log2(drive / Y))
    return rate if (Y > 0.0) & (drive > 0.0) else 0.0


@kernel(forceinline=True, error_model="numpy")
def start_dissolution(Y, Xa_eq, k_as, dt, law):
    """Y after dt by (69), exact at constant temperature, where X_a > Xa_eq.

    Y = Y_eq / (1 + v^-c), v = (Y_eq/Y - 1)^(-1/c) + k_b Y_eq dt / c, the power being 0 at Y = 0.
    """
    c, limit = law.dissolution_exponent, law.largest_alpha - Xa_eq
    v = exp_accurate(log_accurate(Y / (limit - Y)) / c) if Y > 0.0 else 0.0
    v += law.dissolution_factor * k_as * limit * dt / c
    return limit / (1.0 + exp_accurate(-c * log_accurate(v)))
