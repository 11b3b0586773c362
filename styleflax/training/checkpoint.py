"""Checkpoints of a run, the environment they record, and metrics.

Orbax writes checkpoints asynchronously and atomically, but restores flipped bits
without a word. So a digest of every leaf is written beside the state and
compared afterwards; a step that fails is moved aside and the one before is
taken.

Metrics are JSON lines, every step exactly once, and TensorBoard if installed. What a
clock says goes into a file of its own: the metrics of a run that was killed and resumed
equal those of an undisturbed one, to the bit.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import math
import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

import styleflax
from styleflax.files import write_file

logger = logging.getLogger(__name__)
PACKAGES = ("styleflax", "jax", "jaxlib", "flax", "optax", "numpy", "pillow", "grain")


def installed_version(package: str) -> str:
    """A package's version; "" where it is not installed, as in a bare checkout."""
    if package == "styleflax":
        return styleflax.__version__
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def describe_environment(
    devices: Sequence[jax.Device], parallel: str
) -> dict[str, str]:
    """Machine type, versions, devices and flags, as written into checkpoints."""
    versions = {name: installed_version(name) for name in PACKAGES}
    several = jax.process_count() > 1
    return {
        **versions,
        "machine": platform.machine(),
        "device": devices[0].device_kind,
        "num_devices": str(len(devices)),
        **({"num_processes": str(jax.process_count())} if several else {}),
        "num_cpus": str(os.cpu_count()),
        "parallel": parallel,
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
    }


def warn_of_differences(before: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Warns that a run goes on where its bits may come out differently."""
    changed = sorted(k for k in before.keys() | now if before.get(k) != now.get(k))
    if changed:
        listed = "; ".join(f"{k}: {before.get(k)} -> {now.get(k)}" for k in changed)
        logger.warning(
            "the run goes on in another environment (%s), so its result may differ "
            "in the last bits from an uninterrupted one",
            listed,
        )


_HALF_WRITTEN = ".orbax-checkpoint-tmp"
_NOTES = "notes"
"""Stands among the digests for that of the notes; no path of a leaf is a bare word."""


class CorruptCheckpointError(ValueError):
    """A checkpoint that cannot be read or is not what was written."""


class Checkpoints:
    """The checkpoints of a run, newest first.

    Only the process that has made it reads or writes, whatever others there are.

    Args:
        folder: Where they are; made if missing. Half-written ones are deleted.
        keep: How many to keep.
        read_only: Change nothing, for a folder that a training may be using.
    """

    def __init__(self, folder: Path, keep: int, *, read_only: bool = False) -> None:
        self._folder = folder.absolute()
        self._read_only = read_only
        # Orbax reports each of many stages at INFO, and tracebacks of corrupt
        # files, which are reported here in a line.
        logging.getLogger("absl").setLevel(logging.ERROR)
        own = jax.process_index()
        self._options = ocp.CheckpointManagerOptions(
            max_to_keep=keep,
            create=False,
            read_only=read_only,
            # Otherwise Orbax would wait for all processes of the JAX runtime.
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                primary_host=own, active_processes={own}
            ),
        )
        if not read_only:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Not by Orbax, which does it in the background, beside the next save.
            for half_written in self._folder.glob(f"*{_HALF_WRITTEN}*"):
                shutil.rmtree(half_written)
        self._manager = ocp.CheckpointManager(self._folder, options=self._options)

    def save(self, step: int, state: Any, notes: Mapping[str, Any]) -> None:
        """Begins to write `state`; its buffers may be donated afterwards."""
        host = jax.device_get(state)
        digests = leaf_digests(host) | {_NOTES: _notes_digest(notes)}
        meta = {"digests": digests, "notes": dict(notes)}
        written = self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(_stored(host)), meta=ocp.args.JsonSave(meta)
            ),
            force=True,
        )
        if not written:
            raise RuntimeError(f"Orbax refused to write the checkpoint of step {step}")

    def restore_newest(self, template: Any) -> tuple[Any, dict[str, Any]] | None:
        """State (NumPy arrays) and notes of the newest intact step, or None.

        Steps that are damaged are moved to a folder beside this one, since the
        manager saves nothing at or before the newest step that it sees.
        """
        steps = sorted(self._manager.all_steps(), reverse=True)
        for step in steps:
            try:
                return self._read(step, template)
            except CorruptCheckpointError as error:
                moved = None if self._read_only else self._move_aside(step)
                logger.warning(
                    "checkpoint %d is damaged (%s)%s%s",
                    step,
                    error,
                    f" and was moved to {moved}" if moved else "",
                    "" if step == steps[-1] else "; taking the one before",
                )
        if steps:
            logger.warning("no checkpoint in %s is intact", self._folder)
        return None

    def newest_step(self) -> int | None:
        """Number of the newest step written, intact or not."""
        return self._manager.latest_step()

    def wait(self) -> None:
        """Blocks until everything that was saved is on disk."""
        self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits and lets go of the folder."""
        self._manager.close()

    def _read(self, step: int, template: Any) -> tuple[Any, dict[str, Any]]:
        shapes = jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), template)
        arguments = ocp.args.Composite(
            state=ocp.args.StandardRestore(_stored(shapes)),
            meta=ocp.args.JsonRestore(),
        )
        try:
            read = self._manager.restore(step, args=arguments)
            expected, notes = read.meta["digests"], read.meta["notes"]
            state = _as_in(template, read.state)
        except Exception as error:
            # Orbax and TensorStore raise anything from KeyError to bare Exception.
            self._check_network(step, template)
            raise CorruptCheckpointError(_first_line(error)) from error
        got = leaf_digests(state)
        if _NOTES in expected:  # not in those of the first version
            got[_NOTES] = _notes_digest(notes)
        wrong = sorted(
            k for k in expected.keys() | got if expected.get(k) != got.get(k)
        )
        if wrong:
            raise CorruptCheckpointError(f"digests differ: {', '.join(wrong[:3])}")
        # Orbax restores the saved shapes, independent of the requested ones.
        wanted, found = (jax.tree.map(np.shape, t) for t in (template, state))
        if wanted != found:
            raise ValueError(self._describe_other(step))
        return state, notes

    def _check_network(self, step: int, template: Any) -> None:
        """Refuses an intact checkpoint whose leaves differ from the requested ones."""
        arguments = ocp.args.Composite(
            state=ocp.args.StandardRestore(), meta=ocp.args.JsonRestore()
        )
        try:
            read = self._manager.restore(step, args=arguments)
            expected = dict(read.meta["digests"])
        except Exception:
            return
        expected.pop(_NOTES, None)
        # Without a template, names of leaves are written in another way.
        intact = sorted(leaf_digests(read.state).values()) == sorted(expected.values())
        if intact and expected.keys() != leaf_digests(template).keys():
            raise ValueError(self._describe_other(step))

    def _describe_other(self, step: int) -> str:
        return (
            f"checkpoint {step} of {self._folder} is of another network; take "
            "another workdir"
        )

    def _move_aside(self, step: int) -> Path:
        aside = self._folder.with_name(f"{self._folder.name}_damaged")
        aside.mkdir(exist_ok=True)
        number = 0
        while (moved := aside / f"{step}.{number}").exists():
            number += 1
        (self._folder / str(step)).rename(moved)
        self._manager.close()
        self._manager = ocp.CheckpointManager(self._folder, options=self._options)
        return moved


