import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2gray
from skimage.transform import downscale_local_mean

from styleflax.evaluation.metrics import structure


def terms(a, b):
    """The means of the structure term and of SSIM, in float64 by SciPy."""

    def blur(x):
        return gaussian_filter(x, 1.5, radius=5)[5:-5, 5:-5]

    mean_a, mean_b = blur(a), blur(b)
    variance_a, variance_b = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2
    covariance = blur(a * b) - mean_a * mean_b
    structure = (2 * covariance + 9e-4) / (variance_a + variance_b + 9e-4)
    luminance = (2 * mean_a * mean_b + 1e-4) / (mean_a**2 + mean_b**2 + 1e-4)
    return structure.mean(), (structure * luminance).mean()


def luminances(*pictures):
    return [rgb2gray(picture.astype(np.float64)) for picture in pictures]


def test_ssim_is_the_published_formula(photos):
    first, second = photos(64)[:2]
    want = terms(*luminances(first, second))[1]
    np.testing.assert_allclose(structure.ssim(first, second), [want], atol=1e-5)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise(photos):
    for size_px, metric in ((64, structure.ssim), (176, structure.ms_ssim)):
        photo = photos(size_px)[0]
        noise = np.random.default_rng(0).normal(size=photo.shape)
        noisy = [
            np.clip(photo + level * noise, 0, 1).astype(np.float32)
            for level in (0.02, 0.1, 0.5)
        ]
        np.testing.assert_allclose(metric(photo, photo), [1], atol=1e-6)
        values = [float(metric(photo, picture)[0]) for picture in noisy]
        assert 1 > values[0] > values[1] > values[2] > 0


def test_ms_ssim_is_the_weighed_product_over_scales(photos):
    first, second = photos(176)[:2]
    second = 0.6 * first + 0.4 * second
    a, b = luminances(first, second)
    want = 1.0
    for scale, exponent in enumerate(structure.SCALE_EXPONENTS):
        contrast, whole = terms(a, b)
        want *= (whole if scale == 4 else contrast) ** exponent
        a, b = (downscale_local_mean(x, 2) for x in (a, b))
    assert want < 0.95
    np.testing.assert_allclose(structure.ms_ssim(first, second), [want], atol=1e-5)


def test_ms_ssim_forgives_noise_more_than_ssim_does(photos):
    photo = photos(176)[0]
    noise = np.random.default_rng(0).normal(size=photo.shape).astype(np.float32)
    noisy = np.clip(photo + 0.1 * noise, 0, 1)
    assert structure.ms_ssim(photo, noisy)[0] > structure.ssim(photo, noisy)[0] + 0.1


def test_a_negative_has_no_ms_ssim_left(photos):
    photo = photos(176)[0]
    assert structure.ms_ssim(photo, 1 - photo) == 0


def test_small_pictures_are_refused():
    for metric, least in ((structure.ssim, 11), (structure.ms_ssim, 176)):
        small = np.zeros((least - 1, 200, 3), np.float32)
        with pytest.raises(ValueError, match=f"sides of at least {least} px"):
            metric(small, small)
