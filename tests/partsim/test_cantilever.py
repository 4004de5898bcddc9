"""The cantilever of the AM Bench: its volume, its sections in closed form, its scan paths."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from partsim.job import load
from partsim.part import shape
from partsim.part.strategy import layer_paths
from partsim.surface import read

pytestmark = pytest.mark.serial
ROOT = Path(__file__).parents[2]
MM = 1e-3
LEGS = [(14 * i + a, 14 * i + b) for i in range(4) for a, b in ((0, 5), (7, 7.5), (9.5, 12))]


@pytest.fixture(scope="module")
def job():
    return load(ROOT / "jobs" / "cantilever_623.toml")


@pytest.fixture(scope="module")
def part(job):
    return shape.load(job)


def plan_area(z):
    """mm^2 at the height z in mm: legs with the end block and its tip, overhang, bridge, ridges."""
    grown = min(max(z - 5, 0), 2) * 5 * 12  # towards -x at 45 degrees, 5 wide, 12 gaps
    if z < 12:
        return 248.75 + (grown if z < 7 else 2 * 5 * 12)
    return 11 * 1.0 * 5


def lines_of(path):
    on = np.flatnonzero(path.power)
    return np.stack([path.ends[on, :2], path.ends[on + 1, :2]], axis=1) / MM


@pytest.mark.parametrize("name, width", [("cantilever", 5.0), ("cantilever_slice", 0.32)])
def test_file_is_what_the_script_writes(tmp_path, name, width):
    made = runpy.run_path(str(ROOT / "meshes" / "cantilever.py"))["cantilever"](width)
    made.export(tmp_path / "made.stl")
    stored = (ROOT / "meshes" / f"{name}.stl").read_bytes()
    assert (tmp_path / "made.stl").read_bytes()[80:] == stored[80:]


def test_slice_is_the_middle_of_the_part():
    """5 mm of the profile, its area A, hold 3732.5 mm^3 and the corners beside the tip."""
    area = (3732.5 + 2.5**2 * 12) / 5
    surface = read(ROOT / "meshes" / "cantilever_slice.stl", 1.0)
    assert surface.mesh.volume == pytest.approx(0.32 * area - 0.16**2 * 12, rel=1e-6)
    assert surface.size == pytest.approx((75.0, 0.32, 12.5), rel=1e-6)


def test_volume_and_bounding_box():
    surface = read(ROOT / "meshes" / "cantilever.stl", 1.0)
    assert surface.mesh.volume == pytest.approx(3732.5, rel=1e-12)
    assert surface.size == (75.0, 5.0, 12.5)


def test_sections_have_the_areas_of_the_table(job, part):
    assert (job.layers.count, job.part.size) == (312, (0.075, 0.005, 0.0125))
    for layer in (1, 125, 126, 150, 175, 176, 300, 301, 312):
        section, z = part.section(layer), (layer - 0.5) * 0.04
        assert section.area / MM**2 == pytest.approx(plan_area(z), rel=1e-9)
        assert len(section.geoms) == (13 if z < 7 else 1 if z < 12 else 11)


def test_legs_overhangs_and_tip_are_where_the_table_says(part):
    """Points beside every edge, on both sides of it."""
    def inside(x, y, z):
        points = np.array(np.broadcast_arrays(x, y, z), float).reshape(3, -1).T
        return part.inside(points * MM)

    starts, ends = np.array(LEGS).T
    assert inside(starts + 0.01, 0.01, 0.1).all() and inside(ends - 0.01, 4.99, 4.9).all()
    assert not inside(ends + 0.01, 2.5, 4.9).any()
    assert not inside(starts[1:] - 0.01, 2.5, 4.9).any()
    z = 6.02  # the middle of layer 151: the gap is open for 0.98 mm
    assert not inside(ends + 0.97, 2.5, z).any() and inside(ends + 0.99, 2.5, z).all()
    assert inside(ends + 0.01, 2.5, 7.1).all()
    ridges = 7.0 * np.arange(11)
    assert inside(ridges + 0.99, 2.5, 12.3).all() and not inside(ridges + 1.01, 2.5, 12.3).any()
    assert inside([74.9, 73.5], [2.5, 3.9], 8).all()
    assert not inside([74.9, 73.5], [2.7, 4.1], 8).any()


def test_odd_layers_go_line_by_line_from_the_tips_side(job, part):
    (path,) = layer_paths(job, part, 1)
    lines = lines_of(path)
    assert len(lines) == 45 * 13
    y = 5 - (np.arange(45) + 0.5) * 5 / 45
    np.testing.assert_allclose(lines[::13, 0, 1], y, atol=1e-9)
    np.testing.assert_allclose(lines[0], [[75 - (y[0] - 2.5), y[0]], [56, y[0]]], atol=1e-9)
    starts = [leg[0] for leg in LEGS] + [56]
    np.testing.assert_allclose(lines[:13, 1, 0], starts[::-1], atol=1e-9)
    np.testing.assert_allclose(lines[13:26, 0, 0], starts, atol=1e-9)
    on = 45 * (160 / 5 + 16.5) + (2.5 - np.abs(y - 2.5)).sum()  # mm; the tip is a triangle
    assert path.energy() == pytest.approx(180 * on * MM / 0.96, rel=1e-9)
    assert path.duration == pytest.approx(on * MM / 0.96 + 44 * 5e-4 + 45 * 12 * 1.7e-3)


def test_even_layers_go_feature_by_feature_from_the_fixed_end(job, part):
    (path,) = layer_paths(job, part, 2)
    lines = lines_of(path)
    counts = [45, 5, 23] * 4 + [173]
    assert len(lines) == sum(counts)
    np.testing.assert_allclose(lines[0], [[5 / 90, 0], [5 / 90, 5]], atol=1e-9)
    assert (np.diff(lines[:, 0, 0]) > 0).all()
    hop = np.flatnonzero(np.diff(path.times)[1::2] > 1e-3)
    np.testing.assert_array_equal(hop, np.cumsum(counts)[:-1] - 1)
    (bridge,) = layer_paths(job, part, 250)
    assert len(lines_of(bridge)) == 682


@pytest.mark.parametrize("plate", [293, 623, 673])
def test_jobs_differ_in_their_temperature_only(plate):
    known, other = (
        (ROOT / "jobs" / f"cantilever_{T}.toml").read_text() for T in (623, plate)
    )
    assert load(ROOT / "jobs" / f"cantilever_{plate}.toml").layers.temperature == plate
    assert other == known.replace("623 K", f"{plate} K")
