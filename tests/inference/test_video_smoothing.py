import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.inference.video.frame import (
    CUT_DISTANCE,
    CutFinder,
    Smoother,
    color_histogram,
    decay_factor,
)
from styleflax.ops.statistics import Moments, region_moments


def random_statistics(seed):
    x = np.random.default_rng(seed).normal(seed, 1 + seed, (1, 4, 5, 3))
    return {"relu4_1": region_moments(jnp.float32(x), jnp.ones((1, 4, 5)))}


def smooth_picture(seed, low=40, high=215):
    from PIL import Image

    rng = np.random.default_rng(seed)
    colors = rng.integers(low, high, (6, 8, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colors).resize((96, 72)))


def test_constant_statistics_stay_as_they_are_to_the_bit():
    smoother, now = Smoother(), random_statistics(1)
    for kept in (0.0, 0.3, 0.999, 1 / 3):
        smoothed = smoother(now, kept)
        for old, new in zip(now["relu4_1"], smoothed["relu4_1"], strict=True):
            assert np.array_equal(old, new)


def test_statistics_are_averaged_with_those_before():
    a, b, c = (random_statistics(seed)["relu4_1"] for seed in range(3))
    smoother = Smoother()
    for moments in (a, b, c):
        smoothed = smoother({"relu4_1": moments}, 0.75)["relu4_1"]
    for field in Moments._fields:
        x, y, z = (np.float64(getattr(moments, field)) for moments in (a, b, c))
        expected = 0.75 * (0.75 * x + 0.25 * y) + 0.25 * z
        assert np.allclose(getattr(smoothed, field), expected, rtol=1e-6)


def test_nothing_is_left_of_a_scene_after_a_cut():
    smoother, late = Smoother(), random_statistics(2)
    smoother(random_statistics(1), 0.9)
    smoothed = smoother(late, 0.0)
    assert np.array_equal(smoothed["relu4_1"].mean, late["relu4_1"].mean)
    assert np.array_equal(smoothed["relu4_1"].m2, late["relu4_1"].m2)


def test_what_is_kept_depends_on_time_and_not_on_frames():
    once = decay_factor(0.2, 0.5)
    assert decay_factor(0.05, 0.5) ** 4 == pytest.approx(once)
    assert once == pytest.approx(np.exp(-0.4))
    assert decay_factor(0.04, 0.0) == 0
    assert decay_factor(-1.0, 0.5) == 1


def test_a_histogram_sums_to_one_and_changes_smoothly():
    frame = smooth_picture(0)
    histogram = color_histogram(frame)
    assert histogram.sum() == pytest.approx(1)
    assert histogram.min() >= 0
    # One level more, at any place between two bins, moves little from one to the next.
    change = np.abs(color_histogram(frame + np.uint8(1)) - histogram).sum() / 2
    assert 0 < change < 0.1
    white = color_histogram(np.full((20, 30, 3), 255, np.uint8))
    assert white[-1] == pytest.approx(1)


def test_a_cut_is_a_new_scene_and_motion_is_none():
    finder, wide = CutFinder(), np.tile(smooth_picture(1), (1, 2, 1))
    scene = [wide[:, k : k + 96] for k in range(0, 60, 6)]
    assert [finder(frame) for frame in scene] == [True] + [False] * 9
    assert finder(smooth_picture(2, 0, 90))
    assert not finder(smooth_picture(2, 0, 90))
    assert finder.num_scenes == 2


def test_noise_on_one_flat_color_is_no_cut():
    finder = CutFinder()
    for seed in range(5):
        noise = np.random.default_rng(seed).integers(0, 6, (50, 70, 3), np.uint8)
        finder(np.uint8(noise + 35))
    assert finder.num_scenes == 1
    assert 0 < CUT_DISTANCE < 1
