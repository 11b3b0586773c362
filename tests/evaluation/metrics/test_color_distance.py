import numpy as np
import pytest

from styleflax.evaluation.metrics import style as metrics


def test_histogram_is_a_distribution_even_of_the_gamuts_corners():
    corners = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)])
    histogram = metrics.lab_histogram(corners.reshape(2, 4, 3).astype(np.float32))
    np.testing.assert_allclose(histogram.sum(), 1)
    assert histogram.min() >= 0


def test_distance_is_zero_wherever_the_same_colors_stand(photos):
    photo = photos(64)[0]
    shuffled = np.random.default_rng(0).permutation(photo.reshape(-1, 3))
    distance = metrics.lab_histogram_distance(photo, shuffled.reshape(32, 128, 3))
    np.testing.assert_allclose(distance, [0], atol=1e-6)


def test_distance_of_colors_far_apart_is_one():
    red, blue = np.zeros((2, 1, 8, 8, 3), np.float32)
    red[..., 0], blue[..., 2] = 1, 1
    np.testing.assert_allclose(
        metrics.lab_histogram_distance(red, blue), [1], atol=1e-6
    )


def test_distance_grows_with_the_shift_without_jumps():
    gray = np.full((8, 8, 3), 0.5, np.float32)
    shifts = np.linspace(0, 0.2, 9, dtype=np.float32)
    distances = [metrics.lab_histogram_distance(gray, gray + s)[0] for s in shifts]
    assert (np.diff(distances) >= 0).all()
    assert distances[1] < 0.6
    assert distances[-1] > 0.9


def test_hellinger_distance_of_two_halves():
    half = metrics.hellinger(np.array([1.0, 0.0]), np.array([0.5, 0.5]))
    np.testing.assert_allclose(half, np.sqrt(1 - np.sqrt(0.5)))


def test_channels_are_distributions_even_of_the_gamuts_corners():
    corners = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)])
    histograms = metrics.channel_histograms(corners.reshape(2, 4, 3).astype(np.float32))
    assert histograms.shape == (3, 32)
    np.testing.assert_allclose(histograms.sum(axis=1), 1)


def test_color_distance_is_half_the_l1_distance_of_hand_counted_bins():
    black = np.zeros((4, 4, 3), np.float32)
    half = black.copy()
    half[:2, :, 0] = 1  # half red: L is 53, a 80.1 (beyond the last bin) and b 67
    pair = metrics.channel_histograms(black), metrics.channel_histograms(half)
    np.testing.assert_array_equal(pair[1][0].nonzero(), [[0, 17]])
    np.testing.assert_array_equal(pair[1][1].nonzero(), [[16, 31]])
    np.testing.assert_array_equal(pair[1][2].nonzero(), [[16, 29]])
    assert metrics.color_distance(*pair) == pytest.approx(0.5)
    assert metrics.color_distance(pair[1], pair[1]) == 0


def test_color_distance_of_channels_without_a_common_bin_is_one():
    colors = np.array([[0.0, 0.0, 1.0], [0.9, 0.9, 0.0]], np.float32)
    first, second = (metrics.channel_histograms(x[None, None]) for x in colors)
    assert metrics.color_distance(first, second) == pytest.approx(1)


def test_pictures_and_styles_are_as_many():
    with pytest.raises(ValueError, match="one style per image, got 1 for 2"):
        metrics.lab_histogram_distance(np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3)))
