"""A few short lines with the beam resolved, on a patch of metal below one layer of powder.

The patch stands for the middle of a large field: its lines are short, but follow each other in the
time that a line of the job takes, and the sides at their ends let no heat pass.
"""

from math import ceil, log2
from typing import NamedTuple

import numpy as np

from partsim import parallel
from partsim.clock import ticks_of
from partsim.job import Job
from partsim.jobcheck import longest_explicit_step
from partsim.ledger import Ledger
from partsim.mesh import growth
from partsim.mesh.lattice import Lattice, make_lattice
from partsim.mesh.mesh import Mesh
from partsim.part import shape
from partsim.part.material import Material
from partsim.part.scan import ScanPath
from partsim.part.scanfile import line_spacing
from partsim.part.strategy import layer_paths
from partsim.phase.model import PhaseLaw
from partsim.thermal.explicit import Explicit
from partsim.thermal.heat import Heat
from partsim.thermal.losses import make_loss_law
from partsim.thermal.source import Optics
from partsim.timers import Timers

LINES = 10
LENGTH = 1.6e-3  # m, of a line, or more for a wide beam:
RADII = 25
MARGIN = 8e-4  # m, beside the first and the last line
DEPTH = 1.6e-3  # m, of the metal
LONGEST_PERIOD = 0.02  # s; what a line has left after this time no longer matters
STEADY = (0.25, 0.75)  # share of a line that counts
FIRST_STEADY = LINES // 2
TRIED = (293.0, 750.0)  # K
Size = tuple[float, int]


class Effect(NamedTuple):
    """What a scan does beside heating the part.

    lost_share  share of the absorbed power that radiation and evaporation take
    depth       m below the surface, to which it leaves no alpha
    """

    lost_share: float
    depth: float


class Effects(NamedTuple):
    """The effects of a scan at two temperatures (K) of the layer before it."""

    temperatures: tuple[float, float]
    effects: tuple[Effect, Effect]

    def at(self, temperature: float) -> Effect:
        """Linear in the temperature, beyond both ends too; no less than 0, no more than all."""
        (cold, hot), (first, second) = self.temperatures, self.effects
        weight = (temperature - cold) / (hot - cold)
        lost_share, depth = (a + weight * (b - a) for a, b in zip(first, second, strict=True))
        return Effect(min(max(lost_share, 0.0), 1.0), max(depth, 0.0))


