"""Many photos in many styles, one after the other, and their files."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import jax
import numpy as np
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.files import is_disk_full
from styleflax.images.listing import LeftOut
from styleflax.images.read import Picture
from styleflax.images.write import (
    encode_picture,
    keeps_alpha,
    write_picture,
    write_whole,
)
from styleflax.inference.contents import is_style_file, rounded
from styleflax.inference.controls import ControlArguments, Plan
from styleflax.inference.folders.records import (
    Asked,
    DiskFullError,
    Recorder,
    digest_bytes,
    find_states,
    write_record,
)
from styleflax.inference.folders.sources import (
    DASH,
    Mix,
    Pair,
    Source,
    count_sizes,
    read_part,
    read_source,
)
from styleflax.inference.folders.watcher import Watcher
from styleflax.inference.stylizer import OneStyle, Stylizer

T = TypeVar("T")
Named = tuple[T, np.ndarray]
"""A picture with whatever tells whose it is."""
WAITING = 4
"""Times the size of a batch: as many pictures wait for others of their size."""


def group_by_shape(pictures: Iterable[Named[T]], size: int) -> Iterator[list[Named[T]]]:
    """Yields batches of pictures of one shape, `size` of them where there are.

    Every picture comes once. With a size of 1 each comes at once and in order;
    otherwise those whose size is rare come late and in smaller batches.
    """
    waiting: dict[tuple[int, ...], list[Named[T]]] = {}
    for named in pictures:
        group = waiting.setdefault(named[1].shape, [])
        group.append(named)
        if len(group) == size:
            yield waiting.pop(named[1].shape)
        elif sum(map(len, waiting.values())) > WAITING * size:
            yield waiting.pop(next(iter(waiting)))  # the one begun first
    yield from waiting.values()


# What one picture can fail by while others may well succeed: ImageError and other
# ValueErrors, files, and memory.
_FAILURES = (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError)


class Job(NamedTuple):
    """What is to be made, all of it checked.

    Attributes:
        contents: The photographs.
        mixes: Their styles.
        targets: The file of every pair that is to be made, or `DASH`.
        controls: Keyword arguments of `Stylizer.__call__`, as results are recorded.
        plan: The plan that the controls make.
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
    plan: Plan
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


Write = Callable[[Job, Pair, Picture, Watcher], None]
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
    job: Job, stylizer: Stylizer, watcher: Watcher, write: Write | None = None
) -> None:
    """Makes the pictures; one that fails is watchered, and the others are made.

    Args:
        job: What is to be made.
        stylizer: To make it with.
        watcher: Told of every picture.
        write: What becomes of a picture; by default it goes to its target.

    Raises:
        Exception: Why the picture failed, if there is only one.
    """
    stylizer.watch(watcher.warn, watcher.on_window, watcher.on_step)
    unreadable: dict[Source, Exception] = {}
    contents: dict[Mix, list[Source]] = {}
    for content, mix in job.targets:
        contents.setdefault(mix, []).append(content)
    for mix, photos in contents.items():
        try:
            styles = read_mix(mix, stylizer, job.plan, job.max_megapixels, watcher.warn)
        except _FAILURES as error:
            for content in photos:
                watcher.fail((content, mix), error)
            continue
        loaded = _load(job, mix, photos, unreadable, watcher)
        for group in group_by_shape(loaded, stylizer.num_devices):
            batch = _Batch(mix, styles, [item for item, _ in group])
            _make_batch(job, batch, stylizer, watcher, write or _write)


def read_mix(
    mix: Sequence[Source],
    stylizer: Stylizer,
    plan: Plan,
    max_megapixels: float,
    warn: Callable[[str], None],
) -> list[OneStyle]:
    """Returns styles as a stylizer takes them, read once for many contents.

    Args:
        mix: The styles of one result.
        stylizer: The stylizer that takes them.
        plan: The plan of the results.
        max_megapixels: Largest image that is read, in megapixels.
        warn: Told what has to be ignored.

    Raises:
        ValueError: A style cannot be used.
        FileNotFoundError: A style is missing.
    """
    parts = [read_part(source, max_megapixels) for source in mix]
    styles: list[OneStyle] = []
    for source in mix:
        if source.is_own:
            styles.append(str(source.path))
        elif is_style_file(source.path):
            styles.append(source.path)
        else:
            picture = read_source(source, max_megapixels)
            for note in picture.notes:
                warn(note)
            styles.append(picture.on_white())
    return stylizer.read_styles(styles, plan, parts)


def _load(
    job: Job,
    mix: Mix,
    photos: Sequence[Source],
    unreadable: dict[Source, Exception],
    watcher: Watcher,
) -> Iterator[tuple[_Loaded, np.ndarray]]:
    for content in photos:
        started = time.perf_counter()
        if content not in unreadable:
            try:
                picture = read_source(content, job.max_megapixels)
            except _FAILURES as error:
                unreadable[content] = error
        if content in unreadable:
            watcher.fail((content, mix), unreadable[content])
            continue
        spent = time.perf_counter() - started
        yield _Loaded(content, picture, spent), picture.rgb_u8


def _make_batch(
    job: Job, batch: _Batch, stylizer: Stylizer, watcher: Watcher, write: Write
) -> None:
    """Stylizes photographs of one size together, and writes the results."""
    started = time.perf_counter()
    mix, styles, group = batch
    try:
        pictures = [loaded.picture for loaded in group]
        made = stylizer.run(job.plan, styles, pictures).array
    except _FAILURES as error:
        for loaded in group:
            watcher.fail((loaded.source, mix), error)
        return
    share = (time.perf_counter() - started) / len(group)
    for loaded, image in zip(group, made, strict=True):
        started = time.perf_counter()
        pair = loaded.source, mix
        try:
            write(job, pair, _finish(job, loaded.picture, image), watcher)
        except DiskFullError:
            raise  # nor would there be room for another
        except _FAILURES as error:
            watcher.fail(pair, error)
            continue
        seconds = loaded.seconds + share + time.perf_counter() - started
        size = image.shape[1], image.shape[0]
        watcher.done(pair, job.targets[pair], size, seconds, loaded.picture.notes)


def _finish(job: Job, photo: Picture, image: np.ndarray) -> Picture:
    """A result with what it is to have of its photograph."""
    alpha_u8 = photo.alpha_u8
    if alpha_u8 is not None and alpha_u8.shape != image.shape[:2]:
        size = image.shape[1], image.shape[0]
        small = PillowImage.fromarray(alpha_u8).resize(size, Resampling.BICUBIC)
        alpha_u8 = np.asarray(small)
    picture = photo._replace(rgb_u8=rounded(image), alpha_u8=alpha_u8)
    return picture if job.keep_metadata else picture.without_metadata()


def _write(job: Job, pair: Pair, picture: Picture, watcher: Watcher) -> None:
    target = job.targets[pair]
    suffix = job.suffix if target == DASH else target.suffix
    if picture.alpha_u8 is not None and not keeps_alpha(suffix):
        watcher.warn(f"{suffix} has no transparency: transparent parts become white")
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


def expect_sizes(
    stylizer: Stylizer, photos: Sequence[Source], size_px: int | None
) -> None:
    """Tells the stylizer how many sizes photos will have; one photo is not opened."""
    stylizer.expect(count_sizes(photos, size_px) if len(photos) > 1 else 1)


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
