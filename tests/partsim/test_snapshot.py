"""Snapshots: what pyvista and ParaView read is what was written; whole or absent."""

import json
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pytest

from partsim.errors import UserError
from partsim.output.checkpoint import Checkpoint, save
from partsim.output.slices import Snapshot
from partsim.output.snapshot import append_series, cut_series, read_series, write_snapshot
from tests.blocks import H, ORIGIN, SIZE, everything, layout, linear, share
from tests.processes import environment_outside_mpi

HEADER = {"layer": 3, "solidus": 1878.0, "job": "[part]\n"}


def cell_count(top=6):
    return int(layout(top)[2].sum()) * SIZE**2


@pytest.fixture
def run(comm, shared_tmp):
    """A series of two times on growing meshes."""
    for number, top in enumerate((6, 7)):
        file = shared_tmp / f"cube_{number:04d}.hdf"
        write_snapshot(comm, file, share(comm, top), 0.5 + number, HEADER)
        append_series(comm, shared_tmp / "cube.hdf.series", file, 0.5 + number)
    comm.Barrier()
    return shared_tmp


def test_pyvista_reads_times_cells_and_values(comm, run):
    pyvista = pytest.importorskip("pyvista")
    reader = pyvista.get_reader(run / "cube.hdf.series")
    assert reader.time_values == [0.5, 1.5]
    reader.set_active_time_value(1.5)
    grid = reader.read()
    assert isinstance(grid, pyvista.UnstructuredGrid)
    assert grid.n_cells == cell_count(7)
    assert set(grid.point_data) == {"temperature", "alpha_stable", "martensite", "beta"}
    assert set(grid.cell_data) == {"consolidated", "level", "rank"}
    np.testing.assert_allclose(grid["temperature"], linear(grid.points.astype(float)), rtol=1e-6)
    volume = cell_count(7) - 64 * 4 + 8 * 64 * 4  # the coarse cells count eight times
    assert grid.volume == pytest.approx(volume * H**3, rel=1e-5)
    low = ORIGIN
    assert grid.bounds == pytest.approx(
        [x for a in range(3) for x in (low[a], low[a] + H * (16, 16, 15)[a])], rel=1e-5
    )


def test_cells_are_upright_and_have_the_values_of_their_centres(comm, run):
    pyvista = pytest.importorskip("pyvista")
    grid = pyvista.read(run / "cube_0000.hdf")
    sizes = grid.compute_cell_sizes(length=False, area=False)["Volume"]
    assert (sizes > 0).all()
    edge = np.cbrt(sizes) / H
    np.testing.assert_allclose(edge, np.where(grid["level"] == 0, 2, 1), rtol=1e-4)
    centres = grid.cell_centers().points
    np.testing.assert_array_equal(grid["consolidated"], centres[:, 0] > 0)


def test_points_are_shared_within_a_rank(comm, run):
    with h5py.File(run / "cube_0000.hdf") as file:
        points, rank = file["VTKHDF/Points"][()], file["VTKHDF/CellData/rank"][()]
        table = file["VTKHDF/Connectivity"][()].reshape(-1, 8)
        assert file["VTKHDF/Offsets"][-1] == table.size == 8 * cell_count()
    np.testing.assert_array_equal(np.unique(table), np.arange(len(points)))
    for number in np.unique(rank):
        mine = points[np.unique(table[rank == number])]
        assert len(np.unique(mine, axis=0)) == len(mine)


def test_file_is_the_same_grid_for_any_number_of_ranks(comm, run, tmp_path):
    alone = tmp_path / "alone.hdf"
    write_snapshot(type(comm)(comm.Split(comm.rank)), alone, everything(), 0.5, HEADER)
    with h5py.File(alone) as one, h5py.File(run / "cube_0000.hdf") as many:
        for name in "consolidated", "level":
            np.testing.assert_array_equal(
                one["VTKHDF/CellData"][name][()], many["VTKHDF/CellData"][name][()]
            )
        for name in "Points", "PointData/temperature":
            left, right = (
                file["VTKHDF"][name][()][file["VTKHDF/Connectivity"][()]] for file in (one, many)
            )
            np.testing.assert_array_equal(left, right)


@pytest.mark.skipif(shutil.which("pvpython") is None, reason="ParaView is not installed")
def test_paraview_reads_the_same(comm, run):
    if comm.rank > 0:
        return
    script = Path(__file__).parents[1] / "pvpython_check.py"
    command = ["pvpython", "--force-offscreen-rendering", str(script), str(run / "cube.hdf.series")]
    output = subprocess.run(
        command, env=environment_outside_mpi(), capture_output=True, text=True, timeout=120
    )
    line = [text for text in output.stdout.splitlines() if text.startswith("SEEN ")]
    assert line, output.stdout + output.stderr
    seen = json.loads(line[0][5:])
    assert [entry["time"] for entry in seen] == [0.5, 1.5]
    assert [entry["cells"] for entry in seen] == [cell_count(6), cell_count(7)]
    for entry, top in zip(seen, (6, 7)):
        view = everything(top)
        expected = view.nodes["temperature"][view.active_nodes]
        assert entry["nodal"]["temperature"] == [expected.min(), expected.max()]
        assert set(entry["nodal"]) == {"temperature", "alpha_stable", "martensite", "beta"}
        assert entry["cell"]["level"] == [0, 1]
        assert set(entry["cell"]) == {"consolidated", "level", "rank"}


