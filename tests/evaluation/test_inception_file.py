import numpy as np
import pytest
import safetensors.numpy

from styleflax.evaluation.networks import inception as inception_blocks
from styleflax.evaluation.networks import inception_file


def test_folding_equals_the_normalization_behind_the_convolution():
    rng = np.random.default_rng(5)
    kernel = rng.normal(size=(4, 2, 3, 1))
    scale, shift, mean = rng.normal(size=(3, 4))
    variance = rng.uniform(0.1, 2.0, size=4)
    folded = inception_file.fold(kernel, scale, shift, mean, variance)
    patch = rng.normal(size=(2, 3, 1))
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
    with pytest.raises(ValueError, match="must be a complete safetensors file"):
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
