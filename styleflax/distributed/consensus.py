"""What processes that train together settle with one another.

Every function must be called by all of them in the same order. With one process
each returns at once.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

T = TypeVar("T")


def is_first() -> bool:
    """Whether this is the process that writes for all."""
    return jax.process_index() == 0


def exchange(text: str) -> list[str]:
    """The texts of all processes, in their order."""
    if jax.process_count() == 1:
        return [text]
    own = np.frombuffer(text.encode(), np.uint8)
    sizes = multihost_utils.process_allgather(np.int32(own.size))
    padded = np.zeros(max(int(sizes.max()), 1), np.uint8)
    padded[: own.size] = own
    rows = multihost_utils.process_allgather(padded)
    return [
        row[:size].tobytes().decode() for row, size in zip(rows, sizes, strict=True)
    ]


def on_all(action: Callable[[], T]) -> T:
    """What `action` returns here, once it has succeeded everywhere.

    Raises:
        ValueError: If it failed in another process; says in which and why.
        Exception: What it raised here.
    """
    if jax.process_count() == 1:
        return action()
    failure: Exception | None = None
    try:
        result = action()
    except Exception as error:  # all processes must know first
        failure = error
    told = "" if failure is None else str(failure) or type(failure).__name__
    outcomes = exchange(told)
    if failure is not None:
        raise failure
    for index, outcome in enumerate(outcomes):
        if outcome:
            raise ValueError(f"process {index}: {outcome}")
    return result


def on_first(action: Callable[[], T]) -> T | None:
    """What `action` returns in process 0; elsewhere None, once it has succeeded.

    Raises:
        ValueError: If it failed in process 0, and this is another.
        Exception: What it raised in process 0, if this is it.
    """
    return on_all(lambda: action() if is_first() else None)


def check_same(what: str, value: Any) -> None:
    """Refuses processes that do not agree on something.

    Args:
        what: The subject of the error's sentence, in the plural.
        value: Its `str` must be the same everywhere.

    Raises:
        ValueError: In all processes.
    """
    values = exchange(str(value))
    for index, other in enumerate(values):
        if other != values[0]:
            raise ValueError(
                f"the processes' {what} differ: {values[0]} in process 0, "
                f"{other} in process {index}"
            )


def broadcast(tree: Any) -> Any:
    """Process 0's tree, to the bit; all must give one of the same shapes and types."""
    if jax.process_count() == 1:
        return tree
    host = jax.tree.map(np.asarray, jax.device_get(tree))
    # As bytes, because values would be summed, and -0.0 + 0.0 is another zero.
    sent = jax.tree.map(
        lambda x: np.ascontiguousarray(x).reshape(-1).view(np.uint8), host
    )
    received = multihost_utils.broadcast_one_to_all(sent)
    return jax.tree.map(
        lambda x, like: np.asarray(x).view(like.dtype).reshape(like.shape),
        received,
        host,
    )


def wait_for_all(name: str) -> None:
    """Returns when every process has come here."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
