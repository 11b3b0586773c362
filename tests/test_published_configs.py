"""The losses of published programs, whose weights belong to their own units."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import styleflax
from styleflax.cli.train import parse_arguments
from styleflax.config import Schedule, StyleTerm
from styleflax.config.options import JOHNSON_LAYERS
from styleflax.losses.perceptual import find_style_loss
from styleflax.losses.pixels import total_variation_loss
from styleflax.training.phases import build_method, validate

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
CONFIGS = Path(styleflax.__file__).parents[1] / "configs"


def config_of(name):
    spec = importlib.util.spec_from_file_location(name, CONFIGS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config()


def losses_of(name):
    return config_of(name).phases[0].losses


def gram(feature):
    flat = np.asarray(feature, float).reshape(-1, feature.shape[-1])
    return flat.T @ flat


@pytest.mark.parametrize(
    ("name", "layer", "channels", "weight", "divisor"),
    [
        # Divided by c h w, mean over the entries, times 5.
        ("johnson_published", "relu2_2", 128, 5.0, 128),
        ("ulyanov_published", "relu3_1", 256, 1.0, 256),
        # Divided by h w.
        ("cin_published", "relu1_2", 64, 1e-4, 1),
    ],
)
def test_gram_terms_are_those_of_the_program(name, layer, channels, weight, divisor):
    output, style = (
        jnp.asarray(RNG.uniform(0, 50, (1, *side, channels)), jnp.float32)
        for side in ((4, 5), (3, 7))
    )
    matrices = [gram(x) / (x[0, :, :, 0].size * divisor) for x in (output, style)]
    expected = weight * ((matrices[0] - matrices[1]) ** 2).mean()
    (term,) = losses_of(name).keys() & {
        "gram_squared",
        StyleTerm("gram_squared", (layer,)),
    }
    loss = find_style_loss(term).evaluate({layer: output}, {layer: style}, KEY)
    assert losses_of(name)[term] * float(loss) == pytest.approx(expected, rel=1e-3)


def test_johnsons_total_variation_is_half_a_sum_over_pixels_of_255():
    # Equal differences everywhere, so that means and sums agree but for size.
    ramp = np.arange(256, dtype="f4") / 512
    batch = np.broadcast_to(ramp[None, :, None, None], (4, 256, 256, 3))
    pixels = 255.0 * batch[:, :, :-1].astype(float)
    expected = 1e-6 * 0.5 * (np.diff(pixels, axis=1) ** 2).sum()
    weight = losses_of("johnson_published")["total_variation"]
    found = weight * float(total_variation_loss(jnp.asarray(batch)))
    assert found == pytest.approx(expected, rel=1e-3)


CONSTANT = Schedule("inverse", 1e-3, decay=0.0)
FIRSTS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")


@pytest.mark.parametrize(
    ("name", "content_layer", "style_layers", "pooling", "schedule", "sizes"),
    [
        (
            "johnson_published",
            "relu3_3",
            JOHNSON_LAYERS,
            "max",
            CONSTANT,
            (40_000, 4, 256, 256),
        ),
        (
            "ulyanov_published",
            "relu4_2",
            FIRSTS,
            "max",
            Schedule("steps", 1e-3, decay=0.8, every_steps=2_000),
            (50_000, 1, 256, 480),
        ),
        (
            "cin_published",
            "relu3_3",
            JOHNSON_LAYERS,
            "average",
            CONSTANT,
            (40_000, 16, 256, 256),
        ),
    ],
)
def test_pictures_are_judged_and_networks_trained_as_in_the_program(
    name, content_layer, style_layers, pooling, schedule, sizes
):
    config = config_of(name)
    phase = config.phases[0]
    options = build_method(config, phase).options
    assert options["content_layer"] == content_layer
    assert options["style_layers"] == list(style_layers)
    assert options.get("pooling", "max") == pooling  # of johnson always
    assert phase.schedule == schedule
    assert (phase.steps, phase.batch_size, phase.crop_px, phase.resize_px) == sizes
    assert config.optimizer.clip_norm == 0
    assert not config.data.flip
    assert config.encoder.statistic == "none"


@pytest.mark.parametrize(
    "name", ["johnson_published", "ulyanov_published", "cin_published"]
)
def test_the_command_takes_them_by_name(name):
    config, _ = parse_arguments([f"--config={name}", "--workdir=x"])
    assert validate(config) == config_of(name)
