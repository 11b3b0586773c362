"""One frame of a video, stylized with statistics that are smoothed over time.

This is the composition of `methods.base.stylize`, with two averages over time: the
content's moments before the transfer, and the result's color moments before colors
are matched. The result is then mixed with the previous one, moved by the motion.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8
from PIL import Image as PillowImage
from PIL.Image import Resampling

from styleflax.compile_cache.jit import cached_jit
from styleflax.images.files import resize_short_side, to_u8
from styleflax.inference.tiles.tiling import begin_passes, encode_window
from styleflax.inference.tiles.windows import (
    TILE_PX,
    FeatureCache,
    Features,
    cut_windows,
)
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
from styleflax.ops.statistics import Moments

FLOW_PX = 192
"""Motion is estimated on copies whose short side is at most this."""
_TOLERANCE = 0.08
"""Scale of the difference of colors at which pixels no longer count as the same."""


class Steadier:
    """Mixes the previous result, moved along the motion, into each frame.

    A network's result for an object depends on where the object lies on the grid of
    features, so that brush strokes swim when objects move. The motion between the two
    contents is estimated, the previous result is moved along it and mixed into the
    new one wherever the contents agree, and not elsewhere (next to moving objects).

    Args:
        share: Share of the previous result where the contents agree, in [0, 1).
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._past: tuple[np.ndarray, np.ndarray] | None = None

    def __call__(
        self,
        stylized: Float[np.ndarray, "h w 3"],
        content: Float[np.ndarray, "h w 3"],
        *,
        cut: bool,
    ) -> Float[np.ndarray, "h w 3"]:
        """Returns the next frame, mixed with the previous one.

        Args:
            stylized: The stylized frame, RGB in [0, 1].
            content: The frame before stylizing, RGB in [0, 1].
            cut: Whether the frame begins a scene, and is not mixed.
        """
        if not self._share:
            return stylized
        if self._past is not None and not cut:
            past_stylized, past_content = self._past
            flow = find_motion(content, past_content)
            moved = move(past_stylized, flow)
            difference = np.abs(move(past_content, flow) - content).mean(axis=2)
            agree = np.exp(-np.square(difference / _TOLERANCE))[..., None]
            stylized = stylized + self._share * agree * (moved - stylized)
        self._past = stylized, content
        return stylized


def find_motion(
    content: Float[np.ndarray, "h w 3"], past: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "2 h w"]:
    """Returns the optical flow back to the previous frame: rows and columns, in px.

    The flow is scikit-image's iterative version of Lucas and Kanade (1981) on a
    pyramid.
    """
    # Imported here because the import is slow.
    from skimage.registration import optical_flow_ilk  # noqa: PLC0415

    height, width, _ = content.shape
    now, before = (_small_gray(x) for x in (content, past))
    flow = optical_flow_ilk(now, before, radius=7, num_warp=5, prefilter=True)
    scales = height / now.shape[0], width / now.shape[1]
    size = width, height
    return np.stack(
        [
            scale * np.asarray(_float_picture(part).resize(size, Resampling.BILINEAR))
            for part, scale in zip(flow, scales, strict=True)
        ]
    )


def move(
    image: Float[np.ndarray, "h w 3"], flow: Float[np.ndarray, "2 h w"]
) -> Float[np.ndarray, "h w 3"]:
    """Returns the image sampled at the positions that the flow points to."""
    from skimage.transform import warp  # noqa: PLC0415

    height, width, _ = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    positions = np.stack([rows + flow[0], columns + flow[1]])
    channels = np.moveaxis(np.array(image), 2, 0)
    moved = [
        warp(np.ascontiguousarray(x), positions, order=1, mode="edge") for x in channels
    ]
    return np.stack(moved, axis=2).astype(np.float32)


def _small_gray(image: Float[np.ndarray, "h w 3"]) -> Float[np.ndarray, "sh sw"]:
    small = to_u8(image)
    if min(small.shape[:2]) > FLOW_PX:
        small = np.asarray(resize_short_side(small, FLOW_PX))
    return small.mean(axis=2, dtype=np.float32) / np.float32(255)


def _float_picture(values: np.ndarray) -> PillowImage.Image:
    return PillowImage.fromarray(np.ascontiguousarray(values, np.float32))


