"""Orientations as nine numbers: symmetry, distances, mirror, and back, against orix."""
import numpy as np
import pytest
from orix.quaternion import Orientation, Rotation, symmetry
from orix.vector import Vector3d
from scipy.special import sph_harm_y

from gensim.data import harmonics
from gensim.data.augment import Augmentation
from gensim.data.sets import CropSet
from gensim.sample.seen import seen
from partsim.errors import UserError
from tests.crops_files import ORIENTATIONS, crops_data, write_small
from tests.grain_files import random_quaternions

pytestmark = pytest.mark.serial
MANY = random_quaternions(500, np.random.default_rng(4))


def angles(one, other):
    """(n,) degrees between crystals, by orix."""
    pair = (Orientation(quaternions, symmetry.Oh) for quaternions in (one, other))
    return next(pair).angle_with(next(pair), degrees=True)


def test_they_are_the_harmonics_of_the_crystals_axes():
    """Against scipy's complex harmonics at the cube axes that orix finds in the sample."""
    axes = np.stack([(~Rotation(MANY) * Vector3d(axis)).data for axis in np.eye(3)])
    polar, azimuth = np.arccos(axes[..., 2]), np.arctan2(axes[..., 1], axes[..., 0])
    complex_ = np.stack([sph_harm_y(4, m, polar, azimuth).sum(axis=0) for m in range(5)], axis=1)
    sign = (-1.0) ** np.arange(1, 5)  # of Condon and Shortley, which scipy has
    real = np.concatenate([2**0.5 * (sign * complex_[:, 1:].imag)[:, ::-1], complex_[:, :1].real,
                           2**0.5 * sign * complex_[:, 1:].real], axis=1)
    found = harmonics.embedded(MANY)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-12)
    scale = np.linalg.norm(real, axis=1, keepdims=True)
    np.testing.assert_allclose(found, real / scale, atol=1e-12)


def test_equivalent_orientations_have_the_same_and_no_others():
    equivalent = Rotation(symmetry.O.data).outer(Rotation(MANY)).data
    found = harmonics.embedded(equivalent.reshape(-1, 4)).reshape(24, len(MANY), 9)
    np.testing.assert_allclose(found, np.broadcast_to(harmonics.embedded(MANY), found.shape),
                               atol=1e-12)
    one, other = MANY[:250], MANY[250:]
    apart = np.linalg.norm(harmonics.embedded(one) - harmonics.embedded(other), axis=1)
    assert apart[angles(one, other) > 5].min() > 0.2  # 5 degrees are 0.225


def test_all_small_turns_move_it_alike():
    chance = np.random.default_rng(5)
    axis = chance.standard_normal((len(MANY), 3))
    turn = Rotation.from_axes_angles(axis, 0.01).data
    turned = (Rotation(MANY) * Rotation(turn)).data
    moved = np.linalg.norm(harmonics.embedded(turned) - harmonics.embedded(MANY), axis=1)
    np.testing.assert_allclose(moved, 0.01 * (20 / 3) ** 0.5, rtol=2e-3)


@pytest.mark.parametrize("noise, most", [(0, 0.3), (0.05, 5)])
def test_orientations_come_back(noise, most):
    """Within 1 degree from grey levels alone, and as well as noise lets them."""
    values = harmonics.embedded(MANY)
    values += noise * np.random.default_rng(6).standard_normal(values.shape)
    back = harmonics.orientations(harmonics.pixels(values).reshape(20, 25, 9))
    assert back.shape == (20, 25, 4)
    away = angles(MANY, back.reshape(-1, 4))
    assert away.max() < most
    if noise:
        # the noise of three of the nine directions turns the crystal, by noise / sqrt(20/3) each
        expected = np.degrees(noise * (3 / (20 / 3)) ** 0.5)
        assert np.sqrt((away**2).mean()) == pytest.approx(expected, rel=0.1)


def test_mirror_image_is_that_of_mirrored_crystals():
    grains = np.arange(16).reshape(4, 4)
    image = harmonics.pixels(harmonics.embedded(MANY[:16]))[grains]
    # mirrored in y and inverted, which a cubic crystal does not notice: half a turn about y
    half = Rotation.from_axes_angles([0, 1, 0], np.pi)
    expected = (Rotation(MANY[:16]) * half).data
    found = harmonics.orientations(harmonics.mirrored(image))
    assert angles(found[:, ::-1].reshape(-1, 4), expected).max() < 0.4


def test_crops_are_drawn_as_orientations_and_seen_again(tmp_path):
    data = crops_data()
    crops = CropSet([write_small(tmp_path / "a.h5")], drawn="orientations")
    images = crops.images(np.array([5, 7]))
    assert images.shape == (2, 16, 16, 9) and images.dtype == np.uint8
    told = seen(images, "orientations")
    expected = ORIENTATIONS[data["grains"][[5, 7]]]
    got = told.orientations[told.grains]
    assert angles(got.reshape(-1, 4), expected.reshape(-1, 4)).max() < 1
    # grains of the file that touch differ by more than the tolerance of 10 degrees, or are one
    assert len(told.orientations) == told.grains.max() + 1
    assert set(told.grains[0].ravel()).isdisjoint(told.grains[1].ravel())
    assert told.images.shape == (2, 16, 16, 3)
    chance = np.random.default_rng(0)
    seen_plain = Augmentation(mirror=False).image(crops, 5, chance)
    np.testing.assert_array_equal(seen_plain, images[0])  # colours are never exchanged


def test_unknown_orientations_cannot_be_drawn(tmp_path):
    grains = crops_data()["grains"].copy()
    grains[3, 2, 1] = -1
    path = write_small(tmp_path / "a.h5", grains=grains)
    with pytest.raises(UserError, match="a.h5 has pixels without an orientation"):
        CropSet([path], drawn="orientations")
