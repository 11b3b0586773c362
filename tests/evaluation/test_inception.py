import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate

from styleflax.evaluation.networks import inception
from styleflax.evaluation.networks import inception as inception_blocks
from styleflax.evaluation.networks.inception import Block, Conv, Fork, Pool

RNG = np.random.default_rng(5)


def random_map(height, width, channels=2):
    return RNG.normal(size=(1, height, width, channels)).astype(np.float32)


def random_conv(height, width, ins, outs):
    kernel = RNG.normal(size=(height, width, ins, outs)) / np.sqrt(ins * height * width)
    return {
        "kernel": kernel.astype(np.float32),
        "bias": RNG.normal(size=outs).astype(np.float32),
    }


def convolved(x, params, stride, margins):
    """The ReLU of a convolution, in float64 by SciPy."""
    rows, columns = margins
    padded = np.pad(x[0].astype(np.float64), ((rows, rows), (columns, columns), (0, 0)))
    maps = [
        correlate(padded, params["kernel"][..., i].astype(np.float64), mode="valid")
        for i in range(params["kernel"].shape[-1])
    ]
    y = np.concatenate(maps, axis=-1)[::stride, ::stride]
    return np.maximum(y + params["bias"], 0)[None]


@pytest.mark.parametrize(
    ("conv", "margins", "size"),
    [
        (Conv("wide", 3, 1, 7), (0, 3), (8, 9)),
        (Conv("tall", 3, 7, 1), (3, 0), (8, 9)),
        (Conv("square", 3, 5, 5), (2, 2), (8, 9)),
        (Conv("unpadded", 3, 3, 3, padded=False), (0, 0), (6, 7)),
        (Conv("halving", 3, 3, 3, stride=2, padded=False), (0, 0), (3, 4)),
    ],
)
def test_a_convolution_is_what_scipy_makes_of_it(conv, margins, size):
    x, params = random_map(8, 9), random_conv(conv.height, conv.width, 2, 3)
    found = inception.conv_relu(jnp.asarray(x), params, conv)
    assert found.shape == (1, *size, 3)
    expected = convolved(x, params, conv.stride, margins)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def windows(x, margin, fill):
    """All windows of 3x3, in a trailing axis."""
    padded = np.pad(
        x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), constant_values=fill
    )
    view = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), (1, 2))
    return view.reshape(*view.shape[:4], 9).astype(np.float64)


@pytest.mark.parametrize("size", [(5, 7), (1, 2), (1, 1)])
def test_pools_treat_the_border_as_they_say(size):
    x = random_map(*size) - 3  # below zero, so that a padded maximum would show
    array = jnp.asarray(x)
    inside = windows(x, 1, np.nan)
    expected = {
        "mean": np.nanmean(inside, axis=-1),
        "padded_mean": windows(x, 1, 0.0).mean(axis=-1),
        "max": np.nanmax(inside, axis=-1),
    }
    for kind, values in expected.items():
        found = inception.pool3x3(array, Pool(kind))
        np.testing.assert_allclose(found, values, atol=1e-5)


def test_a_halving_pool_leaves_out_what_no_window_covers():
    x = random_map(6, 9)
    found = inception.pool3x3(jnp.asarray(x), Pool("max", stride=2))
    expected = windows(x, 0, 0.0).max(axis=-1)[:, ::2, ::2]
    assert found.shape == (1, 2, 4, 2)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_branches_and_forks_stand_side_by_side_in_order():
    first, second, third = Conv("a", 1), Conv("b", 2), Conv("c", 3)
    block = Block("M", ((first, Fork((second, third))), (Pool("max"),)))
    assert inception_blocks.conv_shapes((Block("", ((Conv("s", 4),),)), block)) == {
        "s": (4, 3, 1, 1),
        "M.a": (1, 4, 1, 1),
        "M.b": (2, 1, 1, 1),
        "M.c": (3, 1, 1, 1),
    }
    params = {
        "M.a": random_conv(1, 1, 4, 1),
        "M.b": random_conv(1, 1, 1, 2),
        "M.c": random_conv(1, 1, 1, 3),
    }
    x = random_map(3, 4, 4)
    inner = convolved(x, params["M.a"], 1, (0, 0))
    expected = [convolved(inner, params[name], 1, (0, 0)) for name in ("M.b", "M.c")]
    expected.append(np.nanmax(windows(x, 1, np.nan), axis=-1))
    found = inception.apply_block(params, jnp.asarray(x), block)
    np.testing.assert_allclose(found, np.concatenate(expected, axis=-1), atol=1e-5)


def bilinear(picture, side):
    """Between pixel centers, the border repeated, in float64."""

    def matrix(length):
        centers = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
        return np.maximum(1 - np.abs(centers[:, None] - np.arange(length)), 0)

    rows, columns = (matrix(length) for length in picture.shape[:2])
    return np.einsum("yh,xw,hwc->yxc", rows, columns, picture, optimize=True)


@pytest.mark.parametrize("size", [(7, 30), (600, 299)])
def test_resizing_is_bilinear_and_does_not_smooth(size):
    picture = RNG.uniform(size=(*size, 3)).astype(np.float32)
    found = inception.resize_to_299(jnp.asarray(picture[None]))
    np.testing.assert_allclose(found[0], bilinear(picture, 299), atol=1e-4)


def test_the_network_has_the_published_number_of_parameters():
    # torchvision's documentation gives 27,161,264 with the heads: the second has
    # 2,049,000 and the auxiliary one 98,560 + 2,459,136 + 769,000.
    shapes = inception_blocks.conv_shapes(inception_blocks.build_blocks("fid"))
    assert len(shapes) == 94
    normalized = sum(np.prod(shape) + 2 * shape[0] for shape in shapes.values())
    assert normalized == 27_161_264 - 2_049_000 - 3_326_696


def test_narrow_kernels_lie_as_published():
    shapes = inception_blocks.conv_shapes(inception_blocks.build_blocks("art"))
    assert shapes["Mixed_6b.branch7x7_2"] == (128, 128, 1, 7)
    assert shapes["Mixed_6d.branch7x7dbl_2"] == (160, 160, 7, 1)
    assert shapes["Mixed_6e.branch7x7dbl_5"] == (192, 192, 1, 7)
    assert shapes["Mixed_7a.branch7x7x3_3"] == (192, 192, 7, 1)
    assert shapes["Mixed_7c.branch3x3_2a"] == (384, 384, 1, 3)
    assert shapes["Mixed_7c.branch3x3dbl_3b"] == (384, 384, 3, 1)


def test_features_are_2048_at_the_smallest_size_and_none_below():
    blocks = inception_blocks.build_blocks("fid")
    shapes = inception_blocks.conv_shapes(blocks)
    params = {
        name: {
            "kernel": jax.ShapeDtypeStruct((h, w, i, o), np.float32),
            "bias": jax.ShapeDtypeStruct((o,), np.float32),
        }
        for name, (o, i, h, w) in shapes.items()
    }

    def shape_of(side):
        picture = jax.ShapeDtypeStruct((2, 99, side, 3), np.float32)
        return jax.eval_shape(
            lambda p, x: inception.inception_features(p, x, blocks), params, picture
        ).shape

    assert shape_of(75) == (2, 2048)
    with pytest.raises(ValueError, match="99x74 px are too small for Inception-v3"):
        shape_of(74)
