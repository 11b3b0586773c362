"""Claim 8: seconds of every method for a picture, with and without its style."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from benchmarks.claims import answers, training
from benchmarks.claims.answers import Answer
from benchmarks.claims.training import Budget
from styleflax import methods
from styleflax.config import Arithmetic
from styleflax.inference.gatys import make_gatys
from styleflax.inference.gatys.presets import PRESETS
from styleflax.methods.base import plain_controls, stylize
from styleflax.weights.encoder import load_encoder

SIDES_PX = (256, 512)
REPEATS = 5
GATYS_ITERATIONS = (10, 20)
"""What lies between is timed, without beginning and first line searches;
`Budget.iterations` are reckoned with."""
GATYS_REPEATS = 3


def run(budget: Budget, out: Path) -> Answer:
    """Times all methods in turn; their parameters are untrained."""
    frozen = jax.device_put({"encoder": load_encoder("sanet").params})
    seconds: dict[str, dict[int, float]] = {}
    for side in SIDES_PX:
        content = training.load_squares(budget.eval_content, 1, side)
        style = training.load_squares(budget.eval_style, 1, side)
        calls = {}
        for name in ("adain", "sanet", "johnson", "cin"):
            calls |= _calls(name, frozen, content, style)
        for name, median in _medians(calls).items():
            seconds.setdefault(name, {})[side] = median
        each = _gatys_iteration(frozen["encoder"], content[0], style[0])
        gatys = f"gatys, {budget.iterations} iterations"
        seconds.setdefault(gatys, {})[side] = each * budget.iterations
    answers.draw_bars(
        out / "claim_8.svg",
        {
            f"seconds at {side} px": {k: (v[side],) * 3 for k, v in seconds.items()}
            for side in SIDES_PX
        },
        scale="log",
    )
    return _answer(budget, seconds, gatys)


def _calls(name, frozen, content, style) -> dict[str, Callable[[], object]]:
    """With and without the style's encoding, compiled."""
    method = methods.build(name, arithmetic=Arithmetic())
    variables = method.init(jax.random.key(0))
    picture = {"image": style, "style_index": np.zeros(1, np.int32)}
    encode = jax.jit(method.encode_style)
    apply = jax.jit(
        lambda variables, frozen, content, kept: stylize(
            method, variables, frozen, content, [kept], plain_controls()
        )
    )
    kept = encode(variables, frozen, picture)

    def known():
        return jax.block_until_ready(apply(variables, frozen, content, kept))

    def new():
        kept = encode(variables, frozen, picture)
        return jax.block_until_ready(apply(variables, frozen, content, kept))

    return {f"{name}, style known": known} | (
        {} if method.styles else {f"{name}, with its style": new}
    )


def _medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(REPEATS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if number:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def _gatys_iteration(encoder, content: np.ndarray, style: np.ndarray) -> float:
    """Seconds of an iteration: median difference of a longer and a shorter run."""
    runs = [
        make_gatys(encoder, PRESETS["default"]._replace(iterations=(number,)))
        for number in GATYS_ITERATIONS
    ]
    differences = []
    for repeat in range(GATYS_REPEATS + 1):
        ends = [time.perf_counter()]
        for gatys in runs:
            gatys(content, [style])
            ends.append(time.perf_counter())
        if repeat:
            differences.append(ends[2] - ends[1] - (ends[1] - ends[0]))
    return statistics.median(differences) / (GATYS_ITERATIONS[1] - GATYS_ITERATIONS[0])


def _answer(budget: Budget, seconds, gatys: str) -> Answer:
    head = ["method"]
    for side in SIDES_PX:
        head += [f"s at {side} px", "times faster than Gatys"]
    rows = [head]
    for name, by_side in seconds.items():
        row = [name]
        for side in SIDES_PX:
            ratio = seconds[gatys][side] / by_side[side]
            row += [f"{by_side[side]:.3g}", f"{ratio:.0f}"]
        rows.append(row)
    ratio = seconds[gatys][256] / seconds["adain, with its style"][256]
    return Answer(
        "Feed-forward methods are some hundreds of times faster than optimization.",
        f"medians of {REPEATS} in turn, after one that does not count; "
        f"of Gatys iterations {GATYS_ITERATIONS[0]} to {GATYS_ITERATIONS[1]}, reckoned "
        f"for {budget.iterations}",
        [rows],
        [
            f"AdaIN with a new style is {ratio:.0f} times as fast as Gatys' "
            f"{budget.iterations} iterations at 256 px on this machine."
        ],
    )
