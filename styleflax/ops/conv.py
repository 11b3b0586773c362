"""3x3 convolutions of reflection-padded maps, also after upsampling, and 2x2 pools.

Plain convolutions, which XLA computes and differentiates at the speed of its matrix
products on every platform. On CPU it does with the options of `compile_cache.options`
alone: 36 instead of 99 GFLOP/s for each CPU second are what jaxlib 0.10.2 reaches
without them; and for few channels with `valid_conv`'s own programs.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jax.custom_derivatives import SymbolicZero
from jaxtyping import Array, Float

_LAYOUT = ("NHWC", "HWIO", "NHWC")
_Tangents = tuple[Array | SymbolicZero, Array | SymbolicZero]
FEW_CHANNELS = 4
"""Up to how many channels a map counts as an image's, by `valid_conv`."""
MANY_CHANNELS = 16
"""From how many on it is multiplied first, which takes memory for nine results."""
ROW_SPLIT = 8
"""A map may be split by rows between this many devices, or a divisor of it."""


@jax.custom_jvp
def reflect_pad(x: Float[Array, "b h w c"]) -> Float[Array, "b h+2 w+2 c"]:
    """Returns the map with a border of one position, reflected.

    The edge itself is not repeated. A side of length 1 has nothing to reflect but
    its one position, which is repeated.
    """
    # On CPU three layers of 64 channels at 512 px take 371 ms with a gather, which is
    # fused, and 411 ms with two concatenations; but its gradient, a scatter, takes
    # more. Not of rows, which may be split over devices.
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
    wide = _reflect_by_parts(tangents[0], 2)
    return reflect_pad(*primals), _reflect_by_parts(wide, 1)


def _reflect(x: Array, axis: int) -> Array:
    """Returns the map with a reflected border along one side."""
    last = x.shape[axis] - 1
    inner = min(1, last)
    before = lax.slice_in_dim(x, inner, inner + 1, axis=axis)
    after = lax.slice_in_dim(x, last - inner, last - inner + 1, axis=axis)
    return lax.concatenate([before, x, after], axis)


def _reflect_by_parts(x: Array, axis: int) -> Array:
    """Returns the same, by parts whose gradients are put together in one pass.

    Gradients of slices are as many padded maps, which take twice as long to add on CPU.
    """
    size = x.shape[axis]
    if not isinstance(size, int) or size < 5:
        return _reflect(x, axis)
    first, second, middle, before, last = lax.split(x, (1, 1, size - 4, 1, 1), axis)
    parts = [second, first, second, middle, before, last, before]
    return lax.concatenate(parts, axis)


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
    *,
    native: bool = False,
) -> Float[Array, "b h w o"]:
    """Returns the 3x3 convolution, stride 1, of the reflection-padded map.

    Args:
        x: The map, of any height and width from 1 up.
        kernel: The filters (not flipped: a correlation, as everywhere in the field).
        bias: Added to every position.
        native: Whether to use only XLA's own convolution.
    """
    return add_bias(valid_conv(reflect_pad(x), kernel, native=native), bias)


def upsample_conv3x3_reflect(
    x: Float[Array, "b h w i"],
    kernel: Float[Array, "3 3 i o"],
    bias: Float[Array, " o"],
    *,
    native: bool = False,
) -> Float[Array, "b 2*h 2*w o"]:
    """Returns `conv3x3_reflect` of the map enlarged twice by its nearest neighbor.

    Computed as four 2x2 convolutions at the low resolution, one for each parity of
    row and column, with 4/9 of the operations: 8.7 instead of 19.8 ms on CPU for 128
    channels, 4 x 28 px to 56 px. The border that reflection makes at the high
    resolution repeats the edge of the low one, so this is exact.

    Args:
        x: The map at the low resolution, of any height and width from 1 up.
        kernel: The filters at the high resolution.
        bias: Added to every position.
        native: Enlarge the map and convolve it as it then is: for row sharding. The
            values are the same up to rounding, for 9/4 of the operations.
    """
    if native:
        return conv3x3_reflect(_enlarge(x), kernel, bias, native=True)
    b, h, w, channels = x.shape
    o = kernel.shape[3]
    # Odd phases first: then the result is all phases interleaved, less the border.
    by_phase = _phase_kernels(kernel)[::-1, ::-1].transpose(2, 3, 4, 0, 1, 5)
    stacked = by_phase.reshape(2, 2, channels, 4 * o)
    y = valid_conv(edge_pad(x), stacked).reshape(b, h + 1, w + 1, 2, 2, o)
    # Indexing each phase instead takes 50 instead of 24 ms on CPU with its gradients,
    # for 128 channels of 4 x 32 px.
    whole = y.transpose(0, 1, 3, 2, 4, 5).reshape(b, 2 * (h + 1), 2 * (w + 1), o)
    return add_bias(whole[:, 1:-1, 1:-1], bias)