Statistics = dict[str, Moments]
Tree = TypeVar("Tree")
"""Tree of arrays: the statistics of a frame."""
CUT_DISTANCE = 0.4
"""Distance of histograms, at most 1, above which a new scene begins."""
_BINS = 8  # for each of red, green and blue
_HISTOGRAM_PX = 64


class Smoother(Generic[Tree]):
    """Averages the statistics of a frame with those of the frames before it.

    The average is exponential: earlier frames together count for the share `decay`,
    which is 0 for the first frame of a scene. Mean and sum of squares are averaged
    separately, so that changes between frames add nothing to the deviation.
    """

    def __init__(self) -> None:
        self._past: Tree | None = None

    def __call__(self, now: Tree, decay: float) -> Tree:
        """Returns the smoothed statistics; equal statistics stay equal to the bit."""
        if self._past is None or not decay:
            self._past = now
        else:
            self._past = _average(self._past, now, decay)
        return self._past


def _average(past: Tree, now: Tree, decay: float) -> Tree:
    # In this form, equal numbers stay equal to the bit. Not compiled, since JAX would
    # convert NumPy's statistics to float32.
    return jax.tree.map(lambda old, new: new + decay * (old - new), past, now)


def decay_factor(elapsed_s: float, smooth_s: float) -> float:
    """Returns the share of earlier frames in an exponential average.

    Args:
        elapsed_s: Time since the previous frame, in seconds.
        smooth_s: Time constant, in seconds; 0 gives 0.
    """
    return math.exp(-max(elapsed_s, 0.0) / smooth_s) if smooth_s else 0.0


class CutFinder:
    """Detects whether a frame begins a new scene; the first frame always does.

    A new scene begins where the color histograms of two successive frames differ by
    more than `CUT_DISTANCE`. Motion hardly changes them. A cut between two scenes of
    the same colors is missed, but there the statistics hardly change either.

    Attributes:
        num_scenes: Number of scenes so far.
    """

    def __init__(self) -> None:
        self._past: np.ndarray | None = None
        self.num_scenes = 0

    def __call__(self, frame_u8: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Returns whether the next frame begins a scene."""
        now, past = color_histogram(frame_u8), self._past
        self._past = now
        new = past is None or float(np.abs(now - past).sum()) / 2 > CUT_DISTANCE
        self.num_scenes += new
        return new


def color_histogram(frame_u8: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, " n"]:
    """Returns the histogram of a frame's colors over 8 x 8 x 8 bins; it sums to 1.

    Each pixel of a small copy is shared among the bins around it by its distance to
    them, so that a color at the edge of a bin does not cause a large change.
    """
    side = (_HISTOGRAM_PX, _HISTOGRAM_PX)
    small = PillowImage.fromarray(frame_u8).resize(side, PillowImage.Resampling.BOX)
    position = np.asarray(small).reshape(-1, 3) * ((_BINS - 1) / 255)
    below = np.minimum(position.astype(int), _BINS - 2)
    above_share = position - below
    total = np.zeros(_BINS**3)
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (below + corner).T
        shares = np.where(corner, above_share, 1 - above_share).prod(axis=1)
        bins = (red * _BINS + green) * _BINS + blue
        total += np.bincount(bins, shares, _BINS**3)
    return total / total.sum()


WHOLE_PX = 4_000_000
"""Frames with more pixels are stylized in windows, which bounds the memory."""
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
    """Returns a stylized frame, with smoothed statistics.

    The programs are compiled once for each size of frame.

    Args:
        model: Model of any method.
        frame_u8: The frame, at the size at which it is stylized.
        styles: Styles encoded by `Method.encode_style`.
        controls: The controls, with masks of any size.
        smooth: Function from the frame's moments by layer to smoothed moments.
        whole_px: Number of pixels above which the frame is stylized in windows.
        smooth_colors: Function from the result's color moments to smoothed ones; used
            if colors are matched.

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
    """Returns the frame stylized in windows; see `inference.tiles.tiling`."""
    height, width, _ = frame_u8.shape
    windows = cut_windows(height, width, TILE_PX, tiling)

    def encode(index: int) -> Features:
        return encode_window(model, frame_u8, windows[index])

    image = np.empty(frame_u8.shape, np.float32)
    with FeatureCache(encode) as cache:
        passes = begin_passes(model, frame_u8, controls, windows, cache)
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
    """Inputs of the program for a whole frame; see `methods.base.Transfer`."""

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
