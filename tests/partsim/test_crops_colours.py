"""Colours of orientations: Table 1 of Xie et al., nearest colours, grains that touch told apart."""
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from partsim.crops import palette
from partsim.crops.colours import draw
from partsim.crops.components import boundaries, components, touching
from partsim.crops.ipf import from_bunge, ipf
from tests.grain_files import random_quaternions, voronoi

pytestmark = pytest.mark.serial

# Xie et al., Engineering with Computers 42, 63 (2026), Table 1, as printed
TABLE_1 = """
288.268 99.552774 355.989992
348.574 63.854704 269.339636
112.833 178.774464 100.959837
249.236 113.286860 284.140558
315.500 134.949901 37.161362
322.058 144.619293 161.241669
30.616 128.864441 327.094381
14.060 107.991659 105.701093
61.139 101.915275 103.599122
316.131 85.547450 46.810286
35.405 99.300415 6.972105
151.599 68.257306 244.380792
344.840 126.234787 76.186122
191.939503 40.866612 95.596797
249.075761 160.948369 176.966337
113.585627 70.066149 19.210516
247.140334 99.519914 206.682338
300.465242 83.259101 52.822287
6.583780 135.990624 212.149993
270.051953 127.142326 251.913010
"""


def test_table_1_of_the_paper():
    printed = np.array([line.split() for line in TABLE_1.split("\n") if line], float)
    np.testing.assert_allclose(palette.table_1()[:13, 0], printed[:13, 0], atol=6e-4)
    np.testing.assert_allclose(palette.table_1()[13:, 0], printed[13:, 0], atol=1e-6)
    assert printed[6, 1] == 128.864441  # two of its digits are exchanged
    printed[6, 1] = 128.864414
    np.testing.assert_allclose(palette.table_1()[:, 1:], printed[:, 1:], rtol=0, atol=1e-6)


def test_colours_of_the_paper():
    """The first three of the list in the program of the authors, to a grey level."""
    stated = np.array([[1, 0.32491, 0.30678], [0.98691, 1, 0.04769], [1, 0.03562, 0.01799]])
    np.testing.assert_array_equal(palette.colours()[:3], np.rint(255 * stated))
    assert len(np.unique(palette.colours(), axis=0)) == 20


@pytest.mark.parametrize("angles, colour", [
    ((0, 0, 0), (255, 0, 0)), ((70, 0, 20), (255, 0, 0)), ((10, 45, 0), (0, 255, 0)),
    ((10, np.degrees(np.arccos(3**-0.5)), 45), (0, 0, 255)),
])
def test_corners_of_the_triangle_are_red_green_and_blue(angles, colour):
    """The build direction along <001>, <101> and <111>, whatever the turn about it."""
    np.testing.assert_allclose(ipf(from_bunge(np.array([angles]))), [colour], atol=2)


def test_quaternions_turn_the_sample_into_the_crystal():
    """Tilted by 45 degrees in the crystal after any turn about the build direction: green."""
    tilt = Rotation.from_euler("x", 45, degrees=True)
    turn = Rotation.from_euler("z", 10, degrees=True)
    right, wrong = (r.as_quat()[None, [3, 0, 1, 2]] for r in (tilt * turn, turn * tilt))
    np.testing.assert_allclose(ipf(right), [[0, 255, 0]], atol=2)
    assert ipf(wrong)[0, 2] > 20


def test_components_are_pieces_that_share_an_edge():
    labels = np.array([[1, 1, 0], [0, 0, 1], [1, 1, 1]])
    np.testing.assert_array_equal(components(labels), [[0, 0, 1], [2, 2, 3], [3, 3, 3]])
    np.testing.assert_array_equal(touching(components(labels)), [[0, 1], [0, 2], [1, 3], [2, 3]])
    np.testing.assert_array_equal(
        boundaries(labels), [[True, True, True], [True, True, False], [False, False, False]]
    )


@pytest.mark.parametrize("seed", range(3))
def test_pieces_that_touch_never_share_a_colour(seed):
    labels = voronoi((64, 64), 150, seed)
    numbers = palette.recolour(labels, ipf(random_quaternions(150, seed)))
    pieces = components(labels)
    colour = np.zeros(pieces.max() + 1, int)
    colour[pieces.ravel()] = numbers.ravel()
    pairs = touching(pieces)
    assert (colour[pairs[:, 0]] != colour[pairs[:, 1]]).all()
    assert palette.merged_share(labels, numbers) == 0


def test_plain_colouring_merges_some():
    """With c pieces at random among 20 colours that are not equally frequent, more than 1/20."""
    shares = []
    for seed in range(4):
        labels = voronoi((64, 64), 150, seed)
        wanted = ipf(random_quaternions(150, seed))
        shares.append(palette.merged_share(labels, palette.plain(labels, wanted)))
    assert 0.05 < np.mean(shares) < 0.3


def test_most_grains_keep_their_nearest_colour():
    labels = voronoi((64, 64), 150)
    wanted = ipf(random_quaternions(150))
    same = palette.recolour(labels, wanted) == palette.plain(labels, wanted)
    assert 0.6 < same.mean() < 1


def test_a_star_of_many_neighbours_is_coloured():
    """A grain with 30 neighbours has more of them than there are colours."""
    labels = np.zeros((3, 61), int)
    labels[1] = 31
    labels[0] = np.repeat(np.arange(31), 2)[:61]
    wanted = np.zeros((32, 3), np.uint8)
    assert palette.merged_share(labels, palette.recolour(labels, wanted)) == 0


def test_images_have_the_colours_of_their_grains():
    orientations = random_quaternions(9)
    grains = np.stack([voronoi((8, 8), 9, seed) for seed in (1, 2)])
    images = draw(grains, orientations)
    assert images.shape == (2, 8, 8, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[1, 2, 3], ipf(orientations)[grains[1, 2, 3]])
    shown = draw(grains, orientations, "palette").reshape(-1, 3)
    assert {tuple(c) for c in shown.tolist()} <= {tuple(c) for c in palette.colours().tolist()}
