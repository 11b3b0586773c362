"""Claim 3: mean and deviation against Gram matrices as the style loss."""

from pathlib import Path

from benchmarks.claims import answers, measuring, starts
from benchmarks.claims.adain_decoder import train_sides
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget

STYLE_WEIGHT = 10.0
GRAM_WEIGHTS = (1.0, 3.0, 10.0, 30.0, 100.0)
"""The two losses have no common unit; several weights show what hangs on that."""


def run(budget: Budget, out: Path) -> Answer:
    """Trains by each loss and scores by both."""
    losses = {"mean/std": {"content": 1.0, "style": STYLE_WEIGHT}}
    for weight in GRAM_WEIGHTS:
        losses[f"Gram, weight {weight:g}"] = {"content": 1.0, "gram": weight}
    trained = train_sides(budget, {name: {} for name in losses}, losses)
    found = measuring.score(trained, measuring.held_out(budget))
    base = "mean/std"
    bars = {
        scale: {
            name: measuring.bootstrap_mean(scores[scale])
            for name, scores in found.items()
        }
        for scale in ("content", "mean_std", "gram")
    }
    answers.draw_bars(out / "claim_3.svg", bars)
    sentences = []
    for name in [name for name in losses if name != base]:
        of = {
            k: measuring.verdict(measuring.relative_change(v, found[base][k]))
            for k, v in found[name].items()
        }
        sentences.append(
            f"{name}: Gram distance {of['gram']}, mean/std distance {of['mean_std']}, "
            f"content {of['content']} against training by mean/std."
        )
    return Answer(
        "A style loss of channel means and deviations gives results similar to those "
        "of a loss of Gram matrices.",
        f"{budget.describe()}; {starts.NAMES[budget.start]}",
        [measuring.score_table(found, base)],
        sentences,
    )
