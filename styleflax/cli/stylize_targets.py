"""Where `styleflax stylize` writes, checked before any work is done."""

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from styleflax.cli.output_paths import check_file_or_folder
from styleflax.cli.pairs import Row
from styleflax.cli.stylize_inputs import DASH, Mix, Source
from styleflax.files import MAX_NAME_BYTES, make_folder, short_stem
from styleflax.images.write import SUFFIXES_WRITTEN, save_options

_NUMBER_BYTES = 8
"""Room for the numbers of names that would be the same."""

Pair = tuple[Source, Mix]
"""A photograph, and the styles that it is to have."""


def find_targets(
    rows: Sequence[Row],
    out: Path,
    *,
    suffix: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Returns the file for every picture, or `DASH`; makes the folder they go to.

    Args:
        rows: What is to be made.
        out: A file, a folder, or `DASH`.
        suffix: The format asked for, as ".jpg".
        overwrite: Whether files may be there.

    Raises:
        ValueError: Several pictures for one file; a format that cannot be written.
        FileExistsError: Files are there, and `overwrite` is not set.
        OSError: The folder cannot be written to.
    """
    pairs = [(row.content, row.mix) for row in rows]
    is_file = out.suffix.lower() in SUFFIXES_WRITTEN and not out.is_dir()
    if (is_file or out == DASH) and len(pairs) > 1:
        kind = "standard output" if out == DASH else f"the file {str(out)!r}"
        raise ValueError(f"-o must be a folder for {len(pairs)} results, got {kind}")
    if out == DASH:
        if sys.stdout.isatty():
            raise ValueError(
                "-o - would write image bytes to the terminal: redirect them to a file "
                "or a pipe"
            )
        return [DASH]
    if is_file:
        _refuse_other_format(f"-o {str(out)!r}", out, suffix)
        targets = [out]
    else:
        check_file_or_folder(out, is_one=len(pairs) == 1)
        chosen = _check_names([row.output for row in rows], suffix)
        targets = list(pair_names(pairs, out, suffix or ".png", chosen))
    if not overwrite:
        _refuse_existing(targets)
    make_folder(out.parent if is_file else out)
    return targets


def pair_names(
    pairs: Sequence[Pair],
    folder: Path,
    suffix: str = ".png",
    chosen: Sequence[Path | None] | None = None,
) -> Iterator[Path]:
    """Yields `below/photo_painting.png`; a number where two would be the same.

    Names that file systems do not take are shortened, see `files.short_stem`.

    Args:
        pairs: What is to be made.
        folder: Where.
        suffix: Suffix of the names.
        chosen: Names that are given, one for each pair; None where there is none.
    """
    chosen = chosen or [None] * len(pairs)
    seen = {str(name).casefold() for name in chosen if name is not None}
    room = MAX_NAME_BYTES - len(suffix) - _NUMBER_BYTES
    for (content, mix), given in zip(pairs, chosen, strict=True):
        if given is not None:
            yield folder / given
            continue
        styles = "+".join(painting.stem for painting in mix)
        stem = content.below / short_stem(f"{content.stem}_{styles}", room)
        numbers = itertools.chain([""], (f"-{i}" for i in itertools.count(2)))
        names = (f"{stem}{number}{suffix}" for number in numbers)
        # Without regard to case, as some file systems have it.
        name = next(name for name in names if name.casefold() not in seen)
        seen.add(name.casefold())
        yield folder / name


def _check_names(names: Sequence[Path | None], suffix: str | None) -> list[Path | None]:
    """The names with suffixes.

    Raises:
        ValueError: Two are the same, or one is of another format.
    """
    seen: set[str] = set()
    complete: list[Path | None] = []
    for name in names:
        if name is not None and not name.suffix:
            name = name.with_name(f"{name.name}{suffix or '.png'}")  # noqa: PLW2901
        if name is not None:
            _refuse_other_format(f"output {str(name)!r}", name, suffix)
            if str(name).casefold() in seen:
                raise ValueError(
                    f"output must differ from row to row, got {str(name)!r} twice"
                )
            seen.add(str(name).casefold())
        complete.append(name)
    return complete


def _refuse_existing(paths: Iterable[Path]) -> None:
    existing = [path for path in paths if path.exists()]
    if len(existing) == 1:
        raise FileExistsError(
            f"{str(existing[0])!r} exists already; use --resume or --overwrite"
        )
    if existing:
        raise FileExistsError(
            f"{len(existing)} of the files to write exist already, the first is "
            f"{str(existing[0])!r}; use --resume or --overwrite"
        )


def _refuse_other_format(name: str, out: Path, suffix: str | None) -> None:
    if suffix and save_options(out)["format"] != save_options(f"x{suffix}")["format"]:
        raise ValueError(f"--format must be the format of {name}, got {suffix[1:]}")
