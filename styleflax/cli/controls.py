"""Options of how results look, read into the controls of a stylizer."""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from styleflax.cli.options import Color
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.inference.folders.results import Given, all_rows
from styleflax.inference.folders.sources import Row, StyleMask, one_picture

if TYPE_CHECKING:  # imported late, as it takes a second
    from styleflax.inference.controls import ControlArguments, Plan

_NUMBER = r"\d*\.?\d+"
_MASK = re.compile(
    rf"(?P<mask>.+?)(?::(?P<style>\d+|{_NUMBER}(?:,{_NUMBER})+))?(?:@(?P<alpha>{_NUMBER}))?"
)


class MaskFlag(NamedTuple):
    """One `--mask`.

    Attributes:
        mask: A file, "alpha" or "rest".
        style: Number of a style from 1, shares of all styles, or None.
        alpha: Strength.
    """

    mask: str
    style: int | list[float] | None
    alpha: float


class Looks(NamedTuple):
    """The options of how a result looks, as on the command line.

    Attributes:
        alpha: Value of --alpha.
        blend: Value of --blend.
        exaggerate: Value of --exaggerate.
        mask: Values of --mask.
        feather: Value of --feather.
        color: Value of --color.
        size: Value of --size.
        restore_size: Whether --restore-size is given.
        style_size: Value of --style-size.
        level_balance: Value of --level-balance.
        color_match: Value of --color-match.
        detail: Value of --detail.
        refine: Value of --refine.
        max_megapixels: Value of --max-megapixels, for the files of masks.
    """

    alpha: float = 1.0
    blend: str | None = None
    exaggerate: float | None = None
    mask: Sequence[str] | None = None
    feather: float = 0.0
    color: Color = Color.STYLE
    size: int | None = None
    restore_size: bool = False
    style_size: int | None = None
    level_balance: float | None = None
    color_match: float | None = None
    detail: float | None = None
    refine: int = 0
    max_megapixels: float = MAX_MEGAPIXELS


def looks_of(arguments: Mapping[str, Any]) -> Looks:
    """Returns the options of how results look among a command's arguments.

    Args:
        arguments: Values of a command's options by name, as `locals()` has them.
    """
    return Looks(**{k: arguments[k] for k in Looks._fields if k in arguments})


def read_looks(looks: Looks, num_styles: int) -> "tuple[ControlArguments, Plan]":
    """Returns keyword arguments of `Stylizer.__call__`, and the plan that they make.

    Args:
        looks: The options.
        num_styles: Number of styles of the whole command.

    Raises:
        ValueError: If one of the options is not possible.
        FileNotFoundError: If the file of a mask is missing.
    """
    from styleflax.inference.controls import make_plan  # noqa: PLC0415

    arguments: ControlArguments = {
        "alpha": looks.alpha,
        "weights": None if looks.blend is None else read_blend(looks.blend),
        "exaggerate": looks.exaggerate,
        "color": looks.color.value,
        "size": looks.size,
        "restore_size": looks.restore_size,
        "style_size": looks.style_size,
        "level_balance": looks.level_balance,
        "refine": looks.refine,
        "color_match": looks.color_match,
        "detail": looks.detail,
    }
    _add_masks(arguments, looks, num_styles)
    plan = make_plan(num_styles if one_picture(arguments) else 1, **arguments)
    return arguments, plan


def all_pairs(
    given: Given, looks: Looks
) -> "tuple[list[Row], Callable[[float], tuple[ControlArguments, Plan]]]":
    """Returns every photo with every style, or with all of them in one result.

    Args:
        given: Photos and styles.
        looks: The options.

    Returns:
        The results to make, and a function from a strength to controls and their plan.

    Raises:
        ValueError: If a photo, a style or an option cannot be used.
        FileNotFoundError: If a photo, a style or a mask is missing.
    """

    @functools.cache  # so that masks are read once
    def controls_for(num_styles: int, alpha: float) -> "tuple[ControlArguments, Plan]":
        return read_looks(looks._replace(alpha=alpha), num_styles)

    def together(num_styles: int) -> bool:
        return one_picture(controls_for(num_styles, looks.alpha)[0])

    repeats = bool(looks.mask or looks.blend)
    rows, num_styles = all_rows(given, looks.alpha, together, repeats=repeats)
    return rows, functools.partial(controls_for, num_styles)


