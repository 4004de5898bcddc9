"""The temperature before the beam comes: when that is, what is read, on any ranks, resumed."""
import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.errors import UserError
from partsim.export.arrivals import export_arrivals
from partsim.export.points import read_table
from partsim.jobcheck import check
from partsim.output.arrivals import NAME, grid
from partsim.part import material
from partsim.part.arrival import arrivals
from partsim.part.scan import ScanPath
from tests.build_job import EXPLICIT, build_job, resume_build, run_build

REACH = 0.1e-3
SHORT = {**EXPLICIT, "layers.stop": 3, "output.mid_scan": [], "output.checkpoint_layers": 1,
         "arrivals.spacing": "0.2 mm", "arrivals.reach": "0.1 mm", "time.ratio": 1}
# the places of the grid, a cell deeper than the nodes that layer 2 touches
PROBE = tuple((f"{x} {y}", [f"0.{x} mm", f"0.{y} mm", "0 mm"])
              for x in (1, 3, 5, 7) for y in (1, 3, 5, 7))


def zigzag(chance):
    """A path of 12 segments through random corners, every third one dark."""
    ends = np.c_[chance.uniform(0, 1e-3, (13, 2)), np.zeros(13)]
    times = np.r_[0.0, np.cumsum(chance.uniform(0.5e-3, 2e-3, 12))]
    return ScanPath(ends, times, np.where(np.arange(12) % 3 == 2, 0.0, 100.0 + np.arange(12)))


def test_arrivals_are_those_of_a_path_followed_in_small_steps():
    chance = np.random.default_rng(4)
    paths, places = [zigzag(chance), zigzag(chance)], chance.uniform(0, 1e-3, (60, 2))
    found = arrivals(paths, places, REACH)
    step = 2e-8
    first, power, speed = np.full(60, np.inf), np.zeros(60), np.zeros(60)
    for path in paths:
        times = np.arange(0, path.duration, step)
        beam, on = path.position(times)[:, :2], path.power_at(times)
        for number, place in enumerate(places):
            near = (np.linalg.norm(beam - place, axis=1) <= REACH) & (on > 0)
            at = np.argmax(near)
            if near.any() and times[at] < first[number]:
                first[number], power[number] = times[at], on[at]
                speed[number] = np.linalg.norm(beam[at] - beam[at - 1]) / step if at else 0
    assert np.isinf(first).any() and np.isfinite(first).sum() > 30
    np.testing.assert_allclose(found.time, first, atol=1.5 * step)
    np.testing.assert_array_equal(found.power, power)
    inner = np.isfinite(first) & (first > 0)
    assert np.median(np.abs(found.speed[inner] / speed[inner] - 1)) < 1e-3


def test_lines_that_touch_a_place_come_to_it():
    """Lines 0.1 mm apart and places half way between two of them, each within reach of six with the
    last ones just so: round-off must not choose among places that are alike."""
    lines, places = np.arange(0.5, 20) * 1e-4, np.arange(1, 20, 2) * 1e-4
    corners = [(x, y, 0) for number, y in enumerate(lines)
               for x in ((0, 2e-3) if number % 2 == 0 else (2e-3, 0))]
    path = ScanPath(np.array(corners), np.arange(len(corners)) * 1e-3,
                    np.tile([1.0, 0.0], len(lines))[:-1])
    x, y = (each.ravel() for each in np.meshgrid(places, places))
    found = arrivals([path], np.c_[x, y], 0.25e-3)
    inner = y > 0.25e-3
    first = np.maximum(np.rint((y - 0.25e-3) / 1e-4 - 0.5), 0)
    along = np.where(first % 2 == 0, x, 2e-3 - x)
    np.testing.assert_allclose(found.time[inner], (2e-3 * first + 0.5 * along)[inner], atol=1e-6)


def test_grid_covers_the_part_evenly():
    found = grid(np.array([1e-3, 0.35e-3, 5.0]), 0.2e-3)
    assert found.shape == (10, 2)
    np.testing.assert_allclose(np.unique(found[:, 0]), np.array([1, 3, 5, 7, 9]) * 1e-4)
    np.testing.assert_allclose(np.unique(found[:, 1]), np.array([0.25, 0.75]) * 0.35e-3)


@pytest.fixture(scope="module")
def recorded(module_tmp):
    """A build that records, on all ranks."""
    build = run_build(MPI.COMM_WORLD, build_job(SHORT, probes=PROBE), module_tmp / "recorded")
    MPI.COMM_WORLD.Barrier()
    return build


def rows_of(folder):
    columns, rows = read_table(folder / NAME)
    return {name: rows[:, number] for number, name in enumerate(columns)}


