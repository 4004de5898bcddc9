"""A run that kills its last rank at a chosen moment: python -m tests.killed JOB FOLDER MOMENT."""

import os
import signal
import sys
from pathlib import Path

from partsim import build
from partsim.job import load
from partsim.output import records, shared_file
from partsim.parallel import world
from partsim.site import Site
from partsim.thermal.implicit import Implicit

NUMBER = 8  # of the stretch in which it happens: that of layer 9, which begins a row of blocks
WATCH = 25  # steps between checkpoints


def die() -> None:
    """Ends this process at once if it is the last rank."""
    if world().rank == world().size - 1:
        os.kill(os.getpid(), signal.SIGKILL)


def die_before(owner, name: str, due) -> None:
    """Replaces a function by one that dies where `due(*arguments)` holds."""
    function = getattr(owner, name)

    def instead(*arguments):
        if due(*arguments):
            die()
        return function(*arguments)

    setattr(owner, name, instead)


def before_step(index: int) -> None:
    """Dies before a step with the laser on or in the cool-down, counted from the laser's end."""

    def due(run, *_) -> bool:
        here = index if index >= 0 else run.stretch.laser - index
        return (run.number, run.index) == (NUMBER, here)

    die_before(build.Build, "thermal_step", due)


def while_solving(calls: int) -> None:
    """Dies in the linear system of the implicit step that follows so many in this layer."""
    solved = []

    def due(solver, *_) -> bool:
        if solver.heat.mesh.layer == NUMBER + 1:
            solved.append(solver)
        return len(solved) > calls

    die_before(Implicit, "solve", due)


def after_adaptation() -> None:
    """Dies when the mesh has just been adapted and all fields have been moved to it."""
    grow = Site.grow

    def instead(site: Site, layer: int) -> None:
        grow(site, layer)
        if layer == NUMBER + 1:
            die()

    Site.grow = instead


def while_writing(name: str, count: int) -> None:
    """Dies when so many rows of the first file of this name in the layer are on the disk."""
    rows, seen = shared_file.write_at, []
    begin = getattr(records, name)

    def begin_writing(comm, *arguments):
        if run_number() == NUMBER:
            shared_file.write_at = count_rows
        return begin(comm, *arguments)

    def count_rows(*arguments) -> None:
        rows(*arguments)
        seen.append(arguments)
        if len(seen) == count:
            die()

    setattr(records, name, begin_writing)


def run_number() -> int:
    """The stretch at which the run of this process is."""
    return current[-1].number


current = []
MOMENTS = {
    "scan": lambda: before_step(30),
    "explicit cooling": lambda: before_step(-6),
    "implicit cooling": lambda: while_solving(2),
    "adaptation": after_adaptation,
    "checkpoint": lambda: while_writing("save", 4),
    "snapshot": lambda: while_writing("write_snapshot", 4),
}


def main(job: str, folder: str, moment: str) -> None:
    """Runs the job; checkpoints follow from counted steps and not from the clock."""
    records.WATCH = WATCH
    records.Records.overdue = lambda self: self.build.index > 0
    start = build.Build.start

    def noted(run) -> None:
        current.append(run)
        start(run)

    build.Build.start = noted
    MOMENTS[moment]()
    build.run(load(Path(job)), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
