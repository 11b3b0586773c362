import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import methods
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Variables, plain_controls, stylize
from styleflax.methods.model import build_model, read_arithmetic
from styleflax.models.vgg import VGG, Decoder
from styleflax.ops.statistics import adain, channel_mean_std
from styleflax.weights.published.convert import export_published
from styleflax.weights.store import load_model, save_model

torch = pytest.importorskip("torch", reason="parity with PyTorch needs PyTorch")
reference = importlib.import_module("torch_published")

# relu4_1 is 6x8 and even at first, then 7x5 and 5x6: odd.
SIDES = [(48, 64), (50, 37), (33, 47)]
STYLE_SIDE = (40, 56)
TOLERANCE = 1e-4


def random_pictures(side, seed=0, number=1):
    rng = np.random.default_rng([seed, *side])
    return jnp.asarray(rng.uniform(size=(number, *side, 3)), jnp.float32)


def to_torch(array):
    return torch.from_numpy(np.moveaxis(np.asarray(array), -1, 1).copy())


def to_numpy(tensor):
    return np.moveaxis(tensor.numpy(), 1, -1)


def assert_close(found, expected):
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() <= TOLERANCE


def features_of(networks, pictures):
    with torch.no_grad():
        return reference.encode(networks["vgg_normalised.pth"], to_torch(pictures))


@pytest.mark.parametrize("side", SIDES)
def test_features_of_the_encoder_agree(published, converted, side):
    pictures = random_pictures(side)
    model = converted(3)
    encoder = VGG.of_params(model.encoder_params, reference.LAYERS)
    found = jax.jit(encoder.apply)({"params": model.encoder_params}, pictures)
    for layer, tensor in features_of(published[0], pictures).items():
        expected = to_numpy(tensor)
        size = np.abs(expected).max()
        assert 0.1 < size < 100  # neither dead nor exploded
        assert_close(np.asarray(found[layer]) / size, expected / size)


@pytest.mark.parametrize("side", SIDES)
def test_adain_agrees(published, converted, side):
    arithmetic = read_arithmetic(converted(2))
    content, style = (
        features_of(published[0], random_pictures(s, seed))["relu4_1"]
        for seed, s in enumerate((side, STYLE_SIDE))
    )
    ours = [jnp.asarray(to_numpy(feature)) for feature in (content, style)]
    target = channel_mean_std(ours[1], **arithmetic.style_statistics())
    moved = adain(ours[0], *target, **arithmetic.content_statistics())
    assert_close(np.asarray(moved), to_numpy(reference.adain(content, style)))


def test_the_decoder_agrees(published, converted):
    features = np.maximum(np.random.default_rng(2).normal(size=(2, 5, 6, 512)), 0)
    features = jnp.asarray(features, jnp.float32)
    with torch.no_grad():
        expected = published[0]["decoder.pth"](to_torch(features))
    params = converted(2).players["model"]
    image = jax.jit(Decoder().apply)({"params": params}, features)
    assert_close(np.asarray(image), to_numpy(expected))


@pytest.mark.parametrize("side", SIDES)
def test_pictures_of_adain_agree_at_any_strength(published, converted, side):
    content, style = random_pictures(side), random_pictures(STYLE_SIDE, 1)
    method, *params = build_model(converted(2))

    @jax.jit
    def run(variables, frozen, content, style, controls):
        encoded = method.encode_style(variables, frozen, {"image": style})
        return stylize(method, variables, frozen, content, [encoded], controls)

    of_content, of_style = (
        features_of(published[0], pictures)["relu4_1"] for pictures in (content, style)
    )
    for alpha in (1.0, 0.4):
        target = reference.adain(of_content, of_style)
        with torch.no_grad():
            mixed = alpha * target + (1 - alpha) * of_content
            expected = to_numpy(published[0]["decoder.pth"](mixed))
        image = np.asarray(run(*params, content, style, plain_controls(alpha)))
        assert image.shape == content.shape
        assert_close(image, expected[:, : side[0], : side[1]])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("path", ["dense", "chunked"])
def test_pictures_of_sanet_agree(published, converted, side, path):
    content, style = random_pictures(side), random_pictures(STYLE_SIDE, 1)
    file = converted(3)
    method = methods.build(
        "sanet",
        arithmetic=read_arithmetic(file),
        style_dtype="float32",
        path=path,
    )

    @jax.jit
    def run(variables, frozen, content, style):
        controls = plain_controls()
        encoded = method.encode_style(variables, frozen, {"image": style})
        features = method.encode_content(variables, frozen, content)
        moments = method.moments(features, controls.masks)
        merged = method.transfer(
            variables, frozen, features, moments, [encoded], controls
        )
        return merged["merged"], method.decode(variables, frozen, merged)

    frozen = {"encoder": file.encoder_params}
    merged, image = run(Variables(file.players, {}), frozen, content, style)
    of_content, of_style = (features_of(published[0], x) for x in (content, style))
    with torch.no_grad():
        transform = published[0]["transformer_iter_500000.pth"]
        expected = transform(of_content, of_style)
        picture = published[0]["decoder.pth"](expected)
    size = float(expected.abs().max())
    assert_close(np.asarray(merged) / size, to_numpy(expected) / size)
    assert_close(np.asarray(image), to_numpy(picture))


def test_a_converted_file_stylizes_as_pytorch_does(published, converted, tmp_path):
    save_model(tmp_path / "m.safetensors", converted(3), np.float32)
    stylizer = Stylizer.load(tmp_path / "m.safetensors")
    content, style = random_pictures((50, 37)), random_pictures(STYLE_SIDE, 1)
    image = stylizer(content[0], style[0]).array  # a style is kept in float16
    features = [features_of(published[0], x) for x in (content, style)]
    with torch.no_grad():
        merged = published[0]["transformer_iter_500000.pth"](*features)
        expected = published[0]["decoder.pth"](merged).clamp(0, 1)
    difference = image - to_numpy(expected)[0, :50, :37]
    assert np.abs(difference).max() < 5e-3


@pytest.mark.parametrize("number", [1, 2, 3])
def test_converting_back_gives_identical_tensors(
    published, converted, tmp_path, number
):
    save_model(tmp_path / "m.safetensors", converted(number), np.float32)
    written = export_published(load_model(tmp_path / "m.safetensors"), tmp_path / "out")
    assert len(written) == number
    kept = {1: 34, 2: 20, 3: 28}[number]  # as deep as the method needs
    for path, network in zip(written, published[0].values(), strict=False):
        state = torch.load(path, weights_only=True)
        expected = network.state_dict()
        names = list(expected)[:kept] if path == written[0] else list(expected)
        assert list(state) == names
        assert all(torch.equal(state[name], expected[name]) for name in names)
