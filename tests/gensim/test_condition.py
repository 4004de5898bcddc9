"""The embedding of conditions and the hull of those trained with, against closed forms."""
import numpy as np
import pytest
from scipy.spatial import Delaunay

from gensim.model.condition import SPREAD, Embedding, smooth_frequencies
from gensim.model.hull import check_condition, inside_hull
from partsim.errors import UserError

pytestmark = pytest.mark.serial
NAN = float("nan")
TRAINED = np.array([[100, 0.5, 300], [200, 0.5, 300], [150, 1.0, 500], [100, 0.5, NAN]])


def smooth(conditions=1):
    """Our embedding with conditions that range over 0 ... 1."""
    return Embedding(offset=(0.0,) * conditions, scale=(1.0,) * conditions,
                     frequencies=smooth_frequencies(21), width=128)


@pytest.mark.parametrize("apart", [0.0, 0.05, 0.1, 0.2, 0.5])
def test_our_kernel_interpolates(apart):
    """The cosine between vectors follows exp(-2 pi^2 s^2 x^2): 0.82 at 20 W out of 100 W."""
    kernel = smooth().kernel(np.full(3, 0.3), np.full(3, 0.3 + apart))
    assert kernel == pytest.approx(np.exp(-2 * (np.pi * SPREAD * apart) ** 2), abs=0.02)


def test_features_by_hand():
    embedding = Embedding(offset=(100.0, 0.5), scale=(100.0, 0.5), frequencies=(0.5, 2.0), width=10)
    vector = embedding(np.array([[150.0, 0.625, 300.0]]))[0]
    x, y = 2 * np.pi * 0.5, 2 * np.pi * 0.25
    expected = [np.sin(x / 2), np.sin(2 * x), np.cos(x / 2), np.cos(2 * x),
                np.sin(y / 2), np.sin(2 * y), np.cos(y / 2), np.cos(2 * y), 0, 0]
    np.testing.assert_allclose(vector, expected, atol=1e-12)


def test_unknown_conditions_are_zero():
    vectors = smooth(3)(np.array([[0.1, 0.2, NAN], [0.1, 0.2, 0.9], [NAN] * 3]))
    assert not vectors[2].any() and not vectors[0, 84:].any() and vectors[1, 84:126].all()
    np.testing.assert_array_equal(vectors[0, :84], vectors[1, :84])


def test_hull_equals_a_triangulation():
    chance = np.random.default_rng(3)
    trained, points = chance.random((12, 2)), chance.random((60, 2))
    expected = Delaunay(trained).find_simplex(points) >= 0
    assert 10 < expected.sum() < 50
    got = [inside_hull(point * [100, 0.5], trained * [100, 0.5]) for point in points]
    np.testing.assert_array_equal(got, expected)


def test_flat_hull():
    """All trained at one speed: a point off that speed is outside, one between is not."""
    trained = np.array([[100.0, 0.8], [200.0, 0.8]])
    assert inside_hull(np.array([160.0, 0.8]), trained)
    assert not inside_hull(np.array([160.0, 0.81]), trained)
    assert not inside_hull(np.array([201.0, 0.8]), trained)


@pytest.mark.parametrize("condition, dropout", [
    ((150, 0.6, 340), False), ((150, 0.6, NAN), True), ((NAN, NAN, NAN), True),
    ((100, 0.5, NAN), False)])
def test_known_conditions_pass(condition, dropout):
    check_condition(np.array(condition, float), TRAINED, dropout)


@pytest.mark.parametrize("condition, dropout, said", [
    ((150, 0.6, 300), True, "outside the hull"),
    ((250, 0.5, NAN), True, "condition 250 W, 0.5 m/s is outside the hull of those trained with,"
     " all of which lie between 100 W, 0.5 m/s"),
    ((150, 0.6, NAN), False, "outside the hull"),
    ((NAN, NAN, NAN), False, "condition unknown, but the model was trained with none"),
    ((NAN, 0.5, NAN), False, "trained with none")])
def test_unknown_conditions_are_refused(condition, dropout, said):
    with pytest.raises(UserError, match=said):
        check_condition(np.array(condition, float), TRAINED, dropout)
