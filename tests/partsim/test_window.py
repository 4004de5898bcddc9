"""Temperatures of a box over time: a linear field, a build on any ranks, resumed, exported."""

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.build import Build
from partsim.errors import UserError
from partsim.export.points import read_table
from partsim.export.window import export_window
from partsim.jobcheck import check
from partsim.output import window as recording
from partsim.output.points import centres_along
from partsim.output.window import PATTERN, Box, Window
from partsim.part import material
from tests.blocks import H, ORIGIN, linear, share
from tests.build_job import EXPLICIT, build_job, resume_build, run_build

AXES = centres_along(ORIGIN + H * np.array([4, 4, 8]), ORIGIN + H * np.array([9, 7, 16]), ORIGIN, H)
SHORT = {**EXPLICIT, "layers.stop": 2, "output.mid_scan": [], "output.checkpoint_layers": 1,
         "window.low": ["0.2 mm", "0.2 mm", "-0.1 mm"],
         "window.high": ["0.6 mm", "0.5 mm", "0.1 mm"], "window.every": "0.5 ms"}
PLACE = (0.425e-3, 0.275e-3, 0.025e-3)  # a cell's centre
PROBE = (("centre", [f"{1e3 * x:g} mm" for x in PLACE]),)


def joined(folder, target):
    """The data sets of the exported window."""
    with h5py.File(export_window(folder, target)) as file:
        assert file["temperature"].attrs["unit"] == "K"
        return {name: values[()] for name, values in file.items()}


def test_linear_field_is_exact_and_what_is_not_laid_is_nan(comm, shared_tmp):
    window = Window(comm, shared_tmp, Box(*AXES, 1e-3, (2, 3)))
    view = share(comm)
    window.locate(view)
    for time, factor in ((2e-3, 1.0), (3.2e-3, 2.0)):
        corners = window.found.gather(factor * linear(view.node_positions()))
        window.sample(time, corners)
    window.store(7)
    comm.Barrier()
    found = joined(shared_tmp, shared_tmp / f"joined_{comm.rank}.h5")
    assert found["temperature"].shape == (2, 8, 3, 5) and found["time"].tolist() == [2e-3, 3.2e-3]
    z, y, x = np.meshgrid(*AXES[::-1], indexing="ij")
    expected = linear(np.stack([x, y, z], axis=-1))
    laid = z < ORIGIN[2] + 14 * H  # of the active cells
    assert laid.any() and not laid.all()
    for row, factor in zip(found["temperature"], (1.0, 2.0)):
        np.testing.assert_allclose(row[laid], factor * expected[laid], rtol=1e-6)
        assert np.isnan(row[~laid]).all()


def test_samples_are_due_at_multiples_of_the_interval(comm, shared_tmp):
    window = Window(comm, shared_tmp, Box(*AXES, 1e-3, (2, 3)))
    window.locate(share(comm))
    corners = np.zeros((len(window.found.probe), 8))
    taken = []
    for step in range(1, 40):
        time = 0.3e-3 * step
        if window.due(time, 2):
            window.sample(time, corners)
            taken.append(step)
    assert taken == [1, 4, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37]
    assert not window.due(20e-3, 1) and window.due(20e-3, 3)


def test_what_waits_is_bounded(comm, shared_tmp, monkeypatch):
    monkeypatch.setattr(recording, "MOST_WAITING", 240)  # two samples of 120 points
    window = Window(comm, shared_tmp, Box(*AXES, 1e-3, ()))
    window.locate(share(comm))
    found = []
    for step in range(1, 5):
        window.sample(1e-3 * step, np.zeros((len(window.found.probe), 8)))
        found.append(window.full)
        if window.full:
            window.store(step)
    assert found == [False, True, False, True]
    comm.Barrier()
    assert len(list(shared_tmp.glob(PATTERN))) == 2


@pytest.fixture(scope="module")
def recorded(module_tmp):
    """A build that records, on all ranks."""
    job = build_job(SHORT, probes=PROBE)
    return run_build(MPI.COMM_WORLD, job, module_tmp / "recorded").records.folder