def valid_conv(
    padded: Float[Array, "b h w i"],
    kernel: Float[Array, "k k i o"],
    stride: int = 1,
    *,
    native: bool = False,
) -> Float[Array, "b h2 w2 o"]:
    """Returns the convolution of a map that has been padded before.

    On CPU, XLA copies the neighborhood of every position before it multiplies: nine
    times the map for 3x3. Where the result, or the gradient of the map, is an image's
    few channels, it is multiplied first and its nine parts are added afterwards. For 4
    maps of 256 px, 64 to 3 channels take 44 instead of 79 ms with their gradients, and
    3 to 64 channels 17 instead of 36 ms.

    Args:
        padded: The map; both sides at least `k`.
        kernel: The filters, of any size (not flipped).
        stride: Positions from one result to the next, along both sides.
        native: Use XLA's own convolution for any number of channels: for row sharding.
    """
    if stride == 1 and len(kernel) == 3 and not native:
        if kernel.shape[3] <= FEW_CHANNELS and kernel.shape[2] >= MANY_CHANNELS:
            return lax.platform_dependent(
                padded, kernel, cpu=_multiply_and_add, default=_convolve
            )
        if kernel.shape[2] <= FEW_CHANNELS:
            return _convolve_few(padded, kernel)
    return _convolve(padded, kernel, stride)


def _convolve(padded: Array, kernel: Array, stride: int = 1) -> Array:
    return lax.conv_general_dilated(
        padded, kernel, (stride, stride), "VALID", dimension_numbers=_LAYOUT
    )


@jax.custom_jvp
def _convolve_few(padded: Array, kernel: Array) -> Array:
    """The convolution whose map's gradient is multiplied first and added afterwards."""
    return _convolve(padded, kernel)


def _convolve_few_jvp(
    primals: tuple[Array, Array], tangents: _Tangents
) -> tuple[Array, Array]:
    def by_map(tangent: Array) -> Array:
        return lax.platform_dependent(
            tangent, kernel, cpu=_gather_and_multiply, default=_convolve
        )

    def by_kernel(tangent: Array) -> Array:
        return _convolve(padded, tangent)

    padded, kernel = primals
    tangent = _sum_changes(tangents, by_map, by_kernel)
    return _convolve_few(padded, kernel), tangent


_convolve_few.defjvp(_convolve_few_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _multiply_and_add(padded: Array, kernel: Array) -> Array:
    """The convolution as `k` x `k` products of each position, which are added."""
    k, o = len(kernel), kernel.shape[3]
    b, h, w, _ = padded.shape
    products = _multiply(padded, kernel).reshape(b, h, w, k, k, o)
    rows, columns = h - k + 1, w - k + 1
    parts = [
        products[:, y : y + rows, x : x + columns, y, x]
        for y in range(k)
        for x in range(k)
    ]
    return sum(parts[1:], parts[0]).astype(padded.dtype)


def _multiply_and_add_jvp(
    primals: tuple[Array, Array], tangents: _Tangents
) -> tuple[Array, Array]:
    padded, kernel = primals
    k, o = len(kernel), kernel.shape[3]
    products = _sum_changes(
        tangents,
        lambda tangent: _multiply(tangent, kernel),
        lambda tangent: _multiply(padded, tangent),
    )
    # Added by a convolution, whose transpose brings each gradient to its nine products
    # in one pass; that of the sum above takes one for each.
    which = jnp.eye(k * k * o, dtype=products.dtype).reshape(k * k * o, k, k, o)
    tangent = _convolve(products, which.transpose(1, 2, 0, 3))
    return _multiply_and_add(padded, kernel), tangent.astype(padded.dtype)


_multiply_and_add.defjvp(_multiply_and_add_jvp, symbolic_zeros=True)


def _sum_changes(tangents: _Tangents, *functions: Callable[[Array], Array]) -> Array:
    """The sum over what changes: a frozen kernel costs nothing."""
    parts = [
        function(tangent)
        for function, tangent in zip(functions, tangents, strict=True)
        if not isinstance(tangent, SymbolicZero)
    ]
    return sum(parts[1:], parts[0])


def _multiply(padded: Array, kernel: Array) -> Float[Array, "b h w parts"]:
    """Every position times the kernel's weights of each place: `k * k * o` numbers."""
    b, h, w, channels = padded.shape
    k, _, _, o = kernel.shape
    # As one matrix: the gradients of a product of four axes take three times as long.
    products = jnp.matmul(
        padded.reshape(b * h * w, channels),
        kernel.transpose(2, 0, 1, 3).reshape(channels, k * k * o),
        preferred_element_type=jnp.float32,
    )
    return products.reshape(b, h, w, k * k * o)


def _gather_and_multiply(padded: Array, kernel: Array) -> Array:
    """The same by a product of each neighborhood; its transpose is the above."""
    b, h, w, channels = padded.shape
    k, _, _, o = kernel.shape
    rows, columns = h - k + 1, w - k + 1
    parts = [
        padded[:, y : y + rows, x : x + columns] for y in range(k) for x in range(k)
    ]
    near = lax.concatenate(parts, 3).reshape(b * rows * columns, k * k * channels)
    return (near @ kernel.reshape(-1, o)).reshape(b, rows, columns, o)


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


def max_pool_ceil(x: Float[Array, "b h w c"]) -> Float[Array, "..."]:
    """Returns 2x2 max pooling of stride 2 in ceil mode: sides are halved, rounded up.

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
    """Returns 2x2 average pooling of stride 2 in ceil mode; see `max_pool_ceil`.

    The last row or column of an odd side is averaged over its existing positions. Gatys
    et al. 2016 prefer averages to maxima for the optimization of pixels.
    """
    odd = [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)]
    x = jnp.pad(x, odd, mode="edge")  # the mean with itself is itself
    rows = (x[:, ::2] + x[:, 1::2]) / 2
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 2


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
    instead of 17 ms at 128 to 64 channels, 4 x 32 px to
    64 px).

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
