"""What happens at a point of the dense reference: the surface's losses and the phases.

Phases are (X_as, X_am, Y): stable alpha, martensite, and the beta fraction above 0.1 of a point
whose alpha fraction has been 0.9 so far: 0.1 + Y would round Y away. Until then X_as is without Y.
Model and constants of Ti-6Al-4V: Proell et al., arXiv 2402.17580; SI units.
"""
import numpy as np

MOST, C_AS, C_B = 0.9, 2.51, 11.0  # largest alpha fraction; exponents of growth and dissolution
SOLIDUS = 1878.0
STEFAN_BOLTZMANN, GAS = 5.670374e-8, 8.314462618


def surface_loss(T, setup):
    """Radiation and evaporation in W/m^2, eqs. 11 and 12."""
    m = setup.material
    radiated = m.emissivity * STEFAN_BOLTZMANN * (T**4 - m.ambient**4)
    hot, moles = np.minimum(T, m.evaporation_cap), m.molar_mass / GAS
    pressure = np.exp(m.evaporation_enthalpy * moles * (1 / m.boiling - 1 / hot))
    vapour = 0.82 * m.evaporation_pressure * pressure * np.sqrt(moles / (2 * np.pi * hot))
    heat = m.evaporation_enthalpy + m.heat_capacity * (hot - m.enthalpy_reference)
    return setup.radiation * radiated + setup.evaporation * vapour * heat


def law(T):
    """Growth rate k_as, equilibrium of X_as + X_am, limit of X_am without X_as; eqs. 17, 18, 28."""
    equilibrium = np.where(T <= 935, MOST, 1 - np.exp(-0.0068 * np.maximum(1273 - T, 0)))
    martensite = np.minimum(MOST, 1 - np.exp(-0.00415 * np.maximum(848 - T, 0)))
    return 0.294 / (1 + np.exp(-0.0337 * (T - 850))), equilibrium, martensite


def reheated(X_as, X_am, T, heating):
    """X_am after eq. 30: on heating it goes before X_as does."""
    most = np.maximum(law(T)[1] - X_as, 0)
    return np.where(heating, np.minimum(X_am, most), X_am)


def diffusion(X, T, heating, dissolving):
    """d(X_as, X_am)/dt by diffusion, eqs. 25-27; (27) only where `dissolving`, after eq. 30."""
    (X_as, X_am), (k, equilibrium, _) = np.maximum(X, 0), law(T)
    room = np.maximum(equilibrium - X_as - X_am, 0)
    grown, decayed = k * X_as**(1 - 1 / C_AS) * np.stack([room, X_am])**(1 + 1 / C_AS)
    X_a = X_as + reheated(X_as, X_am, T, heating)
    beta, excess = np.maximum([MOST - X_a, X_a - equilibrium], 0)
    dissolved = 3.8 * k * dissolving * beta**(1 - 1 / C_B) * excess**(1 + 1 / C_B)
    return np.stack([grown + decayed - dissolved, -decayed])


def avrami(x, limit, gain, c):
    """x at t + dt from dx/dt = K x^(1-1/c) (limit - x)^(1+1/c), gain = K dt."""
    u = ((x / (limit - x))**(1 / c) + gain * limit / c)**c
    return limit * u / (1 + u)


def beta_start(phases, T, heating, dt):
    """X_as, Y and where dissolution is counted by Y: until a step of it reaches 1e-12; eq. 69."""
    (X_as, X_am, Y), (k, equilibrium, _) = phases, law(T)
    X_a = X_as + reheated(X_as, X_am, T, heating)
    full = (MOST - X_a < 1e-14) & (X_a > equilibrium)
    limit = np.where(full, MOST - equilibrium, 1)
    Y = np.where(full, avrami(Y, limit, 3.8 * k * dt, C_B), Y)
    step = 3.8 * k * dt * Y**(1 - 1 / C_B) * (limit - Y)**(1 + 1 / C_B)
    hidden = full & (step <= 1e-12)
    return np.where(hidden, X_as, X_as - Y), np.where(hidden, Y, 0), full


def alpha_start(X_am, T, dt):
    """X_as and X_am after dt from X_as = 0, grown from beta, from martensite or from both."""
    k, equilibrium, _ = law(T)
    room, decay = np.maximum([equilibrium - X_am, X_am], 0)**(1 + 1 / C_AS)
    alone = avrami(0, np.where(X_am > 0, X_am, equilibrium + 1e-99), k * dt, C_AS)
    X_as = np.where(room * decay > 0, (k * (room + decay) * dt / C_AS)**C_AS, alone)
    return np.stack([X_as, X_am - X_as * decay / np.maximum(room + decay, 1e-99)])


def bounded(X):
    X = np.maximum(X, 0)
    return X * (MOST / np.maximum(X.sum(0), MOST))


def correct(X, T_old, T):
    """Bounds, the fading of X_as above 1273 K and the instantaneous transformations, eqs. 29-31."""
    X_as, X_am = bounded(X)
    X_as = np.minimum(X_as, MOST * np.clip((1373 - T) / 100, 0, 1))
    X_am, limit = reheated(X_as, X_am, T, T > T_old), law(T)[2] * (MOST - X_as) / MOST
    X_am = np.where((T < T_old) & (T < 848), np.maximum(X_am, limit), X_am)
    return np.where(T > SOLIDUS, 0, bounded([X_as, X_am]))


def advance(phases, T_old, T, dt, scheme):
    """The state (3, ...) after one step dt; scheme: "explicit" (rates at T) or "crank-nicolson"."""
    fresh, heating = phases[0] == 0, T > T_old
    X_as, Y, full = beta_start(phases, T, heating, dt)
    X, gates = np.stack([X_as, phases[1]]), (heating, ~full)
    if scheme == "explicit":
        X = X + dt * diffusion(X, T, *gates)
    else:
        X = fixed_point(X, X + dt / 2 * diffusion(X, T_old, *gates), dt / 2, T, gates)
    X = correct(np.where(fresh, alpha_start(phases[1], T, dt), X), T_old, T)
    return np.stack([*X, np.where(T > SOLIDUS, 0, Y)])


def fixed_point(X, known, weight, T, gates):
    """X = known + weight F(X, T), point by point until the change is within the tolerances."""
    moving = X[0] > 0
    for _ in range(200):
        new = known + weight * diffusion(X, T, *gates)
        change = (((new - X) / (1e-10 + 1e-8 * abs(new)))**2).mean(0)
        X, moving = np.where(moving, new, X), moving & (change >= 1)
        if not moving.any():
            return X
    raise ArithmeticError("the fixed point does not converge: too large a step")
