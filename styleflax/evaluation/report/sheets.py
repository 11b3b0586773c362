"""Contact sheets, and the pairs with the lowest and highest style error."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.evaluation.report.plots import strongest
from styleflax.evaluation.report.summary import BASELINES, Summary
from styleflax.evaluation.rows import PAIR, Row
from styleflax.images.files import load_image_u8, to_u8
from styleflax.images.grid import image_grid

Inputs = Mapping[str, Mapping[str, Path | np.ndarray]]
"""{"content": {name: image}, "style": {...}}: files, or arrays in [0, 1]."""

CELL_PX = 144
TRIPLE_PX = 160
MAX_CONTENTS, MAX_STYLES = 8, 12
"""Largest numbers of rows and columns of a contact sheet; beyond them, evenly spaced
ones are shown."""

NUM_EXTREMES = 4
EXTREMES_METRIC = "gram_vgg16"

_JPEG_QUALITY = 82


class Figure(NamedTuple):
    """An image embedded in the page.

    Attributes:
        caption: Text below the image.
        uri: The JPEG as a data URI.
        width: Width in pixels.
        height: Height in pixels.
    """

    caption: str
    uri: str
    width: int
    height: int


class Extremes(NamedTuple):
    """The pairs of a system with the least and the most style error."""

    label: str
    best: list[Figure]
    worst: list[Figure]


class Gallery:
    """Thumbnails of all images of the rows."""

    def __init__(
        self, out: Path, rows: Iterable[Row], inputs: Inputs | None = None
    ) -> None:
        """Finds the files of the images.

        Args:
            out: Folder to which the paths in rows are relative.
            rows: Rows of all systems. Those of the baselines "content" and "style" show
                the inputs that `inputs` lacks.
            inputs: Contents and styles by role and name.
        """
        self._results: dict[tuple[str, float | None, str, str], Path] = {}
        self._inputs: dict[tuple[str, str], Path | np.ndarray] = {}
        for row in rows:
            if row.kind != PAIR or not row.picture:
                continue
            path = out / row.picture
            self._results[row.system, row.alpha, row.content, row.style] = path
            if row.system in {"content", "style"} and row.alpha is None:
                name = row.content if row.system == "content" else row.style
                self._inputs.setdefault((row.system, name), path)
        for role, pictures in (inputs or {}).items():
            self._inputs.update({(role, name): x for name, x in pictures.items()})

    def has_result(self, summary: Summary) -> bool:
        """Returns whether there is an image of a system at its strength."""
        system = summary.system, summary.alpha
        return any(key[:2] == system for key in self._results)

    def result(
        self, summary: Summary, content: str, style: str, px: int
    ) -> UInt8[np.ndarray, "h w 3"] | None:
        """Returns the thumbnail of a result; None if its file cannot be read."""
        key = summary.system, summary.alpha, content, style
        return _shrink(self._results.get(key), px)

    def input(self, role: str, name: str, px: int) -> UInt8[np.ndarray, "h w 3"] | None:
        """Returns the thumbnail of an input; None if its file cannot be read."""
        return _shrink(self._inputs.get((role, name)), px)


def _shrink(
    source: Path | np.ndarray | None, px: int
) -> UInt8[np.ndarray, "h w 3"] | None:
    if source is None:
        return None
    if isinstance(source, Path):
        try:
            source = load_image_u8(source, min_side_px=1)
        except (OSError, ValueError):
            return None  # the report is complete without it
    picture = PillowImage.fromarray(np.ascontiguousarray(to_u8(np.asarray(source))))
    picture.thumbnail((px, px), Resampling.LANCZOS)
    return np.asarray(picture)


def shown_systems(summaries: Sequence[Summary], gallery: Gallery) -> list[Summary]:
    """Returns each system that has images, at its largest strength; no baselines."""
    return [
        summary
        for summary in strongest(summaries)
        if not (summary.is_baseline and summary.system in BASELINES)
        and gallery.has_result(summary)
    ]


def contact_sheet(summary: Summary, rows: Sequence[Row], gallery: Gallery) -> Figure:
    """Returns a grid of results, with contents as rows and styles as columns."""
    own = _rows_of(summary, rows)
    contents = _spread_over([row.content for row in own], MAX_CONTENTS)
    styles = _spread_over([row.style for row in own], MAX_STYLES)
    first: list[np.ndarray | None] = [None]
    cells = [first + [gallery.input("style", style, CELL_PX) for style in styles]]
    for content in contents:
        row = [gallery.result(summary, content, style, CELL_PX) for style in styles]
        cells.append([gallery.input("content", content, CELL_PX), *row])
    captions = [["", *styles], *([content] for content in contents)]
    sheet = image_grid(cells, captions=captions, cell_px=CELL_PX)
    return _as_figure(sheet, f"{summary.label}: contents (rows), styles (columns)")


def find_extremes(
    summary: Summary, rows: Sequence[Row], gallery: Gallery
) -> Extremes | None:
    """Returns the pairs with the least and the most Gram distance; None if unknown."""
    metric = EXTREMES_METRIC
    own = [
        row
        for row in _rows_of(summary, rows)
        if np.isfinite(row.values.get(metric, np.nan))
    ]
    if not own:
        return None
    own.sort(key=lambda row: row.values[metric])
    number = min(NUM_EXTREMES, max(1, len(own) // 2))
    return Extremes(
        summary.label,
        [_triple(summary, row, gallery) for row in own[:number]],
        [_triple(summary, row, gallery) for row in own[: -number - 1 : -1]],
    )


def _triple(summary: Summary, row: Row, gallery: Gallery) -> Figure:
    """Returns content, style and result side by side."""
    cells = [
        gallery.input("content", row.content, TRIPLE_PX),
        gallery.input("style", row.style, TRIPLE_PX),
        gallery.result(summary, row.content, row.style, TRIPLE_PX),
    ]
    error = row.values[EXTREMES_METRIC]
    caption = f"{row.content} as {row.style}: {error:.3f}"
    return _as_figure(image_grid([cells], cell_px=TRIPLE_PX), caption)


def _rows_of(summary: Summary, rows: Sequence[Row]) -> list[Row]:
    key = PAIR, summary.system, summary.alpha
    return [row for row in rows if (row.kind, row.system, row.alpha) == key]


def _spread_over(names: Sequence[str], most: int) -> list[str]:
    """Returns the distinct names; evenly spaced ones if there are more than `most`."""
    found = list(dict.fromkeys(names))
    if len(found) <= most:
        return found
    places = np.linspace(0, len(found) - 1, most).round().astype(int)
    return [found[place] for place in places]


def _as_figure(sheet_u8: UInt8[np.ndarray, "h w 3"], caption: str) -> Figure:
    data = io.BytesIO()
    picture = PillowImage.fromarray(sheet_u8)
    picture.save(data, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    encoded = base64.b64encode(data.getvalue()).decode("ascii")
    return Figure(caption, f"data:image/jpeg;base64,{encoded}", *picture.size)
