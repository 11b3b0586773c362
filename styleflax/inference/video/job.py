"""Stylizing whole videos, from file to file."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.files import is_disk_full
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.files import to_u8
from styleflax.inference.controls import Plan
from styleflax.inference.folders.records import (
    Recorder,
    Request,
    find_states,
    publish,
    staged_path,
)
from styleflax.inference.folders.results import describe_missing
from styleflax.inference.folders.sources import Source, read_mix
from styleflax.inference.stylizer import OneStyle, Stylizer
from styleflax.inference.video.clip import Clip, ClipWriter, Frame
from styleflax.inference.video.clips import DEFAULT_RATE, open_clip, open_writer
from styleflax.inference.video.stylizer import (
    SMOOTH_S,
    STEADY,
    Keyframes,
    VideoStylizer,
    load_for_video,
)
from styleflax.memory import describe_error
from styleflax.methods.model import Model

logger = logging.getLogger(__name__)


class VideoJob(NamedTuple):
    """One video to stylize, with its arguments checked.

    Attributes:
        clip: Path of the video.
        styles: Styles of all frames.
        out: Path of the result.
        plan: The controls.
        keyframes: Weights of the styles over time, if they change.
        smooth_s: Time constant of smoothing in seconds.
        steady: Share of the previous result in a frame.
        max_megapixels: Limit on the size of frames, paintings and masks.
        crf: Constant rate factor of the encoder; None for its default.
        pixel_format: Pixel format, `yuv420p` or `yuv444p`.
        keep_sound: Whether the sound is copied.
        overwrite: Whether an existing file is replaced.
        rate: Frames per second of numbered images.
        request: Everything that determines the result, if it is to be recorded.
    """

    clip: Path
    styles: Sequence[Source]
    out: Path
    plan: Plan
    keyframes: Keyframes | None = None
    smooth_s: float = SMOOTH_S
    steady: float = STEADY
    max_megapixels: float = MAX_MEGAPIXELS
    crf: int | None = None
    pixel_format: str = "yuv420p"
    keep_sound: bool = True
    overwrite: bool = False
    rate: Fraction = DEFAULT_RATE
    request: Request | None = None

    def recorded(self, recorder: Recorder, ways: Mapping[str, Any]) -> "VideoJob":
        """Returns the job with a record of everything that determines its result.

        Args:
            recorder: Recorder of the model.
            ways: Controls and other options of the command that affect the result.
        """
        own = ("keyframes", "smooth_s", "steady", "crf", "pixel_format")
        more = {name: getattr(self, name) for name in own}
        request = recorder.request(self.clip, self.styles, {**more, **ways})
        return self._replace(request=request)


class VideoResult(NamedTuple):
    """Facts about a video that was written.

    Attributes:
        num_frames: Number of frames written.
        num_scenes: Number of scenes detected.
        width: Width of the result, in px.
        height: Height of the result, in px.
        sound: For each stream of sound, how it was written.
        warnings: Messages about differences that the user may not expect.
        seconds: Time from the first frame to the finished file.
    """

    num_frames: int
    num_scenes: int
    width: int
    height: int
    sound: list[str]
    warnings: list[str]
    seconds: float


class VideoWatcher:
    """Receives the progress of videos; subclasses display it.

    Attributes:
        failed: Error message by video.
    """

    def __init__(self) -> None:
        self.failed: dict[Path, str] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Surrounds a phase: "weights" loads the model, "run" stylizes one video."""
        del name
        yield

    @contextmanager
    def frames(self, total: int | None) -> Iterator[Callable[[], object]]:
        """Surrounds a video; yields a function that is called after each frame."""
        del total
        yield lambda: None

    def done(self, job: VideoJob, result: VideoResult) -> None:
        """Receives a finished video."""
        del job
        for warning in result.warnings:
            self.warn(warning)

    def skip(self, complete: Sequence[VideoJob], total: int) -> None:
        """Receives the videos that are skipped because they are complete."""

    def fail(self, job: VideoJob, error: Exception) -> None:
        """Receives a video that failed, with its error."""
        self.failed[job.clip] = describe_error(error)

    def warn(self, text: str) -> None:
        """Receives a message that does not stop the work."""
        logger.warning("%s", text)


