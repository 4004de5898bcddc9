"""Passages of the liquidus: a front in closed form, a build on any ranks, resumed, exported."""

import h5py
import numpy as np
import pytest
from mpi4py import MPI

from partsim.errors import UserError
from partsim.export.solidification import EXACA, export_solidification, passages
from partsim.jobcheck import check
from partsim.output.checkpoint import latest
from partsim.output.points import box_points, centres_along
from partsim.output.solidification import COLUMNS, NAME, Solidification
from partsim.part import material
from tests.blocks import H, ORIGIN, share
from tests.build_job import EXPLICIT, build_job, resume_build, run_build

LIQUIDUS, GRADIENT, SPEED = 1600.0, np.array([-2e6, 1.03e6, -3.07e6]), 0.4
BOX = ORIGIN + H * np.array([4, 4, 8]), ORIGIN + H * np.array([9, 7, 14])
POINTS = box_points(*centres_along(*BOX, ORIGIN, H))
SHORT = {**EXPLICIT, "layers.stop": 2, "output.mid_scan": [], "output.checkpoint_layers": 1,
         "solidification.low": ["0.2 mm", "0.2 mm", "0 mm"],
         "solidification.high": ["0.6 mm", "0.6 mm", "0.1 mm"]}


def table(path):
    return np.genfromtxt(path, delimiter=",", names=True, ndmin=1)


def along(points):
    """m, along x, from the isotherm of a front that stands."""
    return points @ GRADIENT / GRADIENT[0]


def front(view, time, sign):
    """T whose isotherm moves at -sign SPEED along x and is among the points after 1 ms."""
    way = along(view.node_positions()) - along(POINTS).mean() + sign * SPEED * (time - 1e-3)
    return LIQUIDUS + GRADIENT[0] * way


def test_centres_of_the_lattice_in_a_box():
    assert len(POINTS) == 5 * 3 * 6
    np.testing.assert_allclose(POINTS[0], ORIGIN + H * np.array([4.5, 4.5, 8.5]))
    np.testing.assert_allclose(POINTS[1] - POINTS[0], [H, 0, 0], atol=1e-18)


def test_linear_front_in_closed_form(comm, shared_tmp):
    """Times, rates and gradients of a field that is linear in space and time are exact."""
    passage = Solidification(comm, shared_tmp, POINTS, LIQUIDUS)
    passage.start()
    view = share(comm)
    for sign in (-1, 1):
        def corners(found, time=0.0, sign=sign):
            return found.gather(front(view, time, sign))
        passage.locate(view, corners, 0.0)
        for time in np.linspace(0, 2e-3, 17)[1:]:
            passage.sample(time, corners(passage.found, time))
        passage.flush()
        comm.Barrier()
        events = table(shared_tmp / NAME)
        events = events[events["solidifies"] == (sign > 0)]
        when = 1e-3 - sign * (along(POINTS) - along(POINTS).mean()) / SPEED
        passes = (when > 0) & (when < 2e-3)
        assert len(events) == passes.sum() > 10
        np.testing.assert_allclose(events["time"], np.sort(when[passes]), rtol=1e-9)
        np.testing.assert_allclose(events["cooling_rate"], -sign * SPEED * GRADIENT[0], rtol=1e-9)
        for name, value in zip(("gx", "gy", "gz"), GRADIENT):
            np.testing.assert_allclose(events[name], value, rtol=1e-9)


@pytest.fixture(scope="module")
def recorded(module_tmp):
    """A build that records, on all ranks."""
    job = build_job(SHORT, probes=())
    return run_build(MPI.COMM_WORLD, job, module_tmp / "recorded").records.folder


def test_table_is_the_same_on_any_ranks_and_when_resumed(comm, recorded, shared_tmp):
    text = (recorded / NAME).read_text()
    first = [path for path in sorted(recorded.glob("*.checkpoint.h5"))][0]
    resume_build(comm, first, recorded)
    assert (recorded / NAME).read_text() == text
    if comm.rank == 0:
        alone = run_build(MPI.COMM_SELF, build_job(SHORT, probes=()), shared_tmp / "alone")
        assert (alone.records.folder / NAME).read_text() == text
        assert latest(alone.records.folder) is not None


def test_export(comm, recorded, shared_tmp):
    """Every row melts before it solidifies, cools at the liquidus, and lies in the box."""
    if comm.rank:
        return
    found = passages(recorded)
    assert len(found["tl"]) > 20 and (np.diff(found["tl"]) >= 0).all()
    assert (found["tm"] < found["tl"]).all() and (found["cr"] > 0).all()
    assert (found["x"] > 0.2e-3).all() and (found["z"] < 0.1e-3).all()
    csv, hdf, png = export_solidification(recorded, shared_tmp / "solidification.csv")
    assert csv.read_text().splitlines()[0] == ",".join(EXACA)
    np.testing.assert_array_equal(table(csv)["tl"], found["tl"])
    with h5py.File(hdf) as file:
        assert file["gz"].attrs["unit"] == "K/m" and png.stat().st_size > 1000


def test_every_passage_is_paired(tmp_path):
    """A cell that melts twice has two rows; one that stays liquid has none for its last melting."""
    rows = [(1.0, 0, 0, 0, 0, -5, 1, 2, 3), (1.5, 1, 0, 0, 0, -5, 1, 2, 3),
            (2.0, 0, 0, 0, 1, 7, 1, 2, 3), (3.0, 0, 0, 0, 0, -5, 1, 2, 3),
            (4.0, 0, 0, 0, 1, 9, 1, 2, 3)]
    text = "\n".join(",".join(map(str, row)) for row in rows)
    (tmp_path / NAME).write_text(",".join(COLUMNS) + "\n" + text + "\n")
    found = passages(tmp_path)
    assert found["tm"].tolist() == [1.0, 3.0] and found["tl"].tolist() == [2.0, 4.0]
    assert found["cr"].tolist() == [7.0, 9.0]


@pytest.mark.parametrize("change, told", [
    ({"solidification.high": ["0.2 mm", "0.6 mm", "0.1 mm"]},
     r"solidification.high\[0\] = 0.0002 m, but it must be more than solidification.low"),
    ({"layers.group": 2, "layers.count": 10}, "layers.group = 2, but it must be 1 where"),
])
def test_wrong_boxes(change, told):
    job = build_job(SHORT, change, probes=())
    with pytest.raises(UserError, match=told):
        check(job, material.load(job.material, job.path.parent))


def test_a_run_that_recorded_nothing(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        export_solidification(tmp_path, tmp_path / "solidification.csv")
