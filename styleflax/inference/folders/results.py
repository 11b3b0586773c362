"""Rows of results, the files they are written to, and a watcher of the outcome."""

import itertools
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from styleflax.files import MAX_NAME_BYTES, make_folder, short_stem
from styleflax.images.files import SUFFIXES_WRITTEN, save_options
from styleflax.images.listing import ExcludedPath
from styleflax.inference.folders.outputs import check_file_or_folder
from styleflax.inference.folders.records import without_results
from styleflax.inference.folders.sources import (
    DASH,
    Pair,
    Row,
    Source,
    StyleMask,
    add_style_masks,
    expand,
    expand_styles,
    mixes_of,
)
from styleflax.memory import describe_error

logger = logging.getLogger(__name__)

_NUMBER_BYTES = 8
"""Bytes reserved for numbers that make equal names distinct."""


class Given(NamedTuple):
    """Photos and styles as given on the command line.

    Attributes:
        photos: Files and folders.
        styles: Files and folders, or names of the model's own styles.
        style_masks: Masks of the parts of the paintings to use.
        weights: Name or file of the model.
        out: File or folder to be written.
        left_out: List to which files that are not images are added, with reasons.
    """

    photos: Sequence[Path]
    styles: Sequence[Path]
    style_masks: Sequence[StyleMask]
    weights: str
    out: Path
    left_out: list[ExcludedPath]


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
    contents, styles = expand_given(given, repeats=False, repeats_styles=repeats)
    mixes = mixes_of(styles, together=together(len(styles)))
    rows = [Row(content, mix, alpha) for mix in mixes for content in contents]
    return rows, len(styles)


def expand_given(
    given: Given, *, repeats: bool, repeats_styles: bool
) -> tuple[list[Source], list[Source]]:
    """Returns photos and styles, with folders replaced by their images.

    Args:
        given: Photos and styles, and the masks of the styles.
        repeats: Whether a photo that is given twice counts twice.
        repeats_styles: Whether a style that is given twice is used twice; with masks,
            it always is.

    Raises:
        ValueError: If `expand`, `expand_styles`, `add_style_masks` or
            `without_results` refuses the arguments.
        FileNotFoundError: If a photo, a style or a mask is missing.
    """
    left_out = given.left_out

    def without_earlier(
        sources: list[Source], paths: Sequence[Path], name: str
    ) -> list[Source]:
        if not any(path.is_dir() for path in paths):  # each was given by its name
            return sources
        return without_results(sources, paths, given.out, name, left_out)

    contents = expand(given.photos, "PHOTO", repeats=repeats, left_out=left_out)
    contents = without_earlier(contents, given.photos, "PHOTO")
    repeats = repeats_styles or bool(given.style_masks)
    styles = expand_styles(
        given.styles, given.weights, repeats=repeats, left_out=left_out
    )
    styles = without_earlier(styles, given.styles, "--style")
    return contents, add_style_masks(styles, given.style_masks)


def group_rows(
    rows: Sequence[Row], targets: Sequence[Path]
) -> list[tuple[float, dict[Pair, Path]]]:
    """Returns groups of results: their strength, and the file of every pair.

    A pair that comes twice with one strength is in two groups.

    Args:
        rows: The results.
        targets: Their files.
    """
    groups: dict[tuple[float, int], dict[Pair, Path]] = {}
    for row, target in zip(rows, targets, strict=True):
        repeat = 0
        while (row.content, row.mix) in groups.get((row.alpha, repeat), {}):
            repeat += 1
        group = groups.setdefault((row.alpha, repeat), {})
        group[row.content, row.mix] = target
    return [(alpha, pairs) for (alpha, _), pairs in groups.items()]


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
        names = _check_names([row.output for row in rows], suffix)
        targets = list(pair_names(pairs, out, suffix or ".png", names))
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
    taken_names: set[str] = set()
    complete: list[Path | None] = []
    for name in names:
        if name is not None and not name.suffix:
            name = name.with_name(f"{name.name}{suffix or '.png'}")  # noqa: PLW2901
        if name is not None:
            _refuse_other_format(f"output {str(name)!r}", name, suffix)
            if str(name).casefold() in taken_names:
                raise ValueError(
                    f"output must differ from row to row, got {str(name)!r} twice"
                )
            taken_names.add(str(name).casefold())
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


