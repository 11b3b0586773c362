"""Asking a run to stop."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class StopRequest:
    """Whether SIGTERM or SIGINT has come; false until then."""

    def __init__(self) -> None:
        self.name = ""

    def __bool__(self) -> bool:
        return bool(self.name)


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within the block, SIGTERM and SIGINT set the request instead of killing.

    A second signal of the same kind acts as usual. Only the main thread can
    take signals; elsewhere the request stays false.
    """
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
