"""`styleflax stylize`: photos in the styles of paintings."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from styleflax.cli import options as flags
from styleflax.cli.controls import (
    Looks,
    all_pairs,
    looks_of,
    read_looks,
    read_style_masks,
)
from styleflax.cli.report import Report, Times
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.inference.folders.pairs import paired_rows
from styleflax.inference.folders.results import Given, check_resume
from styleflax.inference.folders.sources import (
    DASH,
    Row,
    check_max_megapixels,
    refuse_two_inputs,
)

if TYPE_CHECKING:
    from styleflax.inference.controls import ControlArguments, Plan


def stylize(
    out: flags.Out,
    photos: flags.PhotosIfAny = None,
    style: flags.Paintings = None,
    pairs: flags.Pairs = None,
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
    size: flags.Size = None,
    restore_size: flags.RestoreSize = False,
    style_size: flags.StyleSize = None,
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
) -> None:
    """Stylize photos with paintings."""
    looks, times = looks_of(locals()), Times()
    with times.phase("import"):  # late, so that --help answers at once
        import styleflax.inference.folders.stylize as work  # noqa: PLC0415
        from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    photos, style = photos or [], style or []
    refuse_two_inputs(photos, style)
    _check_flags(out, max_megapixels, blend, pairs, as_json=as_json)
    check_resume(out, resume=resume, overwrite=overwrite)
    given = Given(photos, style, read_style_masks(style_mask), weights, out, [])
    rows, controls_of = _find_rows(pairs, given, looks)
    write_options = work.WriteOptions(
        None if format_ is None else f".{format_}",
        overwrite=overwrite,
        resume=resume,
        keep_metadata=metadata is flags.Metadata.KEEP,
        max_megapixels=max_megapixels,
    )
    jobs = work.plan_jobs(rows, given, controls_of, write_options)
    load = functools.partial(
        Stylizer.load, weights, split_rows=split_rows, tile_px=tile
    )
    with (
        times.watching_compiler(),
        Report(len(rows), as_json=as_json, left_out=given.left_out, times=times) as say,
    ):
        work.run_jobs(jobs, load, say, resume=resume)
        if say.end(times.seconds):
            raise typer.Exit(1)


def _find_rows(
    pairs: str | None, given: Given, looks: Looks
) -> "tuple[list[Row], Callable[[float], tuple[ControlArguments, Plan]]]":
    """Returns the requested pairs, and the function from a strength to controls."""
    if pairs is None:
        return all_pairs(given, looks)

    @functools.cache  # so that masks are read once
    def controls_of(alpha: float) -> "tuple[ControlArguments, Plan]":
        return read_looks(looks._replace(alpha=alpha), 1)

    return paired_rows(pairs, given, looks.alpha), controls_of


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
