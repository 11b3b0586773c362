import numpy as np
import pytest

from styleflax.evaluation.metrics.bootstrap import bootstrap_mean


def test_interval_of_many_values_is_the_normal_one():
    values = np.random.default_rng(0).normal(2, 3, size=400)
    got = bootstrap_mean(values)
    width = 1.96 * values.std() / 20
    assert got.mean == values.mean()
    np.testing.assert_allclose(
        got, [got.mean, got.mean - width, got.mean + width], rtol=0.03
    )


def test_intervals_cover_the_mean_about_as_often_as_they_say():
    rng = np.random.default_rng(1)
    intervals = [bootstrap_mean(rng.normal(size=40), draws=400) for _ in range(300)]
    covered = np.mean([i.low <= 0 <= i.high for i in intervals])
    assert 0.90 <= covered <= 0.98


def test_pairs_that_share_pictures_widen_the_interval():
    rng = np.random.default_rng(0)
    table = rng.normal(size=(8, 1)) + 0.1 * rng.normal(size=(8, 12))
    apart = bootstrap_mean(table.reshape(-1))
    for crossed in (bootstrap_mean(table), bootstrap_mean(table.T)):
        np.testing.assert_allclose(crossed.mean, apart.mean)
        assert crossed.high - crossed.low > 2 * (apart.high - apart.low)


def test_equal_values_have_no_width_and_the_seed_decides():
    assert bootstrap_mean(np.full(5, 0.25)) == (0.25, 0.25, 0.25)
    values = np.random.default_rng(0).normal(size=10)
    assert bootstrap_mean(values) == bootstrap_mean(values)
    assert bootstrap_mean(values) != bootstrap_mean(values, seed=1)


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ([], {}, r"got \(0,\)"),
        (np.zeros((2, 2, 2)), {}, r"got \(2, 2, 2\)"),
        ([1.0, np.nan], {}, "NaN"),
        ([1.0], {"level": 95}, "level must be between 0 and 1, got 95"),
        ([1.0], {"draws": 0}, "draws must be at least 1, got 0"),
    ],
)
def test_what_has_no_interval_is_refused(values, settings, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_mean(np.asarray(values), **settings)
