"""Where the beam leaves its power: how deep, how much, and in which cells."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import erf

from partsim.errors import UserError
from partsim.meltpool.alloy import Alloy
from partsim.trackjob import Source, TrackJob, TrackLaser

REACH = 3.0  # beam radii; exp(-18) of the intensity is left there


def normalised_enthalpy(law: Source, laser: TrackLaser, alloy: Alloy, initial: float) -> float:
    """K = eta P / (pi rho c (T_l - T_0) sqrt(alpha v r^3)): energy density over that of melting.

    initial  K, T_0
    """
    spread = math.sqrt(law.diffusivity * laser.speed * laser.radius**3)
    melting = alloy.density * law.heat_capacity * (alloy.liquidus - initial)
    return law.absorptivity * laser.power / (math.pi * melting * spread)


def depth(job: TrackJob, alloy: Alloy) -> float:
    """Depth of the source in m: as given, or scale (slope K - offset).

    Raises UserError where it is not positive, or deeper than the block.
    """
    law: Source = job.source
    found = law.depth
    if found is None:
        enthalpy = normalised_enthalpy(law, job.laser, alloy, job.track.initial_temperature)
        found = law.depth_scale * (law.depth_slope * enthalpy - law.depth_offset)
    if found <= 0:
        raise UserError(
            f"laser.power = {job.laser.power:g} W at laser.speed = {job.laser.speed:g} m/s has the "
            f"normalised enthalpy {enthalpy:.3g}, but it must be above "
            f"{law.depth_offset / law.depth_slope:.3g} for the source to have a depth"
        )
    if found > job.domain.depth:
        raise UserError(
            f"domain.depth = {job.domain.depth:g} m, but it must be at least {found:.3g} m, the "
            "depth of the source"
        )
    return found


@dataclass(frozen=True)
class Beam:
    """The volume source 2 P_abs / (pi r^2 d) exp(-2 s^2 / r^2) above the depth d.

    power  W, absorbed     radius, depth  m
    """

    power: float
    radius: float
    depth: float

    def along(self, faces: np.ndarray, centre: float = 0.0) -> np.ndarray:
        """Share of the power between neighbouring faces (n+1,) in m along one horizontal axis."""
        return np.diff(erf(math.sqrt(2.0) * (faces - centre) / self.radius)) / 2

    def down(self, faces: np.ndarray) -> np.ndarray:
        """Share of the power between neighbouring faces (n+1,) in m along z, the top at 0."""
        return np.diff(np.clip(faces, -self.depth, 0.0)) / self.depth


def beam(job: TrackJob, alloy: Alloy) -> Beam:
    """The beam of a job; what it absorbs is eta P d / D, see partsim.trackjob.Source.

    Raises UserError where the depth is impossible, or more than all power would be absorbed.
    """
    law, laser, deep = job.source, job.laser, depth(job, alloy)
    fraction = law.absorptivity
    if law.form == "code":
        fraction *= deep * laser.speed * laser.radius**2 / (law.depth_factor * laser.power)
    if fraction > 1:
        raise UserError(
            f'source.form = "code" absorbs {fraction:.3g} of the power, but it must be at most 1: '
            "lower source.depth or source.absorptivity"
        )
    return Beam(fraction * laser.power, laser.radius, deep)
