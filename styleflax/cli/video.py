"""`styleflax video`: videos and animations in a style, and what the command prints."""

import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from styleflax.cli import options as flags
from styleflax.cli.controls import (
    Looks,
    looks_of,
    read_keyframes,
    read_looks,
    read_style_masks,
)
from styleflax.cli.report import Times
from styleflax.files import check_exists
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.listing import ExcludedPath, describe_excluded
from styleflax.inference.folders.records import Recorder
from styleflax.inference.folders.results import check_resume
from styleflax.inference.folders.sources import (
    STYLE_SUFFIXES,
    add_style_masks,
    expand,
    one_picture,
)
from styleflax.inference.video.job import VideoJob, VideoResult, VideoWatcher

if TYPE_CHECKING:
    from styleflax.inference.controls import ControlArguments, Plan
    from styleflax.inference.video.stylizer import Keyframes


class Sound(StrEnum):
    """What happens to the sound of a video."""

    KEEP = "keep"
    DROP = "drop"


class PixelFormat(StrEnum):
    """Pixel format of a video."""

    YUV420P = "yuv420p"
    YUV444P = "yuv444p"


Clip = Annotated[
    Path,
    typer.Argument(
        metavar="VIDEO",
        help="Video in a format that PyAV reads; animated GIF, WebP, APNG or AVIF; "
        "folder of numbered images (one clip) or of videos.",
    ),
]
Paintings = Annotated[
    list[Path],
    typer.Option(
        help="Painting or style file; several require --blend, --mask or --keyframe."
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "-o",
        "--out",
        help="File for the result (.mp4 .m4v .mov .mkv .webm .gif .webp .png), or a "
        "folder if VIDEO is a folder of videos.",
    ),
]
Smooth = Annotated[
    float,
    typer.Option(
        help="Time in seconds over which statistics are averaged; 0 disables averaging."
    ),
]
Steady = Annotated[
    float,
    typer.Option(
        help="Share of the previous result, moved by the estimated motion, in each "
        "frame; 0 disables it."
    ),
]
Crf = Annotated[
    int | None,
    typer.Option(
        help="Constant rate factor of the encoder; 0 is the best quality. Default: "
        "18, or 24 for .webm."
    ),
]
PixelFormatOut = Annotated[
    PixelFormat,
    typer.Option(
        "--pixel-format",
        help="Pixel format: yuv420p (shown by every player) or yuv444p (colors at "
        "full resolution; allows odd sides in H.264).",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frame rate of a folder of numbered images. Default: 25."),
]
Audio = Annotated[
    Sound, typer.Option(help="Keep the sound if the container supports it, or drop it.")
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print one line of JSON per video and one at the end; see docs/json.md.",
    ),
]


DEFAULT_SMOOTH_S, DEFAULT_STEADY = 0.25, 0.5
"""Those of `inference.video.stylizer`, which is imported late."""


def video(
    clip: Clip,
    style: Paintings,
    out: Out,
    alpha: flags.Alpha = 1.0,
    blend: flags.Blend = None,
    keyframe: flags.Keyframes = None,
    exaggerate: flags.Exaggerate = None,
    mask: flags.Masks = None,
    style_mask: flags.StyleMasks = None,
    feather: flags.Feather = 0.0,
    color: flags.WhatColor = flags.Color.STYLE,
    color_match: flags.ColorMatch = None,
    detail: flags.Detail = None,
    level_balance: flags.LevelBalance = None,
    size: flags.Size = None,
    restore_size: flags.RestoreSize = False,
    style_size: flags.StyleSize = None,
    smooth: Smooth = DEFAULT_SMOOTH_S,
    steady: Steady = DEFAULT_STEADY,
    crf: Crf = None,
    pixel_format: PixelFormatOut = PixelFormat.YUV420P,
    fps: Fps = None,
    audio: Audio = Sound.KEEP,
    weights: flags.Weights = "adain",
    overwrite: flags.Overwrite = False,
    resume: flags.Resume = False,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
    as_json: AsJson = False,
) -> None:
    """Stylize a video with paintings, with little flicker."""
    looks, times = looks_of(locals()), Times()
    with times.phase("import"):  # late, so that --help answers at once
        from styleflax.cli.video_report import VideoReport  # noqa: PLC0415
        from styleflax.inference.video import VideoJob, stylize_videos  # noqa: PLC0415

    check_exists(clip, "VIDEO", "a video file or a folder")
    check_resume(out, resume=resume, overwrite=overwrite)
    overwrite |= resume  # which is more careful
    targets, left_out, rate = _find_targets(clip, out, crf, fps, overwrite=overwrite)
    styles = expand(style, "--style", STYLE_SUFFIXES, repeats=True, left_out=left_out)
    styles = add_style_masks(styles, read_style_masks(style_mask))
    keyframes, controls, plan = _read_controls(looks, keyframe, len(styles))
    job = VideoJob(clip, styles, out, plan, keyframes, smooth, steady, max_megapixels)
    job = job._replace(crf=crf, pixel_format=pixel_format.value, rate=rate)
    job = job._replace(keep_sound=audio is Sound.KEEP, overwrite=overwrite)
    jobs = [job._replace(clip=one, out=to) for one, to in targets]
    if resume or out.is_dir():
        ways = {"audio": audio.value, "fps": fps, **controls}
        jobs = [job.recorded(Recorder(weights), ways) for job in jobs]
    report = VideoReport(left_out, times, as_json=as_json)
    with times.watching_compiler(), _sigterm_as_interrupt():
        stylize_videos(jobs, weights, report, resume=resume)
    if report.end(len(jobs)):
        raise typer.Exit(1)


