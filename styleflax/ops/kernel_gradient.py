"""Gradients of a convolution's kernel, for stride 1 and no padding.

`padded` is the map that was convolved, `cotangent` the gradient of its output, which
is smaller by the kernel's side less one.
"""

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

# Output channels up to which shifted copies of the cotangent are cheaper than those of
# the map; product of channels from which the kernel itself outgrows a core's cache;
# and positions in a block of rows. Measured on two cores with 1.25 MB of L2 each.
_NARROW = 8
_WIDE = 128 * 256
_BLOCK = 512


def convolved_gradient(
    padded: Float[Array, "b h w i"], cotangent: Float[Array, "b h2 w2 o"]
) -> Float[Array, "k k i o"]:
    """Returns the gradient as XLA computes it itself: by one large convolution."""
    # The batch is summed over and the cotangent takes the kernel's place.
    layout = ("CHWN", "IHWO", "HWNC")
    return lax.conv_general_dilated(
        padded, cotangent, (1, 1), "VALID", dimension_numbers=layout
    )


def blocked_gradient(
    padded: Float[Array, "b h w i"], cotangent: Float[Array, "b h2 w2 o"]
) -> Float[Array, "k k i o"]:
    """Returns the gradient by matrix products over shifted views, faster on CPU.

    Which views to take, and how many positions at once, was measured: see
    `benchmarks/conv.py`. Sums are float32 at least.
    """
    channels, o = padded.shape[3], cotangent.shape[3]
    if o <= _NARROW:
        gradient = _gradient_by_shifted_cotangents(padded, cotangent)
    elif channels * o >= _WIDE:
        gradient = _gradient_by_taps(padded, cotangent)
    else:
        gradient = _gradient_by_blocks(padded, cotangent)
    return gradient.astype(padded.dtype)


def _matmul(a: Array, b: Array) -> Array:
    return jnp.matmul(a, b, preferred_element_type=jnp.float32)


def _shifted(x: Array, taps: int) -> list[Array]:
    """Returns the views of `x` under each tap of a square kernel, row by row."""
    h, w = (length - taps + 1 for length in x.shape[1:3])
    return [x[:, r : r + h, c : c + w] for r in range(taps) for c in range(taps)]


def _gradient_by_taps(padded: Array, cotangent: Array) -> Array:
    o, taps = cotangent.shape[3], padded.shape[1] - cotangent.shape[1] + 1
    # The cotangent on the left is transposed once for all taps.
    left = cotangent.reshape(-1, o).T
    views = _shifted(padded, taps)
    products = [_matmul(left, v.reshape(-1, v.shape[3])) for v in views]
    return jnp.stack(products).swapaxes(1, 2).reshape(taps, taps, -1, o)


def _gradient_by_shifted_cotangents(padded: Array, cotangent: Array) -> Array:
    channels, o = padded.shape[3], cotangent.shape[3]
    margin = padded.shape[1] - cotangent.shape[1]
    around = ((0, 0), (margin, margin), (margin, margin), (0, 0))
    # The last tap meets the cotangent that is not shifted, hence the reversal.
    views = _shifted(jnp.pad(cotangent, around), margin + 1)[::-1]
    right = jnp.concatenate(views, axis=3).reshape(-1, len(views) * o)
    product = _matmul(right.T, padded.reshape(-1, channels))
    return product.reshape(margin + 1, margin + 1, o, channels).swapaxes(2, 3)


def _gradient_by_blocks(padded: Array, cotangent: Array) -> Array:
    """Sums over blocks of rows that stay in the cache."""
    b, h, w, o = cotangent.shape
    channels, taps = padded.shape[3], padded.shape[1] - h + 1
    rows = min(h, -(-_BLOCK // w))
    num_blocks = -(-h // rows)
    below = ((0, 0), (0, num_blocks * rows - h), (0, 0), (0, 0))
    padded, cotangent = jnp.pad(padded, below), jnp.pad(cotangent, below)

    def add(total: Array, number: Array) -> tuple[Array, None]:
        start = (number // num_blocks, number % num_blocks * rows, 0, 0)
        size = (1, rows + taps - 1, w + taps - 1, channels)
        views = _shifted(lax.dynamic_slice(padded, start, size), taps)
        right = jnp.concatenate(views, axis=3).reshape(rows * w, -1)
        left = lax.dynamic_slice(cotangent, start, (1, rows, w, o)).reshape(-1, o)
        return total + _matmul(left.T, right), None

    # The selection gives the zeros the mesh axes that the products vary over.
    zero = jnp.where(True, 0.0, cotangent[0, 0, 0, 0].astype(jnp.float32))
    zeros = jnp.broadcast_to(zero, (o, taps * taps * channels))
    total, _ = lax.scan(add, zeros, jnp.arange(b * num_blocks))
    return jnp.moveaxis(total.reshape(o, taps, taps, channels), 0, 3)
