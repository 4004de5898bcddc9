"""One track: the laser on for a whole number of steps, then the cool-down."""

from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len

from partsim.errors import UserError
from partsim.meltpool import kernels
from partsim.meltpool.alloy import Alloy
from partsim.meltpool.flow import Flow, Liquid, X, Y, pool_walls
from partsim.meltpool.frames import Frames
from partsim.meltpool.heat import Block, Box
from partsim.meltpool.limits import WEIGHTS, step_of
from partsim.meltpool.source import beam
from partsim.meltpool.walls import padded
from partsim.parallel import global_max
from partsim.timers import Timers
from partsim.trackjob import TrackJob

LOOK = 8  # steps between looks at where the pool is and how fast it flows
LEAST_RIM, WIDE_RIM = 8, 12  # cells of solid around the pool: least, and when the box is made
COOLING_FRAMES = 4e-5  # s between frames at most with the laser off, whatever its speed was
COLD = 200.0  # K below the liquidus, where a cool-down ends


@dataclass
class Extremes:
    """Largest values seen so far: speeds in m/s, of all faces and of those between solid cells;
    h |div u| over the largest speed; temperatures in K."""

    speed: float = 0.0
    solid_speed: float = 0.0
    divergence: float = 0.0
    hottest: float = 0.0
    coldest: float = np.inf


class TrackRun:
    """State and loop of one track on the ranks of comm."""

    def __init__(self, comm, job: TrackJob, alloy: Alloy) -> None:
        self.job, self.alloy = job, alloy
        self.beam = beam(job, alloy)
        self.dt, self.laser_steps = step_of(job, alloy)
        self.block = Block(comm, job, alloy)
        self.liquid = Liquid(
            alloy.density, alloy.viscosity, WEIGHTS[job.melt.scheme], job.melt.projection
        )
        self.box: Box | None = None
        self.flow: Flow | None = None
        self.steps, self.moved = 0, 0
        self.frames, self.extremes, self.timers = Frames(), Extremes(), Timers()

    @property
    def time(self) -> float:
        """s since the laser started."""
        return self.steps * self.dt

    @property
    def duration(self) -> float:
        """s, laser on."""
        return self.laser_steps * self.dt

    def scan(self, watch=lambda run: None) -> None:
        """The track with the laser on; watch(run) is called with every frame."""
        self.frames.take(self.block, 0.0)
        while self.steps < self.laser_steps:
            self.advance()
            self.record(watch, last=self.steps == self.laser_steps)

    def cool(self, watch=lambda run: None) -> None:
        """With the laser off until nothing is above liquidus - 200 K.

        Raises UserError where that takes longer than melt.longest_cooling.
        """
        threshold = self.alloy.liquidus - COLD
        while True:
            looking = self.steps % LOOK == 0
            if looking and global_max(self.block.comm, self.block.temperature) <= threshold:
                break
            if self.time - self.duration > self.job.melt.longest_cooling:
                raise UserError(
                    f"melt.longest_cooling = {self.job.melt.longest_cooling:g} s, but it must be "
                    f"long enough for all metal to cool below {threshold:g} K"
                )
            self.advance()
            self.record(watch)
        if self.frames.times[-1] < self.time:
            self.frames.take(self.block, self.time)

    def record(self, watch, last: bool = False) -> None:
        """A frame where one is due, or where the laser goes off."""
        between = self.job.melt.frame_distance / self.job.laser.speed
        if self.steps > self.laser_steps:
            between = min(between, COOLING_FRAMES)
        every = max(round(between / self.dt), 1)
        if last or self.steps % every == 0:
            with self.timers("frames"):
                self.frames.take(self.block, self.time)
            watch(self)

    def advance(self) -> None:
        """One step."""
        centre = self.job.laser.speed * (self.time + self.dt / 2)
        on = self.steps < self.laser_steps
        if on:
            self.keep_up(centre)
        if self.steps % LOOK == 0:
            with self.timers("look"):
                self.look()
        elif self.box is not None and self.box.first < self.block.first:
            self.follow()  # the block has moved on from under the box
        change = None
        if self.flow is not None:
            with self.timers("flow"):
                try:
                    self.flow_step()
                except ArithmeticError as problem:  # of the pressure, alike on all ranks
                    raise UserError(f"after {self.time:.3g} s: {problem}") from problem
            with self.timers("convection"):
                change = self.box, self.convection()
        with self.timers("heat"):
            self.block.advance(self.dt, change, self.beam if on else None, centre)
        self.steps += 1

    def keep_up(self, centre: float) -> None:
        """Moves the block while the beam is nearer to its front than domain.margin."""
        domain = self.job.domain
        while (self.block.first + self.block.shape[2]) * domain.cell < centre + domain.margin:
            if self.moved >= round(self.job.track.length / domain.cell):
                return
            self.block.shift()
            self.moved += 1

    def look(self) -> None:
        """Follows the pool with the box, and watches what must stay in bounds.

        Raises UserError where the liquid is faster than the step allows, or nothing is finite.
        """
        comm, block = self.block.comm, self.block
        seen = self.extremes
        hottest = global_max(comm, block.temperature)
        if not np.isfinite(hottest):
            raise UserError(f"the temperature is not finite after {self.time:g} s: melt.step is "
                            "too long or melt.largest_speed too low")
        seen.hottest = max(seen.hottest, hottest)
        seen.coldest = min(seen.coldest, -global_max(comm, -block.temperature))
        if not self.job.melt.flow:
            return
        if self.flow is not None:
            self.watch_flow()
        self.follow()

    def watch_flow(self) -> None:
        """Speeds and divergence of the present flow."""
        seen, limit = self.extremes, self.job.melt.largest_speed
        speed = self.flow.fastest()
        if not speed <= limit:
            raise UserError(f"melt.largest_speed = {limit:g} m/s, but it must be at least "
                            f"{speed:.3g} m/s, the speed of the liquid after {self.time:.3g} s")
        seen.speed = max(seen.speed, speed)
        solid = self.block.gathered(self.block.temperature, self.box) < self.alloy.solidus
        if speed > 0:
            seen.divergence = max(
                seen.divergence, float(np.abs(self.flow.divergence()).max()) / speed
            )
            inside = np.abs(self.flow.at_cells())[solid]
            seen.solid_speed = max(seen.solid_speed, float(inside.max()))

    def follow(self) -> None:
        """A box with enough solid around the pool, the flow moved into it; none without a pool."""
        extent = self.block.extent(self.alloy.solidus)
        if extent is None:
            self.box = self.flow = None
            return
        if self.flow is not None and encloses(self.box, self.block, extent):
            return
        new = box_around(self.block, extent)
        if self.flow is None:
            self.flow = Flow(self.liquid, self.block.edge, new.cells)
        else:
            self.flow = self.flow.moved(new.cells, new.first - self.box.first)
        self.box = new

    def flow_step(self) -> None:
        """Velocities of the new time; every rank computes all of the box."""
        alloy = self.alloy
        temperature = self.block.gathered(self.block.temperature, self.box)
        melted = (temperature - alloy.solidus) / (alloy.liquidus - alloy.solidus)
        liquid = np.clip(melted, 0.0, 1.0)
        drag = alloy.drag_rate * (1 - liquid)**2 / (liquid * liquid * liquid + alloy.drag_floor)
        pull = surface_pull(temperature[-1], liquid[-1], alloy.surface_tension_slope)
        slope = {axis: value / alloy.viscosity for axis, value in pull.items()}
        self.flow.step(self.dt, pool_walls(slope), drag)

    def convection(self) -> np.ndarray:
        """-dt div(u e) in this rank's planes of the box, J/m^3."""
        block, box = self.block, self.box
        carried = block.temperature if block.apparent else block.energy
        field = padded(block.gathered(carried, box))
        own = block.view(carried, box)
        out = np.zeros(own.shape)
        kernels.transport(
            field.ravel(), self.flow.velocity.reshape(3, -1), self.flow.strides,
            block.first_plane(box), self.liquid.weight, out,
        )
        out *= self.dt / block.edge
        if block.apparent:
            out *= self.alloy.capacity(own)
        return out


