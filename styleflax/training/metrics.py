"""Metrics as JSON lines, every step exactly once, and TensorBoard if installed.

What a clock says goes into a file of its own: the metrics of a run that was
killed and resumed equal those of an undisturbed one, to the bit.
"""

import contextlib
import importlib.util
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from styleflax.files import write_file


class MetricWriter:
    """Appends to `metrics.jsonl` of a run.

    A run that was killed may have logged steps that its newest checkpoint does
    not know and that will be taken again: they are removed when it starts.

    Args:
        workdir: The run's folder.
        first_step: Steps from this one on are removed.
        tensorboard: Also write TensorBoard files, where tensorboardX is there.
    """

    def __init__(self, workdir: Path, first_step: int, *, tensorboard: bool) -> None:
        path = workdir / "metrics.jsonl"
        _keep_before(path, first_step)
        self._file = path.open("a", encoding="utf-8")
        self._timing = (workdir / "timing.jsonl").open("a", encoding="utf-8")
        self._board = _open_board(workdir, first_step) if tensorboard else None

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Adds one step's line; values that are not finite become null."""
        values = {k: v if math.isfinite(v) else None for k, v in metrics.items()}
        self._file.write(json.dumps({"step": step, **values}) + "\n")
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(f"train/{name}", value, step)

    def write_timing(self, step: int, values: Mapping[str, float]) -> None:
        """Adds a line to `timing.jsonl`: how fast the run was since the last one."""
        self._timing.write(json.dumps({"step": step, **values}) + "\n")
        self._timing.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(f"timing/{name}", value, step)

    def flush(self) -> None:
        """Returns when every line is on disk; needed before a checkpoint is."""
        self._file.flush()
        os.fsync(self._file.fileno())
        if self._board is not None:
            self._board.flush()

    def close(self) -> None:
        """Flushes and closes."""
        self.flush()
        self._file.close()
        self._timing.close()
        if self._board is not None:
            self._board.close()


def read_metrics(workdir: Path) -> list[dict[str, Any]]:
    """Lines of `metrics.jsonl` in order; a half-written last line is left out."""
    path = workdir / "metrics.jsonl"
    lines = []
    text = path.read_text("utf-8", errors="replace") if path.exists() else ""
    for line in text.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            lines.append(json.loads(line))
    return lines


def _keep_before(path: Path, first_step: int) -> None:
    kept = [m for m in read_metrics(path.parent) if m["step"] < first_step]
    write_file(path, "".join(json.dumps(m) + "\n" for m in kept), sync=True)


def _open_board(workdir: Path, first_step: int) -> Any:
    if importlib.util.find_spec("tensorboardX") is None:
        return None
    import tensorboardX  # noqa: PLC0415  (an extra)

    return tensorboardX.SummaryWriter(
        str(workdir / "tensorboard"), purge_step=first_step, write_to_disk=True
    )
