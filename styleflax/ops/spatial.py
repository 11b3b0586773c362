"""Padding and resampling of feature maps, and their extents, for any height and width.

A program compiled for one size of array serves pictures of every size, if at each
layer what lies right of and below the picture is refilled with what a program of the
picture's own size would have put there. That is one row and one column: nothing here
reaches further than a 3x3 convolution does.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int

from styleflax.types import Image


class Extent(NamedTuple):
    """Number of rows and columns of an array that belong to a picture.

    They start at the upper left corner. All values beyond them are padding: finite
    numbers that no position of the picture may depend on. If the picture continues
    beyond the array, its extent is larger than the array.

    Attributes:
        rows: At least 1.
        columns: At least 1.
    """

    rows: Int[Array, ""]
    columns: Int[Array, ""]

    def shrunk(self, factor: int) -> "Extent":
        """The extent after pools that round up, by `factor` in all."""
        return Extent(-(-self.rows // factor), -(-self.columns // factor))

    def grown(self, factor: int) -> "Extent":
        """The extent of a map enlarged by `factor`."""
        return Extent(self.rows * factor, self.columns * factor)


def refill(
    x: Float[Array, "b h w c"], extent: Extent, inner: int
) -> Float[Array, "b h w c"]:
    """The map with the row and the column just beyond its extent made from within.

    Args:
        x: A map; where its extent is as large or larger, nothing changes.
        extent: What of it is the picture's.
        inner: How far inside the edge the copy is taken from. 1 reflects, for a 3x3
            convolution; 0 repeats the edge, for a pool (where it does what minus
            infinity does) and for a convolution of the enlarged map. A side of
            length 1 repeats its one position, as `ops.conv.reflect_pad` does.
    """
    for axis, size in ((1, extent.rows), (2, extent.columns)):
        source = jnp.maximum(size - 1 - inner, 0)
        copy = lax.dynamic_slice_in_dim(x, source, 1, axis)
        # One line is written, not the whole map: its own last one, if the picture ends
        # no sooner, as a start beyond the array would be moved back into it.
        last = x.shape[axis] - 1
        target = jnp.minimum(size, last)
        own = lax.dynamic_slice_in_dim(x, target, 1, axis)
        line = jnp.where(size > last, own, copy)
        x = lax.dynamic_update_slice_in_dim(x, line, target, axis)
    return x


def reflection_pad(x: Float[Array, "b h w c"], width: int = 1) -> Float[Array, "..."]:
    """Returns a map padded on all sides by reflection, without repeating the border.

    The single position of a side of length 1 is repeated.

    Args:
        x: Feature map or image.
        width: Positions added on each side.

    Returns:
        Array of shape (b, h + 2 width, w + 2 width, c).
    """
    for axis in (1, 2):
        mode = "reflect" if x.shape[axis] > 1 else "edge"
        pad = [(0, 0)] * x.ndim
        pad[axis] = (width, width)
        x = jnp.pad(x, pad, mode=mode)
    return x


def middle_half(
    images: Float[Array, "b h w c"], multiple: int = 8
) -> Float[Array, "b half_h half_w c"]:
    """Returns the middle half of both sides, in whole multiples: 1/4 of the pixels."""
    height, width = (
        max(side // (2 * multiple), 1) * multiple for side in images.shape[1:3]
    )
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def upsample_nearest(
    x: Float[Array, "b h w c"], factor: int = 2
) -> Float[Array, "..."]:
    """Returns a map with every position repeated `factor` times along both sides.

    Example:
        >>> import jax.numpy as jnp
        >>> upsample_nearest(jnp.arange(2.0).reshape(1, 1, 2, 1))[0, :, :, 0]
        Array([[0., 0., 1., 1.],
               [0., 0., 1., 1.]], dtype=float32)
    """
    b, h, w, c = x.shape
    shape = (b, h, factor, w, factor, c)
    repeated = jnp.broadcast_to(x[:, :, None, :, None, :], shape)
    return repeated.reshape(b, h * factor, w * factor, c)


def area_average(
    masks: Float[Array, "r h w"], height: int, width: int
) -> Float[Array, "..."]:
    """Returns masks averaged over the cells of a (height, width) grid.

    Each output cell is the exact mean over the area it covers, so a partition
    of unity stays one.

    Returns:
        Array of shape (r, height, width).

    Example:
        >>> import jax.numpy as jnp
        >>> area_average(jnp.array([[[0.0, 0.0, 1.0]]]), 1, 2)
        Array([[[0.        , 0.66...]]], dtype=float32)
    """
    rows = _overlap(masks.shape[1], height)
    columns = _overlap(masks.shape[2], width)
    return jnp.einsum("ih,jw,rhw->rij", rows, columns, masks)


def _overlap(size: int, cells: int) -> Float[Array, "cells size"]:
    """Share of every cell that each of `size` positions covers; rows sum to 1."""
    # In whole units of 1 / cells of a position, as float32 edges lose digits.
    edges = jnp.arange(cells + 1) * size
    positions = jnp.arange(size + 1) * cells
    upper = jnp.minimum(edges[1:, None], positions[None, 1:])
    lower = jnp.maximum(edges[:-1, None], positions[None, :-1])
    return jnp.maximum(upper - lower, 0).astype(jnp.float32) / size


def pixel_masks(
    masks: Float[Array, "r _ _"], height: int, width: int
) -> Float[Array, "r height width"] | None:
    """Returns regions at every pixel; None for one region, which is everywhere."""
    if masks.shape[0] == 1:
        return None
    if masks.shape[1:] == (height, width):
        return masks
    return area_average(masks, height, width)


def add_detail(
    image: Image,
    content: Image,
    reproduction: Image,
    detail: Float[Array, " r"],
    masks: Float[Array, "r _ _"],
) -> Image:
    """Returns a picture with shares of what the network loses of the content.

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
