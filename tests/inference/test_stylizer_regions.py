import numpy as np
import pytest
from PIL import Image

from styleflax.images.files import to_float
from styleflax.images.read import read_picture

LEFT = np.repeat(np.arange(32)[None] < 16, 32, axis=0)
HALVES = [LEFT, ~LEFT]


@pytest.fixture(scope="module")
def single(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    return narrow_stylizer(content, first).array


def difference(a, b):
    return np.abs(a - b).mean()


def test_a_mask_of_ones_is_no_mask(narrow_stylizer, small_pictures, single):
    content, first, _ = small_pictures
    ones = np.ones((32, 32))
    masked = narrow_stylizer(content, first, masks=ones).array
    np.testing.assert_allclose(masked, single, atol=1e-4)
    # Of an opaque picture the opacity is such a mask.
    masked = narrow_stylizer(content, first, masks="alpha").array
    np.testing.assert_allclose(masked, single, atol=1e-4)


def test_two_regions_of_one_mix_are_no_mask_but_for_their_moments(
    narrow_stylizer, small_pictures, single
):
    content, first, _ = small_pictures
    even = [np.full((32, 32), 0.5)] * 2
    masked = narrow_stylizer(content, first, masks=even).array
    np.testing.assert_allclose(masked, single, atol=1e-4)


def test_swapping_regions_swaps_results(narrow_stylizer, small_pictures):
    content, *paintings = small_pictures
    one = narrow_stylizer(content, paintings, masks=HALVES).array
    turned = narrow_stylizer(content, paintings[::-1], masks=HALVES[::-1]).array
    np.testing.assert_allclose(turned, one, atol=1e-5)
    named = narrow_stylizer(
        content, paintings[::-1], masks=HALVES, region_styles=[1, 0]
    ).array
    np.testing.assert_allclose(named, one, atol=1e-5)
    swapped = narrow_stylizer(content, paintings, masks=HALVES[::-1]).array
    assert difference(swapped, one) > 1e-3


def test_each_region_has_its_own_strength(narrow_stylizer, small_pictures):
    content, *paintings = small_pictures
    first_only, swapped = (
        narrow_stylizer(content, [paintings[0], other], masks=HALVES, region_alphas=a)
        for other, a in ((paintings[1], [1, 0]), (paintings[0], [1, 0]))
    )
    # The style of a region of strength 0 does not matter.
    np.testing.assert_allclose(first_only.array, swapped.array, atol=1e-4)
    both = narrow_stylizer(content, paintings, masks=HALVES).array
    assert difference(both, first_only.array) > 1e-3


def test_what_no_mask_covers_keeps_its_pixels(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    made = narrow_stylizer(content, first, masks=LEFT).array
    np.testing.assert_array_equal(made[:, 16:], to_float(content)[:, 16:])
    assert difference(made[:, :16], to_float(content)[:, :16]) > 0.01
    for color in ("luminance", "lab", "coral"):
        made = narrow_stylizer(content, first, masks=LEFT, color=color).array
        np.testing.assert_allclose(made[:, 16:], to_float(content)[:, 16:], atol=1e-6)


def test_the_contents_opacity_is_a_region(narrow_stylizer, small_pictures, tmp_path):
    content, first, _ = small_pictures
    alpha = np.where(LEFT, 255, 0).astype(np.uint8)
    with_alpha = np.dstack([content, alpha])
    # Where nothing can be seen, the picture is white.
    white = np.where(LEFT[..., None], content, 255).astype(np.uint8)
    expected = narrow_stylizer(white, first, masks=LEFT).array
    Image.fromarray(with_alpha).save(tmp_path / "a.png")
    path = tmp_path / "a.png"
    for kind in (with_alpha, path, Image.open(path), read_picture(path)):
        made = narrow_stylizer(kind, first, masks="alpha").array
        np.testing.assert_array_equal(made, expected)


def test_opacities_of_a_batch_are_each_pictures_own(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    pair = [
        np.dstack([content, np.where(mask, 255, 0).astype(np.uint8)]) for mask in HALVES
    ]
    made = narrow_adain(np.stack(pair), first, masks="alpha").array
    for picture, one in zip(pair, made, strict=True):
        expected = narrow_adain(picture, first, masks="alpha").array
        np.testing.assert_array_equal(one, expected)


def test_an_empty_region_is_refused_by_its_name(narrow_stylizer, small_pictures):
    content, first, _ = small_pictures
    with pytest.raises(ValueError, match="mask 2 is empty"):
        narrow_stylizer(content, first, masks=[LEFT, np.zeros((8, 8))])


def test_a_list_of_contents_is_a_batch_of_one_size(narrow_adain, small_pictures):
    content, first, _ = small_pictures
    made = narrow_adain([content], first).array
    np.testing.assert_array_equal(made[0], narrow_adain(content, first).array)
    with pytest.raises(ValueError, match="must have one size"):
        narrow_adain([content, content[:16]], first)
