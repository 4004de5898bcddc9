"""Runge-Kutta-Legendre super-steps: explicit steps far beyond the limit of forward Euler.

The second-order scheme RKL2 of Meyer, Balsara and Aslam, J. Comput. Phys. 257 (2014) 594: s stages,
each of which costs a step of forward Euler, are stable up to (s^2 + s - 2)/4 such steps. With Y_0
the state at the start and D(Y) = E(Y) - Y what a forward Euler step E of length
tau = 4 dt/(s^2 + s - 2) adds to it,

    Y_1 = Y_0 + D(Y_0)/3,
    Y_j = mu_j (Y_{j-1} + D(Y_{j-1})) + nu_j Y_{j-2} + (1 - mu_j - nu_j) Y_0 - gamma_j D(Y_0),

and Y_s is the state dt later. The states are heat contents, so that the scheme conserves energy
with any heat capacity; what passes the boundaries follows the same recursion. A mode of rate r is
multiplied by 1 - b_s + b_s P_s(1 - r tau), P_s the Legendre polynomial.
"""

from collections.abc import Iterator
from math import ceil, sqrt

import numpy as np

from ..compiled import kernel
from ..ledger import Ledger
from ..timers import Timers
from .explicit import Explicit
from .heat import Heat


def stage_count(dt: float, longest: float) -> int:
    """The least odd s whose super-step of dt is made of Euler steps of at most `longest` s.

    With an even s the fastest mode of all would hardly decay.
    """
    stages = max(3, ceil(sqrt(2.25 + 4 * dt / longest) - 0.5))
    return stages + 1 - stages % 2


def euler_step(dt: float, stages: int) -> float:
    """tau in s."""
    return 4 * dt / (stages**2 + stages - 2)


def weights(stages: int) -> Iterator[tuple[float, float, float]]:
    """(mu_j, nu_j, gamma_j) for j = 2, ..., stages."""
    b = [1 / 3, 1 / 3] + [(j * j + j - 2) / (2 * j * (j + 1)) for j in range(2, stages + 1)]
    for j in range(2, stages + 1):
        mu, nu = (2 * j - 1) / j * b[j] / b[j - 1], -(j - 1) / j * b[j] / b[j - 2]
        yield mu, nu, mu * (1 - b[j - 1])


@kernel()
def combine(before, moved, start, first, weight):
    """Y_j replaces Y_{j-2} = before; moved = E(Y_{j-1}), start = Y_0, first = D(Y_0)."""
    mu, nu, gamma = weight
    rest = 1.0 - mu - nu
    for n in range(len(before)):
        before[n] = mu * moved[n] + nu * before[n] + rest * start[n] - gamma * first[n]


class SuperStep:
    """Steps of any length on one mesh, bit for bit the same on any number of ranks.

    longest  s, of a forward Euler step
    """

    def __init__(self, heat: Heat, longest: float, ledger: Ledger, timers: Timers):
        self.heat, self.longest, self.ledger, self.timers = heat, longest, ledger, timers
        self.moved = np.empty(heat.mesh.nodes.n_total)

    def step(self, temperature: np.ndarray, dt: float, plate: float | None = None) -> None:
        """Advances `temperature` (n_total,) by dt; the fixed nodes go to `plate` K where given."""
        if plate is not None:
            self.set_plate(temperature, plate)
        heat, stages = self.heat, stage_count(dt, self.longest)
        self.euler = Explicit(heat, euler_step(dt, stages), self.ledger, self.timers)
        start, warm = heat.content(temperature).copy(), temperature
        moved, first_energy = self.advance(start, warm)
        first = moved - start
        before, now = start.copy(), start + first / 3
        energy_before, energy = np.zeros(2), first_energy / 3
        for weight in weights(stages):
            mu, nu, gamma = weight
            warm = heat.temperature(now, near=warm)
            moved, added = self.advance(now, warm)
            combine(before, moved, start, first, weight)
            before, now = now, before
            summed = mu * (energy + added) + nu * energy_before - gamma * first_energy
            energy_before, energy = energy, summed
        held = temperature[heat.fixed]
        temperature[:] = heat.temperature(now, near=warm)
        temperature[heat.fixed] = held  # to the last bit
        self.ledger.lost_top.add(float(energy[0]))
        self.ledger.lost_plate.add(float(energy[1]))

    def set_plate(self, temperature: np.ndarray, plate: float) -> None:
        """Gives the fixed nodes their temperature; books the heat."""
        heat, owned = self.heat, self.heat.fixed_owned
        before = heat.content(temperature[owned]).copy()
        temperature[heat.fixed] = plate
        gained = heat.content(temperature[owned]) - before
        self.ledger.lost_plate.add(-float(heat.capacity[owned] @ gained))

    def advance(
        self, content: np.ndarray, temperature: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """E(Y) of Y = content, and the J (2,) that then leave through the top and the plate."""
        self.euler.ledger = left = Ledger()
        self.euler.step_content(content, temperature, self.moved)
        return self.moved, np.array([left.lost_top.value, left.lost_plate.value])
