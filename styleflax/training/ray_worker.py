"""What runs inside the workers of a Ray cluster, and what they tell the driver."""

import contextlib
import copy
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax

from styleflax.config import Config
from styleflax.distributed.hosts import joined_processes
from styleflax.distributed.signals import StopRequest
from styleflax.memory import NotEnoughMemoryError
from styleflax.training.loop import TrainingDivergedError
from styleflax.training.workdir import locked

Work = Callable[[Config, Path, StopRequest], object]
"""Trains in one of the processes; they have joined. Must be picklable."""
POLL_S = 0.5
_AGREED_S = 5.0
"""How much later than another a worker may see the same mistake."""
_MISTAKES = (
    *(ValueError, FileNotFoundError, ImportError),
    *(NotEnoughMemoryError, TrainingDivergedError),
)
"""Errors that restarted workers would raise again."""


class Board:
    """An actor for messages between the driver and the workers."""

    def __init__(self) -> None:
        self._signal = ""
        self._mistakes: list[Exception] = []
        self._starts = 0

    def ask_to_stop(self, signal: str) -> None:
        """Notes the signal that the driver got."""
        self._signal = signal

    def asked_to_stop(self) -> str:
        """The signal's name; empty until there is one."""
        return self._signal

    def note_mistake(self, mistake: Exception) -> None:
        """Keeps what ended the run in a worker and would end it again."""
        self._mistakes.append(mistake)

    def mistake(self) -> Exception | None:
        """The first, if there is one."""
        return self._mistakes[0] if self._mistakes else None

    def count_mistakes(self) -> int:
        """How many workers have been ended by one."""
        return len(self._mistakes)

    def note_start(self) -> int:
        """How often the workers have been started before."""
        self._starts += 1
        return self._starts - 1


def work_in_worker(told: dict[str, Any]) -> None:
    """What Ray Train calls in every worker, as often as it starts them."""
    import ray  # noqa: PLC0415
    from ray.train import get_context  # noqa: PLC0415
    from ray.train.collective import broadcast_from_rank_zero  # noqa: PLC0415

    board, workdir, rank = (
        told["board"],
        told["workdir"],
        get_context().get_world_rank(),
    )
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    logging.getLogger("styleflax").setLevel(logging.INFO)
    logging.getLogger("jax").setLevel(logging.WARNING)  # Ray logs more than we do
    if told["folder"].is_dir():
        os.chdir(told["folder"])
    if told["on_cpu"]:
        jax.config.update("jax_platforms", "cpu")
    address = ""
    if rank == 0:
        if ray.get(board.note_start.remote()):
            _wait_until_free(workdir, told["config"].run.connect_timeout_s)
        address = _free_address(ray.util.get_node_ip_address())
    config = copy.deepcopy(told["config"])
    config.run.coordinator = broadcast_from_rank_zero(address)
    config.run.num_processes = get_context().get_world_size()
    config.run.process_id = rank
    if ray.get(board.mistake.remote()) is not None:
        return  # one process alone had failed; the driver tells of it
    try:
        with joined_processes(config.run), _stop_when_asked(ray, board) as request:
            told["work"](config, workdir, request)
    except _MISTAKES as mistake:
        ray.get(board.note_mistake.remote(mistake))
        if not _has_ended_all(ray, board, config.run.num_processes):
            raise  # others wait for this one: Ray must end them
    finally:
        sys.stderr.flush()


@contextlib.contextmanager
def _stop_when_asked(ray: Any, board: Any) -> Iterator[StopRequest]:
    """Within the block, the request follows the driver's."""
    request, done = StopRequest(), threading.Event()

    def follow() -> None:
        while not done.wait(POLL_S):
            request.name = request.name or ray.get(board.asked_to_stop.remote())

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield request
    finally:
        done.set()
        thread.join()


def _has_ended_all(ray: Any, board: Any, num_workers: int) -> bool:
    """Whether every worker soon makes out a mistake, so that none is left waiting."""
    deadline = time.monotonic() + _AGREED_S
    while ray.get(board.count_mistakes.remote()) < num_workers:
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _wait_until_free(workdir: Path, timeout_s: float) -> None:
    """Returns when the workers before these no longer hold the folder."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            with locked(workdir):
                return
        except ValueError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)


def _free_address(host: str) -> str:
    with socket.socket() as free:
        free.bind(("", 0))
        return f"{host}:{free.getsockname()[1]}"
