"""Batches sent to the devices ahead of their step, and the time spent on waiting."""

import collections
import time
from collections.abc import Callable, Iterator
from typing import Any

from styleflax.methods.base import Batch

AHEAD = 1
"""Batches on the devices in addition to the one in use; each costs its uint8 pixels."""


class DeviceBatches:
    """Batches that are on their way to the devices while the step before runs.

    Where steps are dispatched without waiting for them (on GPU and TPU), the time
    spent here overlaps with the devices' work, so that it bounds from above how
    long they are idle for want of data.
    """

    def __init__(self, batches: Iterator[Batch], put: Callable[[Batch], Any]) -> None:
        self._batches, self._put = batches, put
        self._queue: collections.deque[Any] = collections.deque()
        self._waited_s, self._since = 0.0, time.perf_counter()

    def __next__(self) -> Any:
        """The next batch, as `put` made it."""
        start = time.perf_counter()
        while len(self._queue) <= AHEAD:
            self._queue.append(self._put(next(self._batches)))
        self._waited_s += time.perf_counter() - start
        return self._queue.popleft()

    def take_wait_share(self) -> float:
        """Share of the time since the last call that was spent in `next`, 0 to 1."""
        now = time.perf_counter()
        share = self._waited_s / max(now - self._since, 1e-9)
        self._waited_s, self._since = 0.0, now
        return share
