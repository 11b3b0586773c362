"""One frame of a video: its motion, and what its neighbors say of its statistics.

The composition of `methods.base.stylize` with statistics smoothed over time: those of
the content before they are transferred, and those of the result before its colors are
matched. Frames are held still along the motion.
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
"""Motion is looked for in copies of this short side, or smaller."""
_TOLERANCE = 0.08
"""Difference of colors at which what was followed is no longer taken for the same."""


class Steadier:
    """`steadier(stylized, content, cut)`: frames that take over some of the last one.

    What a network makes of a thing depends on where it lies between the positions of
    its features, so that strokes swim when things move. Here the motion between two
    contents is estimated, the last result moved along, and mixed into the new one
    wherever the contents agree; where they do not (next to moving things), nothing is.

    Args:
        share: How much of the last result to take where contents agree, in [0, 1).
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
        """The next frame, mixed with the last one.

        Args:
            stylized: RGB in [0, 1].
            content: What it was made of; RGB in [0, 1].
            cut: Whether it begins a scene, which takes nothing over.
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
    """Where every pixel was in the frame before: rows and columns to go, in px.

    By iterative Lucas and Kanade 1981 on a pyramid, as scikit-image has it.
    """
    # Imported late: it takes a while.
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
    """The picture of which every pixel lies where the flow points to."""
    from skimage.transform import warp  # noqa: PLC0415

    height, width, _ = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    places = np.stack([rows + flow[0], columns + flow[1]])
    channels = np.moveaxis(np.array(image), 2, 0)
    moved = [
        warp(np.ascontiguousarray(x), places, order=1, mode="edge") for x in channels
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
"""Histograms further apart than this, of at most 1, are of two scenes."""
_BINS = 8  # for each of red, green and blue
_SEEN_PX = 64


class Smoother(Generic[Tree]):
    """`smoother(now, kept)`: statistics of frames, averaged over those before.

    The average is exponential: of all that came before it keeps the share `kept`,
    which is 0 for the first frame of a scene. Mean and sum of squares are averaged
    separately, so that changes between frames add nothing to the deviation.
    """

    def __init__(self) -> None:
        self._past: Tree | None = None

    def __call__(self, now: Tree, kept: float) -> Tree:
        """The smoothed statistics; exactly those of before where nothing changes."""
        if self._past is None or not kept:
            self._past = now
        else:
            self._past = _average(self._past, now, kept)
        return self._past


def _average(past: Tree, now: Tree, kept: float) -> Tree:
    # In this form equal numbers stay as they are, to the bit. Not compiled: JAX would
    # take NumPy's statistics to float32.
    return jax.tree.map(lambda old, new: new + kept * (old - new), past, now)


def decay_factor(elapsed_s: float, smooth_s: float) -> float:
    """How much of an exponential average is left after a time.

    Args:
        elapsed_s: Since the frame before.
        smooth_s: Time constant; 0 keeps nothing.
    """
    return math.exp(-max(elapsed_s, 0.0) / smooth_s) if smooth_s else 0.0


class CutFinder:
    """`finder(frame_u8)`: whether a frame begins a new scene, as the first one does.

    It does where its colors are distributed otherwise than those of the frame before,
    by more than `CUT_DISTANCE`. Motion hardly changes them. A cut between scenes of the
    same colors is missed, where smoothed statistics have little to forget.

    Attributes:
        num_scenes: Found so far.
    """

    def __init__(self) -> None:
        self._past: np.ndarray | None = None
        self.num_scenes = 0

    def __call__(self, frame_u8: UInt8[np.ndarray, "h w 3"]) -> bool:
        """Takes the next frame."""
        now, past = color_histogram(frame_u8), self._past
        self._past = now
        new = past is None or float(np.abs(now - past).sum()) / 2 > CUT_DISTANCE
        self.num_scenes += new
        return new


def color_histogram(frame_u8: UInt8[np.ndarray, "h w 3"]) -> Float[np.ndarray, " n"]:
    """How a frame's colors are distributed, over 8 x 8 x 8 bins; sums to 1.

    Every pixel of a small copy counts in the bins around it by how near it is, so
    that no change is large because a color lay at the edge of a bin.
    """
    side = (_SEEN_PX, _SEEN_PX)
    small = PillowImage.fromarray(frame_u8).resize(side, PillowImage.Resampling.BOX)
    place = np.asarray(small).reshape(-1, 3) * ((_BINS - 1) / 255)
    below = np.minimum(place.astype(int), _BINS - 2)
    above_share = place - below
    total = np.zeros(_BINS**3)
    for corner in np.ndindex(2, 2, 2):
        red, green, blue = (below + corner).T
        shares = np.where(corner, above_share, 1 - above_share).prod(axis=1)
        bins = (red * _BINS + green) * _BINS + blue
        total += np.bincount(bins, shares, _BINS**3)
    return total / total.sum()


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
