"""Sources of photos and styles: files, folders, standard input, style masks."""

import contextlib
import sys
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from styleflax.files import check_exists, check_file
from styleflax.images.decoding import ImageError, open_image
from styleflax.images.files import with_short_side
from styleflax.images.listing import (
    IMAGE_SUFFIXES,
    ExcludedPath,
    describe_excluded,
    is_tool_folder,
    list_folder,
)
from styleflax.images.read import Picture, read_picture

if TYPE_CHECKING:
    from styleflax.inference.controls import ControlArguments, Plan
    from styleflax.inference.stylizer import OneStyle, Stylizer

DASH = Path("-")
"""Path that means standard input or output."""
STYLE_SUFFIX = ".style"
STYLE_SUFFIXES = IMAGE_SUFFIXES | {STYLE_SUFFIX}
"""Suffixes of paintings and of style files."""


class Source(NamedTuple):
    """A photo or a style to read.

    Attributes:
        path: Path of its file, or `DASH`.
        below: Path of its folder, relative to the given folder.
        data: Bytes from standard input.
        is_own: Whether this is a built-in style of the model, whose name is `path`.
        mask: File of the mask of the part of a painting to use; None for all of it.
    """

    path: Path
    below: Path = Path()
    data: bytes | None = None
    is_own: bool = False
    mask: Path | None = None

    @property
    def stem(self) -> str:
        """The beginning of the names of its results."""
        if self.is_own:
            return str(self.path).replace("/", "_")
        return self.path.stem if self.data is None else "stdin"


Mix = tuple[Source, ...]
"""The styles of one result."""


Pair = tuple[Source, Mix]
"""A photo with the styles of one result."""


class Row(NamedTuple):
    """One result to make.

    Attributes:
        content: The photo.
        mix: The styles.
        alpha: Strength of the style.
        output: Path of the file, relative to the folder of results.
    """

    content: Source
    mix: Mix
    alpha: float
    output: Path | None = None


def mixes_of(styles: Sequence[Source], *, together: bool) -> list[Mix]:
    """Returns the mixes of every photo: all styles in one, or each style alone."""
    return [tuple(styles)] if together else [(one,) for one in styles]


def count_sizes(photos: Sequence[Source], size_px: int | None) -> int:
    """Returns the number of distinct sizes of photos, according to their headers.

    Photos whose header cannot be read are ignored here, as reading them gives an error
    later. A single photo is not opened.

    Args:
        photos: The photos.
        size_px: Short side to which they will be resized, or None.
    """
    if len(photos) == 1:
        return 1
    sizes = set()
    for photo in photos:
        if photo.data is None and photo.path.is_fifo():
            continue  # standard input cannot be read twice
        file = photo.path if photo.data is None else photo.data
        with contextlib.suppress(OSError, ValueError), open_image(file) as header:
            size = header.size
            sizes.add(size if size_px is None else with_short_side(size, size_px))
    return len(sizes)


def expand(
    paths: Sequence[Path],
    name: str,
    suffixes: Set[str] = IMAGE_SUFFIXES,
    *,
    repeats: bool = False,
    left_out: list[ExcludedPath] | None = None,
) -> list[Source]:
    """Returns the given images, with folders replaced by the images in them.

    Args:
        paths: Files and folders of the command line.
        name: Name of the argument in messages.
        suffixes: Suffixes of the files to use in folders.
        repeats: Whether an image that is given twice is used twice.
        left_out: List to which files that are not images are added, with reasons.

    Raises:
        FileNotFoundError: If a path does not exist.
        ValueError: If a folder has no image, one of them is a URL, or standard
            input is a terminal.
    """
    left_out = [] if left_out is None else left_out
    sources: list[Source] = []
    for path in paths:
        if path == DASH:
            known = [source for source in sources if source.data is not None]
            sources += known[:1] or [Source(DASH, data=_standard_input(name))]
            continue
        check_exists(path, name)
        if not path.is_dir():
            sources.append(Source(path))
        elif len(paths) > 1 and is_tool_folder(path.name):  # as a shell's * finds it
            left_out.append(ExcludedPath(path, "hidden, or made by a tool"))
        else:
            sources += _of_folder(path, name, suffixes, left_out)
    return sources if repeats else _without_repeats(sources)


