import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy
from scipy.signal import correlate

from styleflax.evaluation import inception, inception_blocks, inception_file
from styleflax.evaluation.inception_blocks import Block, Conv, Fork, Pool

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
    """Between pixel centres, the border repeated, in float64."""

    def matrix(length):
        centres = np.clip((np.arange(side) + 0.5) * length / side - 0.5, 0, length - 1)
        return np.maximum(1 - np.abs(centres[:, None] - np.arange(length)), 0)

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
    normalised = sum(np.prod(shape) + 2 * shape[0] for shape in shapes.values())
    assert normalised == 27_161_264 - 2_049_000 - 3_326_696


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


def test_folding_equals_the_normalisation_behind_the_convolution():
    kernel = RNG.normal(size=(4, 2, 3, 1))
    scale, shift, mean = RNG.normal(size=(3, 4))
    variance = RNG.uniform(0.1, 2.0, size=4)
    folded = inception_file.fold(kernel, scale, shift, mean, variance)
    patch = RNG.normal(size=(2, 3, 1))
    raw = np.einsum("oihw,ihw->o", kernel, patch)
    expected = (raw - mean) / np.sqrt(variance + 0.001) * scale + shift
    found = np.einsum("hwio,ihw->o", folded["kernel"], patch) + folded["bias"]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def file_shapes(form, head=None):
    """All that the published file has; `head` is another number of classes."""
    shapes = {}
    kernels = inception_blocks.conv_shapes(inception_blocks.build_blocks(form))
    for name, kernel in kernels.items():
        shapes[f"{name}.conv.weight"] = kernel
        for leaf in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.bn.{leaf}"] = kernel[:1]
        shapes[f"{name}.bn.num_batches_tracked"] = ()
    if form == "fid" or head:
        classes = head or 1008
        shapes |= {"fc.weight": (classes, 2048), "fc.bias": (classes,)}
    return shapes


def test_the_published_files_are_known():
    assert len(file_shapes("fid")) == 566
    inception_file.check_network(file_shapes("fid"), "fid", "f.pth")
    art = file_shapes("art")
    inception_file.check_network(art, "art", "a.pth")
    heads = {"fc1.weight": (7, 2048), "AuxLogits2.conv0.conv.weight": (128, 768, 1, 1)}
    inception_file.check_network(art | heads, "art", "a.pth")


def without(shapes, name):
    return {key: shape for key, shape in shapes.items() if key != name}


@pytest.mark.parametrize(
    ("form", "shapes", "message"),
    [
        ("fid", file_shapes("art", 1000), "is not the FID network .* ImageNet"),
        ("fid", file_shapes("art"), "is not the FID network .*2 missing: fc.bias, fc"),
        ("fid", {"0.weight": (64, 3, 3, 3)}, "is not the FID .*1 extra: 0.weight"),
        (
            "fid",
            without(file_shapes("fid"), "Mixed_6b.branch_pool.bn.bias"),
            "1 missing: Mixed_6b.branch_pool.bn.bias",
        ),
        (
            "fid",
            file_shapes("fid") | {"Mixed_5b.branch_pool.conv.weight": (64, 192, 1, 1)},
            r"branch_pool.conv.weight is \(64, 192, 1, 1\), not \(32, 192, 1, 1\)",
        ),
        ("fid", file_shapes("fid") | {"more": (1,)}, "1 extra: more"),
        ("art", file_shapes("fid"), "is not the ArtFID network .*: it is the FID net"),
        ("art", file_shapes("art", 1000), "is not the ArtFID network .* ImageNet"),
        ("art", file_shapes("art", 10), "is not the ArtFID .* with one head"),
        ("art", file_shapes("art") | {"more": (1,)}, "1 extra: more"),
    ],
)
def test_another_network_is_refused_by_name(form, shapes, message):
    with pytest.raises(ValueError, match=message):
        inception_file.check_network(shapes, form, "f.pth")


@pytest.fixture(scope="module")
def zeros_path(tmp_path_factory):
    """A file with the names of the FID network and zeros, but for one kernel."""
    path = tmp_path_factory.mktemp("inception") / "zeros.safetensors"
    arrays = {
        name: np.zeros(shape, np.float16) for name, shape in file_shapes("fid").items()
    }
    arrays["Conv2d_1a_3x3.conv.weight"][1, 2, 0, 1] = 3
    arrays["Conv2d_1a_3x3.bn.weight"][1] = 2
    arrays["Conv2d_1a_3x3.bn.running_var"][1] = 4 - 0.001
    safetensors.numpy.save_file(arrays, path)
    return path


def test_safetensors_are_read(zeros_path):
    params = inception_file.load_inception(zeros_path, "fid")
    assert len(params) == 94
    kernel = params["Conv2d_1a_3x3"]["kernel"]
    assert kernel.shape == (3, 3, 3, 32)
    assert kernel.dtype == np.float32
    assert kernel[0, 1, 2, 1] == pytest.approx(3.0, abs=1e-2)
    assert np.count_nonzero(kernel) == 1


def test_a_file_with_another_digest_is_refused(zeros_path):
    with pytest.raises(ValueError, match="but is another file: its SHA-256 is"):
        inception_file.load_inception(zeros_path, "fid", inception_file.FID_SHA256)


def test_missing_and_torn_files_are_named(zeros_path, tmp_path):
    with pytest.raises(FileNotFoundError, match="it should be the FID network"):
        inception_file.load_inception(tmp_path / "none.pth", "fid")
    torn = tmp_path / "torn.safetensors"
    with zeros_path.open("rb") as file:
        torn.write_bytes(file.read(100_000))
    with pytest.raises(ValueError, match="is not a whole safetensors file"):
        inception_file.load_inception(torn, "fid")
    (tmp_path / "text.pth").write_text("not weights")
    with pytest.raises(ValueError, match="is not a PyTorch state dict"):
        inception_file.load_inception(tmp_path / "text.pth", "fid")


def test_values_that_are_not_finite_are_refused():
    convs = {"c": (1, 1, 1, 1)}
    names = ("c.conv.weight", "c.bn.weight", "c.bn.bias", "c.bn.running_mean")
    arrays = {name: np.ones(convs["c"] if "conv" in name else 1) for name in names}
    arrays["c.bn.running_var"] = np.array([-1.0])
    with pytest.raises(ValueError, match="values that are not finite, in c"):
        inception_file._fold_all(arrays, tuple(convs), "f.pth")
