import numpy as np
import pytest
from scipy.special import log_softmax

from styleflax.evaluation.metrics.structure import (
    make_cfsd,
    self_similarity_distance,
)


def published(feature, content):
    """The definition in float64, with the whole matrix of similarities."""
    h, w, c = feature.shape
    q, p = (
        log_softmax((x @ x.T) / c**2, axis=-1)
        for x in (y.reshape(h * w, c).astype(np.float64) for y in (feature, content))
    )
    return (np.exp(p) * (p - q)).sum()


@pytest.fixture(scope="module")
def features():
    rng = np.random.default_rng(0)
    return [(6 * rng.random((2, 18, 17, 8))).astype(np.float32) for _ in range(2)]


def test_distance_is_the_published_one(features):
    got = self_similarity_distance(*features)
    want = [published(x, y) for x, y in zip(*features, strict=True)]
    assert min(want) > 1
    np.testing.assert_allclose(got, want, rtol=1e-3)


def test_distance_is_zero_of_a_picture_itself(features):
    np.testing.assert_allclose(self_similarity_distance(features[0], features[0]), 0)


def test_distance_sees_structure_and_not_what_the_channels_mean(features):
    rolled = np.roll(features[0], 1, axis=-1)
    same = self_similarity_distance(rolled, features[0])
    np.testing.assert_allclose(same, 0, atol=1e-3)


def test_a_stride_estimates_the_whole(features):
    whole = self_similarity_distance(*features)
    part = self_similarity_distance(*features, stride=2)
    np.testing.assert_allclose(part, whole, rtol=0.2)
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        self_similarity_distance(*features, stride=0)


def test_cfsd_orders_a_blend_before_another_picture(photos):
    first, second = photos(64)[:2]
    distance = make_cfsd()
    pictures = np.stack([first, 0.7 * first + 0.3 * second, second])
    values = distance(pictures, np.stack([first] * 3))
    assert values[0] < 1e-3
    assert values[0] < values[1] < values[2]
