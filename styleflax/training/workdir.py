"""A run's folder: its configuration, and whether it may be gone on with."""

import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from styleflax.config import Config, flatten, from_json, to_json
from styleflax.distributed.consensus import exchange, is_first, on_all, on_first

FREE = ("run.", "data.data_dir", "data.manual_dir")
"""Fields that change how a run is carried out but not its result."""
OWN = (
    "data.data_dir",
    "data.manual_dir",
    "run.coordinator",
    "run.process_id",
    "run.num_workers",
    "run.num_threads",
)
"""Fields that may differ between processes that train together."""
TOKEN_TIMEOUT_S = 15.0
"""How long what process 0 writes may take to be seen; network folders lag."""


@contextmanager
def locked(workdir: Path) -> Iterator[None]:
    """Within the block, no other training may use the folder, which is made.

    The lock ends with the process, however that ends. Where the file system has
    no locks, there is none.

    Raises:
        ValueError: If another training holds it.
        OSError: If the folder cannot be written.
    """
    with _writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        file = (workdir / ".lock").open("a")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise ValueError(
                    f"another training is using the workdir {workdir}"
                ) from error
        yield


def open_workdir(workdir: Path, config: Config) -> None:
    """Makes the folder with `config.json`, or checks that it belongs to `config`.

    Fields under `run` and the places of data may differ from what is there.
    The last phase may become longer where its learning rate does not depend on
    its length.

    Raises:
        ValueError: If the folder belongs to another configuration; lists the
            differences.
        OSError: If it cannot be written.
    """
    path = workdir / "config.json"
    with _writing(workdir):
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check_same(path, config)
        write_atomically(path, to_json(config))


def check_shared(workdir: Path) -> None:
    """Refuses a folder that is not the same for all processes that train.

    Raises:
        ValueError: In all of them, if one does not see what process 0 writes.
    """
    token, place = json.loads(
        exchange(json.dumps([secrets.token_hex(8), str(workdir.absolute())]))[0]
    )
    path = workdir / f".token_{token}"
    on_first(path.touch)
    try:
        on_all(lambda: _wait_for(path, place))
    finally:
        if is_first():
            path.unlink()


def check_same_config(config: Config) -> None:
    """Refuses processes with configurations of their own.

    Raises:
        ValueError: In all of them; lists the differences.
    """
    texts = exchange(json.dumps(_shared_fields(config)))
    first = json.loads(texts[0])
    for index, text in enumerate(texts):
        fields = json.loads(text)
        different = [
            f"{k}: {first.get(k)} in process 0, {fields.get(k)} in process {index}"
            for k in sorted(first.keys() | fields)
            if first.get(k) != fields.get(k)
        ]
        if different:
            raise ValueError(
                f"the processes' configurations differ ({'; '.join(different)})"
            )


def write_atomically(path: Path, text: str) -> None:
    """Writes the whole file or leaves the old one."""
    temporary = path.with_name(path.name + ".tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _check_same(path: Path, config: Config) -> None:
    try:
        text = path.read_text("utf-8")
        old = flatten(json.loads(text))
        with suppress(TypeError, KeyError):  # of a version with other fields
            old = flatten(from_json(text))  # and what was not there yet as it is now
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is not the configuration of a run ({error}); take another workdir"
        ) from error
    new = flatten(json.loads(to_json(config)))
    last = f"phases[{len(config.phases) - 1}]"
    longer_is_free = config.phases[-1].schedule.kind in ("inverse", "steps")
    differences = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now or name.startswith(FREE):
            continue
        if name == f"{last}.steps" and longer_is_free and now and was and now > was:
            continue
        differences.append(f"{name}: {was} there, {now} asked for")
    if differences:
        raise ValueError(
            f"the workdir {path.parent} belongs to another configuration "
            f"({'; '.join(differences)}); take another workdir, or that one"
        )


@contextmanager
def _writing(workdir: Path) -> Iterator[None]:
    try:
        yield
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise OSError(
            f"cannot write the workdir {workdir}: {error.strerror}"
        ) from error


def _wait_for(path: Path, place: str) -> None:
    deadline = time.monotonic() + TOKEN_TIMEOUT_S
    while not path.exists():
        if time.monotonic() > deadline:
            raise ValueError(
                f"the workdir {path.parent} does not show what process 0 writes to "
                f"{place}; --workdir must be one folder that all processes share"
            )
        time.sleep(0.1)


def _shared_fields(config: Config) -> dict[str, Any]:
    """Fields that must be the same in all processes."""
    return {name: value for name, value in flatten(config).items() if name not in OWN}
