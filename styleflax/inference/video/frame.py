"""One frame of a video, with what its neighbors say of its statistics.

The composition of `methods.base.stylize` with statistics smoothed over time: those of
the content before they are transferred, and those of the result before its colors are
matched.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from styleflax.compile_cache.jit import cached_jit
from styleflax.inference.tiles.tiling import begin_passes, encode_window
from styleflax.inference.tiles.windows import (
    TILE_PX,
    FeatureCache,
    Features,
    cut_windows,
)
from styleflax.inference.video.motion import Statistics
from styleflax.methods.base import Controls, Style, Tiling, at_strength_0
from styleflax.methods.model import Model
from styleflax.ops.color_match import (
    ColorMoments,
    apply_color_map,
    color_map,
    color_moments,
    mixed_palette,
    palettes_alone,
    without_palettes,
)
from styleflax.ops.spatial import add_detail, pixel_masks

WHOLE_PX = 4_000_000
"""Frames of more pixels go through windows, which bounds the memory."""
Function = Callable[..., Any]


def stylize_frame(
    model: Model,
    frame_u8: UInt8[np.ndarray, "h w 3"],
    styles: Sequence[Style],
    controls: Controls,
    smooth: Callable[[Statistics], Statistics],
    whole_px: int = WHOLE_PX,
    smooth_colors: Callable[[ColorMoments], ColorMoments] = lambda moments: moments,
) -> Float[np.ndarray, "h w 3"]:
    """A frame in given styles, by the moments that `smooth` makes of its own.

    Compiled once for a size of frame.

    Args:
        model: Model of any method.
        frame_u8: As it is to be stylized.
        styles: As `Method.encode_style` made them.
        controls: With masks of any size.
        smooth: moments -> moments, by layer.
        whole_px: See `WHOLE_PX`.
        smooth_colors: As `smooth`, for the colors of the result if they are matched.

    Returns:
        RGB in [0, 1].
    """
    method = model.method
    height, width, _ = frame_u8.shape
    if method.tiling is not None and height * width > whole_px:
        image = _through_windows(
            model, frame_u8, styles, controls, smooth, method.tiling
        )
    else:
        first = (method.encode_content, method.moments)
        features, moments = _analyze(*first, *model[1:], frame_u8[None], controls.masks)
        moments = smooth(moments)
        plain = controls._replace(color_match=None)
        inputs = _FrameInputs(
            features, moments, without_palettes(styles), plain, frame_u8[None]
        )
        image = _render(
            method.transfer, method.decode, model.variables, model.frozen, inputs
        )
    if controls.color_match is not None:
        colors = smooth_colors(_measure_colors(image, controls.masks))
        mix = (palettes_alone(styles), controls.weights)
        image = _match_colors(image, colors, *mix, controls.color_match, controls.masks)
    return np.clip(np.asarray(image), 0.0, 1.0)


def _through_windows(
    model: Model,
    frame_u8: np.ndarray,
    styles: Sequence[Style],
    controls: Controls,
    smooth: Callable[[Statistics], Statistics],
    tiling: Tiling,
) -> np.ndarray:
    """The same by the passes of `inference.tiles.tiling`."""
    height, width, _ = frame_u8.shape
    windows = cut_windows(height, width, TILE_PX, tiling)

    def encode(index: int) -> Features:
        return encode_window(model, frame_u8, windows[index])

    image = np.empty(frame_u8.shape, np.float32)
    with FeatureCache(encode) as kept:
        passes = begin_passes(model, frame_u8, controls, windows, kept)
        moments = smooth(passes.moments())
        for index, (side, rows, columns) in enumerate(windows):
            part = passes.image(index, moments, styles)
            image[rows.begin : rows.end, columns.begin : columns.end] = part[
                rows.begin - rows.start : rows.end - rows.start,
                columns.begin - columns.start : columns.end - columns.start,
            ]
            assert part.shape[0] == side
    return image


class _FrameInputs(NamedTuple):
    """What a whole frame is rendered from; see `methods.base.Transfer`."""

    features: Any
    moments: Statistics
    styles: Sequence[Style]
    controls: Controls
    frame_u8: Any


# A method's functions are the same objects as long as its model is, so that these
# compile once for each model and size of frame.


@partial(cached_jit, static_argnums=(0, 1))
def _analyze(
    encode_content: Function,
    moments: Function,
    variables: Any,
    frozen: Any,
    frame_u8: Array,
    masks: Array,
) -> tuple[Any, Statistics]:
    image = frame_u8.astype(jnp.float32) / 255
    features = encode_content(variables, frozen, image)
    return dict(features), moments(features, masks)


@partial(cached_jit, static_argnums=(0, 1))
def _render(
    transfer: Function,
    decode: Function,
    variables: Any,
    frozen: Any,
    inputs: _FrameInputs,
) -> Float[Array, "h w 3"]:
    features, moments, styles, controls, frame_u8 = inputs
    height, width = frame_u8.shape[1:3]

    def decoded(controls: Controls) -> Array:
        merged = transfer(variables, frozen, features, moments, styles, controls)
        return decode(variables, frozen, merged)[:, :height, :width]

    image = decoded(controls)
    if controls.detail is not None:
        photo, reproduction = (
            frame_u8.astype(jnp.float32) / 255,
            at_strength_0(controls),
        )
        looks = (controls.detail, controls.masks)
        image = add_detail(image, photo, decoded(reproduction), *looks)
    return image[0]


@jax.jit
def _measure_colors(image: Array, masks: Array) -> ColorMoments:
    return color_moments(image[None], pixel_masks(masks, *image.shape[:2]))


@jax.jit
def _match_colors(
    image: Array,
    colors: ColorMoments,
    styles: Sequence[Style],
    weights: Array,
    color_match: Array,
    masks: Array,
) -> Array:
    maps = color_map(colors, mixed_palette(styles, weights), color_match)
    at_pixels = pixel_masks(masks, *image.shape[:2])
    return apply_color_map(image[None], maps, at_pixels)[0]
