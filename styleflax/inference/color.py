"""Colors of results: taking them from the photo, matching them, and final resizing.

Everything works on bands of rows, so that memory does not grow with the image, and in
NumPy or on blocks of one size, so that a new image size compiles nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image as PillowImage

from styleflax.compile_cache.jit import cached_jit
from styleflax.images.files import row_bands, to_u8
from styleflax.inference.contents import Content, StylePixels, ensure_float
from styleflax.inference.controls import Plan
from styleflax.inference.masks.layout import (
    WHOLE,
    PixelMasks,
    RegionMasks,
    make_region_masks,
)
from styleflax.methods.base import Controls, Style
from styleflax.ops import color, color_match
from styleflax.ops.color_match import mixed_palette, palettes_alone


class ColorMoments(NamedTuple):
    """Sums over pixels, in float64, which is precise enough for any image size.

    Attributes:
        weight: Sum of the weights of all pixels.
        first: Weighted sum of their colors.
        second: Weighted sum of the products of every two channels.
    """

    weight: float = 0.0
    first: Float[np.ndarray, "3"] = np.zeros(3)
    second: Float[np.ndarray, "3 3"] = np.zeros((3, 3))

    def plus(
        self,
        colors: Float[np.ndarray, "h w 3"],
        weights: Float[np.ndarray, "h w"] | None = None,
    ) -> Self:
        """Returns the sums with more pixels added; each has weight 1 by default."""
        flat = colors.reshape(-1, 3).astype(np.float64)
        counted = flat if weights is None else flat * weights.reshape(-1, 1)
        weight = len(flat) if weights is None else weights.sum(dtype=np.float64)
        return self._replace(
            weight=self.weight + float(weight),
            first=self.first + counted.sum(axis=0),
            second=self.second + counted.T @ flat,
        )

    @property
    def mean(self) -> Float[np.ndarray, "3"]:
        """Returns the mean of the colors."""
        return self.first / self.weight

    @property
    def covariance(self) -> Float[np.ndarray, "3 3"]:
        """Returns the biased covariance of the colors."""
        return self.second / self.weight - np.outer(self.mean, self.mean)


def coral_transform(
    moments: ColorMoments, target: ColorMoments, eps: float = 1e-5
) -> Float[np.ndarray, "3 3"]:
    """Returns the matrix that gives centered colors the target's covariance.

    See `ops.color.coral_recolor`.
    """
    whitening = _power(moments.covariance, -0.5, eps)
    return whitening @ _power(target.covariance, 0.5, eps)


def _power(covariance: np.ndarray, exponent: float, eps: float) -> np.ndarray:
    values, axes = np.linalg.eigh(covariance)
    return (axes * (np.maximum(values, 0.0) + eps) ** exponent) @ axes.T


BLOCK_PX = 2**16

PixelFunction = Callable[..., jax.Array]
"""Function of arrays (1, 1, n, 3) that returns an array of the same shape."""

keep_luminance = cached_jit(color.keep_luminance)
rgb_to_lab = cached_jit(color.rgb_to_lab)
lab_to_rgb = cached_jit(color.lab_to_rgb)


def map_pixels(
    function: PixelFunction, *images: Float[np.ndarray, "h w 3"]
) -> Float[np.ndarray, "h w 3"]:
    """Returns the function of all pixels, computed in blocks of one size."""
    flat = [image.reshape(-1, 3) for image in images]
    result = np.empty(flat[0].shape, np.float32)
    for first in range(0, len(result), BLOCK_PX):
        size = min(BLOCK_PX, len(result) - first)
        blocks = np.zeros((len(flat), 1, 1, BLOCK_PX, 3), np.float32)
        for block, pixels in zip(blocks, flat, strict=True):
            block[0, 0, :size] = pixels[first : first + size]
        result[first : first + size] = np.asarray(function(*blocks))[0, 0, :size]
    return result.reshape(images[0].shape)


AnyStyle = TypeVar("AnyStyle")
Rows = Callable[[int, int], Float[np.ndarray, "n w 3"]]
"""Function of (first, end) that returns these rows of an image, RGB in [0, 1]."""
_LAB_EPS = 1e-2  # as in `ops.color.match_lab`


def color_style(
    style: AnyStyle,
    content: Shaped[np.ndarray, "h w 3"],
    masks: RegionMasks | None,
    shares: Float[np.ndarray, " r"],
) -> AnyStyle | StylePixels:
    """Returns a style with the content's colors, taken where the style is applied.

    Args:
        style: The style; returned unchanged unless it is `StylePixels`.
        content: The content, uint8 or RGB in [0, 1].
        masks: Masks at the size of the content; None for the whole content.
        shares: Shares of this style in every stylized region.
    """
    if not isinstance(style, StylePixels) or not shares.any():
        return style
    target = ColorMoments()
    for first, last in row_bands(*content.shape[:2]):
        weights = None
        if masks is not None:
            regions = masks[: len(shares), first:last]
            weights = np.tensordot(shares, regions, 1)
        target = target.plus(ensure_float(content[first:last]), weights)
    own = ColorMoments().plus(style.image, style.mask)
    moved = (style.image - own.mean) @ coral_transform(own, target) + target.mean
    return StylePixels(np.clip(moved, 0.0, 1.0).astype(np.float32), style.mask)


class ColorStatistics(NamedTuple):
    """Mean and variance of the CIELAB channels of a result and its target, by region.

    Attributes:
        mean: Mean of each channel.
        variance: Variance of each channel, biased.
    """

    mean: Float[np.ndarray, "2 r 3"]
    variance: Float[np.ndarray, "2 r 3"]


def finish(
    stylized: Float[np.ndarray, "h w 3"],
    content: Content,
    masks: RegionMasks | None,
    plan: Plan,
    smooth: Callable[[ColorStatistics], ColorStatistics] | None = None,
) -> Float[np.ndarray, "th tw 3"]:
    """Returns a result at its final size, with its final colors and photo regions.

    Args:
        stylized: RGB in [0, 1] at the size of `content.image`; overwritten if it is
            writable and has its final size.
        content: The photo or frame that was stylized.
        masks: Masks at the size of `content.target`, see `target_region_masks`.
        plan: The controls of the result.
        smooth: Function from statistics to smoothed ones, for a video with
            `color="lab"`.

    Returns:
        RGB in [0, 1].
    """
    target = content.target
    height, width = target.shape[:2]
    resized = stylized.shape != target.shape
    has_rest = masks is not None and masks.has_rest
    if not (resized or has_rest or plan.takes_colors):
        return stylized
    rows = _rows_of(stylized)
    if resized:
        rows = _resizer(stylized, height, width)
        rows = _with_detail(rows, content, masks, plan)
    lab = []
    if plan.color == "lab":
        statistics = _lab_statistics(rows, target, masks)
        lab = _lab_shifts(statistics if smooth is None else smooth(statistics))
    in_place = not resized and stylized.flags.writeable
    finished = stylized if in_place else np.empty(target.shape, np.float32)
    for first, last in row_bands(height, width):
        image, colors = rows(first, last), ensure_float(target[first:last])
        if plan.color == "luminance":
            image = map_pixels(keep_luminance, image, colors)
        elif lab:
            image = _moved(image, lab, masks, first)
        if masks is not None and has_rest:
            photo = masks[:, first:last][-1][..., None]  # share of the photo
            image = np.clip(photo * colors + (1.0 - photo) * image, 0.0, 1.0)
        finished[first:last] = image
    return finished


def target_region_masks(
    masks: RegionMasks | None,
    content: Content,
    plan: Plan,
    *,
    cached_bands: int | None = 2,
) -> RegionMasks | None:
    """Returns masks at the size of `content.target`.

    Args:
        masks: The masks at the size of `content.image`.
        content: A photo.
        plan: The controls that the masks belong to.
        cached_bands: Number of cached bands of rows; None for all.
    """
    height, width = content.target.shape[:2]
    if not content.is_resized:
        return masks
    scale = height / content.image.shape[0]
    return make_region_masks(
        plan.mask_set,
        height,
        width,
        content.alpha,
        scale=scale,
        cached_bands=cached_bands,
    )


def _with_detail(
    rows: Rows, content: Content, masks: RegionMasks | None, plan: Plan
) -> Rows:
    """Returns rows with the detail that resizing removed from the photo added."""
    shares = plan.detail_shares(1 if masks is None else masks.shape[0])
    if shares is None:
        return rows
    target = content.target
    small = _resizer(ensure_float(content.image), *target.shape[:2])

    def detailed(first: int, last: int) -> np.ndarray:
        lost = ensure_float(target[first:last]) - small(first, last)
        share: np.ndarray = shares
        if masks is not None:
            share = np.tensordot(shares, masks[:, first:last], 1)[..., None]
        return np.clip(rows(first, last) + share * lost, 0.0, 1.0)

    return detailed


class _Shift(NamedTuple):
    """Changes the CIELAB colors of a region: subtracts, scales, adds."""

    center: np.ndarray
    scale: np.ndarray
    mean: np.ndarray


def _lab_statistics(
    rows: Rows, target: Shaped[np.ndarray, "h w 3"], masks: RegionMasks | None
) -> ColorStatistics:
    """Returns the moments of the result and of its target in every region."""
    num_regions = 1 if masks is None else masks.shape[0]
    moments = [[ColorMoments()] * num_regions, [ColorMoments()] * num_regions]
    for first, last in row_bands(*target.shape[:2]):
        colors = rows(first, last), ensure_float(target[first:last])
        regions = [None] if masks is None else masks[:, first:last]
        for which, image in enumerate(colors):
            lab = map_pixels(rgb_to_lab, image)
            pairs = zip(moments[which], regions, strict=True)
            moments[which] = [region.plus(lab, mask) for region, mask in pairs]
    return ColorStatistics(
        np.array([[x.mean for x in of_one] for of_one in moments]),
        np.array([[np.diag(x.covariance) for x in of_one] for of_one in moments]),
    )


def _lab_shifts(statistics: ColorStatistics) -> list[_Shift]:
    """Returns the shifts that give every region the target's mean and deviation."""
    own, target = np.maximum(statistics.variance, 0.0)
    scales = np.sqrt((target + _LAB_EPS) / (own + _LAB_EPS))
    numbers = zip(statistics.mean[0], scales, statistics.mean[1], strict=True)
    return [_Shift(*(np.asarray(x, np.float32) for x in one)) for one in numbers]


