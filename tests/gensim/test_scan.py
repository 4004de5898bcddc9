"""gensim ebsd: simulated crops with the errors of a scan, on the way of a measured map."""
import numpy as np
import pytest

from gensim.maps.scan import Scan, fulfil, scanned
from partsim.crops.colours import draw
from partsim.crops.components import components
from partsim.crops.cropfile import COUNTS, NUMBERS, Crops, read, write
from partsim.errors import UserError
from tests.grain_files import random_quaternions

pytestmark = pytest.mark.serial
SIDE, COUNT = 32, 5


@pytest.fixture(scope="module")
def crops():
    """Squares of 8 x 8 pixels, each an orientation of its own."""
    square = np.arange(16).reshape(4, 4).repeat(8, 0).repeat(8, 1)
    grains = np.stack([square + 16 * n for n in range(COUNT)]).astype(np.int32)
    orientations = random_quaternions(16 * COUNT, 5)
    columns = {name: np.full(COUNT, 100.0) for name in NUMBERS}
    columns |= {name: np.ones(COUNT, np.int64) for name in COUNTS}
    columns |= {"position": 8e-6 * np.arange(COUNT), "domain": np.full(COUNT, "simulation"),
                "split": np.full(COUNT, "train")}
    return Crops("cross", 3e-6, "ipf", "job", grains, orientations,
                 draw(grains, orientations, "ipf"), columns)


def test_a_scan_without_errors_changes_nothing(crops):
    seen, told = scanned(crops, Scan(not_indexed=0.0, spread=0.0))
    np.testing.assert_array_equal(seen.images, crops.images)
    for grain, before in zip(seen.grains, crops.grains):
        np.testing.assert_array_equal(components(grain), components(before))
    likeness = np.abs((seen.orientations[seen.grains] * crops.orientations[crops.grains]).sum(-1))
    assert likeness.min() > np.cos(np.radians(46))  # equal but for the symmetry of the cube
    assert told["not_indexed"] == 0 and set(seen.columns["domain"]) == {"experiment-like"}


def test_points_are_lost_and_filled(crops):
    seen, told = scanned(crops, Scan(not_indexed=0.06))
    pixels = COUNT * SIDE**2
    assert told["not_indexed"] == pytest.approx(0.06, abs=4 * np.sqrt(0.06 / pixels))
    moved = (np.abs(seen.images.astype(int) - crops.images).max(axis=-1) > 60).mean()
    assert 0.002 < moved < 0.06  # lost points inside of grains come back, some at boundaries do not
    again = scanned(crops, Scan(not_indexed=0.06))[0]
    np.testing.assert_array_equal(again.grains, seen.grains)
    one = scanned(crops.at(np.array([3])), Scan(not_indexed=0.06))[0]
    np.testing.assert_array_equal(one.images[0], seen.images[3])
    other = scanned(crops, Scan(not_indexed=0.06, seed=1))[0]
    assert (other.images != seen.images).any()


def test_small_errors_leave_the_mean_orientation(crops):
    """Means over 64 points: colours within a few grey levels."""
    seen = scanned(crops, Scan(not_indexed=0.0, spread=0.5))[0]
    assert np.abs(seen.images.astype(int) - crops.images).max() < 12
    assert (seen.images != crops.images).any()


def test_file_and_sheet(crops, tmp_path):
    write(tmp_path / "crops.h5", crops)
    told = fulfil([tmp_path / "crops.h5"], Scan(), tmp_path / "seen.h5", tmp_path / "seen.png")
    assert told["crops"] == COUNT == len(read(tmp_path / "seen.h5"))
    assert (tmp_path / "seen.png").stat().st_size > 1000


@pytest.mark.parametrize("scan, told", [
    (Scan(not_indexed=0.7), "--not-indexed = 0.7, but it must be 0 to 0.5"),
    (Scan(spread=6.0), "--spread = 6 degrees, but it must be 0 or more, and below"),
    (Scan(tolerance=70.0), "--tolerance = 70 degrees, but it must be below 60"),
])
def test_wrong_options(scan, told):
    with pytest.raises(UserError, match=told):
        fulfil([], scan, None)