class Patch:
    """A patch at a uniform temperature, its mesh and its fields; only this rank works on it.

    period       s from the start of a line to that of the next
    temperature  (nodes,) K
    peak         (nodes,) K, the highest so far
    """

    def __init__(
        self, job: Job, material: Material, temperature: float, size: Size = (LENGTH, LINES)
    ):
        """size  m, length of a line, and number of lines"""
        self.job, self.ledger, self.timers = job, Ledger(), Timers()
        part = shape.load(job)
        self.spacing = line_spacing(job, part)
        lattice = self.lattice = patch_lattice(job, size, self.spacing)
        leaves = growth.with_layer(growth.plate_leaves(lattice, job.mesh.fine_band), lattice, 1)
        none = np.zeros(len(leaves), bool)
        leaves = growth.adapted(leaves, lattice, 1, job.mesh.fine_band, (none, none))
        world = parallel.world()
        self.comm = world.Create_group(world.group.Incl([world.rank]))
        self.mesh = Mesh(self.comm, lattice, leaves, 1, np.zeros(len(leaves), int))
        metal = leaves.corner[:, 2] < lattice.plate
        consolidated = np.repeat(metal.astype(float), lattice.block**3).reshape(len(leaves), -1)
        self.temperature = np.full(self.mesh.nodes.n_total, temperature)
        self.peak = self.temperature.copy()
        law = make_loss_law(material, job.losses.radiation, job.losses.evaporation)
        self.heat = Heat(self.mesh, material, law, False, consolidated)
        paths = layer_paths(job, part, job.layers.start)
        spent, lines = zip(*((path.duration, np.count_nonzero(path.power)) for path in paths))
        self.period = min(sum(spent) / sum(lines), LONGEST_PERIOD)
        self.largest_step = longest_explicit_step(job, material)

    def line(self, number: int) -> ScanPath:
        """The path of a line, to and fro along x."""
        length = self.lattice.cell * (self.lattice.part[0][1] - self.lattice.part[0][0])
        ends = np.zeros((2, 3))
        ends[number % 2 - 1, 0] = length
        ends[:, 1] = (number + 0.5) * self.spacing
        return ScanPath(ends, np.array([0.0, length / self.job.laser.speed]),
                        np.array([self.job.laser.power]))

    def beam(self, path: ScanPath) -> Explicit:
        """Steps of the job's base step along a path."""
        optics = Optics(
            self.job.laser.radius, self.lattice.cell, self.lattice.origin[:2], self.lattice.powder
        )
        beam = Explicit(self.heat, self.job.time.step, self.ledger, self.timers)
        return beam.aim_at((path,), optics)

    def scan(self, number: int) -> tuple[float, float]:
        """Scans one line and waits for the next; J absorbed and J lost in its steady part."""
        path = self.line(number)
        beam, ticks = self.beam(path), ticks_of(path.duration, self.job.time.step)
        account = []
        for tick in range(ticks):
            if tick in (int(STEADY[0] * ticks), int(STEADY[1] * ticks)):
                account.append((self.ledger.laser.value, self.ledger.lost_top.value))
            beam.step(self.temperature, tick * beam.dt)
            np.maximum(self.peak, self.temperature, out=self.peak)
        self.wait(self.period - ticks * beam.dt)
        before, after = np.array(account)
        return tuple(after - before)

    def wait(self, duration: float) -> None:
        """Cools for a time with the laser off."""
        if duration <= 0:
            return
        steps = ceil(duration / self.largest_step)
        dark = Explicit(self.heat, duration / steps, self.ledger, self.timers)
        for _ in range(steps):
            dark.step(self.temperature)

    def depth_above(self, temperature: float) -> float:
        """Depth in m at which the mean highest temperature of the steady part has this value."""
        leaves, lattice = self.mesh.leaves, self.lattice
        pitch = lattice.block + 1
        x, y, z = (leaves.corner[:, axis, None] + np.arange(pitch) for axis in range(3))
        (x0, x1), (y0, _) = lattice.part
        lines = y0 + self.spacing / lattice.cell * np.array([FIRST_STEADY, LINES - 1])
        along = (x >= x0 + STEADY[0] * (x1 - x0)) & (x <= x0 + STEADY[1] * (x1 - x0))
        across = (y >= lines[0]) & (y <= lines[1])
        fine = (z <= self.mesh.top) & (leaves.level == lattice.depth)[:, None]
        counted = fine[:, :, None, None] & across[:, None, :, None] & along[:, None, None, :]
        peak = self.mesh.to_blocks(self.peak).reshape(-1, pitch, pitch, pitch)[counted]
        height = np.broadcast_to(z[:, :, None, None], counted.shape)[counted]
        heights, place, count = np.unique(height, return_inverse=True, return_counts=True)
        mean = np.bincount(place, peak) / count
        return lattice.cell * (self.mesh.top - float(np.interp(temperature, mean, heights)))

    def close(self) -> None:
        """Frees the mesh and its communicator."""
        self.mesh.close()
        self.comm.Free()


def patch_lattice(job: Job, size: Size, spacing: float) -> Lattice:
    """The lattice of the patch: its lines along x fill the plate, which is made of root blocks."""
    block = job.mesh.block * job.mesh.cell
    depth = max(0, int(log2(MARGIN / block) + 1e-9)) if MARGIN > block else 0
    root = block * 2**depth
    length, lines = size
    field = lines * spacing
    wanted = np.array([length, field + 2 * MARGIN, DEPTH])
    plate = np.ceil(wanted / root - 1e-9) * root
    mesh = job.mesh.model_copy(update={"levels": depth + 1, "powder_rim": MARGIN / 2})
    part = np.array([plate[0], field, job.layers.thickness])
    return make_lattice(part, plate, (job.layers.thickness, 1), mesh)


def measured_effect(job: Job, material: Material, temperature: float) -> Effect:
    """The effect of a scan on patch and powder of this temperature (K), where it is steady.

    The depth is that to which the mean of the highest temperatures is above regularisation_end of
    the phase model. Every rank that calls this finds the same.
    """
    size = max(LENGTH, RADII * job.laser.radius), LINES
    patch = Patch(with_fine_steps(job), material, temperature, size)
    energy = [patch.scan(number) for number in range(LINES)][FIRST_STEADY:]
    depth = patch.depth_above(phase_law(job, material).regularisation_end)
    patch.close()
    absorbed, lost = np.sum(energy, axis=0)
    return Effect(float(lost / absorbed), depth)


def with_fine_steps(job: Job) -> Job:
    """A job of grouped layers with steps in which the beam moves no more than a quarter radius."""
    if job.layers.group == 1:
        return job
    step = min(job.time.step, job.laser.radius / (4 * job.laser.speed))
    return job.model_copy(update={"time": job.time.model_copy(update={"step": step})})


def measured_effects(job: Job, material: Material) -> Effects:
    """The effects at 293 and 750 K, in a few seconds. Every rank that calls this finds the same."""
    return Effects(TRIED, tuple(measured_effect(job, material, T) for T in TRIED))


def phase_law(job: Job, material: Material) -> PhaseLaw:
    """The constants of the material's phase model, those of Ti-6Al-4V if it has none."""
    excess = float(job.phase.decomposition == "excess")
    return PhaseLaw(**(material.phase or {}))._replace(excess=excess)
