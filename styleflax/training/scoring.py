"""Scores on validation pictures, and the best weights by them."""

import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.images.pixels import to_float
from styleflax.methods.base import Batch, Method, Variables
from styleflax.parallel import local_view
from styleflax.training.export import model_file
from styleflax.training.metrics import read_metrics
from styleflax.training.run import Run
from styleflax.training.state import TrainState
from styleflax.types import Params
from styleflax.weights.store import save_model

PREFIX = "val_"
"""Prefix of the names of scores in metrics.jsonl."""
BEST_NAME = "best.safetensors"


def make_phase_scorer(
    run: Run, method: Method
) -> Callable[[TrainState], dict[str, float]] | None:
    """`score(state)`: numbers by name, having kept the weights if they are the best.

    None where the run does not ask for scores, or another process computes them.
    """
    if run.scored is None:
        return None
    names, losses = _make_losses(run, method, run.scored)
    judge = run.make_scorer(method, run.scored) if run.make_scorer else None
    wanted = run.config.run.best_by.split("+")
    _check_names(wanted, (*names, *(judge.names if judge else ())))
    # Of the lines that a killed run left, those after its checkpoint are gone.
    known = [_best_value(line, wanted) for line in read_metrics(run.workdir)]
    lowest = min(known, default=math.inf)

    def score(state: TrainState) -> dict[str, float]:
        nonlocal lowest
        variables, frozen = local_view((state.shown(), run.frozen))
        values = losses(variables, frozen)
        if judge is not None:
            values |= judge.score(variables, frozen)
        named = {PREFIX + name: value for name, value in values.items()}
        value = _best_value(named, wanted)
        if value < lowest:
            lowest = value
            best = model_file(run.workdir, run.config, state, run.notes, scores=values)
            save_model(run.workdir / BEST_NAME, best)
        return named

    return score


def _make_losses(
    run: Run, method: Method, batch: Batch
) -> tuple[tuple[str, ...], Callable[[Variables, Params], dict[str, float]]]:
    """Names and means over pairs of what the model is trained on."""
    pairs = _pairs(batch)

    @jax.jit
    def program(
        variables: Variables, frozen: Params, pair: Batch
    ) -> dict[str, jax.Array]:
        loss = method.losses["model"]
        key = jax.random.key(0)  # the same noise every time
        value, (metrics, _) = loss(
            variables.players["model"], variables, frozen, pair, key
        )
        return {"loss": value} | metrics

    def losses(variables: Variables, frozen: Params) -> dict[str, float]:
        found = [jax.device_get(program(variables, frozen, pair)) for pair in pairs]
        return {k: float(np.mean([np.float64(x[k]) for x in found])) for k in found[0]}

    variables = jax.eval_shape(method.init, jax.random.key(0))
    names = jax.eval_shape(program, variables, local_view(run.frozen), pairs[0])
    return tuple(names), losses


def _pairs(batch: Batch) -> list[Batch]:
    """Batches of one pair each, images as float32."""
    count = len(batch["content"])
    split = [{k: v[i : i + 1] for k, v in batch.items()} for i in range(count)]
    return [
        {
            k: jnp.asarray(to_float(v) if v.dtype == np.uint8 else v)
            for k, v in p.items()
        }
        for p in split
    ]


def _best_value(values: Any, wanted: list[str]) -> float:
    """The sum of the numbers that decide; inf where one is missing or not finite."""
    found = [values.get(PREFIX + name) for name in wanted]
    if any(value is None or not math.isfinite(value) for value in found):
        return math.inf
    return sum(found)


def _check_names(wanted: list[str], known: tuple[str, ...]) -> None:
    if any(name not in known for name in wanted):
        raise ValueError(
            f"run.best_by must be made of {', '.join(sorted(known))}, joined by '+', "
            f"got {'+'.join(wanted)!r}; gram and lpips need the extra eval: "
            'pip install "styleflax[eval]"'
        )
