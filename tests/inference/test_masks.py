import numpy as np
import pytest
from PIL import Image

from styleflax.inference.masks import layout as laid_masks
from styleflax.inference.masks.layout import make_region_masks
from styleflax.inference.masks.read import check_masks

LEFT = np.repeat(np.arange(16)[None] < 8, 16, axis=0)
RIGHT = ~LEFT


def lay(masks, side=(16, 16), alpha=None, feather=0.0):
    return make_region_masks(check_masks(masks, feather), *side, alpha)[:, :]


def test_no_masks_are_none():
    assert make_region_masks(None, 16, 16) is None


def test_hard_masks_that_cover_all_stay_as_they_are():
    laid = make_region_masks(check_masks([LEFT, RIGHT]), 16, 16)
    np.testing.assert_array_equal(laid[:, :], np.stack([LEFT, RIGHT]))
    assert not laid.has_rest
    assert laid.shape == (2, 16, 16)


@pytest.mark.parametrize("feather", [0.0, 3.0])
def test_masks_sum_to_1_whatever_they_are(feather):
    rng = np.random.default_rng(0)
    soft = list(rng.uniform(0, 1, (3, 16, 16)))
    masks = lay([*soft, LEFT], feather=feather)
    np.testing.assert_allclose(masks.sum(axis=0), 1, atol=1e-6)
    assert masks.min() >= 0
    assert masks.dtype == np.float32


def test_overlapping_masks_share_their_places():
    masks = lay([LEFT, np.ones((16, 16))])
    np.testing.assert_allclose(masks[0], 0.5 * LEFT)
    np.testing.assert_allclose(masks[1], 1 - 0.5 * LEFT)


def test_what_no_mask_covers_is_kept():
    laid = make_region_masks(check_masks(LEFT), 16, 16)
    np.testing.assert_array_equal(laid[:, :], np.stack([LEFT, RIGHT]))
    assert laid.has_rest
    assert laid.shape == (2, 16, 16)


def test_the_rest_is_a_region_where_it_is_asked_for():
    for masks, expected in ((["rest", LEFT], RIGHT), ([LEFT, "rest"], LEFT)):
        laid = lay(masks)
        assert len(laid) == 2
        np.testing.assert_array_equal(laid[0], expected)


def test_the_rounding_of_8_bits_leaves_no_rest():
    part = np.full((16, 16), 84, np.uint8)  # three times 84 is 252 of 255
    masks = lay([part, part, part])
    assert len(masks) == 3
    np.testing.assert_allclose(masks, 1 / 3, atol=1e-6)


def test_masks_of_other_sizes_are_stretched_by_exact_means():
    small = np.array([[1.0, 0.0]])
    np.testing.assert_array_equal(lay([small, 1 - small])[0], LEFT)
    rng = np.random.default_rng(1)
    large = rng.uniform(0, 1, (48, 32)).astype(np.float32)
    means = large.reshape(16, 3, 16, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(lay([large, "rest"])[0], means, atol=1e-5)


def test_feathered_edges_fade_over_their_width_and_keep_the_middle():
    wide = np.repeat(np.arange(64)[None] < 32, 32, axis=0)
    mask = lay([wide, ~wide], (32, 64), feather=8.0)[0][16]
    assert np.all(np.diff(mask) <= 1e-6)
    assert abs(mask[31] + mask[32] - 1) < 1e-5
    assert mask[23] > 0.95
    assert mask[40] < 0.05
    assert 0.55 < mask[30] < 0.75


def test_the_feather_scales_with_the_picture():
    wide = np.repeat(np.arange(32)[None] < 16, 32, axis=0)
    mask_set = check_masks([wide, ~wide], 4.0)
    small = make_region_masks(mask_set, 32, 32)[:, :][0]
    large = make_region_masks(mask_set, 64, 64, scale=2.0)[:, :][0]
    np.testing.assert_allclose(
        large.reshape(32, 2, 32, 2).mean(axis=(1, 3)), small, atol=0.03
    )


def test_the_contents_opacity_is_a_mask():
    alpha = LEFT.astype(np.float32)
    masks = lay(["alpha", "rest"], alpha=alpha)
    np.testing.assert_array_equal(masks, np.stack([LEFT, RIGHT]))
    assert len(lay("alpha")) == 1  # an opaque content is all of it


def test_files_and_pictures_are_masks_and_transparency_is_not_in_them(tmp_path):
    gray = np.where(LEFT, 255, 0).astype(np.uint8)
    Image.fromarray(gray).save(tmp_path / "grey.png")
    cut_out = np.dstack([np.full((16, 16), 255, np.uint8), gray])
    Image.fromarray(cut_out, "LA").save(tmp_path / "cut.png")
    for mask in (tmp_path / "grey.png", str(tmp_path / "cut.png")):
        np.testing.assert_array_equal(lay([mask, "rest"])[0], LEFT)
    np.testing.assert_array_equal(lay(Image.fromarray(gray))[0], LEFT)
    np.testing.assert_array_equal(lay([gray, RIGHT])[0], LEFT)


def test_an_empty_region_is_refused_by_its_name(tmp_path):
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(tmp_path / "sky.png")
    with pytest.raises(ValueError, match=r"mask 2 \(sky.png\) is empty"):
        lay([LEFT, tmp_path / "sky.png"])
    with pytest.raises(ValueError, match=r"mask 3 \(rest\) is empty"):
        lay([LEFT, RIGHT, "rest"])
    with pytest.raises(ValueError, match=r"mask 1 \(alpha\) is empty"):
        lay(["alpha", "rest"], alpha=np.zeros((16, 16), np.float32))


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ([], "at least one mask"),
        ("rest", "must be given once, with other masks"),
        (["rest", "rest", LEFT], "must be given once"),
        ([np.zeros((4, 4, 3))], r"mask 1 must have shape \(h, w\), got \(4, 4, 3\)"),
        (
            [LEFT, np.full((4, 4), 1.5)],
            "floats in mask 2 must be in .0, 1., got values from 1.5 to 1.5",
        ),
        ([np.full((4, 4), np.nan)], "floats in mask 1 must be in .*from nan"),
        ([np.zeros((4, 4), int)], "must have dtype bool, uint8 or float"),
    ],
)
def test_what_is_no_mask_is_refused(masks, message):
    with pytest.raises(ValueError, match=message):
        check_masks(masks)


def test_missing_files_and_wrong_feathers_are_reported(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        check_masks(tmp_path / "nothing.png")
    for feather in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="feather must be finite and at least 0"):
            check_masks(LEFT, feather)


@pytest.mark.parametrize("feather", [0.0, 5.0])
def test_bands_of_rows_are_those_of_the_whole(monkeypatch, feather):
    rng = np.random.default_rng(0)
    drawn = [rng.uniform(0, 0.5, side).astype("f4") for side in ((61, 40), (13, 90))]
    drawn_u8 = rng.integers(0, 99, (200, 31), dtype=np.uint8)
    mask_set = check_masks([*drawn, drawn_u8], feather)
    whole = make_region_masks(mask_set, 61, 40)
    monkeypatch.setattr(laid_masks, "BAND_PX", 40 * 7)
    laid = make_region_masks(mask_set, 61, 40)
    assert laid.shape == whole.shape == (4, 61, 40)
    for first in (0, 6, 7, 13, 30, 60):
        for last in (first + 1, first + 9, 61):
            got, expected = laid[:, first:last], whole[:, first:last]
            np.testing.assert_allclose(got, expected, atol=2e-6)
