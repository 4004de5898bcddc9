"""The part-scale loop: for each layer the heat of scan and cool-down, and the phases."""

from functools import cached_property, partial
from pathlib import Path
from time import perf_counter

import numpy as np

from . import dealing, parallel
from .clock import Clock, ticks_of
from .errors import UserError
from .estimate.patch import Effect, measured_effects
from .grouped_scan import GroupedScan
from .grouping import grouped
from .job import Job
from .jobcheck import largest_ratio, longest_explicit_step
from .macrostep import MacroStep
from .mesh.mesh import Grid
from .output.checkpoint import load_blocks, load_header, load_rows
from .output.progress import Progress
from .output.records import Records
from .part import material as materials
from .part import shape
from .part.scan import ScanPath, digest
from .program import stretch, stretches
from .site import Site
from .thermal.explicit import Explicit
from .thermal.multirate import Multirate
from .thermal.pace import Pace
from .thermal.source import Optics
from .thermal.superstep import SuperStep
from .timers import Timers


class Build:
    """One build: `site` is its state, (`number`, `index`) its place in the program.

    job       what is computed; `resolved` is the same with single layers where it groups them
    number    of the stretch (sweep over a layer, or final cooling), from 0
    index     steps of the stretch that are done
    effect    of a single scan, where a rule for grouped layers says so
    """

    def __init__(self, job: Job, comm, folder: Path):
        self.resolved, self.comm = job, comm
        self.job = job = grouped(job)
        self.material = materials.load(job.material, job.path.parent)
        self.part = shape.load(job)
        self.site = Site(job, self.material, comm)
        self.clock, self.timers = Clock(job.time.step), Timers()
        self.number, self.index = 0, 0
        self.stretch = stretch(job, self.part, 0)
        self.steps = {"laser": 0, "cooling": 0}
        self.updates = {"explicit": 0, "equivalent": 0}
        self.seconds = {"explicit": 0.0, "before": 0.0}
        self.peak, self.began, self.first_enthalpy = 0.0, perf_counter(), 0.0
        self.effect = Effect(0.0, 0.0)
        scan_scheme = job.phase.laser_scheme if job.layers.group == 1 else "off"
        self.schemes = {"laser": scan_scheme, "cooling": job.phase.cooling_scheme}
        self.largest_explicit = longest_explicit_step(job, self.material)
        self.drop_mesh()
        self.records = Records(self, folder)

    def start(self) -> None:
        """The plate, and the layers below the first one that is simulated."""
        with self.timers("growth"):
            self.site.lay_plate()
            if self.job.layers.start > 1:
                self.skip_layers(self.job.layers.start - 1)
        self.first_enthalpy = self.site.enthalpy()
        self.records.start()

    def skip_layers(self, layer: int) -> None:
        """Begins on top of `layer`, in the state that the layer-averaged estimate gives."""
        from .estimate.average import before_layer

        effects, single = self.effects, layer * self.job.layers.group
        profiles = parallel.from_first(
            self.comm, lambda: before_layer(self.resolved, self.material, single + 1, effects))
        self.site.build_up_to(layer, self.part, profiles)

    @cached_property
    def effects(self):
        """What a scan with the beam resolved does beside heating the part; collective."""
        return parallel.from_first(
            self.comm, lambda: measured_effects(self.resolved, self.material))

    @cached_property
    def rule(self) -> GroupedScan | None:
        """What the beams do to grouped layers; collective."""
        if self.job.layers.group == 1:
            return None
        return GroupedScan(self.site, self.part, self.effects)

    def go(self) -> None:
        """Runs the program to its end."""
        try:
            with self.records.signals:
                self.run_program()
            self.records.finish()
        except UserError as failure:
            self.records.events.failed(parallel.one_line(failure))
            raise

    def run_program(self) -> None:
        """All stretches from the one at hand."""
        total, before = float(stretches(self.job)), float(self.number)
        with Progress(self.comm, self.job.layers.stop, total, before) as progress:
            self.progress = progress
            while self.stretch is not None:
                self.enter()
                self.run_stretch()
                self.records.after_stretch()
                done = self.stretch.layer if self.stretch.last else None
                self.number, self.index = self.number + 1, 0
                self.stretch = stretch(self.job, self.part, self.number)
                self.records.between_stretches(done)

    def enter(self) -> None:
        """Prepares the mesh and the solvers of the stretch at hand."""
        self.drop_mesh()
        if self.index == 0 and self.stretch.first:
            with self.timers("growth"):
                self.lay(self.stretch.layer)
        elif self.index == 0 and not self.stretch.final:
            self.redeal()  # the last part of the sweep before has other owners
        self.records.new_mesh()
        self.records.layer_begun()

    def lay(self, layer: int) -> None:
        """Lays the powder of a layer."""
        if self.rule:
            self.effect = self.rule.effect(layer)
        self.site.grow(layer, self.deal)
        if self.rule:
            self.rule.begin(layer)

    def deal(self, grid: Grid, work: np.ndarray) -> np.ndarray:
        """(n,) who owns which blocks in the part of the stretch at hand; work: Site.work."""
        return dealing.at(self.parts_of(grid), self.index).owner(work, self.comm.size)

    def parts_of(self, grid: Grid) -> list[dealing.Part]:
        """The parts of the stretch; one where ranks have nothing to share or steps are alike."""
        if self.parts is None:
            length, laser = largest_ratio(self.job), self.stretch.laser if self.stretch else 0
            self.parts = [dealing.even(grid.leaves)]
            if self.comm.size > 1 and length > 1 and laser:
                scan = dealing.scan_parts(self.new_pace(grid), grid.leaves, laser, length)
                self.parts = dealing.stretch_parts(scan, grid, laser, self.comm.size)
        return self.parts

    def redeal(self) -> None:
        """Gives the blocks to the ranks that have them in the part at hand; collective."""
        with self.timers("growth"):
            if self.site.redeal(self.deal):
                self.drop_solvers()
                self.records.new_mesh()

    def end_scan(self) -> None:
        """What is left to do to a layer when all beams are off."""
        if self.rule:
            self.drop_solvers()
            with self.timers("phase"):
                self.rule.end(self.stretch, self.clock.base, self.effect.depth)

    def drop_mesh(self) -> None:
        """Forgets what belongs to one stretch on one mesh."""
        self.pace, self.parts = None, None
        self.drop_solvers()

    def drop_solvers(self) -> None:
        """Solvers belong to the blocks of this rank."""
        self.explicit, self.superstep, self.macro = None, None, None

    def run_stretch(self) -> None:
        """The steps of the stretch that are still to be done."""
        while self.index < len(self.stretch.steps):
            before = self.index
            self.advance()
            self.records.after_step(self.index - before)

    def advance(self) -> None:
        """The step that is due, or the macro step that stands for several."""
        if any(part.start == self.index > 0 for part in self.parts_of(self.site.mesh)):
            self.redeal()
        kind = "laser" if self.index < self.stretch.laser else "cooling"
        count, ticks = self.macro_length(), self.stretch.steps[self.index]
        if count > 1:
            ticks = count
            self.macro_step(count, kind)
        else:
            count = 1
            with self.timers("thermal"):
                self.thermal_step(ticks, kind)
            with self.timers("phase"):
                self.phase_step(ticks, kind)
        self.clock.ticks += ticks
        self.index += count
        self.steps[kind] += count
        if self.rule and kind == "laser":
            self.rule.follow(ticks * self.clock.base)
        if self.index == self.stretch.laser:
            self.end_scan()

    def macro_length(self) -> int:
        """Base steps of the macro step that is due, a power of two; 1 or 0 for a single step."""
        longest = min(largest_ratio(self.job), self.stretch.base_steps(self.index))
        return 1 << longest.bit_length() - 1 if longest else 0

    def macro_step(self, count: int, kind: str) -> None:
        """Advances temperature and phases by `count` base steps, each block in its own steps."""
        site, began = self.site, perf_counter()
        solver = self.macro_solver(count, kind)
        solver.multirate.updates = 0.0
        solver.run(site.state["temperature"], site.former, self.index)
        self.peak = max(self.peak, solver.multirate.peak)
        self.seconds["explicit"] += perf_counter() - began
        self.updates["explicit"] += solver.multirate.updates
        self.updates["equivalent"] += site.mesh.total_nodes * count

    def macro_solver(self, count: int, kind: str) -> MacroStep:
        """The solver of this mesh for macro steps of `count` base steps."""
        if self.macro is None or (self.macro.multirate.length, self.macro_kind) != (count, kind):
            site, base = self.site, self.clock.base
            if self.pace is None:
                self.pace = self.new_pace(site.mesh)
            multirate = Multirate(site.heat, base, site.ledger, count, self.pace)
            if kind == "laser":
                multirate.aim_at(self.dimmed_paths(), self.optics())
            scheme = self.schemes[kind]
            self.macro = MacroStep(multirate, site.phases, scheme, self.timers)
            self.macro_kind = kind
        return self.macro

    def new_pace(self, grid: Grid) -> Pace:
        """Which levels the blocks may have in this stretch."""
        base = self.clock.base
        dwell = ticks_of(self.job.layers.dwell, base)
        pace = Pace(grid, self.stretch.paths, self.optics(), base, self.largest_explicit, dwell)
        return pace.lay(self.job.layers.thickness) if self.stretch.first else pace

    def optics(self) -> Optics:
        """The source of all beams."""
        lattice = self.site.lattice
        return Optics(self.job.laser.radius, lattice.cell, lattice.origin[:2], lattice.powder)

    def dimmed_paths(self) -> list[ScanPath]:
        """The paths of the stretch with the power that arrives."""
        return [path.dimmed(1 - self.effect.lost_share) for path in self.stretch.paths]

    def thermal_step(self, ticks: int, kind: str) -> None:
        """Advances the temperature by `ticks` base steps."""
        dt = ticks * self.clock.base
        site, began = self.site, perf_counter()
        temperature = site.state["temperature"]
        if self.is_super(ticks):
            site.former[:] = temperature
            self.super_solver().step(temperature, dt, self.stretch.plate)
            return
        explicit = self.explicit_solver(dt, kind)
        explicit.step(temperature, self.index * self.clock.base, site.former)
        site.swap()
        self.peak = max(self.peak, explicit.peak)
        self.seconds["explicit"] += perf_counter() - began
        self.updates["explicit"] += self.site.mesh.total_nodes
        self.updates["equivalent"] += self.site.mesh.total_nodes * ticks

    def is_super(self, ticks: int) -> bool:
        """Whether a step of so many base steps is a super-step, as all of the final cooling are.

        A single base step never is: it is stable, if with less reserve than `largest_explicit`, and
        only explicit steps know of the beam.
        """
        long = ticks > 1 and ticks * self.clock.base > self.largest_explicit
        return self.stretch.final or long

    def explicit_solver(self, dt: float, kind: str) -> Explicit:
        """The explicit solver for this step length, with the beam while the laser is on."""
        if self.explicit is None or (self.explicit.dt, self.explicit_kind) != (dt, kind):
            self.explicit = Explicit(self.site.heat, dt, self.site.ledger, self.timers)
            self.explicit_kind = kind
            if kind == "laser":
                self.explicit.aim_at(self.dimmed_paths(), self.optics())
        return self.explicit

    def super_solver(self) -> SuperStep:
        """The solver of this mesh for long steps."""
        if self.superstep is None:
            site = self.site
            self.superstep = SuperStep(
                site.heat, self.largest_explicit, site.ledger, self.timers
            )
        return self.superstep

    def phase_step(self, ticks: int, kind: str) -> None:
        """Advances the phases along the temperature step just done."""
        dt = ticks * self.clock.base
        site = self.site
        site.phases.step(self.schemes[kind], site.former, site.state["temperature"], dt)

    def energy(self) -> dict[str, float]:
        """The account in J; `closing_error` relative to the laser; collective."""
        ledgers = self.comm.allgather(self.site.ledger)
        energy = {
            name: sum(getattr(ledger, name).value for ledger in ledgers)
            for name in ("layers", "lost_top", "lost_plate", "adaptation")
        }
        energy["laser"] = ledgers[0].laser.value
        energy["stored"] = self.site.enthalpy() - self.first_enthalpy
        gained = energy["laser"] + energy["layers"] + energy["adaptation"]
        error = gained - energy["lost_top"] - energy["lost_plate"] - energy["stored"]
        return energy | {"closing_error": error / energy["laser"] if energy["laser"] else error}

    def rate(self) -> float:
        """Node updates of explicit steps per second: of temperature alone where all blocks take the
        same, with the phases that macro steps move as well."""
        return self.updates["explicit"] / max(self.seconds["explicit"], 1e-9)

    def equivalent_rate(self) -> float:
        """Nodes x base steps per second of the explicit stage."""
        return self.updates["equivalent"] / max(self.seconds["explicit"], 1e-9)

    def wall(self) -> float:
        """Wall seconds of this run, those before it was resumed included."""
        return self.seconds["before"] + perf_counter() - self.began

    def progress_report(self) -> None:
        """Shows how far the run is."""
        done = self.number + self.index / max(len(self.stretch.steps), 1)
        self.progress.update(self.stretch.layer, self.clock.time, done, self.rate())

    def describe(self) -> tuple[dict, dict]:
        """Header and block arrays of a checkpoint; collective."""
        header, blocks = self.site.describe()
        own = {
            "job": self.job.text,
            "job_path": str(self.job.path.absolute()),
            "material": self.material.constants,
            "part": self.part.constants,
            "number": self.number,
            "index": self.index,
            "scan": digest(self.stretch.paths if self.stretch else ()),
            "effect": self.effect,
            "ticks": self.clock.ticks,
            "steps": self.steps,
            "updates": self.updates,
            "seconds": self.seconds | {"before": self.wall()},
            "timers": self.comm.allgather(self.timers.seconds),
            "peak": self.comm.allreduce(self.peak, op=max),
            "first_enthalpy": self.first_enthalpy,
        }
        return header | own, blocks

    def restore(self, path: Path) -> None:
        """The state of a checkpoint; collective."""
        read = partial(parallel.together, self.comm)
        header, owner = read(lambda: load_header(path))
        blocks = read(lambda: load_blocks(path))
        self.number, self.index = header["number"], header["index"]
        self.stretch = stretch(self.job, self.part, self.number)
        if self.stretch and header["scan"] != digest(self.stretch.paths):
            raise UserError(f"{path} is in the midst of another scan path of layer "
                            f"{self.stretch.layer} than the job has now: has scan.file changed?")
        same_ranks = len(header["ledger"]) == self.comm.size
        self.site.restore(header, blocks, (lambda *_: owner) if same_ranks else self.deal,
                          lambda own: read(lambda: load_rows(path, own)))
        self.clock.ticks, self.steps = header["ticks"], header["steps"]
        self.effect = Effect(*header["effect"])
        self.updates, self.seconds = header["updates"], header["seconds"]
        self.peak, self.first_enthalpy = header["peak"], header["first_enthalpy"]
        timers = header["timers"]
        self.timers = Timers(timers[self.comm.rank % len(timers)])
        self.records.resume(path, header["events"])
