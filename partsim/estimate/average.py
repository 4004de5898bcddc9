"""A build in which every layer is heated as a whole: temperatures and phases over the height.

The energy that stays of a scan goes into the layer's cells evenly over its duration. After a scan
its layer, and what lies above the depth to which the scan leaves no alpha, is beta quenched to the
mean temperature of its height, which it then follows. Below that depth the peaks of temperature
under the passing beam are not in the estimate. The surface radiates at its mean temperature.
"""

from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter1d

from partsim.job import Job
from partsim.part import shape
from partsim.part.material import Material
from partsim.part.strategy import layer_paths
from partsim.phase.integrate import PhaseFields, initial, make_phase_step
from partsim.thermal.losses import STEFAN_BOLTZMANN

from .grid import Conduction, Property, make_grid
from .patch import Effect, Effects, phase_law

LONGEST = 0.05  # s, step of the temperatures
SMOOTHING = 1e-3  # m, of the phases over the height
FEWEST = 8  # steps of a scan or of a cool-down


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
    lost_share    share of the absorbed power that each scan loses
    depth         m, to which each scan leaves no alpha
    alpha_stable  fraction at the end of the build, the final cooling included
    martensite    the same
    """

    z: np.ndarray
    residual: np.ndarray
    lost_share: np.ndarray
    depth: np.ndarray
    alpha_stable: np.ndarray
    martensite: np.ndarray


def estimate(job: Job, material: Material, effects: Effects) -> Estimate:
    """The whole build of a job, from its first layer to the last one that is simulated."""
    build = AveragedBuild(job, material, effects)
    count = job.layers.stop
    outcome = [build.add_layer() for _ in range(count)]
    build.cool_finally()
    alpha_stable, martensite = (values[:count] for values in build.phases[:2])
    residual = np.array([temperature for temperature, _ in outcome])
    effect = np.array([effect for _, effect in outcome])
    return Estimate(build.middles[:count], residual, *effect.T, alpha_stable, martensite)


def before_layer(job: Job, material: Material, layer: int, effects: Effects) -> Profiles:
    """The state when the cool-down of layer number `layer` - 1 has ended; `layer` is at least 2.

    Temperatures in the plate are those under the part. The plate's uppermost layer thickness, which
    the first scan melts, leads over from the plate's phases to the part's.
    """
    assert layer > 1
    build = AveragedBuild(job, material, effects)
    for _ in range(layer - 1):
        build.add_layer()
    return build.profiles()


class AveragedBuild:
    """Plate and part after `layer` layers.

    state    (n+1,)    unknowns of the conduction
    phases   (count,)  of the layers
    middles  (count,)  m, z of the middles of the layers
    supplied           J, what plate, lasers and powder have brought, counted from 0 K
    radiated           J, gone from the surface beside the lost share
    """

    def __init__(self, job: Job, material: Material, effects: Effects):
        self.job, self.effects, self.part = job, effects, shape.load(job)
        self.layer, self.grid = 0, make_grid(job, self.part)
        self.property = Property(
            material.density * material.heat_capacity,
            material.conductivity_solid, material.conductivity_powder,
        )
        self.law = phase_law(job, material)
        self.phase_step = make_phase_step("crank-nicolson", self.law, job.phase.largest_substep)
        self.emission = STEFAN_BOLTZMANN * material.emissivity * job.losses.radiation
        self.ambient = material.ambient
        self.middles = (np.arange(job.layers.count) + 0.5) * job.layers.thickness
        self.phases = PhaseFields(*np.zeros((3, job.layers.count)))
        self.followed = np.zeros(job.layers.count)  # K, the temperature up to which they are
        self.conduction = self.conduction_at(job.layers.temperature)
        self.state = np.full(len(self.conduction.capacity) + 1, job.layers.temperature)
        self.state[-1] = 0.0
        self.supplied, self.radiated = self.stored(), 0.0

    def conduction_at(self, bottom: float) -> Conduction:
        """Conduction in what has been laid, the plate's bottom at a temperature if it is fixed."""
        fixed = self.job.plate.bottom == "fixed"
        return Conduction(self.grid, self.layer, self.property, bottom if fixed else None)

    def stored(self) -> float:
        """J in plate, part and powder rim, counted from 0 K."""
        return float(self.conduction.capacity @ self.state[:-1])

    @property
    def surface(self) -> float:
        """K, mean temperature of the uppermost cells."""
        return float(self.conduction.means(self.state)[-1])

    @property
    def lost_to_plate(self) -> float:
        """J that have left through the plate's bottom."""
        return float(self.state[-1])

    def at_heights(self, z: np.ndarray) -> np.ndarray:
        """Mean temperatures at heights z."""
        return np.interp(z, self.grid.levels(self.layer), self.conduction.means(self.state))

    def add_layer(self) -> tuple[float, Effect]:
        """Lays, scans and cools a layer; the surface's temperature then, and the scan's effect."""
        effect = self.effects.at(self.surface)
        self.lay()
        paths = layer_paths(self.job, self.part, self.layer)
        energy = (1 - effect.lost_share) * sum(path.energy() for path in paths)
        duration = max(path.end for path in paths)
        self.supplied += energy
        self.pass_time(duration, energy / duration, self.layer - 1)
        self.quench(effect.depth)
        self.pass_time(self.job.layers.dwell, 0.0, self.layer)
        return self.surface, effect

    def quench(self, depth: float) -> None:
        """What has been laid last, and what lies above a depth, is beta that cools to its mean."""
        top = self.layer * self.job.layers.thickness
        last = self.layer - 1
        fresh = slice(min(np.searchsorted(self.middles, top - depth), last), self.layer)
        temperature = self.at_heights(self.middles[fresh])
        for values, new in zip(self.phases, initial("powder", temperature, self.law), strict=True):
            values[fresh] = new
        self.followed[fresh] = temperature

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
        self.supplied += float(brought.sum()) * fresh

    def pass_time(self, duration: float, power: float, layers: int) -> None:
        """Conducts for a time with `power` W into the uppermost cells, which radiate; the lowest
        `layers` layers follow with their phases."""
        if duration == 0:
            return
        steps = max(FEWEST, ceil(duration / LONGEST))
        dt = duration / steps
        top = self.conduction.area * (self.conduction.level == self.conduction.level[-1])
        extent = self.conduction.extent[-1]
        below = PhaseFields(*(values[:layers] for values in self.phases))
        for _ in range(steps):
            radiation = self.emission * (self.surface**4 - self.ambient**4)
            self.radiated += radiation * extent * dt
            flux = power / extent - radiation
            self.state = self.conduction.advance(self.state, flux * top, dt)
            temperature = self.at_heights(self.middles[:layers])
            self.phase_step(below, self.followed[:layers], temperature, dt)
            self.followed[:layers] = temperature

    def cool_finally(self) -> None:
        """The cooling after the last layer."""
        self.conduction = self.conduction_at(self.job.final_cooling.plate_temperature)
        self.pass_time(self.job.final_cooling.duration, 0.0, self.layer)

    def profiles(self) -> Profiles:
        """Temperature and phases over the height."""
        thickness, height = self.job.layers.thickness, float(self.grid.plate.sum())
        top = self.layer * thickness
        below = self.grid.levels(0)
        # the plate ends above its second plane of nodes, which round-off must not mix with the part
        plate = np.concatenate([[-height], below[below < -thickness], [-thickness / 2]])
        middles = self.middles[: self.layer]
        z = np.concatenate([plate, [0.0], middles, [top]])
        temperature = self.at_heights(z)
        if self.job.plate.bottom == "fixed":
            temperature[0] = self.job.layers.temperature
        part = np.minimum(np.searchsorted(middles, z[len(plate):]), self.layer - 1)
        plate_phases = initial("plate", temperature[: len(plate)], self.law)
        # A cell of the grid is several layers high; what that does to single layers is no history
        # that a mesh should resolve.
        smooth = gaussian_filter1d(
            np.stack(self.phases[:2])[:, : self.layer], SMOOTHING / thickness, mode="nearest"
        )
        rows = [
            np.concatenate([ahead, values[part]])
            for ahead, values in zip(plate_phases[:2], smooth, strict=True)
        ]
        return Profiles(z, temperature, *rows)
