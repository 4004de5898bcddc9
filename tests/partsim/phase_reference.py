"""The phase model as a differential-algebraic system, integrated by scipy between events.

Nothing is taken from the package. Along a linear piece of temperature the state is one of
    melt      no phase
    grow      v = X_as^(1/c_as) and X_am, both free, regular at v = 0 (25), (26)
    formed    X_am slaved to Xam_eq while cooling presses against (29); v free
    dissolved X_am slaved to Xa_eq - X_as while heating presses against (30); v free
    shrink    w = (0.9 - X_as)^(1/c_b) without martensite (27), regular at w = 0
    faded     X_as slaved to the line (31) while heating presses against it
"""
from math import exp

import numpy as np
from scipy.integrate import solve_ivp

MOST, C, CB = 0.9, 2.51, 11.0
KINKS = (293.0, 848.0, 935.0, 1273.0, 1373.0, 1878.0)
SLOPE = MOST / 100  # of (31), 1/K


def k_as(T):
    return 0.294 / (1 + exp(-0.0337 * (T - 850)))


def Xa_eq(T):
    return MOST if T <= 935 else 1 - exp(-0.0068 * (1273 - T)) if T < 1273 else 0.0


def Xam0(T):
    return MOST if T <= 293 else min(MOST, 1 - exp(-0.00415 * (848 - T))) if T < 848 else 0.0


def power(x, p):
    return max(x, 0.0) ** p


