"""The folder of a run: configuration, images, and checks before it is resumed."""

import json
import logging
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from styleflax.config import Config, flatten, from_json, to_json
from styleflax.datasets.manifest import (
    Manifest,
    describe_difference,
    from_plain,
    to_plain,
)
from styleflax.datasets.sources import split_spec
from styleflax.distributed import exchange, is_first, on_all, on_first
from styleflax.files import locked_file, write_file
from styleflax.images.listing import (
    RULES,
    RULES_OF_0_1,
    Rules,
    check_out_folder,
    check_outside,
    read_rules,
)

FREE = ("run.", "data.data_dir", "data.manual_dir")
"""Fields that change how a run is carried out but not its result."""
PLACES = ("data.content", "data.style")
"""Fields that say where pictures lie, which are compared themselves."""
OWN = (
    "data.data_dir",
    "data.manual_dir",
    "run.coordinator",
    "run.process_id",
    "run.num_workers",
    "run.num_threads",
)
"""Fields that may differ between processes that train together."""
logger = logging.getLogger(__name__)
MANIFEST = "pictures.json"
_MADE_FIRST = (MANIFEST, "encoder.safetensors", "best.safetensors")
"""Files that a run makes from its images before it trains."""
_MAY_CHANGE = (
    "may change: fields of run, data.data_dir, data.manual_dir, the place of the same "
    "pictures, and more steps of a last phase whose schedule is 'inverse' or 'steps'"
)
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
        (workdir / ".lock").touch()
    refusal = f"another training uses the workdir {workdir}"
    with locked_file(workdir / ".lock", refusal):
        yield


def check_place(workdir: Path, config: Config) -> None:
    """Refuses a new folder that is a file's name, or whose samples would be data.

    Raises:
        ValueError: Says which.
    """
    check_out_folder(workdir, "--workdir")
    if (workdir / "config.json").is_file():
        return
    specs = [*split_spec(config.data.content), *split_spec(config.data.style)]
    pairs = (spec.partition(":") for spec in specs)
    folders = [Path(path).expanduser() for _, colon, path in pairs if colon]
    check_outside(workdir, folders, "--workdir")


def open_workdir(workdir: Path, config: Config) -> None:
    """Makes the folder with `config.json`, or checks that it belongs to `config`.

    Fields under `run` and the places of data may differ from what is there; see
    `check_pictures`. The last phase may become longer where its learning rate does not
    depend on its length. As long as nothing was trained there, all may differ.

    Raises:
        ValueError: If the folder belongs to another configuration; lists the
            differences, and what to do.
        OSError: If it cannot be written.
    """
    path = workdir / "config.json"
    with _writing(workdir):
        (workdir / "samples").mkdir(parents=True, exist_ok=True)
        if path.exists():
            differences = _find_differences(path, config)
            if differences and has_begun(workdir):
                raise ValueError(
                    f"the workdir {workdir} was started with another configuration "
                    f"({'; '.join(differences)}); {_how_to_go_on(workdir)}"
                )
            if differences:
                _begin_anew(workdir, "configuration")
        if not (has_begun(workdir) and (workdir / MANIFEST).exists()):
            write_file(path, to_json(config), sync=True)
        # Else `check_pictures` does, which may refuse the pictures.


def has_begun(workdir: Path) -> bool:
    """Whether there is something trained in the folder, intact or not."""
    folders = (workdir / "checkpoints", workdir / "checkpoints_damaged")
    return any(
        path.name.partition(".")[0].isdecimal()
        for folder in folders
        if folder.is_dir()
        for path in folder.iterdir()
    )


def recorded_rules(workdir: Path) -> Rules:
    """Which files are pictures: as recorded when the run began, else as of now.

    Raises:
        ValueError: If the record is damaged.
    """
    if (workdir / MANIFEST).exists():
        return _read_manifest(workdir)[0]
    return RULES_OF_0_1 if has_begun(workdir) else RULES


