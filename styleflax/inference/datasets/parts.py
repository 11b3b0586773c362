"""Parts of a data set in the making: a file of records, and a note that it is whole.

A part is one batch. Both files are written aside and renamed, the note last, so
that a part whose note agrees with its records is finished, whatever has crashed.
"""

import dataclasses
import errno
import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from array_record.python import array_record_module
from tensorflow_datasets.core import dataset_info, example_serializer

from styleflax.datasets.builders.preparation import quiet_tfds
from styleflax.datasets.labeled import Picture, printable
from styleflax.files import file_sha256, write_file, written_whole
from styleflax.inference.datasets.program import Painting


@dataclasses.dataclass(frozen=True)
class Skipped:
    """A picture of the source that is not in the data set."""

    index: int
    name: str
    reason: str


class Note(NamedTuple):
    """What is known of a finished part.

    Attributes:
        part: Its number.
        num_records: Pictures in it.
        num_bytes: Number of bytes of all records, without the file's own.
        sha256: SHA-256 of the file.
        skipped: Pictures that could not be used.
        damaged_styles: Paintings that could not be used and were replaced.
        files: Where pictures are files of their own, what is known of each.
        remarks: What was left out of pictures and paintings that are used.
    """

    part: int
    num_records: int
    num_bytes: int
    sha256: str
    skipped: Sequence[Skipped]
    damaged_styles: Sequence[str]
    files: Sequence[Mapping[str, Any]] = ()
    remarks: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A picture of the source, ready to be stylized.

    Attributes:
        index: Its place in the source.
        copy: Which of its stylized pictures this is, from 0.
        picture: As in the source.
        pixels_u8: At the size at which it is stylized.
        painting: Its style.
        remark: What was left out of the picture, or "".
    """

    index: int
    copy: int
    picture: Picture
    pixels_u8: np.ndarray
    painting: Painting
    remark: str = ""


def remarks_on(rows: Sequence[Loaded]) -> list[str]:
    """Returns what was left out of pictures and their paintings, each once."""
    found = {
        f"{name}: {remark}"
        for row in rows
        for name, remark in (
            (row.picture.name.decode("utf-8", "backslashreplace"), row.remark),
            (printable(row.painting.name), row.painting.remark),
        )
        if remark
    }
    return sorted(found)


def write_part(
    folder: Path,
    part: int,
    records: Sequence[bytes],
    skipped: Sequence[Skipped],
    damaged_styles: Sequence[str],
    remarks: Sequence[str] = (),
) -> Note:
    """Writes a part whole or not at all; an older one of the number is replaced.

    Raises:
        OSError: If it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = _records_path(folder, part)
    with written_whole(path, sync=True) as aside:
        write_records(aside, records)
        digest = file_sha256(aside)
    num_bytes = sum(map(len, records))
    known = (skipped, damaged_styles, (), remarks)
    note = Note(part, len(records), num_bytes, digest, *known)
    write_note(folder, note)
    return note


def write_note(folder: Path, note: Note) -> None:
    """Writes the note of a part, whole or not at all: the part is finished then.

    Raises:
        OSError: If it cannot be written.
    """
    path = _note_path(folder, note.part)
    skipped = [dataclasses.asdict(entry) for entry in note.skipped]
    values = {**note._asdict(), "skipped": skipped, "files": list(note.files)}
    write_file(path, json.dumps(values) + "\n", sync=True)


def read_note(folder: Path, part: int) -> Note | None:
    """The note of a part if it is finished and its records are as they were written.

    Returns:
        None for a part that has not been made.

    Raises:
        ValueError: If the part is damaged.
    """
    note = load_note(folder, part)
    if note is None:
        return None
    records = _records_path(folder, part)
    if not records.is_file() or file_sha256(records) != note.sha256:
        raise ValueError(f"part {part}: its records are not those that were written")
    return note


def load_note(folder: Path, part: int) -> Note | None:
    """The note of a part, whatever has become of its pictures.

    Returns:
        None for a part that has not been made.

    Raises:
        ValueError: If the note is damaged.
    """
    path = _note_path(folder, part)
    try:
        values: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        skipped = [Skipped(**entry) for entry in values["skipped"]]
        return Note(**{**values, "skipped": skipped})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"part {part}: its note is damaged") from None


