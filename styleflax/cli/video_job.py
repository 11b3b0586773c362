"""The work of `styleflax video`: reading, stylizing, writing, and saying so."""

import contextlib
import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import typer
from tqdm import tqdm

from styleflax.cli.errors import describe_error
from styleflax.cli.resume import Recorder, describe_missing, find_states
from styleflax.cli.style_masks import read_part
from styleflax.cli.stylize_inputs import Source, read_source
from styleflax.cli.stylize_times import Times
from styleflax.files import is_disk_full
from styleflax.images.listing import LeftOut, describe_left_out
from styleflax.images.pixels import to_u8
from styleflax.inference.controls import Plan
from styleflax.inference.model import Model
from styleflax.inference.records import Asked, publish, staged_path
from styleflax.inference.styles.file import is_style_file
from styleflax.inference.stylizer import OneStyle, Stylizer
from styleflax.inference.video.clip import Clip, Frame
from styleflax.inference.video.clips import DEFAULT_RATE, open_clip, open_writer
from styleflax.inference.video.stylizer import Keyframes, VideoStylizer, load_for_video


class VideoJob(NamedTuple):
    """What is to be made, all of it checked.

    Attributes:
        clip: The video.
        styles: Styles of all its frames.
        out: Where it goes.
        plan: What is asked for.
        keyframes: Shares of the styles over time, if they change.
        smooth_s: See `VideoStylizer`.
        steady: See `VideoStylizer`.
        max_megapixels: Limit on the size of frames, paintings and masks.
        crf: See `VideoWriter`.
        pixel_format: See `VideoWriter`.
        keep_sound: Whether the sound goes along.
        overwrite: Whether the file may be there.
        rate: Frames in a second, of numbered pictures.
        asked: Everything that the result follows from, if that is to be recorded.
    """

    clip: Path
    styles: Sequence[Source]
    out: Path
    plan: Plan
    keyframes: Keyframes | None
    smooth_s: float
    steady: float
    max_megapixels: float
    crf: int | None
    pixel_format: str
    keep_sound: bool
    overwrite: bool
    rate: Fraction = DEFAULT_RATE
    asked: Asked | None = None

    def recorded(self, recorder: Recorder, ways: Mapping[str, Any]) -> "VideoJob":
        """The job with everything that its result follows from.

        Args:
            recorder: Recorder of the model.
            ways: Controls, and what else the command line says of results.
        """
        own = ("keyframes", "smooth_s", "steady", "crf", "pixel_format")
        more = {name: getattr(self, name) for name in own}
        asked = recorder.asked(self.clip, self.styles, {**more, **ways})
        return self._replace(asked=asked)


class Made(NamedTuple):
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


def run_videos(
    jobs: Sequence[VideoJob],
    weights: str,
    times: Times,
    left_out: Sequence[LeftOut] = (),
    *,
    resume: bool = False,
    as_json: bool,
) -> None:
    """Makes the videos; nothing is left of one that is interrupted.

    One of several that fails does not stop the others.

    Args:
        jobs: All with the same styles.
        weights: Name or file of the model.
        times: Times of the command.
        left_out: Files in folders that are not read.
        resume: Whether videos that are complete are left out.
        as_json: Whether to print lines of JSON.

    Raises:
        ValueError: The only video cannot be read, or what is asked for is not possible.
        OSError: It cannot be written.
        typer.Exit: With code 1, if one of several videos failed.
    """
    if left_out:
        _warn(describe_left_out(left_out))
    complete = _find_complete(jobs) if resume else []
    for job in complete if as_json else ():
        _print_json(job, None, None, skipped=True)
    made = {job.out for job in complete}
    left = [job for job in jobs if job.out not in made]
    failed = _run_all(left, weights, times, len(complete), as_json=as_json)
    if as_json:
        _print_summary(jobs, failed, complete, left_out, times)
    if failed:
        lines = [f"  {clip}: {text}" for clip, text in failed.items()]
        heading = f"styleflax: {len(failed)} of {len(jobs)} videos failed:"
        print("\n".join([heading, *lines]), file=sys.stderr)
        raise typer.Exit(1)


def _run_all(
    jobs: Sequence[VideoJob],
    weights: str,
    times: Times,
    num_complete: int,
    *,
    as_json: bool,
) -> dict[Path, str]:
    """Makes the videos; returns those of several that failed, and why."""
    failed: dict[Path, str] = {}
    if not jobs:
        return failed
    with times.watching_compiler(), _sigterm_as_interrupt():
        first = _open(jobs[0]) if len(jobs) == 1 else None  # before the weights
        with first or contextlib.nullcontext():
            with times.phase("weights"):
                model, stylizer = load_for_video(weights)
            stylizer.check_plan(jobs[0].plan)
            for number, job in enumerate(jobs):
                try:
                    with times.phase("run"):
                        made = _run(job, model, stylizer, first)
                except (ValueError, OSError, MemoryError) as error:
                    num_written = num_complete + number - len(failed)
                    _stop_when_full(error, num_written, jobs[number:])
                    if len(jobs) == 1:
                        raise
                    failed[job.clip] = describe_error(error)
                    if as_json:
                        _print_json(job, None, failed[job.clip])
                    continue
                _tell(job, made, as_json=as_json)
    return failed


