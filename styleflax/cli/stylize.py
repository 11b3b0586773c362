"""`styleflax stylize`: photographs in the styles of paintings."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from styleflax.cli import control_flags
from styleflax.cli import stylize_flags as flags
from styleflax.cli.output_paths import without_results
from styleflax.cli.style_masks import StyleMasks, masked_styles
from styleflax.cli.stylize_inputs import (
    DASH,
    check_max_megapixels,
    count_sizes,
    expand,
    mixes_of,
    refuse_two_inputs,
)
from styleflax.cli.stylize_targets import find_targets
from styleflax.cli.stylize_times import Times
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.listing import LeftOut

if TYPE_CHECKING:
    from styleflax.cli.stylize_job import Job
    from styleflax.inference.stylizer import Stylizer


def stylize(
    photos: flags.Photos,
    out: flags.Out,
    style: flags.Paintings = None,
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
    metadata: flags.WhatOfMetadata = flags.Metadata.STRIP,
    format_: flags.FormatOut = None,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
    as_json: flags.AsJson = False,
    seed: flags.Seed = 0,
) -> None:
    """Stylize photographs with paintings."""
    del seed
    times = Times()
    with times.phase("import"):  # late, so that --help answers at once
        from styleflax.cli.stylize_job import Job  # noqa: PLC0415
        from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    refuse_two_inputs(photos, style or ())
    _check_flags(out, max_megapixels, as_json=as_json)
    left_out: list[LeftOut] = []
    found = expand(photos, "PHOTO", left_out=left_out)
    contents = without_results(found, photos, out, "PHOTO")
    repeats = bool(mask or blend)
    styles = masked_styles(
        *(style, weights, style_mask, out), repeats=repeats, left_out=left_out
    )
    looks = (alpha, blend, exaggerate, mask, feather, color, size, restore_size)
    more = (style_size, level_balance, max_megapixels, color_match, detail, refine)
    controls, plan = control_flags.control_arguments(len(styles), *looks, *more)
    mixes = mixes_of(styles, together=control_flags.one_picture(controls))
    suffix = None if format_ is None else f".{format_}"
    targets = find_targets(contents, mixes, out, suffix=suffix, overwrite=overwrite)
    reading = (suffix or ".png", max_megapixels)
    writing = (metadata is flags.Metadata.KEEP, overwrite)
    job = Job(contents, mixes, targets, controls, *reading, *writing, left_out)
    with times.watching_compiler():
        with times.phase("weights"):
            stylizer = Stylizer.load(weights, split_rows=split_rows, tile_px=tile)
        stylizer.check_plan(plan)
        _run(job, stylizer, times, as_json=as_json)


def _run(job: "Job", stylizer: "Stylizer", times: Times, *, as_json: bool) -> None:
    """Makes the pictures and ends the program with 1 if some have failed."""
    from styleflax.cli.stylize_job import run_job  # noqa: PLC0415
    from styleflax.cli.stylize_report import Report  # noqa: PLC0415

    with Report(len(job.targets), as_json=as_json, left_out=job.left_out) as report:
        with times.phase("run"):
            stylizer.expect(count_sizes(job.contents, job.controls.get("size")))
            run_job(job, stylizer, report)
        if report.end(times.seconds):
            raise typer.Exit(1)


def _check_flags(out: Path, max_megapixels: float, *, as_json: bool) -> None:
    check_max_megapixels(max_megapixels)
    if as_json and out == DASH:
        raise ValueError("--json and -o - both write to standard output")