def read_part(folder: Path, part: int) -> list[bytes]:
    """The records of a part, in order.

    Raises:
        ValueError: If they are damaged.
    """
    reader = array_record_module.ArrayRecordReader(str(_records_path(folder, part)))
    try:
        return reader.read_all() if reader.num_records() else []
    finally:
        reader.close()


def forget_part(folder: Path, part: int) -> None:
    """Makes a part unfinished."""
    _note_path(folder, part).unlink(missing_ok=True)


def wait_for_parts(folder: Path, num_parts: int) -> None:
    """Waits until all parts exist, made by any process.

    Files are looked for, since a collective operation of JAX gives up on a process
    that is behind by more than its patience.
    """
    pause_s = 0.05
    while len(list(folder.glob("[0-9]*.json"))) < num_parts:
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 10.0)


def write_records(path: Path, records: Sequence[bytes]) -> None:
    """Writes an array_record file as TFDS does.

    Raises:
        OSError: If it cannot be written, as on a full disk.
    """
    try:
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for record in records:
            writer.write(record)
        writer.close()
    except RuntimeError as error:  # which is all that this package raises
        reason = str(error).partition("\n")[0]
        codes = (errno.ENOSPC, errno.EDQUOT)
        code = next((c for c in codes if os.strerror(c) in reason), errno.EIO)
        raise OSError(code, reason, str(path)) from None


def _records_path(folder: Path, part: int) -> Path:
    return folder / f"{part:08d}.array_record"


def _note_path(folder: Path, part: int) -> Path:
    return folder / f"{part:08d}.json"


NAME = "stylized"
VERSION = "1.0.0"


def make_features(
    classes: Mapping[str, Sequence[str] | int], side_px: int | None, encoding: str
) -> Any:
    """What an example of the data set holds, for TFDS."""
    f = tfds.features
    labels = {
        name: f.ClassLabel(num_classes=names)
        if isinstance(names, int)
        else f.ClassLabel(names=list(names))
        for name, names in classes.items()
    }
    return f.FeaturesDict(
        {
            "image": f.Image(shape=(side_px, side_px, 3), encoding_format=encoding),
            **labels,
            "name": f.Text(),
            "index": f.Scalar(np.int64),
            "style": f.Text(),
            "seed": f.Scalar(np.int64),
            "weights_sha256": f.Text(),
        }
    )


class Serializer:
    """Examples as the bytes of a record."""

    def __init__(self, features: Any) -> None:
        self._features = features
        self._serializer = example_serializer.ExampleSerializer(
            features.get_serialized_info()
        )

    def __call__(self, example: Mapping[str, Any]) -> bytes:
        """The record of an example, as `make_features` describes it."""
        encoded = self._features.encode_example(example)
        proto = self._serializer.get_tf_example(encoded)
        # Features are a map, which protobuf orders anew in every process otherwise.
        serialized: bytes = proto.SerializeToString(deterministic=True)
        return serialized


def write_info(
    out: Path,
    features: Any,
    split: str,
    lengths: Sequence[int],
    num_bytes: int,
    description: str,
) -> None:
    """Writes what `tfds.builder_from_directory` needs, `dataset_info.json` last."""
    identity = dataset_info.DatasetIdentity(
        name=NAME,
        version=tfds.core.Version(VERSION),
        data_dir=str(out),
        module_name="styleflax",
    )
    labels = [k for k, f in features.items() if isinstance(f, tfds.features.ClassLabel)]
    with quiet_tfds():
        info = dataset_info.DatasetInfo(
            builder=identity,
            features=features,
            description=description,
            supervised_keys=("image", labels[0]) if labels else None,
        )
        info.set_file_format("array_record")
        template = tfds.core.ShardedFileTemplate(
            data_dir=out,
            dataset_name=NAME,
            split=split,
            filetype_suffix="array_record",
        )
        of_split = tfds.core.SplitInfo(
            name=split,
            shard_lengths=list(lengths),
            num_bytes=num_bytes,
            filename_template=template,
        )
        info.set_splits(tfds.core.splits.SplitDict([of_split]))
        info.write_to_directory(out)
