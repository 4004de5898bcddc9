"""Orientations of grains: the paper's table and random ones."""

import numpy as np
from scipy.spatial.transform import Rotation

from partsim.crops import palette
from partsim.grains.chance import uniforms
from partsim.grains.orientations import (
    matrices, paper_choice, quaternions, random_quaternions,
)


def test_quaternions_turn_sample_into_crystal():
    """scipy's intrinsic z-x-z rotation of the crystal axes, inverted."""
    angles = np.radians(palette.table_1())
    found = matrices(palette.quaternions())
    expected = Rotation.from_euler("ZXZ", angles).as_matrix().swapaxes(1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_random_orientations_are_uniform_and_belong_to_labels():
    """No direction is preferred: the mean of a direction, and of its square."""
    turns = matrices(random_quaternions(1, np.arange(20000)))
    np.testing.assert_allclose(turns.mean(axis=0), 0, atol=0.02)
    np.testing.assert_allclose((turns**2).mean(axis=0), 1 / 3, atol=0.02)
    again = matrices(random_quaternions(1, np.array([77, 5])))
    np.testing.assert_array_equal(again, turns[[77, 5]])


def test_one_of_twenty_each():
    labels = np.arange(4000)
    chosen = paper_choice(2, labels)
    assert np.bincount(chosen, minlength=20).min() > 130
    table = palette.quaternions()
    np.testing.assert_array_equal(quaternions("paper", 2, labels), table[chosen])
    np.testing.assert_array_equal(quaternions("paper merged", 2, chosen), table[chosen])


def test_random_numbers_are_even_and_unrelated():
    values = np.array([uniforms(5, stream, np.arange(20000)) for stream in (0, 1)])
    counts = np.histogram(values, 20, (0, 1))[0]
    assert abs(counts - 2000).max() < 250
    assert abs(np.corrcoef(values)[0, 1]) < 0.03
    assert not np.array_equal(uniforms(6, 0, np.arange(9)), values[0, :9])
