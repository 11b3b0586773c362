"""A run's folder: its configuration, and whether it may be gone on with."""

import json
import os
from pathlib import Path

from styleflax.config import Config, flatten, to_json

FREE = ("run.", "data.data_dir", "data.manual_dir")
"""Fields that change how a run is carried out but not its result."""


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
    try:
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        if path.exists():
            _check_same(path, config)
        write_atomically(path, to_json(config))
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise OSError(
            f"cannot write the workdir {workdir}: {error.strerror}"
        ) from error


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
        old = flatten(json.loads(path.read_text("utf-8")))
    except (ValueError, AttributeError) as error:
        raise ValueError(
            f"{path} is not the configuration of a run ({error}); take another workdir"
        ) from error
    new = flatten(json.loads(to_json(config)))
    last = f"phases[{len(config.phases) - 1}]"
    longer_is_free = config.phases[-1].schedule.kind == "inverse"
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
