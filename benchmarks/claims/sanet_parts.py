"""Claim 4: SANet's identity losses, and what each of its two levels is for."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.claims import answers, measuring, sanet_level, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.measuring import Pairs, Scores
from benchmarks.claims.training import Budget, Trained
from styleflax.methods.base import Variables
from styleflax.methods.sanet import PAPER_LOSSES, STYLE_LAYERS
from styleflax.weights.store import find_model, load_model

BASE, WITHOUT = "both levels, identity losses", "no identity losses"
LEVELS = {f"{level} alone": level for level in ("relu4_1", "relu5_1")}


class Side(NamedTuple):
    """Weights of the losses, and the method's options."""

    losses: dict[str, float]
    options: dict[str, Any]


SIDES = {
    BASE: Side(dict(PAPER_LOSSES), {}),
    WITHOUT: Side({k: v for k, v in PAPER_LOSSES.items() if "identity" not in k}, {}),
    **{name: Side(dict(PAPER_LOSSES), {"level": v}) for name, v in LEVELS.items()},
}


def run(budget: Budget, out: Path) -> Answer:
    """Trains with and without identity losses, and with each level alone."""
    trained = _train_sides(budget)
    pairs = measuring.held_out(budget)
    found = measuring.score(trained, pairs)
    layers = _score_layers(trained, pairs)
    errors = _own_errors(trained, pairs)
    answers.draw_bars(
        out / "claim_4.svg",
        {
            layer: {
                name: measuring.bootstrap_mean(values[layer])
                for name, values in layers.items()
            }
            for layer in ("relu1_1", "relu3_1", "relu5_1")
        },
    )
    return Answer(
        "Identity losses keep the content's structure and let the style be richer; "
        "relu4_1 brings local patterns of a style and relu5_1 global ones, so both are "
        "needed.",
        budget.describe() + "; all begin as the packaged AdaIN with attention to what "
        "is alike",
        [
            measuring.score_table(found, BASE),
            _own_table(errors),
            measuring.score_table(layers, BASE),
        ],
        [_without(found, errors), *(_level(name, layers, found) for name in LEVELS)],
    )


def _train_sides(budget: Budget) -> dict[str, Trained]:
    contents, styles = (
        training.load_crops(folder, 96, budget.crop_px, seed)
        for seed, folder in enumerate((budget.content, budget.style))
    )
    decoder = load_model(find_model("adain")).players["model"]

    def begin(variables: Variables) -> Variables:
        own = {**variables.players["model"], **decoder}
        return Variables({"model": own}, variables.state)

    trained = {}
    for name, (losses, options) in SIDES.items():
        method = sanet_level.METHOD if "level" in options else "sanet"
        fields = {"method": method, "options": options}
        config = training.make_config(budget, losses, 2e-4, **fields)
        config.encoder.weights = "sanet"
        batches = training.pair_batches(contents, styles, budget.batch_size)
        trained[name] = training.train(config, batches, begin, build=sanet_level.build)
    return trained


def _score_layers(trained: dict[str, Trained], pairs: Pairs) -> dict[str, Scores]:
    """Relative distances of styles' statistics at every layer."""
    measure = measuring.make_layer_ruler(STYLE_LAYERS)
    return {
        name: {
            layer: values.reshape(pairs.shape)
            for layer, values in measure(
                side.apply(pairs.contents, pairs.styles), pairs.styles
            ).items()
        }
        for name, side in trained.items()
    }


def _own_errors(trained: dict[str, Trained], pairs: Pairs) -> dict[str, np.ndarray]:
    """Squared errors of contents that were their own styles, (contents, 1)."""
    contents = pairs.contents[:: pairs.shape[1]]
    return {
        name: np.square(side.apply(contents, contents) - contents).mean(axis=(1, 2, 3))[
            :, None
        ]
        for name, side in trained.items()
    }


def _own_table(errors: dict[str, np.ndarray]) -> list[list[str]]:
    rows = [["", "content as its own style, squared error of pixels"]]
    return rows + [[name, f"{error.mean():.4f}"] for name, error in errors.items()]


def _without(found: dict[str, Scores], errors: dict[str, np.ndarray]) -> str:
    change = {
        k: measuring.verdict(measuring.relative_change(v, found[BASE][k]))
        for k, v in found[WITHOUT].items()
    }
    error = measuring.relative_change(errors[WITHOUT], errors[BASE])
    return (
        f"Without identity losses the content distance is {change['content']}, the "
        f"mean/std distance {change['mean_std']} and the Gram distance "
        f"{change['gram']} against training with them; a picture in its own style is "
        f"off by {measuring.verdict(error)}."
    )


def _level(name: str, layers: dict[str, Scores], found: dict[str, Scores]) -> str:
    change = {
        k: measuring.verdict(measuring.relative_change(v, layers[BASE][k]))
        for k, v in layers[name].items()
        if k in ("relu1_1", "relu5_1")
    }
    content = measuring.relative_change(found[name]["content"], found[BASE]["content"])
    return (
        f"With {name} the style's distance is {change['relu1_1']} at relu1_1 and "
        f"{change['relu5_1']} at relu5_1, the content's {measuring.verdict(content)}, "
        "against both."
    )
