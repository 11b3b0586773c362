"""Names and folders of results, checked before any work starts."""

import difflib
import itertools
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from styleflax.files import MAX_NAME_BYTES, is_within, make_folder, short_stem
from styleflax.images.files import SUFFIXES_WRITTEN, save_options
from styleflax.images.listing import (
    FILE_SUFFIXES,
    ExcludedPath,
    file_suffix,
    is_file_suffix,
)
from styleflax.images.unread import VIDEO_SUFFIXES
from styleflax.inference.folders.records import record_path
from styleflax.inference.folders.sources import DASH, Pair, Row, Source

_LIKENESS = 0.6
"""Least similarity by which a suffix counts as another one mistyped."""
_SUFFIX_LENGTHS = range(3, 7)  # with the dot


def check_file_or_folder(out: Path, *, is_one: bool) -> None:
    """Refuses a path that is suitable neither for an image file nor for a folder.

    Args:
        out: Path of the results; it does not exist, or is a folder.
        is_one: Whether there is a single result, so that a file is likely intended.

    Raises:
        ValueError: If the suffix is probably mistyped, or is that of another file.
    """
    if out.is_dir():
        return
    suffix = file_suffix(out)
    if suffix in VIDEO_SUFFIXES:
        raise ValueError(
            f"-o must be an image file or a folder, got the video {str(out)!r}; use "
            "`styleflax video` to stylize videos"
        )
    meant = _find_meant(suffix, SUFFIXES_WRITTEN)
    if meant:
        raise ValueError(
            f"-o must be a folder, or a file that ends in {_listed(SUFFIXES_WRITTEN)}; "
            f"got {str(out)!r}; did you mean {_with_suffix(out, meant)!r}? To write to "
            f"a folder of this name, create it first: mkdir {str(out)!r}"
        )
    likely = suffix[1:].isalpha() and len(suffix) in _SUFFIX_LENGTHS and is_one
    if likely or is_file_suffix(suffix):
        raise ValueError(
            f"cannot write {str(out)!r}: the suffix of a file must be one of "
            f"{_listed(SUFFIXES_WRITTEN)}; to write to a folder of this name, create "
            f"it first: mkdir {str(out)!r}"
        )


def check_picture_file(out: Path, *, overwrite: bool) -> None:
    """Refuses a path that is not suitable for an image file.

    Args:
        out: Path of the result.
        overwrite: Whether an existing file may be replaced.

    Raises:
        ValueError: If the suffix is not that of a writable format, or it is a folder.
        FileExistsError: If there is such a file, and `overwrite` is not set.
    """
    check_suffix(out, SUFFIXES_WRITTEN)
    check_not_taken(out, overwrite=overwrite)


def check_suffix(out: Path, allowed: Collection[str], hint: str = "") -> None:
    """Refuses a file whose suffix is not allowed.

    Args:
        out: Path of the file to write.
        allowed: Allowed suffixes, in lower case.
        hint: Advice at the end of the error.

    Raises:
        ValueError: If the suffix is not allowed; the error suggests a similar one.
    """
    suffix = file_suffix(out)
    if out.suffix.lower() in allowed:
        return
    meant = _find_meant(suffix, allowed)
    guess = f"; did you mean {_with_suffix(out, meant)!r}?" if meant else ""
    raise ValueError(
        f"cannot write {str(out)!r}: its suffix must be one of {_listed(allowed)}"
        f"{guess or hint}"
    )


def check_not_taken(out: Path, *, overwrite: bool) -> None:
    """Refuses a path of a file that exists already.

    Raises:
        ValueError: If there is a folder of this name.
        FileExistsError: If there is a file of this name, and `overwrite` is not set.
    """
    if out.is_dir():
        raise ValueError(f"-o must be a file, but {str(out)!r} is a folder")
    if out.exists() and not overwrite:
        raise FileExistsError(f"{out} exists already; use --overwrite to replace it")


