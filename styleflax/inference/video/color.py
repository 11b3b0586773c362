"""A video's pixels: its own colours, by statistics that change slowly."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from PIL import Image as PillowImage

from styleflax.images.pixels import to_float, to_u8
from styleflax.inference.controls import ColorMode
from styleflax.inference.video.smoothing import Statistics
from styleflax.ops.color import keep_luminance, lab_to_rgb, rgb_to_lab
from styleflax.ops.statistics import moments_mean_std, region_moments

_LAB_EPS = 1e-2
"""On variances, as `ops.color.match_lab` has it."""

# Compiled once, as frames have one size.
_keep_luminance = jax.jit(keep_luminance)


class FrameMasks(NamedTuple):
    """Masks over frames of one size.

    Attributes:
        masks: Sum to 1; the last is `kept` where there is one. One of (1, 1, 1) is the
            whole frame.
        kept: Where the content keeps its pixels, or None.
    """

    masks: Float[np.ndarray, "r h w"]
    kept: Float[np.ndarray, "h w"] | None


class Detail(NamedTuple):
    """What a frame loses when it is resized, and how much of it comes back.

    Attributes:
        image: The frame as it is stylized, RGB in [0, 1].
        shares: Of every region; see `Plan.detail_shares`.
    """

    image: Float[np.ndarray, "h w 3"]
    shares: Float[np.ndarray, " r"]


def finish_frame(
    stylized: Float[np.ndarray, "h w 3"],
    target: Float[np.ndarray, "th tw 3"],
    masks: FrameMasks,
    color: ColorMode,
    smooth: Callable[[Statistics], Statistics],
    detail: Detail | None = None,
) -> Float[np.ndarray, "th tw 3"]:
    """A frame at its final size, in its final colours, with what it keeps.

    Args:
        stylized: RGB in [0, 1].
        target: The frame of the video, RGB in [0, 1].
        masks: Over the target.
        color: Whose colours it has.
        smooth: statistics -> statistics, of colours in CIELAB.
        detail: What comes back of it if it was resized; None for nothing.

    Returns:
        RGB in [0, 1].
    """
    if stylized.shape != target.shape:
        stylized = _resized(stylized, target)
        if detail is not None:
            share = np.tensordot(detail.shares, masks.masks, 1)[..., None]
            lost = target - _resized(detail.image, target)
            stylized = np.clip(stylized + share * lost, 0.0, 1.0)
    if color == "luminance":
        stylized = np.asarray(_keep_luminance(stylized[None], target[None]))[0]
    elif color == "lab":
        stylized = match_lab_smoothly(stylized, target, masks.masks, smooth)
    if masks.kept is None:
        return stylized
    kept = masks.kept[..., None]
    return np.clip(kept * target + (1.0 - kept) * stylized, 0.0, 1.0)


def _resized(
    image: Float[np.ndarray, "h w 3"], target: Float[np.ndarray, "th tw 3"]
) -> Float[np.ndarray, "th tw 3"]:
    size = target.shape[1], target.shape[0]
    small = PillowImage.fromarray(to_u8(image))
    return to_float(np.asarray(small.resize(size, PillowImage.Resampling.BICUBIC)))


def match_lab_smoothly(
    stylized: Float[np.ndarray, "h w 3"],
    content: Float[np.ndarray, "h w 3"],
    masks: Float[np.ndarray, "r h w"],
    smooth: Callable[[Statistics], Statistics],
) -> Float[np.ndarray, "h w 3"]:
    """What `ops.color.match_lab` does, by the statistics that `smooth` returns.

    Args:
        stylized: RGB in [0, 1].
        content: RGB in [0, 1], whose colours are wanted.
        masks: Regions, each of which is matched by itself; see `FrameMasks`.
        smooth: statistics -> statistics.

    Returns:
        RGB in [0, 1].
    """
    statistics = smooth(_measure(stylized, content, masks))
    return np.asarray(_match(stylized, masks, statistics))


@jax.jit
def _measure(stylized: Array, content: Array, masks: Array) -> Statistics:
    masks = jnp.broadcast_to(masks, (masks.shape[0], *content.shape[:2]))
    pictures = {"stylized": stylized, "content": content}
    return {k: region_moments(rgb_to_lab(x[None]), masks) for k, x in pictures.items()}


@jax.jit
def _match(stylized: Array, masks: Array, statistics: Statistics) -> Array:
    mean, spread = moments_mean_std(statistics["stylized"], eps=_LAB_EPS)
    target, wanted = moments_mean_std(statistics["content"], eps=_LAB_EPS)
    lab, total = rgb_to_lab(stylized[None]), jnp.zeros_like(stylized)
    for r in range(masks.shape[0]):
        moved = (lab - mean[:, r]) * (wanted[:, r] / spread[:, r]) + target[:, r]
        rgb = jnp.clip(lab_to_rgb(moved)[0], 0.0, 1.0)
        total += masks[r, :, :, None] * rgb
    return jnp.clip(total, 0.0, 1.0)
