"""The color step on pictures of any size: moments by bands, then one more pass."""

from collections.abc import Iterator, Sequence

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from styleflax.compile_cache.jit import kept_jit
from styleflax.images.pixels import to_u8
from styleflax.inference.color.transfer import ColorMoments
from styleflax.inference.masks.layout import PixelMasks, row_bands
from styleflax.methods.base import Controls, Style
from styleflax.methods.finishing import mixed_palette, palettes_alone
from styleflax.ops import color_match

_NOTHING = ColorMoments(weight=1.0)
_map_of = kept_jit(color_match.color_map)
_palette_of = kept_jit(mixed_palette)


def match_by_bands(
    image: Float[np.ndarray, "h w 3"],
    out: Shaped[np.ndarray, "h w 3"],
    styles: Sequence[Style],
    controls: Controls,
    masks: PixelMasks,
) -> None:
    """Writes what `ops.color_match.match_chroma` makes of the picture, clipped.

    Args:
        image: RGB, not clipped.
        out: Where to write, uint8 or float32; it may be `image`.
        styles: With palettes.
        controls: The controls; only weights and color match count.
        masks: Masks of the picture.
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


def _each(masks: np.ndarray | None) -> Iterator[np.ndarray | None]:
    return iter([None] if masks is None else masks)


def _stacked(totals: Sequence[ColorMoments]) -> color_match.ColorMoments:
    """The moments of all regions, in float32; zeros where a region has no pixel."""
    count = np.array([total.weight for total in totals])
    filled = [total if total.weight else _NOTHING for total in totals]
    mean = np.array([total.mean for total in filled])
    m2 = count[:, None, None] * [total.covariance for total in filled]
    return color_match.ColorMoments(
        *(jnp.asarray(x, jnp.float32) for x in (count, mean, m2))
    )
