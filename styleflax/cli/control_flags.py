"""Flags of the stylizer's controls, for every command that stylizes."""

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from styleflax.images.decoding import MAX_MEGAPIXELS

if TYPE_CHECKING:  # imported late, as it takes a second
    from styleflax.inference.controls import ControlArguments, Plan


class Color(StrEnum):
    """Where colors come from: the style, or in one of three ways the photo."""

    STYLE = "style"
    CORAL = "coral"
    LUMINANCE = "luminance"
    LAB = "lab"


Exaggerate = Annotated[
    float | None,
    typer.Option(
        help="Multiply the strength by this factor, from 1 to 10, to go beyond "
        "--alpha 1."
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        help="Mask of a region, white inside, as FILE[:STYLE][@ALPHA]; may be "
        "repeated. FILE can be the word 'alpha' (the opacity of the photo) or "
        "'rest' (all that other masks leave). STYLE is the number of a --style "
        "from 1, or a share of each: 0.3,0.7. ALPHA is the strength. Select one "
        "label of a label map by its number or color: 'labels.png[3]' or "
        "'labels.png[#ff0000]'.",
    ),
]
Feather = Annotated[
    float, typer.Option(help="Width in pixels over which the edges of masks fade.")
]
WhatColor = Annotated[
    Color,
    typer.Option(
        "--color",
        help="Take the colors from the style, or keep those of the photo: coral and "
        "lab match color statistics, luminance keeps hues exactly.",
    ),
]
ColorMatch = Annotated[
    float | None,
    typer.Option(
        help="Move the colors of the result toward those of the painting, from 0 "
        "(not at all) to 1 (fully). Default: set by the weights."
    ),
]
Detail = Annotated[
    float | None,
    typer.Option(
        help="Restore fine detail of the photo below strength 1, from 0 (none) to 1 "
        "(all, so that --alpha 0 returns the photo). Default: set by the "
        "weights."
    ),
]
StyleSize = Annotated[
    int | None,
    typer.Option(
        help="Resize paintings to this short side in pixels before they are encoded. "
        "Default: their own size, at most 512."
    ),
]
RestoreSize = Annotated[
    bool,
    typer.Option(
        "--restore-size",
        help="Scale the result back to the size of the photo after --size.",
    ),
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        help="Shares of the styles at a time in seconds, as TIME:SHARES, for example "
        "0:1,0 and 2.5:0,1; may be repeated. Shares between keyframes are "
        "interpolated.",
    ),
]
SWITCHES = frozenset({"--restore-size"})
"""Flags that have no value."""

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


class Look(NamedTuple):
    """What a command line says of the look of results; see the flags' help.

    Attributes:
        alpha: Strength.
        blend: Shares of all styles in one picture, as text.
        exaggerate: Factor on the strength.
        mask: Masks of regions, as texts.
        feather: Width in px over which the edges of masks fade.
        color: Where colors come from.
        size: Short side of the result in px.
        restore_size: Whether the result is enlarged to the photo's size.
        style_size: Short side of paintings in px.
        level_balance: Between fine and coarse strokes, for SANet.
        max_megapixels: Most pixels of a mask.
        color_match: Share of the way to the painting's colors.
        detail: Share of the photo's detail that is added.
        refine: Iterations of optimization.
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
    max_megapixels: float = MAX_MEGAPIXELS
    color_match: float | None = None
    detail: float | None = None
    refine: int = 0


def control_arguments(num_styles: int, look: Look) -> "tuple[ControlArguments, Plan]":
    """Keyword arguments of `Stylizer.__call__`, and the plan that they make.

    Args:
        num_styles: Number of styles of the whole command.
        look: What the command line says of results.

    Raises:
        ValueError: If one of them is not possible.
        FileNotFoundError: If the file of a mask is missing.
    """
    from styleflax.inference.controls import make_plan  # noqa: PLC0415

    arguments: ControlArguments = {
        "alpha": look.alpha,
        "weights": None if look.blend is None else read_blend(look.blend),
        "exaggerate": look.exaggerate,
        "color": look.color.value,
        "size": look.size,
        "restore_size": look.restore_size,
        "style_size": look.style_size,
        "level_balance": look.level_balance,
        "refine": look.refine,
        "color_match": look.color_match,
        "detail": look.detail,
    }
    masks = look.mask or ()
    _add_masks(arguments, masks, look.feather, num_styles, look.max_megapixels)
    plan = make_plan(num_styles if one_picture(arguments) else 1, **arguments)
    return arguments, plan


def one_picture(arguments: "ControlArguments") -> bool:
    """Whether all styles belong into one picture, by shares or by masks.

    A single mask that names no style is combined with every style in turn.
    """
    return any(arguments.get(k) is not None for k in ("weights", "region_styles"))


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
    """The keyframes of `controls.schedule_weights`, from flags like `2.5:0,1`.

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


def _add_masks(
    arguments: "ControlArguments",
    masks: Sequence[str],
    feather: float,
    num_styles: int,
    max_megapixels: float,
) -> None:
    from styleflax.inference.masks.read import check_masks  # noqa: PLC0415

    if not masks:
        if feather:
            raise ValueError("--feather requires --mask")
        return
    flags = [read_mask_flag(text) for text in masks]
    blended = arguments["weights"] is not None
    sources = [flag.mask for flag in flags]
    arguments["masks"] = check_masks(sources, feather, max_megapixels)
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
