"""A build in which every layer is heated as a whole: temperatures and phases over the height.

The energy that stays of a scan goes into the layer's cells evenly over its duration. A layer that
has been scanned is beta, quenched to the mean temperature of that height, and then follows it. The
surface loses nothing beside the lost share of the scan; what a scan does to the layers below (melts
them once more, tempers them) is not in the estimate.
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np

from partsim.job import Job
from partsim.part.material import Material
from partsim.part.scan import layer_path
from partsim.phase.integrate import make_phase_step
from partsim.phase.model import PhaseLaw, plate_phases, powder_phases

from .grid import Conduction, Property, make_grid

QUARTER = 0.25
LONGEST = 0.05  # s, step of the temperatures
FEWEST = 8  # steps of a scan or of a cool-down


class LostShare(NamedTuple):
    """Share of the absorbed power that the surface loses, linear in the temperature of the layer.

    temperatures  (2,) K, mean of the uppermost layer before the scan
    shares        (2,) there
    """

    temperatures: tuple[float, float]
    shares: tuple[float, float]

    def at(self, temperature: float) -> float:
        """The share at a temperature, continued beyond both ends and kept within 0 and 1."""
        (cold, hot), (low, high) = self.temperatures, self.shares
        share = low + (high - low) * (temperature - cold) / (hot - cold)
        return min(max(share, 0.0), 1.0)


class Profiles(NamedTuple):
    """Means over the part's cross-section at the heights z (n,) in m, which rise; z = 0 is the
    plate's top. Temperature in K, fractions of stable alpha and martensite, all (n,).
    """

    z: np.ndarray
    temperature: np.ndarray
    alpha_stable: np.ndarray
    martensite: np.ndarray


@dataclass(frozen=True)
class Estimate:
    """What to expect of a build, by layer (n,).

    z             m, middles of the layers
    residual      K, mean temperature of the uppermost layer at the end of each cool-down
    lost          share of the absorbed power that is lost in each scan
    alpha_stable  fraction at the end of the build, the final cooling included
    martensite    the same
    """

    z: np.ndarray
    residual: np.ndarray
    lost: np.ndarray
    alpha_stable: np.ndarray
    martensite: np.ndarray


def estimate(job: Job, material: Material, lost_share: LostShare) -> Estimate:
    """The whole build of a job, from its first layer to the last one that is simulated."""
    build = AveragedBuild(job, material, lost_share)
    count = job.layers.stop
    outcome = np.array([build.add_layer() for _ in range(count)])
    build.cool_finally()
    alpha_stable, martensite = build.phases[:2, :count]
    return Estimate(build.middles[:count], *outcome.T, alpha_stable, martensite)


def before_layer(job: Job, material: Material, layer: int, lost_share: LostShare) -> Profiles:
    """The state when the cool-down of layer number `layer` - 1 has ended; `layer` is at least 2.

    Temperatures in the plate are those under the part. The plate's uppermost layer thickness, which
    the first scan melts, leads over from the plate's phases to the part's.
    """
    assert layer > 1
    build = AveragedBuild(job, material, lost_share)
    for _ in range(layer - 1):
        build.add_layer()
    return build.profiles()


class AveragedBuild:
    """Plate and part after `layer` layers.

    state    (n+1,)      unknowns of the conduction
    phases   (3, count)  stable alpha, martensite and shifted beta of the layers
    middles  (count,) m  z of the middles of the layers
    supplied J, what lasers and powder have brought into plate and part, counted from 0 K
    """

    def __init__(self, job: Job, material: Material, lost_share: LostShare):
        self.job, self.lost_share = job, lost_share
        self.layer, self.grid = 0, make_grid(job)
        self.property = Property(
            material.density * material.heat_capacity,
            material.conductivity_solid, material.conductivity_powder,
        )
        self.law = PhaseLaw(**(material.phase or {}))
        self.phase_step = make_phase_step(
            "crank-nicolson", self.law, job.phase.largest_substep
        )
        self.middles = (np.arange(job.layers.count) + 0.5) * job.layers.thickness
        self.phases = np.zeros((3, job.layers.count))
        self.conduction = self.conduction_at(job.layers.temperature)
        self.state = np.full(len(self.conduction.capacity) + 1, job.layers.temperature)
        self.state[-1] = 0.0
        self.supplied = self.stored()

    def conduction_at(self, bottom: float) -> Conduction:
        """Conduction in what has been laid, the plate's bottom at a temperature if it is fixed."""
        fixed = self.job.plate.bottom == "fixed"
        return Conduction(self.grid, self.layer, self.property, bottom if fixed else None)

    def stored(self) -> float:
        """J in plate, part and powder rim, counted from 0 K."""
        return float(self.conduction.capacity @ self.state[:-1]) / QUARTER

    @property
    def lost_to_plate(self) -> float:
        """J that have left through the plate's bottom."""
        return float(self.state[-1]) / QUARTER

    def means(self) -> np.ndarray:
        """(nz,) K, mean temperature over the part's cross-section in each level of cells."""
        level, cells = self.conduction.level, self.conduction.cells
        area = self.grid.footprint.ravel()[cells % self.grid.footprint.size]
        return np.bincount(level, area * self.state[:-1]) / np.bincount(level, area)

    def at_heights(self, z: np.ndarray) -> np.ndarray:
        """Mean temperatures at heights z."""
        return np.interp(z, self.grid.levels(self.layer), self.means())

    def add_layer(self) -> tuple[float, float]:
        """Lays, scans and cools a layer; mean temperature of the top in K then, and lost share."""
        lost = self.lost_share.at(self.means()[-1])
        self.lay()
        path = layer_path(self.job, self.layer)
        energy = (1 - lost) * path.energy()
        self.supplied += energy
        self.pass_time(path.duration, energy / path.duration, self.layer - 1)
        born = powder_phases(float(self.at_heights(self.middles[self.layer - 1])), self.law)
        self.phases[1, self.layer - 1] = born["martensite"]
        self.pass_time(self.job.layers.dwell, 0.0, self.layer)
        return float(self.means()[-1]), lost

    def lay(self) -> None:
        """Lays powder at its own temperature, which mixes with what its cells hold."""
        fresh = self.job.layers.temperature
        old, temperature, gone = self.conduction.capacity, self.state[:-1], self.state[-1]
        self.layer += 1
        self.conduction = self.conduction_at(fresh)
        capacity = self.conduction.capacity
        content = np.full(len(capacity), 0.0)
        content[: len(old)] = old * temperature
        brought = capacity.copy()
        brought[: len(old)] -= old
        self.state = np.append((content + brought * fresh) / capacity, gone)
        self.supplied += float(brought.sum()) * fresh / QUARTER

    def pass_time(self, duration: float, power: float, layers: int) -> None:
        """Conducts for a time with `power` W in the uppermost cells; the lowest `layers` layers
        follow with their phases."""
        if duration == 0:
            return
        steps = max(FEWEST, ceil(duration / LONGEST))
        heating = self.heating(power)
        middles, phases = self.middles[:layers], np.ascontiguousarray(self.phases[:, :layers])
        before = self.at_heights(middles)
        for _ in range(steps):
            self.state = self.conduction.advance(self.state, heating, duration / steps)
            after = self.at_heights(middles)
            self.phase_step(*phases, before.copy(), after, duration / steps)
            before = after
        self.phases[:, :layers] = phases

    def heating(self, power: float) -> np.ndarray:
        """(n,) W into the cells of the quarter, `power` W spread over the uppermost of the part."""
        cells, level = self.conduction.cells, self.conduction.level
        area = self.grid.footprint.ravel()[cells % self.grid.footprint.size]
        area = np.where(level == level[-1], area, 0.0)
        return QUARTER * power * area / area.sum()

    def cool_finally(self) -> None:
        """The cooling after the last layer."""
        self.conduction = self.conduction_at(self.job.final_cooling.plate_temperature)
        self.pass_time(self.job.final_cooling.duration, 0.0, self.layer)

    def profiles(self) -> Profiles:
        """Temperature and phases over the height."""
        thickness, height = self.job.layers.thickness, float(self.grid.plate.sum())
        top = self.layer * thickness
        below = self.grid.levels(0)
        plate = np.concatenate([[-height], below[below < -thickness], [-thickness]])
        middles = self.middles[: self.layer]
        z = np.concatenate([plate, [0.0], middles, [top]])
        temperature = self.at_heights(z)
        if self.job.plate.bottom == "fixed":
            temperature[0] = self.job.layers.temperature
        part = np.minimum(np.searchsorted(middles, z[len(plate):]), self.layer - 1)
        initial = plate_phases(self.law)
        rows = [
            np.concatenate([np.full(len(plate), initial[name]), self.phases[row, part]])
            for row, name in enumerate(("alpha_stable", "martensite"))
        ]
        return Profiles(z, temperature, *rows)
