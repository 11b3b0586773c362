"""`styleflax video`: a video in the style of a painting."""

from typing import TYPE_CHECKING

from styleflax.cli import control_flags, video_flags
from styleflax.cli import stylize_flags as flags
from styleflax.cli.resume import Recorder, check_resume
from styleflax.cli.style_masks import StyleMasks, add_style_masks
from styleflax.cli.stylize_inputs import STYLE_SUFFIXES, Source, expand
from styleflax.cli.stylize_times import Times
from styleflax.files import check_exists
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.listing import LeftOut

if TYPE_CHECKING:
    from styleflax.inference.video.stylizer import Keyframes

DEFAULT_SMOOTH_S, DEFAULT_STEADY = 0.25, 0.5
"""Those of `inference.video.stylizer`, which is imported late."""


def video(
    clip: video_flags.Clip,
    style: video_flags.Paintings,
    out: video_flags.Out,
    alpha: flags.Alpha = 1.0,
    blend: flags.Blend = None,
    keyframe: control_flags.Keyframes = None,
    exaggerate: control_flags.Exaggerate = None,
    mask: control_flags.Masks = None,
    style_mask: StyleMasks = None,
    feather: control_flags.Feather = 0.0,
    color: control_flags.WhatColor = control_flags.Color.STYLE,
    color_match: control_flags.ColorMatch = None,
    detail: control_flags.Detail = None,
    level_balance: flags.LevelBalance = None,
    size: flags.Size = None,
    restore_size: control_flags.RestoreSize = False,
    style_size: control_flags.StyleSize = None,
    smooth: video_flags.Smooth = DEFAULT_SMOOTH_S,
    steady: video_flags.Steady = DEFAULT_STEADY,
    crf: video_flags.Crf = None,
    pixel_format: video_flags.PixelFormatOut = video_flags.PixelFormat.YUV420P,
    fps: video_flags.Fps = None,
    audio: video_flags.Audio = video_flags.Sound.KEEP,
    weights: flags.Weights = "adain",
    overwrite: flags.Overwrite = False,
    resume: flags.Resume = False,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
    as_json: video_flags.AsJson = False,
) -> None:
    """Stylize a video with paintings, with little flicker."""
    times = Times()
    with times.phase("import"):  # late, so that --help answers at once
        from styleflax.cli.video_job import VideoJob, run_videos  # noqa: PLC0415
        from styleflax.cli.video_targets import (  # noqa: PLC0415
            find_video_targets,
            read_rate,
        )

    check_exists(clip, "VIDEO", "a video file or a folder")
    left_out: list[LeftOut] = []
    check_resume(out, resume=resume, overwrite=overwrite)
    overwrite |= resume  # which is more careful
    targets = find_video_targets(clip, out, left_out, crf=crf, overwrite=overwrite)
    rate = read_rate(fps, [source for source, _ in targets])
    styles = expand(style, "--style", STYLE_SUFFIXES, repeats=True, left_out=left_out)
    styles = add_style_masks(styles, style_mask)
    keyframes, blend = _read_keyframes(keyframe, blend, len(styles))
    look = control_flags.Look(
        alpha=alpha,
        blend=blend,
        exaggerate=exaggerate,
        mask=mask,
        feather=feather,
        color=color,
        size=size,
        restore_size=restore_size,
        style_size=style_size,
        level_balance=level_balance,
        max_megapixels=max_megapixels,
        color_match=color_match,
        detail=detail,
    )
    controls, plan = control_flags.control_arguments(len(styles), look)
    _refuse_choice(styles, together=control_flags.one_picture(controls))
    asked = (plan, keyframes, smooth, steady, max_megapixels)
    writing = (crf, pixel_format.value, audio is video_flags.Sound.KEEP, overwrite)
    jobs = [VideoJob(one, styles, to, *asked, *writing, rate) for one, to in targets]
    if resume or out.is_dir():
        ways = {"audio": audio.value, "fps": fps, **controls}
        jobs = [job.recorded(Recorder(weights), ways) for job in jobs]
    run_videos(jobs, weights, times, left_out, resume=resume, as_json=as_json)


def _read_keyframes(
    given: list[str] | None, blend: str | None, num_styles: int
) -> "tuple[Keyframes | None, str | None]":
    """The schedule, and the shares with which it begins."""
    if not given:
        return None, blend
    if blend is not None:
        raise ValueError("--blend and --keyframe cannot be combined; give one of them")
    keyframes = control_flags.read_keyframes(given)
    for time_s, weights in keyframes:
        if len(weights) != num_styles:
            raise ValueError(
                f"--keyframe at {time_s:g} s must have {num_styles} shares, one for "
                f"each --style, got {len(weights)}"
            )
    return keyframes, ",".join(map(str, keyframes[0][1]))


def _refuse_choice(styles: list[Source], *, together: bool) -> None:
    if len(styles) > 1 and not together:
        raise ValueError(
            f"several styles (got {len(styles)}) require --blend, --keyframe or --mask"
        )
