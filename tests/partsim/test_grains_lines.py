"""Vectors of 16 and 8 cells beside plain Python, and lines that are kept or zero beside NumPy."""

import numpy as np
import pytest
from numba import njit

from partsim.grains import lines, vectors
from partsim.prefetch import fetch

pytestmark = pytest.mark.serial


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("plain", [
    vectors.copy_row, vectors.copy_line, vectors.west_line, vectors.east_line,
    vectors.square_line,
])
def test_compiled_vectors_do_what_plain_python_does(plain, dtype):
    @njit
    def compiled(target, at, source, start):
        plain(target, at, source, start)

    rng = np.random.default_rng(5)
    source, expected = rng.standard_normal((2, 50)).astype(dtype)
    found = expected.copy()
    plain(expected, 7, source, 13)
    compiled(found, 7, source, 13)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_zero_is_cleared_and_found(dtype):
    @njit
    def cleared(values, at):
        vectors.clear_line(values, at)
        fetch(values, at)

    @njit
    def occupied(values, at):
        return vectors.occupied(values, at)

    values = np.ones(40, dtype)
    cleared(values, 5)
    np.testing.assert_array_equal(np.flatnonzero(values == 0), np.arange(5, 21))
    for at in range(25):
        assert occupied(values, at) == vectors.occupied(values, at) == (at != 5)
    values[20] = 1e-40  # denormal in single precision
    assert occupied(values, 5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lines_that_are_zero_are_neither_written_nor_read(dtype):
    rng = np.random.default_rng(3)
    values = np.where(rng.random((32, 1)) < 0.4, rng.random((32, 16)), 0)
    values[:, 1:] *= rng.random((32, 15)) < 0.1
    values = values.ravel().astype(dtype)
    cells = np.full(512, 7, dtype)
    kept = lines.keep(values, cells)
    some = values.reshape(32, 16).any(axis=1)
    assert [kept >> n & 1 for n in range(32)] == some.tolist() and 0 < some.sum() < 32
    np.testing.assert_array_equal(cells[np.repeat(~some, 16)], 7)
    out, sums = np.full(512, 5, dtype), np.ones(512, dtype)
    lines.spread(kept, cells, out)
    np.testing.assert_array_equal(out, values)
    lines.add_squares(kept, cells, sums)
    np.testing.assert_array_equal(sums, 1 + values * values)


def test_the_lowest_line_of_a_set():
    @njit
    def lowest(kept):
        return lines.lowest(kept)

    for kept in (1, 6, 1 << 31, lines.ALL, 1 << 20 | 1 << 30):
        assert lowest(kept) == lines.lowest(kept) == f"{kept:b}"[::-1].index("1")
