"""Whole videos: read, stylized, written."""

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
    """What is to be made, all of it checked.

    Attributes:
        clip: The video.
        styles: Styles of all its frames.
        out: Where it goes.
        plan: The controls.
        keyframes: Shares of the styles over time, if they change.
        smooth_s: Time constant of smoothing in seconds.
        steady: Share of the previous result in a frame.
        max_megapixels: Limit on the size of frames, paintings and masks.
        crf: Constant rate factor of the encoder; None for its default.
        pixel_format: Pixel format, `yuv420p` or `yuv444p`.
        keep_sound: Whether the sound goes along.
        overwrite: Whether the file may be there.
        rate: Frames in a second, of numbered pictures.
        request: Everything that the result follows from, if that is to be recorded.
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
        """The job with everything that its result follows from.

        Args:
            recorder: Recorder of the model.
            ways: Controls, and what else the command line says of results.
        """
        own = ("keyframes", "smooth_s", "steady", "crf", "pixel_format")
        more = {name: getattr(self, name) for name in own}
        request = recorder.request(self.clip, self.styles, {**more, **ways})
        return self._replace(request=request)


class VideoResult(NamedTuple):
    """What came of it.

    Attributes:
        num_frames: Written.
        num_scenes: Found.
        width: In px.
        height: In px.
        sound: What became of each stream of it.
        warnings: What could not be done as one would wish.
        seconds: From the first frame to the finished file.
    """

    num_frames: int
    num_scenes: int
    width: int
    height: int
    sound: list[str]
    warnings: list[str]
    seconds: float


class VideoWatcher:
    """Follows the making of videos; subclasses show it.

    Attributes:
        failed: What went wrong, by video.
    """

    def __init__(self) -> None:
        self.failed: dict[Path, str] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Surrounds "weights", the loading of the model, and "run", each video."""
        del name
        yield

    @contextmanager
    def frames(self, total: int | None) -> Iterator[Callable[[], object]]:
        """Surrounds a video; yields what is called after each of its frames."""
        del total
        yield lambda: None

    def done(self, job: VideoJob, made: VideoResult) -> None:
        """Takes note of a video."""
        del job
        for warning in made.warnings:
            self.warn(warning)

    def skip(self, complete: Sequence[VideoJob], total: int) -> None:
        """Takes note of the videos that are complete already."""

    def fail(self, job: VideoJob, error: Exception) -> None:
        """Takes note of a video that could not be made."""
        self.failed[job.clip] = describe_error(error)

    def warn(self, text: str) -> None:
        """Takes note of what does not keep a video from being made."""
        logger.warning("%s", text)


def stylize_videos(
    jobs: Sequence[VideoJob],
    weights: str = "adain",
    watcher: VideoWatcher | None = None,
    *,
    resume: bool = False,
) -> VideoWatcher:
    """Returns what became of the videos; nothing is left of an interrupted one.

    One of several that fails does not stop the others.

    Args:
        jobs: The videos, all in the same styles by the same plan.
        weights: Name or file of the model.
        watcher: Follows the work.
        resume: Skip videos that are complete.

    Raises:
        ValueError: If the only video cannot be read, or the method lacks a control.
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
    first = _open(left[0]) if len(left) == 1 else None  # before the weights
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
                        made = _make(job, clip, frames, watcher)
            except (ValueError, OSError, MemoryError) as error:
                num_written = len(jobs) - len(left) + number - len(watcher.failed)
                _stop_when_full(error, num_written, left[number:])
                if len(left) == 1:
                    raise
                watcher.fail(job, error)
                continue
            watcher.done(job, made)
    return watcher


def _without_complete(
    jobs: Sequence[VideoJob], watcher: VideoWatcher
) -> list[VideoJob]:
    states = find_states(
        {job.out: job.request for job in jobs if job.request is not None}
    )
    left = [job for job in jobs if states.get(job.out) != "complete"]
    made = {job.out for job in left}
    if complete := [job for job in jobs if job.out not in made]:
        watcher.skip(complete, len(jobs))
    return left


def _stop_when_full(
    error: Exception, num_written: int, left: Sequence[VideoJob]
) -> None:
    """Raises what is missing if there is no room for any other video either."""
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
    """Writes a stylized clip, its sound copied, and yields after every frame.

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
    """Returns what a user should know of a clip that was written.

    Args:
        reader: Read to its end.
        writer: Closed.
        name: The name of the clip in the texts.
    """
    warnings = [*reader.notes, *writer.notes]
    if reader.num_damaged:
        warnings.append(f"{reader.num_damaged} damaged parts of {name} were skipped")
    if reader.colors.is_hdr:
        warnings.append(
            f"{name} is HDR: it is stylized in 8 bits, and its color tags are kept"
        )
    return warnings


def _make(
    job: VideoJob, reader: Clip, stylize: VideoStylizer, watcher: VideoWatcher
) -> VideoResult:
    started, count = time.perf_counter(), 0
    # A result is recorded before it gets its name, so that it is written beside.
    place = job.out if job.request is None else staged_path(job.out)
    place.parent.mkdir(parents=True, exist_ok=True)
    writer = open_writer(
        place,
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
