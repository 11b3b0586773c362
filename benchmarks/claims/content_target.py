"""Claim 2: AdaIN's output as the content loss's target, or the content's features."""

from pathlib import Path

import numpy as np

from benchmarks.claims import answers, measuring, starts
from benchmarks.claims.adain_decoder import train_sides
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget

SIDES = {
    "AdaIN's output": {},
    "own features": {"content_target": "content"},
}


def run(budget: Budget, out: Path) -> Answer:
    """Trains both and compares the style loss on the way, and scores at the end."""
    trained = train_sides(budget, SIDES)
    base, other = SIDES
    found = measuring.score(trained, measuring.held_out(budget))
    lines = {name: side.losses["style_loss"] for name, side in trained.items()}
    answers.draw_curves(out / "claim_2.svg", {"style loss in training": lines})
    goal = np.mean(lines[other][-max(budget.steps // 10, 1) :])
    reached = _first_below(lines[base], goal, max(budget.steps // 10, 1))
    change = measuring.relative_change(
        found[other]["mean_std"], found[base]["mean_std"]
    )
    when = f"at step {reached}" if reached else "not"
    return Answer(
        "AdaIN's output as the content target converges slightly faster than the "
        "content's own features, and keeps to the aim of inverting AdaIN's output.",
        f"{budget.describe()}; {starts.NAMES[budget.start]}",
        [measuring.score_table(found, base)],
        [
            f"The style loss that own features have at step {budget.steps} is reached "
            f"{when} with AdaIN's output (running means of a tenth of the steps).",
            "On pairs not trained on, the style distance with own features is "
            f"{measuring.verdict(change)} against AdaIN's output.",
        ],
    )


def _first_below(values: list[float], goal: float, width: int) -> int:
    """Step at which the running mean is first at the goal; 0 for never."""
    means = np.convolve(values, np.ones(width) / width, "valid")
    below = np.flatnonzero(means <= goal)
    return int(below[0]) + width if below.size else 0
