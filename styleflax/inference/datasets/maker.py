"""Making the parts of a stylized data set and completing it."""

import io
import itertools
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import jax
import numpy as np
from PIL import Image as PillowImage

from styleflax.datasets.builders.base import jpeg
from styleflax.datasets.pipeline import center_crop
from styleflax.files import is_disk_full
from styleflax.images.decoding import ImageError, one_line
from styleflax.images.files import decode_image_u8, resize_short_side
from styleflax.images.read import other_frames
from styleflax.inference.contents import rounded
from styleflax.inference.controls import ControlArguments
from styleflax.inference.datasets.image_files import (
    TABLE,
    ImageParts,
    finish_images,
    read_images_report,
)
from styleflax.inference.datasets.job import (
    IMAGES,
    Job,
    count_parts,
    count_pictures,
    describe,
    features_of,
    notes_of,
    part_indices,
)
from styleflax.inference.datasets.output import assemble, read_report
from styleflax.inference.datasets.parts import (
    Loaded,
    Note,
    Serializer,
    Skipped,
    forget_part,
    read_note,
    remarks_on,
    write_part,
)
from styleflax.inference.datasets.program import make_bulk_program
from styleflax.inference.render import WHOLE_SIZES
from styleflax.inference.stylizer import Stylizer
from styleflax.memory import explain_memory_errors

logger = logging.getLogger(__name__)


UNIFORM_MAX_PX = 2**18
"""Uncropped images are stylized as a batch if a part has one size of at most this
number of pixels."""


class PartFiles(Protocol):
    """Storage of parts."""

    def read(self, part: int) -> Note | None:  # noqa: D102
        ...

    def write(  # noqa: D102
        self,
        pool: Executor,
        part: int,
        rows: Sequence[Loaded | Skipped],
        images_u8: Sequence[np.ndarray],
    ) -> Note: ...


class RecordParts:
    """Parts as files of records, for TFDS."""

    def __init__(self, job: Job, folder: Path) -> None:
        self._job, self._folder = job, folder
        self._serialize = Serializer(features_of(job))
        self._encode = jpeg if job.settings.encoding == "jpeg" else _png

    def read(self, part: int) -> Note | None:
        """Returns the note of a finished part; see `parts.read_note`."""
        return read_note(self._folder, part)

    def write(
        self,
        pool: Executor,
        part: int,
        rows: Sequence[Loaded | Skipped],
        images_u8: Sequence[np.ndarray],
    ) -> Note:
        """Writes a part atomically; see `parts.write_part`."""
        sound = [row for row in rows if isinstance(row, Loaded)]
        records = list(pool.map(self._record, sound, images_u8))
        skipped = [row for row in rows if isinstance(row, Skipped)]
        damaged = sorted({name for row in sound for name in row.painting.damaged})
        remarks = remarks_on(sound)
        return write_part(self._folder, part, records, skipped, damaged, remarks)

    def _record(self, row: Loaded, image_u8: np.ndarray) -> bytes:
        return self._serialize(
            {
                "image": self._encode(PillowImage.fromarray(image_u8)),
                **row.picture.labels,
                "name": row.picture.name,
                "index": row.index,
                "style": row.painting.name.encode("utf-8", "backslashreplace"),
                "seed": self._job.settings.seed,
                "weights_sha256": self._job.weights_sha256,
            }
        )