def check_resume(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Checks that `--resume` is possible.

    Raises:
        ValueError: If `--overwrite` is also set, or the output is standard output.
    """
    if not resume:
        return
    if out == DASH:
        raise ValueError("--resume requires files, but -o is standard output")
    if overwrite:
        raise ValueError(
            "--resume and --overwrite cannot be combined; give one of them"
        )


_SHOWN = 3


class DiskFullError(OSError):
    """Raised when the disk is full, which ends the work on all results."""


def describe_missing(written: int, missing: Iterable[Path], *, can_resume: bool) -> str:
    """Returns a line that lists the results missing after a full disk, with advice."""
    paths = [str(path) for path in missing]
    rest = len(paths) - _SHOWN
    shown = ", ".join(paths[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
    how = "free space and run the same command with --resume"
    if not can_resume:
        how = "free space and run the same command again"
    results = "1 result is" if written == 1 else f"{written} results are"
    verb = "is" if len(paths) == 1 else "are"
    return (
        f"the disk is full: {results} written, {len(paths)} {verb} missing "
        f"({shown}); {how}"
    )


class Watcher:
    """Collects the outcome of all results; subclasses also show it.

    Attributes:
        written: Files that were written.
        skipped: Complete files of an earlier call.
        failed: Errors by photo and styles.
        num_failed: Number of results that could not be made.
        on_window: Called with the numbers of windows done and of all; may be None.
        on_step: Called with the numbers of iterations done and of all; may be None.
    """

    on_window: Callable[[int, int], None] | None = None
    on_step: Callable[[int, int], None] | None = None

    def __init__(self) -> None:
        self.written: list[Path] = []
        self.skipped: list[Path] = []
        self.failed: dict[str, str] = {}
        self.num_failed = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Encloses a phase: "weights" (loading the model) or "run" (the work)."""
        del name
        yield

    def done(
        self,
        pair: Pair,
        target: Path,
        size: tuple[int, int],
        seconds: float,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Records a result.

        Args:
            pair: The photo and its styles.
            target: The file of the result.
            size: Width and height of the result in pixels.
            seconds: Time of the result, including its share of a batch.
            notes: One line for each part of the photo's file that was ignored.
        """
        del pair, size, seconds
        for note in notes:
            self.warn(note)
        self.written.append(target)

    def skip(self, skipped: Sequence[tuple[Pair, Path]]) -> None:
        """Records results that were complete already."""
        self.skipped += [target for _, target in skipped]

    def fail(self, pair: Pair, error: Exception) -> None:
        """Records a result that failed."""
        content, mix = pair
        key = str(content.path), "+".join(str(style.path) for style in mix)
        self.failed[" in the style of ".join(key)] = describe_error(error)
        self.num_failed += 1

    def warn(self, text: str) -> None:
        """Records a warning."""
        logger.warning("%s", text)

    @contextmanager
    def stopping_when_full(
        self, targets: Iterable[Path], *, can_resume: bool
    ) -> Iterator[None]:
        """Ends the work within the block if the disk is full.

        Args:
            targets: The files of all results that are not skipped.
            can_resume: Whether the results are recorded.

        Raises:
            OSError: If the disk is full; the error lists the missing files.
        """
        try:
            yield
        except DiskFullError as error:
            missing = [target for target in targets if target not in self.written]
            written = len(self.skipped) + len(self.written)
            failure = OSError(describe_missing(written, missing, can_resume=can_resume))
            failure.errno = error.errno
            raise failure from None
