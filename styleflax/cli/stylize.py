"""`styleflax stylize`: photographs in the styles of paintings."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from styleflax.cli import control_flags
from styleflax.cli import stylize_flags as flags
from styleflax.cli.pairs import Given, Group, all_rows, group_rows, paired_rows
from styleflax.cli.resume import Recorder, check_resume
from styleflax.cli.style_masks import StyleMasks
from styleflax.cli.stylize_inputs import (
    DASH,
    check_max_megapixels,
    count_sizes,
    refuse_two_inputs,
)
from styleflax.cli.stylize_targets import find_targets
from styleflax.cli.stylize_times import Times
from styleflax.images.decoding import MAX_MEGAPIXELS

if TYPE_CHECKING:
    from styleflax.cli.stylize_job import Job
    from styleflax.inference.controls import Plan
    from styleflax.inference.stylizer import Stylizer


def stylize(
    out: flags.Out,
    photos: flags.PhotosIfAny = None,
    style: flags.Paintings = None,
    pairs: flags.Pairs = None,
    alpha: flags.Alpha = 1.0,
    blend: flags.Blend = None,
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
    refine: flags.Refine = 0,
    weights: flags.Weights = "adain",
    split_rows: flags.SplitRows = False,
    tile: flags.Tile = None,
    overwrite: flags.Overwrite = False,
    resume: flags.Resume = False,
    metadata: flags.WhatOfMetadata = flags.Metadata.STRIP,
    format_: flags.FormatOut = None,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
    as_json: flags.AsJson = False,
    seed: flags.Seed = 0,
) -> None:
    """Stylize photos with paintings."""
    del seed
    times = Times()
    with times.phase("import"):  # late, so that --help answers at once
        from styleflax.cli.stylize_job import Job  # noqa: PLC0415
        from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    photos, style = photos or [], style or []
    refuse_two_inputs(photos, style)
    _check_flags(out, max_megapixels, blend, pairs, as_json=as_json)
    check_resume(out, resume=resume, overwrite=overwrite)
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
        refine=refine,
    )

    @functools.cache  # so that masks are read once
    def controls_for(num_styles: int, strength: float) -> "tuple[Any, Plan]":
        return control_flags.control_arguments(
            num_styles, look._replace(alpha=strength)
        )

    def together(num_styles: int) -> bool:
        return control_flags.one_picture(controls_for(num_styles, alpha)[0])

    given = Given(photos, style, style_mask, weights, out, [])
    if pairs is None:
        repeats = bool(mask or blend)
        rows, num_styles = all_rows(given, alpha, together, repeats=repeats)
    else:
        rows, num_styles = paired_rows(pairs, given, alpha), 1
    suffix = None if format_ is None else f".{format_}"
    targets = find_targets(rows, out, suffix=suffix, overwrite=overwrite or resume)
    groups = group_rows(rows, targets)

    def job_of(group: Group) -> "Job":
        controls, _ = controls_for(num_styles, group.alpha)
        reading = (suffix or ".png", max_megapixels)
        writing = (metadata is flags.Metadata.KEEP, overwrite or resume)
        files = (*group.sides, group.targets)
        records = Recorder(weights, metadata=metadata.value)
        recorder = records if resume or out.is_dir() else None
        return Job(*files, controls, *reading, *writing, given.left_out, recorder)

    def load() -> "Stylizer":
        stylizer = Stylizer.load(weights, split_rows=split_rows, tile_px=tile)
        for group in groups:
            stylizer.check_plan(controls_for(num_styles, group.alpha)[1])
        return stylizer

    _run([*map(job_of, groups)], load, times, resume=resume, as_json=as_json)


def _run(
    jobs: "Sequence[Job]",
    load: "Callable[[], Stylizer]",
    times: Times,
    *,
    resume: bool,
    as_json: bool,
) -> None:
    """Makes the pictures and ends the program with 1 if some have failed."""
    from styleflax.cli.stylize_job import run_job, skip_complete  # noqa: PLC0415
    from styleflax.cli.stylize_report import Report  # noqa: PLC0415

    contents = dict.fromkeys(content for job in jobs for content in job.contents)
    total = sum(len(job.targets) for job in jobs)
    left, skipped = skip_complete(jobs) if resume else (jobs, [])
    with times.watching_compiler():
        with times.phase("weights"):
            stylizer = load() if left else None
        with Report(total, as_json=as_json, left_out=jobs[0].left_out) as report:
            report.skip(skipped)
            with times.phase("run"), report.stopping_when_full(left):
                size = jobs[0].controls.get("size")
                if stylizer is not None:
                    stylizer.expect(count_sizes([*contents], size))
                    for job in left:
                        run_job(job, stylizer, report)
            if report.end(times.seconds):
                raise typer.Exit(1)


def _check_flags(
    out: Path,
    max_megapixels: float,
    blend: str | None,
    pairs: str | None,
    *,
    as_json: bool,
) -> None:
    check_max_megapixels(max_megapixels)
    if pairs is not None and blend is not None:
        raise ValueError(
            "--blend and --pairs cannot be combined: --blend puts all styles into one "
            "result, --pairs one style into each"
        )
    if as_json and out == DASH:
        raise ValueError(
            "--json and -o - cannot be combined, as both write to standard output"
        )
