"""Grains drawn in the corners of the RGB cube, and read from them."""
import numpy as np
import pytest

from gensim.chance import Purpose, generator
from gensim.data import corners
from gensim.data.augment import Augmentation
from gensim.data.sets import CropSet
from gensim.evaluate import channel
from gensim.sample.seen import seen
from partsim.crops import palette
from partsim.crops.components import components
from partsim.crops.ipf import ipf
from partsim.errors import UserError
from tests.crops_files import crops_data, write_small
from tests.grain_files import random_quaternions

pytestmark = pytest.mark.serial

DATA = crops_data()


@pytest.fixture(scope="module")
def voronoi():
    """(90, 90) the nearest of 300 random points, (300, 3) colours that the grains should have."""
    chance = np.random.default_rng(3)
    points = chance.uniform(0, 90, (300, 2))
    places = np.stack(np.indices((90, 90)), axis=-1)[:, :, None]
    labels = ((places - points) ** 2).sum(axis=-1).argmin(axis=-1)
    return labels, ipf(random_quaternions(300, 1))


def test_grains_are_read_from_corners_through_grey_and_noise(voronoi):
    """The same pieces, with 30 % of grey mixed in and noise of 12 levels; no two merge."""
    numbers = corners.numbers(*voronoi)
    image = corners.drawn(numbers)
    assert set(np.unique(image)) == {0, 255}
    np.testing.assert_array_equal(components(numbers), components(voronoi[0]))
    noise = 12 * np.random.default_rng(4).standard_normal(image.shape)
    worn = np.clip(0.7 * image + 0.3 * 128 + noise, 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(corners.read(worn), numbers)


def test_a_pixel_between_corners_is_not_read():
    """127.5 levels from a corner, half of what parts two, in one channel or in all together."""
    colours = [(0, 0, 0), (127, 0, 0), (128, 255, 255), (73, 73, 73), (74, 74, 74), (128, 90, 0),
               (255, 180, 255)]
    found = corners.read(np.array([colours], np.uint8))[0]
    assert found.tolist() == [0, 0, 7, 0, -1, -1, 7]


def test_what_is_shown_is_read_again(voronoi):
    """Corners in eight of the 20 colours, through the channel; what is grey is unreadable, and
    takes the nearest grain: a line of grey through a grain does not part it, one between two does
    not join them."""
    numbers = corners.numbers(*voronoi)
    across = numbers.copy()
    across[:, 44:46] = corners.NONE
    images = corners.shown(np.stack([numbers, across]))
    found, unreadable = channel.read(images)
    assert unreadable.tolist() == [0, 2 / 90]
    np.testing.assert_array_equal(components(found[0]), components(numbers))
    filled = numbers.copy()
    filled[:, 44:46] = numbers[:, [43, 46]]
    np.testing.assert_array_equal(components(found[1]), components(filled))


def test_samples_in_corners_are_written_as_they_are_read(voronoi):
    image = corners.drawn(corners.numbers(*voronoi))
    told = seen(image[None], "corners")
    np.testing.assert_array_equal(told.images[0], corners.shown(corners.read(image)))
    assert (told.grains == -1).all() and len(told.orientations) == 0
    np.testing.assert_array_equal(seen(image[None], "stored").images[0], image)


def test_crops_in_corners(tmp_path):
    """Exchanged in training; a pixel without a grain is grey and stays so."""
    grains = DATA["grains"].copy()
    grains[3, :2, :3] = -1
    path = write_small(tmp_path / "a.h5", grains=grains, orientations=random_quaternions(6, 1))
    crops = CropSet([path], drawn="corners")
    image, numbers = crops.images(np.array([3]))[0], crops.numbers(3)
    assert (image[:2, :3] == 128).all() and (numbers[:2, :3] == -1).all()
    pieces, seen = components(numbers), []
    for seed in range(4):
        other = Augmentation(mirror=False).image(crops, 3, generator(seed, 0, Purpose.TRAINING))
        assert (other[:2, :3] == 128).all()
        np.testing.assert_array_equal(components(corners.read(other)), pieces)
        seen.append(other)
    assert (seen[0] != seen[1]).any()


def test_crops_without_grains_cannot_be_drawn_in_corners(tmp_path):
    path = write_small(tmp_path / "a.h5", grains=np.full_like(DATA["grains"], -1))
    with pytest.raises(UserError, match="a model may be trained with drawn=stored"):
        CropSet([path], drawn="corners")


def test_six_colours_are_enough(voronoi):
    """Planar maps whose pieces are coloured smallest last need no more."""
    some = corners.COLOURS[:6]
    numbers = palette.recolour(*voronoi, some)
    np.testing.assert_array_equal(components(numbers), components(voronoi[0]))
    assert numbers.max() < 6
