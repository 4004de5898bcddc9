"""The phase step of a run, the phases it starts from, and the beta fraction for output."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from partsim.errors import UserError

from .kernels import advance_crank_nicolson, advance_explicit
from .lane import UNRESOLVED
from .model import PhaseLaw


class PhaseFields(NamedTuple):
    """What the phase step updates, contiguous arrays (n,) over the same points.

    alpha_stable, martensite  1
    beta_shift                1, beta above 1 - X_max where 1 - alpha has lost its digits, else 0
    temperature_old           K, at the end of the last step
    """

    alpha_stable: np.ndarray
    martensite: np.ndarray
    beta_shift: np.ndarray
    temperature_old: np.ndarray


PhaseStep = Callable[[PhaseFields, np.ndarray, float], None]


def make_phase_step(scheme: str, law: PhaseLaw, largest_substep: float) -> PhaseStep:
    """step(fields, temperature (n,) in K, dt in s): the phases dt later, at the new temperature.

    scheme is "explicit" (41), "crank-nicolson" (43) or "off", which only notes the temperature.
    A dt above largest_substep (s) is divided evenly, the temperature being linear in between.
    Raises UserError for an unknown scheme; the step raises ArithmeticError where the fixed point
    of (43) is not found.
    """

    def explicit(fields: PhaseFields, temperature: np.ndarray, dt: float) -> None:
        substeps = max(1, int(np.ceil(dt / largest_substep * (1 - 1e-12))))
        for left in range(substeps, 1, -1):
            between = fields.temperature_old + (temperature - fields.temperature_old) / left
            advance_explicit(*fields, between, dt / substeps, law)
        advance_explicit(*fields, temperature, dt / substeps, law)

    def crank_nicolson(fields: PhaseFields, temperature: np.ndarray, dt: float) -> None:
        failed = advance_crank_nicolson(*fields, temperature, dt, law, largest_substep)
        if failed:
            raise ArithmeticError(f"{failed} phase states of a step of {dt:g} s did not converge")

    def off(fields: PhaseFields, temperature: np.ndarray, dt: float) -> None:
        fields.temperature_old[:] = temperature

    steps = {"explicit": explicit, "crank-nicolson": crank_nicolson, "off": off}
    if scheme not in steps:
        raise UserError(f'scheme = "{scheme}", but it must be one of {", ".join(steps)}')
    return steps[scheme]


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
