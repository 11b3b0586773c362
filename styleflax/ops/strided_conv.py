"""3x3 convolutions that halve or double a map, as ones of stride 1, fast on CPU too.

Their gradients are then those of `ops.conv`, which XLA's CPU backend computes many
times faster than its own of strided convolutions.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from styleflax.ops.conv import valid_conv

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def halving_conv3x3(
    padded: Float[Array, "b h w i"],
    kernel: Float[Array, "3 3 i o"],
    *,
    native: bool = False,
) -> Float[Array, "b h2 w2 o"]:
    """Returns the 3x3 convolution of stride 2: sides of the map halved, rounded up.

    Computed as a 2x2 convolution of blocks of 2x2 positions, with 16/9 of the
    operations.

    Args:
        padded: The map with a border of one position.
        kernel: The filters (not flipped).
        native: Use XLA's own convolution everywhere; see `ops.conv`.
    """
    if native:
        return lax.conv_general_dilated(
            padded, kernel, (2, 2), "VALID", dimension_numbers=_LAYOUT
        )
    b, height, width, i = padded.shape
    even = jnp.pad(padded, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)))
    rows, columns = even.shape[1] // 2, even.shape[2] // 2
    blocks = even.reshape(b, rows, 2, columns, 2, i).transpose(0, 1, 3, 2, 4, 5)
    taps = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
    o = kernel.shape[3]
    by_block = taps.reshape(2, 2, 2, 2, i, o).transpose(0, 2, 1, 3, 4, 5)
    return valid_conv(
        blocks.reshape(b, rows, columns, 4 * i), by_block.reshape(2, 2, 4 * i, o)
    )


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

    Args:
        x: The map.
        kernel: What each position spreads.
        native: Use XLA's own convolution everywhere; see `ops.conv`.
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
