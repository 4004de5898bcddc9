"""The command line: what each verb calls, where it writes, and one line for each mistake."""
import json
import os
import subprocess
import sys
import types

import pytest

import partsim
from partsim.command import execute
from partsim.errors import UserError
from tests.small_job import REMOVED, job_text
from tests.wrong_jobs import CONTRADICTIONS, WRONG_ENTRIES

TIMEOUT = 120


@pytest.fixture
def stage(monkeypatch):
    """Puts a module with one function in place of a stage; what it was called with is noted."""

    def replace(name, function, result=None):
        calls = []
        module = types.ModuleType(f"partsim.{name}")
        setattr(module, function, lambda *arguments: calls.append(arguments) or result)
        monkeypatch.setitem(sys.modules, f"partsim.{name}", module)
        package, _, last = f"partsim.{name}".rpartition(".")
        monkeypatch.setattr(sys.modules.get(package, partsim), last, module, raising=False)
        return calls

    return replace


@pytest.fixture
def folder(shared_tmp, comm):
    """A directory common to all ranks that holds a correct job."""
    if comm.rank == 0:
        (shared_tmp / "part.toml").write_text(job_text(), encoding="utf-8")
    comm.Barrier()
    return shared_tmp


def refusal(*words):
    with pytest.raises(UserError) as told:
        execute([str(word) for word in words])
    assert "\n" not in str(told.value)
    return str(told.value)


