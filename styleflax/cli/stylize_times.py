"""Where the time of a command goes: imports, weights, compilation, the work itself."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from styleflax import cli

_COMPILING = ("/jax/core/compile/", "/styleflax/compile/")
"""How names begin for tracing, lowering and compiling, and for reading what is kept."""


class Times:
    """Seconds by phase; compiling is taken out of the phase in which it happens.

    What the command imported before it knew what to do counts as "import".

    Attributes:
        seconds: By name of phase; "compile" is one.
    """

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(("import", "weights", "compile", "run"), 0.0)
        if cli.started is not None:
            self.seconds["import"] = time.perf_counter() - cli.started
        self._compiled: list[tuple[float, float]] = []

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time of the block."""
        started = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - started
            compiling = sum(end - begin for begin, end in self._compiled)
            self._compiled.clear()
            self.seconds[name] += max(0.0, spent - compiling)
            self.seconds["compile"] += compiling

    @contextmanager
    def watching_compiler(self) -> Iterator[None]:
        """Within the block JAX's compilations are counted."""
        from jax import monitoring  # noqa: PLC0415  (its import is a phase)

        monitoring.register_event_duration_secs_listener(self.compiled)
        try:
            yield
        finally:
            monitoring.unregister_event_duration_listener(self.compiled)

    def compiled(self, event: str, duration_secs: float, **_: str | int) -> None:
        """Takes note of a compilation that has just ended, as JAX reports it.

        Reports are nested (a traced function calls traced functions), so that
        time that they share is counted once.
        """
        if not event.startswith(_COMPILING):
            return
        end = time.perf_counter()
        begin = end - duration_secs
        while self._compiled and self._compiled[-1][0] >= begin:
            self._compiled.pop()
        if self._compiled:
            begin = max(begin, self._compiled[-1][1])
        self._compiled.append((begin, end))
