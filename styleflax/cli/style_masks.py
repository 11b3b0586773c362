"""Flags of the parts of paintings that count."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from styleflax.cli.control_flags import read_mask_flag
from styleflax.cli.output_paths import without_results
from styleflax.cli.stylize_inputs import STYLE_SUFFIX, Source, expand_styles
from styleflax.files import check_file
from styleflax.images.listing import LeftOut

StyleMasks = Annotated[
    list[str] | None,
    typer.Option(
        "--style-mask",
        help="Mask of the part of a painting to use, white inside, as FILE[:STYLE]; "
        "may be repeated. STYLE is the number of its --style from 1. Default: "
        "masks belong to the styles in order (those of a folder by name). "
        "Labels are selected as for --mask.",
    ),
]


def masked_styles(
    paths: Sequence[Path] | None,
    weights: str,
    flags: Sequence[str] | None,
    out: Path,
    *,
    repeats: bool,
    left_out: list[LeftOut] | None = None,
) -> list[Source]:
    """The styles of a command with their masks.

    Args:
        paths: As for `expand_styles`.
        weights: As for `expand_styles`.
        flags: Flags of `StyleMasks`; where there are any, repeats count.
        out: What is to be written; no style is taken from there.
        repeats: As for `expand_styles`.
        left_out: As for `expand_styles`.

    Raises:
        ValueError: As `expand_styles` and `read_style_masks` do, and if a style with a
            mask has no pixels.
        FileNotFoundError: The same.
    """
    repeats = repeats or bool(flags)
    styles = expand_styles(paths, weights, repeats=repeats, left_out=left_out)
    styles = without_results(styles, paths or (), out, "--style", left_out)
    return add_style_masks(styles, flags)


def add_style_masks(
    styles: Sequence[Source], flags: Sequence[str] | None
) -> list[Source]:
    """The styles with their masks.

    Raises:
        ValueError: As `read_style_masks` does, and if a style has no pixels.
        FileNotFoundError: The same.
    """
    masks = read_style_masks(flags, len(styles))
    for source, mask in zip(styles, masks, strict=True):
        kept = source.data is None and source.path.suffix.lower() == STYLE_SUFFIX
        if mask is not None and (source.is_own or kept):
            raise ValueError(
                f"--style-mask {mask} requires a painting with pixels; {source.path} "
                "has none"
            )
    pairs = zip(styles, masks, strict=True)
    return [source._replace(mask=mask) for source, mask in pairs]


def read_part(source: Source, max_megapixels: float) -> np.ndarray | None:
    """The mask of a painting, if it has one.

    Raises:
        ImageError: If it cannot be read.
    """
    from styleflax.inference.masks.read import read_mask  # noqa: PLC0415

    if source.mask is None:
        return None
    return read_mask(source.mask, f"the mask of {source.path}", max_megapixels)


def read_style_masks(flags: Sequence[str] | None, num_styles: int) -> list[Path | None]:
    """The mask of every style, or None, from flags FILE[:STYLE].

    Raises:
        ValueError: If a style is not there, or has two masks.
        FileNotFoundError: If a mask is not there.
    """
    masks: list[Path | None] = [None] * num_styles
    for number, text in enumerate(flags or (), 1):
        flag = read_mask_flag(text)
        if flag.alpha != 1.0:
            raise ValueError(f"--style-mask {text}: @ALPHA is allowed in --mask only")
        style = number if flag.style is None else flag.style
        if not isinstance(style, int) or not 1 <= style <= num_styles:
            raise ValueError(
                f"--style-mask {text}: STYLE must be from 1 to {num_styles}"
            )
        if masks[style - 1] is not None:
            raise ValueError(
                f"--style-mask {text}: painting {style} has a mask already"
            )
        masks[style - 1] = Path(flag.mask)
    check_style_masks(masks)
    return masks


def check_style_masks(masks: Sequence[Path | None]) -> None:
    """Refuses masks of styles that are not files.

    Raises:
        ValueError: If one is a folder, a URL, or a word that only `--mask` knows.
        FileNotFoundError: If one is not there.
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