class Maker:
    """Makes the parts of a job; its programs are compiled once.

    A part is always one batch on one device, so that its bytes do not depend on the
    numbers of devices and processes.
    """

    def __init__(self, job: Job, folder: Path, devices: Sequence[jax.Device]) -> None:
        self._job, self._folder = job, folder
        self._num_devices = len(devices) if job.settings.crop else 1
        used = devices[: self._num_devices]
        self._program = make_bulk_program(job.model, used)
        kind = ImageParts if job.settings.format == IMAGES else RecordParts
        self._parts: PartFiles = kind(job, folder)
        # Prepared for many sizes, so that an image does not depend on the others.
        self._stylizer = Stylizer(job.model, used)
        self._stylizer.expect(WHOLE_SIZES + 1)

    def make(self, parts: Sequence[int]) -> Iterator[Note]:
        """Makes the unfinished parts, and yields the notes of all.

        The next images are read and the last ones written while the devices work.

        Raises:
            ValueError: If no painting can be used.
            OSError: If a part cannot be written.
        """
        missing, num_done = [], 0
        for part in parts:
            if note := self._find(part):
                yield note
                num_done += 1
            else:
                missing.append(part)
        settings = self._job.settings
        doing = f"stylizing batches of {settings.batch_size} pictures"
        if settings.size_px is not None:
            doing += f" of {settings.size_px} px"
        try:
            with explain_memory_errors(doing, "use a smaller --batch or --size"):
                for note in self._make_missing(missing):
                    yield note
                    num_done += 1
        except OSError as error:
            if not is_disk_full(error):
                raise
            failure = OSError(
                f"the disk is full: {num_done} of {len(parts)} batches are made; free "
                "space and run the same command again, which goes on"
            )
            failure.errno = error.errno
            raise failure from None

    def _make_missing(self, missing: Sequence[int]) -> Iterator[Note]:
        count = self._num_devices
        groups = [missing[i : i + count] for i in range(0, len(missing), count)]
        with ThreadPoolExecutor(self._job.settings.num_threads) as pool:
            loading = self._start_loading(pool, groups[0] if groups else [])
            for group, following in itertools.zip_longest(groups, groups[1:]):
                loaded = [[row.result() for row in rows] for rows in loading]
                stylized = self._start_stylizing(loaded)
                loading = self._start_loading(pool, following or [])
                for part, rows, images_u8 in zip(
                    group, loaded, stylized(), strict=True
                ):
                    yield self._parts.write(pool, part, rows, images_u8)

    def _find(self, part: int) -> Note | None:
        try:
            return self._parts.read(part)
        except ValueError as error:
            logger.warning("%s; it is made again", error)
            forget_part(self._folder, part)
            return None

    def _start_loading(
        self, pool: ThreadPoolExecutor, group: Sequence[int]
    ) -> list[list[Future[Loaded | Skipped]]]:
        return [
            [pool.submit(self._load, i) for i in part_indices(self._job, part)]
            for part in group
        ]

    def _load(self, number: int) -> Loaded | Skipped:
        settings, source = self._job.settings, self._job.source
        index, copy = divmod(number, settings.styles_per_picture)
        try:
            picture = source[index]
            if settings.size_px is None:
                pixels_u8 = decode_image_u8(picture.encoded)
            elif settings.crop:
                pixels_u8 = center_crop(picture.encoded, settings.size_px)
            else:
                whole_u8 = decode_image_u8(picture.encoded)
                pixels_u8 = np.asarray(resize_short_side(whole_u8, settings.size_px))
        except (ImageError, OSError, RuntimeError, ValueError) as error:
            name = source.name(index).decode("utf-8", "backslashreplace")
            return Skipped(index, name, one_line(error))
        painting = self._job.paintings.draw(settings.seed, index, copy)
        remark = other_frames(picture.encoded)
        return Loaded(index, copy, picture, pixels_u8, painting, remark)

    def _start_stylizing(
        self, loaded: Sequence[Sequence[Loaded | Skipped]]
    ) -> Callable[[], list[list[np.ndarray]]]:
        """Starts the devices; the returned function waits for the results.

        Returns:
            A function that returns the results of every part in uint8.
        """
        sound = [[row for row in rows if isinstance(row, Loaded)] for rows in loaded]
        first = next(itertools.chain.from_iterable(sound), None)
        if first is None:
            return lambda: [[] for _ in loaded]
        if not self._job.settings.crop:
            return lambda: [self._stylize_uncropped(rows) for rows in sound]
        return self._start_batches(sound, first)

    def _stylize_uncropped(self, rows: Sequence[Loaded]) -> list[np.ndarray]:
        """Returns the results of a part in uint8, for images of any sizes."""
        shapes = {row.pixels_u8.shape for row in rows}
        is_small = all(h * w <= UNIFORM_MAX_PX for h, w, _ in shapes)
        if len(rows) > 1 and len(shapes) == 1 and is_small:
            return self._start_batches([rows], rows[0])()[0]
        settings = self._job.settings
        looks: ControlArguments = {
            "alpha": settings.alpha,
            "color_match": settings.color_match,
            "detail": settings.detail,
        }
        results = (self._stylizer(r.pixels_u8, r.painting.style, **looks) for r in rows)
        return [rounded(one.array) for one in results]

    def _start_batches(
        self, sound: Sequence[Sequence[Loaded]], first: Loaded
    ) -> Callable[[], list[list[np.ndarray]]]:
        """Starts the devices on parts whose images have one size."""
        settings = self._job.settings
        looks = {"color_match": settings.color_match, "detail": settings.detail}
        size = min(settings.batch_size, count_pictures(self._job))
        # Padded with any image, so that the program is always the same.
        short = self._num_devices - len(sound)
        filled = [
            row
            for rows in [*sound, *([] for _ in range(short))]
            for row in [*rows, *[first] * (size - len(rows))]
        ]
        pixels_u8 = np.stack([row.pixels_u8 for row in filled])
        styles = [row.painting.style for row in filled]
        images_u8 = self._program(settings.alpha, pixels_u8, styles, **looks)

        def fetch() -> list[list[np.ndarray]]:
            host = np.asarray(images_u8)
            return [
                list(host[i * size : i * size + len(rows)])
                for i, rows in enumerate(sound)
            ]

        return fetch


def _png(image: PillowImage.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def is_finished(job: Job, out: Path) -> bool:
    """Returns whether the folder contains the file that is written last."""
    last = TABLE if job.settings.format == IMAGES else "dataset_info.json"
    return (out / last).is_file()


def read_finished(job: Job, out: Path) -> dict[str, Any] | None:
    """Returns the report of a finished data set after checking its files.

    If images are damaged or missing, the data set becomes unfinished, and only their
    parts have to be made again.

    Returns:
        The report; None for an unfinished data set.

    Raises:
        ValueError: If a damaged file cannot be made again separately.
    """
    if job.settings.format == IMAGES:
        return read_images_report(job, out)
    return read_report(out)


def finish(job: Job, out: Path) -> dict[str, Any]:
    """Assembles the data set from its parts, and returns its report.

    Raises:
        ValueError: If a part is missing or damaged, or no image can be used.
    """
    if job.settings.format == IMAGES:
        return finish_images(job, out)
    return assemble(
        out,
        count_parts(job),
        features_of(job),
        job.source.split,
        f"Stylized by styleflax: {json.dumps(describe(job))}",
        notes_of(job),
    )
