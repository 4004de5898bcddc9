"""The phase step of a run, the phases it starts from, and the beta fraction for output."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from partsim.errors import UserError

from .kernels import Step, advance, awake, catch_up, no_visits, substep_count, sweep
from .lane import UNRESOLVED
from .model import PhaseLaw
from .ranges import Groups

SCHEMES = ("explicit", "crank-nicolson", "off")


class PhaseFields(NamedTuple):
    """What the phase step updates, contiguous arrays (n,) over the same points.

    alpha_stable, martensite  1
    beta_shift                1, beta above 1 - X_max where 1 - alpha has lost its digits, else 0
    """

    alpha_stable: np.ndarray
    martensite: np.ndarray
    beta_shift: np.ndarray


PhaseStep = Callable[[PhaseFields, np.ndarray, np.ndarray, float], None]


def make_phase_step(scheme: str, law: PhaseLaw, largest_substep: float) -> PhaseStep:
    """step(fields, T_old (n,) and T (n,) in K, dt in s): the phases dt later, at T.

    scheme is "explicit" (41), "crank-nicolson" (43) or "off". A dt above largest_substep (s) is
    divided evenly, the temperature being linear in between. Raises UserError for an unknown
    scheme; the step raises ArithmeticError where the fixed point of (43) is not found.
    """
    if scheme not in SCHEMES:
        raise UserError(f'scheme = "{scheme}", but it must be one of {", ".join(SCHEMES)}')

    def take(fields: PhaseFields, T_old: np.ndarray, T: np.ndarray, dt: float) -> None:
        def part(before: np.ndarray, after: np.ndarray, dt: float, substeps: int) -> int:
            return advance((*fields, before, after), Step(dt, substeps, 0.0, False), law)

        divide(part, scheme, (T_old, T), dt, largest_substep)

    return take


def divide(
    part: Callable[[np.ndarray, np.ndarray, float, int], int],
    scheme: str,
    temperatures: tuple[np.ndarray, np.ndarray],
    dt: float,
    largest_substep: float,
) -> None:
    """Calls part(T_old, T, dt, substeps of (43)) once, or for each substep of (41).

    Raises ArithmeticError if a part returns a number of points that did not converge.
    """
    count = substep_count(dt, largest_substep)
    T_old, T = temperatures
    failed = 0
    if scheme == "crank-nicolson":
        failed = part(T_old, T, dt, count)
    elif scheme == "explicit":
        for left in range(count, 0, -1):
            between = T if left == 1 else T_old + (T - T_old) / left
            part(T_old, between, dt / count, 0)
            T_old = between
    if failed:
        raise ArithmeticError(f"{failed} phase states of a step of {dt:g} s did not converge")


class BlockPhases:
    """The phases of a rank's blocks on one mesh, of which those rest that stay as they are.

    fields  the phases of all nodes
    groups  the nodes of each block
    rest    (nb, REST_COLUMNS) how each block rests, see kernels.py
    visits  (SECTIONS,) what was done, see visits.py
    """

    def __init__(self, fields: PhaseFields, groups: Groups, law: PhaseLaw, options: "Options"):
        self.fields, self.groups, self.law, self.options = fields, groups, law, options
        self.rest, self.visits = awake(len(groups.first) - 1), no_visits()

    def step(self, scheme: str, T_old: np.ndarray, T: np.ndarray, dt: float) -> None:
        """The phases dt (s) later; scheme and errors as in make_phase_step."""

        def part(before: np.ndarray, after: np.ndarray, dt: float, substeps: int) -> int:
            step = Step(dt, substeps, self.options.rest_tolerance, False)
            state = (*self.fields, before, after)
            return sweep(state, self.groups, self.rest, step, self.law, self.visits)

        divide(part, scheme, (T_old, T), dt, self.options.largest_substep)

    def catch_up(self, temperature: np.ndarray) -> None:
        """Ends the rest of all blocks at this temperature (n,)."""
        state = (*self.fields, temperature, temperature)
        catch_up(state, self.groups, self.rest, self.law, self.visits)


class Options(NamedTuple):
    """How phases are stepped.

    largest_substep  s, longer steps are divided
    rest_tolerance   largest change of a fraction that a resting block may miss, 0 for none
    """

    largest_substep: float
    rest_tolerance: float


def initial(
    kind: str, temperature: np.ndarray, law: PhaseLaw
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """alpha_stable, martensite and beta_shift of material that was not molten yet.

    plate   consolidated long ago: X_as = X_max, the equilibrium of a base plate or finished part
    powder  atomised, hence quenched: X_am = Xam0(T). It has no influence, since melting deletes it

    Raises UserError for another kind.
    """
    T = np.asarray(temperature, dtype=float)
    zero = np.zeros_like(T)
    if kind == "plate":
        return np.full_like(T, law.largest_alpha), zero, zero.copy()
    if kind != "powder":
        raise UserError(f'kind = "{kind}", but it must be plate or powder')
    below = np.clip(law.martensite_start - T, 0, law.martensite_start - law.martensite_end)
    saturation = np.minimum(1 - np.exp(-law.martensite_exponent * below), law.largest_alpha)
    return zero, saturation, zero.copy()


def beta(
    alpha_stable: np.ndarray,
    martensite: np.ndarray,
    beta_shift: np.ndarray,
    temperature: np.ndarray,
    law: PhaseLaw,
) -> np.ndarray:
    """X_b = X_sol(T) - X_as - X_am (32), or 1 - X_max + Y where the shifted fraction is active."""
    liquid = np.clip((temperature - law.solidus) / (law.liquidus - law.solidus), 0, 1)
    total = alpha_stable + martensite
    active = np.abs(law.largest_alpha - total - beta_shift) <= UNRESOLVED
    shifted = active & (beta_shift > 0)
    return np.where(shifted, 1 - law.largest_alpha + beta_shift, 1 - liquid - total)