def _without_repeats(sources: Sequence[Source]) -> list[Source]:
    firsts: dict[Path, Source] = {}
    for source in sources:
        firsts.setdefault(source.path, source)
    return list(firsts.values())


def expand_styles(
    paths: Sequence[Path] | None,
    weights: str,
    *,
    repeats: bool = False,
    left_out: list[ExcludedPath] | None = None,
) -> list[Source]:
    """Returns the given styles: paintings, style files, or built-in styles.

    Args:
        paths: Files, folders and names of the command line; None for none.
        weights: Name or file of the model. Its built-in styles are given by name or
            number from 1; a single built-in style is the default.
        repeats: Whether a style that is given twice is used twice.
        left_out: List to which files that are not images are added, with reasons.

    Raises:
        FileNotFoundError: If a path or the model does not exist.
        ValueError: If there is no style, or the model has none of this name.
    """
    from styleflax.weights.store import own_styles  # noqa: PLC0415  (imports JAX)

    names = own_styles(weights)
    if not names:
        if not paths:
            raise ValueError("--style is missing: give at least one painting")
        return expand(
            paths, "--style", STYLE_SUFFIXES, repeats=repeats, left_out=left_out
        )
    from styleflax.inference.styles.encode import find_style  # noqa: PLC0415  (JAX)

    sources: list[Source] = []
    style_paths: list[Path | None] = [*paths] if paths else [None]
    for path in style_paths:
        if path is not None and path.suffix.lower() == STYLE_SUFFIX:
            sources += expand([path], "--style")
        else:
            name = Path(names[find_style(names, path)])
            sources.append(Source(name, is_own=True))
    return sources if repeats else _without_repeats(sources)


def check_max_megapixels(value: float) -> None:
    """Checks a limit on the size of images.

    Raises:
        ValueError: If it is not above 0.
    """
    if not value > 0:  # so that NaN fails too
        raise ValueError(f"--max-megapixels must be above 0, got {value}")


def refuse_two_inputs(contents: Sequence[Path], styles: Sequence[Path]) -> None:
    """Checks that standard input is not used for both photo and style.

    Raises:
        ValueError: If it is used for both.
    """
    if DASH in contents and DASH in styles:
        raise ValueError(
            "- cannot be both PHOTO and --style: standard input is read once"
        )


def read_source(source: Source, max_megapixels: float) -> Picture:
    """Returns the decoded image of a source.

    Raises:
        FileNotFoundError: If the file no longer exists.
        ImageError: If it is not an image, is damaged, too small or too large.
    """
    if source.data is None:
        return read_picture(source.path, max_megapixels=max_megapixels)
    try:
        return read_picture(source.data, max_megapixels=max_megapixels)
    except ImageError as error:
        text = str(error).replace("the data", "standard input", 1)
        raise ImageError(text) from None


def read_mix(
    mix: Sequence[Source],
    stylizer: "Stylizer",
    plan: "Plan",
    max_megapixels: float,
    warn: Callable[[str], None],
) -> "list[OneStyle]":
    """Returns styles as a stylizer takes them, read once for many contents.

    Args:
        mix: The styles of one result.
        stylizer: The stylizer that takes them.
        plan: The plan of the results.
        max_megapixels: Largest image that is read, in megapixels.
        warn: Function that receives a line for each part of a file that is ignored.

    Raises:
        ValueError: If a style cannot be used.
        FileNotFoundError: If a style is missing.
    """
    parts = [read_part(source, max_megapixels) for source in mix]
    styles: list[OneStyle] = []
    for source in mix:
        if source.is_own:
            styles.append(str(source.path))
        elif source.path.suffix.lower() == STYLE_SUFFIX:
            styles.append(source.path)
        else:
            picture = read_source(source, max_megapixels)
            for note in picture.notes:
                warn(note)
            styles.append(picture.on_white())
    return stylizer.read_styles(styles, plan, parts)


