"""Parts of an unfinished data set: a file of records, and a note that it is complete.

A part is one batch. Both files are written atomically, the note last: a part whose note
matches its records is finished, even after a crash.
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
    """An image of the source that was skipped."""

    index: int
    name: str
    reason: str


class Note(NamedTuple):
    """The description of a finished part.

    Attributes:
        part: Number of the part.
        num_records: Number of its images.
        num_bytes: Number of bytes of all records, excluding those of the file format.
        sha256: SHA-256 of the file.
        skipped: Images that could not be used.
        damaged_styles: Paintings that could not be used and were replaced.
        files: Description of each image, for images that are files.
        remarks: Notes on images and paintings that are used only in part.
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
    """An image of the source that is ready to be stylized.

    Attributes:
        index: Index in the source.
        copy: Number of the result for this image, starting at 0.
        picture: The encoded image with its labels.
        pixels_u8: Pixels at the size at which it is stylized.
        painting: Style of the image.
        remark: Note on unused parts of the image, or "".
    """

    index: int
    copy: int
    picture: Picture
    pixels_u8: np.ndarray
    painting: Painting
    remark: str = ""


def remarks_on(rows: Sequence[Loaded]) -> list[str]:
    """Returns the distinct notes on images and paintings that are used in part."""
    remarks = {
        f"{name}: {remark}"
        for row in rows
        for name, remark in (
            (row.picture.name.decode("utf-8", "backslashreplace"), row.remark),
            (printable(row.painting.name), row.painting.remark),
        )
        if remark
    }
    return sorted(remarks)


def write_part(
    folder: Path,
    part: int,
    records: Sequence[bytes],
    skipped: Sequence[Skipped],
    damaged_styles: Sequence[str],
    remarks: Sequence[str] = (),
) -> Note:
    """Writes a part atomically, replacing an older one of the same number.

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
    """Writes the note of a part atomically, which marks the part as finished.

    Raises:
        OSError: If it cannot be written.
    """
    path = _note_path(folder, note.part)
    skipped = [dataclasses.asdict(entry) for entry in note.skipped]
    values = {**note._asdict(), "skipped": skipped, "files": list(note.files)}
    write_file(path, json.dumps(values) + "\n", sync=True)


def read_note(folder: Path, part: int) -> Note | None:
    """Returns the note of a part after checking its records.

    Returns:
        The note; None for an unfinished part.

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
    """Returns the note of a part without checking its images.

    Returns:
        The note; None for an unfinished part.

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
    """Returns the records of a part, in order.

    Raises:
        ValueError: If they are damaged.
    """
    reader = array_record_module.ArrayRecordReader(str(_records_path(folder, part)))
    try:
        return reader.read_all() if reader.num_records() else []
    finally:
        reader.close()


def forget_part(folder: Path, part: int) -> None:
    """Deletes the note of a part, which marks it as unfinished."""
    _note_path(folder, part).unlink(missing_ok=True)


def wait_for_parts(folder: Path, num_parts: int) -> None:
    """Waits until all parts exist, made by any process.

    It polls for files, because a collective operation of JAX times out if a process is
    far behind.
    """
    pause_s = 0.05
    while len(list(folder.glob("[0-9]*.json"))) < num_parts:
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 10.0)


def write_records(path: Path, records: Sequence[bytes]) -> None:
    """Writes an array_record file in the form of TFDS.

    Raises:
        OSError: If it cannot be written, as on a full disk.
    """
    try:
        writer = array_record_module.ArrayRecordWriter(str(path), "group_size:1")
        for record in records:
            writer.write(record)
        writer.close()
    except RuntimeError as error:  # the only exception of this package
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
    """Returns the TFDS features of an example of the data set."""
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
    """Serializes examples as records."""

    def __init__(self, features: Any) -> None:
        self._features = features
        self._serializer = example_serializer.ExampleSerializer(
            features.get_serialized_info()
        )

    def __call__(self, example: Mapping[str, Any]) -> bytes:
        """Returns the record of an example with the features of `make_features`."""
        encoded = self._features.encode_example(example)
        proto = self._serializer.get_tf_example(encoded)
        # By default, protobuf orders the map of features differently in every process.
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
    """Writes the files for `tfds.builder_from_directory`, `dataset_info.json` last."""
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
