"""Claim 7: to how many iterations of Gatys et al. is one forward pass equal?"""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from benchmarks.claims import answers, measuring
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget
from styleflax.evaluation.metrics.style import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    make_loss_measure,
)
from styleflax.inference.gatys import Settings, make_gatys
from styleflax.methods.base import Method, plain_controls, stylize
from styleflax.methods.gatys import Objective
from styleflax.methods.model import Model, build_model
from styleflax.weights.encoder import load_encoder
from styleflax.weights.store import find_model, load_model

SYSTEMS = ("adain", "sanet")
SCALES = {"mean_std": ("style", 10.0), "gram": ("gram", 5.0)}
"""By the ruler's scale: the style loss that Gatys minimizes, and its weight beside the
content's 1; for `style` that of AdaIN's published training."""


def run(budget: Budget, out: Path) -> Answer:
    """Optimizes every pair by each style loss, and looks for the methods' totals."""
    pairs = measuring.held_out(budget, budget.picture_px)
    encoder = load_encoder("adain").params
    scores = _scores(budget, pairs)
    tables, sentences, panels = [], [], {}
    for scale, (loss, weight) in SCALES.items():
        curves = _curves(budget, encoder, pairs, loss, weight)
        totals = {k: v["content"] + weight * v[scale] for k, v in scores.items()}
        rows, words = _compare(curves, totals, pairs.shape)
        tables.append([[f"by content + {weight:g} {scale}", *rows[0][1:]], *rows[1:]])
        sentences.extend(f"By {scale}, {word}" for word in words)
        # As shares of each pair's start, since not every method knows every style.
        start, length = curves[:, 0], curves.shape[1]
        panels[f"content + {weight:g} {scale}, share of Gatys' start"] = {
            "Gatys": (curves / start[:, None]).mean(axis=0),
            **{k: np.full(length, np.nanmean(v / start)) for k, v in totals.items()},
        }
    answers.draw_curves(out / "claim_7.svg", panels, "iteration", smooth=0.0)
    return Answer(
        "One pass of AdaIN is as good as many iterations of Gatys et al.; its losses "
        "are between theirs at some tens and some hundreds of iterations.",
        f"{len(pairs.contents)} pairs of {budget.picture_px} px, L-BFGS from the "
        f"content, at most {budget.iterations} iterations; the packaged weights"
        + "".join(f", {path.name}" for path in budget.models)
        + "; Gatys' losses are of pixels before they are cut to [0, 1]",
        tables,
        sentences,
    )


def _scores(budget: Budget, pairs: measuring.Pairs) -> dict[str, measuring.Scores]:
    """The ruler's values of every pair by method; NaN where no file has its style.

    Files of one method share a line: each has the styles that those before it lack.
    """
    measure = make_loss_measure()
    scores: dict[str, measuring.Scores] = {}
    for name in (*SYSTEMS, *budget.models):
        file = load_model(find_model(name))
        made, known = _stylized(build_model(file), pairs)
        values = measure(made, pairs.contents, pairs.styles)
        before = scores.get(file.method, dict.fromkeys(values, np.nan))
        scores[file.method] = {
            k: np.where(np.isnan(before[k]) & known, v, before[k])
            for k, v in values.items()
        }
    return scores


def _curves(budget, encoder, pairs, loss, weight) -> np.ndarray:
    """Gatys' total for every pair and iteration, (n, iterations + 1)."""
    layers = len(STYLE_LAYERS)
    objective = Objective(
        style_weight=weight * layers,  # layers' weights sum to 1
        content_layers=(CONTENT_LAYER,),
        style_layers=STYLE_LAYERS,
        style_losses=((loss, 1.0),),
    )
    settings = Settings(objective, iterations=(budget.iterations,))
    gatys: Callable = make_gatys(encoder, settings)
    both = zip(pairs.contents, pairs.styles, strict=True)
    return np.stack([gatys(c, [s]).losses[:, 0] for c, s in both])


def _stylized(model: Model, pairs: measuring.Pairs) -> tuple[np.ndarray, np.ndarray]:
    """The pictures, and whether the model knows the style; others are its content."""
    method = model.method
    own = [find_own(method, name) for name in pairs.style_names] * pairs.shape[0]
    known = np.array([not method.styles or place is not None for place in own])

    @jax.jit
    def one(variables, frozen, content, style):
        kept = method.encode_style(variables, frozen, style)
        return stylize(method, variables, frozen, content, [kept], plain_controls())

    made = pairs.contents.copy()
    for i in np.flatnonzero(known):
        place, painting = own[i], {"image": pairs.styles[i][None]}
        style = painting if place is None else {"style_index": np.array([place])}
        made[i] = one(model.variables, model.frozen, made[i][None], style)[0]
    return np.clip(made, 0.0, 1.0), known


def find_own(method: Method, style_name: str) -> int | None:
    """The place of a style among those of the method's own; None if it has it not."""
    names = list(method.styles)
    return names.index(style_name) if style_name in names else None


def _compare(
    curves: np.ndarray, totals: dict[str, np.ndarray], shape: tuple[int, int]
) -> tuple[list[list[str]], list[str]]:
    """First iterations at which Gatys is as low, by pair: medians with intervals.

    As pairs share pictures, contents and styles are drawn apart. A method's total is
    NaN for styles that it does not know: it is compared on those that it knows.
    """
    most = curves.shape[1] - 1
    rows = [
        [
            "",
            "share of Gatys' start",
            "equals Gatys at iteration",
            "95 % interval",
            "never",
        ]
    ]
    words = []
    rng = np.random.default_rng(0)
    for name, total in totals.items():
        known = ~np.isnan(total)
        below = curves <= total[:, None]
        first = np.where(below.any(axis=1), below.argmax(axis=1), most + 1)
        grid = first.reshape(shape)[:, known.reshape(shape)[0]]
        rows_drawn, columns_drawn = (
            rng.integers(n, size=(10_000, n)) for n in grid.shape
        )
        drawn = grid[rows_drawn[:, :, None], columns_drawn[:, None, :]]
        low, high = np.quantile(np.median(drawn, axis=(1, 2)), (0.025, 0.975))
        middle = np.median(grid)
        text = [_iteration(x, most) for x in (middle, low, high)]
        never = int((grid > most).sum())
        cells = [text[0], f"{text[1]} to {text[2]}", f"{never} of {grid.size}"]
        rows.append([name, f"{np.nanmean(total / curves[:, 0]):.3f}", *cells])
        words.append(
            f"{name} equals Gatys at iteration {text[0]} ({text[1]} to {text[2]})."
        )
    return rows, words


def _iteration(value: float, most: int) -> str:
    return f"{value:.0f}" if value <= most else f"above {most}"
