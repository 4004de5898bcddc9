"""Solids in layers: sections against closed forms, the same masks, walls that are too thin."""

import math

import numpy as np
import pytest
import shapely
import trimesh

from partsim.errors import UserError
from partsim.job import parse
from partsim.part import shape
from partsim.part.shape import Box, Sliced, cut, load, thin_share, thinnest
from partsim.surface import Surface
from tests.small_job import REMOVED, job_text

pytestmark = pytest.mark.serial
THICKNESS = 0.25


def sliced(mesh, thickness=THICKNESS):
    """The solid of a mesh that is moved to the origin."""
    mesh.apply_translation(-mesh.bounds[0])
    return Sliced(Surface(mesh, "of no file"), thickness)


def tube():
    """Between the radii 1 and 2, 3 high, around (2, 2), in 64 sides."""
    return sliced(trimesh.creation.annulus(1.0, 2.0, 3.0, sections=64))


def polygon_area(radius, sides=64):
    """Area of a regular polygon in a circle."""
    return sides / 2 * radius**2 * math.sin(2 * math.pi / sides)


def points_in(low, high, count=4000, seed=0):
    return np.random.default_rng(seed).uniform(low, high, (count, 3))


def test_section_of_a_tube_has_a_hole():
    shape = tube()
    np.testing.assert_allclose(shape.bounds, [[0, 0, 0], [4, 4, 3]], atol=1e-12)
    for layer in (1, 7, 12):
        section = shape.section(layer)
        assert len(section.geoms) == 1 and len(section.geoms[0].interiors) == 1
        assert section.area == pytest.approx(polygon_area(2) - polygon_area(1), rel=1e-12)
    assert shape.section(1) is shape.section(1)


def test_section_is_cut_at_half_the_height_of_the_layer():
    """A square pyramid upside down: the width of a section is its height."""
    corners = np.array([[0, 0, 0], [-1, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]], float)
    shape = sliced(trimesh.convex.convex_hull(corners))
    for layer in range(1, 9):
        width = (layer - 0.5) * THICKNESS
        expected = (1 - width / 2, 1 - width / 2, 1 + width / 2, 1 + width / 2)
        np.testing.assert_allclose(shape.section(layer).bounds, expected, atol=1e-12)
        assert shape.section(layer).area == pytest.approx(width**2, rel=1e-12)
    assert shape.section(9).is_empty


def test_corners_in_the_plane_of_the_cut_do_no_harm():
    """A sphere cut at the height of each of its own corners: the area between its neighbours."""
    mesh = trimesh.creation.icosphere(subdivisions=3)
    mesh.vertices = np.round(mesh.vertices, 4)
    heights = np.unique(mesh.vertices[:, 2])[1:-1]
    areas = [cut(mesh, float(height)).area for height in heights]
    beside = [cut(mesh, float(height) + 1e-9).area for height in heights]
    np.testing.assert_allclose(areas, beside, rtol=1e-6)
    assert max(areas) == pytest.approx(math.pi, rel=0.01)


def test_volume_of_the_layers_is_that_of_the_solid():
    """Of a turned, sharp-edged solid, to the second order of the midpoint rule."""
    mesh = trimesh.creation.box((2, 3, 4))
    mesh.apply_transform(trimesh.transformations.rotation_matrix(0.7, [1, 2, 3]))
    errors = []
    for thickness in (0.04, 0.02):
        shape = sliced(mesh.copy(), thickness)
        layers = math.ceil(shape.bounds[1][2] / thickness)
        volume = thickness * sum(shape.section(n).area for n in range(1, layers + 1))
        errors.append(abs(volume - 24) / 24)
    assert errors[0] < 1e-3 and errors[1] < 3e-4


def test_surface_that_crosses_itself_is_refused():
    """Two boxes that overlap: what is inside both would be taken for a hole."""
    first, second = trimesh.creation.box(), trimesh.creation.box()
    second.apply_translation([0.5, 0.5, 0.2])
    both = sliced(trimesh.util.concatenate([first, second]))
    with pytest.raises(UserError, match="crosses itself at the height 0.375 m"):
        both.section(2)
    second.apply_translation([2, 0, 0])
    apart = sliced(trimesh.util.concatenate([first, second]))
    assert apart.section(2).area == pytest.approx(2, rel=1e-12)


