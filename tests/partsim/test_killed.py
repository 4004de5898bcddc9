"""Runs that are killed at any moment and resumed leave what an uninterrupted run leaves."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from partsim.output.checkpoint import latest, load_rows
from partsim.output.snapshot import read_series
from partsim.parallel import world
from tests.build_job import build_text, nodes_that_exist
from tests.killed import MOMENTS
from tests.processes import environment_outside_mpi

TIMEOUT = 300
ROOT_MAY = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
WALL = ("seconds_", "node_updates_per_second")


def program(ranks, *words):
    """Runs `python -m words` on a number of ranks of its own."""
    options = ["--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
    start = [os.environ.get("MPIRUN", "mpirun"), *options] if ranks > 1 else []
    command = [*start, sys.executable, "-m", *map(str, words)]
    one_thread = {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.run(
        command, env=environment_outside_mpi(**ROOT_MAY, **one_thread), capture_output=True,
        text=True, timeout=TIMEOUT, check=False,
    )


def kill_and_resume(ranks, folder, moment):
    """The folder of a run that was killed at a moment and resumed."""
    job, run = folder / "job.toml", folder / "run"
    job.write_text(build_text({"output.checkpoint_layers": 1}))
    killed = program(ranks, "tests.killed", job, run, moment)
    assert killed.returncode == (-signal.SIGKILL if ranks == 1 else 128 + signal.SIGKILL), killed
    assert not (run / "summary.json").exists()
    assert bool(list(run.glob("*.partial"))) == (moment in ("checkpoint", "snapshot"))
    resumed = program(ranks, "partsim", "resume", run)
    assert resumed.returncode == 0, resumed.stderr
    assert not list(run.glob("*.partial"))
    return run


def table(folder, name):
    """The rows of a table without what a clock tells."""
    with open(folder / name) as file:
        rows = list(csv.DictReader(file))
    return [{key: row[key] for key in row if not key.startswith(WALL)} for row in rows]


def same_files(run, uninterrupted):
    """Tables, series and fields are equal to the last bit."""
    for name in ("history.csv", "probes.csv"):
        assert table(run, name) == table(uninterrupted, name)
    series, expected = (read_series(f / "fields.hdf.series") for f in (run, uninterrupted))
    assert series == expected and len(series) == 5
    for entry in series:
        same_fields(run / entry["name"], uninterrupted / entry["name"])
    counts, others = (json.loads((f / "summary.json").read_text()) for f in (run, uninterrupted))
    for name in ("blocks_refined", "blocks_coarsened", "transfers", "steps", "energy_joules"):
        assert counts[name] == others[name], name


def same_fields(left, right):
    with h5py.File(left) as one, h5py.File(right) as other:
        for place in ("PointData", "CellData"):
            assert one["VTKHDF"][place].keys() == other["VTKHDF"][place].keys()
            for name, values in one["VTKHDF"][place].items():
                np.testing.assert_array_equal(values, other["VTKHDF"][place][name], name)


@pytest.mark.serial
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_run_is_resumed_to_the_same_bits(tmp_path, built, moment):
    run = kill_and_resume(1, tmp_path, moment)
    same_files(run, built.records.folder)
    nodes, cells = load_rows(latest(run), built.site.mesh.own)
    exist = nodes_that_exist(built.site.view())
    for name, values in built.site.node_blocks().items():
        np.testing.assert_array_equal(nodes[name][exist], values[exist], name)
    np.testing.assert_array_equal(cells["consolidated"], built.site.state["consolidated"])


@pytest.mark.skipif(world().size != 2, reason="starts two ranks of its own")
def test_one_of_two_ranks_is_killed(comm, shared_tmp, built):
    """The first rank starts the processes while the other one sleeps."""
    if comm.rank == 0:
        run = kill_and_resume(2, shared_tmp, "scan")
        same_files(run, built.records.folder)
    done = comm.Ibarrier()
    while not done.Test():
        time.sleep(0.05)
