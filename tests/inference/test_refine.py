import numpy as np
import numpy_adain
import pytest
from PIL import Image

from styleflax.images.files import to_float, to_u8
from styleflax.inference.contents import Content, StylePixels
from styleflax.inference.controls import make_plan
from styleflax.inference.gatys import Settings, make_gatys, refine
from styleflax.inference.gatys.optimize import Inputs, Regions, next_image, resized
from styleflax.inference.video.stylizer import VideoStylizer
from styleflax.methods.gatys import Objective
from styleflax.ops import color_match

ENCODER = numpy_adain.random_encoder(("conv1_1", "conv1_2", "pool", "conv2_1"))
NARROW = Objective(content_layers=("relu1_2",), style_layers=("relu1_1", "relu2_1"))
SETTINGS = Settings(NARROW, memory_size=3)
LEFT = np.repeat(np.arange(32)[None] < 16, 32, axis=0)
N = 12


@pytest.fixture
def stylizer(narrow_adain, monkeypatch):
    """One whose refinement sees through a network of a few channels."""
    monkeypatch.setattr(refine, "load_gatys_encoder", lambda *_: ENCODER)
    narrow = refine.Refiner(SETTINGS)
    monkeypatch.setitem(narrow_adain.__dict__, "_refiner", narrow)
    return narrow_adain


def test_refinement_is_gatys_from_the_networks_result(stylizer, small_pictures):
    content, style, _ = small_pictures
    plain = stylizer(content, style).array
    gatys = make_gatys(ENCODER, SETTINGS._replace(iterations=(N,)))
    floats = [to_float(x) for x in (content, style)]
    expected = gatys(floats[0], floats[1:], start=plain)
    found = stylizer(content, style, refine=N).array
    np.testing.assert_array_equal(found, expected.image)
    losses = expected.losses[:, 0]
    assert losses[-1] < 0.8 * losses[0]


def test_after_refinement_the_chroma_is_the_paintings(stylizer, small_pictures):
    content, style, _ = small_pictures
    found = stylizer(content, style, refine=3, color_match=1.0).array
    without = stylizer(content, style, refine=3).array
    inside = (found > 0).all() and (found < 1).all()
    chroma = [x @ color_match.TO_CHROMA.T for x in (found, without, to_float(style))]
    means = [x.mean(axis=(0, 1)) for x in chroma]
    np.testing.assert_allclose(means[0], means[2], atol=1e-4 if inside else 0.02)
    assert np.abs(means[1] - means[2]).max() > 0.03


def test_no_iterations_leave_the_result_as_it_is(stylizer, small_pictures):
    content, style, _ = small_pictures
    plain = stylizer(content, style).array
    np.testing.assert_array_equal(stylizer(content, style, refine=0).array, plain)


def test_every_picture_of_a_batch_is_refined_as_it_would_be_alone(
    stylizer, small_pictures
):
    content, style, other = small_pictures
    batch = stylizer([content, other], style, refine=3).array
    for made, picture in zip(batch, (content, other), strict=True):
        alone = stylizer(picture, style, refine=3).array
        np.testing.assert_allclose(made, alone, atol=2e-3)


def test_regions_are_refined_and_the_rest_keeps_its_pixels(stylizer, small_pictures):
    content, *styles = small_pictures
    mix = {"masks": [LEFT], "region_styles": [[0.5, 0.5]]}
    plain = stylizer(content, styles, **mix).array
    found = stylizer(content, styles, refine=3, **mix).array
    photo = content / np.float32(255)
    np.testing.assert_allclose(found[:, 16:], photo[:, 16:], atol=1e-6)
    assert np.abs(found - plain)[:, :16].max() > 0.01


@pytest.mark.parametrize("color", ["luminance", "lab", "coral"])
def test_the_photos_colors_are_kept_after_refinement(stylizer, small_pictures, color):
    content, style, _ = small_pictures
    found = stylizer(content, style, refine=3, color=color).array
    photo = content / np.float32(255)
    plain = stylizer(content, style, refine=3).array
    means = [x.mean(axis=(0, 1)) for x in (found, plain)]
    errors = [np.abs(mean - mean.mean() - _hue(photo)).max() for mean in means]
    assert errors[0] < errors[1]


