"""`styleflax sheet`: photographs by paintings on one page."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from styleflax.cli import control_flags
from styleflax.cli import stylize_flags as flags
from styleflax.cli.stylize_inputs import Source, expand, expand_styles, read_source
from styleflax.data.decoding import MAX_MEGAPIXELS
from styleflax.data.images import save_image
from styleflax.data.writing import SUFFIXES_WRITTEN

if TYPE_CHECKING:
    from styleflax.inference.stylizer import OneStyle

Row = list[np.ndarray | None]
MIN_CELL_PX = 16


def sheet(
    photos: flags.Photos,
    style: flags.Paintings = None,
    out: Annotated[Path, typer.Option("-o", "--out", help="A file.")] = Path(
        "sheet.png"
    ),
    alpha: flags.Alpha = 1.0,
    exaggerate: control_flags.Exaggerate = None,
    color: control_flags.WhatColor = control_flags.Color.STYLE,
    style_size: control_flags.StyleSize = None,
    size: Annotated[
        int, typer.Option(help="Short side at which photographs are stylized.")
    ] = 384,
    cell: Annotated[int, typer.Option(help="Side in px of a picture's square.")] = 256,
    weights: flags.Weights = "adain",
    overwrite: flags.Overwrite = False,
    max_megapixels: flags.MaxMegapixels = MAX_MEGAPIXELS,
) -> None:
    """Put every photograph in every style on one page, with captions."""
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.data.grids import image_grid  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    _check_page(out, cell, overwrite=overwrite)
    controls, plan = control_flags.control_arguments(
        1,
        alpha=alpha,
        exaggerate=exaggerate,
        color=color,
        size=size,
        style_size=style_size,
    )
    contents = expand(photos, "PHOTO")
    styles = expand_styles(style, weights)
    stylizer = Stylizer.load(weights)
    prepared, shown = [], []
    for source in styles:
        seen, picture = _read_style(source, max_megapixels)
        prepared.append(stylizer.prepare_style(seen, plan.color, plan.style_size))
        shown.append(picture)
    rows: list[Row] = [[None, *shown]]
    controls["style_size"] = None  # they have been resized
    for source in contents:
        photo = read_source(source, max_megapixels).on_white()
        made = [stylizer(photo, one, **controls).array for one in prepared]
        rows.append([photo, *made])
    save_image(
        image_grid(rows, captions=_captions(contents, styles), cell_px=cell), out
    )
    print(out)


def _read_style(
    source: Source, max_megapixels: float
) -> "tuple[OneStyle, np.ndarray | None]":
    """The style as the stylizer takes it, and as the page shows it."""
    from styleflax.inference.style_file import is_style_file  # noqa: PLC0415

    if source.is_own:
        return str(source.path), None
    if source.data is None and is_style_file(source.path):
        return source.path, None
    picture = read_source(source, max_megapixels).on_white()
    return picture, picture


def _captions(contents: Sequence[Source], styles: Sequence[Source]) -> list[list[str]]:
    """Paintings above, photographs at the left; both below their pictures."""
    names = [source.stem for source in styles]
    return [["", *names], *([source.stem] for source in contents)]


def _check_page(out: Path, cell: int, *, overwrite: bool) -> None:
    if cell < MIN_CELL_PX:
        raise ValueError(f"--cell must be at least {MIN_CELL_PX} px, got {cell}")
    if out.suffix.lower() not in SUFFIXES_WRITTEN:
        raise ValueError(
            f"cannot write {str(out)!r}: its suffix must be one of "
            f"{', '.join(sorted(SUFFIXES_WRITTEN))}"
        )
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} is there already; --overwrite replaces it")
    out.parent.mkdir(parents=True, exist_ok=True)
