"""Stylized data sets as a folder of images with the tree and names of the source.

`metadata.csv` has a line for each image with its labels and style. It is written last:
a folder without it is incomplete.
"""

import csv
import dataclasses
import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import numpy as np

from styleflax.datasets.labeled import printable
from styleflax.files import file_sha256, short_stem, written_whole
from styleflax.images.files import SUFFIXES_WRITTEN, encode_picture
from styleflax.images.read import Picture
from styleflax.inference.datasets.job import (
    Job,
    count_parts,
    describe,
    notes_of,
    part_indices,
    parts_folder,
)
from styleflax.inference.datasets.output import write_json
from styleflax.inference.datasets.parts import (
    Loaded,
    Note,
    Skipped,
    load_note,
    remarks_on,
    write_note,
)

logger = logging.getLogger(__name__)

TABLE = "metadata.csv"
"""The table of images, in the form that loaders of image folders read."""
_REPORT = "report.json"
_PHOTO_SUFFIXES = frozenset({".jfif", ".mpo", ".heic", ".heif", ".hif", ".avif"})
_MAX_NAME_BYTES = 240


class ImageNames:
    """Function that returns the path of a stylized image within the data set's folder.

    Names and suffixes are those of the source; formats that cannot be written become
    JPEG if they are formats of photos, else PNG. If images have several styles, the
    number of the style is appended to the name.

    Raises:
        ValueError: If two images would have the same name.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._encoding = job, job.settings.encoding
        self._copies = job.settings.styles_per_picture
        self._names: list[str] | None = None
        if job.source.file_names is not None:
            self._names = self._rename([*map(printable, job.source.file_names)])

    def __call__(self, row: Loaded) -> str:
        """Returns the path of an image."""
        if self._names is not None:
            name = self._names[row.index]
        else:  # of a TFDS data set
            name = f"{row.index:08d}{self._suffix('.jpg')}"
            for label, value in row.picture.labels.items():
                names = self._job.source.classes[label]
                folder = str(value if isinstance(names, int) else names[value])
                name = f"{folder.replace(os.sep, '_')}/{name}"
                break
        return self._numbered(name, row.copy)

    def _rename(self, sources: Sequence[str]) -> list[str]:
        unchanged = {name for name in sources if self._renamed(name) == name}
        taken, names = set(unchanged), []
        for source in sources:
            name = self._renamed(source)
            if name != source:
                if name in taken:  # for example a.gif and a.png
                    name = f"{source}{Path(name).suffix}"
                if name in taken:
                    raise ValueError(
                        f"two pictures of the source would be {name!r}: rename "
                        f"{source!r}"
                    )
                taken.add(name)
            names.append(name)
        return names

    def _renamed(self, name: str) -> str:
        stem, suffix = os.path.splitext(name)  # noqa: PTH122
        return f"{stem}{self._suffix(suffix)}"

    def _suffix(self, suffix: str) -> str:
        lower = suffix.lower()
        if self._encoding == "png":
            return suffix if lower == ".png" else ".png"
        if self._encoding == "jpeg":
            return suffix if lower in {".jpg", ".jpeg"} else ".jpg"
        if lower in SUFFIXES_WRITTEN:
            return suffix
        return ".jpg" if lower in _PHOTO_SUFFIXES else ".png"

    def _numbered(self, name: str, copy: int) -> str:
        if self._copies == 1:
            return name
        path = Path(name)
        number = f"_{copy + 1}{path.suffix}"
        stem = short_stem(path.stem, _MAX_NAME_BYTES - len(number))
        return str(path.with_name(f"{stem}{number}"))


class ImageParts:
    """Parts whose images are files in the folder of the data set.

    Each file is written atomically. The note of a part, with the digests of its files,
    is written last.
    """

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder, self._out = job, folder, folder.parent
        self._name = ImageNames(job)

    def read(self, part: int) -> Note | None:
        """Returns the note of a finished part after checking its files; else None.

        Raises:
            ValueError: If the part is damaged.
        """
        note = load_note(self._folder, part)
        if note is not None:
            for file in note.files:
                if not _is_intact(self._out, file["file_name"], file["sha256"]):
                    raise ValueError(
                        f"part {part}: {file['file_name']} is not as it was written"
                    )
        return note

    def write(
        self,
        pool: Executor,
        part: int,
        rows: Sequence[Loaded | Skipped],
        images_u8: Sequence[np.ndarray],
    ) -> Note:
        """Writes the images of a part, and its note.

        Raises:
            OSError: If they cannot be written.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        sound = [row for row in rows if isinstance(row, Loaded)]
        written = list(pool.map(self._write_file, sound, images_u8))
        note = Note(
            part,
            len(written),
            sum(size for _, size in written),
            "",
            [row for row in rows if isinstance(row, Skipped)],
            sorted({name for row in sound for name in row.painting.damaged}),
            [file for file, _ in written],
            remarks_on(sound),
        )
        write_note(self._folder, note)
        return note

    def _write_file(
        self, row: Loaded, image_u8: np.ndarray
    ) -> tuple[dict[str, Any], int]:
        name = self._name(row)
        path = self._out / name
        encoded = encode_picture(Picture(image_u8), path.suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        # Written first to the folder of parts, which is deleted at the end.
        with written_whole(path, folder=self._folder, sync=True) as aside:
            aside.write_bytes(encoded)
        described = {
            "file_name": name,
            "source": row.picture.name.decode("utf-8", "backslashreplace"),
            "index": row.index,
            "style": printable(row.painting.name),
            "labels": dict(row.picture.labels),
            "sha256": hashlib.sha256(encoded).hexdigest(),
        }
        return described, len(encoded)


def finish_images(job: Job, out: Path) -> dict[str, Any]:
    """Writes the table and the report of a data set, and deletes the notes of parts.

    Returns:
        The report, which is also written to the folder.

    Raises:
        ValueError: If a part is missing or damaged, or all images were skipped.
    """
    parts = ImageParts(job, parts_folder(out, job))
    notes = []
    for part in range(count_parts(job)):
        note = parts.read(part)
        if note is None:
            raise ValueError(
                f"part {part} is missing; the folder must be one that all processes "
                "share"
            )
        notes.append(note)
    entries = [dataclasses.asdict(entry) for note in notes for entry in note.skipped]
    skipped = list({entry["index"]: entry for entry in entries}.values())
    files = [file for note in notes for file in note.files]
    if not files:
        raise ValueError(
            f"not one of {len(skipped)} pictures can be used; the first, "
            f"{skipped[0]['name']!r}: {skipped[0]['reason']}"
        )
    _make_class_folders(job, out)
    table = _table(job, files).encode()
    report = {
        "num_pictures": len(files),
        "skipped": skipped,
        "damaged_styles": sorted({s for note in notes for s in note.damaged_styles}),
        "remarks": sorted({text for note in notes for text in note.remarks}),
        **notes_of(job),
        "classes": {
            k: v if isinstance(v, int) else list(v)
            for k, v in job.source.classes.items()
        },
        "made_by": describe(job),
        "files": {TABLE: hashlib.sha256(table).hexdigest()},
    }
    write_json(out / _REPORT, report)
    aside = out / f".{TABLE}.tmp"
    aside.write_bytes(table)
    aside.replace(out / TABLE)
    shutil.rmtree(parts_folder(out, job))
    return report


def read_images_report(job: Job, out: Path) -> dict[str, Any] | None:
    """Returns the report of a finished data set after checking its files; else None.

    If images are damaged or missing, the notes of all parts are restored and the table
    is deleted, so that the next run makes the missing images.

    Raises:
        ValueError: If the table or the report was changed.
    """
    if not (out / TABLE).is_file():
        return None
    try:
        report = dict(json.loads((out / _REPORT).read_text("utf-8")))
        is_sound = _is_intact(out, TABLE, report["files"][TABLE])
    except (OSError, ValueError, KeyError, TypeError):
        is_sound = False
    if not is_sound:
        raise ValueError(
            f"{out / TABLE} or {out / _REPORT} is not as it was written: delete "
            f"{out / TABLE}, and the next run makes all pictures again"
        )
    files = list(_read_files(job, out / TABLE))
    damaged = [f for f in files if not _is_intact(out, f["file_name"], f["sha256"])]
    if not damaged:
        return report
    logger.warning(
        "%d of %d pictures in %s are missing or not as they were written, such as %s",
        *(len(damaged), len(files), out, damaged[0]["file_name"]),
    )
    for note in _read_notes(job, files, report):
        folder = parts_folder(out, job)
        folder.mkdir(exist_ok=True)
        write_note(folder, note)
    (out / TABLE).unlink()
    return None


def _read_files(job: Job, table: Path) -> Iterator[dict[str, Any]]:
    """Yields the entries of notes for all images, from the table."""
    with table.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {
                **{name: row[name] for name in ("file_name", "source")},
                "index": int(row["index"]),
                "style": row["style"],
                "labels": {name: int(row[name]) for name in job.source.classes},
                "sha256": row["sha256"],
            }


def _read_notes(
    job: Job, files: Sequence[Mapping[str, Any]], report: Mapping[str, Any]
) -> Iterator[Note]:
    """Yields the notes of all parts of a finished data set."""
    of_index: dict[int, list[Mapping[str, Any]]] = {}
    for file in files:
        of_index.setdefault(file["index"], []).append(file)
    skipped = {entry["index"]: Skipped(**entry) for entry in report["skipped"]}
    # The parts of these are no longer known, which does not matter.
    of_all = report["damaged_styles"], report.get("remarks", [])
    for part in range(count_parts(job)):
        places = [
            divmod(number, job.settings.styles_per_picture)
            for number in part_indices(job, part)
        ]
        images = [of_index[i][copy] for i, copy in places if i in of_index]
        missed = dict.fromkeys(skipped[i] for i, _ in places if i in skipped)
        damaged, remarks = ([], []) if part else of_all
        yield Note(part, len(images), 0, "", list(missed), damaged, images, remarks)


def _is_intact(out: Path, name: str, digest: str) -> bool:
    return (out / name).is_file() and file_sha256(out / name) == digest


def _table(job: Job, files: Sequence[Mapping[str, Any]]) -> str:
    """Returns the table of all images, with each label as number and name."""
    labels = job.source.classes
    columns = [part for name in labels for part in (name, f"{name}_name")]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["file_name", *columns, "style", "source", "index", "sha256"])
    for file in files:
        cells = []
        for name, classes in labels.items():
            number = file["labels"][name]
            cells += [number, number if isinstance(classes, int) else classes[number]]
        rest = [file[k] for k in ("style", "source", "index", "sha256")]
        writer.writerow([file["file_name"], *cells, *rest])
    return text.getvalue()


def _make_class_folders(job: Job, out: Path) -> None:
    """Creates the folders of empty classes, so that loaders number classes equally."""
    for name in job.source.empty_classes:
        (out / name).mkdir(exist_ok=True)
