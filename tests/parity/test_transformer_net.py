"""TransformerNet of pytorch/examples, converted, beside the same network in PyTorch."""

import importlib

import numpy as np
import pytest

from styleflax.inference.stylizer import Stylizer
from styleflax.weights.published.convert import convert_and_save
from styleflax.weights.store import load_model

torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
reference = importlib.import_module("torch_published")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(5)
    return reference.TransformerNet().eval()


@pytest.fixture(scope="module")
def model_path(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    state = network.state_dict()
    # As PyTorch before 0.4 wrote them; and the network ignores them.
    state["in1.running_mean"] = torch.full((32,), 7.0)
    state["res2.in1.running_var"] = torch.full((128,), 7.0)
    torch.save({"state_dict": state}, folder / "mosaic.pth")
    out = folder / "mosaic.safetensors"
    convert_and_save([folder / "mosaic.pth"], out, dtype="float32")
    return out


def expected_of(network, image_u8):
    with torch.no_grad():
        pixels = torch.from_numpy(image_u8.astype(np.float32)).permute(2, 0, 1)[None]
        made = network(pixels)[0].permute(1, 2, 0).numpy() / 255
    height, width = image_u8.shape[:2]
    return np.clip(made[:height, :width], 0, 1)


@pytest.mark.parametrize("side", [(48, 64), (50, 37), (33, 47)])
def test_pictures_agree(network, model_path, side):
    image_u8 = np.random.default_rng(side).integers(0, 256, (*side, 3), np.uint8)
    expected = expected_of(network, image_u8)
    assert expected.std() > 0.05
    assert ((expected > 0) & (expected < 1)).mean() > 0.3
    made = Stylizer.load(model_path)(image_u8).array
    assert made.shape == expected.shape
    assert np.abs(made - expected).max() <= 1e-4


def test_half_the_precision_is_enough_for_pictures_of_8_bits(
    network, model_path, tmp_path
):
    half = tmp_path / "half.safetensors"
    convert_and_save([model_path.with_suffix(".pth")], half)
    image_u8 = np.random.default_rng(1).integers(0, 256, (48, 64, 3), np.uint8)
    made = Stylizer.load(half)(image_u8).array
    assert np.abs(made - expected_of(network, image_u8)).mean() <= 1 / 255


def test_the_model_says_what_it_is(model_path):
    model = load_model(model_path)
    assert (model.method, model.encoder_params) == ("johnson", {})
    assert model.options["styles"] == ["mosaic"]
    assert model.provenance["sources"][0]["format"].startswith("TransformerNet")
