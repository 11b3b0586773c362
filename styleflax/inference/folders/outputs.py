"""Checks of output paths, before any work is done."""

import difflib
from collections.abc import Collection
from pathlib import Path

from styleflax.images.files import SUFFIXES_WRITTEN
from styleflax.images.listing import FILE_SUFFIXES, file_suffix, is_file_suffix
from styleflax.images.unread import VIDEO_SUFFIXES

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