def encloses(box: Box, block: Block, extent: np.ndarray) -> bool:
    """Whether the least rim of solid lies around the pool, or the block ends there."""
    (low_z, _, low_x), (_, high_y, high_x) = extent
    nz, ny, nx = block.shape
    left = box.first - block.first
    return bool(
        box.cells[0] >= min(nz - low_z + LEAST_RIM, nz)
        and box.cells[1] >= min(high_y + LEAST_RIM, ny)
        and 0 <= left <= max(low_x - LEAST_RIM, 0)
        and min(high_x + LEAST_RIM, nx) <= left + box.cells[2] <= nx
    )


def box_around(block: Block, extent: np.ndarray) -> Box:
    """The pool with a wide rim, of sizes that cosine transforms like."""
    (low_z, _, low_x), (_, high_y, high_x) = extent
    nz, ny, nx = block.shape
    wanted = (nz - low_z + WIDE_RIM, high_y + WIDE_RIM, high_x - low_x + 2 * WIDE_RIM)
    cells = tuple(
        min(next_fast_len(int(n), real=True), whole) for n, whole in zip(wanted, (nz, ny, nx))
    )
    left = min(max(low_x - WIDE_RIM, 0), nx - cells[2])
    return Box(block.first + int(left), cells)


def surface_pull(
    temperature: np.ndarray, liquid: np.ndarray, tension_slope: float
) -> dict[int, np.ndarray]:
    """Marangoni shear stress f dgamma/dT dT/dx on the faces of the top cells, times the cell edge.

    temperature, liquid  (ny, nx)  K and liquid fraction f of the uppermost cells
    Returns N/m by axis (y, x), padded as the flow's arrays.
    """
    ny, nx = temperature.shape
    pull = {}
    for axis, size in ((Y, ny), (X, nx)):
        plane = np.zeros((ny + kernels.LOW + kernels.HIGH, nx + kernels.LOW + kernels.HIGH))
        along = axis - 1
        line = np.moveaxis(liquid, along, 0)
        melted = (line[1:] + line[:-1]) / 2
        force = tension_slope * np.diff(np.moveaxis(temperature, along, 0), axis=0) * melted
        inner = np.moveaxis(plane, along, 0)
        across = plane.shape[1 - along] - kernels.HIGH
        inner[kernels.LOW + 1:kernels.LOW + size, kernels.LOW:across] = force
        pull[axis] = plane
    return pull
