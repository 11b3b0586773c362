"""The work of `styleflax video`: reading, stylizing, writing, and saying so."""

import json
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from tqdm import tqdm

from styleflax.cli.style_masks import read_part
from styleflax.cli.stylize_inputs import Source, read_source
from styleflax.cli.stylize_times import Times
from styleflax.images.pixels import to_u8
from styleflax.inference.controls import Plan
from styleflax.inference.styles.file import is_style_file
from styleflax.inference.stylizer import OneStyle, Stylizer
from styleflax.inference.video.reader import Frame, VideoReader
from styleflax.inference.video.stylizer import Keyframes, VideoStylizer, load_for_video
from styleflax.inference.video.writer import VideoWriter


class VideoJob(NamedTuple):
    """What is to be made, all of it checked.

    Attributes:
        clip: The video.
        styles: Of all its frames.
        out: Where it goes.
        plan: What is asked for.
        keyframes: Shares of the styles over time, if they change.
        smooth_s: See `VideoStylizer`.
        steady: The same.
        max_megapixels: Limit on the size of frames, paintings and masks.
        crf: See `VideoWriter`.
        pixel_format: The same.
        keep_sound: Whether the sound goes along.
        overwrite: Whether the file may be there.
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


class Made(NamedTuple):
    """What came of it.

    Attributes:
        num_frames: Written.
        num_scenes: Found.
        width: In px.
        height: The same.
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


def run_video(job: VideoJob, weights: str, times: Times, *, as_json: bool) -> None:
    """Makes the video; nothing is left of one that is interrupted.

    Raises:
        ValueError: The video cannot be read, or what is asked for is not possible.
        OSError: It cannot be written.
    """
    with times.watching_compiler(), _sigterm_as_interrupt():
        reader = VideoReader(job.clip, job.max_megapixels, sound=job.keep_sound)
        with reader:
            with times.phase("weights"):
                model, stylizer = load_for_video(weights)
            stylizer.check_plan(job.plan)
            with times.phase("run"):
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
                made = _make(job, reader, frames)
    for warning in made.warnings:
        _warn(warning)
    if as_json:
        _print_json(job, made, times)
    else:
        print(job.out)


def _warn(text: str) -> None:
    tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)


def _prepare(source: Source, stylizer: Stylizer, job: VideoJob) -> OneStyle:
    """A style as the stylizer takes it, encoded unless its pixels are needed."""
    if source.data is None and is_style_file(source.path):
        style: OneStyle = source.path
    else:
        style = read_source(source, job.max_megapixels).on_white()
    mask = read_part(source, job.max_megapixels)
    return stylizer.prepare_style(style, job.plan.color, job.plan.style_size, mask)


def _make(job: VideoJob, reader: VideoReader, stylize: VideoStylizer) -> Made:
    started, count = time.perf_counter(), 0
    writer = VideoWriter(
        job.out,
        reader,
        crf=job.crf,
        pixel_format=job.pixel_format,
        overwrite=job.overwrite,
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
    warnings = [*writer.notes]
    if reader.num_damaged:
        warnings.append(f"{reader.num_damaged} damaged parts of {job.clip} left out")
    if reader.colors.is_hdr:
        warnings.append(f"{job.clip} is HDR: stylized in 8 bits, tags kept")
    seconds = time.perf_counter() - started
    scenes = stylize.num_scenes
    return Made(count, scenes, *writer.size, writer.sound, warnings, seconds)


def _print_json(job: VideoJob, made: Made, times: Times) -> None:
    line: dict[str, Any] = {
        "input": str(job.clip),
        "styles": [str(source.path) for source in job.styles],
        "output": str(job.out),
        "size": [made.width, made.height],
        "frames": made.num_frames,
        "scenes": made.num_scenes,
        "audio": made.sound,
        "frames_per_s": round(made.num_frames / made.seconds, 3),
        "seconds": round(made.seconds, 3),
        "warnings": made.warnings,
        "error": None,
    }
    print(json.dumps(line))
    seconds = {name: round(value, 3) for name, value in times.seconds.items()}
    print(json.dumps({"summary": {"videos": 1, "failed": 0, "seconds": seconds}}))


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
