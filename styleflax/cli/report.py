"""What commands print: lines, tables, bars, failures, and where the time went."""

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from tqdm import tqdm

from styleflax import cli
from styleflax.images.listing import ExcludedPath, describe_excluded
from styleflax.inference.folders.results import Watcher
from styleflax.inference.folders.sources import DASH, Pair
from styleflax.memory import describe_error


class Report(Watcher):
    """Lines on standard output, progress and complaints on standard error.

    Args:
        total: How many results there will be.
        as_json: Lines of JSON instead of paths.
        left_out: What folders hold beside images, which is said at the beginning.
        times: Counts the seconds of phases.
    """

    def __init__(
        self,
        total: int,
        *,
        as_json: bool = False,
        left_out: Sequence[ExcludedPath] = (),
        times: "Times | None" = None,
    ) -> None:
        super().__init__()
        self.on_window, self.on_step = WindowProgress(), WindowProgress("iteration")
        self._total, self._as_json = total, as_json
        self._raises = total == 1 and not as_json
        self._said: set[str] = set()
        self._left_out, self._times = left_out, times
        shown = total > 1 and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="picture", disable=not shown)
        if left_out:
            self.warn(describe_excluded(left_out))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time of the block."""
        with (
            contextlib.nullcontext() if self._times is None else self._times.phase(name)
        ):
            yield

    def done(
        self,
        pair: Pair,
        target: Any,
        size: tuple[int, int],
        seconds: float,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Says that a result is written; see `Watcher.done`."""
        super().done(pair, target, size, seconds, notes)
        if self._as_json:
            self._say_json(pair, str(target), size, seconds, None, notes)
        elif target != DASH:
            self._say(str(target))
        self._bar.update()

    def skip(self, skipped: Sequence[tuple[Pair, Path]]) -> None:
        """Says which results are complete already."""
        super().skip(skipped)
        for pair, target in skipped:
            if self._as_json:
                self._say_json(pair, str(target), None, None, None, (), skipped=True)
            self._bar.update()
        if skipped and not self._as_json:
            counts = f"{len(skipped)} of {self._total} results"
            self._say(f"styleflax: {counts} are complete already", sys.stderr)

    def fail(self, pair: Pair, error: Exception) -> None:
        """Says that a result could not be made.

        Raises:
            Exception: If the error itself, if there is only this result.
        """
        if self._raises:
            raise error
        super().fail(pair, error)
        if self._as_json:
            self._say_json(pair, None, None, None, describe_error(error), ())
        self._bar.update()

    def warn(self, text: str) -> None:
        """Says something on standard error, once."""
        if text not in self._said:
            self._said.add(text)
            self._say(f"styleflax: warning: {text}", sys.stderr)

    def end(self, seconds: dict[str, float]) -> int:
        """Says what failed, and with JSON where the time went.

        Returns:
            The exit code: 1 if a picture failed.
        """
        self._bar.close()
        if self._as_json:
            rounded = {name: round(value, 3) for name, value in seconds.items()}
            counts = {
                "pictures": self._total,
                "failed": self.num_failed,
                "skipped": len(self.skipped),
            }
            rest = [{"path": str(p), "reason": reason} for p, reason in self._left_out]
            summary = {**counts, "left_out": rest, "seconds": rounded}
            self._say(json.dumps({"summary": summary}))
        if not self.failed:
            return 0
        lines = [f"  {name}: {text}" for name, text in self.failed.items()]
        heading = f"styleflax: {self.num_failed} of {self._total} results failed:"
        self._say("\n".join([heading, *lines]), sys.stderr)
        return 1

    def _say_json(
        self,
        pair: Pair,
        target: str | None,
        size: tuple[int, int] | None,
        seconds: float | None,
        error: str | None,
        notes: tuple[str, ...],
        *,
        skipped: bool = False,
    ) -> None:
        content, mix = pair
        line = {
            "input": str(content.path),
            "styles": [str(style.path) for style in mix],
            "output": target,
            "size": size,
            "seconds": None if seconds is None else round(seconds, 3),
            "warnings": notes,
            "error": error,
        }
        if skipped:
            line["skipped"] = True
        self._say(json.dumps(line))

    def _say(self, text: str, file: Any = None) -> None:
        # By way of the bar, which otherwise would be broken up; and with the bytes
        # of a file's name that are no text shown as \xNN.
        encoding = sys.stdout.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        self._bar.write(text, file=file or sys.stdout)
        (file or sys.stdout).flush()


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


class WindowProgress:
    """Called with the steps done, and all of one picture: shows them as they pass.

    Args:
        unit: What the steps are called.
    """

    def __init__(self, unit: str = "window") -> None:
        self._unit = unit
        self._bar: tqdm[Any] | None = None

    def __call__(self, done: int, total: int) -> None:
        """Takes note of a step.

        Args:
            done: How many steps are done; not more than before begins a picture.
            total: How many there are; a picture of one needs no bar.
        """
        if total == 1 or not sys.stderr.isatty():
            return
        if self._bar is None or done <= self._bar.n:  # after a picture that failed
            # Below the bar of all pictures, where there is one.
            self._bar = tqdm(total=total, unit=self._unit, position=1, leave=False)
        self._bar.update(done - self._bar.n)
        if done == total:
            self._bar.close()
            self._bar = None


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table; in a pipe each row is one line, however long.

    Args:
        columns: What stands above; empty for no heading. The last one may be long.
        rows: Cells of one line each.
    """
    # Late, because every command reads this file, and few want tables.
    from rich.cells import cell_len  # noqa: PLC0415
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if sys.stdout.isatty():
        table = Table(*columns, show_header=bool(columns))
        for _ in range(0 if columns else len(rows[0])):
            table.add_column()
        table.columns[-1].overflow = "fold"
        for row in rows:
            table.add_row(*row)
        Console(markup=False, highlight=False).print(table)
        return
    lines = [*([columns] if columns else []), *rows]
    widths = [max(map(cell_len, cells)) for cells in zip(*lines, strict=True)]
    for line in lines:
        pairs = zip(line, widths, strict=True)
        padded = (cell + " " * (width - cell_len(cell)) for cell, width in pairs)
        print("  ".join(padded).rstrip())
