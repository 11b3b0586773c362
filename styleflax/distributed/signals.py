"""Asking a run to stop."""

import collections
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

import jax

from styleflax.distributed.hosts import exchange
from styleflax.parallel import make_any

_LAG_STEPS = 4
"""Number of steps that an accelerator may lag behind the processes that feed it."""


class StopRequest:
    """Whether SIGTERM or SIGINT has come; false until then."""

    def __init__(self) -> None:
        self.name = ""

    def __bool__(self) -> bool:
        return bool(self.name)


@contextmanager
def stop_on_signals(request: StopRequest | None = None) -> Iterator[StopRequest]:
    """Within the block, SIGTERM and SIGINT set the request instead of killing.

    A second signal of the same kind acts as usual. Only the main thread can
    take signals; elsewhere the request stays as others set it.
    """
    if request is None:  # it is false until a signal has come
        request = StopRequest()

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


class Stop:
    """Whether to stop after a step: the same answer in all processes.

    Each says after every step whether it has been asked to stop, in a collective
    on the devices. Where these run behind, the answer that counts is that of some
    steps before, which has finished by then, so nothing waits.

    Args:
        request: This process's own.
        devices: Those of all processes.
    """

    def __init__(self, request: StopRequest, devices: Sequence[jax.Device]) -> None:
        self._request = request
        self._decided, self._elsewhere = False, ""
        self._any_process = make_any(devices) if jax.process_count() > 1 else None
        self._lag_steps = 0 if devices[0].platform == "cpu" else _LAG_STEPS
        self._answers: collections.deque[jax.Array] = collections.deque()

    def __bool__(self) -> bool:
        """Whether the processes have decided to stop; without asking any."""
        return self._decided if self._any_process else bool(self._request)

    @property
    def name(self) -> str:
        """The signal, as far as it is known here; more so after `settle`."""
        if self._elsewhere:
            return self._elsewhere
        return self._request.name or "a signal to another process"

    def settle(self) -> None:
        """Sets the request of every process alike, so that all end with one code.

        Ctrl-C in one is Ctrl-C in all, as a terminal or a scheduler may send it to
        some. All must call it, once they have decided to stop.
        """
        names = exchange(self._request.name)
        if not self._request:
            who = next(i for i, name in enumerate(names) if name)
            self._elsewhere = f"{names[who]} to process {who}"
        interrupt = signal.SIGINT.name
        self._request.name = interrupt if interrupt in names else signal.SIGTERM.name

    def after_step(self) -> bool:
        """Whether to stop now; all must call it after every step."""
        if self._any_process:
            self._answers.append(self._any_process(bool(self._request)))
            if len(self._answers) > self._lag_steps:
                self._decided |= bool(self._answers.popleft())
        return bool(self)