def _hue(photo):
    mean = photo.mean(axis=(0, 1))
    return mean - mean.mean()


@pytest.mark.parametrize("encoded", [False, True])
def test_a_style_without_pixels_is_refused(stylizer, small_pictures, tmp_path, encoded):
    content, style, _ = small_pictures
    stylizer.save_style(style, path := tmp_path / "a.style")
    given = stylizer.encode_style(style) if encoded else path
    with pytest.raises(ValueError, match="refine needs the painting's pixels; "):
        stylizer(content, given, refine=1)


@pytest.mark.parametrize("number", [-1, 1.5])
def test_only_whole_numbers_are_possible(number):
    with pytest.raises(ValueError, match=f"a whole number from 0, got {number}"):
        make_plan(1, refine=number)


def test_videos_refuse_it(stylizer, small_pictures):
    style = stylizer.encode_style(small_pictures[1])
    with pytest.raises(ValueError, match="refine must be 0 for a video, got 2"):
        VideoStylizer(None, stylizer, [style], make_plan(1, refine=2))


def test_iterations_are_told_up_to_all_of_them(stylizer, small_pictures):
    heard = []
    stylizer.watch(print, None, lambda *numbers: heard.append(numbers))
    stylizer(*small_pictures[:2], refine=N)
    stylizer.watch(print)
    assert heard == [(10, 13), (13, 13)]


@pytest.mark.parametrize(
    ("size", "refined", "levels"),
    [
        ((512, 700), (512, 700), 1),
        ((1023, 1100), (1023, 1100), 1),
        ((1024, 1024), (1024, 1024), 2),
        ((8000, 8000), (1449, 1449), 2),
        ((16, 10**6), (16, 362_284), 1),
    ],
)
def test_large_pictures_have_levels_and_a_largest_size(size, refined, levels):
    assert refine.refined_size(size) == refined
    assert refine.num_levels(refined) == levels


def resize(picture, size):
    """Returns a picture of another size; Pillow's bicubic filter, in floats."""
    channels = [
        Image.fromarray(np.ascontiguousarray(picture[..., i])) for i in (0, 1, 2)
    ]
    made = [x.resize(size[::-1], Image.Resampling.BICUBIC) for x in channels]
    return np.dstack([np.asarray(x) for x in made])


def test_above_the_largest_size_the_change_is_enlarged(monkeypatch):
    monkeypatch.setattr(refine, "load_gatys_encoder", lambda *_: ENCODER)
    monkeypatch.setattr(refine, "MAX_REFINED_MEGAPIXELS", 32 * 40 / 1e6)
    rng = np.random.default_rng(0)
    content, stylized = rng.random((2, 64, 80, 3), np.float32)
    style = StylePixels(rng.random((32, 32, 3), np.float32))
    of_content = Content(content, content, None)
    plan = make_plan(1, refine=5)
    refiner = refine.Refiner(SETTINGS)
    found = refiner(stylized, of_content, [style], plan, None)
    small = [resize(x, (32, 40)) for x in (content, stylized)]
    gatys = make_gatys(ENCODER, SETTINGS._replace(iterations=(5,)))
    refined = gatys(small[0], [style.image], start=small[1]).image
    change = resize(refined - small[1], (64, 80))
    assert np.abs(change).max() > 0.02
    np.testing.assert_allclose(found, np.clip(stylized + change, 0, 1), atol=1e-5)


def test_a_start_keeps_its_details_from_level_to_level():
    rng = np.random.default_rng(0)
    start = rng.random((40, 48, 3), np.float32)
    inputs = Inputs(start, [], Regions(np.ones((1, 1))), start)
    coarse = resized(start[None], (20, 24))
    found = next_image(inputs, coarse, (40, 48))[0]
    np.testing.assert_allclose(found, start, atol=1e-6)
    brighter = next_image(inputs, coarse + 0.1, (40, 48))[0]
    np.testing.assert_allclose(brighter, start + 0.1, atol=1e-5)


def test_without_style_the_photo_stays_the_photo(stylizer, small_pictures):
    content, style, _ = small_pictures
    found = stylizer(content, style, alpha=0.0, detail=1.0, refine=3).array
    np.testing.assert_array_equal(to_u8(found), content)
