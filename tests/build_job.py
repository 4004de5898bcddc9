"""The job of all tests of ranks, restart and energy, in which the mesh does all that it can do."""

import csv
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from partsim.build import Build
from partsim.job import Job, parse
from partsim.launch import checked_job
from partsim.mesh.view import BlockView
from partsim.output import records
from tests.small_job import job_text

BUILD = {
    "part.size": ["0.8 mm", "0.8 mm", "0.5 mm"],
    "plate.size": ["1.6 mm", "1.6 mm", "1.6 mm"],
    "scan.hatch": "0.4 mm",
    "scan.rotation": "67 deg",
    "scan.turn_time": "0.1 ms",
    "layers.dwell": "2.88 ms",
    "layers.temperature": "750 K",
    "mesh.levels": 3,
    "mesh.powder_rim": "0.2 mm",
    "time.step": "40 us",
    "time.hold_steps": 10,
    "time.steps_per_doubling": 1,
    "final_cooling.duration": "1 s",
    "final_cooling.plate_temperature": "400 K",
    "output.every_layers": 4,
    "output.mid_scan": [3, 9],
    "output.checkpoint_layers": 0,
    "output.history_steps": 20,
}
PROBES = (
    ("plate", ["0.4 mm", "0.4 mm", "-0.3 mm"]),
    ("core", ["0.41 mm", "0.38 mm", "0.22 mm"]),
    ("rim", ["-0.05 mm", "0.4 mm", "0.4 mm"]),
)
LAYERS = 10
EXPLICIT = {"layers.dwell": "0.4 ms", "final_cooling.duration": 0}


def build_text(*changes: dict, probes: tuple = PROBES) -> str:
    """TOML of the job with some entries changed."""
    entries = dict(BUILD)
    for change in changes:
        entries.update(change)
    return job_text(entries, probes)


def build_job(*changes: dict, probes: tuple = PROBES) -> Job:
    """The job with some entries changed."""
    return parse(build_text(*changes, probes=probes), "build.toml")


def run_build(comm, job: Job, folder: Path) -> Build:
    """A finished build; NumPy raises on the way where it is not well defined."""
    with np.errstate(all="raise", under="ignore"):
        build = Build(job, comm, folder)
        build.start()
        build.go()
    return build


def resume_build(comm, checkpoint: Path, folder: Path) -> Build:
    """A build that went on from a checkpoint to its end."""
    with np.errstate(all="raise", under="ignore"):
        build = Build(checked_job(checkpoint), comm, folder)
        build.restore(checkpoint)
        build.go()
    return build


def stored(build: Build) -> dict[str, np.ndarray]:
    """All that is stored of the blocks of all ranks, in their order; zero where nothing exists."""
    site = build.site
    view, size = site.view(), site.lattice.block
    own = {name: values.copy() for name, values in site.node_blocks().items()}
    for values in own.values():
        values[~nodes_that_exist(view)] = 0.0
    own["consolidated"] = site.state["consolidated"] * view.active_cells.reshape(-1, size**3)
    leaves = site.mesh.leaves
    arrays = {name: site.mesh.everywhere(values) for name, values in own.items()}
    return arrays | {"level": leaves.level, "corner": leaves.corner, "active": site.mesh.active}


def nodes_that_exist(view: BlockView) -> np.ndarray:
    """(nb, (B+1)^3) whether a node is a corner of a cell that exists."""
    return view.active_nodes.reshape(len(view), (view.size + 1) ** 3)


def books(build: Build) -> dict:
    """Place, counters and account of a build: what a checkpoint keeps beside the fields."""
    header, _ = build.describe()
    place = ("layer", "number", "index", "ticks")
    names = (*place, "counts", "ledger", "steps", "updates", "peak")
    owner = build.site.mesh.owner.tolist()
    return {name: header[name] for name in names} | {"energy": build.energy(), "owner": owner}


def assert_same_bits(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> None:
    """Equal arrays under equal names; zeros of different sign differ."""
    assert left.keys() == right.keys()
    for name, values in left.items():
        other = right[name]
        assert (values.dtype, values.shape) == (other.dtype, other.shape), name
        differ = values.view(np.uint64) != other.view(np.uint64)
        assert not differ.any(), f"{name}: {differ.sum()} values differ"


def table(build, name):
    """The columns of a table that a build wrote."""
    with open(build.records.folder / name) as file:
        rows = list(csv.DictReader(file))
    return {column: [row[column] for row in rows] for column in rows[0]}


@contextmanager
def checkpoints_at(moments):
    """Checkpoints are written after these steps, and all are kept."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "WATCH", 1)
        patch.setattr(
            records.Records, "overdue",
            lambda self: (self.build.number, self.build.index) in moments,
        )
        yield
