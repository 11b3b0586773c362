"""Claim 6: a style lives in gamma and beta; a new one needs nothing else."""

from pathlib import Path

import jax
import numpy as np

from benchmarks.claims import answers, measuring, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget, Trained
from styleflax.methods.base import Variables
from styleflax.methods.feed_forward import FEED_FORWARD_LOSSES

STYLES = 4
WIDTH = 0.5
OPTIONS = {"width": WIDTH}
SIDES = ("gamma and beta", "everything, from the same network", "everything, anew")


def run(budget: Budget, out: Path) -> Answer:
    """Trains a network of some styles, then a new style in three ways."""
    contents = training.load_crops(budget.content, 96, budget.crop_px, 0)
    paintings = training.load_crops(
        budget.style, STYLES + 1, budget.crop_px, 1, zoom=1.0
    )
    names = [f"style {i + 1}" for i in range(STYLES)]
    many = _train(budget, contents, paintings[:STYLES], "cin", names)
    model = many.variables.players["model"]
    tables = jax.tree.map(lambda x: x.mean(axis=0, keepdims=True), model["styles"])
    network = {"network": model["network"]}

    def with_means(variables: Variables) -> Variables:
        return Variables({"model": tables}, variables.state)

    def with_network(variables: Variables) -> Variables:
        return Variables({"model": {**network, "styles": tables}}, variables.state)

    new = paintings[STYLES:]
    sides = dict(
        zip(
            SIDES,
            (
                _train(
                    budget, contents, new, "cin_style", ["new"], with_means, network
                ),
                _train(budget, contents, new, "cin", ["new"], with_network),
                _train(budget, contents, new, "cin", ["new"]),
            ),
            strict=True,
        )
    )
    pictures = training.load_squares(
        budget.eval_content, budget.pairs[0] * 2, budget.crop_px * 3 // 2
    )
    pairs = measuring.Pairs(
        pictures, np.repeat(new, len(pictures), axis=0), (len(pictures), 1)
    )
    curves = {
        title: {name: side.losses[term] for name, side in sides.items()}
        for title, term in (
            ("content loss", "content_loss"),
            ("Gram loss", "gram_loss"),
        )
    }
    answers.draw_curves(out / "claim_6.svg", curves)
    return _answer(budget, sides, measuring.score(sides, pairs))


def _train(budget, contents, styles, method, names, begin=None, frozen=None):
    config = training.make_config(
        budget,
        FEED_FORWARD_LOSSES,
        2e-3,
        method=method,
        options=OPTIONS | {"styles": names},
    )
    config.encoder.weights = "sanet"  # it reaches relu4_3
    batches = training.pair_batches(contents, styles, budget.batch_size)
    return training.train(config, batches, begin, frozen)


def _answer(
    budget: Budget, sides: dict[str, Trained], found: dict[str, measuring.Scores]
) -> Answer:
    few, same, _ = SIDES
    counts = {
        name: sum(x.size for x in jax.tree.leaves(side.variables.players))
        for name, side in sides.items()
    }
    table = measuring.score_table(found, few)
    table = [[*row, counts.get(row[0], "trained numbers")] for row in table]
    table = [[str(cell) for cell in row] for row in table]
    style = measuring.relative_change(found[same]["gram"], found[few]["gram"])
    content = measuring.relative_change(found[same]["content"], found[few]["content"])
    return Answer(
        "In a network with conditional instance norm a style is its gammas and betas: "
        "to add one, nothing else need be trained.",
        f"{budget.steps} steps of {budget.batch_size} contents of {budget.crop_px} px "
        f"for a network of {STYLES} styles (width {WIDTH:g}), then as many for the new "
        "style in each of three ways, one seed",
        [table],
        [
            f"Gamma and beta are {counts[few] / counts[same]:.1%} of the numbers; "
            f"training everything from the same network gives a Gram distance of "
            f"{measuring.verdict(style)} and a content distance of "
            f"{measuring.verdict(content)} against gamma and beta alone."
        ],
    )
