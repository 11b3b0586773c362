"""Flags of the stylizer's controls, for every command that stylizes."""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

if TYPE_CHECKING:  # imported late, as it takes a second
    from styleflax.inference.stylizer import OneStyle, Stylizer


class Color(StrEnum):
    """Whose colours a picture has: the style's, or in one of three ways its own."""

    STYLE = "style"
    CORAL = "coral"
    LUMINANCE = "luminance"
    LAB = "lab"


Exaggerate = Annotated[
    float | None, typer.Option(help="Factor above 1 on the strength, beyond alpha 1.")
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        help="Where a style goes: FILE[:STYLE][@ALPHA], white is in; may be repeated. "
        "FILE can be 'alpha', the photograph's own, or 'rest', what others leave. "
        "STYLE is the number of a --style, or shares of all: 0.3,0.7.",
    ),
]
Feather = Annotated[float, typer.Option(help="Px over which edges of masks fade.")]
WhatColor = Annotated[
    Color, typer.Option("--color", help="Keep the photograph's colours, or not.")
]
StyleSize = Annotated[
    int | None, typer.Option(help="Short side at which paintings are seen.")
]
RestoreSize = Annotated[
    bool, typer.Option("--restore-size", help="Back to the size before --size.")
]
Keyframes = Annotated[
    list[str] | None,
    typer.Option(
        "--keyframe",
        help="TIME:SHARES in seconds, as 0:1,0 and then 2.5:0,1; may be repeated.",
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


def control_arguments(
    num_styles: int,
    *,
    exaggerate: float | None = None,
    mask: Sequence[str] | None = None,
    feather: float = 0.0,
    color: Color = Color.STYLE,
    size: int | None = None,
    restore_size: bool = False,
    style_size: int | None = None,
) -> dict[str, Any]:
    """Keyword arguments of `Stylizer.__call__`, all of them checked, masks read.

    Args:
        num_styles: Of the whole command.
        exaggerate: As given on the command line, and so are the others.
        mask: The same.
        feather: The same.
        color: The same.
        size: The same.
        restore_size: The same.
        style_size: The same.

    Raises:
        ValueError: If one of them is not possible.
        FileNotFoundError: If the file of a mask is missing.
    """
    from styleflax.inference.controls import make_plan  # noqa: PLC0415

    if feather and not mask:
        raise ValueError("--feather is of masks: give --mask")
    arguments: dict[str, Any] = {
        "exaggerate": exaggerate,
        "color": color.value,
        "size": size,
        "restore_size": restore_size,
        "style_size": style_size,
        **_mask_arguments([read_mask_flag(text) for text in mask or ()], num_styles),
    }
    if mask:
        arguments["feather"] = feather
    together = num_styles if one_picture(arguments) else 1
    plan = make_plan(together, **arguments)
    if mask:
        arguments["masks"] = plan.masking  # so that files are read once
    return arguments


def one_picture(arguments: Mapping[str, Any]) -> bool:
    """Whether all styles belong into one picture, as masks say where each goes.

    A single mask that names no style is of every style by itself.
    """
    return arguments.get("region_styles") is not None


def prepare_style(
    stylizer: "Stylizer", style: "OneStyle", arguments: Mapping[str, Any]
) -> "OneStyle":
    """A style read once for many contents; then call with `without_styles`.

    Args:
        stylizer: To be called.
        style: A picture or the path of a style file.
        arguments: Of `control_arguments`.
    """
    color, size = arguments.get("color", "style"), arguments.get("style_size")
    return stylizer.prepare_style(style, color, size)


def without_styles(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments less those that `prepare_style` has obeyed."""
    return {k: v for k, v in arguments.items() if k != "style_size"}


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


def _mask_arguments(masks: Sequence[MaskFlag], num_styles: int) -> dict[str, Any]:
    if not masks:
        return {}
    arguments: dict[str, Any] = {
        "masks": [flag.mask for flag in masks],
        "region_alphas": [flag.alpha for flag in masks],
    }
    if len(masks) == 1 and masks[0].style is None:
        return arguments
    styles: list[int | list[float]] = []
    for place, flag in enumerate(masks, 1):
        style = flag.style
        if style is None:
            style = 1 if num_styles == 1 else place
        if isinstance(style, int) and not 1 <= style <= num_styles:
            raise ValueError(
                f"--mask {flag.mask}: style {style} is not there; there are "
                f"{num_styles}"
            )
        styles.append(style - 1 if isinstance(style, int) else style)
    return {**arguments, "region_styles": styles}
