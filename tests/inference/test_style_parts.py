"""The part of a style that counts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from styleflax.images.files import to_float
from styleflax.inference.color import color_style
from styleflax.inference.contents import StylePixels
from styleflax.inference.styles.file import load_style

LEFT = np.repeat(np.arange(32)[None] < 16, 32, axis=0)
PARTS = [LEFT, None]


def difference(a, b):
    return np.abs(a - b).mean()


def test_a_mask_of_ones_is_none(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    made = narrow_stylizer(content, first, style_masks=[np.ones((5, 7))]).array
    plain = narrow_stylizer(content, first).array
    np.testing.assert_allclose(made, plain, atol=1e-4)
    half = narrow_stylizer(content, first, style_masks=[LEFT]).array
    assert difference(half, plain) > 1e-3


def test_an_even_gray_is_as_white(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    gray, white = (
        narrow_stylizer(content, first, style_masks=[x * LEFT]).array
        for x in (0.2, 1.0)
    )
    np.testing.assert_allclose(gray, white, atol=1e-5)


def test_parts_serve_a_batch_and_kept_colors(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    batch = np.stack([content, content[::-1]])
    made = narrow_adain(batch, first, style_masks=[LEFT]).array
    one = narrow_adain(content, first, style_masks=[LEFT]).array
    np.testing.assert_allclose(made[0], one, atol=1e-5)
    # What lies outside the part has no say in the colors that move it.
    other = first.copy()
    other[:, 16:] = 255 - other[:, 16:]
    masked = narrow_adain.prepare_style(first, "coral", mask=LEFT)
    assert masked.mask.shape == first.shape[:2]
    recolored = [
        color_style(StylePixels(to_float(x), masked.mask), content, None, np.ones(1))
        for x in (first, other)
    ]
    left = [style.image[:, :16] for style in recolored]
    np.testing.assert_allclose(left[0], left[1], atol=1e-6)


def test_every_style_has_its_own_mask(narrow_stylizer, small_pictures):
    content, *paintings = small_pictures
    halves = {"masks": [LEFT, ~LEFT]}
    one = narrow_stylizer(content, paintings, style_masks=PARTS, **halves).array
    turned = narrow_stylizer(
        content,
        paintings[::-1],
        masks=[~LEFT, LEFT],
        style_masks=PARTS[::-1],
    ).array
    np.testing.assert_allclose(turned, one, atol=1e-5)
    other = narrow_stylizer(content, paintings, style_masks=PARTS[::-1], **halves).array
    assert difference(other, one) > 1e-3


def test_a_mask_may_be_a_file_of_another_size(narrow_adain, small_pictures, tmp_path):
    content, first, _ = small_pictures
    Image.fromarray(LEFT).resize((64, 96)).save(tmp_path / "left.png")
    made = narrow_adain(content, first, style_masks=[tmp_path / "left.png"]).array
    expected = narrow_adain(content, first, style_masks=[LEFT]).array
    np.testing.assert_allclose(made, expected, atol=1e-6)


def test_a_style_file_keeps_the_part(narrow_stylizer, small_pictures, tmp_path):
    content, first, _ = small_pictures
    path = tmp_path / "left.style"
    narrow_stylizer.save_style(first, path, mask=LEFT)
    made = narrow_stylizer(content, path).array
    expected = narrow_stylizer(content, first, style_masks=[LEFT]).array
    np.testing.assert_array_equal(made, expected)
    arrays = load_style(path).style
    assert set(arrays) in (
        {"mean", "std", "palette"},
        {"relu4_1", "relu5_1", "relu4_1_part", "relu5_1_part", "palette"},
    )


def test_coral_takes_the_colors_of_the_part():
    rng = np.random.default_rng(0)
    content, painting = (rng.uniform(0.4, 0.6, (24, 24, 3)) for _ in range(2))
    content, painting = content.astype("f4"), painting.astype("f4")
    part = np.zeros((24, 24), np.float32)
    part[:, :8] = 1.0
    painting[:, 8:] = 0.0
    style = color_style(StylePixels(painting, part), content, None, np.ones(1))
    inside, wanted = style.image[:, :8].reshape(-1, 3), content.reshape(-1, 3)
    np.testing.assert_allclose(inside.mean(0), wanted.mean(0), atol=1e-3)
    np.testing.assert_allclose(np.cov(inside.T), np.cov(wanted.T), atol=1e-4)
    np.testing.assert_array_equal(style.mask, part)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([LEFT, None], "there are 1 styles"),
        (LEFT, "style_masks must be a list of one per style"),
        (Path("left.png"), "style_masks must be a list of one per style"),
        ([np.zeros((8, 8))], "mask of style 1 must have at least one pixel"),
        (["alpha"], "mask of style 1 must be an image, got 'alpha'"),
        ([np.full((8, 8), 2.0)], "must be in .0, 1., got values"),
    ],
)
def test_impossible_masks_are_refused(narrow_adain, small_pictures, masks, message):
    with pytest.raises(ValueError, match=message):
        narrow_adain(small_pictures[0], small_pictures[1], style_masks=masks)


def test_what_has_no_pixels_has_no_part(narrow_adain, small_pictures, tmp_path):
    content, first, _ = small_pictures
    encoded = narrow_adain.encode_style(first)
    with pytest.raises(ValueError, match="a mask of the style needs the painting's"):
        narrow_adain(content, encoded, style_masks=[LEFT])
    # A line of a mask may be too thin for the size at which a style is seen.
    thin = np.zeros((3200, 3200), np.uint8)
    thin[0, 0] = 255
    with pytest.raises(ValueError, match="leave no pixel"):
        narrow_adain(content, first, style_masks=[thin])
