"""A build that goes on from a checkpoint ends like the uninterrupted one."""

import json
import shutil
import sys

import h5py
import pytest
from mpi4py import MPI

from partsim import __main__, build
from partsim.errors import UserError
from partsim.launch import checked_job
from partsim.output.checkpoint import latest, load_header
from partsim.parallel import world
from partsim.part.material import shipped
from partsim.part.shape import load as load_shape
from partsim.program import stretch
from tests.build_job import (
    EXPLICIT, PROBES, assert_same_bits, books, build_job, build_text, checkpoints_at,
    resume_build, run_build, stored,
)

pytestmark = pytest.mark.pair

SCAN = stretch(build_job(), load_shape(build_job()), 8).laser
MOMENTS = {  # stretches and steps of the next one that are done, between macro steps
    "scan": (0, 32),
    "layer": (8, 0),
    "adaptation": (8, 16),
    "scan after adaptation": (8, SCAN // 32 * 16),
    "between two deals of the blocks": (8, SCAN // 32 * 32 + 8),
    "explicit cooling": (8, SCAN + 8),
    "super-steps": (8, SCAN + 13),
    "final cooling": (10, 4),
}
FIFTH_LAYERS = {"layer 5": (5, 0), "layer 10": (10, 0), "end": (11, 0)}
SHORT = {**EXPLICIT, "layers.stop": 1, "output.mid_scan": [], "output.checkpoint_layers": 1}
TIMES = {
    "wall_seconds", "stage_seconds", "stage_seconds_by_step", "peak_memory_bytes",
    "node_updates_per_second", "equivalent_updates_per_second",
}


def place(path):
    header, _ = load_header(path)
    return header["number"], header["index"]


@pytest.fixture(scope="module")
def checkpointed(module_tmp):
    """The whole build, which writes a checkpoint at every one of the moments."""
    job = build_job({"output.checkpoint_layers": 5, "output.keep_checkpoints": 100})
    with checkpoints_at(MOMENTS.values()):
        return run_build(world(), job, module_tmp / "checkpointed")


@pytest.fixture(scope="module")
def checkpoints(checkpointed):
    """(stretch, step) -> file."""
    folder = checkpointed.records.folder
    return {place(path): path for path in folder.glob("*.checkpoint.h5")}


def same_counters(left, right):
    """Summaries are equal but for what a clock or the system tells."""
    told = [json.loads((b.records.folder / "summary.json").read_text()) for b in (left, right)]
    for name in told[0].keys() - TIMES:
        assert told[0][name] == told[1][name], name


def test_checkpoints_change_nothing(comm, checkpointed, built):
    assert_same_bits(stored(checkpointed), stored(built))
    assert books(checkpointed) == books(built)
    same_counters(checkpointed, built)
    text = [(b.records.folder / "probes.csv").read_text() for b in (checkpointed, built)]
    assert text[0] == text[1]


@pytest.mark.parametrize("moment", [*MOMENTS, *FIFTH_LAYERS])
def test_resumed_build_ends_with_the_same_bits(comm, checkpoints, built, shared_tmp, moment):
    path = checkpoints[(MOMENTS | FIFTH_LAYERS)[moment]]
    resumed = resume_build(comm, path, shared_tmp)
    assert_same_bits(stored(resumed), stored(built))
    assert books(resumed) == books(built)
    same_counters(resumed, built)


@pytest.mark.skipif(world().size == 1, reason="needs another number of ranks")
def test_one_rank_goes_on_for_many(comm, checkpoints, built, tmp_path):
    path = checkpoints[MOMENTS["scan after adaptation"]]
    alone = resume_build(MPI.COMM_SELF, path, tmp_path)
    assert_same_bits(stored(alone), stored(built))
    assert alone.energy()["closing_error"] == pytest.approx(0, abs=1e-11)


@pytest.mark.skipif(world().size == 1, reason="needs another number of ranks")
def test_many_ranks_go_on_for_one(comm, built, shared_tmp):
    moment = MOMENTS["scan after adaptation"]
    if comm.rank == 0:
        with checkpoints_at([moment]):
            run_build(MPI.COMM_SELF, build_job(), shared_tmp / "alone")
    comm.Barrier()
    path = latest(shared_tmp / "alone")
    assert place(path) == moment
    together = resume_build(comm, path, shared_tmp / "together")
    assert_same_bits(stored(together), stored(built))
    assert together.energy()["closing_error"] == pytest.approx(0, abs=1e-11)


@pytest.fixture(scope="module")
def short(module_tmp):
    """The folder of a build of one layer, with its checkpoint."""
    job = build_job(SHORT, probes=PROBES[:1])
    return run_build(world(), job, module_tmp / "short").records.folder


def test_run_in_a_used_folder_leaves_only_its_own(comm, short, shared_tmp):
    """The checkpoint of the run before would otherwise be taken for one of the new run."""
    used, fresh = shared_tmp / "used", shared_tmp / "fresh"
    copy_folder(comm, short, used)
    nothing = {"output.checkpoint_layers": 0, "output.every_layers": 0}
    job = build_job(SHORT, nothing, probes=())
    names = []
    for folder in used, fresh:
        run_build(comm, job, folder)
        comm.Barrier()
        names.append({path.name for path in folder.iterdir()})
    assert names[0] == names[1] and "probes.csv" not in names[0]
    assert latest(used) is None


def test_resumed_in_another_folder_leaves_the_first_alone(comm, short, shared_tmp):
    before = {path.name: path.read_bytes() for path in short.iterdir()}
    resume_build(comm, latest(short), shared_tmp / "other")
    comm.Barrier()
    assert {path.name: path.read_bytes() for path in short.iterdir()} == before
    assert {"job.toml", "summary.json"} <= {path.name for path in (shared_tmp / "other").iterdir()}


def copy_folder(comm, source, target):
    if comm.rank == 0:
        shutil.copytree(source, target)
    comm.Barrier()


def cut_checkpoint(folder):
    path = latest(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    return "is damaged or no checkpoint; delete it to go on from the one before"


def damage_last_row(folder):
    """A flipped bit that only the last rank reads."""
    path = latest(folder)
    with h5py.File(path, "r") as file:
        values = file["nodes/temperature"]
        end = values.id.get_offset() + values.nbytes
    content = bytearray(path.read_bytes())
    content[end - 1] ^= 1
    path.write_bytes(content)
    return "is damaged or no checkpoint; delete it to go on from the one before"


def change_job(folder):
    (folder / "job.toml").write_text(build_text({"laser.power": "170 W"}))
    return f"belongs to another job than {folder / 'job.toml'}"


def remove_checkpoints(folder):
    for path in folder.glob("*.checkpoint.h5"):
        path.unlink()
    return f"{folder} holds no checkpoint to resume from"


@pytest.mark.parametrize(
    "spoil", [cut_checkpoint, damage_last_row, change_job, remove_checkpoints]
)
def test_wrong_checkpoint_is_one_line_on_every_rank(
    comm, short, shared_tmp, monkeypatch, capsys, spoil
):
    folder = shared_tmp / "run"
    copy_folder(comm, short, folder)
    if comm.rank == 0:
        (folder / "summary.json").unlink()
    told = comm.bcast(spoil(folder) if comm.rank == 0 else None)
    monkeypatch.setattr(sys, "argv", ["partsim", "resume", str(folder)])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    assert comm.allgather(__main__.main()) == [__main__.MISTAKE] * comm.size
    error = capsys.readouterr().err
    assert error.count("\n") == (comm.rank == 0)
    assert comm.rank > 0 or (error.startswith("partsim: ") and told in error)


def test_scan_path_changed_since_the_checkpoint_is_refused(comm, shared_tmp, monkeypatch):
    """A file of the scan may be another by now; the step at hand would be on another path."""
    job = build_job({**SHORT, "layers.stop": 2}, probes=())
    folder = run_build(comm, job, shared_tmp / "run").records.folder
    first = sorted(folder.glob("*.checkpoint.h5"))[0]
    assert place(first) == (1, 0)
    monkeypatch.setattr(build, "digest", lambda paths: "of another path")
    with pytest.raises(UserError, match="another scan path of layer 2 than the job has now"):
        resume_build(comm, first, shared_tmp / "more")


def test_material_changed_since_the_checkpoint_is_refused(comm, shared_tmp):
    """The job names a file; what it holds must still be what the checkpoint was computed with."""
    alloy = shared_tmp / "alloy.toml"
    if comm.rank == 0:
        alloy.write_text(shipped("Ti-6Al-4V")[1])
    comm.Barrier()
    named = {"material.file": str(alloy)}
    folder = run_build(comm, build_job(SHORT, named, probes=()), shared_tmp / "run").records.folder
    assert checked_job(latest(folder)).layers.count == 10
    comm.Barrier()
    if comm.rank == 0:
        alloy.write_text(alloy.read_text().replace("4090", "4091"))
    comm.Barrier()
    with pytest.raises(UserError, match=r"density = 4091.* needs 4090"):
        checked_job(latest(folder))