def test_reading_is_the_last_before_the_beam_is_near(recorded):
    """In the layer above a probe, what the probe saw then; just before it grows hot."""
    found = rows_of(recorded.records.folder)
    base = recorded.clock.base
    assert set(found["layer"]) == {1, 2, 3} and len(found["time"]) >= 3 * 8
    late = found["arrives"] - found["time"]
    assert (late > -1e-12).all() and (late[found["time"] > 0] <= base * (1 + 1e-9)).all()
    columns, rows = read_table(recorded.records.folder / "probes.csv")
    seen = rows[:, columns.index("5 5.temperature")]
    here = (found["layer"] == 2) & np.isclose(found["x"], 0.5e-3) & np.isclose(found["y"], 0.5e-3)
    assert here.sum() == 1 and found["z"][here] == pytest.approx(0, abs=1e-12)
    at = np.argmin(np.abs(rows[:, 0] - found["time"][here]))
    assert rows[at, 0] == found["time"][here]
    assert found["temperature"][here] == pytest.approx(seen[at], rel=1e-12)
    soon = seen[at:at + int(4 * REACH / 0.96 / base)]
    assert soon.max() > seen[at] + 300
    assert (found["power"] == 180).all()
    np.testing.assert_allclose(found["speed"], 0.96, rtol=1e-6)


def test_fresh_powder_does_not_cool_what_is_read(recorded):
    """Where a layer begins is read when its powder lies there; the metal is as it was before."""
    found = rows_of(recorded.records.folder)
    second = found["layer"] == 2
    first = second & (found["time"] == found["time"][second].min())
    assert first.any()
    columns, rows = read_table(recorded.records.folder / "probes.csv")
    at = np.flatnonzero(rows[:, 0] <= found["time"][first][0])[-1]
    for x, y, kelvin in zip(*(found[name][first] for name in ("x", "y", "temperature"))):
        name = f"{round(1e4 * x)} {round(1e4 * y)}.temperature"
        assert kelvin == pytest.approx(rows[at, columns.index(name)], rel=1e-12)
        assert kelvin > 760  # half of the excess over the powder's 750 K would be gone


def test_rows_are_the_same_on_any_ranks_and_when_resumed(comm, recorded, shared_tmp):
    folder = recorded.records.folder
    text = (folder / NAME).read_text()
    comm.Barrier()
    for checkpoint in sorted(folder.glob("*.checkpoint.h5"))[:1]:
        resume_build(comm, checkpoint, folder)
        comm.Barrier()
        assert (folder / NAME).read_text() == text
    if comm.rank == 0:
        alone = run_build(MPI.COMM_SELF, build_job(SHORT, probes=PROBE), shared_tmp / "alone")
        assert (alone.records.folder / NAME).read_text() == text


def test_macro_steps_read_at_most_one_macro_step_earlier(comm, recorded, shared_tmp):
    build = run_build(comm, build_job(SHORT, {"time.ratio": 16}, probes=()), shared_tmp / "macro")
    comm.Barrier()
    found, single = rows_of(build.records.folder), rows_of(recorded.records.folder)
    late = found["arrives"] - found["time"]
    assert len(late) == len(single["time"]) and (late > -1e-12).all()
    assert late.max() <= 16 * build.clock.base and late.max() > 2 * build.clock.base


def test_layers_are_exported(comm, recorded, shared_tmp):
    if comm.rank:
        return
    found = rows_of(recorded.records.folder)
    csv, hdf, png = export_arrivals(recorded.records.folder, shared_tmp / "layers.csv")
    columns, rows = read_table(csv)
    for row in rows:
        here = found["temperature"][found["layer"] == row[0]]
        np.testing.assert_allclose(row[1:], [here.mean(), here.min(), here.max(), len(here)])
    with h5py.File(hdf) as file:
        assert file["mean"].attrs["unit"] == "K" and len(file["mean"]) == len(rows) == 3
    assert png.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(UserError, match="does not exist|cannot be read"):
        export_arrivals(shared_tmp / "nothing", shared_tmp / "layers.csv")


@pytest.mark.parametrize("change, told", [
    ({"arrivals.spacing": "0.1 um"}, "arrivals.spacing = 1e-07 m, but it must be more: at most"),
    ({"layers.group": 2, "layers.stop": 2}, "layers.group = 2, but it must be 1 where .arrivals."),
])
def test_wrong_grids(change, told):
    job = build_job(SHORT, change, probes=())
    with pytest.raises(UserError, match=told):
        check(job, material.load(job.material, job.path.parent))
