"""Grain measures on images whose answer is known: Voronoi cells, stripes, ellipses, noise."""
import numpy as np
import pytest
from scipy.spatial import cKDTree

from gensim.evaluate import channel
from gensim.evaluate.growth import (
    from_horizontal,
    from_vertical,
    melted_depth,
    strip_tensor,
    vertical_lengths,
    whole_tensor,
)
from gensim.evaluate.measure import measured, segments, shapes
from gensim.evaluate.pieces import cleaned, pieces_of
from partsim.crops import palette
from partsim.crops.components import components

pytestmark = pytest.mark.serial
SIDE = 600


def centres(side=SIDE):
    y, x = np.indices((side, side))
    return np.stack([x.ravel(), y.ravel()], axis=1) + 0.5


@pytest.fixture(scope="module")
def voronoi():
    """(SIDE, SIDE) cells of 900 Poisson points."""
    seeds = np.random.default_rng(3).uniform(0, SIDE, (900, 2))
    return cKDTree(seeds).query(centres())[1].reshape(SIDE, SIDE)


def stripes(degrees, side=64, width=5.3):
    """Stripes `degrees` from the vertical, positive to the right."""
    turn = np.radians(degrees)
    x, down = centres(side).T
    across = x * np.cos(turn) + down * np.sin(turn)
    return np.floor(across / width).astype(int).reshape(side, side)


def ellipse(ratio, degrees, side=200, short=15.0):
    """1 inside an ellipse whose long axis is `degrees` from the vertical, 0 outside."""
    turn = np.radians(degrees)
    x, down = (centres(side) - side / 2).T
    along, across = x * np.sin(turn) - down * np.cos(turn), x * np.cos(turn) + down * np.sin(turn)
    return ((along / (ratio * short)) ** 2 + (across / short) ** 2 < 1).reshape(side, side) * 1


def test_areas_of_voronoi_cells_are_their_pixels(voronoi):
    found = shapes(pieces_of(voronoi))[0]
    assert found.sum() == SIDE**2 and len(found) >= 900  # some tips are pieces of their own
    expected = np.bincount(voronoi.ravel())
    np.testing.assert_array_equal(shapes(voronoi)[0], expected)


def test_segments_of_voronoi_cells_are_those_of_stereology(voronoi):
    """The mean chord of the Poisson-Voronoi tessellation of density n is pi / (4 sqrt n)."""
    expected = np.pi / 4 / np.sqrt(900 / SIDE**2)
    assert segments(voronoi).mean() == pytest.approx(expected, rel=0.04)
    assert segments(voronoi.T).mean() == pytest.approx(expected, rel=0.04)


def test_segments_end_at_boundaries_on_both_sides():
    labels = np.array([[1, 1, 2, 2, 2, 1, 3, 3]])
    np.testing.assert_array_equal(segments(labels), [3, 1])
    assert len(segments(np.ones((4, 4), int))) == 0


@pytest.mark.parametrize("ratio", [1.0, 2.0, 3.5, 6.0])
@pytest.mark.parametrize("degrees", [0, 30, 75])
def test_aspect_of_ellipses(ratio, degrees):
    assert shapes(ellipse(ratio, degrees))[1][1] == pytest.approx(ratio, rel=0.01)


def test_aspect_of_a_line_of_pixels_is_finite():
    """n pixels in a line: (n^2 - 1) / 12 + 1 / 12 along, 1 / 12 across: the ratio is n."""
    labels = np.zeros((5, 20), int)
    labels[2, 4:13] = 1
    assert shapes(labels)[1][1] == pytest.approx(9)


@pytest.mark.parametrize("degrees", [-80, -45, -10, 0, 20, 45, 60, 85])
def test_direction_of_stripes(degrees):
    tensor = whole_tensor(stripes(degrees, 128), 1.0)
    assert from_vertical(tensor) == pytest.approx(degrees, abs=0.7)
    assert from_horizontal(tensor) == pytest.approx(90 - degrees, abs=0.7)


def test_direction_of_an_ellipse():
    assert from_vertical(whole_tensor(ellipse(4.0, 35.0), 1.0)) == pytest.approx(35, abs=0.7)


