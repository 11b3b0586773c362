"""Which photo goes into which style: all pairs, or those of a list."""

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
"""Value of `--pairs` for the first photograph in the first style, and so on."""
COLUMNS = ("content", "style", "alpha", "output")
"""Columns of a file for `--pairs`; the last two may be missing, or empty."""
_DELIMITERS = ",;\t"


class Given(NamedTuple):
    """Photographs and styles as they stand on the command line.

    Attributes:
        photos: Files and folders.
        styles: The same, or names of the model's own styles.
        style_masks: Parts of the paintings that count.
        weights: Name or file of the model.
        out: What is to be written.
        left_out: List to which files that are not images are added, with reasons.
    """

    photos: Sequence[Path]
    styles: Sequence[Path]
    style_masks: Sequence[StyleMask]
    weights: str
    out: Path
    left_out: list[ExcludedPath]


class Group(NamedTuple):
    """Pictures of one strength.

    Attributes:
        alpha: The strength.
        targets: The file of every pair.
    """

    alpha: float
    targets: dict[tuple[Source, Mix], Path]

    @property
    def sides(self) -> tuple[list[Source], list[Mix]]:
        """The photographs and the styles, each once, in order."""
        contents = dict.fromkeys(content for content, _ in self.targets)
        mixes = dict.fromkeys(mix for _, mix in self.targets)
        return [*contents], [*mixes]


def all_rows(
    given: Given, alpha: float, together: Callable[[int], bool], *, repeats: bool
) -> tuple[list[Row], int]:
    """Returns every photograph with every style, or with all; and how many styles.

    Args:
        given: See there.
        alpha: Strength of all rows, 0 to 1.
        together: Whether that number of styles belongs into one picture.
        repeats: Whether a style that is given again comes again.

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
    """Returns the pairs that `--pairs` asks for.

    Args:
        pairs: `ZIP`, or the path of a CSV file.
        given: Photographs and styles for `ZIP`; none for a file.
        alpha: Where the file says none.

    Raises:
        ValueError: If the numbers differ, or a row of the file cannot be used.
        FileNotFoundError: If a file is not there.
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
    """Returns pictures in groups of one strength, in which no pair comes twice.

    Args:
        rows: The pictures.
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
        paths: As for `expand_styles`.
        weights: Name or file of the model.
        masks: Parts of the paintings; where there are any, repeats count.
        out: The file or folder to write; no style is taken from there.
        repeats: As for `expand_styles`.
        left_out: As for `expand_styles`.

    Raises:
        ValueError: As `expand_styles` and `add_style_masks` do.
        FileNotFoundError: If a style or a mask is not there.
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
    """A row of a CSV file, and what messages call it."""

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
    # Request for once each, since a model file is opened to answer.
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
    """The path in a cell: from the working directory, else from the CSV file's."""
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
        value = float(text.replace(",", "."))  # as spreadsheets of many countries
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
