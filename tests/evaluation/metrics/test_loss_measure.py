import numpy as np
import numpy_adain
import pytest

from styleflax.evaluation.metrics.style import SCALES, STYLE_LAYERS, make_loss_measure

ENCODER = numpy_adain.random_encoder(numpy_adain.VGG16_TO_RELU4_1)
RNG = np.random.default_rng(8)
PICTURES, CONTENTS, STYLES = (RNG.random((2, 17, 20, 3)).astype("f4") for _ in range(3))


@pytest.fixture(scope="module")
def measure():
    return make_loss_measure(ENCODER)


def features(images):
    return numpy_adain.encode(ENCODER, images, numpy_adain.VGG16_TO_RELU4_1)


def grams(feature):
    flat = feature.reshape(len(feature), -1, feature.shape[-1])
    return np.einsum("bnc,bnd->bcd", flat, flat) / flat.shape[1]


def test_the_scales_agree_with_float64(measure):
    found = measure(PICTURES, CONTENTS, STYLES)
    assert tuple(found) == SCALES
    made, wanted, painted = map(features, (PICTURES, CONTENTS, STYLES))
    content = np.square(made["relu4_1"] - wanted["relu4_1"]).mean(axis=(1, 2, 3))
    mean_std, gram = np.zeros(2), np.zeros(2)
    for layer in STYLE_LAYERS:
        x, y = made[layer], painted[layer]
        means = x.mean(axis=(1, 2)) - y.mean(axis=(1, 2))
        deviations = (np.sqrt(z.var(axis=(1, 2)) + 1e-5) for z in (x, y))
        spread = np.subtract(*deviations)
        mean_std += (means**2 + spread**2).mean(axis=1)
        difference = np.linalg.norm(grams(x) - grams(y), axis=(1, 2))
        gram += difference / np.linalg.norm(grams(y), axis=(1, 2))
    for name, expected in zip(SCALES, (content, mean_std, gram), strict=True):
        np.testing.assert_allclose(found[name], expected, rtol=1e-3, err_msg=name)


def test_a_picture_is_its_own_content_and_style(measure):
    found = measure(PICTURES, PICTURES, PICTURES)
    for name, values in found.items():
        np.testing.assert_allclose(values, 0, atol=1e-4, err_msg=name)


def test_each_picture_is_measured_by_itself(measure):
    found = measure(PICTURES, CONTENTS, STYLES)
    turned = measure(PICTURES[::-1], CONTENTS[::-1], STYLES[::-1])
    for name in SCALES:
        np.testing.assert_allclose(found[name], turned[name][::-1], rtol=1e-5)


def test_what_does_not_fit_is_refused(measure):
    with pytest.raises(ValueError, match="contents"):
        measure(PICTURES, CONTENTS[:, :16], STYLES)
    with pytest.raises(ValueError, match="one style per picture, got 1 for 2"):
        measure(PICTURES, CONTENTS, STYLES[:1])
