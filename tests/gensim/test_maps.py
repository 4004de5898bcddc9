"""Measured maps: reading, grains, the build direction, windows and splits; what is refused."""
import json
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from gensim.data.crystals import disorientations, mean_orientations, segmented
from gensim.data.sets import CropSet, parts
from gensim.maps.ebsd import read_map
from gensim.maps.frame import axes_of, upright
from gensim.maps.grains import figures, filled
from gensim.maps.importer import Choices, fulfil, import_map
from gensim.maps.windows import cut_grains, parts_of, raster, windows
from partsim.crops.cropfile import read
from partsim.crops.ipf import ipf
from partsim.crops.pixels import IMAGES
from partsim.errors import UserError
from tests.grain_files import random_quaternions
from tests.measured_maps import hexagonal, polycrystal, square, write_ang, write_ctf

pytestmark = pytest.mark.serial
STEP = 5.0


@pytest.fixture(scope="module")
def truth():
    """Points (um), grains, orientations, and which of the points were indexed: 95 of 100."""
    points = square(90, 60, STEP / 2)
    grain, orientations = polycrystal(points, 120)
    indexed = np.random.default_rng(1).random(len(points)) > 0.05
    return points, grain, orientations, indexed


@pytest.fixture(scope="module")
def map_file(truth, tmp_path_factory):
    points, grain, orientations, indexed = truth
    noise = np.where(indexed[:, None], orientations[grain], random_quaternions(len(points), 3))
    return write_ang(tmp_path_factory.mktemp("map") / "map.ang", points, noise, indexed)


def test_points_and_orientations_are_read(truth, map_file):
    points, grain, orientations, indexed = truth
    found = read_map(map_file, "detector_signal")
    np.testing.assert_allclose(found.points, points * 1e-6, atol=1e-11)
    np.testing.assert_array_equal(found.indexed, indexed)
    assert found.step == pytest.approx(2.5e-6) and found.point_area == pytest.approx(6.25e-12)
    likeness = np.abs((found.orientations * orientations[grain]).sum(axis=1))
    np.testing.assert_allclose(likeness[indexed], 1, atol=1e-8)


def test_an_oxford_file_reads_the_same(truth, map_file, tmp_path):
    points, grain, orientations, indexed = truth
    path = write_ctf(tmp_path / "map.ctf", points, orientations[grain], indexed)
    found, other = read_map(path), read_map(map_file, "detector_signal")
    np.testing.assert_array_equal(found.indexed, indexed)
    likeness = np.abs((found.orientations * other.orientations).sum(axis=1))
    np.testing.assert_allclose(likeness[indexed], 1, atol=1e-7)
    np.testing.assert_allclose(found.points, other.points, atol=1e-11)


@pytest.mark.parametrize("turn, angle", [
    ([0, 0, 30], 30), ([0, 0, 90], 0), ([0, 0, 60], 30), ([120, 0, 0], 30), ([45, 0, 0], 45),
])
def test_disorientation_knows_the_cubic_symmetry(turn, angle):
    one = random_quaternions(1)
    stored = Rotation.from_quat(one[:, [1, 2, 3, 0]])
    crystal = Rotation.from_euler("xyz", turn, degrees=True) * stored
    both = np.concatenate([one, crystal.as_quat()[:, [3, 0, 1, 2]]])
    assert disorientations(both, np.array([[0, 1]]))[0] == pytest.approx(angle, abs=1e-4)


def test_grains_are_found_and_not_indexed_points_filled(truth, map_file):
    """Unfilled, every not-indexed point is a grain of its own; filled, nearly none is."""
    _, grain, _, indexed = truth
    found = read_map(map_file, "detector_signal")
    raw = segmented(found.orientations, found.pairs, 5)
    assert raw.max() + 1 >= (~indexed).sum()
    orientations = filled(found)
    labels = segmented(orientations, found.pairs, 5)
    assert np.bincount(labels).min() >= 1 and labels.max() + 1 < 160
    agree = disorientations(
        np.concatenate([orientations, truth[2][grain]]),
        np.stack([np.arange(len(grain)), len(grain) + np.arange(len(grain))], axis=1),
    ) < 1e-2
    assert agree[indexed].all() and 0.5 < agree[~indexed].mean() < 1


def test_mean_orientation_under_symmetry():
    """Points of one grain, each stored as another of its 24 equivalents, scattered by a degree."""
    random = np.random.default_rng(0)
    base = Rotation.from_quat(random_quaternions(2)[:, [1, 2, 3, 0]])
    labels = np.repeat([0, 1], 200)
    symmetry = Rotation.create_group("O")[random.integers(0, 24, 400)]
    scatter = Rotation.from_rotvec(random.normal(0, np.radians(1), (400, 3)))
    points = (symmetry * scatter * base[labels]).as_quat()[:, [3, 0, 1, 2]]
    means = mean_orientations(points, labels)
    both = np.concatenate([means, base.as_quat()[:, [3, 0, 1, 2]]])
    assert (disorientations(both, np.array([[0, 2], [1, 3]])) < 0.4).all()


