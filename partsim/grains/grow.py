"""`partsim grow`: the grains of all tracks and layers, from one track's temperature."""

import json
import resource
import sys
import zlib
from pathlib import Path
from time import monotonic, perf_counter

import numpy as np

from partsim import __version__
from partsim.crops.ipf import ipf
from partsim.grains import checkpoint, nucleation, output, picture, temperature
from partsim.grains.blocks import Grid
from partsim.grains.check import check
from partsim.grains.dendrites import DendriticLaw
from partsim.grains.layers import Metal, Step, plan
from partsim.grains.orientations import PAPER
from partsim.grains.phasefield import PhaseFieldLaw
from partsim.grains.temperature import TemperatureFile, TrackTemperature
from partsim.grains.track import grow_track
from partsim.parallel import first_rank_only, rank_print, together
from partsim.schema import read_text
from partsim.trackjob import TrackJob
from partsim.wholefile import replace_json, replace_text

GRAINS, FIELDS, SUMMARY, JOB = "grains.h5", "grains.hdf", "summary.json", "job.toml"
INTERVAL = 10.0  # s between lines of progress
LAWS = {"phase field": PhaseFieldLaw, "dendritic": DendriticLaw}


class Growth:
    """The metal of a job and how far it has come; collective in all its methods.

    state  what a checkpoint keeps besides the metal: tracks and steps done, sums of counts
    """

    def __init__(self, comm, job: TrackJob, file: TemperatureFile, folder: Path) -> None:
        self.comm, self.job, self.file, self.folder = comm, job, file, folder
        self.plan = plan(job, file.header["length"])
        self.grid = Grid(self.plan.window)
        self.metal = Metal(self.plan)
        self.identity = f"{file.sum} {zlib.crc32(job.text.encode())} {__version__}"
        self.state = {"tracks": 0, "steps": 0, "seconds": 0.0, "updates": 0}

    def resume(self) -> None:
        """Goes on from the folder's checkpoint if it is one of this job and temperature."""
        found = together(
            self.comm, lambda: checkpoint.load(self.folder, self.metal, self.identity)
        )
        if found is not None:
            self.state = found
            rank_print(self.comm, f"continues after {found['tracks']} tracks")
        elif self.comm.bcast((self.folder / checkpoint.NAME).exists()):
            rank_print(self.comm, f"{self.folder / checkpoint.NAME} is of another job, temperature "
                       "or version, or damaged: all tracks are grown anew")

    def run(self) -> None:
        """All tracks that are still to be done, with a checkpoint after each."""
        for step in self.plan.steps()[self.state["tracks"]:]:
            begin = perf_counter()
            if step.track == 0:
                self.metal.lay(self.comm, step.layer)
            self._track(step)
            self.state["seconds"] += self.comm.bcast(perf_counter() - begin)
            first_rank_only(self.comm, lambda: checkpoint.save(
                self.folder, self.metal, self.identity, self.state))

    def _track(self, step: Step) -> None:
        heat = TrackTemperature(
            self.file, self.plan.placement(step.track, self.file.header["length"])
        )
        law = self._law()
        law.start(self.metal.grain[self.plan.rows(step.layer)], self.metal.labels)
        steps = grow_track(law, heat, self.state["steps"], Watch(self.comm, step))
        taken = self.metal.take(step, self.grid, law.finish())
        sums = {
            "tracks": 1, "steps": steps, **taken,
            "updates": sum(self.comm.allgather(law.updates)), **law.counts(),
        }
        for name, value in sums.items():
            self.state[name] = self.state.get(name, 0) + value

    def _law(self):
        grains, liquidus = self.job.grains, self.file.header["liquidus"]
        merged = PAPER if grains.orientations == "paper merged" else 0
        chance = nucleation.chance(
            self.job.nucleation, liquidus, grains.step, grains.cell,
            (grains.seed, merged, self.plan.window),
        )
        return LAWS[grains.law](self.comm, self.grid, self.job, liquidus, chance)


class Watch:
    """Prints how far a track is, now and then, on rank 0."""

    def __init__(self, comm, step: Step) -> None:
        self.comm, self.step, self.last = comm, step, monotonic()

    def __call__(self, time: float) -> None:
        now = monotonic()
        if self.comm.rank or now - self.last < INTERVAL:
            return
        self.last = now
        print(f"layer {self.step.layer}, track {self.step.track}, t = {1e6 * time:.0f} us",
              file=sys.stderr, flush=True)


def grow(comm, job: TrackJob, source: Path, folder: Path) -> dict:
    """Grows the grains of a job in the temperature file `source` and writes grains.h5, grains.hdf,
    summary.json and sections as PNG into the folder; collective. Returns the summary.

    Raises UserError for a file that is damaged or does not fit the job.
    """
    begin = perf_counter()
    file = together(comm, lambda: temperature.read(source))
    check(job, file)
    growth = Growth(comm, job, file, folder)
    growth.resume()
    first_rank_only(comm, lambda: clear(folder, job))
    growth.run()
    result = summary(growth)
    first_rank_only(comm, lambda: write(growth, result, begin))
    rank_print(comm, f"{result['grains']} grains, {result['melted_cells']} cells melted, "
               f"{result['alive_cell_updates_per_second'] / 1e6:.2f} M cell updates/s")
    return result


def clear(folder: Path, job: TrackJob) -> None:
    """Takes away what another job left, so that its grains never lie beside this job's text."""
    for name in (SUMMARY, GRAINS, FIELDS, *picture.FILES):
        (folder / name).unlink(missing_ok=True)
    replace_text(folder / JOB, job.text)


def finished(job: TrackJob, source: Path, folder: Path) -> bool:
    """Whether a folder has the grains of this job in this temperature, complete."""
    if not (folder / SUMMARY).exists() or not (folder / GRAINS).exists():
        return False
    told = json.loads(read_text(folder / SUMMARY, "summary"))
    same = told.get("temperature_checksum") == temperature.checksum(source)
    return same and read_text(folder / JOB, "job file") == job.text


def write(growth: Growth, result: dict, begin: float) -> None:
    """All files of a run, on rank 0; the checkpoint has done its work then."""
    folder, metal = growth.folder, growth.metal
    colours = ipf(output.orientations_of(metal)) / 255
    output.write_grains(folder / GRAINS, metal, growth.file.header)
    output.write_vtkhdf(folder / FIELDS, metal, colours)
    picture.draw_sections(folder, metal, colours, growth.file.header["length"])
    result["wall_seconds"] = perf_counter() - begin
    replace_json(folder / SUMMARY, result)
    (folder / checkpoint.NAME).unlink(missing_ok=True)


def summary(growth: Growth) -> dict:
    """What the run did, as one dictionary; collective."""
    state, metal, comm = growth.state, growth.metal, growth.comm
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    seconds, melted = state["seconds"], int(metal.melted.sum())
    told = ("tracks", "steps", "nuclei_kept", "nuclei_thrown", "nuclei_thrown_into_solid",
            "dropped_order_parameters", "quenched_cells")
    return {
        "cells": metal.grain.size,
        "window_cells": int(np.prod(growth.plan.window)),
        "grains": len(np.unique(metal.grain)),
        "melted_cells": melted,
        **{name: state[name] for name in told if name in state},
        "growth_seconds": seconds,
        "alive_cell_updates": state["updates"],
        "alive_cell_updates_per_second": state["updates"] / seconds,
        "melted_cells_per_second": melted / seconds,
        "peak_memory_bytes": comm.allreduce(memory),
        "law": growth.job.grains.law,
        "temperature_checksum": growth.file.sum,
        "ranks": comm.size,
        "version": __version__,
    }
