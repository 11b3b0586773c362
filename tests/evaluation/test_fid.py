import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from styleflax.evaluation import set_metrics as set_values
from styleflax.evaluation.networks import fid as module
from styleflax.evaluation.networks.fid import (
    Moments,
    accumulate_moments,
    add_features,
    art_fid,
    fid,
    frechet_distance,
    make_inception_features,
)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def features_of_sets(rng, n1=60, n2=45, d=12):
    mixing = rng.normal(size=(2, d, d))
    first = rng.normal(size=(n1, d)) @ mixing[0]
    return first, rng.normal(size=(n2, d)) @ mixing[1] + rng.normal(size=d)


def moments_by_numpy(features):
    return features.mean(axis=0), np.cov(features, rowvar=False)


def distance_by_scipy(mean1, cov1, mean2, cov2):
    root = sqrtm(cov1 @ cov2)
    return (
        np.sum((mean1 - mean2) ** 2) + np.trace(cov1 + cov2) - 2 * np.trace(root.real)
    )


def test_distance_agrees_with_scipys_root_of_a_matrix(rng):
    pair = [moments_by_numpy(features) for features in features_of_sets(rng)]
    found = frechet_distance(*pair[0], *pair[1])
    assert found == pytest.approx(distance_by_scipy(*pair[0], *pair[1]), rel=1e-6)


def test_distance_in_one_dimension_is_that_of_means_and_deviations():
    found = frechet_distance(np.array([1.0]), np.eye(1) * 4, np.array([4.0]), np.eye(1))
    assert found == pytest.approx(3**2 + (2 - 1) ** 2)


def test_distance_of_diagonal_covariances_is_a_sum(rng):
    mean1, mean2 = rng.normal(size=(2, 5))
    std1, std2 = rng.uniform(0, 3, size=(2, 5))
    found = frechet_distance(mean1, np.diag(std1**2), mean2, np.diag(std2**2))
    expected = np.sum((mean1 - mean2) ** 2) + np.sum((std1 - std2) ** 2)
    assert found == pytest.approx(expected)


def test_fewer_pictures_than_features_lose_no_digits(rng):
    # Of equal sets the distance is 0, however singular their covariances.
    mean, cov = moments_by_numpy(rng.normal(size=(5, 40)) * 30)
    assert frechet_distance(mean, cov, mean, cov) <= 1e-9 * np.trace(cov)
    zero = np.zeros_like(cov)
    assert frechet_distance(mean, cov, mean, zero) == pytest.approx(np.trace(cov))
    assert frechet_distance(mean, zero, mean, zero) == 0


def test_few_pictures_of_nothing_in_common_overlap_in_nothing(rng):
    turn = np.linalg.qr(rng.normal(size=(200, 200)))[0]
    first, second = rng.normal(size=(2, 6, 3)) @ turn[:6].reshape(2, 3, 200)
    (m1, c1), (m2, c2) = moments_by_numpy(first), moments_by_numpy(second)
    expected = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2)
    assert frechet_distance(m1, c1, m2, c2) == pytest.approx(expected, rel=1e-12)


def test_distance_is_symmetric_and_follows_a_rotation(rng):
    (m1, c1), (m2, c2) = (moments_by_numpy(x) for x in features_of_sets(rng))
    expected = frechet_distance(m1, c1, m2, c2)
    assert frechet_distance(m2, c2, m1, c1) == pytest.approx(expected)
    q = np.linalg.qr(rng.normal(size=c1.shape))[0]
    turned = frechet_distance(q @ m1, q @ c1 @ q.T, q @ m2, q @ c2 @ q.T)
    assert turned == pytest.approx(expected)


def test_shapes_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match=r"got \[\(2,\), \(3,\), \(2, 2\), \(3, 3"):
        frechet_distance(np.zeros(2), np.eye(2), np.zeros(3), np.eye(3))


@pytest.mark.parametrize("sizes", [(7,), (1, 6), (3, 0, 4), (1, 1, 1, 1, 1, 1, 1)])
def test_moments_of_a_stream_are_numpys_of_the_whole(rng, sizes):
    features = (rng.normal(size=(7, 4)) + 1000).astype(np.float32)
    batches = np.split(features, np.cumsum(sizes)[:-1])
    moments = accumulate_moments(iter(batches))
    exact = features.astype(np.float64)
    assert moments.num_pictures == 7
    assert moments.mean.dtype == moments.covariance().dtype == np.float64
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-12)
    expected = np.cov(exact, rowvar=False)
    np.testing.assert_allclose(moments.covariance(), expected, atol=1e-9)


