"""Pairs of photos and styles for `--pairs`: one by one, or from a CSV file."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from styleflax.files import check_file
from styleflax.images.files import SUFFIXES_WRITTEN
from styleflax.inference.folders.outputs import check_suffix
from styleflax.inference.folders.results import Given, expand_given
from styleflax.inference.folders.sources import (
    STYLE_SUFFIX,
    Row,
    Source,
    expand_styles,
)

ZIP = "zip"
"""Value of `--pairs` that combines the first photo with the first style, and so on."""
COLUMNS = ("content", "style", "alpha", "output")
"""Columns of a file for `--pairs`; the last two are optional and may be empty."""
_DELIMITERS = ",;\t"


def paired_rows(pairs: str, given: Given, alpha: float) -> list[Row]:
    """Returns the pairs requested by `--pairs`.

    Args:
        pairs: `ZIP`, or the path of a CSV file.
        given: Photos and styles for `ZIP`; empty for a CSV file.
        alpha: Strength of rows without one.

    Raises:
        ValueError: If the numbers of photos and styles differ, or a row is not valid.
        FileNotFoundError: If a file is missing.
    """
    if pairs != ZIP:
        return _read_csv(Path(pairs), given, alpha)
    if not given.photos or not given.styles:
        missing = "--style" if given.photos else "PHOTO"
        raise ValueError(
            f"{missing} is missing: --pairs zip requires photos and --style"
        )
    contents, styles = expand_given(given, repeats=True, repeats_styles=True)
    if len(contents) != len(styles):
        raise ValueError(
            "--pairs zip must have as many photos as styles, got "
            f"{len(contents)} of PHOTO and {len(styles)} of --style"
        )
    return [Row(c, (s,), alpha) for c, s in zip(contents, styles, strict=True)]


class _Line(NamedTuple):
    """A row of a CSV file, and its name in messages."""

    name: str
    cells: dict[str, str]


def _read_csv(file: Path, given: Given, alpha: float) -> list[Row]:
    if not file.exists() and not file.suffix:
        raise ValueError(f"--pairs must be zip or a CSV file, got {str(file)!r}")
    check_file(file, "--pairs", "a CSV file")
    if given.photos or given.styles or given.style_masks:
        raise ValueError(
            "PHOTO, --style and --style-mask must be omitted with a CSV file of pairs: "
            f"{file} names photos and styles; use --pairs zip to pair the arguments"
        )
    from styleflax.weights.store import own_styles  # noqa: PLC0415  (imports JAX)

    lines = list(_read_lines(file))
    own = own_styles(given.weights)
    places = [_find(line, "content", file) for line in lines]
    painted = [_find(line, "style", file, or_one_of=own) for line in lines]
    # Looked up once per model, because this opens the model file.
    unique = list(dict.fromkeys(painted))
    sources = expand_styles(unique, given.weights, repeats=True)
    styles = dict(zip(unique, sources, strict=True))
    return [
        Row(
            Source(place),
            (styles[style],),
            _read_alpha(line, alpha),
            _read_output(line),
        )
        for line, place, style in zip(lines, places, painted, strict=True)
    ]


def _read_lines(file: Path) -> Iterator[_Line]:
    try:
        text = file.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"--pairs {file} must be text in UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        names = [cell.strip().lower() for cell in next(reader, [])]
        _check_columns(file, names)
        empty = True
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            name = f"{file}, line {reader.line_num}"
            if len(cells) != len(names):
                raise ValueError(
                    f"{name} must have {len(names)} cells, as the first line has, got "
                    f"{len(cells)}"
                )
            empty = False
            stripped = (cell.strip() for cell in cells)
            yield _Line(name, dict(zip(names, stripped, strict=True)))
    except csv.Error as error:
        raise ValueError(f"{file}, line {reader.line_num}: {error}") from None
    if empty:
        raise ValueError(f"--pairs {file} must have a row below its header, got none")


def _check_columns(file: Path, names: Sequence[str]) -> None:
    missing = [name for name in COLUMNS[:2] if name not in names]
    unknown = [name for name in names if name not in COLUMNS]
    if missing or unknown or len({*names}) < len(names):
        raise ValueError(
            f"the first line of --pairs {file} must name its columns: content and "
            "style, and optionally alpha and output; got "
            f"{', '.join(names) or 'nothing'}"
        )


def _find(
    line: _Line, column: str, file: Path, *, or_one_of: Sequence[str] = ()
) -> Path:
    """Returns the path in a cell, relative to the working directory or the CSV file."""
    text = line.cells[column]
    if not text:
        raise ValueError(f"{line.name} must have a {column}, got an empty cell")
    path, beside = Path(text), file.parent / text
    if or_one_of and path.suffix.lower() != STYLE_SUFFIX:
        return path
    image_file = beside if not path.exists() and beside.exists() else path
    check_file(
        image_file, f"{line.name}, {column}", "an image", "each row names one file"
    )
    return image_file


def _read_alpha(line: _Line, default: float) -> float:
    text = line.cells.get("alpha", "")
    if not text:
        return default
    from styleflax.inference.controls import check_alpha  # noqa: PLC0415  (JAX)

    try:
        value = float(text.replace(",", "."))  # as in spreadsheets of many countries
        check_alpha(value)
    except ValueError:
        raise ValueError(
            f"{line.name}: alpha must be a number from 0 to 1, got {text!r}"
        ) from None
    return value


def _read_output(line: _Line) -> Path | None:
    text = line.cells.get("output", "")
    if not text:
        return None
    path = Path(text)
    if path.suffix:
        try:
            check_suffix(path, SUFFIXES_WRITTEN)
        except ValueError as error:
            raise ValueError(f"{line.name}: {error}") from None
    return path
