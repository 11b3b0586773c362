"""What `color_match` and `detail` do to pictures: whole, in regions, by style file."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer
from own_styles import make_file, make_stylizer

from styleflax.images.files import resize_short_side, to_float, to_u8
from styleflax.inference.controls import make_plan, match_share
from styleflax.inference.styles import file as style_files
from styleflax.methods.base import plain_controls, stylize
from styleflax.ops.color_match import LUMA, TO_CHROMA

LEFT = np.repeat(np.arange(32)[None] < 16, 32, axis=0).astype(np.float32)
GRAYS = np.repeat(np.linspace(90, 160, 32 * 32, dtype=np.uint8), 3).reshape(32, 32, 3)


@pytest.fixture(scope="module", params=[("adain", 0), ("sanet", 0)])
def lively(request, shared_programs):
    """Stylizers whose pictures vary, also for pale paintings."""
    name, seed = request.param
    return make_narrow_stylizer(name, seed, tile_px=0)


@pytest.fixture(scope="module")
def pale(small_pictures):
    """A painting of so little color that a result of it stays within the gamut."""
    return 85 + small_pictures[1] // 3


def chroma(image, weights=None):
    flat = np.asarray(image, np.float64).reshape(-1, 3) @ TO_CHROMA.T
    weights = None if weights is None else weights.ravel()
    mean = np.average(flat, axis=0, weights=weights)
    return mean, np.cov(flat.T, bias=True, aweights=weights)


def check_chroma(image, expected, weights=None):
    for got, wanted in zip(chroma(image, weights), expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-4)


def test_at_1_chroma_is_the_paintings_and_luma_the_networks(
    lively, small_pictures, pale
):
    content = small_pictures[0]
    plain = lively(content, pale, color_match=0).array
    made = lively(content, pale, color_match=1).array
    assert 0 < made.min() < made.max() < 1  # nothing was clipped
    check_chroma(made, chroma(to_float(pale)))
    np.testing.assert_allclose(made @ LUMA, plain @ LUMA, atol=1e-5)
    half = lively(content, pale, color_match=0.5).array
    np.testing.assert_allclose(half, (made + plain) / 2, atol=1e-5)


def test_at_0_the_picture_is_the_networks_own(lively, small_pictures):
    content, painting, _ = small_pictures
    method, *params = lively._model
    photo, image = (jnp.asarray(to_float(x[None])) for x in (content, painting))
    style = jax.jit(method.encode_style)(*params, {"image": image})
    whole = jax.jit(functools.partial(stylize, method))
    own = whole(*params, photo, [style], plain_controls())
    for controls in ({}, {"color_match": 0, "detail": 0}, {"detail": 1}):
        made = lively(content, painting, **controls).array
        np.testing.assert_allclose(made, own[0].clip(0, 1), atol=1e-5)


def test_strength_0_is_the_photo_and_above_1_nothing_is_added(
    lively, small_pictures, pale
):
    content = small_pictures[0]
    full = {"color_match": 1, "detail": 1}
    made = lively(content, pale, alpha=0, **full).array
    np.testing.assert_array_equal(to_u8(made), content)
    lost = lively(content, pale, alpha=0).array
    assert np.abs(made - lost).max() > 0.05  # which is what the network loses
    for strength in ({}, {"exaggerate": 1.5}):
        made = lively(content, pale, **full, **strength).array
        without = lively(content, pale, color_match=1, **strength).array
        np.testing.assert_array_equal(made, without)
        check_chroma(made, chroma(to_float(pale)))


def test_strength_0_at_the_size_that_is_asked_for(narrow_adain, small_pictures, pale):
    content, full = small_pictures[0], {"alpha": 0, "color_match": 1, "detail": 1}
    small = narrow_adain(content, pale, size=24, **full).array
    np.testing.assert_array_equal(to_u8(small), resize_short_side(content, 24))
    for masks in ({}, {"masks": [LEFT, "rest"], "region_alphas": [0.5, 1]}):
        looks = {"size": 24, "restore_size": True, **full, **masks}
        made = narrow_adain(content, pale, **looks).array
        np.testing.assert_array_equal(to_u8(made), content)


def test_between_detail_is_added_in_proportion(lively, small_pictures):
    content, painting, _ = small_pictures
    photo = to_float(content)
    lost = photo - lively(content, painting, alpha=0).array
    for detail in (0.5, 1.0):
        plain, made = (
            lively(content, painting, alpha=0.75, detail=x).array for x in (0.0, detail)
        )
        inside = (made > 0) & (made < 1)
        added = (made - plain - 0.25 * detail * lost)[inside]
        np.testing.assert_allclose(added, 0, atol=1e-5)


def test_the_share_of_the_color_step_rises_from_0_to_1_with_strength():
    shares = [match_share(k / 10) for k in range(11)]
    assert shares[0] == 0
    assert shares[-1] == match_share(1.5) == 1
    assert all(a < b for a, b in itertools.pairwise(shares))


def test_a_gray_painting_gives_grays_and_a_gray_photo_the_paintings_mean(
    lively, small_pictures, pale
):
    colored, full = small_pictures[0], {"color_match": 1, "detail": 1}
    for content in (colored, GRAYS):
        made = lively(content, GRAYS, **full).array
        assert np.isfinite(made).all()
        np.testing.assert_allclose(made - made[..., :1], 0, atol=2e-5)
    one_color = np.full_like(colored, (120, 140, 160))
    made = lively(colored, one_color, **full).array
    check_chroma(made, chroma(to_float(one_color)))
    made = lively(GRAYS, pale, **full).array
    wanted, covariance = chroma(to_float(pale))
    mean, got = chroma(made)
    np.testing.assert_allclose(mean, wanted, atol=1e-4)
    assert np.trace(got) < 1.01 * np.trace(covariance)
    made = lively(GRAYS, pale, alpha=0.01, **full).array
    assert np.abs(made - to_float(GRAYS)).max() < 0.1


def test_regions_have_the_chroma_of_their_own_paintings(lively, small_pictures, pale):
    content, _, other = small_pictures
    other = 85 + other // 3
    masks = [LEFT, 1 - LEFT]
    made = lively(content, [pale, other], masks=masks, color_match=1).array
    for painting, mask in zip((pale, other), masks, strict=True):
        check_chroma(made, chroma(to_float(painting)), mask)


def test_a_mix_has_the_mean_of_its_paintings_chroma(lively, small_pictures, pale):
    content, _, other = small_pictures
    paintings = [pale, 85 + other // 3]
    made = lively(content, paintings, weights=[1, 3], color_match=1).array
    (mean, covariance), (mean_2, covariance_2) = (
        chroma(to_float(painting)) for painting in paintings
    )
    expected = 0.25 * mean + 0.75 * mean_2, 0.25 * covariance + 0.75 * covariance_2
    check_chroma(made, expected)


def test_a_region_of_strength_0_is_the_photo_far_from_others(narrow_adain, pale):
    content = np.random.default_rng(3).integers(60, 200, (32, 256, 3), np.uint8)
    right = np.repeat(np.arange(256)[None] >= 16, 32, axis=0).astype(np.float32)
    made = narrow_adain(
        content,
        pale,
        masks=[1 - right, right],
        region_alphas=[1, 0],
        feather=4,
        color_match=1,
        detail=1,
    ).array
    halo = narrow_adain._model.method.tiling.halo_px
    np.testing.assert_array_equal(to_u8(made)[:, 28 + halo :], content[:, 28 + halo :])
    assert np.abs(made[:, :8] - to_float(content)[:, :8]).max() > 0.1


def test_a_batch_over_two_devices_is_made_of_single_pictures(
    small_pictures, pale, shared_programs
):
    contents = np.stack([small_pictures[0], small_pictures[2], GRAYS])
    looks = {"alpha": 0.6, "color_match": 1, "detail": 1}
    one = make_narrow_stylizer("adain", tile_px=0)
    singles = [one(content, pale, **looks).array for content in contents]
    one._renderer = type(one._renderer)(one._model, jax.devices(), 0, split_rows=False)
    np.testing.assert_allclose(one(contents, pale, **looks).array, singles, atol=1e-4)


def test_style_files_retain_the_palette_and_old_ones_warn_once(
    narrow_adain, small_pictures, pale, tmp_path, monkeypatch
):
    content, told = small_pictures[0], []
    narrow_adain.save_style(pale, tmp_path / "new.style")
    monkeypatch.setattr(narrow_adain._renderer, "announce", told.append)
    expected = narrow_adain(content, pale, color_match=1).array
    made = narrow_adain(content, tmp_path / "new.style", color_match=1).array
    np.testing.assert_array_equal(made, expected)
    assert not told
    file = style_files.load_style(tmp_path / "new.style")
    own = {k: v for k, v in file.style.items() if k != "palette"}
    style_files.save_style(tmp_path / "old.style", file._replace(style=own))
    for _ in range(2):
        made = narrow_adain(content, tmp_path / "old.style", color_match=1).array
    plain = narrow_adain(content, pale, color_match=0).array
    np.testing.assert_array_equal(made, plain)
    assert len(told) == 1
    assert "lacks the painting's colors" in told[0]
    assert "style save" in told[0]


def test_a_palette_is_of_the_part_of_a_painting_that_counts(narrow_adain, pale):
    part = {"style_masks": [LEFT], "color_match": 1}
    made = narrow_adain(GRAYS // 2 + pale // 2, pale, **part).array
    check_chroma(made, chroma(to_float(pale[:, :16])))


def test_the_models_defaults_hold_where_nothing_is_asked_for():
    plan = make_plan(1).completed({"color_match": 0.7, "detail": 1.0})
    assert (plan.color_match, plan.detail) == (0.7, 1.0)
    plan = make_plan(1, color_match=0, detail=0.5).completed({"color_match": 0.7})
    assert (plan.color_match, plan.detail) == (0, 0.5)
    assert make_plan(1).completed({}).controls(np.ones((1, 1, 1))).detail is None


@pytest.mark.parametrize("color", ["coral", "luminance", "lab"])
def test_where_the_photos_colors_stay_there_is_no_color_step(color):
    plan = make_plan(1, color=color).completed({"color_match": 1.0})
    assert plan.controls(np.ones((1, 1, 1))).color_match is None
    with pytest.raises(ValueError, match=f"color_match must be 0.*color='{color}'"):
        make_plan(1, color=color, color_match=0.5)


@pytest.mark.parametrize("name", ["color_match", "detail"])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_values_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"{name} must be in \[0, 1\]"):
        make_plan(1, **{name: value})


@pytest.mark.parametrize("asked", [{"color_match": 1}, {"detail": 1}, {"alpha": 0}])
def test_models_with_styles_of_their_own_refuse(asked, shared_programs):
    johnson = make_stylizer(make_file("johnson"), "johnson")
    name = "alpha" if "alpha" in asked else next(iter(asked))
    with pytest.raises(ValueError, match=rf"{name}.*adain, sanet, lite have it"):
        johnson(GRAYS, None, **asked)