def stylize_videos(
    jobs: Sequence[VideoJob],
    weights: str = "adain",
    watcher: VideoWatcher | None = None,
    *,
    resume: bool = False,
) -> VideoWatcher:
    """Stylizes videos; an interrupted one leaves no file behind.

    If one of several videos fails, the others are still stylized.

    Args:
        jobs: The videos, all with the same styles and plan.
        weights: Name or file of the model.
        watcher: Receives the progress; `VideoWatcher()` by default.
        resume: Whether videos that are complete are skipped.

    Returns:
        The watcher, whose `failed` lists the videos that failed.

    Raises:
        ValueError: If the only video cannot be read, or the method does not support a
            control.
        OSError: If the only video cannot be written, or the disk is full.

    Example:
        >>> style = Source(Path("painting.jpg"))
        >>> job = VideoJob(Path("clip.mp4"), [style], Path("out.mp4"), make_plan(1))
        >>> stylize_videos([job])
    """
    watcher = watcher or VideoWatcher()
    left = _without_complete(jobs, watcher) if resume else list(jobs)
    if not left:
        return watcher
    first = (
        _open(left[0]) if len(left) == 1 else None
    )  # fails before the weights are loaded
    with first or contextlib.nullcontext():
        with watcher.phase("weights"):
            model, stylizer = load_for_video(weights)
        stylizer.check_plan(left[0].plan)
        read = functools.cache(functools.partial(_read, stylizer, watcher, left[0]))
        for number, job in enumerate(left):
            try:
                with watcher.phase("run"):
                    opened = contextlib.nullcontext(first) if first else _open(job)
                    with opened as clip:
                        frames = _frames(job, model, stylizer, read(), watcher)
                        result = _stylize(job, clip, frames, watcher)
            except (ValueError, OSError, MemoryError) as error:
                num_written = len(jobs) - len(left) + number - len(watcher.failed)
                _stop_when_full(error, num_written, left[number:])
                if len(left) == 1:
                    raise
                watcher.fail(job, error)
                continue
            watcher.done(job, result)
    return watcher


def _without_complete(
    jobs: Sequence[VideoJob], watcher: VideoWatcher
) -> list[VideoJob]:
    states = find_states(
        {job.out: job.request for job in jobs if job.request is not None}
    )
    left = [job for job in jobs if states.get(job.out) != "complete"]
    targets = {job.out for job in left}
    if complete := [job for job in jobs if job.out not in targets]:
        watcher.skip(complete, len(jobs))
    return left


def _stop_when_full(
    error: Exception, num_written: int, left: Sequence[VideoJob]
) -> None:
    """Raises an error that lists the missing videos if the disk is full."""
    if not isinstance(error, OSError) or not is_disk_full(error):
        return
    can_resume = left[0].request is not None
    missing = [job.out for job in left]
    failure = OSError(describe_missing(num_written, missing, can_resume=can_resume))
    failure.errno = error.errno
    raise failure from None


def _open(job: VideoJob) -> Clip:
    return open_clip(job.clip, job.max_megapixels, sound=job.keep_sound, rate=job.rate)


def _read(stylizer: Stylizer, watcher: VideoWatcher, job: VideoJob) -> list[OneStyle]:
    limit = job.max_megapixels
    return read_mix(job.styles, stylizer, job.plan, limit, watcher.warn)


def _frames(
    job: VideoJob,
    model: Model,
    stylizer: Stylizer,
    styles: Sequence[OneStyle],
    watcher: VideoWatcher,
) -> VideoStylizer:
    return VideoStylizer(
        model,
        stylizer,
        styles,
        job.plan,
        smooth_s=job.smooth_s,
        steady=job.steady,
        keyframes=job.keyframes,
        announce=watcher.warn,
    )


def stylize_clip(
    reader: Clip, writer: ClipWriter, stylize: VideoStylizer
) -> Iterator[None]:
    """Writes a stylized clip with its sound, and yields after every frame.

    Args:
        reader: An open clip.
        writer: An open writer for it.
        stylize: The stylizer of its frames.
    """
    for item in reader:
        if isinstance(item, Frame):
            image = stylize(item.rgb_u8, float(item.pts * reader.time_base))
            writer.write(to_u8(image), item)
            yield
        else:
            writer.copy(item)


def clip_warnings(reader: Clip, writer: ClipWriter, name: str) -> list[str]:
    """Returns warnings for the user about a clip that was written.

    Args:
        reader: The reader, after its last frame.
        writer: The writer, closed.
        name: The name of the clip in the texts.
    """
    warnings = [*reader.notes, *writer.notes]
    if reader.num_damaged:
        warnings.append(f"{reader.num_damaged} damaged parts of {name} were skipped")
    if reader.colors.is_hdr:
        warnings.append(
            f"{name} is HDR: it is stylized in 8 bits, and its color tags are retained"
        )
    return warnings


def _stylize(
    job: VideoJob, reader: Clip, stylize: VideoStylizer, watcher: VideoWatcher
) -> VideoResult:
    started, count = time.perf_counter(), 0
    # The record is written before the result gets its name; until then, the result
    # has a temporary name beside it.
    path = job.out if job.request is None else staged_path(job.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = open_writer(
        path,
        reader,
        crf=job.crf,
        pixel_format=job.pixel_format,
        overwrite=job.overwrite or job.request is not None,
    )
    with writer, watcher.frames(reader.num_frames) as count_frame:
        for _ in stylize_clip(reader, writer, stylize):
            count += 1
            count_frame()
    if job.request is not None:
        publish(job.out, job.request)
    warnings = clip_warnings(reader, writer, str(job.clip))
    seconds = time.perf_counter() - started
    scenes = stylize.num_scenes
    return VideoResult(count, scenes, *writer.size, writer.sound, warnings, seconds)
