"""What `benchmarks/accelerator.py` compares computes the same in PyTorch."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from styleflax import methods
from styleflax.methods.adain import STYLE_LAYERS
from styleflax.methods.model import build_model
from styleflax.weights.store import load_model, packaged_models

torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
ours = importlib.import_module("accelerator_torch")
parts = importlib.import_module("accelerator_parts")
speed = importlib.import_module("speed")
theirs = importlib.import_module("torch_network")

TOLERANCE = 1e-3


def to_torch(arguments):
    return ours.converted(arguments, torch.contiguous_format, torch.float32)


def to_pictures(tensor):
    return tensor.detach().numpy().transpose(0, 2, 3, 1)


# Odd at every level; and with as many positions in photo and painting.
@pytest.mark.parametrize("sides", [((50, 37), (40, 56)), ((48, 64), (48, 64))])
@pytest.mark.parametrize("name", ["sanet", "lite"])
def test_pictures_of_packaged_weights_agree(name, sides):
    file = load_model(packaged_models()[name])
    rng = np.random.default_rng(0)
    shapes = [(count, *side, 3) for count, side in zip((2, 1), sides, strict=True)]
    pictures = [np.float32(rng.uniform(size=shape)) for shape in shapes]
    arguments = (file.encoder_params, file.players["model"], *pictures)
    run = jax.jit(ours.of_model(build_model(file).method))
    expected = np.asarray(run(*arguments))
    with torch.inference_mode():
        found = to_pictures(ours.NETWORKS[name](to_torch(arguments)))
    assert found.shape == expected.shape == (2, *sides[0], 3)
    assert expected.std() > 0.05  # pictures
    assert np.abs(found - expected).max() <= TOLERANCE


@pytest.fixture(scope="module")
def drawn():
    encoder, decoder, *pictures = ours.draw_arguments(1 / 16, 2, 32)
    exact = [np.rint(255 * np.asarray(x)) / 255 for x in pictures]
    return encoder, decoder, *exact


def test_steps_have_the_same_loss(drawn):
    method = methods.build("adain", losses=ours.EVEN, width=1 / 16)
    step, given = speed.step_program(*drawn, method)
    _, metrics = step(*given)
    loss = theirs.train(to_torch(drawn), STYLE_LAYERS, 1e-4)
    np.testing.assert_allclose(loss, np.asarray(metrics["loss"]).ravel()[0], rtol=1e-3)


def test_a_step_of_adam_lowers_the_loss(drawn):
    given = to_torch(drawn)
    adam = torch.optim.Adam(theirs.trained(given), 1e-3)
    losses = [theirs.train(given, STYLE_LAYERS, 1e-3, adam) for _ in range(4)]
    assert losses[-1] < losses[0]


@pytest.mark.slow  # most of a minute of compiling, in JAX and in PyTorch
def test_a_row_that_fails_leaves_the_others_alone(model_path, sanet_path, monkeypatch):
    def broken(*_):
        raise RuntimeError("out of memory")

    monkeypatch.setitem(ours.NETWORKS, "sanet", broken)
    monkeypatch.setattr(ours, "DTYPES", ("float32",))
    weights = [str(model_path), str(sanet_path), "none"]
    out = SimpleNamespace()  # nothing is saved
    rows = list(ours.compare(parts.Bench(parts.TINY, weights, [], {}, out)))
    missing, *rows = rows
    assert "there is no model file 'none'" in missing["error"]
    names = [f"styleflax {dtype}" for dtype in ours.DTYPES]
    names += [f"PyTorch {way}" for way in ours.WAYS]
    programs = (parts.COMPARED, "sanet, stylize", "adain, step")
    assert {(row["program"], row["name"]) for row in rows} == {
        (program, name) for program in programs for name in names
    }
    assert [row["name"] for row in rows[: len(names)]] == names
    failed = [row for row in rows if "error" in row]
    assert [row["program"] for row in failed] == ["sanet, stylize"] * len(ours.WAYS)
    assert failed[0]["error"] == "RuntimeError: out of memory"
    measured = [row for row in rows if "error" not in row]
    assert len(measured) == 3 * len(names) - len(ours.WAYS)
    assert all(
        row["pictures_per_s"] > 0 and row["tflop_per_s"] >= 0 for row in measured
    )
