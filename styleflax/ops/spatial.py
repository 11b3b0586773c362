"""Padding, convolution, pooling and resampling of feature maps, of any size.

Convolutions are plain ones, which XLA computes and differentiates at the speed of its
matrix products on every platform. On CPU it does with the options of
`compile_cache.options` alone: 36 instead of 99 GFLOP/s for each CPU second are what
jaxlib 0.10.2 reaches without them.

A program compiled for one size of array serves pictures of every size, if at each
layer what lies right of and below the picture is refilled with what a program of the
picture's own size would have put there. That is one row and one column: nothing here
reaches further than a 3x3 convolution does.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int


class Extent(NamedTuple):
    """Rows and columns of an array that are a picture's, from its upper left corner.

    What lies beyond is filler: finite numbers, which no position of the picture may
    depend on. Where the picture goes on beyond the array, its extent is larger.

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
            length 1 repeats its one position, as `reflect_pad` does.
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
    """Map padded on all four sides by reflection without repeating the border.

    A side of length 1 has nothing to reflect but its own position, which is
    repeated.

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
    """The middle half of both sides, in whole multiples: a quarter of the pixels."""
    height, width = (
        max(side // (2 * multiple), 1) * multiple for side in images.shape[1:3]
    )
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]


def upsample_nearest(
    x: Float[Array, "b h w c"], factor: int = 2
) -> Float[Array, "..."]:
    """Map with every position repeated `factor` times along both sides.

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


def max_pool_ceil(x: Float[Array, "b h w c"]) -> Float[Array, "..."]:
    """2x2 max pooling of stride 2 in ceil mode: (h, w) become their halves, rounded up.

    The last row or column of an odd side forms windows of its own, as in the
    network of Gatys and of Huang and Belongie.
    """
    if not all(isinstance(side, int) for side in x.shape[1:3]):
        # Symbols, in a program of any size, of which parts cannot be compared.
        end, window = ((0, 0), (0, 1), (0, 1), (0, 0)), (1, 2, 2, 1)
        return lax.reduce_window(x, -jnp.inf, lax.max, window, window, end)
    # Four views, not lax.reduce_window, whose gradient is nine times slower on CPU.
    odd = [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)]
    x = jnp.pad(x, odd, constant_values=-jnp.inf)
    rows = jnp.maximum(x[:, ::2], x[:, 1::2])
    return jnp.maximum(rows[:, :, ::2], rows[:, :, 1::2])


def average_pool_ceil(x: Float[Array, "b h w c"]) -> Float[Array, "..."]:
    """2x2 average pooling of stride 2 in ceil mode, as `max_pool_ceil` otherwise.

    The last row or column of an odd side is averaged over the positions that it
    has. Gatys et al. 2016 prefer it to the maximum where pixels are optimized.
    """
    odd = [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)]
    x = jnp.pad(x, odd, mode="edge")  # the mean with itself is itself
    rows = (x[:, ::2] + x[:, 1::2]) / 2
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 2