def _stored(state: Any) -> Any:
    """What is written of a state: the fields that hold something, by name.

    So a version that adds a field reads the checkpoints of those before it.
    """
    if not hasattr(state, "_asdict"):
        return state
    return {name: field for name, field in state._asdict().items() if field is not None}


def _as_in(template: Any, stored: Any) -> Any:
    """The state, built as the template is, from what `_stored` gave of it."""
    return template._replace(**stored) if hasattr(template, "_asdict") else stored


def leaf_digests(tree: Any) -> dict[str, str]:
    """SHA-256 of type, shape and bytes of every leaf, by its path."""
    digests = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.ascontiguousarray(leaf)
        described = f"{array.dtype} {np.shape(leaf)} ".encode()
        digest = hashlib.sha256(described + array.tobytes()).hexdigest()
        digests[jax.tree_util.keystr(path)] = digest
    return digests


def _notes_digest(notes: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(notes, sort_keys=True).encode()).hexdigest()


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]


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
    earlier = [m for m in read_metrics(path.parent) if m["step"] < first_step]
    write_file(path, "".join(json.dumps(m) + "\n" for m in earlier), sync=True)


def _open_board(workdir: Path, first_step: int) -> Any:
    if importlib.util.find_spec("tensorboardX") is None:
        return None
    import tensorboardX  # noqa: PLC0415  (an extra)

    return tensorboardX.SummaryWriter(
        str(workdir / "tensorboard"), purge_step=first_step, write_to_disk=True
    )
