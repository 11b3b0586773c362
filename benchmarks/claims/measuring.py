"""Scores of sides on pairs that were not trained on, and differences with intervals."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.claims.training import (
    Budget,
    Trained,
    load_squares,
    picture_names,
)
from styleflax.evaluation.metrics.bootstrap import Interval, bootstrap_mean
from styleflax.evaluation.metrics.style import make_loss_measure
from styleflax.models.vgg import VGG
from styleflax.ops.statistics import channel_mean_std
from styleflax.weights.encoder import load_encoder

Scores = dict[str, np.ndarray]
"""By scale, a value of every pair (contents, styles)."""


class Pairs(NamedTuple):
    """All contents with all styles, one after the other.

    `style_names` are those of the styles' files, without suffix.
    """

    contents: np.ndarray
    styles: np.ndarray
    shape: tuple[int, int]
    style_names: tuple[str, ...] = ()


def held_out(budget: Budget, side_px: int | None = None) -> Pairs:
    """The pairs that a budget measures, by default larger than its crops by half."""
    side = side_px or budget.crop_px * 3 // 2
    contents = load_squares(budget.eval_content, budget.pairs[0], side)
    styles = load_squares(budget.eval_style, budget.pairs[1], side)
    shape = (len(contents), len(styles))
    everywhere = np.repeat(contents, shape[1], axis=0)
    names = picture_names(budget.eval_style, budget.pairs[1])
    return Pairs(everywhere, np.tile(styles, (shape[0], 1, 1, 1)), shape, names)


def score(sides: Mapping[str, Trained], pairs: Pairs) -> dict[str, Scores]:
    """Content, mean/std and Gram distance of every side's pictures, by one ruler."""
    measure = make_loss_measure()
    found = {}
    for name, side in sides.items():
        made = side.apply(pairs.contents, pairs.styles)
        values = measure(made, pairs.contents, pairs.styles)
        found[name] = {k: v.reshape(pairs.shape) for k, v in values.items()}
    return found


def make_layer_ruler(
    layers: tuple[str, ...], encoder: str = "sanet"
) -> Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    """`measure(pictures, styles)`: relative mean/std distance at every layer.

    Squared differences of means and deviations over the squares of the style's.
    """
    params = load_encoder(encoder).params
    network = VGG.of_params(params, layers)

    @jax.jit
    def distances(image, style):
        seen, wanted = (
            {k: channel_mean_std(v) for k, v in x.items()}
            for x in (
                network.apply({"params": params}, picture[None])
                for picture in (image, style)
            )
        )
        return {
            k: sum(jnp.square(a - b).sum() for a, b in zip(seen[k], wanted[k]))  # noqa: B905
            / sum(jnp.square(b).sum() for b in wanted[k])
            for k in layers
        }

    def measure(pictures: np.ndarray, styles: np.ndarray) -> dict[str, np.ndarray]:
        rows = [distances(p, s) for p, s in zip(pictures, styles, strict=True)]
        return {k: np.array([float(row[k]) for row in rows]) for k in layers}

    return measure


def relative_change(side: np.ndarray, base: np.ndarray) -> Interval:
    """By how much a side's values are above the base's, as a share of these' mean.

    The 95 % interval is over the pictures; it knows nothing of other seeds.
    """
    return bootstrap_mean((side - base) / base.mean())


def verdict(change: Interval) -> str:
    """`+12 % (3 to 20)`, for sentences and tables."""
    low, high = (f"{100 * x:+.0f}" for x in (change.low, change.high))
    return f"{100 * change.mean:+.0f} % ({low} to {high})"


def score_table(found: Mapping[str, Scores], base: str) -> list[list[str]]:
    """Rows of means, and of changes against the base, with intervals."""
    scales = list(found[base])
    rows = [["", *scales, *(f"{scale} against {base}" for scale in scales)]]
    for name, scores in found.items():
        means = [f"{scores[k].mean():.3f}" for k in scales]
        changes = [
            "" if name == base else verdict(relative_change(scores[k], found[base][k]))
            for k in scales
        ]
        rows.append([name, *means, *changes])
    return rows
