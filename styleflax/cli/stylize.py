"""`styleflax stylize`: photographs in the styles of paintings."""

import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image as PillowImage

from styleflax.data.images import (
    SUFFIXES_WRITTEN,
    load_image_u8,
    resize_short_side,
)
from styleflax.data.listing import list_images

Mix = tuple[Path, ...]
"""The styles of one picture."""


def stylize(
    photos: Annotated[list[Path], typer.Argument(help="Photographs, or folders.")],
    style: Annotated[
        list[Path], typer.Option(help="Paintings, or folders; every pair is made.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="A file for one pair, else a folder.")
    ],
    alpha: Annotated[float, typer.Option(help="Strength of the style, 0 to 1.")] = 1.0,
    blend: Annotated[
        str | None,
        typer.Option(help="All styles in one picture, by these shares: 0.7,0.3"),
    ] = None,
    level_balance: Annotated[
        float | None,
        typer.Option(help="SANet: 0 for relu4_1 alone, 1 for relu5_1; 0.5 is both."),
    ] = None,
    size: Annotated[
        int | None, typer.Option(help="Short side of the result; default its own.")
    ] = None,
    weights: Annotated[str, typer.Option(help="A name or a model file.")] = "adain",
    split_rows: Annotated[
        bool, typer.Option("--split-rows", help="Each picture over all devices.")
    ] = False,
    seed: Annotated[
        int, typer.Option(help="For methods that draw random numbers; AdaIN does not.")
    ] = 0,
) -> None:
    """Stylize photographs with paintings."""
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.inference import checks  # noqa: PLC0415
    from styleflax.inference.grouping import group_by_shape  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylized, Stylizer  # noqa: PLC0415

    del seed
    checks.check_alpha(alpha)
    if size is not None:
        checks.check_size(size)
    contents, styles = _expand(photos, "PHOTO"), _expand(style, "--style")
    mixes: list[Mix] = [(painting,) for painting in styles]
    shares = None
    if blend is not None:
        mixes = [tuple(styles)]
        shares = checks.check_weights(_numbers(blend), len(styles))
    targets = _targets(contents, mixes, out)
    stylizer = Stylizer.load(weights, split_rows=split_rows)
    extras = {} if level_balance is None else {"level_balance": level_balance}
    stylizer.check_extras(extras)
    for mix in mixes:
        encoded = [stylizer.encode_style(painting) for painting in mix]
        loaded = ((targets[photo, mix], _load(photo, size)) for photo in contents)
        for group in group_by_shape(loaded, stylizer.num_devices):
            pictures = np.stack([picture for _, picture in group])
            made = stylizer(
                pictures, encoded, alpha=alpha, weights=shares, size=None, **extras
            )
            for (target, _), array in zip(group, made.array, strict=True):
                Stylized(array).save(target)
                print(target)


def _load(photo: Path, size: int | None) -> np.ndarray:
    picture_u8 = load_image_u8(photo)
    return (
        picture_u8 if size is None else np.asarray(resize_short_side(picture_u8, size))
    )


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--blend must be numbers joined by commas, got {text!r}"
        ) from None


def spread_styles(arguments: Sequence[str]) -> list[str]:
    """Arguments where `--style A B` is `--style A --style B`.

    So that a shell's `--style paintings/*.jpg` works. Only where a photograph
    stands before `--style`: otherwise what follows the first painting are the
    photographs.
    """
    spread: list[str] = []
    photo_before = False
    option = ""
    for argument in arguments[1:]:
        if argument.startswith("-") and argument != "-":
            has_value = "=" in argument or argument[:2] not in ("--", argument)
            option = "" if has_value else argument  # as in --size=9 and -oOUT
        elif option == "--style":
            option = "more styles" if photo_before else ""
        elif option == "more styles":
            spread.append("--style")
        elif option:
            option = ""
        else:
            photo_before = True
        spread.append(argument)
    if list(arguments[:1]) != ["stylize"]:
        return list(arguments)
    return ["stylize", *spread]


def _expand(paths: Sequence[Path], name: str) -> list[Path]:
    """The pictures given, folders replaced by what is in them."""
    pictures: list[Path] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"{name}: there is no {str(path)!r}")
        found = list_images(path) if path.is_dir() else [path]
        if not found:
            raise ValueError(f"{name}: {str(path)!r} holds no picture")
        pictures += found
    return list(dict.fromkeys(pictures))


def _targets(
    contents: Sequence[Path], mixes: Sequence[Mix], out: Path
) -> dict[tuple[Path, Mix], Path]:
    """Where each picture goes, checked to be writable before any work is done."""
    pairs = [(content, mix) for mix in mixes for content in contents]
    is_file = out.suffix.lower() in SUFFIXES_WRITTEN and not out.is_dir()
    if is_file and len(pairs) > 1:
        raise ValueError(
            f"-o is the file {str(out)!r}, but there are {len(pairs)} pictures to "
            "write: give a folder"
        )
    if not is_file and not out.is_dir():
        _refuse_unknown_format(out)
    folder = out.parent if is_file else out
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"cannot write to {str(folder)!r}: {error.strerror}") from error
    if is_file:
        return {pairs[0]: out}
    return dict(zip(pairs, _names(pairs, folder), strict=True))


def _names(pairs: Sequence[tuple[Path, Mix]], folder: Path) -> Iterator[Path]:
    """`photo_painting.png`; a number where two pairs have the same names."""
    seen: set[str] = set()
    for content, mix in pairs:
        styles = "+".join(painting.stem for painting in mix)
        name = stem = f"{content.stem}_{styles}"
        numbered = (f"{stem}-{i}" for i in itertools.count(2))
        while name.casefold() in seen:  # some file systems ignore case
            name = next(numbered)
        seen.add(name.casefold())
        yield folder / f"{name}.png"


def _refuse_unknown_format(out: Path) -> None:
    suffix = out.suffix.lower()
    if suffix in PillowImage.registered_extensions():
        raise ValueError(
            f"cannot write {str(out)!r}: the suffix of a file must be one of "
            f"{', '.join(sorted(SUFFIXES_WRITTEN))}"
        )