def partsim_process(*words, ranks=1):
    """Runs `python -m partsim` as a user does, alone or under mpirun."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("OMPI_", "PMIX_", "ORTE_", "PRTE_"))}
    root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    start = ["mpirun", "--oversubscribe", "-n", str(ranks)] if ranks > 1 else []
    command = [*start, sys.executable, "-m", "partsim", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT,
                          env=kept | root | {"OMP_NUM_THREADS": "1", "TERM": "dumb"}, check=False)


def lines_of_partsim(text):
    return [line for line in text.splitlines() if line.startswith("partsim:")]


def test_run_builds_beside_the_job_or_where_told(stage, folder):
    calls = stage("launch", "run")
    execute(["run", str(folder / "part.toml")])
    execute(["run", str(folder / "part.toml"), "--output", str(folder / "a" / "b")])
    assert [call[1] for call in calls] == [folder / "part.out", folder / "a" / "b"]
    assert all(call[0].path == folder / "part.toml" and call[1].is_dir() for call in calls)


def test_an_unfinished_run_is_not_overwritten_by_chance(stage, folder, comm):
    calls = stage("launch", "run")
    out = folder / "part.out"
    if comm.rank == 0:
        out.mkdir()
        (out / "000001_layer.checkpoint.h5").touch()
    comm.Barrier()
    told = refusal("run", folder / "part.toml")
    assert told.endswith(f"go on with partsim resume {out}, or give it up with --overwrite")
    execute(["run", str(folder / "part.toml"), "--overwrite"])
    comm.Barrier()
    if comm.rank == 0:
        (out / "summary.json").touch()
    comm.Barrier()
    execute(["run", str(folder / "part.toml")])
    assert len(calls) == 2


def test_resume_takes_folder_or_checkpoint(stage, folder):
    calls = stage("launch", "resume")
    execute(["resume", str(folder)])
    execute(["resume", str(folder / "part.toml"), "--output", str(folder / "more")])
    assert calls == [(folder, None), (folder / "part.toml", folder / "more")]
    assert (folder / "more").is_dir()


def test_plan_reports_on_screen_and_as_json(stage, folder, capsys, comm):
    plan = {"wall_seconds": 12.5, "layers": [{"layer": 1, "cells": 100}, {"layer": 2, "cells": 9}]}
    calls = stage("plan", "plan", plan)
    execute(["plan", str(folder / "part.toml"), "--json", str(folder / "plan.json")])
    comm.Barrier()
    assert calls[0][0].path == folder / "part.toml"
    assert json.loads((folder / "plan.json").read_text()) == plan
    expected = "wall_seconds: 12.5\nlayers\n  layer  cells\n      1    100\n      2      9\n"
    assert capsys.readouterr().out == (expected if comm.rank == 0 else "")


def test_info_tells_inputs_with_units_and_defaults(folder, comm):
    execute(["info", str(folder / "part.toml"), "--json", str(folder / "info.json")])
    comm.Barrier()
    told = json.loads((folder / "info.json").read_text())
    inputs = told["inputs"]
    assert inputs["laser"]["radius"] == {"value": 6e-5, "unit": "m"}
    assert inputs["part"]["size"] == {"value": [4e-4, 4e-4, 2e-4], "unit": "m"}
    assert inputs["layers"]["count"] == 4 and inputs["mesh"]["refine_tolerance"] == 0.04
    assert inputs["time"]["largest_step"] == {"value": 0.1, "unit": "s"}
    assert told["material"]["density"] == {"value": 4090.0, "unit": "kg/m^3"}
    scan = told["derived"]["scan_time_of_first_layer"]["value"]
    assert scan == pytest.approx(5 * 0.4e-3 / 0.96, rel=1e-13)


def test_info_tells_what_a_run_has_left(folder, comm):
    run = folder / "run"
    if comm.rank == 0:
        run.mkdir()
        (run / "summary.json").write_text('{"ranks": 3}')
        (run / "part.hdf.series").write_text(
            '{"file-series-version": "1.0", "files": [{"name": "a.hdf", "time": 0.25}]}')
        (run / "temperature.png").write_bytes(b"12345")
    comm.Barrier()
    execute(["info", str(run), "--json", str(folder / "run.json")])
    comm.Barrier()
    told = json.loads((folder / "run.json").read_text())
    assert told["summary"] == {"ranks": 3} and told["pictures"] == ["temperature.png"]
    assert told["series"] == [{"name": "part.hdf.series", "times": {"value": [0.25], "unit": "s"}}]


def test_render_draws_into_the_run_or_where_told(stage, folder, comm):
    calls = stage("output.picture", "render")
    execute(["render", str(folder)])
    execute(["render", str(folder), "--output", str(folder / "png")])
    expected = [(folder, folder), (folder, folder / "png")]
    assert calls == (expected if comm.rank == 0 else [])


def test_render_takes_layers_and_planes(stage, folder, comm):
    calls = stage("output.picture", "render_cuts")
    execute(["render", str(folder), "--layer", "190", "--cut", "x=5 mm", "--cut", "z = 9 mm"])
    execute(["render", str(folder), "--layer", "3"])
    planes = [(0, pytest.approx(5e-3)), (2, pytest.approx(9e-3))]
    expected = [(folder, folder, [190], planes), (folder, folder, [3], [])]
    assert calls == (expected if comm.rank == 0 else [])
    assert 'must be a plane such as "x=5 mm"' in refusal("render", folder, "--cut", "5 mm")


def test_phases_passes_law_and_initial_fractions(stage, folder, comm):
    calls = stage("phase.history", "run_history")
    history = folder / "part.toml"
    execute(["phases", str(history), "--alpha-stable", "0.5"])
    execute(["phases", str(history), "--output", str(folder / "p")])
    if comm.rank == 0:
        assert [(call[0], call[1], call[3]) for call in calls] == [
            (history, folder / "part.out", (0.5, 0.0)), (history, folder / "p", None)]
        assert calls[0][2].largest_alpha == 0.9
    else:
        assert calls == []


def test_wrong_words_are_told_in_one_line(folder):
    job = folder / "part.toml"
    assert refusal("rum", job).startswith("No such command 'rum'. Did you mean 'run'")
    assert "Missing argument 'JOB'" in refusal("run")
    assert "--outpt" in refusal("run", job, "--outpt", "x")
    assert refusal("run", folder / "none.toml").endswith(": No such file or directory")
    assert refusal("run", folder).endswith("cannot be read: Is a directory")
    assert refusal("resume", folder / "none") == f"{folder / 'none'} does not exist"
    assert refusal("render", folder / "none") == f"{folder / 'none'} does not exist"
    assert refusal("render", job) == f"study {job}: unknown entry part"
    other = folder / "part.h5"
    other.touch()
    assert refusal("render", other) == f"{other} is a file, but it must be the folder of a run"
    assert refusal("info", folder / "none") == f"{folder / 'none'} does not exist"
    assert "--json" in refusal("info", job, "--json", folder / "none" / "a.json")
    assert refusal("phases", folder / "none.csv") == f"{folder / 'none.csv'} does not exist"
    assert "own.toml cannot be read" in refusal("phases", job, "--material", folder / "own.toml")


def test_wrong_history_is_told_once(folder, comm):
    history = folder / "history.csv"
    if comm.rank == 0:
        history.write_text("time,temperature\n0,900\n1,300\n", encoding="utf-8")
    comm.Barrier()
    assert "no column time" in refusal("phases", folder / "part.toml")
    for fraction in ("1.5", "nan", "-0.1"):
        told = refusal("phases", history, "--martensite", fraction)
        assert told.startswith(f"initial martensite = {fraction}, but it must be between 0 and 0.9")
    assert not (folder / "history.out" / "phases.csv").exists()


def test_info_of_a_folder_without_run(folder, comm):
    empty = folder / "empty"
    if comm.rank == 0:
        empty.mkdir()
    comm.Barrier()
    assert refusal("info", empty) == f"{empty} holds no files of a run"


def test_output_folder_must_be_writable_and_is_made_last(stage, folder, comm):
    calls = stage("launch", "run")
    job = folder / "part.toml"
    for place in (job / "out", job, "/proc/partsim"):
        assert refusal("run", job, "--output", place).startswith(
            f"output folder {place} cannot be written: ")
    if comm.rank == 0:
        (folder / "bad.toml").write_text(job_text({"laser.radius": -1}), encoding="utf-8")
    comm.Barrier()
    assert refusal("run", folder / "bad.toml", "--output", folder / "bad") == (
        "laser.radius = -1, but it must be positive")
    assert not (folder / "bad").exists() and calls == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_read_only_output_folder(stage, tmp_path):
    stage("launch", "run")
    (tmp_path / "part.toml").write_text(job_text(), encoding="utf-8")
    (tmp_path / "closed").mkdir(mode=0o500)
    assert "Permission denied" in refusal("run", tmp_path / "part.toml", "--output",
                                          tmp_path / "closed")


def test_every_rank_is_told_the_same_of_wrong_jobs(stage, folder, comm):
    calls = stage("launch", "run")
    for changes, line in WRONG_ENTRIES + CONTRADICTIONS:
        comm.Barrier()
        if comm.rank == 0:
            (folder / "bad.toml").write_text(job_text(changes), encoding="utf-8")
        comm.Barrier()
        told = refusal("run", folder / "bad.toml")
        assert told.startswith(line) and comm.allgather(told) == [told] * comm.size
    assert calls == []


WRONG_JOBS = {
    "unknown": {"laser.raduis": "60 um"},
    "missing": {"scan.hatch": REMOVED},
    "unit": {"laser.speed": "960 mm"},
    "narrow": {"laser.radius": "20 um"},
    "material": {"material.file": "none.toml"},
    "unstable": {"time.step": "1 s"},
}


@pytest.mark.serial
@pytest.mark.parametrize("name, ranks", [*((name, 1) for name in WRONG_JOBS), ("unknown", 3),
                                         ("material", 3)])
def test_wrong_job_ends_every_rank_with_one_line(tmp_path, name, ranks):
    job = tmp_path / "bad.toml"
    job.write_text(job_text(WRONG_JOBS[name]), encoding="utf-8")
    ended = partsim_process("run", job, ranks=ranks)
    assert ended.returncode == 2
    assert len(lines_of_partsim(ended.stderr)) == 1
    assert "Traceback" not in ended.stderr and ended.stdout.count("partsim:") == 0
    assert ranks > 1 or ended.stderr.count("\n") == 1


@pytest.mark.serial
@pytest.mark.parametrize("ranks", [1, 3])
def test_help_is_printed_once(ranks):
    ended = partsim_process("--help", ranks=ranks)
    assert ended.returncode == 0
    assert ended.stdout.count("Usage: partsim") == 1
    verbs = ("plan", "run", "resume", "info", "render", "phases")
    assert all(verb in ended.stdout for verb in verbs)


@pytest.mark.serial
def test_verbs_start_quickly():
    """Reading a job imports neither kernels nor solvers nor pictures."""
    code = "import sys, partsim.__main__; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                           timeout=TIMEOUT, check=True)
    slow = {"numba", "petsc4py", "h5py", "scipy", "matplotlib", "pint"}
    assert not slow & set(ended.stdout.split())
