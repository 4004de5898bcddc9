"""Sizes of a pool between the cells, and the frames of its file."""

import numpy as np
import pytest

from partsim.meltpool.frames import Frames
from partsim.meltpool.shape import pool_size, second_half, steady_from

pytestmark = pytest.mark.serial


def ellipsoid(h):
    """Temperature that is 1700 K on an ellipsoid 100 um wide, 70 um deep and 240 um long."""
    z = h * (np.arange(round(1.2e-4 / h)) + 0.5) - 1.2e-4
    y, x = h * (np.arange(round(8e-5 / h)) + 0.5), h * np.arange(round(3e-4 / h)) - 1.6e-4
    r = np.sqrt((z[:, None, None] / 7e-5)**2 + (y[:, None] / 5e-5)**2 + (x / 1.2e-4)**2)
    return 2700.0 - 1000.0 * r


@pytest.mark.parametrize("h, tolerance", [(4e-6, 1e-3), (8e-6, 5e-3)])
def test_size_of_an_ellipsoid(h, tolerance):
    """The cell nearest to the axes is half a cell away from them."""
    assert pool_size(ellipsoid(h), 1700.0, h) == pytest.approx(
        [1e-4, 7e-5, 2.4e-4], rel=2 * tolerance)


def test_nothing_is_molten():
    assert not pool_size(ellipsoid(4e-6), 5000.0, 4e-6).any()


def test_steady_part():
    times = np.linspace(0.0, 1.0, 11)
    sizes = np.outer(np.minimum(times / 0.3, 1.0), [1.0, 2.0, 3.0])
    assert second_half(times, sizes) == pytest.approx([1, 2, 3])
    assert steady_from(times, sizes) == pytest.approx(0.3)
    assert steady_from(times, np.outer(times, [1.0, 1.0, 1.0])) is None


def test_frames_have_one_shape_and_both_halves():
    """Boxes of y >= 0 of two sizes: mirrored, filled with their nearest values, in their places."""
    small = np.arange(2 * 1 * 3, dtype=np.float32).reshape(2, 1, 3)
    large = 10 + np.arange(3 * 2 * 2, dtype=np.float32).reshape(3, 2, 2)
    frames = Frames([0.0, 1.0], [5, 7], [small, large], [np.zeros(3)] * 2)
    assert frames.shape() == (3, 2, 3)
    assert frames.corners().tolist() == [[5, -2, -3], [7, -2, -3]]
    first, second = frames.filled(0), frames.filled(1)
    assert np.array_equal(first, first[:, ::-1]) and np.array_equal(second, second[:, ::-1])
    assert np.array_equal(first[:, 2:3], small[[0, 0, 1]])
    assert np.array_equal(second[:, 2:, :2], large)
    assert np.array_equal(second[..., 2], second[..., 1])


def test_melted_cells_count_once():
    hot = np.full((1, 1, 3), 2000.0)
    frames = Frames([0.0, 1.0], [5, 6], [hot, hot], [np.zeros(3)] * 2)
    assert frames.melted(1723.0) == 8
    assert frames.melted(2000.0) == 0
