"""What a run writes while it goes on and when it ends: tables, fields, checkpoints."""

import math
from pathlib import Path
from time import perf_counter

import numpy as np

from partsim import __version__
from partsim.errors import Interrupted
from partsim.ledger import TERMS
from partsim.jobcheck import largest_ratio
from partsim.output.arrivals import NAME as ARRIVALS
from partsim.output.arrivals import ArrivalTable, Places, grid
from partsim.output.checkpoint import Checkpoint, save
from partsim.output.events import Events
from partsim.output.history import History
from partsim.output.points import box_points, centres_along
from partsim.output.probes import FIELDS, Found, Probes
from partsim.output.signals import Signals
from partsim.output.solidification import NAME as PASSAGES
from partsim.output.solidification import Solidification
from partsim.output.snapshot import append_series, cut_series, write_snapshot
from partsim.output.summary import STAGES, summary_of
from partsim.output.window import PATTERN as PARTS
from partsim.output.window import Box, Window
from partsim.parallel import first_rank_only, rank_print
from partsim.part.arrival import arrivals
from partsim.schema import require
from partsim.wholefile import replace_json, replace_text

COLUMNS = (
    "time",
    "step",
    "layer",
    "stage",
    "cells",
    "nodes",
    *TERMS,
    "stored",
    *(f"seconds_{stage}" for stage in STAGES),
    "node_updates_per_second",
)
# steps between looks at clock and signals, on which all ranks must agree; super-steps, which may
# take seconds each, are followed by one
WATCH = 200
SERIES = "fields.hdf.series"
LARGEST_ERROR = 1e-6  # of the energy account, relative to the laser
RESULTS = (SERIES, "fields_*.hdf*", "*.checkpoint.h5*", "probes.csv", PASSAGES, ARRIVALS,
           PARTS, "summary.json", "log.jsonl")


