from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tiled_models import make_case

from styleflax.images.files import to_float
from styleflax.inference.tiles.tiling import stylize_tiled
from styleflax.methods.base import (
    Controls,
    encode_painting,
    plain_controls,
    stylize,
)


@pytest.fixture(scope="module", params=["adain", "sanet"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def case(name):
    return make_case(name)


def picture(height, width, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def tiled(case, content_u8, alpha=1.0, **arguments):
    """In floats, with the first style, through the windows of the case."""
    out = np.empty(content_u8.shape, np.float32)
    styles, controls = case.styles[:1], plain_controls(alpha)
    arguments = {"tile_px": case.tile_px, "out": out} | arguments
    return stylize_tiled(case.model, content_u8, styles, controls, **arguments)


def strength_of(name):
    return 0.7 if name == "adain" else 1.0  # below 1 SANet's has tests of its own


def check(case, size, alpha):
    content_u8 = picture(*size, seed=sum(size))
    expected = case.whole(content_u8, alpha)
    assert ((expected == 0) | (expected == 1)).mean() < 0.1
    deviation = np.abs(tiled(case, content_u8, alpha) - expected)
    assert deviation.max() < 1e-5


# One side's are 0, 1, 7, 8, 9 and 15; the other's 3, 8, 6, 11, 0 and 14.
@pytest.mark.parametrize("residue", [0, 1, 7, 8, 9, 15])
def test_windows_of_sizes_of_any_residue_make_the_whole_picture(name, case, residue):
    # Of both sides; one is longer than a window, the other one shorter.
    size = (case.tile_px + 16 + residue, 16 + (5 * residue + 3) % 16)
    check(case, size[:: 1 - 2 * (residue % 2)], strength_of(name))


def test_a_picture_smaller_than_a_tile_is_the_whole_one(name, case):
    check(case, (100, 33), strength_of(name))


def test_a_last_window_of_17_px_makes_no_difference(name, case):
    check(case, (case.tile_px + 2 * 16 + 17, 20), strength_of(name))


def test_masks_mixes_and_strengths_are_those_of_the_whole_picture(name, case):
    height, width = case.tile_px + 9, case.tile_px + 14
    content_u8 = picture(height, width)
    masks = np.random.default_rng(1).uniform(size=(2, 37, 61)).astype("f4")
    weights = np.array([[0.3, 0.7], [1.0, 0.0]], "f4")
    controls = Controls(
        jnp.array([0.9, 0.5]), jnp.asarray(weights), masks / masks.sum(axis=0), {}
    )
    told = []
    out = np.empty((height, width, 3), np.float32)
    arguments = (case.styles, controls)
    got = stylize_tiled(
        case.model,
        content_u8,
        *arguments,
        tile_px=case.tile_px,
        out=out,
        announce=told.append,
    )

    @jax.jit
    def whole(image):
        on_device = jax.tree.map(jnp.asarray, arguments)
        return stylize(*case.model, image, *on_device)

    expected = whole(np.float32(content_u8[None] / 255.0))[0].clip(0, 1)
    assert np.abs(got - expected).max() < 1e-5
    plain = tiled(case, content_u8, strength_of(name))
    assert np.abs(got - plain).max() > 0.01
    # What only SANet does is announced with its cost.
    assert len(told) == (name == "sanet")
    assert all(f"{width} x {height} px in 4 windows" in line for line in told)


def test_colors_are_those_of_the_whole_picture_in_8_bits_too(case):
    content_u8 = picture(case.tile_px + 9, 40)
    method, *params = case.model
    image = jnp.asarray(picture(24, 40)[None] / np.float32(255))
    encode = jax.jit(partial(encode_painting, method))
    style = encode(*params, {"image": image})
    masks = np.zeros((3, 5, 8), np.float32)  # of a region without a pixel, too
    masks[0, :2], masks[1, 2:] = 1.0, 1.0
    controls = Controls(
        jnp.array([0.9, 0.5, 1.0]),
        jnp.ones((3, 1)),
        jnp.asarray(masks),
        {},
        color_match=jnp.array([1.0, 0.4, 1.0]),
        detail=jnp.array([0.1, 0.5, 0.0]),
    )
    photo = jnp.asarray(content_u8[None] / np.float32(255))
    whole = jax.jit(partial(stylize, method))
    expected = whole(*params, photo, [style], controls)[0].clip(0, 1)
    for dtype, atol in ((np.float32, 1e-4), (np.uint8, 0.51)):
        out = np.empty(content_u8.shape, dtype)
        arguments = (case.model, content_u8, [style], controls)
        got = stylize_tiled(*arguments, tile_px=case.tile_px, out=out)
        scale = 255 if dtype == np.uint8 else 1
        assert np.abs(got - scale * np.asarray(expected)).max() < atol


def test_pictures_may_be_mapped_from_files_and_are_written_by_window(case, tmp_path):
    size = (case.tile_px + 20, 30, 3)
    content_u8 = picture(*size[:2])
    np.save(tmp_path / "content.npy", content_u8)
    made = np.lib.format.open_memmap(tmp_path / "made.npy", "w+", np.uint8, size)
    done = []
    mapped = np.load(tmp_path / "content.npy", mmap_mode="r")
    tiled(case, mapped, out=made, on_window=lambda *counts: done.append(counts))
    made.flush()
    in_floats = tiled(case, content_u8)
    expected = np.rint(in_floats * np.float32(255)).astype(np.uint8)
    np.testing.assert_array_equal(np.load(tmp_path / "made.npy"), expected)
    np.testing.assert_array_equal(tiled(case, content_u8, out=None), expected)
    np.testing.assert_array_equal(tiled(case, to_float(content_u8)), in_floats)
    assert done == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"content_u8": np.zeros((20, 20, 3), "f8")}, "content must be uint8 or"),
        (
            {"content_u8": np.zeros((20, 20), "u1")},
            r"float32 \(h, w, 3\), got uint8 \(20",
        ),
        ({"content_u8": np.zeros((0, 20, 3), "u1")}, "content must"),
        ({"out": np.zeros((20, 21, 3), "u1")}, r"out must be .* \(20, 20, 3\)"),
        ({"out": np.zeros((20, 20, 3), "f8")}, "out must be uint8 or float32"),
        ({"tile_px": 150}, "tile_px must be a multiple of"),
    ],
)
def test_wrong_arguments_are_refused_by_name(case, changes, message):
    arguments = {"content_u8": picture(20, 20)} | changes
    with pytest.raises(ValueError, match=message):
        tiled(case, **arguments)


def test_tiles_are_multiples_of_the_methods_own_stride(case):
    half = case.model.method.tiling.stride_px // 2  # of SANet's: AdaIN's stride
    with pytest.raises(ValueError, match="tile_px must be a multiple of"):
        tiled(case, picture(20, 20), tile_px=case.tile_px + half)


def test_a_method_without_tiles_is_refused(case):
    untiled = case.model.method._replace(tiling=None)
    with pytest.raises(ValueError, match="needs whole images"):
        tiled(case._replace(model=case.model._replace(method=untiled)), picture(20, 20))
