"""`styleflax sheet`: photos by paintings on one page."""

import functools
import sys
from pathlib import Path
from typing import Annotated

import typer

from styleflax.cli import options as flags
from styleflax.cli.controls import all_pairs, looks_of, read_style_masks
from styleflax.cli.report import Report
from styleflax.files import make_folder
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.inference.folders.outputs import check_picture_file
from styleflax.inference.folders.results import Given, check_resume
from styleflax.inference.folders.sources import (
    check_max_megapixels,
    refuse_two_inputs,
)

MIN_CELL_PX = 16


def sheet(
    photos: flags.Photos,
    style: flags.Paintings = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the page.")] = Path(
        "sheet.png"
    ),
    alpha: flags.Alpha = 1.0,
    blend: flags.Blend = None,
    exaggerate: flags.Exaggerate = None,
    mask: flags.Masks = None,
    style_mask: flags.StyleMasks = None,
    feather: flags.Feather = 0.0,
    color: flags.WhatColor = flags.Color.STYLE,
    color_match: flags.ColorMatch = None,
    detail: flags.Detail = None,
    level_balance: flags.LevelBalance = None,
    style_size: flags.StyleSize = None,
    size: Annotated[
        int, typer.Option(help="Short side in pixels at which photos are stylized.")
    ] = 384,
    cell: Annotated[
        int, typer.Option(help="Side in pixels of each cell of the page.")
    ] = 256,
    weights: flags.Weights = "adain",
    overwrite: flags.Overwrite = False,
    resume: flags.Resume = False,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Put all photos in all styles on one page, with captions.

    A result that fails leaves its cell empty and is named at the end.
    """
    looks = looks_of(locals())
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.inference.folders.sheet import Page, sheet_job  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    check_resume(out, resume=resume, overwrite=overwrite)
    _check_page(out, cell, overwrite=overwrite or resume)
    check_max_megapixels(max_megapixels)
    style = style or []
    refuse_two_inputs(photos, style)
    given = Given(photos, style, read_style_masks(style_mask), weights, out, [])
    rows, controls_of = all_pairs(given, looks)
    controls, plan = controls_of(alpha)
    job = sheet_job(rows, given, controls, plan, max_megapixels)
    page = Page(job, out, cell)
    if resume and page.is_complete():
        print(f"styleflax: {out} is complete", file=sys.stderr)
        return
    with Report(len(rows), left_out=given.left_out) as report:
        load = functools.partial(Stylizer.load, weights)
        has_page = page.make(load, report, resume=resume)
        failed = report.end({})
    if has_page:
        print(out)
    if failed:
        raise typer.Exit(1)


def _check_page(out: Path, cell: int, *, overwrite: bool) -> None:
    if cell < MIN_CELL_PX:
        raise ValueError(f"--cell must be at least {MIN_CELL_PX} px, got {cell}")
    check_picture_file(out, overwrite=overwrite)
    make_folder(out.parent)