def _find_targets(
    clip: Path, out: Path, crf: int | None, fps: float | None, *, overwrite: bool
) -> tuple[list[tuple[Path, Path]], list[ExcludedPath], Fraction]:
    """Every clip with its file; what a folder holds beside clips; the frame rate."""
    from styleflax.inference.video import clips  # noqa: PLC0415  (late, as above)

    left_out: list[ExcludedPath] = []
    targets = clips.find_video_targets(
        clip, out, left_out, crf=crf, overwrite=overwrite
    )
    return targets, left_out, clips.read_rate(fps, [source for source, _ in targets])


def _read_controls(
    looks: Looks, keyframe: list[str] | None, num_styles: int
) -> "tuple[Keyframes | None, ControlArguments, Plan]":
    """The schedule of styles, and the controls with which it begins."""
    keyframes, blend = _read_keyframes(keyframe, looks.blend, num_styles)
    controls, plan = read_looks(looks._replace(blend=blend), num_styles)
    if num_styles > 1 and not one_picture(controls):
        raise ValueError(
            f"several styles (got {num_styles}) require --blend, --keyframe or --mask"
        )
    return keyframes, controls, plan


def _read_keyframes(
    given: list[str] | None, blend: str | None, num_styles: int
) -> "tuple[Keyframes | None, str | None]":
    """The schedule, and the shares with which it begins."""
    if not given:
        return None, blend
    if blend is not None:
        raise ValueError("--blend and --keyframe cannot be combined; give one of them")
    keyframes = read_keyframes(given)
    for time_s, weights in keyframes:
        if len(weights) != num_styles:
            raise ValueError(
                f"--keyframe at {time_s:g} s must have {num_styles} shares, one for "
                f"each --style, got {len(weights)}"
            )
    return keyframes, ",".join(map(str, keyframes[0][1]))


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


class VideoReport(VideoWatcher):
    """Lines on standard output, progress and complaints on standard error.

    Args:
        left_out: What folders hold beside videos, which is said at the beginning.
        times: Counts the seconds of phases.
        as_json: Lines of JSON instead of paths.
    """

    def __init__(
        self, left_out: Sequence[ExcludedPath], times: Times, *, as_json: bool
    ) -> None:
        super().__init__()
        self._left_out, self._times, self._as_json = left_out, times, as_json
        self._num_skipped = 0
        if left_out:
            self.warn(describe_excluded(left_out))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time of the block."""
        with self._times.phase(name):
            yield

    @contextmanager
    def frames(self, total: int | None) -> Iterator[Callable[[], object]]:
        """Shows frames in a second, and when the last one will be done."""
        hidden = not sys.stderr.isatty()
        with tqdm(total=total, unit="frame", disable=hidden) as bar:
            yield bar.update

    def done(self, job: VideoJob, result: VideoResult) -> None:
        """Says that a video is written."""
        super().done(job, result)
        if self._as_json:
            _print_json(job, result, None)
        else:
            print(job.out)

    def skip(self, complete: Sequence[VideoJob], total: int) -> None:
        """Says which of the videos are complete already."""
        self._num_skipped = len(complete)
        text = f"styleflax: {len(complete)} of {total} videos are complete already"
        print(text, file=sys.stderr)
        for job in complete if self._as_json else ():
            _print_json(job, None, None, skipped=True)

    def fail(self, job: VideoJob, error: Exception) -> None:
        """Says that a video could not be made."""
        super().fail(job, error)
        if self._as_json:
            _print_json(job, None, self.failed[job.clip])

    def warn(self, text: str) -> None:
        """Says something on standard error."""
        tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)

    def end(self, num_videos: int) -> int:
        """Says what failed, and with JSON where the time went; returns the exit code.

        Args:
            num_videos: Number of all videos.
        """
        if self._as_json:
            seconds = {k: round(value, 3) for k, value in self._times.seconds.items()}
            left_out = [{"path": str(p), "reason": why} for p, why in self._left_out]
            summary = {
                "videos": num_videos,
                "failed": len(self.failed),
                "skipped": self._num_skipped,
                "left_out": left_out,
                "seconds": seconds,
            }
            print(json.dumps({"summary": summary}))
        if not self.failed:
            return 0
        lines = [f"  {clip}: {text}" for clip, text in self.failed.items()]
        heading = f"styleflax: {len(self.failed)} of {num_videos} videos failed:"
        print("\n".join([heading, *lines]), file=sys.stderr)
        return 1


def _print_json(
    job: VideoJob, made: VideoResult | None, error: str | None, *, skipped: bool = False
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
