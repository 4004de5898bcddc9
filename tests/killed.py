"""A run whose last rank kills itself: python -m tests.killed JOB FOLDER MOMENT."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from partsim.build import Build
from partsim.job import load
from partsim.launch import run as launch
from partsim.output import records, shared_file
from partsim.parallel import world
from partsim.site import Site
from partsim.thermal.superstep import SuperStep

LAYER = 9  # in which it happens; a row of blocks begins with it
WATCH = 35  # steps between checkpoints: tables get rows after the last one
ROWS = 8  # writes to a file before the end


def die() -> None:
    """Ends the last rank at once."""
    if world().rank == world().size - 1:
        os.kill(os.getpid(), signal.SIGKILL)


def die_after(owner: type, name: str, due: Callable[..., bool]) -> None:
    """From now on a method dies when it has done its work and `due` holds for its arguments."""
    method = getattr(owner, name)

    def instead(*arguments):
        result = method(*arguments)
        if due(*arguments):
            die()
        return result

    setattr(owner, name, instead)


def after_step(laser: int, cooling: int) -> None:
    """Dies within the step that follows so many steps of the layer, or the macro step with it."""

    def due(run: Build, count: int, *_) -> bool:
        done = min(run.stretch.laser, laser) + cooling
        return run.stretch.layer == LAYER and run.index <= done < run.index + count

    die_after(Build, "thermal_step", lambda run, *_: due(run, 1))
    die_after(Build, "macro_step", due)


def after_stage(count: int) -> None:
    """Dies within a super-step of the layer."""
    staged = []

    def due(solver: SuperStep, *_) -> bool:
        staged.extend([solver] * (solver.heat.mesh.layer == LAYER))
        return len(staged) == count

    die_after(SuperStep, "advance", due)


def after_adaptation() -> None:
    """Dies when the mesh has just been adapted and the fields have been moved."""
    die_after(Site, "grow", lambda site, layer, *_: layer == LAYER)


def while_writing(method: str) -> None:
    """Dies when a part of the layer's first file of this kind is on the disk."""
    write_file, write_at, written = getattr(records.Records, method), shared_file.write_at, []

    def write_some(*arguments):
        write_at(*arguments)
        written.append(arguments)
        if len(written) == ROWS:
            die()

    def instead(watched: records.Records, name: str) -> None:
        if watched.build.site.mesh.layer == LAYER:
            shared_file.write_at = write_some
        write_file(watched, name)

    setattr(records.Records, method, instead)


MOMENTS = {
    "scan": lambda: after_step(42, 0),
    "explicit cooling": lambda: after_step(1000, 6),
    "super-step": lambda: after_stage(3),
    "adaptation": after_adaptation,
    "checkpoint": lambda: while_writing("checkpoint"),
    "snapshot": lambda: while_writing("fields"),
}


def main(job: str, folder: str, moment: str) -> None:
    """Runs the job; checkpoints follow counted steps, not the clock."""
    records.WATCH = WATCH
    records.Records.overdue = lambda watched: watched.build.index > 0
    MOMENTS[moment]()
    launch(load(Path(job)), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
