"""Claim 5: instance norm against batch norm where contents are normalized before."""

from pathlib import Path

import jax
import numpy as np

from benchmarks.claims import answers, measuring, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget
from styleflax.methods.base import plain_controls, stylize
from styleflax.methods.feed_forward import FEED_FORWARD_LOSSES
from styleflax.methods.model import build_model
from styleflax.weights.store import find_model, load_model

NORMS = ("instance", "batch")
WIDTH = 0.5
LAST = 0.2
"""Share of the steps over whose losses the answer is taken."""


def contrast_normalized(contents: np.ndarray) -> np.ndarray:
    """Pictures whose luminance is spread evenly over all values, colors shifted."""
    made = []
    for picture in contents:
        luma = picture @ np.array([0.299, 0.587, 0.114])
        ranks = luma.ravel().argsort(kind="stable").argsort(kind="stable")
        even = (ranks / (luma.size - 1)).reshape(luma.shape)
        made.append(picture + (even - luma)[..., None])
    return np.clip(np.asarray(made, np.float32), 0.0, 1.0)


def style_normalized(contents: np.ndarray, style: np.ndarray) -> np.ndarray:
    """Pictures in one style, by the packaged AdaIN."""
    model = build_model(load_model(find_model("adain")))

    @jax.jit
    def one(variables, frozen, content):
        kept = model.method.encode_style(variables, frozen, {"image": style[None]})
        controls = plain_controls()
        return stylize(model.method, variables, frozen, content, [kept], controls)

    made = [one(model.variables, model.frozen, x[None])[0] for x in contents]
    return np.clip(np.asarray(made), 0.0, 1.0)


def run(budget: Budget, out: Path) -> Answer:
    """Trains both norms on three kinds of contents."""
    contents = training.load_crops(budget.content, 96, budget.crop_px, 0)
    paintings = training.load_crops(budget.style, 2, budget.crop_px, 1, zoom=1.0)
    style, other = paintings
    kinds = {
        "original": contents,
        "contrast normalized": contrast_normalized(contents),
        "style normalized": style_normalized(contents, other),
    }
    options = {"width": WIDTH}
    curves: dict[str, dict[str, list[float]]] = {}
    for kind, pictures in kinds.items():
        curves[kind] = {}
        for norm in NORMS:
            config = training.make_config(
                budget,
                FEED_FORWARD_LOSSES,
                1e-3,
                method="johnson",
                options=options | {"norm": norm},
            )
            # Another encoder than AdaIN's: johnson compares down to relu4_3.
            config.encoder.weights = "sanet"
            batches = training.pair_batches(pictures, style[None], budget.batch_size)
            losses = training.train(config, batches).losses
            curves[kind][norm] = losses["gram_loss"]
    answers.draw_curves(out / "claim_5.svg", curves)
    return _answer(budget, curves)


def _answer(budget: Budget, curves: dict[str, dict[str, list[float]]]) -> Answer:
    last = max(round(LAST * budget.steps), 1)
    rows, advantages = [["contents", *NORMS, "batch against instance"]], {}
    for kind, lines in curves.items():
        ends = {norm: np.array(values[-last:]) for norm, values in lines.items()}
        change = measuring.relative_change(ends["batch"], ends["instance"])
        advantages[kind] = change
        means = [f"{ends[norm].mean():.3f}" for norm in NORMS]
        rows.append([kind, *means, measuring.verdict(change)])
    words = [f"{kind} {measuring.verdict(x)}" for kind, x in advantages.items()]
    return Answer(
        "Instance norm beats batch norm in a feed-forward network on original and on "
        "contrast-normalized pictures, and no longer where all contents have been "
        "brought to one style: it is a normalization of style.",
        f"{budget.steps} steps of {budget.batch_size} contents of {budget.crop_px} px "
        f"on each of six networks of width {WIDTH:g}, one seed; means of the last "
        f"{last} steps, with intervals over these steps",
        [rows],
        [
            "The style loss of batch norm is, against that of instance norm: "
            f"{'; '.join(words)}."
        ],
    )
