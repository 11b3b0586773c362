"""FID's and ArtFID's networks against PyTorch, from a file that PyTorch wrote."""

import importlib

import numpy as np
import pytest

from styleflax.evaluation.networks import fid

torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
reference = importlib.import_module("torch_inception")


def to_torch(array):
    return torch.from_numpy(np.moveaxis(array, -1, 1).copy())


@pytest.fixture
def saved(tmp_path):
    """`saved(form)`: a random network and its file."""

    def save(form):
        torch.manual_seed(1)
        network = reference.make_inception(form)
        torch.save(network.state_dict(), tmp_path / "random.pth")
        return network, tmp_path / "random.pth"

    return save


def assert_same_features(found, expected):
    assert found.shape == expected.shape == (len(found), 2048)
    size = np.abs(expected).max()
    assert 0.05 < size < 100  # neither dead nor exploded
    assert np.abs(np.asarray(found) - expected).max() <= 1e-4 * size


def test_features_of_fid_agree(saved):
    network, path = saved("fid")
    picture = np.random.default_rng(2).uniform(size=(1, 61, 330, 3)).astype(np.float32)
    with torch.no_grad():
        resized = torch.nn.functional.interpolate(
            to_torch(picture), size=(299, 299), mode="bilinear", align_corners=False
        )
        expected = network(2 * resized - 1).numpy()
    features = fid.make_inception_features(path, sha256=None)
    assert_same_features(features(picture), expected)


def test_features_of_artfid_agree(saved):
    network, path = saved("art")
    pictures = np.random.default_rng(3).uniform(size=(2, 80, 107, 3))
    pictures = pictures.astype(np.float32)
    with torch.no_grad():
        expected = network(to_torch(pictures)).numpy()
    features = fid.make_art_inception_features(path)
    assert_same_features(features(pictures), expected)