def without_results(
    sources: Sequence[Source],
    given: Sequence[Path],
    out: Path,
    name: str,
    left_out: list[ExcludedPath] | None = None,
) -> list[Source]:
    """Returns the images without results of earlier runs.

    Results are the images in `out`, and images with a record next to them. Images that
    were given by their own names are retained, as are those of a folder that contains
    only results.

    Args:
        sources: The images of `given`, as returned by `expand`.
        given: Files and folders of the command line.
        out: File or folder of the results.
        name: Name of the images in messages.
        left_out: List to which excluded paths are added.

    Raises:
        ValueError: If `out` is one of the folders, or no image remains.
    """
    sources = _without_recorded(sources, given, left_out)
    around = [path for path in given if path.is_dir() and is_within(out, path)]
    if not around:
        return list(sources)
    real = os.path.realpath(out)
    for folder in around:
        if os.path.realpath(folder) == real:
            raise ValueError(
                f"-o must be a folder other than {name} {str(folder)!r}, as the next "
                f"run would read its own results; use -o {str(folder / 'stylized')!r}"
            )
    own = {*given}
    left = [s for s in sources if s.path in own or not is_within(s.path, out)]
    if not left:
        raise ValueError(
            f"{name}: {str(around[0])!r} has no image outside -o {str(out)!r}"
        )
    if left_out is not None and len(left) < len(sources):
        number = len(sources) - len(left)
        left_out.append(
            ExcludedPath(out, f"{number} earlier results, in the folder of -o")
        )
    return left


def _without_recorded(
    sources: Sequence[Source],
    given: Sequence[Path],
    left_out: list[ExcludedPath] | None,
) -> Sequence[Source]:
    """Returns the images without those that have a record of an earlier run."""
    folders = [path for path in given if path.is_dir()]
    results: set[Path] = set()
    for folder in folders:
        inside = {s.path for s in sources if s.path.is_relative_to(folder)}
        found = {path for path in inside if record_path(path).is_file()}
        if found != inside:
            results |= found
    results -= {*given}
    if left_out is not None:
        for folder, number in sorted(Counter(p.parent for p in results).items()):
            several = "s" if number > 1 else ""
            reason = f"{number} result{several} of an earlier run"
            left_out.append(ExcludedPath(folder, reason))
    return [s for s in sources if s.path not in results]


def _find_meant(suffix: str, allowed: Collection[str]) -> str | None:
    if len(suffix) < _SUFFIX_LENGTHS.start:
        return None
    known = FILE_SUFFIXES
    if suffix in known and suffix not in allowed:
        return None
    matches = difflib.get_close_matches(suffix, sorted(allowed), 1, _LIKENESS)
    return matches[0] if matches else None


def _with_suffix(path: Path, suffix: str) -> str:
    return str(Path(str(path).rstrip(" .")).with_suffix(suffix))


def _listed(suffixes: Collection[str]) -> str:
    return ", ".join(sorted(suffixes))


_NUMBER_BYTES = 8
"""Bytes reserved for numbers that make equal names distinct."""


def find_targets(
    rows: Sequence[Row],
    out: Path,
    *,
    suffix: str | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Returns the file of every result, or `DASH`; creates the folder of results.

    Args:
        rows: The results.
        out: A file, a folder, or `DASH`.
        suffix: Suffix of the requested format, for example ".jpg".
        overwrite: Whether existing files may be replaced.

    Raises:
        ValueError: If two results have one file, or a format cannot be written.
        FileExistsError: If files exist, and `overwrite` is not set.
        OSError: If the folder cannot be written to.
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
    """Yields paths such as `folder/photo_painting.png`, made distinct by numbers.

    Names that are too long for file systems are shortened; see `files.short_stem`.

    Args:
        pairs: The results.
        folder: Folder of the results.
        suffix: Suffix of the names.
        chosen: Requested name of each pair; None for a name made from the pair.
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
        # Compared without case, because some file systems ignore it.
        name = next(name for name in names if name.casefold() not in seen)
        seen.add(name.casefold())
        yield folder / name


def _check_names(names: Sequence[Path | None], suffix: str | None) -> list[Path | None]:
    """Returns the names with suffixes.

    Raises:
        ValueError: If two are equal, or one has the suffix of another format.
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