def test_header_and_points_come_back(comm, run):
    points = ORIGIN + H * np.array([[3.2, 5.1, 2.7], [9.3, 2.6, 9.9], [1.0, 1.0, 40.0]])
    with Snapshot(run / "cube_0000.hdf") as snapshot:
        assert HEADER.items() <= snapshot.header.items() and snapshot.header["time"] == 0.5
        location = snapshot.view.locate(points)
        found = snapshot.at_nodes(location, ["temperature"])["temperature"]
        np.testing.assert_allclose(found[:2], linear(points[:2]), rtol=1e-13)
        assert np.isnan(found[2])
        np.testing.assert_array_equal(snapshot.at_cells(location, "level"), [0, 1, np.nan])
        np.testing.assert_allclose(snapshot.bounds[1], ORIGIN + H * np.array([16, 16, 14]))


def test_series_replaces_an_entry_and_drops_later_ones(comm, shared_tmp):
    series = shared_tmp / "cube.hdf.series"
    cut_series(comm, series, 0.0)
    for time, file in (0.1, "a.hdf"), (0.2, "b.hdf"), (0.3, "c.hdf"), (0.25, "c.hdf"):
        append_series(comm, series, shared_tmp / file, time)
    comm.Barrier()
    assert [e["time"] for e in read_series(series)] == [0.1, 0.2, 0.25]
    comm.Barrier()
    cut_series(comm, series, 0.2)
    comm.Barrier()
    assert [e["name"] for e in read_series(series)] == ["a.hdf", "b.hdf"]
    assert json.loads(series.read_text())["file-series-version"] == "1.0"


@pytest.mark.parametrize("text", ["", "[]", "{\"files\": [{\"name\": \"a\"}]}"])
def test_damaged_series_is_an_error_everywhere(comm, shared_tmp, text):
    if comm.rank == 0:
        (shared_tmp / "x.hdf.series").write_text(text)
    comm.Barrier()
    with pytest.raises(UserError, match="x.hdf.series"):
        append_series(comm, shared_tmp / "x.hdf.series", Path("a.hdf"), 1.0)


def test_unwritable_folder_is_an_error_everywhere(comm, shared_tmp):
    if comm.rank == 0:
        (shared_tmp / "file").write_text("")
    comm.Barrier()
    with pytest.raises(UserError, match="cannot write .*x.hdf"):
        write_snapshot(comm, shared_tmp / "file" / "x.hdf", share(comm), 0.0)
    with pytest.raises(UserError, match="cannot read .*x.hdf.series: Not a directory"):
        append_series(comm, shared_tmp / "file" / "x.hdf.series", Path("a.hdf"), 1.0)


@contextmanager
def full_disk_on_last_rank(comm):
    """The last rank may write a few kilobytes only; the system then refuses as a full disk does."""
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    if comm.rank == comm.size - 1:
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, former[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)


def test_full_disk_leaves_the_former_file(comm, shared_tmp):
    path = shared_tmp / "cube.hdf"
    write_snapshot(comm, path, share(comm), 0.0, HEADER)
    comm.Barrier()
    before = path.read_bytes()
    comm.Barrier()
    with pytest.raises(UserError) as caught, full_disk_on_last_rank(comm):
        write_snapshot(comm, path, share(comm, 7), 1.0, HEADER)
    comm.Barrier()
    assert "cannot write" in str(caught.value) and "\n" not in str(caught.value)
    assert path.read_bytes() == before and list(shared_tmp.iterdir()) == [path]


def test_foreign_file_is_refused(tmp_path):
    (tmp_path / "x.hdf").write_text("nothing")
    with pytest.raises(UserError, match="x.hdf is damaged or not a snapshot"):
        Snapshot(tmp_path / "x.hdf")
    with pytest.raises(UserError, match="cannot read .*gone.hdf: No such file"):
        Snapshot(tmp_path / "gone.hdf")


def test_checkpoint_is_no_snapshot(comm, shared_tmp):
    own = 2 * comm.rank + np.arange(2)
    state = Checkpoint(own, {}, nodes={"temperature": np.zeros((2, 5, 5, 5))})
    path = save(comm, shared_tmp, "x", state)
    comm.Barrier()
    with pytest.raises(UserError, match="is not a snapshot"):
        Snapshot(path)
