"""What follows decoding in all methods: the photo's detail, the paintings' colors."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.color_match import (
    Palette,
    color_moments,
    color_palette,
    match_chroma,
    mix_palettes,
)
from styleflax.ops.spatial import area_average
from styleflax.types import Image

PALETTE = "palette"
"""Under this name a style has the mean and covariance of its painting's colors."""


def with_palette(
    style: Mapping[str, Any], inputs: Mapping[str, Array]
) -> dict[str, Any]:
    """What a method retains of a painting, and the painting's palette.

    Args:
        style: As `Method.encode_style` returned it.
        inputs: What that was given; with a "mask" only that part counts.
    """
    image, part = inputs["image"], inputs.get("mask")
    if part is not None:
        part = area_average(part, *image.shape[1:3])
    return {**style, PALETTE: color_palette(image, part)._asdict()}


def add_palette(
    style: Mapping[str, Any], palette: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """A style with the palette that a model file has of it, if it has one."""
    if palette is None:
        return style
    arrays = {name: jnp.asarray(palette[name], jnp.float32) for name in Palette._fields}
    return {**style, PALETTE: arrays}


def without_palettes(styles: Sequence[Any]) -> list[Any]:
    """What the methods themselves retain of paintings."""
    return [
        {k: v for k, v in style.items() if k != PALETTE}
        if has_palette(style)
        else style
        for style in styles
    ]


def palettes_alone(styles: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What the color step needs of paintings, of one shape for all methods."""
    return [{PALETTE: style[PALETTE]} for style in styles]


def has_palette(style: Any) -> bool:
    """Whether the painting's colors are known; style files of version 1 lack them."""
    return isinstance(style, Mapping) and PALETTE in style


def mixed_palette(
    styles: Sequence[Mapping[str, Any]], weights: Float[Array, "r s"]
) -> Palette:
    """The palette of every region; see `ops.color_match.mix_palettes`."""
    palettes = [style[PALETTE] for style in styles]
    stacked = [jnp.concatenate([p[name] for p in palettes]) for name in Palette._fields]
    return mix_palettes(Palette(*stacked), weights)


def add_detail(
    image: Image,
    content: Image,
    reproduction: Image,
    detail: Float[Array, " r"],
    masks: Float[Array, "r _ _"],
) -> Image:
    """The picture, and shares of what the network loses of the content.

    Args:
        image: As decoded, of the content's size.
        content: RGB in [0, 1].
        reproduction: What the network makes of the content at strength 0.
        detail: Share in every region.
        masks: Regions, of any height and width.
    """
    lost = content - reproduction
    at_pixels = pixel_masks(masks, *content.shape[1:3])
    if at_pixels is None:
        return image + detail * lost
    return image + jnp.einsum("r,rhw->hw", detail, at_pixels)[..., None] * lost


def match_colors(
    image: Image,
    styles: Sequence[Mapping[str, Any]],
    weights: Float[Array, "r s"],
    color_match: Float[Array, " r"],
    masks: Float[Array, "r _ _"],
) -> Image:
    """The picture with the chroma of its paintings; see `ops.color_match`.

    Args:
        image: With detail added.
        styles: With palettes.
        weights: Share of every style in every region.
        color_match: Strength in every region.
        masks: Regions, of any height and width.
    """
    palette = mixed_palette(styles, weights)
    at_pixels = pixel_masks(masks, *image.shape[1:3])
    return match_chroma(image, palette, color_match, at_pixels)


def match_pairs(
    image: Image, style: Image, strength: Float[Array, ""] | float
) -> Image:
    """Images with the chroma of their paintings, for training.

    Args:
        image: As decoded.
        style: As many paintings, of any size.
        strength: 0 to 1; see `ops.color_match.color_map`.
    """
    moments = color_moments(style)
    return match_chroma(image, Palette(moments.mean, moments.covariance), strength)


def pixel_masks(
    masks: Float[Array, "r _ _"], height: int, width: int
) -> Float[Array, "r height width"] | None:
    """Regions at every pixel; None for one region, which is everywhere."""
    if masks.shape[0] == 1:
        return None
    if masks.shape[1:] == (height, width):
        return masks
    return area_average(masks, height, width)