def test_figures_of_a_chequerboard(tmp_path):
    """Squares of 4 x 4 points: intercepts of 4 steps, diameters of circles of 16 points."""
    points = square(24, 16, STEP)
    cell = (points // (4 * STEP)).astype(int)
    grain = (cell[:, 0] + 6 * cell[:, 1]) % 24
    path = write_ang(tmp_path / "map.ang", points, random_quaternions(24)[grain], np.ones(384))
    found = read_map(path)
    told = figures(found, segmented(found.orientations, found.pairs, 5))
    assert told["components"] == told["grains"] == 24
    assert told["diameter"] == pytest.approx(4 * STEP * 1e-6 * np.sqrt(4 / np.pi))
    assert told["intercept_x"] == told["intercept_y"] == pytest.approx(4 * STEP * 1e-6)


def test_hexagonal_grids(tmp_path):
    points = hexagonal(60, 50, STEP)
    grain, orientations = polycrystal(points, 20)
    signal = np.ones(len(points))
    path = write_ang(tmp_path / "map.ang", points, orientations[grain], signal, hexagons=True)
    found = read_map(path)
    assert found.point_area == pytest.approx(STEP**2 * 0.75**0.5 * 1e-12, rel=1e-4)
    labels = segmented(found.orientations, found.pairs, 5)
    told = figures(found, labels)
    assert 15 <= told["components"] <= 24 and told["intercept_y"] is None
    picture = raster(found.points, labels, found.step, 6e-6)
    assert picture.shape == (int(49 * 0.75**0.5 * 5 + 5) // 6, 60 * 5 // 6)


@pytest.mark.parametrize("build", ["x", "-x", "y", "-y"])
@pytest.mark.parametrize("section", ["cross", "longitudinal"])
def test_axes_of_the_part_are_right_handed(build, section):
    """And to the right of the picture, up, and towards the viewer are right-handed as well."""
    axes = axes_of(build, section)
    assert np.linalg.det(axes) == pytest.approx(1)
    right = axes[1 if section == "cross" else 0]
    np.testing.assert_allclose(np.cross(right, axes[2]), [0, 0, -1], atol=1e-15)


def test_the_build_direction_points_up(tmp_path):
    """A line of points along x, the build direction, becomes a column that grows upwards; crystals
    whose <001> is along x become red, whichever way they are turned about it."""
    points = square(8, 4, STEP)
    about_x = Rotation.from_euler("x", np.linspace(5, 80, 32)[:, None], degrees=True).inv()
    quaternions = about_x.as_quat()[:, [3, 0, 1, 2]]
    found = read_map(write_ang(tmp_path / "map.ang", points, quaternions, np.ones(32)))
    turned = upright(found, "x", "cross")
    np.testing.assert_allclose(turned.points[:2], [[0, 35e-6], [0, 30e-6]], atol=1e-11)
    np.testing.assert_allclose(turned.points[8], [5e-6, 35e-6], atol=1e-11)
    np.testing.assert_allclose(ipf(turned.orientations), [[255, 0, 0]] * 32, atol=1)
    assert len(np.unique(ipf(upright(found, "y", "cross").orientations), axis=0)) > 10


def test_no_grain_is_on_both_sides_of_the_line():
    """Stripes of 30 columns: the line at 50 cuts the second, the windows keep off it."""
    picture = np.broadcast_to(np.arange(200) // 30, (70, 200))
    image = IMAGES["default"]
    assert cut_grains(picture, [50]).tolist() == [1] and len(cut_grains(picture, [60])) == 0
    assert cut_grains(picture, [50, 100]).tolist() == [1, 3]
    with pytest.raises(UserError, match="no window of 0.0002 m for train, without grains that a"):
        windows(picture, image, 1e-5, parts_of(50 / 200, 0))
    found, cut = windows(picture, image, 3.125e-6, parts_of(100 / 200, 0))
    assert cut == 1 and found.part.max() == 1
    left, right = (set(found.labels[found.part == part].ravel()) for part in (0, 1))
    assert left == {0, 1, 2} and right == {4, 5, 6} and 3 not in left | right
    whole, cut = windows(picture, image, 3.125e-6, parts_of(None, 0))
    assert cut == 0 and len(whole.labels) == (70 - 64 + 1) * (200 - 64 + 1)
    assert parts_of(0.5, 0.25) == {"train": 0.25, "validation": 0.5, "held_out": 1}
    assert parts_of(None, 0.25) == {"train": 0.75, "validation": 1}


def test_a_map_becomes_a_crops_file(tmp_path):
    points = square(220, 90, 2.5)
    grain, orientations = polycrystal(points, 900)
    path = write_ang(tmp_path / "map.ang", points, orientations[grain], np.ones(len(points)))
    told = fulfil(path, Choices(build="-y"), tmp_path / "crops.h5", tmp_path / "sheet.png")
    crops = read(tmp_path / "crops.h5")
    assert len(crops) == told["crops"] == sum(told["windows"].values())
    assert set(crops.columns["split"]) == {"train", "held_out"}
    held = crops.columns["split"] == "held_out"
    assert not set(crops.grains[held].ravel()) & set(crops.grains[~held].ravel())
    assert np.isnan(crops.columns["power"]).all() and crops.columns["domain"][0] == "ebsd"
    assert json.loads(crops.job)["build"] == "-y"
    assert (tmp_path / "sheet.png").exists()
    # the first window begins in the corner of the map: its pixels are those of the points there
    first = crops.orientations[crops.grains[0]][:2, :2]
    pixels = (np.arange(2) + 0.5) * 3.125
    near = np.floor(pixels / 2.5).astype(int)
    turn = Rotation.from_matrix(axes_of("-y", "cross").T)
    stored = Rotation.from_quat(orientations[grain].reshape(90, 220, 4)[:, :, [1, 2, 3, 0]][
        near[0], near[0]])
    pair = np.stack([first[0, 0], (stored * turn).as_quat()[[3, 0, 1, 2]]])
    assert disorientations(pair, np.array([[0, 1]]))[0] < 0.01


def test_a_map_can_be_trained_with(tmp_path):
    """A strip of it validates; it is one specimen, and no grain is in two parts."""
    points = square(420, 90, 2.5)
    grain, orientations = polycrystal(points, 1700)
    path = write_ang(tmp_path / "map.ang", points, orientations[grain], np.ones(len(points)))
    choices = Choices(build="-y", split=0.66, validation=0.33, case=3)
    told = fulfil(path, choices, tmp_path / "crops.h5")
    assert list(told["windows"]) == ["train", "validation", "held_out"]
    crops = CropSet([tmp_path / "crops.h5"])
    found = {name: len(part) for name, part in parts(crops).items()}
    assert found["train"] == told["windows"]["train"] > 0 < found["validation"]
    assert found["held_out_run"] > 0 == found["held_out_case"]
    assert set(crops.columns["case"]) == {3} and set(crops.columns["seed"]) == {-1}
    seen = [set(crops.grains(np.flatnonzero(crops.columns["run"] == run)).ravel())
            for run in (1, 2, 3)]
    assert not seen[0] & seen[1] and not seen[1] & seen[2]


def test_wrong_maps_are_refused(truth, map_file, tmp_path):
    points, grain, orientations, indexed = truth
    text = map_file.read_text()
    short = tmp_path / "short.ang"
    short.write_text(text[:len(text) // 2])
    other = write_ang(tmp_path / "hexagonal.ang", points, orientations[grain], indexed, "6/mmm")
    line = write_ang(tmp_path / "line.ang", points[:90], orientations[grain[:90]], indexed[:90])
    (tmp_path / "map.txt").write_text("nothing")
    for path, words in {
        short: "is cut short or damaged|cannot be read by orix",
        other: "has the point group .*, but it must be cubic, of the Laue group m-3m",
        line: "is a line of points",
        tmp_path / "none.ang": "does not exist",
        tmp_path / "map.txt": "cannot be read by orix",
    }.items():
        with pytest.raises(UserError, match=words) as problem:
            read_map(path)
        assert "\n" not in str(problem.value)
    with pytest.raises(UserError, match="has no property signal, but iq, ci, detector_signal"):
        read_map(map_file, "signal")


@pytest.mark.parametrize("changes, words", [
    ({"build": "z"}, "--build z must be one of x, -x, y, -y"),
    ({"section": "oblique"}, "--section = oblique, but it must be cross or longitudinal"),
    ({"tolerance": 0.0}, "--tolerance = 0 degrees, but it must be between 0 and 60"),
    ({"split": 1.5}, "--split = 1.5, but it must be between 0 and 1"),
    ({"image": "paper"}, "nothing is enlarged"),
    ({}, "no window of 0.0002 m for train"),
])
def test_wrong_choices_are_refused(map_file, changes, words):
    with pytest.raises(UserError, match=words):
        import_map(map_file, Choices(**{"build": "y", "split": 0.5} | changes))


@pytest.mark.skipif("MAP" not in os.environ, reason="MAP=PATH names the map of Kanapy, 316L")
def test_figures_of_a_real_map():
    """ebsd_316L_am.ang, 169 x 169 points of 2.961 um."""
    found = read_map(Path(os.environ["MAP"]), "detector_signal")
    assert (~found.indexed).sum() == 2151
    told = {angle: figures(found, segmented(found.orientations, found.pairs, angle))
            for angle in (5, 15)}
    assert told[5]["components"] == 1372 and told[5]["grains"] == 289
    assert told[15]["grains"] == 207
    measured = [told[5]["diameter"], told[5]["diameter_by_area"], told[15]["diameter"],
                told[5]["intercept_x"], told[5]["intercept_y"]]
    np.testing.assert_allclose(np.array(measured) * 1e6, [21.8, 91, 23.9, 21.2, 14.4], rtol=6e-3)
