"""Joining the processes that train together, and what they settle with one another.

Every function must be called by all of them in the same order. With one process
there is nobody to ask, and each returns at once. A signal to one of them asks all to
stop; `training.loop.Stop` settles that after every step.
"""

import dataclasses
import importlib
import logging
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from styleflax.config import Run

logger = logging.getLogger(__name__)
_ADDRESS = re.compile(r"(?P<host>.+):(?P<port>\d{1,5})")
_LONE = "coordinator_address should be defined"
"""How jax.distributed.initialize says that it has found no launcher."""
_GRACE_S = 30
"""JAX kills the process when its own time is up; ours must be up before."""


def import_ray(part: str) -> Any:
    """Returns the module `ray` with one of its parts, which it does not import itself.

    Args:
        part: Name of the submodule, such as `data`.

    Raises:
        ImportError: If Ray is not installed; names the extra.
    """
    # Nothing is sent to Ray's makers unless the user asks for it.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        importlib.import_module(f"ray.{part}")
    except ImportError as error:
        raise ImportError(
            f"--launcher=ray needs Ray ({error}): pip install 'styleflax[ray]'"
        ) from None
    return sys.modules["ray"]


@contextmanager
def joined_processes(run: Run) -> Iterator[None]:
    """Within the block, JAX's runtime spans the processes that `run` speaks of.

    Must be entered before JAX touches a device. Does nothing for a process of
    its own: neither a coordinator, nor a launcher found by `run.distributed`.

    Raises:
        ValueError: If the three fields of `run` do not fit together, or the
            launcher does not tell enough.
        TimeoutError: If the processes do not all come in time.
        OSError: If the coordinator's port is taken.
    """
    arguments = _arguments(run)
    if arguments is None or not _initialize(run, arguments):
        yield
        return
    if jax.process_index():
        logging.getLogger("styleflax").setLevel(logging.WARNING)
    logger.info("%d processes, %d devices", jax.process_count(), jax.device_count())
    yield
    # Not after an error: the interpreter's end does the same, after the error has
    # been told, and ends all processes if only this one has failed.
    jax.distributed.shutdown()


def _arguments(run: Run) -> dict[str, Any] | None:
    """What to tell jax.distributed.initialize, or None for a process of its own."""
    if not run.coordinator:
        if run.num_processes > 0 or run.process_id >= 0:
            raise ValueError(
                "--num_processes and --process_id need --coordinator=HOST:PORT"
            )
        return {} if run.distributed else None
    if not _ADDRESS.fullmatch(run.coordinator):
        raise ValueError(f"--coordinator must be HOST:PORT, got {run.coordinator!r}")
    if run.num_processes < 1:
        raise ValueError("--coordinator needs --num_processes, at least 1")
    if not 0 <= run.process_id < run.num_processes:
        raise ValueError(
            f"--process_id must be from 0 to {run.num_processes - 1}, "
            f"got {run.process_id}"
        )
    return {
        "coordinator_address": run.coordinator,
        "num_processes": run.num_processes,
        "process_id": run.process_id,
        "cluster_detection_method": "deactivate",
    }


def _initialize(run: Run, arguments: dict[str, Any]) -> bool:
    """Whether there is now a runtime of several processes, or of one that was asked."""
    # Its handler would take SIGTERM away from ours, see `signals`.
    jax.config.update("jax_enable_preemption_service", False)
    failures: list[Exception] = []

    def connect() -> None:
        try:
            jax.distributed.initialize(
                **arguments,
                initialization_timeout=run.connect_timeout_s + _GRACE_S,
                heartbeat_timeout_seconds=run.heartbeat_timeout_s,
                shutdown_timeout_seconds=run.heartbeat_timeout_s,
            )
        except Exception as error:  # raised by the thread that waits
            failures.append(error)

    # A thread, because JAX kills the process if there is no answer.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(run.connect_timeout_s)
    if thread.is_alive():
        raise TimeoutError(_describe_silence(run))
    if not failures:
        return True
    (failure,) = failures
    if not arguments and _LONE in str(failure):
        _check_alone()
        return False
    if isinstance(failure, ValueError):
        raise failure
    raise OSError(f"the processes cannot join: {failure}") from failure


def _check_alone() -> None:
    """Refuses a launcher that JAX does not understand, as Open MPI 5's."""
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_SIZE"):
        if int(os.environ.get(name, "1")) > 1:
            raise ValueError(
                f"run.distributed=auto: {name} is {os.environ[name]}, but the "
                "launcher does not tell where process 0 is; give --coordinator, "
                "--num_processes and --process_id"
            )


def _describe_silence(run: Run) -> str:
    waited = f"within {run.connect_timeout_s} s (run.connect_timeout_s)"
    match = _ADDRESS.fullmatch(run.coordinator)
    if match is None:
        return f"the launcher's processes did not all come {waited}"
    try:
        address = (match["host"].strip("[]"), int(match["port"]))
        socket.create_connection(address, timeout=5).close()
    except (OSError, OverflowError) as error:
        return f"no coordinator answers at {run.coordinator} {waited}: {error}"
    return (
        f"not all of the {run.num_processes} processes came to {run.coordinator} "
        f"{waited}"
    )


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


@dataclasses.dataclass
class StopRequest:
    """Asks a training to stop after its current step.

    Attributes:
        name: The signal that has come, such as SIGTERM; empty until then.
    """

    name: str = ""


@contextmanager
def stop_on_signals(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Within the block, SIGTERM and SIGINT set the request instead of killing.

    A second signal of the same kind acts as usual. Only the main thread can
    take signals; elsewhere the request stays as others set it.
    """
    request = request or StopRequest()

    def note(number: int, _: FrameType | None) -> None:
        request.name = signal.Signals(number).name
        signal.signal(number, before[number])

    before: dict[int, Any] = {}
    # Elsewhere than in the main thread, signal.signal raises.
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, note)
    try:
        yield request
    finally:
        for stopped, handler in before.items():
            signal.signal(stopped, handler)
