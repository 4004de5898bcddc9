"""What a run did, as one dictionary: summary.json."""

import platform
import resource
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from partsim import __version__
from partsim.output.history import by_stage
from partsim.parallel import from_first

STAGES = ("thermal", "phase", "halo", "growth", "output")
LIBRARIES = ("numpy", "numba", "scipy", "mpi4py", "petsc4py", "h5py")


def summary_of(build, history: Path) -> dict:
    """The summary of a build whose table `history` is complete; collective."""
    site, comm = build.site, build.comm
    seconds = build.timers.reduced(comm)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        **asdict(site.counts),
        "steps": dict(build.steps),
        "simulated_seconds": build.clock.time,
        "wall_seconds": build.wall(),
        "stage_seconds": {name: seconds.get(name, 0.0) for name in STAGES},
        "stage_seconds_by_step": from_first(comm, lambda: seconds_by_step(history)),
        "node_updates_per_second": build.rate(),
        "equivalent_updates_per_second": build.equivalent_rate(),
        "energy_joules": build.energy(),
        "phase_means": site.phase_means(build.part),
        "peak_temperature_kelvin": comm.allreduce(build.peak, op=max),
        "peak_memory_bytes": comm.allreduce(memory),
        "ranks": comm.size,
        "versions": {
            "partsim": __version__,
            "python": platform.python_version(),
            **{name: version_of(name) for name in LIBRARIES},
        },
    }


def seconds_by_step(history: Path) -> dict[str, dict[str, float]]:
    """Of steps with the laser on and of others: seconds of each stage, growth with the first laser
    steps of a layer."""
    found = by_stage(history, [f"seconds_{stage}" for stage in STAGES])
    return {kind: {stage: sums[f"seconds_{stage}"] for stage in STAGES}
            for kind, sums in found.items()}


def version_of(library: str) -> str | None:
    """Its version; None where it is not installed, as petsc4py need not be for a part."""
    try:
        return version(library)
    except PackageNotFoundError:
        return None
