"""Cuts through snapshots and the pictures made of them."""

import numpy as np
import pytest
from matplotlib.image import imread

from partsim.errors import UserError
from partsim.output.panels import (
    LogNorm, Normalize, Scale, panels, show, temperature_scale, value_range,
)
from partsim.output.picture import of_layers, render, render_cuts
from partsim.output.slices import Cut, Snapshot, horizontal, vertical
from partsim.output.snapshot import append_series, write_snapshot
from tests.blocks import H, ORIGIN, everything, linear, share

BEAM = ORIGIN + H * np.array([6.0, 9.0, 14.0])
HEADER = {
    "layer": 3, "scanning": True, "beam": BEAM.tolist(), "direction": [0.6, 0.8],
    "solidus": 1878.0, "liquidus": 1928.0,
    "part": [[0.0, 0.0, 0.0], [5e-4, 4e-4, 1e-3]],
}


def hot_spot(view):
    """Adds a melt pool at the beam to the temperature."""
    distance = np.linalg.norm(view.node_positions() - BEAM, axis=-1)
    view.nodes["temperature"] += 2500 * np.exp(-((distance / 1.2e-4) ** 2))
    return view


@pytest.fixture
def snapshot(comm, shared_tmp):
    write_snapshot(comm, shared_tmp / "x.hdf", share(comm), 0.25, HEADER)
    comm.Barrier()
    with Snapshot(shared_tmp / "x.hdf") as opened:
        yield opened
    comm.Barrier()


def nodal(snapshot, cut, columns=37):
    points = cut.points(columns)
    location = snapshot.view.locate(points)
    return points, snapshot.at_nodes(location, ["temperature"])["temperature"]


@pytest.mark.parametrize("direction", [(1, 0), (0, -1), (0.6, 0.8), (-0.8, 0.6)])
def test_upright_cut_spans_the_domain_and_holds_its_point(snapshot, direction):
    point = ORIGIN + H * np.array([5.0, 9.0, 3.0])
    cut = vertical(snapshot, point, direction)
    u, v = cut.place(point)
    np.testing.assert_allclose(cut.origin + u * cut.across + v * cut.up, point, atol=1e-15)
    points, values = nodal(snapshot, cut)
    np.testing.assert_allclose(values, linear(points.reshape(-1, 3)), rtol=1e-12)
    low, high = snapshot.bounds
    for end in cut.u:
        place = (cut.origin + end * cut.across)[:2]
        border = np.isclose(place, low[:2], atol=1e-12) | np.isclose(place, high[:2], atol=1e-12)
        assert border.any()


def test_horizontal_cut_and_its_window(snapshot):
    cut = horizontal(snapshot, ORIGIN[2] + 9.3 * H)
    points, values = nodal(snapshot, cut)
    np.testing.assert_allclose(values, linear(points.reshape(-1, 3)), rtol=1e-12)
    window = cut.window(cut.place(ORIGIN), (4 * H, 3 * H))
    np.testing.assert_allclose(window.u, [ORIGIN[0], ORIGIN[0] + 4 * H])
    np.testing.assert_allclose(window.v, [ORIGIN[1], ORIGIN[1] + 3 * H])
    assert window.points(8).shape == (6, 8, 3)


def test_edges_of_cells_in_a_cut_are_those_of_the_lattice(snapshot):
    """The length of all lines, each block drawing its own border."""
    cut = vertical(snapshot, ORIGIN + H * np.array([0, 5.0, 0]), (1, 0))
    lines = snapshot.cell_edges(cut)
    length = np.abs(lines[:, 1] - lines[:, 0]).sum() / H
    coarse = 2 * (5 * 8 + 5 * 8)
    fine = 4 * (5 * 4 + 5 * 4) + 4 * (5 * 4 + 5 * 2)  # the upper blocks are two cells high
    assert length == pytest.approx(coarse + fine)
    assert lines.min(axis=(0, 1)) == pytest.approx(ORIGIN[[0, 2]])
    assert lines.max(axis=(0, 1)) == pytest.approx(ORIGIN[[0, 2]] + H * np.array([16, 14]))


def test_hottest_point_is_found(comm, shared_tmp):
    write_snapshot(comm, shared_tmp / "x.hdf", hot_spot(share(comm)), 0.0)
    comm.Barrier()
    with Snapshot(shared_tmp / "x.hdf") as snapshot:
        np.testing.assert_allclose(snapshot.hottest(), BEAM, atol=1e-9)
    comm.Barrier()


