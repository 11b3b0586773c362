import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.evaluation.inputs import draw_sky
from styleflax.evaluation.measure import Measure
from styleflax.evaluation.metrics.artifacts import detect_artifacts
from styleflax.evaluation.metrics.lpips import make_lpips
from styleflax.evaluation.metrics.structure import make_cfsd, psnr, ssim
from styleflax.evaluation.metrics.style import (
    GRAM_LAYERS,
    channel_histograms,
    color_distance,
    gram_distances,
    lab_histogram_distance,
    make_gram_matrices,
)
from styleflax.losses.pixels import spectrum_loss

NETWORKS = ("vgg16", "alexnet")
SIZE_PX = 64


@pytest.fixture(scope="module")
def values(measure, pictures):
    picture, content, style = pictures
    known = measure.content(content), measure.style(style)
    return measure.pair(picture, *known, style)


def test_gram_distances_are_those_of_the_metric(values, pictures):
    picture, _, style = pictures
    for network in NETWORKS:
        grams = make_gram_matrices(network)
        expected = gram_distances(grams(picture), grams(style))
        assert set(expected) == set(GRAM_LAYERS[network])
        for layer, distance in expected.items():
            got = values[f"gram_{network}_{layer}"]
            np.testing.assert_allclose(got, distance[0], rtol=1e-4)
        mean = np.mean([x[0] for x in expected.values()])
        np.testing.assert_allclose(values[f"gram_{network}"], mean, rtol=1e-4)


def test_distances_to_the_content_are_those_of_the_metrics(values, pictures):
    picture, content, _ = pictures
    expected = {f"lpips_{n}": make_lpips(n)(picture, content)[0] for n in NETWORKS}
    expected |= {
        "cfsd": make_cfsd(stride=4)(picture, content)[0],
        "ssim": ssim(picture, content)[0],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(values[name], value, rtol=1e-4, err_msg=name)


def test_colors_are_compared_with_the_style(values, pictures):
    picture, _, style = pictures
    expected = lab_histogram_distance(picture, style)[0]
    np.testing.assert_allclose(values["lab_distance"], expected, rtol=1e-5)
    own, other = channel_histograms(picture), channel_histograms(style)
    np.testing.assert_allclose(values["color"], color_distance(own, other), rtol=1e-5)
    assert values["color"] > 0


@pytest.mark.parametrize("inputs", ["noise", "steps"])
def test_artifacts_are_what_the_detectors_find(measure, pictures, inputs):
    picture, content, style = pictures
    if inputs == "steps":  # inside and none at the sides: less than no border
        y, x = np.mgrid[:SIZE_PX, :SIZE_PX] / SIZE_PX
        steps = 0.25 * (y >= 0.5) + 0.25 * (x >= 0.5)
        content = style = np.float32(np.repeat(steps[..., None], 3, axis=-1))
        assert measure.style(style).detected.border < -1
    picture = picture * np.float32(0.5)
    picture[::2, ::2] += 0.4  # a checkerboard
    picture[:, :2] = 1.0  # and a border
    expected = detect_artifacts(picture, content, style)
    known = measure.content(content), measure.style(style)
    found = measure.pair(picture, *known, style)
    assert found["blobs"] == expected.blobs.found
    assert found["blob_area"] == expected.blobs.share
    assert found["num_blobs"] == expected.blobs.num_blobs
    for name in ("checkerboard", "border"):
        assert found[name] == getattr(expected, name).found
        assert found[f"{name}_excess"] == pytest.approx(getattr(expected, name).excess)
    images = [jnp.asarray(x)[None] for x in (picture, content, style)]
    alone = spectrum_loss(images[0], images[1:])
    assert found["ripples"] == pytest.approx(float(alone))
    assert found["ripples"] > 0.2
    assert measure.pair(content, *known, style)["ripples"] == 0.0


def test_gray_patches_are_of_contents_with_a_flat_area(pictures):
    measure, style = Measure(192, []), pictures[2]
    sky = draw_sky("white", 0.6, seed=1, size_px=192)
    made = np.where(np.arange(192)[:, None, None] < 40, np.float32(0.3), sky)
    known = measure.style(style)
    found = measure.pair(made, measure.content(sky), known, style)
    expected = detect_artifacts(made, sky, style).gray_patch
    assert found["patch_jump"] == pytest.approx(expected.jump)
    assert found["gray_patch"] == expected.found == 1
    noise = np.random.default_rng(0).random((192, 192, 3), np.float32)
    found = measure.pair(made, measure.content(noise), known, style)
    assert "border" in found
    assert not {"patch_jump", "gray_patch"} & found.keys()


def test_content_itself_is_at_no_distance_from_it(measure, pictures):
    _, content, style = pictures
    known = measure.content(content), measure.style(style)
    found = measure.pair(content.copy(), *known, style)
    zeros = [found[name] for name in ("lpips_vgg16", "lpips_alexnet", "cfsd")]
    assert zeros == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    assert found["ssim"] == pytest.approx(1.0)


def test_style_itself_is_at_no_distance_from_it(measure, pictures):
    _, content, style = pictures
    known = measure.content(content), measure.style(style)
    found = measure.pair(style, *known, style)
    assert found["gram_vgg16"] == found["gram_alexnet"] == 0.0
    assert found["lab_distance"] == found["color"] == 0.0


def test_identity_is_psnr_and_lpips(measure, pictures, values):
    picture, content, _ = pictures
    found = measure.identity(picture, measure.content(content))
    assert set(found) == {"psnr", "lpips_vgg16", "lpips_alexnet"}
    assert found["psnr"] == psnr(picture, content)[0]
    assert found["lpips_vgg16"] == values["lpips_vgg16"]


def test_each_network_runs_once_for_a_picture(pictures, monkeypatch):
    runs = []
    measure = Measure(64)
    for name, judge in measure.networks.items():

        def run(params, images, name=name, run=judge._run):
            runs.append(name)
            return run(params, images)

        monkeypatch.setattr(judge, "_run", run)
    picture, content, style = pictures
    known = measure.content(content), measure.style(style)
    assert runs == ["vgg16", "alexnet"] * 2
    measure.pair(picture, *known, style)
    assert runs == ["vgg16", "alexnet"] * 3


def test_what_pictures_are_too_small_for_is_absent_and_noted(values):
    assert "ms_ssim" not in values
    (note,) = Measure(64, []).notes
    assert "ms_ssim: they need 176 px" in note
    assert len(Measure(32, []).notes) == 2
    assert not Measure(512, []).notes


def test_large_enough_pictures_have_ms_ssim():
    rng = np.random.default_rng(0)
    picture, content, style = np.float32(rng.uniform(size=(3, 176, 176, 3)))
    measure = Measure(176, [])
    known = measure.content(content), measure.style(style)
    values = measure.pair(picture, *known, style)
    assert 0 <= values["ms_ssim"] <= 1
    assert not any(name.startswith(("gram", "lpips", "cfsd")) for name in values)


def test_small_pictures_have_no_detectors(pictures):
    measure = Measure(32, [])
    picture, content, style = (x[:32, :32] for x in pictures)
    known = measure.content(content), measure.style(style)
    assert "border" not in measure.pair(picture, *known, style)


def test_tiny_pictures_are_refused():
    with pytest.raises(ValueError, match="at least 32 px, got 31"):
        Measure(31)


def test_unknown_network_is_refused():
    with pytest.raises(ValueError, match="'vgg19'"):
        Measure(64, ["vgg19"])
