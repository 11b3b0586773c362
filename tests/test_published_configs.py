"""The losses of published programs, whose weights belong to their own units."""

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import styleflax
from styleflax.losses.family import find_style_loss
from styleflax.losses.regularizers import total_variation_loss

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
CONFIGS = Path(styleflax.__file__).parents[1] / "configs"


def losses_of(name):
    spec = importlib.util.spec_from_file_location(name, CONFIGS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.get_config().phases[0].losses


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
    (term,) = losses_of(name).keys() & {"gram_squared", f"gram_squared@{layer}"}
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