def test_colours_are_logarithmic_only_where_a_melt_pool_outshines_the_rest():
    assert isinstance(temperature_scale([np.array([300.0, np.nan, 3000.0])]).norm, LogNorm)
    assert type(temperature_scale([np.array([300.0, 330.0])]).norm) is Normalize
    equal = value_range(np.full(4, 0.9))
    assert equal.vmin == 0.9 and equal.vmax > 0.9
    assert value_range(np.array([np.nan])).vmax == 1


@pytest.mark.serial
@pytest.mark.parametrize("height", [0.32e-3, 2e-3, 8e-3, 30e-3])
def test_numbers_beside_a_panel_do_not_overlap_however_thin_it_is(height):
    cut = Cut(np.zeros(3), np.eye(3)[0], np.eye(3)[1], (0, 75e-3), (0, height), ("x", "y"))
    figure, axes = panels([[cut, cut, cut]], "")
    show(axes[0, 0], cut, np.ones((2, 9)), Scale("viridis", Normalize(0, 1), ""), "white")
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in axes[0, 0].get_yticklabels()]
    lowest_first = sorted(boxes, key=lambda box: box.y0)
    assert boxes
    assert all(a.y1 < b.y0 for a, b in zip(lowest_first, lowest_first[1:], strict=False))


@pytest.mark.serial
def test_run_becomes_pictures(comm, tmp_path):
    for number, scanning in enumerate((True, False, False)):
        file = tmp_path / f"cube_{number}.hdf"
        view = hot_spot(everything()) if scanning else everything()
        header = {**HEADER, "scanning": scanning, "direction": [0.0, 0.0]}
        write_snapshot(comm, file, view, float(number), header)
        append_series(comm, tmp_path / "cube.hdf.series", file, float(number))
    written = render(tmp_path, tmp_path / "png")
    assert [path.name for path in written] == [
        "temperature_cube_0.png", "phases_cube_0.png", "temperature_cube_2.png",
        "phases_cube_2.png", "consolidated_cube_2.png", "mesh_cube_2.png",
    ]
    for path in written:
        picture = imread(path)
        assert min(picture.shape[:2]) > 500 and picture[..., :3].std() > 0.05
    yellow = (imread(written[0])[..., :3] @ [1, 1, -1] > 1.2).mean()
    assert yellow > 1e-3, "the melt pool is the brightest spot"


@pytest.mark.serial
def test_cuts_of_layers(comm, tmp_path):
    """Layers with several snapshots show all of them, planes are those asked for."""
    for number, layer in enumerate((3, 3, 4)):
        file = tmp_path / f"cube_{number}.hdf"
        write_snapshot(comm, file, hot_spot(everything()), float(number),
                       HEADER | {"layer": layer, "scanning": False})
        append_series(comm, tmp_path / "cube.hdf.series", file, float(number))
    assert [path.name for path in of_layers(tmp_path, [3])] == ["cube_0.hdf", "cube_1.hdf"]
    with pytest.raises(UserError, match="--layer 5, but .* has snapshots of layers 3, 4 only"):
        of_layers(tmp_path, [4, 5])
    written = render_cuts(tmp_path, tmp_path, [], [(2, BEAM[2]), (0, BEAM[0])])
    assert [path.name for path in written] == ["cuts_cube_2.png"]
    assert imread(written[0])[..., :3].std() > 0.05
    assert len(render_cuts(tmp_path, tmp_path, [3], [])) == 2
    with pytest.raises(UserError, match="--cut z=900 mm must lie in what was simulated, "):
        render_cuts(tmp_path, tmp_path, [], [(2, 0.9)])


@pytest.mark.serial
def test_pictures_need_no_phases_and_no_header(comm, tmp_path):
    view = everything()
    del view.nodes["beta"]
    write_snapshot(comm, tmp_path / "a.hdf", view, 0.0)
    append_series(comm, tmp_path / "a.hdf.series", tmp_path / "a.hdf", 0.0)
    names = [path.name for path in render(tmp_path, tmp_path)]
    assert names == ["temperature_a.png", "consolidated_a.png", "mesh_a.png"]


def test_folder_without_snapshots_and_unwritable_output(tmp_path, comm, snapshot):
    with pytest.raises(UserError, match="holds no snapshots"):
        render(tmp_path, tmp_path)
    if comm.rank == 0:
        (tmp_path / "x.hdf.series").write_text('{"files": [{"name": "gone.hdf", "time": 0}]}')
        with pytest.raises(UserError, match="gone.hdf"):
            render(tmp_path, tmp_path)
        with pytest.raises(UserError, match="cannot write pictures"):
            render(tmp_path, tmp_path / "x.hdf.series" / "png")
