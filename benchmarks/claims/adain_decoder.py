"""Claim 1: norms in AdaIN's decoder, and concatenation in AdaIN's place."""

import functools
from pathlib import Path

import numpy as np

from benchmarks.claims import adain_variants, answers, measuring, starts, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget, Trained
from styleflax.config import to_json
from styleflax.methods.adain import PAPER_LOSSES

SIDES = {
    "none": {},
    "batch": {"norm": "batch"},
    "instance": {"norm": "instance"},
    "concatenation": {"transform": "concatenation"},
}


_KEPT: dict[tuple[Budget, str], Trained] = {}
"""Sides that several claims share, by what they were trained on."""


def train_sides(
    budget: Budget, sides: dict[str, dict], losses: dict[str, dict] | None = None
) -> dict[str, Trained]:
    """AdaIN with options, or with losses of each side, from the budget's start."""
    contents, styles = _crops(budget)
    begin = _inverse_start(budget) if budget.start == "inverse" else None
    trained = {}
    for name, options in sides.items():
        weights = (losses or {}).get(name, PAPER_LOSSES)
        fields = {"method": adain_variants.METHOD, "options": options}
        config = training.make_config(budget, weights, **fields)
        key = (budget, to_json(config))
        if key not in _KEPT:
            batches = training.pair_batches(contents, styles, budget.batch_size)
            _KEPT[key] = training.train(
                config, batches, begin, build=adain_variants.build
            )
        trained[name] = _KEPT[key]
    return trained


@functools.cache
def _crops(budget: Budget) -> tuple[np.ndarray, np.ndarray]:
    """Crops of contents and of styles."""
    folders = budget.content, budget.style
    contents, styles = (
        training.load_crops(folder, 96, budget.crop_px, seed)
        for seed, folder in enumerate(folders)
    )
    return contents, styles


@functools.cache
def _inverse_start(budget: Budget) -> training.Begin:
    """What begins as the inverse of the encoder, fitted to some of the crops."""
    contents, styles = (crops[:16] for crops in _crops(budget))
    decoder = starts.inverse_decoder(np.concatenate([contents, styles]))
    return starts.begin_with_decoder(decoder, contents, styles)


def run(budget: Budget, out: Path) -> Answer:
    """Trains the four decoders and scores them."""
    trained = train_sides(budget, SIDES)
    found = measuring.score(trained, measuring.held_out(budget))
    curves = {
        title: {name: side.losses[f"{term}_loss"] for name, side in trained.items()}
        for title, term in (("content loss", "content"), ("style loss", "style"))
    }
    answers.draw_curves(out / "claim_1.svg", curves)
    changes = {
        name: {
            k: measuring.relative_change(found[name][k], found["none"][k])
            for k in ("content", "mean_std")
        }
        for name in SIDES
        if name != "none"
    }
    sentences = [
        f"{name}: content {measuring.verdict(of['content'])}, style "
        f"{measuring.verdict(of['mean_std'])} against the decoder without."
        for name, of in changes.items()
    ]
    return Answer(
        "AdaIN's decoder must not normalize: batch norm and instance norm do worse "
        "than none, and so does concatenating features in AdaIN's place.",
        f"{budget.describe()}; {starts.NAMES[budget.start]}",
        [measuring.score_table(found, "none")],
        sentences,
    )
