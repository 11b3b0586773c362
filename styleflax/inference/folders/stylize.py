"""Stylizing folders of photos in the styles of folders of paintings."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Unpack

import jax
import numpy as np
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.files import is_disk_full
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.files import (
    encode_picture,
    keeps_alpha,
    write_picture,
    write_whole,
)
from styleflax.images.read import Picture
from styleflax.inference.contents import group_by_shape, rounded
from styleflax.inference.controls import ControlArguments, Plan, make_plan
from styleflax.inference.folders.records import (
    Recorder,
    Request,
    digest_bytes,
    find_states,
    write_record,
)
from styleflax.inference.folders.results import (
    DiskFullError,
    Given,
    Watcher,
    all_rows,
    check_resume,
    find_targets,
    group_rows,
)
from styleflax.inference.folders.sources import (
    DASH,
    Mix,
    Pair,
    Row,
    Source,
    check_max_megapixels,
    count_sizes,
    one_picture,
    read_mix,
    read_source,
)
from styleflax.inference.stylizer import OneStyle, Stylizer

# Errors that concern one result while others can still succeed: ImageError and other
# ValueErrors, errors of files, and lack of memory.
_FAILURES = (ValueError, OSError, MemoryError, jax.errors.JaxRuntimeError)


class WriteOptions(NamedTuple):
    """How photos are read and results are written.

    Attributes:
        suffix: Suffix of results in a folder and on standard output; ".png" if None.
        overwrite: Replace existing files.
        resume: Continue earlier work: skip complete results, and refuse those made of
            other styles, weights or controls.
        keep_metadata: Give results the EXIF block and the color profile of their photo.
        max_megapixels: Largest image that is read, in megapixels.
    """

    suffix: str | None = None
    overwrite: bool = False
    resume: bool = False
    keep_metadata: bool = False
    max_megapixels: float = MAX_MEGAPIXELS

    @property
    def replaces(self) -> bool:
        """Whether existing files may be replaced."""
        return self.overwrite or self.resume


class Job(NamedTuple):
    """The results of one strength, after all checks.

    Attributes:
        targets: File of every pair, or `DASH`.
        controls: Keyword arguments of `Stylizer.__call__`, as they are recorded.
        plan: The plan of these controls.
        write_options: Options of reading photos and writing results.
        recorder: Recorder of the results; None for no records.
    """

    targets: dict[Pair, Path]
    controls: ControlArguments
    plan: Plan
    write_options: WriteOptions
    recorder: Recorder | None = None

    @property
    def contents(self) -> list[Source]:
        """The distinct photos, in order."""
        return [*dict.fromkeys(content for content, _ in self.targets)]

    @property
    def mixes(self) -> list[Mix]:
        """The distinct mixes of styles, in order."""
        return [*dict.fromkeys(mix for _, mix in self.targets)]

    def request(self, pair: Pair) -> Request:
        """Returns everything that determines the result of a pair; needs a recorder."""
        assert self.recorder is not None
        return self.recorder.request(*pair, self.controls)


ControlsOf = Callable[[float], tuple[ControlArguments, Plan]]
"""Function from a strength to controls and their plan."""


WRITE_OPTIONS = WriteOptions()


def stylize_folder(
    photos: Sequence[Path],
    styles: Sequence[Path],
    out: Path,
    model: str = "adain",
    write_options: WriteOptions = WRITE_OPTIONS,
    watcher: Watcher | None = None,
    **controls: Unpack[ControlArguments],
) -> Watcher:
    """Stylizes every photo in every style, or in a mix; returns the outcome.

    Arguments are checked before the model is loaded. A result that fails does not stop
    the others. Errors use the names of the options of `styleflax stylize`.

    Args:
        photos: Images, or folders of images.
        styles: Paintings, style files, or folders of these; for a model with built-in
            styles also their names. Every photo is stylized in each of them, or with
            `weights` or `region_styles` among the controls in a mix of all.
        out: Folder of the results, or the file of a single result.
        model: Name or file of the model.
        write_options: Options of reading photos and write_options results.
        watcher: Receives progress and results.
        **controls: Controls of `Stylizer.__call__` except `style_masks`.

    Raises:
        ValueError: If a control, a name or a file cannot be used.
        FileNotFoundError: If a photo, a style or the model is missing.
        FileExistsError: If results exist, and neither `overwrite` nor `resume` is set.
        OSError: If the folder cannot be written to, or the disk is full.

    Example:
        >>> made = stylize_folder([Path("photos")], [Path("paintings")], Path("out"))
        >>> print(len(made.written), made.failed)
    """
    watcher = watcher or Watcher()
    check_max_megapixels(write_options.max_megapixels)
    check_resume(out, resume=write_options.resume, overwrite=write_options.overwrite)
    together = one_picture(controls)
    given = Given(photos, styles, (), model, out, [])
    alpha = controls.get("alpha", 1.0)
    rows, num_styles = all_rows(given, alpha, lambda _: together, repeats=together)

    def controls_of(_: float) -> tuple[ControlArguments, Plan]:
        return controls, make_plan(num_styles if together else 1, **controls)

    jobs = plan_jobs(rows, given, controls_of, write_options)
    run_jobs(jobs, lambda: Stylizer.load(model), watcher, resume=write_options.resume)
    return watcher


def plan_jobs(
    rows: Sequence[Row], given: Given, controls_of: ControlsOf, options: WriteOptions
) -> list[Job]:
    """Returns a job for each strength, and creates the folder of results.

    Args:
        rows: The results to make.
        given: The model, and the folder or file of results.
        controls_of: Function that is called once for each strength.
        options: Options of reading photos and writing results.

    Raises:
        ValueError: If two results have one file, or a format cannot be written.
        FileExistsError: If results exist, and neither `overwrite` nor `resume` is set.
        OSError: If the folder cannot be written to.
    """
    suffix, replaces = options.suffix, options.replaces
    targets = find_targets(rows, given.out, suffix=suffix, overwrite=replaces)
    recorder = None
    if options.resume or given.out.is_dir():
        metadata = "keep" if options.keep_metadata else "strip"
        recorder = Recorder(given.weights, metadata=metadata)
    jobs = []
    for alpha, targets_of in group_rows(rows, targets):
        controls, plan = controls_of(alpha)
        jobs.append(Job(targets_of, controls, plan, options, recorder))
    return jobs


def run_jobs(
    jobs: Sequence[Job],
    load: Callable[[], Stylizer],
    watcher: Watcher,
    *,
    resume: bool = False,
) -> None:
    """Makes the results of jobs; one that fails does not stop the others.

    Args:
        jobs: The jobs.
        load: Function that loads the model; called only if there is work to do.
        watcher: Receives progress and results.
        resume: Whether to skip complete results.

    Raises:
        ValueError: If the method lacks a control, or results were made by another
            request.
        OSError: If the disk is full.
    """
    left, skipped = skip_complete(jobs) if resume else (list(jobs), [])
    watcher.skip(skipped)
    if not left:
        return
    with watcher.phase("weights"):
        stylizer = load()
        for job in left:
            stylizer.check_plan(job.plan)
    targets = [target for job in left for target in job.targets.values()]
    can_resume = any(job.recorder is not None for job in left)
    contents = dict.fromkeys(content for job in jobs for content in job.contents)
    with (
        watcher.phase("run"),
        watcher.stopping_when_full(targets, can_resume=can_resume),
    ):
        stylizer.expect(count_sizes([*contents], jobs[0].plan.size))
        for job in left:
            run_job(job, stylizer, watcher)


Write = Callable[[Job, Pair, Picture, Watcher], None]
"""Function that stores a result of a job."""


class _Loaded(NamedTuple):
    """A photo that has been read, and the time it took."""

    source: Source
    picture: Picture
    seconds: float


def run_job(
    job: Job, stylizer: Stylizer, watcher: Watcher, write: Write | None = None
) -> None:
    """Makes the results of a job; one that fails does not stop the others.

    Args:
        job: The job.
        stylizer: The stylizer of its model.
        watcher: Receives progress and results.
        write: Function that stores a result; the default writes it to its target.

    Raises:
        Exception: If the only result fails; the exception is that of the result.
    """
    stylizer.watch(watcher.warn, watcher.on_window, watcher.on_step)
    unreadable: dict[Source, Exception] = {}
    contents: dict[Mix, list[Source]] = {}
    for content, mix in job.targets:
        contents.setdefault(mix, []).append(content)
    for mix, photos in contents.items():
        try:
            styles = read_mix(
                mix, stylizer, job.plan, job.write_options.max_megapixels, watcher.warn
            )
        except _FAILURES as error:
            for content in photos:
                watcher.fail((content, mix), error)
            continue
        loaded = _load(job, mix, photos, unreadable, watcher)
        for group in group_by_shape(loaded, stylizer.num_devices):
            batch = [item for item, _ in group]
            _make_batch(job, mix, styles, batch, stylizer, watcher, write or _write)


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
                picture = read_source(content, job.write_options.max_megapixels)
            except _FAILURES as error:
                unreadable[content] = error
        if content in unreadable:
            watcher.fail((content, mix), unreadable[content])
            continue
        spent = time.perf_counter() - started
        yield _Loaded(content, picture, spent), picture.rgb_u8


def _make_batch(
    job: Job,
    mix: Mix,
    styles: Sequence[OneStyle],
    group: Sequence[_Loaded],
    stylizer: Stylizer,
    watcher: Watcher,
    write: Write,
) -> None:
    """Stylizes photos of one size as a batch, and writes the results."""
    started = time.perf_counter()
    try:
        pictures = [loaded.picture for loaded in group]
        images = stylizer.run(job.plan, styles, pictures).array
    except _FAILURES as error:
        for loaded in group:
            watcher.fail((loaded.source, mix), error)
        return
    share = (time.perf_counter() - started) / len(group)
    for loaded, image in zip(group, images, strict=True):
        started = time.perf_counter()
        pair = loaded.source, mix
        try:
            write(job, pair, _finish(job, loaded.picture, image), watcher)
        except DiskFullError:
            raise  # there is no room for another result either
        except _FAILURES as error:
            watcher.fail(pair, error)
            continue
        seconds = loaded.seconds + share + time.perf_counter() - started
        size = image.shape[1], image.shape[0]
        watcher.done(pair, job.targets[pair], size, seconds, loaded.picture.notes)


def _finish(job: Job, photo: Picture, image: np.ndarray) -> Picture:
    """Returns a result with the transparency and metadata of its photo."""
    alpha_u8 = photo.alpha_u8
    if alpha_u8 is not None and alpha_u8.shape != image.shape[:2]:
        small = PillowImage.fromarray(alpha_u8)
        alpha_u8 = np.asarray(small.resize(image.shape[1::-1], Resampling.BICUBIC))
    picture = photo._replace(rgb_u8=rounded(image), alpha_u8=alpha_u8)
    return picture if job.write_options.keep_metadata else picture.without_metadata()


def _write(job: Job, pair: Pair, picture: Picture, watcher: Watcher) -> None:
    target = job.targets[pair]
    suffix = job.write_options.suffix or ".png" if target == DASH else target.suffix
    if picture.alpha_u8 is not None and not keeps_alpha(suffix):
        watcher.warn(f"{suffix} has no transparency: transparent parts become white")
    if target == DASH:
        sys.stdout.buffer.write(encode_picture(picture, suffix))
        sys.stdout.buffer.flush()
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if job.recorder is None:
            write_picture(picture, target, overwrite=job.write_options.replaces)
            return
        if not job.write_options.replaces and target.exists():
            raise FileExistsError(f"{str(target)!r} exists already; use --overwrite")
        data = encode_picture(picture, suffix)
        write_record(target, job.request(pair), digest_bytes(data))
        write_whole(target, data)
    except OSError as error:
        if is_disk_full(error):
            raise DiskFullError(error.errno, "the disk is full", str(target)) from error
        raise


def skip_complete(jobs: Sequence[Job]) -> tuple[list[Job], list[tuple[Pair, Path]]]:
    """Returns the jobs without complete results, and the complete results.

    Raises:
        ValueError: If results were made by another request.
        FileExistsError: If existing files have no record.
    """
    request = {
        target: job.request(p) for job in jobs for p, target in job.targets.items()
    }
    states = find_states(request)
    left: list[Job] = []
    skipped: list[tuple[Pair, Path]] = []  # a pair may occur with several strengths
    for job in jobs:
        done = {p: t for p, t in job.targets.items() if states[t] == "complete"}
        targets = {p: t for p, t in job.targets.items() if p not in done}
        skipped += done.items()
        if targets:
            left.append(job._replace(targets=targets))
    return left, skipped