def test_window_holds_what_a_probe_sees(comm, recorded, shared_tmp):
    """At the centre of a cell, in every record."""
    if comm.rank:
        return
    found = joined(recorded, shared_tmp / "window.h5")
    columns, rows = read_table(recorded / "probes.csv")
    at = [np.argmin(np.abs(found[name] - place)) for name, place in zip("zyx", PLACE[::-1])]
    np.testing.assert_allclose([found[n][i] for n, i in zip("zyx", at)], PLACE[::-1], rtol=1e-9)
    times, seen = rows[:, 0], rows[:, columns.index("centre.temperature")]
    which = np.searchsorted(times, found["time"] * (1 - 1e-12))
    np.testing.assert_allclose(times[which], found["time"], rtol=1e-12)
    history = found["temperature"][:, *at]
    np.testing.assert_allclose(history, seen[which], rtol=1e-6)
    assert len(history) > 5 and np.nanmax(history) > np.nanmin(history) + 500


def test_records_are_the_same_on_any_ranks_and_when_resumed(comm, recorded, shared_tmp):
    comm.Barrier()
    parts = {path.name: path.read_bytes() for path in sorted(recorded.glob(PATTERN))}
    assert len(parts) > 1
    comm.Barrier()
    resume_build(comm, sorted(recorded.glob("*.checkpoint.h5"))[0], recorded)
    comm.Barrier()
    assert {path.name: path.read_bytes() for path in sorted(recorded.glob(PATTERN))} == parts
    if comm.rank == 0:
        alone = run_build(MPI.COMM_SELF, build_job(SHORT, probes=PROBE), shared_tmp / "alone")
        for name, values in joined(alone.records.folder, shared_tmp / "alone.h5").items():
            np.testing.assert_array_equal(values, joined(recorded, shared_tmp / "all.h5")[name])


@pytest.mark.parametrize("change, told", [
    ({"window.high": ["0.2 mm", "0.6 mm", "0.1 mm"]},
     r"window.high\[0\] = 0.0002 m, but it must be more than window.low\[0\] = 0.0002 m"),
    ({"window.low": ["1.7 mm", "0.2 mm", "-0.1 mm"], "window.high": ["2 mm", "0.5 mm", "0.1 mm"]},
     r"window.low\[0\] = 0.0017 m, but it must be less than 0.0012 m, where what"),
    ({"window.low": ["0.2 mm", "-1 mm", "0.01 mm"], "window.high": ["2 mm", "-0.5 mm", "0.1 mm"]},
     r"window.high\[1\] = -0.0005 m, but it must be more than -0.0002 m, where what"),
    ({"window.low": ["-6 mm", "-6 mm", "-6 mm"], "window.high": ["6 mm", "6 mm", "6 mm"]},
     "window = a box of 13824000 cells, but it must be smaller: at most 1000000"),
    ({"window.layers": [3]}, "window.layers = 3, but it must be among 1 to 2"),
])
def test_wrong_windows(change, told):
    job = build_job(SHORT, change, probes=())
    with pytest.raises(UserError, match=told):
        check(job, material.load(job.material, job.path.parent))


def test_a_run_without_a_window_and_a_damaged_part(tmp_path):
    with pytest.raises(UserError, match=r"holds no window_\*.h5: its job has no \[window\]"):
        export_window(tmp_path, tmp_path / "window.h5")
    (tmp_path / "window_0000000001.h5").write_bytes(b"nothing")
    with pytest.raises(UserError, match="is damaged or no part of a window"):
        export_window(tmp_path, tmp_path / "joined.h5")


def test_a_box_between_the_centres_of_cells_is_refused(comm, shared_tmp):
    """Nothing would be recorded; cells are 50 um wide."""
    low, high = ["0.2 mm", "0.2 mm", "0.03 mm"], ["0.5 mm", "0.5 mm", "0.07 mm"]
    job = build_job(SHORT, {"window.low": low, "window.high": high}, probes=())
    check(job, material.load(job.material, job.path.parent))
    with pytest.raises(UserError, match=r"window.high\[2\] = 7e-05 m, but it must be beyond the"):
        Build(job, comm, shared_tmp)