def test_bad_features_are_refused():
    with pytest.raises(ValueError, match=r"shape \(b, d\), got \(3,\)"):
        add_features(None, np.zeros(3))
    one = add_features(None, np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(b, 3\), got \(2, 4\)"):
        add_features(one, np.zeros((2, 4)))
    with pytest.raises(ValueError, match="must be finite"):
        add_features(one, np.full((1, 3), np.nan))


def test_fewer_than_two_pictures_are_refused(rng):
    with pytest.raises(ValueError, match="at least 2 images, got 1"):
        fid(rng.normal(size=(1, 3)), rng.normal(size=(9, 3)))
    with pytest.raises(ValueError, match="at least 2 images, got 0"):
        accumulate_moments([])


def test_few_pictures_warn_once_and_many_do_not(rng):
    few, many = rng.normal(size=(20, 2)), rng.normal(size=(5000, 2))
    with pytest.warns(
        UserWarning, match="of 20 and 5000 pictures .* least 5000"
    ) as got:
        fid(few, many)
    assert len(got) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert 0 <= fid(many, many + 0.001) < 0.001


@pytest.mark.filterwarnings("ignore:the Fréchet distance")
def test_fid_takes_features_and_moments_alike(rng):
    first, second = features_of_sets(rng)
    expected = distance_by_scipy(*moments_by_numpy(first), *moments_by_numpy(second))
    assert fid(first, second) == pytest.approx(expected, rel=1e-6)
    halves = accumulate_moments([first[:20], first[20:]])
    assert isinstance(halves, Moments)
    assert fid(halves, second) == pytest.approx(expected, rel=1e-6)


def test_art_fid_multiplies_both_plus_one():
    assert art_fid(3.0, 0.5) == 6.0
    assert art_fid(0.0, 0.0) == 1.0
    with pytest.raises(ValueError, match="lpips_mean must be at least 0, got nan"):
        art_fid(3.0, float("nan"))
    with pytest.raises(ValueError, match="fid_value must be at least 0, got -1"):
        art_fid(-1.0, 0.5)


def test_only_the_published_file_makes_an_fid_unless_the_caller_answers(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "load_inception", lambda *a: asked.append(a) or {})
    make_inception_features("some.pth")
    make_inception_features("some.pth", sha256=None)
    assert asked == [
        ("some.pth", "fid", module.FID_SHA256),
        ("some.pth", "fid", None),
    ]


@pytest.mark.parametrize(
    "make", ["make_inception_features", "make_art_inception_features"]
)
def test_each_network_gets_its_own_form_and_range(monkeypatch, make):
    def features(_, images, blocks):
        kind = blocks[-1].branches[-1][0].kind
        seen.append((kind, images.shape))
        return images.mean(axis=(1, 2))

    seen = []
    monkeypatch.setattr(module, "load_inception", lambda *_: {})
    monkeypatch.setattr(module, "inception_features", features)
    found = getattr(module, make)("some.pth")(np.full((80, 90, 3), 0.25, np.float32))
    if make == "make_inception_features":
        assert seen == [("max", (1, 299, 299, 3))]
        np.testing.assert_allclose(found, [[-0.5] * 3], atol=1e-5)
    else:
        assert seen == [("padded_mean", (1, 80, 90, 3))]
        np.testing.assert_allclose(found, [[0.25] * 3], atol=1e-5)


def colors(pictures):
    return np.atleast_2d(pictures.mean(axis=(-3, -2)))


@pytest.mark.filterwarnings("ignore:the Fréchet distance")
def test_a_set_has_the_figures_whose_networks_are_given(rng):
    styles, stylized = rng.uniform(size=(2, 9, 6, 5, 3))
    networks = {"fid": colors, "art_fid": lambda x: 2 * colors(x)}
    score = set_values.score_with(networks, iter(styles))
    found = score(iter(stylized), 0.5)
    expected = fid(colors(stylized), colors(styles))
    assert found["fid"] == pytest.approx(expected)
    assert found["art_fid"] == pytest.approx((1 + 4 * expected) * 1.5)
    assert list(score(iter(stylized), float("nan"))) == ["fid"]


def test_a_set_without_networks_has_no_figures():
    score = set_values.make_score_set([])
    assert score([], 0.5) == {}


def test_a_set_without_pictures_is_refused():
    with pytest.raises(ValueError, match="at least 2 images, got 0"):
        set_values.score_with({"fid": colors}, [])
