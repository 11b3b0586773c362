"""The pictures of one call of `styleflax stylize`, made one after the other."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.cli.resume import DiskFullError, Recorder, find_states
from styleflax.cli.style_masks import read_part
from styleflax.cli.stylize_inputs import DASH, Mix, Source, read_source
from styleflax.cli.stylize_report import Report
from styleflax.cli.stylize_targets import Pair
from styleflax.cli.window_progress import WindowProgress
from styleflax.files import is_disk_full
from styleflax.images.listing import LeftOut
from styleflax.images.read import Picture
from styleflax.images.write import (
    encode_picture,
    keeps_alpha,
    write_picture,
    write_whole,
)
from styleflax.inference.contents import rounded
from styleflax.inference.controls import ControlArguments
from styleflax.inference.grouping import group_by_shape
from styleflax.inference.records import Asked, digest_bytes, write_record
from styleflax.inference.styles.file import is_style_file
from styleflax.inference.stylizer import OneStyle, Stylizer

# What one picture can fail by while others may well succeed: ImageError and other
# ValueErrors, files, and memory.
_FAILURES = (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError)


class Job(NamedTuple):
    """What is to be made, all of it checked.

    Attributes:
        contents: The photographs.
        mixes: Their styles.
        targets: The file of every pair that is to be made, or `DASH`.
        controls: Keyword arguments of `Stylizer.__call__`.
        suffix: The format of what goes to standard output, as ".png".
        max_megapixels: Limit on what is read.
        keep_metadata: Whether pictures get their photograph's EXIF and profile.
        overwrite: Whether files may be there.
        left_out: Files in folders that are not images.
        recorder: Writes the record of each result.
    """

    contents: Sequence[Source]
    mixes: Sequence[Mix]
    targets: dict[Pair, Path]
    controls: ControlArguments
    suffix: str
    max_megapixels: float
    keep_metadata: bool
    overwrite: bool
    left_out: Sequence[LeftOut] = ()
    recorder: Recorder | None = None

    def asked(self, pair: Pair) -> Asked:
        """Everything that the result of a pair follows from; there is a recorder."""
        assert self.recorder is not None
        return self.recorder.asked(*pair, self.controls)


Write = Callable[[Job, Pair, Picture, Report], None]
"""What becomes of a picture of a job."""


class _Loaded(NamedTuple):
    """A photograph that has been read, and what that took."""

    source: Source
    picture: Picture
    seconds: float


class _Batch(NamedTuple):
    """Photographs of one size, and the styles of all of them."""

    mix: Mix
    styles: Sequence[OneStyle]
    photos: Sequence[_Loaded]


def run_job(
    job: Job, stylizer: Stylizer, report: Report, write: Write | None = None
) -> None:
    """Makes the pictures; one that fails is reported, and the others are made.

    Args:
        job: What is to be made.
        stylizer: To make it with.
        report: Told of every picture.
        write: What becomes of a picture; by default it goes to its target.

    Raises:
        Exception: Why the picture failed, if there is only one.
    """
    stylizer.watch(report.warn, WindowProgress(), WindowProgress("iteration"))
    unreadable: dict[Source, Exception] = {}
    contents: dict[Mix, list[Source]] = {}
    for content, mix in job.targets:
        contents.setdefault(mix, []).append(content)
    for mix, photos in contents.items():
        try:
            styles = _read_styles(job, mix, stylizer, report)
        except _FAILURES as error:
            for content in photos:
                report.fail((content, mix), error)
            continue
        loaded = _load(job, mix, photos, unreadable, report)
        for group in group_by_shape(loaded, stylizer.num_devices):
            batch = _Batch(mix, styles, [item for item, _ in group])
            _make_batch(job, batch, stylizer, report, write or _write)


def _read_styles(
    job: Job, mix: Mix, stylizer: Stylizer, report: Report
) -> list[OneStyle]:
    """The styles as the stylizer takes them, prepared once for all photographs."""
    color = job.controls.get("color", "style")
    size, refine = job.controls.get("style_size"), job.controls.get("refine", 0) > 0
    styles: list[OneStyle] = []
    for source in mix:
        if source.is_own:
            style: OneStyle = str(source.path)
        elif is_style_file(source.path):
            style = source.path
        else:
            picture = read_source(source, job.max_megapixels)
            for note in picture.notes:
                report.warn(note)
            style = picture.on_white()
        mask = read_part(source, job.max_megapixels)
        styles.append(stylizer.prepare_style(style, color, size, mask, refine=refine))
    return styles


def _load(
    job: Job,
    mix: Mix,
    photos: Sequence[Source],
    unreadable: dict[Source, Exception],
    report: Report,
) -> Iterator[tuple[_Loaded, np.ndarray]]:
    for content in photos:
        started = time.perf_counter()
        if content not in unreadable:
            try:
                picture = read_source(content, job.max_megapixels)
            except _FAILURES as error:
                unreadable[content] = error
        if content in unreadable:
            report.fail((content, mix), unreadable[content])
            continue
        spent = time.perf_counter() - started
        yield _Loaded(content, picture, spent), picture.rgb_u8


def _make_batch(
    job: Job, batch: _Batch, stylizer: Stylizer, report: Report, write: Write
) -> None:
    """Stylizes photographs of one size together, and writes the results."""
    started = time.perf_counter()
    mix, styles, group = batch
    try:
        # The styles have been resized before.
        controls: ControlArguments = {**job.controls, "style_size": None}
        pictures = [loaded.picture for loaded in group]
        made = stylizer(pictures, list(styles), **controls).array
    except _FAILURES as error:
        for loaded in group:
            report.fail((loaded.source, mix), error)
        return
    share = (time.perf_counter() - started) / len(group)
    for loaded, image in zip(group, made, strict=True):
        started = time.perf_counter()
        pair = loaded.source, mix
        try:
            write(job, pair, _finish(job, loaded.picture, image), report)
        except DiskFullError:
            raise  # nor would there be room for another
        except _FAILURES as error:
            report.fail(pair, error)
            continue
        seconds = loaded.seconds + share + time.perf_counter() - started
        size = image.shape[1], image.shape[0]
        report.done(pair, job.targets[pair], size, seconds, loaded.picture.notes)


def _finish(job: Job, photo: Picture, image: np.ndarray) -> Picture:
    """A result with what it is to have of its photograph."""
    alpha_u8 = photo.alpha_u8
    if alpha_u8 is not None and alpha_u8.shape != image.shape[:2]:
        size = image.shape[1], image.shape[0]
        small = PillowImage.fromarray(alpha_u8).resize(size, Resampling.BICUBIC)
        alpha_u8 = np.asarray(small)
    picture = photo._replace(rgb_u8=rounded(image), alpha_u8=alpha_u8)
    return picture if job.keep_metadata else picture.without_metadata()


def _write(job: Job, pair: Pair, picture: Picture, report: Report) -> None:
    target = job.targets[pair]
    suffix = job.suffix if target == DASH else target.suffix
    if picture.alpha_u8 is not None and not keeps_alpha(suffix):
        report.warn(f"{suffix} has no transparency: transparent parts become white")
    if target == DASH:
        sys.stdout.buffer.write(encode_picture(picture, suffix))
        sys.stdout.buffer.flush()
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if job.recorder is None:
            write_picture(picture, target, overwrite=job.overwrite)
            return
        if not job.overwrite and target.exists():
            raise FileExistsError(f"{str(target)!r} exists already; use --overwrite")
        data = encode_picture(picture, suffix)
        write_record(target, job.asked(pair), digest_bytes(data))
        write_whole(target, data)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(error.errno, "the disk is full", str(target)) from error
        raise


def skip_complete(jobs: Sequence[Job]) -> tuple[list[Job], list[tuple[Pair, Path]]]:
    """Jobs of what is not complete yet, and the files of what is.

    Raises:
        ValueError: Results were made otherwise than is asked for now.
        FileExistsError: Files are there that have no record.
    """
    asked = {target: job.asked(p) for job in jobs for p, target in job.targets.items()}
    states = find_states(asked)
    left: list[Job] = []
    skipped: list[tuple[Pair, Path]] = []  # a pair may come with several strengths
    for job in jobs:
        done = {p: t for p, t in job.targets.items() if states[t] == "complete"}
        targets = {p: t for p, t in job.targets.items() if p not in done}
        skipped += done.items()
        if targets:
            left.append(job._replace(targets=targets))
    return left, skipped
