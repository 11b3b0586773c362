"""Claim 4: SANet's identity losses, and what each of its two levels is for."""

from pathlib import Path

import jax
import numpy as np

from benchmarks.claims import answers, measuring, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget, Trained
from styleflax.inference.model import Model, build_model
from styleflax.methods.base import Variables, plain_controls, stylize
from styleflax.methods.sanet_losses import PAPER_LOSSES, STYLE_LAYERS
from styleflax.weights.packaged_models import find_model
from styleflax.weights.store import load_model

WITHOUT = {k: v for k, v in PAPER_LOSSES.items() if "identity" not in k}
LEVELS = {"relu4_1 alone": 0.0, "both": 0.5, "relu5_1 alone": 1.0}
"""The control `level_balance`: all weight on what one level attended to."""


def run(budget: Budget, out: Path) -> Answer:
    """Trains with and without identity losses; asks the packaged model by level."""
    trained = _train_sides(budget)
    pairs = measuring.held_out(budget)
    found = measuring.score(trained, pairs)
    itself = pairs._replace(styles=pairs.contents)
    errors = {
        name: np.square(side.apply(*itself[:2]) - itself.contents)
        .mean(axis=(1, 2, 3))
        .reshape(pairs.shape)[:, :1]
        for name, side in trained.items()
    }
    base, other = trained
    rows = measuring.score_table(found, base)
    heads = ["content as its own style, squared pixel error"]
    rows = [
        [*row, *(heads if i == 0 else [f"{errors[row[0]].mean():.4f}"])]
        for i, row in enumerate(rows)
    ]
    by_level = _by_level(budget)
    answers.draw_bars(
        out / "claim_4.svg",
        {
            layer: {name: measuring.bootstrap_mean(v[layer]) for name, v in by_level}
            for layer in ("relu1_1", "relu3_1", "relu5_1")
        },
    )
    change = {
        k: measuring.verdict(measuring.relative_change(v, found[base][k]))
        for k, v in found[other].items()
    }
    error = measuring.relative_change(errors[other], errors[base])
    return Answer(
        "Identity losses keep the content's structure and let the style be richer; "
        "relu4_1 brings local patterns of a style and relu5_1 global ones, so both are "
        "needed.",
        budget.describe() + "; both begin as the packaged AdaIN with attention to what "
        "is alike. Levels: the packaged SANet, by its control `level_balance`",
        [rows, _level_table(by_level)],
        [
            f"Without identity losses the content distance is {change['content']}, "
            f"the mean/std distance {change['mean_std']} and the Gram distance "
            f"{change['gram']} against training with them; a picture in its own style "
            f"is off by {measuring.verdict(error)}.",
        ],
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
    for name, losses in {"with": PAPER_LOSSES, "without": WITHOUT}.items():
        config = training.make_config(budget, losses, 2e-4, method="sanet")
        config.encoder.weights = "sanet"
        batches = training.pair_batches(contents, styles, budget.batch_size)
        trained[name] = training.train(config, batches, begin)
    return trained


def _by_level(budget: Budget) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Relative distances of styles' statistics at every layer, and of contents."""
    pairs = measuring.held_out(budget, 2 * budget.crop_px)
    model = build_model(load_model(find_model("sanet")))
    styles = measuring.make_layer_ruler(STYLE_LAYERS)
    contents = measuring.make_ruler()
    found = []
    for name, balance in LEVELS.items():
        made = _apply(model, pairs, balance)
        values = styles(made, pairs.styles)
        measured = contents(made, pairs.contents, pairs.styles)
        values |= {k: measured[k] for k in ("content", "gram")}
        shaped = {k: v.reshape(pairs.shape) for k, v in values.items()}
        found.append((name, shaped))
    return found


def _apply(model: Model, pairs: measuring.Pairs, balance: float) -> np.ndarray:
    controls = plain_controls(level_balance=balance)

    @jax.jit
    def one(variables, frozen, content, style, controls):
        kept = model.method.encode_style(variables, frozen, {"image": style})
        return stylize(model.method, variables, frozen, content, [kept], controls)

    both = zip(pairs.contents, pairs.styles, strict=True)
    made = [
        one(model.variables, model.frozen, c[None], s[None], controls)[0]
        for c, s in both
    ]
    return np.clip(np.asarray(made), 0.0, 1.0)


def _level_table(
    by_level: list[tuple[str, dict[str, np.ndarray]]],
) -> list[list[str]]:
    scales = list(by_level[0][1])
    rows = [["levels", *(f"style at {k}" if "_" in k else k for k in scales)]]
    for name, values in by_level:
        rows.append([name, *(f"{values[k].mean():.3f}" for k in scales)])
    return rows
