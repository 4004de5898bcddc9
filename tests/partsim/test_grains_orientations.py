"""Orientations: the paper's table, random ones, their colours by orix."""

import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from partsim.grains.chance import uniforms
from partsim.grains.orientations import (
    from_bunge, matrices, paper_angles, paper_choice, quaternions, random_quaternions,
)

# Table 1 of Xie et al., Engineering with Computers 42, 63 (2026): degrees
TABLE = """288.268 99.552774 355.989992  348.574 63.854704 269.339636  112.833 178.774464 100.959837
249.236 113.286860 284.140558  315.500 134.949901 37.161362  322.058 144.619293 161.241669
30.616 128.864441 327.094381  14.060 107.991659 105.701093  61.139 101.915275 103.599122
316.131 85.547450 46.810286  35.405 99.300415 6.972105  151.599 68.257306 244.380792
344.840 126.234787 76.186122  191.939503 40.866612 95.596797  249.075761 160.948369 176.966337
113.585627 70.066149 19.210516  247.140334 99.519914 206.682338  300.465242 83.259101 52.822287
6.583780 135.990624 212.149993  270.051953 127.142326 251.913010"""


def test_twenty_orientations_of_the_paper():
    table = np.array(TABLE.split(), float).reshape(20, 3)
    np.testing.assert_allclose(np.degrees(paper_angles()), table, atol=6e-4)


def test_quaternions_turn_sample_into_crystal():
    """scipy's intrinsic z-x-z rotation of the crystal axes, inverted."""
    angles = paper_angles()
    found = matrices(from_bunge(angles))
    expected = Rotation.from_euler("ZXZ", angles).as_matrix().swapaxes(1, 2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_colours_are_those_of_the_paper():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries that orix imports
        from partsim.grains.colours import ipf_colours

        colours = ipf_colours(from_bunge(paper_angles())[:3])
    expected = [[1, 0.32491, 0.30678], [0.98691, 1, 0.04769], [1, 0.03562, 0.01799]]
    np.testing.assert_allclose(colours, expected, atol=1e-4)


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
    table = from_bunge(paper_angles())
    np.testing.assert_array_equal(quaternions("paper", 2, labels), table[chosen])
    np.testing.assert_array_equal(quaternions("paper merged", 2, chosen), table[chosen])


def test_random_numbers_are_even_and_unrelated():
    values = np.array([uniforms(5, stream, np.arange(20000)) for stream in (0, 1)])
    counts = np.histogram(values, 20, (0, 1))[0]
    assert abs(counts - 2000).max() < 250
    assert abs(np.corrcoef(values)[0, 1]) < 0.03
    assert not np.array_equal(uniforms(6, 0, np.arange(9)), values[0, :9])
