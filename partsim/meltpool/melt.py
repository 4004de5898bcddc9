"""`partsim melt`: one track from its job to the files of its pool."""

import resource
import sys
from pathlib import Path
from time import monotonic, perf_counter

import numpy as np

from partsim import __version__
from partsim.meltpool import alloy as alloys
from partsim.meltpool import fields, frames, picture
from partsim.meltpool.alloy import Alloy
from partsim.meltpool.check import WARM_BOTTOM, check, check_resolved
from partsim.meltpool.limits import step_limit
from partsim.meltpool.shape import second_half, steady_from
from partsim.meltpool.track import TrackRun
from partsim.parallel import first_rank_only, global_max, global_sum, rank_print, together
from partsim.trackjob import TrackJob
from partsim.wholefile import replace_json, replace_text

TEMPERATURE, FIELDS, PICTURE, SUMMARY = "temperature.h5", "pool.hdf", "pool.png", "summary.json"
INTERVAL = 10.0  # s between lines of progress
SIZES = ("width", "depth", "length")


def melt(comm, job: TrackJob, folder: Path) -> dict:
    """Computes the track and writes temperature.h5, pool.hdf, pool.png, summary.json; collective.

    Returns the summary. Raises UserError for a job that contradicts itself, and for a pool that its
    cells do not resolve.
    """
    begin = perf_counter()
    alloy = together(comm, lambda: checked_alloy(job))
    run = TrackRun(comm, job, alloy)
    first_rank_only(comm, lambda: clear(folder, job))
    watch = Watch(comm)
    run.scan(watch)
    pool = pool_means(run)
    check_resolved(job, pool["width"])
    seen = fields.pool_fields(run)
    run.cool(watch)
    result, header = summary(run, pool), file_header(run)
    first_rank_only(comm, lambda: write_fields(folder, run, seen, header))
    result |= speed(result, comm.bcast(perf_counter() - begin))
    first_rank_only(comm, lambda: replace_json(folder / SUMMARY, result))
    tell(comm, result)
    return result


def checked_alloy(job: TrackJob) -> Alloy:
    """The alloy of a job that contradicts neither itself nor it."""
    alloy = alloys.load(job.material, job.path.parent)
    check(job, alloy)
    return alloy


class Watch:
    """Prints how far a run is, now and then, on rank 0."""

    def __init__(self, comm) -> None:
        self.comm, self.last = comm, monotonic()

    def __call__(self, run: TrackRun) -> None:
        now = monotonic()
        if self.comm.rank or now - self.last < INTERVAL:
            return
        self.last = now
        size = "  ".join(f"{1e6 * value:.0f}" for value in run.frames.sizes[-1])
        stage = f"{100 * run.steps / run.laser_steps:5.1f} % of the track"
        if run.steps > run.laser_steps:
            stage = "cooling"
        print(f"{stage}  t = {1e6 * run.time:.0f} us  pool {size} um", file=sys.stderr, flush=True)


def clear(folder: Path, job: TrackJob) -> None:
    """A folder without the results of a former run, with the job in it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in (TEMPERATURE, FIELDS, PICTURE, SUMMARY):
        (folder / name).unlink(missing_ok=True)
    replace_text(folder / "job.toml", job.text)


def while_on(run: TrackRun) -> tuple[np.ndarray, np.ndarray]:
    """Times (n,) and sizes (n, 3) of the frames with the laser on."""
    times, sizes = np.array(run.frames.times), np.array(run.frames.sizes)
    on = times <= run.duration * (1 + 1e-9)
    return times[on], sizes[on]


def pool_means(run: TrackRun) -> dict:
    """Mean width, depth and length in m over the second half of the track, and the time in s from
    which they stay within 5 % of it (None: not yet steady)."""
    times, sizes = while_on(run)
    means = dict(zip(SIZES, map(float, second_half(times, sizes))))
    return means | {"steady_from": steady_from(times, sizes)}


def file_header(run: TrackRun) -> dict:
    """Attributes of the temperature file; collective."""
    job, alloy = run.job, run.alloy
    energy = global_sum(run.block.comm, run.block.account.absorbed.value)
    return {
        "cell": job.domain.cell, "initial_temperature": job.track.initial_temperature,
        "solidus": alloy.solidus, "liquidus": alloy.liquidus, "power": job.laser.power,
        "absorbed_power": energy / run.duration, "speed": job.laser.speed,
        "length": job.track.length, "duration": run.duration, "job": job.text,
        "alloy": alloy.model_dump_json(),
    }


def write_fields(folder: Path, run: TrackRun, seen: fields.PoolFields | None, header: dict) -> None:
    """Temperature file, and fields and picture of a pool; on rank 0."""
    frames.write(folder / TEMPERATURE, run.frames, header)
    if seen is not None:
        fields.write_vtkhdf(folder / FIELDS, seen)
        picture.draw(folder / PICTURE, seen, run.alloy)


def speed(result: dict, seconds: float) -> dict:
    """How fast a run of so many seconds of wall time was."""
    stages = sum(result["stage_seconds"].values())
    return {
        "wall_seconds": seconds,
        "cell_updates_per_second": result["cells"] * result["steps"] / stages,
        "melted_cells_per_second": result["melted_cells"] / seconds,
    }


def summary(run: TrackRun, pool: dict) -> dict:
    """What the run did, as one dictionary; collective."""
    block, seen, comm = run.block, run.extremes, run.block.comm
    energy = global_sum(comm, block.account.absorbed.value)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    bottom = global_max(comm, block.temperature[0] if block.planes.start == 0 else np.array([]))
    return {
        "cells": int(np.prod(block.shape)),
        "melted_cells": run.frames.melted(run.alloy.liquidus),
        "steps": run.steps,
        "step_seconds": run.dt,
        "stable_step_seconds": step_limit(run.job, run.alloy),
        "laser_seconds": run.duration,
        "simulated_seconds": run.time,
        "pool_metres": pool,
        "source_depth_metres": run.beam.depth,
        "absorbed_fraction": energy / (run.job.laser.power * run.duration),
        "energy_imbalance": block.imbalance(),
        "bottom_warming_kelvin": bottom - block.initial,
        "largest_temperature_kelvin": seen.hottest,
        "smallest_temperature_kelvin": seen.coldest,
        "largest_speed": seen.speed,
        "largest_speed_of_solid": seen.solid_speed,
        "divergence": seen.divergence,
        "frames": len(run.frames.times),
        "stage_seconds": run.timers.reduced(comm),
        "peak_memory_bytes": comm.allreduce(memory),
        "ranks": comm.size,
        "version": __version__,
    }


def tell(comm, result: dict) -> None:
    """The pool in one line, and a warning where the block is too shallow."""
    pool = result["pool_metres"]
    sizes = ", ".join(f"{name} {1e6 * pool[name]:.1f} um" for name in SIZES)
    rank_print(comm, f"pool: {sizes}; absorbed {100 * result['absorbed_fraction']:.1f} % of the "
               f"power; {result['wall_seconds']:.1f} s")
    if pool["steady_from"] is None:
        rank_print(comm, "the pool is not steady over half of the track: track.length is short")
    if result["bottom_warming_kelvin"] > WARM_BOTTOM:
        rank_print(comm, f"the bottom has warmed by {result['bottom_warming_kelvin']:.0f} K, more "
                   f"than {WARM_BOTTOM:g} K: domain.depth is small")
