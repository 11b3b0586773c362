"""Interleaved timing of alternatives, and the machine's matmul peak beside it."""

import statistics
import time
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

Call = Callable[[], object]


def measure(
    calls: Mapping[str, Call],
    repeats: int = 7,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of every call, all run in turn so that noise hits all alike.

    Each call must return when its work is done. The first round, which compiles,
    does not count.

    Args:
        calls: By name.
        repeats: Rounds that count.
        clock: `time.process_time` for CPU seconds of the whole process.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_number in range(repeats + 1):
        for name, call in calls.items():
            start = clock()
            call()
            if round_number:
                times[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def jitted(function: Callable, *arguments: object) -> Call:
    """A call of the compiled function that waits for its result.

    The arguments are not closed over by the compiled function itself: XLA would
    spend minutes folding them as constants.
    """
    compiled = jax.jit(function).lower(*arguments).compile()
    return lambda: jax.block_until_ready(compiled(*arguments))


MATMUL_SIZE = 2048
MATMUL_GFLOP = 2e-9 * MATMUL_SIZE**3


def matmul_call() -> Call:
    """A square float32 matrix product of `MATMUL_GFLOP`: what the machine can do."""
    a = jax.random.normal(jax.random.key(0), (MATMUL_SIZE, MATMUL_SIZE))
    return jitted(jnp.matmul, a, a)