def _moved(
    image: np.ndarray, lab: list[_Shift], masks: RegionMasks | None, first: int
) -> np.ndarray:
    """Returns rows, which start at `first`, with each region's shift applied."""
    colors, total = map_pixels(rgb_to_lab, image), np.zeros_like(image)
    regions = [None] if masks is None else masks[:, first : first + len(image)]
    for shift, mask in zip(lab, regions, strict=True):
        moved = (colors - shift.center) * shift.scale + shift.mean
        rgb = np.clip(map_pixels(lab_to_rgb, moved), 0.0, 1.0)
        total += rgb if mask is None else mask[..., None] * rgb
    return np.clip(total, 0.0, 1.0)


def _rows_of(image: Float[np.ndarray, "h w 3"]) -> Rows:
    return lambda first, last: image[first:last]


def _resizer(image: Float[np.ndarray, "h w 3"], height: int, width: int) -> Rows:
    """Returns rows of a bicubically resized image, without rounding to 8 bits."""
    channels = [
        PillowImage.fromarray(np.ascontiguousarray(image[..., c])) for c in range(3)
    ]
    ratio = image.shape[0] / height

    def rows(first: int, last: int) -> np.ndarray:
        bottom = min(last * ratio, image.shape[0])
        box = (0, first * ratio, image.shape[1], bottom)
        size, filter_ = (width, last - first), PillowImage.Resampling.BICUBIC
        resized = [np.asarray(c.resize(size, filter_, box)) for c in channels]
        return np.clip(np.dstack(resized), 0.0, 1.0)

    return rows


