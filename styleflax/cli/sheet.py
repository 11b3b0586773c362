"""`styleflax sheet`: photographs by paintings on one page."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from styleflax.cli import control_flags
from styleflax.cli import stylize_flags as flags
from styleflax.cli.output_paths import check_picture_file, without_results
from styleflax.cli.resume import Recorder, check_resume
from styleflax.cli.style_masks import StyleMasks, masked_styles
from styleflax.cli.stylize_inputs import (
    DASH,
    STYLE_SUFFIX,
    Mix,
    Source,
    check_max_megapixels,
    count_sizes,
    expand,
    mixes_of,
    read_source,
    refuse_two_inputs,
)
from styleflax.files import make_folder
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.listing import LeftOut
from styleflax.memory import explained_memory

if TYPE_CHECKING:
    from styleflax.cli.stylize_job import Job
    from styleflax.cli.stylize_targets import Pair
    from styleflax.images.read import Picture
    from styleflax.inference.stylizer import Stylizer

MIN_CELL_PX = 16


def sheet(
    photos: flags.Photos,
    style: flags.Paintings = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="File for the page.")] = Path(
        "sheet.png"
    ),
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
    style_size: control_flags.StyleSize = None,
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
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.cli.stylize_job import Job  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    check_resume(out, resume=resume, overwrite=overwrite)
    _check_page(out, cell, overwrite=overwrite or resume)
    check_max_megapixels(max_megapixels)
    refuse_two_inputs(photos, style or ())
    left_out: list[LeftOut] = []
    contents = expand(photos, "PHOTO", left_out=left_out)
    contents = without_results(contents, photos, out, "PHOTO", left_out)
    repeats = bool(mask or blend)
    styles = masked_styles(
        *(style, weights, style_mask, out), repeats=repeats, left_out=left_out
    )
    look = control_flags.Look(
        alpha=alpha,
        blend=blend,
        exaggerate=exaggerate,
        mask=mask,
        feather=feather,
        color=color,
        size=size,
        style_size=style_size,
        level_balance=level_balance,
        max_megapixels=max_megapixels,
        color_match=color_match,
        detail=detail,
    )
    controls, plan = control_flags.control_arguments(len(styles), look)
    mixes = mixes_of(styles, together=control_flags.one_picture(controls))
    targets = {(content, mix): DASH for content in contents for mix in mixes}
    reading, writing = (out.suffix, max_megapixels), (False, overwrite)
    beside = (left_out, Recorder(weights))
    job = Job(contents, mixes, targets, controls, *reading, *writing, *beside)

    def load() -> Stylizer:
        stylizer = Stylizer.load(weights)
        stylizer.check_plan(plan)
        return stylizer

    _make_page(job, load, out, cell, resume=resume)


def _make_page(
    job: "Job", load: "Callable[[], Stylizer]", out: Path, cell: int, *, resume: bool
) -> None:
    """Writes the page, and ends the program with 1 if pictures on it are missing."""
    from styleflax.cli.sheet_cells import Cells  # noqa: PLC0415
    from styleflax.cli.stylize_job import run_job  # noqa: PLC0415
    from styleflax.cli.stylize_report import Report  # noqa: PLC0415
    from styleflax.images.grid import image_grid  # noqa: PLC0415

    cells = Cells(job, out, {"cell": cell})
    if not resume:
        cells.begin()
    elif cells.is_complete():
        print(f"styleflax: {out} is complete", file=sys.stderr)
        return
    made, stylizer = cells.read(), load()
    left = {pair: target for pair, target in job.targets.items() if pair not in made}

    def keep(_: "Job", pair: "Pair", picture: "Picture", __: Report) -> None:
        made[pair] = picture.on_white()
        cells.keep(pair, made[pair])

    stylizer.expect(count_sizes(job.contents, job.controls.get("size")))
    with Report(len(job.targets), left_out=job.left_out) as report:
        report.skip([(pair, job.targets[pair]) for pair in made])
        run_job(job._replace(targets=left), stylizer, report, keep)
        failed = report.end({})
    limit = job.max_megapixels
    rows = [[None, *(_painting(mix, limit) for mix in job.mixes)]]
    for content in job.contents:
        photo = _shown(content, limit)
        rows.append([photo, *(made.get((content, mix)) for mix in job.mixes)])
    if made:
        captions = _captions(job.contents, job.mixes)
        doing = f"laying out {len(rows)} x {len(rows[0])} cells of {cell} px"
        with explained_memory(doing, "use a smaller --cell, or fewer images"):
            page = image_grid(rows, captions=captions, cell_px=cell)
            cells.write_page(page, complete=not failed)
        print(out)
    if failed:
        raise typer.Exit(1)


def _painting(mix: Mix, max_megapixels: float) -> np.ndarray | None:
    """What stands above a column: a painting, if it is of one that has pixels."""
    source = mix[0]
    kept = source.data is None and source.path.suffix.lower() == STYLE_SUFFIX
    return None if len(mix) > 1 or kept else _shown(source, max_megapixels)


def _shown(source: Source, max_megapixels: float) -> np.ndarray | None:
    """A picture as the page shows it; None for one that there is not."""
    if source.is_own:
        return None
    try:
        return read_source(source, max_megapixels).on_white()
    except (ValueError, OSError, MemoryError):  # which has been reported
        return None


def _captions(contents: Sequence[Source], mixes: Sequence[Mix]) -> list[list[str]]:
    """Paintings above, photographs at the left; both below their pictures."""
    names = [" + ".join(source.stem for source in mix) for mix in mixes]
    return [["", *names], *([source.stem] for source in contents)]


def _check_page(out: Path, cell: int, *, overwrite: bool) -> None:
    if cell < MIN_CELL_PX:
        raise ValueError(f"--cell must be at least {MIN_CELL_PX} px, got {cell}")
    check_picture_file(out, overwrite=overwrite)
    make_folder(out.parent)
