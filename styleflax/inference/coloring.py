"""Keeping a content's colours, and what else is done to a result's pixels."""

import jax
import numpy as np
from jaxtyping import Float
from PIL import Image as PillowImage

from styleflax.inference.contents import Content
from styleflax.inference.controls import Plan
from styleflax.inference.masks import Regions, lay_masks
from styleflax.ops.color import coral_recolor, keep_luminance, match_lab

_recolor = jax.jit(coral_recolor)
_keep_luminance = jax.jit(keep_luminance)
_match_lab = jax.jit(match_lab)


def color_style(
    style: Float[np.ndarray, "hs ws 3"],
    content: Float[np.ndarray, "h w 3"],
    regions: Regions,
    shares: Float[np.ndarray, " r"],
) -> jax.Array:
    """A style's pixels in the colours of the content where the style goes.

    Args:
        style: RGB in [0, 1].
        content: RGB in [0, 1].
        regions: Laid over the content.
        shares: Of this style in every region that is stylized, not all 0.

    Returns:
        RGB in [0, 1], (1, hs, ws, 3).
    """
    if regions.masks.shape[1:] == (1, 1):  # the whole picture
        return _recolor(style[None], content[None])
    weights = np.tensordot(shares, regions.masks[: len(shares)], 1)
    return _recolor(style[None], content[None], style_weights=weights[None])


def finish(
    stylized: Float[np.ndarray, "h w 3"], content: Content, regions: Regions, plan: Plan
) -> Float[np.ndarray, "th tw 3"]:
    """A result at its final size, in its final colours, with what it keeps.

    Args:
        stylized: RGB in [0, 1] at the size of `content.image`.
        content: What it was made of.
        regions: Laid over `content.image`.
        plan: What was asked for.

    Returns:
        RGB in [0, 1].
    """
    target = content.target
    height, width = target.shape[:2]
    if stylized.shape != target.shape:
        scale = height / stylized.shape[0]
        stylized = _resize(stylized, height, width)
        regions = lay_masks(plan.masking, height, width, content.alpha, scale=scale)
    if plan.color == "luminance":
        stylized = np.asarray(_keep_luminance(stylized[None], target[None]))[0]
    elif plan.color == "lab":
        stylized = _match_by_region(stylized, target, regions)
    if regions.kept is None:
        return stylized
    kept = regions.kept[..., None]
    return np.clip(kept * target + (1.0 - kept) * stylized, 0.0, 1.0)


def _match_by_region(
    stylized: np.ndarray, target: np.ndarray, regions: Regions
) -> np.ndarray:
    if regions.masks.shape[1:] == (1, 1):
        return np.asarray(_match_lab(stylized[None], target[None]))[0]
    total = np.zeros_like(stylized)
    for mask in regions.masks:
        matched = _match_lab(stylized[None], target[None], weights=mask[None])
        total += mask[..., None] * np.asarray(matched)[0]
    return np.clip(total, 0.0, 1.0)


def _resize(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bicubic, in floats, so that no steps of 8 bits are enlarged."""
    channels = [
        PillowImage.fromarray(np.ascontiguousarray(image[..., c])).resize(
            (width, height), PillowImage.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    return np.clip(np.dstack([np.asarray(channel) for channel in channels]), 0.0, 1.0)
