"""Pairs of photos and styles: all combinations, or those of a list."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from styleflax.files import check_file
from styleflax.images.files import SUFFIXES_WRITTEN
from styleflax.images.listing import ExcludedPath
from styleflax.inference.folders.outputs import check_suffix, without_results
from styleflax.inference.folders.sources import (
    STYLE_SUFFIX,
    Mix,
    Row,
    Source,
    StyleMask,
    add_style_masks,
    expand,
    expand_styles,
    mixes_of,
)
from styleflax.weights.model_files import own_styles

ZIP = "zip"
"""Value of `--pairs` that combines the first photo with the first style, and so on."""
COLUMNS = ("content", "style", "alpha", "output")
"""Columns of a file for `--pairs`; the last two are optional and may be empty."""
_DELIMITERS = ",;\t"


class Given(NamedTuple):
    """Photos and styles as given on the command line.

    Attributes:
        photos: Files and folders of photos.
        styles: Files and folders of styles, or names of built-in styles.
        style_masks: Masks of the parts of paintings to use.
        weights: Name or file of the model.
        out: File or folder of the results.
        left_out: List to which files that are not images are added, with reasons.
    """

    photos: Sequence[Path]
    styles: Sequence[Path]
    style_masks: Sequence[StyleMask]
    weights: str
    out: Path
    left_out: list[ExcludedPath]


class Group(NamedTuple):
    """Results of one strength.

    Attributes:
        alpha: Strength of the style.
        targets: File of every pair.
    """

    alpha: float
    targets: dict[tuple[Source, Mix], Path]

    @property
    def sides(self) -> tuple[list[Source], list[Mix]]:
        """Returns the distinct photos and the distinct mixes of styles, in order."""
        contents = dict.fromkeys(content for content, _ in self.targets)
        mixes = dict.fromkeys(mix for _, mix in self.targets)
        return [*contents], [*mixes]


def all_rows(
    given: Given, alpha: float, together: Callable[[int], bool], *, repeats: bool
) -> tuple[list[Row], int]:
    """Returns every photo with every style, or with a mix; and the number of styles.

    Args:
        given: Photos and styles as given on the command line.
        alpha: Strength of all rows, from 0 to 1.
        together: Function that says whether this number of styles is one mix.
        repeats: Whether a style that is given twice is used twice.

    Raises:
        ValueError: If photos or styles are missing, or masks do not fit the styles.
        FileNotFoundError: If a file or folder is missing.
    """
    if not given.photos:
        raise ValueError("PHOTO is missing: give photos, or a CSV file with --pairs")
    contents, styles = _expand(given, repeats=False, repeats_styles=repeats)
    mixes = mixes_of(styles, together=together(len(styles)))
    rows = [Row(content, mix, alpha) for mix in mixes for content in contents]
    return rows, len(styles)


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
    contents, styles = _expand(given, repeats=True, repeats_styles=True)
    if len(contents) != len(styles):
        raise ValueError(
            "--pairs zip must have as many photos as styles, got "
            f"{len(contents)} of PHOTO and {len(styles)} of --style"
        )
    return [Row(c, (s,), alpha) for c, s in zip(contents, styles, strict=True)]


def group_rows(rows: Sequence[Row], targets: Sequence[Path]) -> list[Group]:
    """Returns results grouped by strength, so that each group has distinct pairs.

    Args:
        rows: The results.
        targets: Their files.
    """
    groups: dict[tuple[float, int], dict[tuple[Source, Mix], Path]] = {}
    for row, target in zip(rows, targets, strict=True):
        repeat = 0
        while (row.content, row.mix) in groups.get((row.alpha, repeat), {}):
            repeat += 1
        group = groups.setdefault((row.alpha, repeat), {})
        group[row.content, row.mix] = target
    return [Group(alpha, pairs) for (alpha, _), pairs in groups.items()]


def masked_styles(
    paths: Sequence[Path] | None,
    weights: str,
    masks: Sequence[StyleMask],
    out: Path,
    *,
    repeats: bool,
    left_out: list[ExcludedPath] | None = None,
) -> list[Source]:
    """Returns styles with their masks.

    Args:
        paths: Files, folders and names of styles; None for none.
        weights: Name or file of the model.
        masks: Masks of parts of the paintings; with masks, repeated styles are used
            repeatedly.
        out: File or folder of the results, from which no style is read.
        repeats: Whether a style that is given twice is used twice.
        left_out: List to which files that are not images are added, with reasons.

    Raises:
        ValueError: If there is no style, the model has none of a name, or a mask does
            not fit the styles.
        FileNotFoundError: If a style or a mask is missing.
    """
    repeats = repeats or bool(masks)
    styles = expand_styles(paths, weights, repeats=repeats, left_out=left_out)
    styles = without_results(styles, paths or (), out, "--style", left_out)
    return add_style_masks(styles, masks)


def _expand(
    given: Given, *, repeats: bool, repeats_styles: bool
) -> tuple[list[Source], list[Source]]:
    left_out = given.left_out
    contents = expand(given.photos, "PHOTO", repeats=repeats, left_out=left_out)
    contents = without_results(contents, given.photos, given.out, "PHOTO", left_out)
    styles = masked_styles(
        given.styles,
        given.weights,
        given.style_masks,
        given.out,
        repeats=repeats_styles,
        left_out=left_out,
    )
    return contents, styles


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
    found = beside if not path.exists() and beside.exists() else path
    check_file(found, f"{line.name}, {column}", "an image", "each row names one file")
    return found


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