def _find_complete(jobs: Sequence[VideoJob]) -> list[VideoJob]:
    states = find_states({job.out: job.asked for job in jobs if job.asked is not None})
    complete = [job for job in jobs if states.get(job.out) == "complete"]
    if complete:
        text = f"styleflax: {len(complete)} of {len(jobs)} videos are complete already"
        print(text, file=sys.stderr)
    return complete


def _stop_when_full(
    error: Exception, num_written: int, left: Sequence[VideoJob]
) -> None:
    """Raises what is missing if there is no room for any other video either."""
    if not isinstance(error, OSError) or not is_disk_full(error):
        return
    can_resume = left[0].asked is not None
    missing = [job.out for job in left]
    failure = OSError(describe_missing(num_written, missing, can_resume=can_resume))
    failure.errno = error.errno
    raise failure from None


def _open(job: VideoJob) -> Clip:
    return open_clip(job.clip, job.max_megapixels, sound=job.keep_sound, rate=job.rate)


def _run(job: VideoJob, model: Model, stylizer: Stylizer, reader: Clip | None) -> Made:
    """Makes one video, with its reader if that is open already."""
    opened = contextlib.nullcontext(reader) if reader else _open(job)
    with opened as clip:
        styles = [_prepare(source, stylizer, job) for source in job.styles]
        frames = VideoStylizer(
            model,
            stylizer,
            styles,
            job.plan,
            smooth_s=job.smooth_s,
            steady=job.steady,
            keyframes=job.keyframes,
            announce=_warn,
        )
        return _make(job, clip, frames)


def _tell(job: VideoJob, made: Made, *, as_json: bool) -> None:
    for warning in made.warnings:
        _warn(warning)
    if as_json:
        _print_json(job, made, None)
    else:
        print(job.out)


def _warn(text: str) -> None:
    tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)


def _prepare(source: Source, stylizer: Stylizer, job: VideoJob) -> OneStyle:
    """A style as the stylizer takes it, encoded unless its pixels are needed."""
    if source.data is None and is_style_file(source.path):
        style: OneStyle = source.path
    else:
        picture = read_source(source, job.max_megapixels)
        for note in picture.notes:
            _warn(note)
        style = picture.on_white()
    mask = read_part(source, job.max_megapixels)
    return stylizer.prepare_style(style, job.plan.color, job.plan.style_size, mask)


def _make(job: VideoJob, reader: Clip, stylize: VideoStylizer) -> Made:
    started, count = time.perf_counter(), 0
    # A result is recorded before it gets its name, so that it is written beside.
    place = job.out if job.asked is None else staged_path(job.out)
    place.parent.mkdir(parents=True, exist_ok=True)
    writer = open_writer(
        place,
        reader,
        crf=job.crf,
        pixel_format=job.pixel_format,
        overwrite=job.overwrite or job.asked is not None,
    )
    # Frames in a second, and when the last one will be done.
    bar = tqdm(total=reader.num_frames, unit="frame", disable=not sys.stderr.isatty())
    with writer, bar:
        for item in reader:
            if not isinstance(item, Frame):
                writer.copy(item)
                continue
            image_u8 = to_u8(stylize(item.rgb_u8, float(item.pts * reader.time_base)))
            writer.write(image_u8, item)
            count += 1
            bar.update()
    if job.asked is not None:
        publish(job.out, job.asked)
    warnings = [*reader.notes, *writer.notes]
    if reader.num_damaged:
        warnings.append(
            f"{reader.num_damaged} damaged parts of {job.clip} were skipped"
        )
    if reader.colors.is_hdr:
        warnings.append(
            f"{job.clip} is HDR: it is stylized in 8 bits, and its color tags are kept"
        )
    seconds = time.perf_counter() - started
    scenes = stylize.num_scenes
    return Made(count, scenes, *writer.size, writer.sound, warnings, seconds)


def _print_json(
    job: VideoJob, made: Made | None, error: str | None, *, skipped: bool = False
) -> None:
    line: dict[str, Any] = {
        "input": str(job.clip),
        "styles": [str(source.path) for source in job.styles],
        "output": str(job.out) if made or skipped else None,
        "size": [made.width, made.height] if made else None,
        "frames": made.num_frames if made else None,
        "scenes": made.num_scenes if made else None,
        "audio": made.sound if made else None,
        "frames_per_s": round(made.num_frames / made.seconds, 3) if made else None,
        "seconds": round(made.seconds, 3) if made else None,
        "warnings": made.warnings if made else [],
        "error": error,
    }
    if skipped:
        line["skipped"] = True
    print(json.dumps(line))


def _print_summary(
    jobs: Sequence[VideoJob],
    failed: Mapping[Path, str],
    skipped: Sequence[VideoJob],
    left_out: Sequence[LeftOut],
    times: Times,
) -> None:
    seconds = {name: round(value, 3) for name, value in times.seconds.items()}
    summary = {
        "videos": len(jobs),
        "failed": len(failed),
        "skipped": len(skipped),
        "left_out": [{"path": str(p), "reason": reason} for p, reason in left_out],
        "seconds": seconds,
    }
    print(json.dumps({"summary": summary}))


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    """Within the block SIGTERM is as Ctrl-C, so that what is half done goes."""
    if threading.current_thread() is not threading.main_thread():
        yield  # elsewhere signals cannot be caught
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