def area_average(
    masks: Float[Array, "r h w"], height: int, width: int
) -> Float[Array, "..."]:
    """Masks averaged over the cells of a (height, width) grid.

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


_LAYOUT = ("NHWC", "HWIO", "NHWC")
ROW_SPLIT = 8
"""A map may be split by rows between this many devices, or a divisor of it."""


@jax.custom_jvp
def reflect_pad(x: Float[Array, "b h w c"]) -> Float[Array, "b h+2 w+2 c"]:
    """Returns the map with a border of one position, reflected.

    The edge itself is not repeated. A side of length 1 has nothing to reflect but
    its one position, which is repeated.
    """
    # On CPU a gather and its fusions take 8 % less of three layers of 64 channels at
    # 512 px than two concatenations, but its gradient, a scatter, takes more. Not of
    # rows, which may be split over devices.
    width = x.shape[2]
    if not isinstance(width, int):  # a symbol, in a program of any size
        return _reflect(_reflect(x, 2), 1)
    columns = jnp.array([min(1, width - 1), *range(width), max(width - 2, 0)])
    wide = x.at[:, :, columns].get(
        mode="promise_in_bounds", wrap_negative_indices=False
    )
    return _reflect(wide, 1)


@reflect_pad.defjvp
def _reflect_pad_jvp(
    primals: tuple[Array], tangents: tuple[Array]
) -> tuple[Array, Array]:
    return reflect_pad(*primals), _reflect(_reflect(tangents[0], 1), 2)


def _reflect(x: Array, axis: int) -> Array:
    """Returns the map with a reflected border along one side."""
    last = x.shape[axis] - 1
    inner = min(1, last)
    before = lax.slice_in_dim(x, inner, inner + 1, axis=axis)
    after = lax.slice_in_dim(x, last - inner, last - inner + 1, axis=axis)
    return lax.concatenate([before, x, after], axis)


def edge_pad(x: Float[Array, "b h w c"]) -> Float[Array, "b h+2 w+2 c"]:
    """Returns the map with a border of one position that repeats the edge."""
    for axis in (1, 2):
        size = x.shape[axis]
        before = lax.slice_in_dim(x, 0, 1, axis=axis)
        after = lax.slice_in_dim(x, size - 1, size, axis=axis)
        x = lax.concatenate([before, x, after], axis)
    return x


def conv3x3_reflect(
    x: Float[Array, "b h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
) -> Float[Array, "b h w o"]:
    """Returns the 3x3 convolution, stride 1, of the reflection-padded map.

    Args:
        x: The map, of any height and width from 1 up.
        kernel: The filters (not flipped: a correlation, as everywhere in the field).
        bias: Added to every position.
    """
    return add_bias(valid_conv(reflect_pad(x), kernel), bias)


def upsample_conv3x3_reflect(
    x: Float[Array, "b h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
    *,
    native: bool = False,
) -> Float[Array, "b 2*h 2*w o"]:
    """Returns `conv3x3_reflect` of the map enlarged twice by its nearest neighbor.

    Computed as four 2x2 convolutions at the low resolution, one for each parity of
    row and column, with 4/9 of the operations. The border that reflection makes at
    the high resolution repeats the edge of the low one, so this is exact.

    Args:
        x: The map at the low resolution, of any height and width from 1 up.
        kernel: The filters at the high resolution.
        bias: Added to every position.
        native: Enlarge the map and convolve it as it then is: for row sharding. The
            values are the same up to rounding, for 9/4 of the operations.
    """
    if native:
        return conv3x3_reflect(_enlarge(x), kernel, bias)
    b, h, w, channels = x.shape
    o = kernel.shape[3]
    # Odd phases first: then the result is all phases interleaved, less the border.
    by_phase = _phase_kernels(kernel)[::-1, ::-1].transpose(2, 3, 4, 0, 1, 5)
    stacked = by_phase.reshape(2, 2, channels, 4 * o)
    y = valid_conv(edge_pad(x), stacked).reshape(b, h + 1, w + 1, 2, 2, o)
    whole = y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * (h + 1), 2 * (w + 1), o)
    return add_bias(whole[:, 1:-1, 1:-1], bias)


def valid_conv(
    padded: Float[Array, "b h w i"], kernel: Float[Array, "k k i o"], stride: int = 1
) -> Float[Array, "b h2 w2 o"]:
    """Returns the convolution of a map that has been padded before.

    Args:
        padded: The map; both sides at least `k`.
        kernel: The filters, of any size (not flipped).
        stride: Positions from one result to the next, along both sides.
    """
    return lax.conv_general_dilated(
        padded, kernel, (stride, stride), "VALID", dimension_numbers=_LAYOUT
    )


@jax.custom_jvp
def add_bias(x: Float[Array, "b h w o"], bias: Float[Array, " o"]) -> Array:
    """Returns the map with a number added to every channel.

    The bias' gradient is a matrix product, which takes a third to a fifteenth of the
    time of the sum over positions that it is, on CPU.
    """
    return x + bias


@add_bias.defjvp
def _add_bias_jvp(
    primals: tuple[Array, Array], tangents: tuple[Array, Array]
) -> tuple[Array, Array]:
    x, bias = primals
    x_tangent, bias_tangent = tangents
    ones = jnp.ones((math.prod(x.shape[:-1]), 1), bias.dtype)
    spread = jnp.matmul(ones, bias_tangent[None], precision="highest")
    return x + bias, x_tangent + spread.reshape(x.shape)


def _enlarge(x: Float[Array, "b h w c"]) -> Float[Array, "b 2*h 2*w c"]:
    """Returns the map with every position twice along both sides.

    Rows are repeated in a multiple of `ROW_SPLIT` and cut off again: that many
    devices between which a map is split by rows then double their own ones and pass
    on a few, where XLA would bring all rows together on every device.
    """
    height = x.shape[1]
    padded = jnp.pad(x, ((0, 0), (0, -height % ROW_SPLIT), (0, 0), (0, 0)))
    rows = jnp.repeat(padded, 2, axis=1)[:, : 2 * height]
    return jnp.repeat(rows, 2, axis=2)


def _phase_kernels(kernel: Float[Array, "3 3 i o"]) -> Float[Array, "2 2 2 2 i o"]:
    """Returns the 2x2 kernel of each phase (row, column) of an enlarged map.

    Two of the three taps along a side fall on copies of one and the same position:
    the last two at even positions, the first two at odd ones. Axes: row and column
    of the phase, row and column of its kernel.
    """

    def fold(taps: Array) -> Array:
        even = jnp.stack([taps[0], taps[1] + taps[2]])
        odd = jnp.stack([taps[0] + taps[1], taps[2]])
        return jnp.stack([even, odd])

    rows = fold(kernel)
    return jnp.moveaxis(fold(jnp.moveaxis(rows, 2, 0)), (0, 1), (1, 3))


def doubling_conv3x3(
    x: Float[Array, "b h w i"],
    kernel: Float[Array, "3 3 i o"],
    *,
    native: bool = False,
) -> Float[Array, "b 2*h 2*w o"]:
    """Returns the transposed 3x3 convolution of stride 2: sides of the map doubled.

    Position n of the map adds `kernel[k]` times itself to positions 2 n - 1 + k of
    the result (padding 1 and one more row and column at the end, in the words of
    Torch); nothing stands beyond the map.

    Computed as four convolutions of 2x2 at the low resolution, one for each parity of
    row and column. XLA's own has gradients that take 20 times as long on CPU (348
    instead of 17 ms at 128 to 64 channels and 4 x 64 px).

    Args:
        x: The map.
        kernel: What each position spreads.
        native: Use XLA's own convolution of a dilated map: for row sharding.
    """
    if native:
        return lax.conv_general_dilated(
            x,
            jnp.flip(kernel, (0, 1)),
            (1, 1),
            ((1, 2), (1, 2)),
            lhs_dilation=(2, 2),
            dimension_numbers=_LAYOUT,
        )
    b, h, w, i = x.shape
    o = kernel.shape[3]
    padded = jnp.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)))
    by_phase = _phases(jnp.moveaxis(_phases(kernel), 2, 0))
    # Axes: column's phase and tap, row's phase and tap, channels.
    stacked = by_phase.transpose(3, 1, 4, 2, 0, 5).reshape(2, 2, i, 4 * o)
    y = valid_conv(padded, stacked).reshape(b, h, w, 2, 2, o)
    return y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * h, 2 * w, o)


def _phases(taps: Float[Array, "3 ..."]) -> Float[Array, "2 2 ..."]:
    """Returns the two taps of even and of odd positions, along the first axis."""
    even = jnp.stack([taps[1], jnp.zeros_like(taps[0])])
    return jnp.stack([even, jnp.stack([taps[2], taps[0]])])