_NOTHING = ColorMoments(weight=1.0)
_map_of = cached_jit(color_match.color_map)
_palette_of = cached_jit(mixed_palette)


def match_by_bands(
    image: Float[np.ndarray, "h w 3"],
    out: Shaped[np.ndarray, "h w 3"],
    styles: Sequence[Style],
    controls: Controls,
    masks: PixelMasks,
) -> None:
    """Applies `ops.color_match.match_chroma` to an image and writes it, clipped.

    Args:
        image: RGB, not clipped.
        out: Array for the result, uint8 or float32; it may be `image`.
        styles: Styles with palettes.
        controls: The controls, of which weights and color match are used.
        masks: Masks of the image.
    """
    bands = list(row_bands(*image.shape[:2]))
    totals = [ColorMoments()] * masks.num_regions
    for first, last in bands:
        regions = _each(masks.rows(first, last))
        pairs = zip(totals, regions, strict=True)
        totals = [total.plus(image[first:last], mask) for total, mask in pairs]
    palette = _palette_of(palettes_alone(styles), controls.weights)
    moved = _map_of(_stacked(totals), palette, controls.color_match)
    matrices, offsets = (np.asarray(x) for x in moved)
    for first, last in bands:
        rows = image[first:last]
        total = rows.copy()
        regions = _each(masks.rows(first, last))
        for matrix, offset, mask in zip(matrices, offsets, regions, strict=True):
            change = rows @ matrix.T + offset
            total += change if mask is None else mask[..., None] * change
        total = np.clip(total, 0.0, 1.0)
        out[first:last] = to_u8(total) if out.dtype == np.uint8 else total


def match_again(
    image: Float[np.ndarray, "h w 3"],
    styles: Sequence[Style],
    plan: Plan,
    masks: RegionMasks | None,
) -> None:
    """Matches colors again, in place, since refinement changes them.

    Args:
        image: RGB in [0, 1], with the size of `masks`.
        styles: Styles with palettes.
        plan: The controls of the result.
        masks: Masks at the image's size; None for one region.
    """
    region_masks = WHOLE if masks is None else masks
    controls = plan.controls(np.ones((region_masks.shape[0], 1, 1), np.float32))
    if controls.color_match is not None:
        at_pixels = PixelMasks(region_masks, (image.shape[0], image.shape[1]))
        match_by_bands(image, image, styles, controls, at_pixels)


def _each(masks: np.ndarray | None) -> Iterator[np.ndarray | None]:
    return iter([None] if masks is None else masks)


def _stacked(totals: Sequence[ColorMoments]) -> color_match.ColorMoments:
    """Returns the moments of all regions in float32; 0 for regions without pixels."""
    count = np.array([total.weight for total in totals])
    filled = [total if total.weight else _NOTHING for total in totals]
    mean = np.array([total.mean for total in filled])
    m2 = count[:, None, None] * [total.covariance for total in filled]
    return color_match.ColorMoments(
        *(jnp.asarray(x, jnp.float32) for x in (count, mean, m2))
    )
