"""Points in blocks, probes on any number of ranks, and the tables they are written to."""

import numpy as np
import pytest

from partsim.errors import UserError
from partsim.output.history import History
from partsim.output.probes import Probes
from tests.blocks import H, ORIGIN, SIZE, everything, linear, share, view_of

TOP = ORIGIN[2] + 14 * H  # of the active cells
INSIDE = {
    "coarse": ORIGIN + H * np.array([3.3, 5.1, 2.7]),
    "fine": ORIGIN + H * np.array([9.25, 2.5, 9.75]),
    "corner": ORIGIN + H * np.array([8.0, 8.0, 8.0]),
    "top": np.array([ORIGIN[0] + 5.5 * H, ORIGIN[1] + 5.5 * H, TOP]),
    "lowest": ORIGIN,
    "farthest": ORIGIN + H * np.array([16.0, 16.0, 14.0]),
}
OUTSIDE = {"above": np.array([0, 0, TOP + 0.3 * H]), "beside": ORIGIN - [H, 0, 0]}
ALL = {**INSIDE, **OUTSIDE}
NAMES, POINTS = list(ALL), np.array(list(ALL.values()))


def read(path):
    return np.genfromtxt(path, delimiter=",", names=True, deletechars="", ndmin=1)


def make(comm, path):
    return Probes(comm, path, POINTS, NAMES)


def corners(found, view):
    return {name: found.gather(values) for name, values in view.nodes.items()}


def test_linear_field_is_exact_and_undefined_nodes_are_never_read():
    view = everything()
    location = view.locate(POINTS)
    values = view.interpolate(view.nodes["temperature"], location)
    inside = np.arange(len(POINTS)) < len(INSIDE)
    np.testing.assert_allclose(values[inside], linear(POINTS[inside]), rtol=1e-13)
    assert np.isnan(values[~inside]).all() and (location.block[~inside] == -1).all()
    np.testing.assert_allclose(location.weights[inside].sum(axis=1), 1, rtol=1e-14)


def test_random_points_lie_in_the_cell_that_was_found():
    view = everything()
    points = ORIGIN + H * np.random.default_rng(3).uniform(0, [16, 16, 14], (2000, 3))
    location = view.locate(points)
    low = view.corner[location.block] + view.stride[location.block, None] * location.cell
    place = (points - ORIGIN) / H - low
    assert (place >= 0).all() and (place <= view.stride[location.block, None]).all()
    assert (location.cell[:, 2] < view.active[location.block]).all()


def test_point_between_cells_goes_to_the_lower_one():
    view = everything()
    location = view.locate(ORIGIN + H * np.array([[8.0, 8.0, 8.0], [8.0, 8.0, 9.0]]))
    assert view.stride[location.block].tolist() == [2, 1]
    assert location.cell.tolist() == [[3, 3, 3], [3, 3, 0]]
    assert (location.side == 0).all()


def test_centres_and_nodes_are_where_the_lattice_says():
    view = view_of(np.array([1, 5]))
    np.testing.assert_allclose(view.cell_centres()[0, 2, 1, 0], ORIGIN + H * np.array([9, 3, 5]))
    np.testing.assert_allclose(view.node_positions()[1, 1, 2, 3], ORIGIN + H * np.array([7, 2, 9]))
    assert view.edge.tolist() == [2 * H, H]


def test_every_probe_belongs_to_one_rank_at_most(comm, shared_tmp):
    probes = make(comm, shared_tmp / "probes.csv")
    mine = probes.locate(share(comm)).probe
    owners = np.sort(np.concatenate(comm.allgather(mine)))
    np.testing.assert_array_equal(owners, np.arange(len(INSIDE)))


def test_samples_are_those_of_one_rank(comm, shared_tmp):
    """Bit for bit: the choice of the cell does not depend on who owns it."""
    view, path = share(comm), shared_tmp / "probes.csv"
    probes = make(comm, path)
    probes.start()
    found = probes.locate(view)
    for time in 0.1, 0.2, 1 / 3:
        probes.sample(time, found, corners(found, view))
    probes.flush()
    probes.flush()
    comm.Barrier()
    table, whole = read(path), everything()
    location = whole.locate(POINTS)
    assert table["time"].tolist() == [0.1, 0.2, 1 / 3]
    for name in "temperature", "martensite":
        expected = whole.interpolate(whole.nodes[name], location)
        for probe, value in zip(NAMES, expected):
            np.testing.assert_array_equal(table[f"{probe}.{name}"], np.full(3, value))


def test_mesh_may_change_between_samples(comm, shared_tmp):
    path = shared_tmp / "probes.csv"
    probes = make(comm, path)
    probes.start()
    for top in 6, 7:
        view = share(comm, top)
        found = probes.locate(view)
        probes.sample(float(top), found, corners(found, view))
    probes.flush()
    comm.Barrier()
    above = read(path)["above.temperature"]
    assert np.isnan(above[0])
    assert above[1] == pytest.approx(linear(OUTSIDE["above"]), rel=1e-13)


def test_resume_drops_later_rows_and_a_torn_one(comm, shared_tmp):
    table = History(comm, shared_tmp / "sub" / "history.csv", ["step", "time", "stage"])
    table.start()
    for step in range(5):
        table.append([step, 0.1 * step, "laser"])
    comm.Barrier()
    if comm.rank == 0:
        with open(table.path, "a") as file:
            file.write("3,0.3,las")
    table.resume(3)
    table.extend([[np.int64(4), np.float64(1) / 3, "cooling"]])
    comm.Barrier()
    lines = table.path.read_text().splitlines()
    assert lines[0] == "step,time,stage"
    assert lines[1:4] == ["0,0.0,laser", "1,0.1,laser", "2,0.2,laser"]
    assert lines[4] == f"3,{3 * 0.1!r},laser" and lines[5] == f"4,{1 / 3!r},cooling"


def test_resume_without_a_table_begins_one(comm, shared_tmp):
    table = History(comm, shared_tmp / "history.csv", ["time", "cells"])
    table.resume(5.0)
    comm.Barrier()
    assert table.path.read_text() == "time,cells\n"


def test_table_of_another_run_is_refused(comm, shared_tmp):
    History(comm, shared_tmp / "history.csv", ["time", "cells"]).start()
    with pytest.raises(UserError, match="history.csv"):
        History(comm, shared_tmp / "history.csv", ["time", "nodes"]).resume(0.0)


def test_table_that_cannot_be_written_is_an_error_everywhere(comm, shared_tmp):
    table = History(comm, shared_tmp / "history.csv", ["time"])
    table.start()
    comm.Barrier()
    if comm.rank == 0:
        table.path.unlink()
        table.path.mkdir()
    with pytest.raises(UserError, match="history.csv: Is a directory"):
        table.append([1.0])


def test_gather_gives_the_corners_in_z_order():
    view = everything()
    nodal = view.nodes["temperature"]
    location = view.locate(INSIDE["fine"][None])
    block, (x, y, z) = location.block[0], location.cell[0]
    expected = nodal[block, z : z + 2, y : y + 2, x : x + 2].ravel()
    np.testing.assert_array_equal(nodal[block].ravel()[location.corners(SIZE)[0]], expected)