def read_blend(text: str) -> list[float]:
    """The shares in `0.7,0.3`.

    Raises:
        ValueError: If they are no numbers.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(
            f"--blend must be numbers joined by commas, got {text!r}"
        ) from None


def read_mask_flag(text: str) -> MaskFlag:
    """The parts of FILE[:STYLE][@ALPHA]; a file of the whole name comes first."""
    match = _MASK.fullmatch(text)
    if match is None or Path(text).exists():
        return MaskFlag(text, None, 1.0)
    shares = (match["style"] or "").split(",")
    style: int | list[float] | None = [float(x) for x in shares] if shares[1:] else None
    if match["style"] and style is None:
        style = int(match["style"])
    return MaskFlag(match["mask"], style, float(match["alpha"] or 1.0))


def read_keyframes(keyframes: Sequence[str]) -> list[tuple[float, list[float]]]:
    """The keyframes of `inference.schedule_weights`, from flags like `2.5:0,1`.

    Raises:
        ValueError: If one does not read so.
    """
    found = []
    for text in keyframes:
        time, _, shares = text.partition(":")
        try:
            found.append((float(time), [float(share) for share in shares.split(",")]))
        except ValueError:
            raise ValueError(
                f"--keyframe must be TIME:SHARES as in 2.5:0,1, got {text!r}"
            ) from None
    return found


def _add_masks(arguments: "ControlArguments", looks: Looks, num_styles: int) -> None:
    from styleflax.inference.masks.read import check_masks  # noqa: PLC0415

    if not looks.mask:
        if looks.feather:
            raise ValueError("--feather requires --mask")
        return
    flags = [read_mask_flag(text) for text in looks.mask]
    blended = arguments["weights"] is not None
    sources = [flag.mask for flag in flags]
    arguments["masks"] = check_masks(sources, looks.feather, looks.max_megapixels)
    arguments["region_alphas"] = [flag.alpha for flag in flags]
    arguments["region_styles"] = _region_styles(flags, num_styles, blended=blended)


def _region_styles(
    masks: Sequence[MaskFlag], num_styles: int, *, blended: bool
) -> list[int | list[float]] | None:
    """What the masks say of styles, counted from 0; None if they say nothing."""
    named = any(flag.style is not None for flag in masks)
    if not named and (blended or len(masks) == 1):
        return None
    styles: list[int | list[float]] = []
    for place, flag in enumerate(masks, 1):
        style = flag.style
        if style is None:
            style = 1 if num_styles == 1 else place
        if isinstance(style, int) and not 1 <= style <= num_styles:
            raise ValueError(
                f"--mask {flag.mask}: there is no style {style}, but {num_styles} of "
                "--style"
            )
        styles.append(style - 1 if isinstance(style, int) else style)
    return styles


def read_style_masks(flags: Sequence[str] | None) -> list[StyleMask]:
    """Returns the parts of FILE[:STYLE] of every `--style-mask`.

    Raises:
        ValueError: If one has a strength or shares of styles.
    """
    masks = []
    for text in flags or ():
        flag = read_mask_flag(text)
        if flag.alpha != 1.0:
            raise ValueError(f"--style-mask {text}: @ALPHA is allowed in --mask only")
        if isinstance(flag.style, list):
            raise ValueError(  # noqa: TRY004  (a mistake on the command line)
                f"--style-mask {text}: STYLE must be the number of a style"
            )
        masks.append(StyleMask(Path(flag.mask), flag.style))
    return masks
