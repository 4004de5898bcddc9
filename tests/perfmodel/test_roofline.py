"""The figures hold every record at its place, the roofs of the machine, and are written whole."""
import datetime

import numpy as np
import pytest
from matplotlib.image import imread

from partsim.errors import UserError
from perfmodel import roofline
from perfmodel.machine import Machine, Peak

pytestmark = pytest.mark.serial

MACHINE = Machine(
    name="sample", processor="zen", cores=2, lanes=4, virtual=True,
    date=datetime.date(2025, 3, 9), command="perfmodel machine",
    peaks=[
        Peak(ranks=ranks, lanes=lanes, gflop_per_second=10.0 * ranks * lanes)
        for ranks in (1, 2) for lanes in (1, 2, 4)
    ],
)


def record(kernel="explicit phases", layout="blocks of 1", lanes=None, ranks=1, rate=0.1):
    return {
        "kernel": kernel, "layout": layout, "lanes": lanes, "ranks": ranks,
        "gdof_per_second": rate, "bytes_per_dof": 20.0, "flops_per_dof": 60.0,
        "gflop_per_second": 60.0 * rate, "daxpy_gb_per_second": 10.0 * ranks + rate,
        "arithmetic_share": None if "job" in kernel else 0.4,
    }


RECORDS = [
    *(record(lanes=lanes, rate=0.05 * lanes) for lanes in (8, 1, 2, 4)),
    record(layout="blocks of 10"),
    record(layout="blocks of 10", ranks=2, rate=0.2),
    record("implicit phases", lanes=2, rate=0.02),
    record("explicit phases, C library", rate=0.01),
    record("phases of a job", "layer 8 of cube.toml", rate=0.3),
]


def points(axes):
    """(n, 2) the places of all points, in their order."""
    return np.array([collection.get_offsets()[0] for collection in axes.collections])


def roofs(axes):
    """Height at the right end of each line that is named."""
    lines = [line for line in axes.lines if not line.get_label().startswith("_")]
    return {line.get_label(): line.get_ydata()[-1] for line in lines}


def test_roofline_has_a_point_for_each_record():
    figure = roofline.roofline_figure(RECORDS, MACHINE)
    for axes, ranks in zip(figure.axes, (1, 2), strict=True):
        expected = [(3.0, r["gflop_per_second"]) for r in RECORDS if r["ranks"] == ranks]
        assert np.sort(points(axes), axis=0) == pytest.approx(np.sort(expected, axis=0))
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        x, y = points(axes).T
        assert (left < x).all() and (x < right).all() and (low < y).all() and (y < high).all()


def test_roofs_are_those_of_as_many_ranks():
    one, two = roofline.roofline_figure(RECORDS, MACHINE).axes
    assert roofs(one) == pytest.approx({
        "memory: 10.4 GB/s (DAXPY, 1 rank)": 40.0,
        "FMA, 4 lanes: 40 GFLOP/s": 40.0,
        "FMA, 1 lane: 10 GFLOP/s": 10.0,
        "instruction mix, explicit phases: 40 % of the peak": 16.0,
        "instruction mix, implicit phases: 40 % of the peak": 16.0,
    })
    assert roofs(two) == pytest.approx({
        "memory: 20.2 GB/s (DAXPY, 2 ranks)": 80.0,
        "FMA, 4 lanes: 80 GFLOP/s": 80.0,
        "FMA, 1 lane: 20 GFLOP/s": 20.0,
        "instruction mix, explicit phases: 40 % of the peak": 32.0,
    })


def test_lanes_of_a_layout_are_connected_in_their_order():
    axes = roofline.roofline_figure(RECORDS, MACHINE).axes[0]
    lines = [line.get_ydata() for line in axes.lines if line.get_label().startswith("_")]
    assert [len(line) for line in lines] == [4, 1]
    assert lines[0] == pytest.approx([3.0, 6.0, 12.0, 24.0])


def test_throughput_has_a_point_for_each_record_of_the_phases():
    explicit, implicit = roofline.throughput_figure(RECORDS, MACHINE).axes
    assert len(points(explicit)) == 7 and len(points(implicit)) == 1
    ticks = [label.get_text() for label in explicit.get_xticklabels()]
    assert ticks == ["1", "2", "4", "8", "as\ncompiled"]
    at = {round(x): y for x, y in points(explicit)[:4]}
    assert at == pytest.approx({0: 0.05, 1: 0.1, 2: 0.2, 3: 0.4})
    assert (np.round(points(explicit)[4:, 0]) == 4).all()


def test_throughput_shows_the_memory_bound_of_each_number_of_ranks():
    explicit = roofline.throughput_figure(RECORDS, MACHINE).axes[0]
    bounds = [line.get_ydata()[0] for line in explicit.lines if line.get_linestyle() == "-."]
    assert bounds == pytest.approx([10.4 / 20, 20.2 / 20])


def test_kernels_and_layouts_differ_in_colour_and_shape():
    styles = roofline.Styles(RECORDS)
    assert len(set(styles.colours.values())) == 4 == len(styles.colours)
    assert len(set(styles.markers.values())) == 3 == len(styles.markers)


def test_legends_do_not_cover_points():
    for figure in (roofline.roofline_figure(RECORDS, MACHINE),
                   roofline.throughput_figure(RECORDS, MACHINE)):
        figure.canvas.draw()
        legends = [*figure.legends, *(axes.legend_ for axes in figure.axes if axes.legend_)]
        boxes = [legend.get_window_extent() for legend in legends]
        assert legends and not any(
            box.overlaps(axes.get_window_extent()) for box in boxes for axes in figure.axes
        )
        assert not any(a.overlaps(b) for n, a in enumerate(boxes) for b in boxes[:n])


@pytest.mark.parametrize("draw", [roofline.draw_roofline, roofline.draw_throughput])
def test_figures_are_written_in_both_formats(tmp_path, draw):
    written = draw(RECORDS, MACHINE, tmp_path / "figure.1")
    assert sorted(tmp_path.iterdir()) == sorted(written)
    assert [file.name for file in written] == ["figure.1.png", "figure.1.svg"]
    assert imread(written[0]).std() > 0.01
    assert "</svg>" in written[1].read_text(encoding="utf-8")


def test_what_cannot_be_drawn_is_said(tmp_path):
    with pytest.raises(UserError, match="no kernels were measured"):
        roofline.draw_roofline([], MACHINE, tmp_path / "a")
    with pytest.raises(UserError, match="no explicit phases or implicit phases"):
        roofline.draw_throughput([record("phases of a job")], MACHINE, tmp_path / "a")
    with pytest.raises(UserError, match="ranks = 3"):
        roofline.draw_roofline([record(ranks=3)], MACHINE, tmp_path / "a")
    with pytest.raises(UserError, match="cannot write"):
        roofline.draw_roofline(RECORDS, MACHINE, tmp_path / "absent" / "a")
    assert not list(tmp_path.iterdir())