class Records:
    """Observes a `Build`; the build does not know what is written."""

    def __init__(self, build, folder: Path):
        self.build, self.comm = build, build.comm
        self.folder, self.output = Path(folder), build.job.output
        self.history = History(self.comm, self.folder / "history.csv", COLUMNS)
        self.events, self.signals = Events(self.comm, self.folder / "log.jsonl"), Signals()
        probes = build.job.probes
        self.probes = None
        if probes:
            points = np.array([probe.position for probe in probes])
            names = [probe.name for probe in probes]
            shown = FIELDS if build.site.phased else ("temperature",)
            self.probes = Probes(self.comm, self.folder / "probes.csv", points, names, shown)
        self.passages = None
        if build.job.solidification:
            self.passages = self.recorder()
        self.window = None
        if build.job.window:
            self.window = Window(self.comm, self.folder, self.window_box())
        self.arrivals = None
        if build.job.arrivals:
            ahead = build.clock.base * largest_ratio(build.job)
            self.arrivals = ArrivalTable(self.comm, self.folder, ahead)
        self.saved = perf_counter()
        self.located, self.probes_across = None, False

    def recorder(self) -> Solidification:
        """Watches the liquidus in the cells of the job's box."""
        points = box_points(*self.axes_of("solidification"))
        return Solidification(self.comm, self.folder, points, self.build.material.liquidus)

    def window_box(self) -> Box:
        """Where and when the job's window is read."""
        window = self.build.job.window
        return Box(*self.axes_of("window"), window.every, window.layers)

    def axes_of(self, name: str) -> list[np.ndarray]:
        """m, coordinates along x, y, z of the centres of the finest cells in a box of the job;
        UserError where there are none."""
        lattice, box = self.build.site.lattice, getattr(self.build.job, name)
        axes = centres_along(box.low, box.high, lattice.origin, lattice.cell)
        for axis, (low, high, centres) in enumerate(zip(box.low, box.high, axes)):
            require(len(centres) > 0, f"{name}.high[{axis}]", f"{high:g} m",
                    f"beyond the centre of a cell of {lattice.cell:g} m above {name}.low[{axis}] = "
                    f"{low:g} m")
        return axes

    @property
    def tables(self) -> list[Probes | Solidification | ArrivalTable]:
        """What waits for the next row of the history."""
        return [table for table in (self.probes, self.passages, self.arrivals) if table]

    def start(self) -> None:
        """Begins empty tables; what a former run left in the folder is gone."""
        first_rank_only(self.comm, self.clear)
        self.history.start()
        self.events.start()
        for table in self.tables:
            table.start()
        text = self.build.job.text
        first_rank_only(self.comm, lambda: replace_text(self.folder / "job.toml", text))
        self.events.write("start", ranks=self.comm.size, version=__version__)

    def clear(self) -> None:
        """An existing folder without results."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for pattern in RESULTS:
            for path in self.folder.glob(pattern):
                path.unlink()

    def resume(self, checkpoint: Path, events: int) -> None:
        """Drops what was written after the checkpoint; begins anew in another folder than its.

        events  lines of the log when the checkpoint was written
        """
        if checkpoint.parent.resolve() == self.folder.resolve():
            self.cut_back(checkpoint, events)
        else:
            self.start()
        time, step = self.build.clock.time, self.build.clock.ticks
        told = {"checkpoint": checkpoint.name, "ranks": self.comm.size}
        self.events.write("resumed", time=time, step=step, **told)

    def cut_back(self, checkpoint: Path, events: int) -> None:
        """Leaves in the folder what was there when the checkpoint was written."""
        first_rank_only(self.comm, lambda: self.forget_later(checkpoint))
        time = self.build.clock.time
        self.history.resume(time)
        self.events.resume(events)
        cut_series(self.comm, self.folder / SERIES, time)
        for table in self.tables:
            table.resume(time)
        if self.arrivals and self.build.index == 0:  # what is read as a layer begins is read again
            self.arrivals.resume(np.nextafter(time, 0.0))
        if self.window:
            self.window.resume(time, self.build.clock.ticks)

    def forget_later(self, checkpoint: Path) -> None:
        """Deletes the summary and the checkpoints after this one: the tables stop before them."""
        (self.folder / "summary.json").unlink(missing_ok=True)
        for path in self.folder.glob("*.checkpoint.h5"):
            if path.name > checkpoint.name:
                path.unlink()

    def new_mesh(self) -> None:
        """To be called when the mesh has changed."""
        site = self.build.site
        if self.probes:
            self.located = self.probes.locate(site.blocks())
            across = site.mesh.touches_ghosts(self.located.place.block)
            self.probes_across = self.comm.allreduce(across, op=max)
        if self.passages:
            self.passages.locate(site.blocks(), self.temperatures, self.build.clock.time)
        if self.window:
            self.window.locate(site.blocks())
        if self.arrivals:
            self.arrivals.enter(self.places(), self.scanned)
            self.arrivals.locate(site.blocks())

    @property
    def scanned(self) -> float:
        """s since the scan of the layer began, by the steps that are done."""
        return self.build.index * self.build.clock.base

    def places(self) -> Places:
        """Where the beam comes to in the layer at hand."""
        build, job = self.build, self.build.job
        layer, thickness = build.stretch.layer, job.layers.thickness
        flat = grid(np.array(job.part.size), job.arrivals.spacing)
        inside = build.part.inside(np.c_[flat, np.full(len(flat), (layer - 0.5) * thickness)])
        flat = flat[inside]
        # the nodes that the powder touches are half powder: their temperature is no metal's
        points = np.c_[flat, np.full(len(flat), (layer - 1) * thickness - job.mesh.cell)]
        return Places(layer, points, arrivals(build.stretch.paths, flat, job.arrivals.reach))

    def await_beam(self) -> None:
        """Reads where the next step could bring the beam near."""
        if self.arrivals and self.arrivals.due(self.scanned):
            corners = self.temperatures(self.arrivals.found)
            self.arrivals.sample(self.build.clock.time, self.scanned, corners)

    def after_step(self, count: int) -> None:
        """What is due after a step inside a stretch, or `count` steps taken as one."""
        build, before = self.build, self.build.index - count
        if self.probes:
            self.sample()
        if self.passages:
            self.passages.sample(build.clock.time, self.temperatures(self.passages.found))
        if self.window and self.window.due(build.clock.time, build.stretch.layer):
            self.window.sample(build.clock.time, self.temperatures(self.window.found))
            if self.window.full:
                self.store_window()
        self.await_beam()
        middle = build.stretch.laser // 2
        if before < middle <= build.index and build.stretch.middle:
            if build.stretch.layer in self.output.mid_scan:
                self.fields("scan")
        if build.index == len(build.stretch.steps):
            return
        every, scanned = self.output.history_steps, build.stretch.laser
        if build.index // every > before // every or before < scanned == build.index:
            self.row()
        if build.index // WATCH > before // WATCH or build.is_super(build.stretch.steps[before]):
            self.watch()

    def watch(self, name: str = "step") -> None:
        """The checkpoint that a signal or the clock asks for; Interrupted after a signal."""
        asked = self.signals.agreed(self.comm)
        if asked or self.overdue():
            self.checkpoint(name)
        if asked:
            self.events.write("signal", name=asked, time=self.build.clock.time)
            raise Interrupted(f"stopped by {asked}; go on with: partsim resume {self.folder}")

    def overdue(self) -> bool:
        """Whether the last checkpoint is too long ago, by the clock of rank 0."""
        allowed = self.output.checkpoint_minutes or math.inf
        return self.comm.bcast(perf_counter() - self.saved > 60 * allowed)

    def after_stretch(self) -> None:
        """What is due when a layer, or a sweep over it, has cooled."""
        layer = self.build.stretch.layer
        self.row()
        self.store_window()
        self.events.write("layer ended", **self.layer_told())
        every = self.output.every_layers
        if every and self.build.stretch.last and layer % every == 0:
            self.fields("cooled")

    def between_stretches(self, done: int | None) -> None:
        """The checkpoint that is due when the build stands before a stretch.

        done  the layer that has ended, None between two sweeps
        """
        every = self.output.checkpoint_layers
        if every and done and done % every == 0:
            self.checkpoint("layer")
        if self.build.stretch is not None:
            self.watch("layer")
        elif self.overdue():
            self.checkpoint("layer")

    def layer_begun(self) -> None:
        """The event of a layer, of a sweep over it or of the final cooling, whose mesh stands."""
        build = self.build
        if build.index == 0:
            told = {"steps": len(build.stretch.steps), "time": build.clock.time}
            self.await_beam()
            told["nodes"] = build.site.mesh.total_nodes
            self.events.write("layer begun", **self.stretch_told(), **told)

    def stretch_told(self) -> dict[str, object]:
        """Which stretch is at hand."""
        stretch = self.build.stretch
        several = stretch.sweep is not None and stretch.sweep.count > 1
        sweep = {"sweep": stretch.sweep.number} if several else {}
        return {"layer": stretch.layer, **sweep, "final": stretch.final}

    def layer_told(self) -> dict[str, object]:
        """What the log says of a layer that has cooled; collective."""
        build = self.build
        return {
            **self.stretch_told(),
            "time": build.clock.time,
            "steps": build.index,
            "nodes": build.site.mesh.total_nodes,
            "closing_error": build.energy()["closing_error"],
            "peak_temperature_kelvin": self.comm.allreduce(build.peak, op=max),
            "surface_temperature_kelvin": build.site.surface_temperature(
                build.part.section(build.site.mesh.layer)),
            "seconds": build.wall(),
        }

    def sample(self) -> None:
        """One row of the probes."""
        build, state, mesh = self.build, self.build.site.state, self.build.site.mesh
        if self.probes_across:
            build.site.renew_ghosts()
        which = self.located.place.block
        values = {
            name: mesh.some_blocks(state[name], which)
            for name in ("temperature", "alpha_stable", "martensite", "beta_shift")
        }
        values["beta"] = build.site.beta(values)
        corners = self.located.place.corners(mesh.lattice.block)
        rows = np.arange(len(which))[:, None]
        shown = {name: values[name][rows, corners] for name in self.probes.fields}
        self.probes.sample(build.clock.time, self.located, shown)

    def store_window(self) -> None:
        """What the window has recorded, as a file."""
        if self.window:
            self.window.store(self.build.clock.ticks)

    def temperatures(self, found: Found) -> np.ndarray:
        """(m, 8) K, at the corners of the cells of points that are found."""
        mesh = self.build.site.mesh
        blocks, row = np.unique(found.place.block, return_inverse=True)
        values = mesh.some_blocks(self.build.site.state["temperature"], blocks)
        return values[row[:, None], found.place.corners(mesh.lattice.block)]

    def row(self) -> None:
        """One row of the history table; probes are written with it."""
        build = self.build
        energy = build.energy()
        seconds = build.timers.reduced(self.comm)
        stage = "laser" if build.index <= build.stretch.laser else "cooling"
        self.history.append(
            [
                build.clock.time,
                build.clock.ticks,
                build.stretch.layer,
                stage,
                build.site.mesh.cells,
                build.site.mesh.total_nodes,
                *(energy[name] for name in (*TERMS, "stored")),
                *(seconds.get(name, 0.0) for name in STAGES),
                build.rate(),
            ]
        )
        for table in self.tables:
            table.flush()
        build.progress_report()

    def fields(self, what: str) -> None:
        """A snapshot of all fields, added to the series."""
        build, stretch = self.build, self.build.stretch
        time, path = build.clock.time, self.folder / f"fields_{build.clock.ticks:010d}.hdf"
        material, part = build.material, build.part.bounds
        header = {
            "layer": build.site.mesh.layer,
            "scanning": what == "scan",
            "what": what,
            "solidus": material.solidus,
            "liquidus": material.liquidus,
            "part": [[float(x) for x in corner] for corner in part],
            "job": build.job.text,
        }
        if what == "scan":
            now = build.index * build.clock.base
            beam = max(stretch.paths, key=lambda path: path.end)  # the last to be at work
            ahead = beam.position(now + build.clock.base) - beam.position(now)
            header["beam"] = [float(x) for x in beam.position(now)]
            header["direction"] = [float(x) for x in ahead[:2]]
        with build.timers("output"):
            write_snapshot(self.comm, path, build.site.view(), time, header)
            keep = self.output.keep_fields
            append_series(self.comm, self.folder / SERIES, path, time, keep)
        self.events.write("fields", name=path.name, time=time)

    def checkpoint(self, name: str) -> None:
        """Everything the run needs to go on from here."""
        build = self.build
        with build.timers("output"):
            for table in self.tables:
                table.flush()
            self.store_window()
            header, blocks = build.describe()
            header["events"] = self.events.count
            nodes, cells = build.site.node_blocks(), build.site.block_rows()
            state = Checkpoint(build.site.mesh.own, header, blocks, nodes, cells)
            path = save(self.comm, self.folder, name, state, self.output.keep_checkpoints)
        size = self.comm.bcast(path.stat().st_size if self.comm.rank == 0 else None)
        self.events.write("checkpoint", name=path.name, bytes=size, time=build.clock.time)
        self.saved = perf_counter()

    def finish(self) -> None:
        """The fields at the end and the summary."""
        self.fields("end")
        summary = summary_of(self.build, self.history.path)
        first_rank_only(self.comm, lambda: replace_json(self.folder / "summary.json", summary))
        error = summary["energy_joules"]["closing_error"]
        if not abs(error) <= LARGEST_ERROR:  # also where it is not a number
            rank_print(self.comm, f"partsim: the energy account does not close: {error:.2g} of the "
                       "laser's energy is missing; the result is wrong, please report it")
        self.events.write("finished", time=self.build.clock.time, seconds=self.build.wall())