def test_grains_that_lean_towards_the_centre_are_positive():
    left, right = stripes(30, 64), stripes(30, 64)[:, ::-1]
    labels = np.concatenate([left[:, :32], right[:, 32:]], axis=1)
    assert from_vertical(strip_tensor(labels, 3.125e-6)) == pytest.approx(30, abs=1.5)
    assert from_vertical(strip_tensor(labels[:, ::-1], 3.125e-6)) == pytest.approx(30, abs=1.5)
    outwards = np.concatenate([right[:, :32], left[:, 32:]], axis=1)
    assert from_vertical(strip_tensor(outwards, 3.125e-6)) == pytest.approx(-30, abs=1.5)


def test_an_image_of_one_grain_has_no_direction():
    assert np.isnan(from_vertical(whole_tensor(np.ones((16, 16), int), 1.0)))


def test_depth_is_where_vertical_segments_jump():
    labels = np.empty((64, 60), int)
    labels[:40] = np.arange(60) // 4
    labels[40:] = np.arange(24)[:, None] // 4 * 20 + np.arange(60) // 4 + 100
    assert melted_depth(labels) == 40
    np.testing.assert_array_equal(vertical_lengths(labels)[[0, 39, 40, 63], 7], [40, 40, 4, 4])


def test_small_pieces_go_to_the_longest_boundary():
    labels = np.zeros((8, 8), int)
    labels[:, 4:] = 1
    labels[3, 4] = 2  # touches 0 with one edge and 1 with three
    labels[0, 2:4] = 3  # one pixel high: touches 0 with three edges and 1 with one
    clean, share = cleaned(labels, 3e-6)
    expected = np.zeros((8, 8), int)
    expected[:, 4:] = 1
    np.testing.assert_array_equal(clean, expected)
    assert share == 3 / 64


def test_small_pieces_among_small_ones_vanish():
    """A checkerboard of single pixels inside a grain, and one all over."""
    board = np.indices((6, 6)).sum(axis=0) % 2 + 1
    labels = np.zeros((12, 12), int)
    labels[3:9, 3:9] = board
    clean, share = cleaned(labels, 3e-6)
    assert (clean == 0).all() and share == 36 / 144
    np.testing.assert_array_equal(cleaned(board, 3e-6)[0], board)


def test_nothing_is_removed_from_large_grains(voronoi):
    clean, share = cleaned(voronoi // 100, 4e-6)
    assert share == 0
    np.testing.assert_array_equal(clean, voronoi // 100)


def test_measures_do_not_depend_on_colours(voronoi):
    colours = palette.recolour(voronoi[:100, :100], palette.colours()[np.arange(900) % 20])
    order = np.random.default_rng(5).permutation(palette.COUNT)
    images = np.stack([channel.drawn(colours), channel.drawn(order[colours])])
    numbers, unreadable = channel.read(images)
    np.testing.assert_array_equal(numbers[1], order[colours])
    assert (unreadable == 0).all()
    found = measured(numbers, 2e-6, "cross")
    for values in found.values.values():
        np.testing.assert_allclose(np.sort(values[0]), np.sort(values[1]))
    np.testing.assert_allclose(found.tensor[0], found.tensor[1])


def test_unreadable_pixels_are_counted_and_take_the_nearest_colour():
    numbers = np.zeros((1, 10, 10), int)
    numbers[0, :, 5:] = 7
    images = channel.drawn(numbers)
    images[0, 2, 1] = images[0, 7, 8] = 128  # grey
    noise = np.random.default_rng(2).integers(-5, 6, images.shape)
    noisy = np.clip(images.astype(int) + noise, 0, 255).astype(np.uint8)
    found, share = channel.read(noisy)
    np.testing.assert_array_equal(found, numbers)
    assert share == [2 / 100]


def test_outlined_images_know_boundaries_alone(voronoi):
    """Whichever colours showed the pieces, and however many; pieces that touch differ."""
    pieces = components(voronoi[:60, :60])
    chance = np.random.default_rng(5)
    images = [pieces % 2 + 2 * chance.permutation(pieces.max() + 1)[pieces]]  # all different
    images.append(palette.recolour(pieces, palette.colours()[chance.integers(20, size=900)]))
    found = channel.outlined(np.stack(images))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(components(found[0] @ [1, 2, 4]), pieces)