def check_pictures(
    workdir: Path, config: Config, rules: Rules, found: dict[str, Manifest]
) -> None:
    """Records a run's pictures, or checks that they are those that it began with.

    As long as nothing was trained in the folder, they may be others. A run of an
    older version has no record: it gets one, with a warning.

    Args:
        workdir: The run's folder, opened by `open_workdir`.
        config: Configuration of the run.
        rules: Which files are pictures, see `recorded_rules`.
        found: The pictures as they are now, by field of `config.data`.

    Raises:
        ValueError: If they are others; names the changes.
        OSError: If the folder cannot be written.
    """
    begun, path = has_begun(workdir), workdir / MANIFEST
    recorded = _read_manifest(workdir)[1] if path.exists() else None
    if recorded is None and begun:
        logger.warning(
            "the run in %s is of an older version and has no record of its pictures: "
            "those of %s and %s are taken for the same, and recorded in %s",
            *(workdir, config.data.content, config.data.style, MANIFEST),
        )
    changes = [] if recorded is None else _find_changes(recorded, found)
    if changes and begun:
        raise ValueError(
            f"the pictures are not those that the run in {workdir} was trained on "
            f"({'; '.join(changes)}): restore them, or {_how_to_go_on(workdir)}"
        )
    if changes:
        _begin_anew(workdir, "pictures")
    with _writing(workdir):
        if recorded is None or changes:
            plain = {field: to_plain(now) for field, now in found.items()}
            text = json.dumps({"rules": rules.describe(), **plain})
            write_file(path, text, sync=True)
        write_file(workdir / "config.json", to_json(config), sync=True)


def _find_changes(
    recorded: dict[str, Manifest], found: dict[str, Manifest]
) -> list[str]:
    return [
        f"data.{field}: {change}"
        for field, now in found.items()
        if (change := describe_difference(recorded.get(field, ()), now))
    ]


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


def _read_manifest(workdir: Path) -> tuple[Rules, dict[str, Manifest]]:
    path = workdir / MANIFEST
    try:
        plain = json.loads(path.read_text("utf-8"))
        rules = read_rules(plain.pop("rules"))
        return rules, {field: from_plain(parts) for field, parts in plain.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ValueError(
            f"{path}, the record of the run's pictures, is damaged ({error}): restore "
            "it, or delete it if the pictures are the same"
        ) from error


def _how_to_go_on(workdir: Path) -> str:
    """What to do with what may not change."""
    return (
        "train in another workdir, from this run's weights: styleflax weights export "
        f"{workdir} -o MODEL.safetensors, then --config.init_from=MODEL.safetensors "
        f"({_MAY_CHANGE})"
    )


def _begin_anew(workdir: Path, what: str) -> None:
    """Forgets what was made from other pictures or for another configuration."""
    logger.info("nothing was trained in %s yet: it takes the new %s", workdir, what)
    for name in _MADE_FIRST:
        (workdir / name).unlink(missing_ok=True)


def _find_differences(path: Path, config: Config) -> list[str]:
    """What may not differ between the configuration in a file and another one."""
    try:
        text = path.read_text("utf-8")
        old = flatten(json.loads(text))
        old["method"]  # which every configuration has, and other programs' have not
    except (ValueError, AttributeError, KeyError) as error:
        raise ValueError(
            f"{path} is not the configuration of a run ({error}); take another workdir"
        ) from error
    with suppress(ValueError):  # of a version with other fields
        old = flatten(from_json(text))  # and what was not there yet as it is now
    new = flatten(config)
    last = f"phases[{len(config.phases) - 1}]"
    longer_is_free = config.phases[-1].schedule.kind in ("inverse", "steps")
    is_recorded = (path.parent / MANIFEST).exists()
    differences = []
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now or name.startswith(FREE):
            continue
        if name in PLACES and (is_recorded or _whole(was) == _whole(now)):
            continue
        if name == f"{last}.steps" and longer_is_free and now and was and now > was:
            continue
        differences.append(f"{name}: was {was}, now {now}")
        if name in PLACES:
            differences[-1] += " (if the same pictures moved, change it in config.json)"
    return differences


def _whole(spec: Any) -> list[str]:
    """A spec's parts with absolute paths."""
    parts = [part.partition(":") for part in split_spec(str(spec))]
    return [
        f"{name}:{Path(place).expanduser().absolute()}"
        if name in ("image_folder", "pictures")
        else f"{name}{colon}{place}"
        for name, colon, place in parts
    ]


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
