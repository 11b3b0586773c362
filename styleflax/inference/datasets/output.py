"""The folder of a stylized data set: its settings, lock and files."""

import dataclasses
import itertools
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from styleflax.files import file_sha256, locked_file, make_folder, write_file
from styleflax.inference.datasets.parts import (
    NAME,
    Note,
    read_note,
    read_part,
    write_info,
    write_records,
)

SHARD_BYTES = 256 * 2**20
"""Largest size of a file of the data set, which contains whole parts."""
_SETTINGS, _REPORT = "settings.json", "report.json"


@contextmanager
def locked(out: Path) -> Iterator[None]:
    """Creates the folder, and locks it against other runs within the block.

    Raises:
        ValueError: If another run has locked it.
        OSError: If it cannot be written.
    """
    make_folder(out)
    with locked_file(out / ".lock", f"another run is writing the folder {out}"):
        yield


def claim(out: Path, settings: Mapping[str, Any]) -> None:
    """Writes the settings to a new folder, or compares them with those of the folder.

    Raises:
        ValueError: If the settings differ; the error lists the differences. Also if
            the folder contains other files.
    """
    path = out / _SETTINGS
    if not path.exists():
        if others := sorted(p.name for p in out.iterdir() if p.name != ".lock"):
            raise ValueError(
                f"the folder {out} is not empty ({others[0]}): give a new one"
            )
        write_json(path, settings)
        return
    try:
        old = dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError):
        raise ValueError(f"{path} is damaged: give another folder") from None
    different = [
        f"{k}: was {old.get(k)}, now {settings.get(k)}"
        for k in sorted(old.keys() | settings.keys())
        if old.get(k) != settings.get(k)
    ]
    if different:
        raise ValueError(
            f"the folder {out} belongs to other settings ({'; '.join(different)}); "
            "give another one, or those"
        )


def read_report(out: Path) -> dict[str, Any] | None:
    """Returns the report of a finished data set after checking its files; else None.

    Raises:
        ValueError: If a file is damaged.
    """
    if not (out / "dataset_info.json").is_file():
        return None
    report = json.loads((out / _REPORT).read_text("utf-8"))
    for name, digest in report["files"].items():
        if not (out / name).is_file() or file_sha256(out / name) != digest:
            raise ValueError(
                f"{out / name} is damaged: delete the folder, and it will be made anew"
            )
    return dict(report)


def assemble(
    out: Path,
    num_parts: int,
    features: Any,
    split: str,
    description: str,
    sources: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Combines the parts into a data set for TFDS, and deletes them.

    Images have the order of the source. `dataset_info.json` is written last, so that
    this call can be repeated after a crash.

    Args:
        out: Folder of the data set.
        num_parts: Number of parts.
        features: TFDS features of an example.
        split: Name of the split.
        description: Description for users.
        sources: Notes on the sources for the report; see `job.notes_of`.

    Returns:
        The report, which is also written to the folder.

    Raises:
        ValueError: If a part is missing or damaged, or all images were skipped.
    """
    folder = out / "parts"
    notes = [_finished(folder, part) for part in range(num_parts)]
    entries = [dataclasses.asdict(entry) for note in notes for entry in note.skipped]
    # Once per image, independent of the number of styles.
    skipped = list({entry["index"]: entry for entry in entries}.values())
    if not any(note.num_records for note in notes):
        raise ValueError(
            f"not one of {len(skipped)} pictures can be used; the first, "
            f"{skipped[0]['name']!r}: {skipped[0]['reason']}"
        )
    shards = [shard for shard in _shards(notes) if any(n.num_records for n in shard)]
    files, lengths = {}, []
    for number, shard in enumerate(shards):
        records = [r for note in shard for r in read_part(folder, note.part)]
        name = f"{NAME}-{split}.array_record-{number:05d}-of-{len(shards):05d}"
        aside = out / f".{name}.tmp"
        write_records(aside, records)
        files[name] = file_sha256(aside)
        lengths.append(len(records))
        aside.replace(out / name)
    report = {
        "num_pictures": sum(lengths),
        "skipped": skipped,
        "damaged_styles": sorted({s for note in notes for s in note.damaged_styles}),
        "remarks": sorted({text for note in notes for text in note.remarks}),
        **sources,
        "files": files,
    }
    write_json(out / _REPORT, report)
    num_bytes = sum(note.num_bytes for note in notes)
    write_info(out, features, split, lengths, num_bytes, description)
    shutil.rmtree(folder)
    return report


def _finished(folder: Path, part: int) -> Note:
    note = read_note(folder, part)
    if note is None:
        raise ValueError(
            f"part {part} is missing; the folder must be one that all processes share"
        )
    return note


def _shards(notes: Sequence[Note]) -> list[list[Note]]:
    """Returns the parts of every file of the data set."""
    ends = itertools.accumulate(note.num_bytes for note in notes)
    numbered = zip(ends, notes, strict=True)
    groups = itertools.groupby(numbered, lambda pair: pair[0] // SHARD_BYTES)
    return [[note for _, note in group] for _, group in groups]


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON file atomically."""
    write_file(path, json.dumps(value, indent=1) + "\n")