class Point:
    """One point of the material; `run` takes it along a linear temperature."""

    def __init__(self, X_as, X_am, excess=0.0):
        self.X_as, self.X_am, self.Y, self.excess = X_as, X_am, MOST - X_as - X_am, excess

    def run(self, T0, T1, duration):
        """From T0 to T1 in `duration`, cut where the law has kinks."""
        inner = [T for T in KINKS if min(T0, T1) < T < max(T0, T1)]
        stops = [T0, *sorted(inner, reverse=bool(T1 < T0)), T1]
        for a, b in zip(stops, stops[1:]):
            self.piece(a, b, duration * (abs(b - a) / abs(T1 - T0) if T1 != T0 else 1))

    def piece(self, a, b, duration):
        self.T, self.rate, self.left = a, (b - a) / duration, duration
        # the law inside the piece, not at its kinks
        self.low, self.high = min(a, b), max(a, b)
        while self.left > 1e-12 * duration:
            self.project()
            getattr(self, self.mode())()

    def law(self, t):
        T = self.T + self.rate * t
        T_in = min(max(T, self.low + 1e-9), self.high - 1e-9) if self.high > self.low else T
        return T, k_as(T), Xa_eq(T_in), Xam0(T_in)

    def project(self):
        """The instantaneous transformations at the start of a piece, in the direction of T."""
        T, _, equilibrium, saturation = self.law(0.0)
        if max(self.low, T) > 1878 or (self.high > 1878 and self.low >= 1878):
            self.X_as = self.X_am = 0.0
        if self.low >= 1273:
            line = max(SLOPE * (1373 - T), 0.0)
            if self.X_as > line:
                self.X_as, self.Y = line, MOST - line
        room = max(equilibrium - self.X_as, 0.0)
        if self.rate > 0 and self.X_am > room:
            self.X_am = room
            self.Y = MOST - self.X_as - self.X_am
        least = saturation * (MOST - self.X_as) / MOST
        if self.rate < 0 and self.high <= 848 and self.X_am < least:
            self.X_am = least
            self.Y = MOST - self.X_as - self.X_am

    def mode(self):
        T, k, equilibrium, saturation = self.law(0.0)
        if self.low >= 1273 and self.X_as == 0 and self.X_am == 0:
            return "rest"
        if self.low >= 935 and self.X_am <= 1e-15 and self.Y < MOST - equilibrium and self.X_as > 0:
            line = SLOPE * (1373 - T)
            pressed = self.low >= 1273 and self.rate > 0 and self.X_as >= line * (1 - 1e-12)
            slower = self.shrinking(self.Y, k, 0.0) < SLOPE * self.rate
            return "faded" if pressed and slower else "shrink"
        if self.rate > 0 and self.low >= 935 and self.X_am > 0:
            if self.X_as + self.X_am >= equilibrium * (1 - 1e-12):
                return "dissolved"
        if self.rate < 0 and self.high <= 848:
            least = saturation * (MOST - self.X_as) / MOST
            if self.X_am <= least + 1e-13 and self.pressing(0.0, self.X_as ** (1 / C)) > 0:
                return "formed"
        return "grow"

    def drive(self, X_as, X_am, saturation):
        return X_am - self.excess * saturation * (MOST - X_as) / MOST

    def growing(self, v, X_am, k, equilibrium, saturation):
        """dv/dt and dX_am/dt of (25), (26)."""
        X_as = power(v, C)
        gap = power(equilibrium - X_as - X_am, (C + 1) / C)
        decay = power(self.drive(X_as, X_am, saturation), (C + 1) / C)
        return k / C * (gap + decay), -k * power(v, C - 1) * decay

    @staticmethod
    def shrinking(Y, k, equilibrium):
        return 3.8 * k * power(Y, 1 - 1 / CB) * power(MOST - equilibrium - Y, 1 + 1 / CB)

    def pressing(self, t, v):
        """How fast Xam_eq outruns a free X_am: positive while (29) binds."""
        T, k, equilibrium, saturation = self.law(t)
        X_as = power(v, C)
        X_am = saturation * (MOST - X_as) / MOST
        dv, dX_am = self.growing(v, X_am, k, equilibrium, saturation)
        dX_as = C * power(v, C - 1) * dv
        slope = -0.00415 * exp(-0.00415 * (848 - T)) if 0 < saturation < MOST else 0.0
        return (slope * self.rate * (MOST - X_as) - saturation * dX_as) / MOST - dX_am

    def solve(self, rates, start, *events):
        for event in events:
            event.terminal = True
        done = solve_ivp(
            rates, (0.0, self.left), start, method="LSODA", rtol=1e-10, atol=1e-14,
            events=events or None, max_step=self.left / 4,
        )
        assert done.success, done.message
        t = done.t[-1]
        T = self.T + self.rate * t
        self.left, self.t = self.left - t, t
        self.ended = done.status == 1
        self.end_law = self.law(t)
        self.T = T
        return done.y[:, -1]

    def rest(self):
        self.T += self.rate * self.left
        self.left = 0.0

    def grow(self):
        def rates(t, y):
            _, k, equilibrium, saturation = self.law(t)
            return self.growing(y[0], y[1], k, equilibrium, saturation)

        def full(t, y):  # X_a reaches Xa_eq from below
            return self.law(t)[2] - power(y[0], C) - y[1] + 1e-14

        def short(t, y):  # X_am reaches Xam_eq from above
            return y[1] - self.law(t)[3] * (MOST - power(y[0], C)) / MOST + 1e-14

        full.direction = short.direction = -1
        events = [full] if self.low >= 935 and self.rate > 0 else []
        events += [short] if self.high <= 848 and self.rate < 0 else []
        before = self.X_as
        v, X_am = self.solve(rates, [self.X_as ** (1 / C), self.X_am], *events)
        self.X_as, self.X_am = power(v, C), max(X_am, 0.0)
        if before < MOST - 1e-9 or self.X_am > 0:
            self.Y = MOST - self.X_as - self.X_am
        if self.ended and events[0] is full:
            self.X_am = max(min(self.X_am, self.end_law[2] - self.X_as), 0.0)
            if self.X_am <= 1e-13:
                self.X_am, self.Y = 0.0, MOST - self.end_law[2] - 1e-14

    def formed(self):
        def slaved(t, v):
            return self.law(t)[3] * (MOST - power(v, C)) / MOST

        def rates(t, y):
            _, k, equilibrium, saturation = self.law(t)
            return [self.growing(y[0], slaved(t, y[0]), k, equilibrium, saturation)[0]]

        def loose(t, y):
            return self.pressing(t, y[0]) + 1e-15

        loose.direction = -1
        v = self.solve(rates, [self.X_as ** (1 / C)], loose)[0]
        self.X_as, self.X_am = power(v, C), slaved(self.t - self.t, v)
        self.X_am = self.end_law[3] * (MOST - self.X_as) / MOST
        self.Y = MOST - self.X_as - self.X_am

    def dissolved(self):
        def rates(t, y):
            _, k, equilibrium, saturation = self.law(t)
            X_as = power(y[0], C)
            return [self.growing(y[0], equilibrium - X_as, k, 0.0, saturation)[0]]

        def gone(t, y):
            return self.law(t)[2] - power(y[0], C)

        gone.direction = -1
        v = self.solve(rates, [self.X_as ** (1 / C)], gone)[0]
        self.X_as = power(v, C)
        self.X_am = 0.0 if self.ended else max(self.end_law[2] - self.X_as, 0.0)
        self.Y = MOST - self.end_law[2] - (1e-14 if self.ended else 0.0)

    def shrink(self):
        def rates(t, y):
            _, k, equilibrium, _ = self.law(t)
            return [3.8 * k / CB * power(MOST - equilibrium - power(y[0], CB), 1 + 1 / CB)]

        def balanced(t, y):
            return MOST - self.law(t)[2] - power(y[0], CB)

        def line(t, y):
            return SLOPE * (1373 - self.T - self.rate * t) - MOST + power(y[0], CB) + 1e-14

        balanced.direction = line.direction = -1
        events = [balanced] if self.rate < 0 else []
        events += [line] if self.low >= 1273 and self.rate > 0 else []
        w = self.solve(rates, [power(self.Y, 1 / CB)], *events)[0]
        self.Y = power(w, CB)
        if self.ended and events[0] is balanced:
            self.Y = MOST - self.end_law[2]
        self.X_as = MOST - self.Y

    def faded(self):
        def loose(t, y):
            T, k, _, _ = self.law(t)
            return SLOPE * self.rate - self.shrinking(MOST - SLOPE * (1373 - T), k, 0.0)

        loose.direction = -1
        self.solve(lambda t, y: [0.0], [0.0], loose)
        self.X_as = max(SLOPE * (1373 - self.T), 0.0)
        self.Y = MOST - self.X_as


def random_history(seed, grid=0.1, length=120.0):
    """Times (multiples of `grid`) and temperatures of a random piecewise-linear history."""
    rng = np.random.default_rng(seed)
    times, temperatures = [0.0], [rng.choice([293.0, 2000.0, rng.uniform(300, 900)])]
    while times[-1] < length:
        step = grid * max(1, round(10 ** rng.uniform(0, 2.6)))
        times.append(min(round((times[-1] + step) / grid) * grid, length))
        kind = rng.uniform()
        T = rng.uniform(293, 935) if kind < 0.45 else rng.uniform(600, 1400) if kind < 0.8 else None
        T = rng.choice([293.0, 2000.0, temperatures[-1]]) if T is None else T
        temperatures.append(float(T))
    return np.array(times), np.array(temperatures)