def _of_folder(
    folder: Path, name: str, suffixes: Set[str], left_out: list[ExcludedPath]
) -> list[Source]:
    images, others = list_folder(folder, suffixes)
    if not images:
        held = f": {describe_excluded(others)}" if others else ""
        raise ValueError(f"{name}: {str(folder)!r} has no image{held}")
    left_out += others
    return [Source(path, path.parent.relative_to(folder)) for path in images]


def _standard_input(name: str) -> bytes:
    if sys.stdin.isatty():
        raise ValueError(f"{name} is -, but nothing is piped into standard input")
    return sys.stdin.buffer.read()


class StyleMask(NamedTuple):
    """A mask of the part of a painting to use.

    Attributes:
        file: Path of an image that is white inside, or of a label of a label map.
        style: Number of its painting from 1; None for the painting at the position of
            the mask.
    """

    file: Path
    style: int | None = None


def one_picture(arguments: "ControlArguments") -> bool:
    """Returns whether all styles are combined in one result, by shares or by masks.

    A single mask without a style applies to each style separately.
    """
    return any(arguments.get(k) is not None for k in ("weights", "region_styles"))


def read_part(source: Source, max_megapixels: float) -> np.ndarray | None:
    """Returns the mask of a painting; None if it has none.

    Raises:
        ImageError: If it cannot be read.
    """
    from styleflax.inference.masks.read import read_mask  # noqa: PLC0415

    if source.mask is None:
        return None
    return read_mask(source.mask, f"the mask of {source.path}", max_megapixels)


def assign_style_masks(
    masks: Sequence[StyleMask], num_styles: int
) -> list[Path | None]:
    """Returns the mask of every style; None for styles without a mask.

    Raises:
        ValueError: If a style does not exist, or has two masks.
        FileNotFoundError: If a mask is missing.
    """
    files: list[Path | None] = [None] * num_styles
    for place, (file, given) in enumerate(masks, 1):
        style = place if given is None else given
        if not 1 <= style <= num_styles:
            raise ValueError(
                f"--style-mask {file}: STYLE must be from 1 to {num_styles}"
            )
        if files[style - 1] is not None:
            raise ValueError(
                f"--style-mask {file}: painting {style} has a mask already"
            )
        files[style - 1] = file
    check_style_masks(files)
    return files


def add_style_masks(
    styles: Sequence[Source], masks: Sequence[StyleMask]
) -> list[Source]:
    """Returns the styles with their masks.

    Raises:
        ValueError: If a style does not exist, has two masks, or has no pixels.
        FileNotFoundError: If a mask is missing.
    """
    assigned = assign_style_masks(masks, len(styles))
    for source, mask in zip(styles, assigned, strict=True):
        is_encoded = source.data is None and source.path.suffix.lower() == STYLE_SUFFIX
        if mask is not None and (source.is_own or is_encoded):
            raise ValueError(
                f"--style-mask {mask} requires a painting with pixels; {source.path} "
                "has none"
            )
    pairs = zip(styles, assigned, strict=True)
    return [source._replace(mask=mask) for source, mask in pairs]


def check_style_masks(masks: Sequence[Path | None]) -> None:
    """Checks that masks of styles are files.

    Raises:
        ValueError: If one is a folder, a URL, or a word that only `--mask` accepts.
        FileNotFoundError: If one is missing.
    """
    from styleflax.inference.masks.read import (  # noqa: PLC0415
        ALPHA,
        REST,
        mask_file,
    )

    for mask in filter(None, masks):
        if str(mask) in {ALPHA, REST} and not mask.exists():
            raise ValueError(
                f"--style-mask must be an image file, got {str(mask)!r}, a word for "
                "--mask alone; to use the opacity of a painting, save it as an image "
                "that is white where the painting counts"
            )
        check_file(mask_file(mask), "--style-mask", "an image")
