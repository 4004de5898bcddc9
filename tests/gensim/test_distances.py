"""Distances of domains against other ways to compute them; groups, intervals, copies."""
import numpy as np
import pytest
from scipy import linalg

from gensim.data.sets import CropSet
from gensim.evaluate import copies
from gensim.evaluate.frechet import Projection, frechet, kernel_distance
from gensim.evaluate.groups import groups, halves, interval, specimens
from gensim.evaluate.histograms import edges, errors
from partsim.errors import UserError
from tests.crops_files import COLOURS, crops_data, voronoi, write_small

pytestmark = pytest.mark.serial


@pytest.fixture
def chance():
    return np.random.default_rng(11)


def test_frechet_distance_is_the_textbook_one(chance):
    a = chance.standard_normal((300, 6)) @ chance.standard_normal((6, 6))
    b = chance.standard_normal((200, 6)) @ chance.standard_normal((6, 6)) + 0.7
    c_a, c_b = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(c_a @ c_b)
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(c_a + c_b - 2 * root.real)
    assert frechet(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + 2) == pytest.approx(4 * 6)


def test_frechet_distance_needs_two_images_a_dimension(chance):
    with pytest.raises(UserError, match="in 6 dimensions needs 12 images of both sets, but there "
                                        "are 11 and 30"):
        frechet(chance.standard_normal((11, 6)), chance.standard_normal((30, 6)))


def test_projection_keeps_the_largest_variances(chance):
    scale = np.array([9.0, 5, 3, 0.1, 0.1])
    x = chance.standard_normal((4000, 5)) * scale @ linalg.qr(chance.standard_normal((5, 5)))[0]
    found = Projection.of(x, 3)
    assert found.share == pytest.approx((scale[:3] ** 2).sum() / (scale**2).sum(), rel=0.01)
    np.testing.assert_allclose(found(x).std(axis=0), scale[:3], rtol=0.05)
    np.testing.assert_allclose(found.axes.T @ found.axes, np.eye(3), atol=1e-12)


def test_kernel_distance_is_the_mean_over_pairs(chance):
    a, b = chance.standard_normal((7, 3)), chance.standard_normal((5, 3)) + 1

    def k(x, y):
        return (x @ y / 3 + 1) ** 3

    same = np.mean([k(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    other = np.mean([k(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    across = np.mean([k(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(same + other - 2 * across)


def test_errors_of_histograms_by_hand(chance):
    truth, other = np.array([[4, 2, 0, 1, 0]]), np.array([[6, 1, 3, 1, 0]])
    found = errors(truth, other, 20, chance)
    assert found.mae == pytest.approx((2 + 1 + 3) / 5)
    assert found.mape == pytest.approx((2 / 4 + 1 / 2 + 0) / 3)
    assert found.empty == pytest.approx(2 / 5)


def test_bins_are_those_stated():
    np.testing.assert_allclose(edges("width"), np.arange(6) * 1e-5)
    np.testing.assert_allclose(edges("aspect"), 1 + 0.5 * np.arange(11))


def some_crops(tmp_path, **changed):
    return CropSet([write_small(tmp_path / "crops.h5", **changed)])


def test_groups_are_runs(tmp_path):
    crops = some_crops(tmp_path)
    found = groups(crops, np.arange(len(crops)))
    keys = list(zip(crops.columns["case"].tolist(), crops.columns["run"].tolist()))
    assert len(set(found)) == len(set(keys)) > 1
    assert len(set(zip(found.tolist(), keys))) == len(set(keys))


def test_sampled_images_are_groups_of_their_own(tmp_path):
    n = len(crops_data()["images"])
    crops = some_crops(tmp_path, position=np.full(n, np.nan))
    assert len(set(groups(crops, np.arange(n)))) == n


def test_one_map_falls_into_blocks_as_wide_as_two_crops(tmp_path):
    n = len(crops_data()["images"])
    one, splits = np.ones(n, int), np.array(["train"] * (n // 2) + ["held_out"] * (n // 2))
    crops = some_crops(tmp_path, case=one, run=1 + (splits == "held_out"), seed=-one, split=splits,
                       position=np.zeros(n))
    side, all_ = crops.size * crops.pixel_size, np.arange(n)
    assert len(set(specimens(crops, all_))) == 1  # whatever part of it is seen
    crops.columns["position"] = 2 * side * np.linspace(0, 5.99, n)
    np.testing.assert_array_equal(np.unique(groups(crops, all_), return_counts=True)[1],
                                  np.bincount(np.linspace(0, 5.99, n).astype(int)))
    crops.columns["position"] = 2 * side * np.linspace(0, 3.99, n)
    assert len(set(groups(crops, all_))) == 1  # four blocks tell nothing


def test_runs_from_one_metal_are_one_group(tmp_path):
    n = len(crops_data()["images"])
    crops = some_crops(tmp_path, seed=crops_data()["run"], split=np.array(["train"] * n))
    assert len(set(groups(crops, np.arange(n)))) == 3
    with pytest.raises(UserError, match="from the same metal, seed 0, is in train"):
        some_crops(tmp_path, seed=crops_data()["run"])


def test_interval_knows_that_members_of_a_group_are_alike(chance):
    """40 groups of 10 equal members: the error of the mean is that of 40 values, not of 400."""
    values, group = np.repeat(chance.standard_normal(40), 10), np.repeat(np.arange(40), 10)
    low, high = interval(group, lambda crops: float(values[crops].mean()), chance)
    expected = 2 * 1.96 * values.std() / np.sqrt(40)
    assert high - low == pytest.approx(expected, rel=0.15)
    assert interval(np.zeros(5), lambda crops: 0.0, chance) is None


def test_halves_keep_groups_together(chance):
    group = np.repeat([3, 5, 8, 9], 4)
    one, two = halves(group, np.zeros(16), chance)
    assert sorted([*one, *two]) == list(range(16)) and len(one) == len(two)
    assert not set(group[one]) & set(group[two])
    assert halves(np.ones(4), np.zeros(4), chance) is None


def test_halves_have_the_same_conditions(chance):
    """Otherwise a third of the cuts of two conditions of two runs would part the conditions."""
    group, condition = np.repeat([3, 5, 8, 9], 4), np.repeat([0, 1], 8)
    for _ in range(20):
        for half in halves(group, condition, chance):
            assert np.bincount(condition[half]).tolist() == [4, 4]
    assert halves(group, np.repeat([0, 1], [4, 12]), chance) is None


def test_copies_are_found_whatever_their_colours(chance):
    known = np.stack([voronoi(32, 40, chance) for _ in range(5)])
    fresh = voronoi(32, 40, chance)[None]
    order = chance.permutation(len(COLOURS))
    asked = np.concatenate([order[known[2:3]], known[4:5, :, ::-1], fresh])
    found = copies.nearest(asked, known, mirrored=True)
    assert found[0] == pytest.approx(0, abs=1e-12) and found[1] == pytest.approx(0, abs=1e-12)
    assert found[2] > 0.2
    assert copies.nearest(asked[1:2], known, mirrored=False) > 0.2