def test_points_are_inside_where_the_section_of_their_layer_is():
    shape = tube()
    points = points_in([-0.5, -0.5, -0.5], [4.5, 4.5, 3.5])
    radius = np.hypot(points[:, 0] - 2, points[:, 1] - 2)
    sure = (np.abs(radius - 1) > 0.01) & (np.abs(radius - 2) > 0.01)
    expected = (radius > 1) & (radius < 2) & (points[:, 2] >= 0) & (points[:, 2] <= 3)
    np.testing.assert_array_equal(shape.inside(points)[sure], expected[sure])
    assert shape.inside(points.reshape(40, 100, 3)).shape == (40, 100)
    some = np.array([[0.01, 2, 1], [2, 2, 1], [3.99, 2, 3], [4.1, 2, 1]], float)
    assert shape.inside(some).tolist() == [True, False, True, False]


def test_steps_of_a_slanted_wall_are_those_of_the_layers():
    """A wedge y < z: at any height in a layer the solid ends where the layer's section ends."""
    corners = [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 0, 0], [1, 0, 1], [1, 1, 1]]
    shape = sliced(trimesh.convex.convex_hull(np.array(corners, float)))
    points = points_in([0, 0, 0], [1, 1, 1])
    middle = (np.floor(points[:, 2] / THICKNESS) + 0.5) * THICKNESS
    np.testing.assert_array_equal(shape.inside(points), points[:, 1] <= middle)


def test_box_and_surface_of_a_box_are_the_same_solid():
    size = (2.0, 1.5, 1.0)
    shape, box = sliced(trimesh.creation.box(size)), Box(size)
    assert shape.section(3).symmetric_difference(box.section(3)).area < 1e-12
    points = points_in([-0.2, -0.2, -0.2], [2.2, 1.7, 1.2])
    np.testing.assert_array_equal(shape.inside(points), box.inside(points))
    np.testing.assert_allclose(shape.bounds, box.bounds, atol=1e-15)


def test_job_names_its_shape(tmp_path):
    trimesh.creation.annulus(0.1, 0.2, 0.2).export(tmp_path / "tube.stl")
    changes = {"part.shape": "surface", "part.size": REMOVED, "part.file": "tube.stl"}
    shape = load(parse(job_text(changes), tmp_path / "job.toml"))
    assert shape.section(2).area == pytest.approx(math.pi * 0.03e-6, rel=0.01)
    assert load(parse(job_text(), "job.toml")).constants == {"size": [4e-4, 4e-4, 2e-4]}
    other = trimesh.creation.annulus(0.1, 0.2, 0.21)
    other.export(tmp_path / "tube.stl")
    changed = load(parse(job_text(changes), tmp_path / "job.toml"))
    assert changed.constants != shape.constants


@pytest.mark.parametrize("width, expected", [
    (0.05, 0.0), (0.11, 0.1 * 2), (0.45, 0.2 + 0.4 * 1), (1.1, 1.6)
])
def test_share_that_is_thinner(width, expected):
    """Walls 0.1, 0.4 and 1 wide, 2, 1 and 1 long: each counts from its own width on."""
    walls = [shapely.box(0, 0, 0.1, 2), shapely.box(1, 0, 1.4, 1), shapely.box(3, 0, 4, 1)]
    section = shapely.MultiPolygon(walls)
    assert thin_share(section, width) == pytest.approx(expected / 1.6, abs=1e-6)


def test_wall_of_just_the_width_is_wide_enough():
    assert thin_share(shapely.MultiPolygon([shapely.box(0, 0, 0.1, 2)]), 0.1) == 0.0
    assert thin_share(shapely.MultiPolygon(), 0.1) == 0.0


def test_sections_are_forgotten_and_made_again(monkeypatch):
    monkeypatch.setattr(shape, "KEPT", 2)
    part = sliced(trimesh.creation.cone(1.0, 1.0))
    areas = [[part.section(layer).area for layer in (1, 2, 3)] for _ in range(2)]
    assert areas[0] == areas[1] and areas[0][0] > areas[0][2]
    assert sorted(part.sections) == [2, 3]


def test_layer_with_most_of_thin_walls(tmp_path):
    """A fin of 40 um on a foot: cells of 50 um do not resolve it, those of 25 um do."""
    foot, fin = trimesh.creation.box((0.4, 0.4, 0.1)), trimesh.creation.box((0.04, 0.3, 0.1))
    fin.apply_translation([1, 0, 0.1])
    foot.apply_translation([0, 0, 0])
    post = trimesh.creation.box((0.4, 0.4, 0.2))
    post.apply_translation([0, 1, 0.05])
    trimesh.util.concatenate([foot, fin, post]).export(tmp_path / "fin.stl")
    changes = {"part.shape": "surface", "part.size": REMOVED, "part.file": "fin.stl"}
    for cell, share in (("50 um", 0.012 / 0.172), ("25 um", 0.0)):
        job = parse(job_text(changes | {"mesh.cell": cell}), tmp_path / "job.toml")
        layer, found = thinnest(job, load(job))
        assert found == pytest.approx(share, rel=1e-4)
        assert layer == (3 if share else 1)
