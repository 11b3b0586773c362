"""Exact attention in blocks: no score matrix is ever whole, forward or backward.

The softmax over keys is built up block by block with a running maximum and sum
(Milakov and Gimelshein 2018), and the backward pass computes the scores once more
from the saved logarithm of that sum (Dao et al. 2022, FlashAttention).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

Blocks = tuple[int, int]
BLOCKS: Blocks = (512, 512)
"""Most queries and most keys at a time. On two cores larger blocks (up to 1024 x
2048) were no faster; they need more memory."""
Bias = Float[Array, "#n #m"] | None


class _Padded(NamedTuple):
    """Operands in whole blocks; the padding's keys are forbidden by the bias."""

    query: Float[Array, "n c"]
    key: Float[Array, "m c"]
    value: Float[Array, "m d"]
    bias: Bias
    blocks: Blocks

    def counts(self) -> tuple[int, int]:
        """Blocks of queries and of keys."""
        return (
            self.query.shape[0] // self.blocks[0],
            self.key.shape[0] // self.blocks[1],
        )

    def scores(self, i: Array, j: Array) -> Float[Array, "q k"]:
        """Scores of one block of queries with one of keys."""
        rows, columns = self.blocks
        scores = _dot(_block(self.query, i, rows), _block(self.key, j, columns), 1, 1)
        bias = self.bias
        if bias is None:
            return scores
        if bias.shape[0] > 1:
            bias = _block(bias, i, rows)
        if bias.shape[1] > 1:
            bias = _block(bias, j, columns, axis=1)
        return scores + bias


def _pad_operands(
    query: Array, key: Array, value: Array, bias: Bias, most: Blocks
) -> _Padded:
    sizes = (query.shape[0], key.shape[0])
    rows, columns = blocks = (_even(sizes[0], most[0]), _even(sizes[1], most[1]))
    if bias is not None and bias.shape[0] > 1:
        bias = _pad(bias, rows)
    if rest := -sizes[1] % columns:
        bias = jnp.zeros((1, 1)) if bias is None else bias
        bias = jnp.broadcast_to(bias, (bias.shape[0], sizes[1]))
        bias = jnp.pad(bias, ((0, 0), (0, rest)), constant_values=-jnp.inf)
    key, value = _pad(key, columns), _pad(value, columns)
    return _Padded(_pad(query, rows), key, value, bias, blocks)


def _even(size: int, most: int) -> int:
    """The block size that splits `size` most evenly, and so pads it least."""
    return -(-size // -(-size // most))


def _pad(array: Array, block: int) -> Array:
    rest = -array.shape[0] % block
    return jnp.pad(array, ((0, rest), (0, 0))) if rest else array


@partial(jax.custom_vjp, nondiff_argnums=(4,))
def chunked_attention(
    query: Float[Array, "n c"],
    key: Float[Array, "m c"],
    value: Float[Array, "m d"],
    bias: Bias = None,
    blocks: Blocks = BLOCKS,
) -> Float[Array, "n d"]:
    """softmax(query key^T + bias) value, in float32; see `ops.attention.attention`.

    Args:
        query: Queries, one per position of the content.
        key: Keys, one per position of the style.
        value: Values, one per position of the style.
        bias: Added to the scores; minus infinity forbids. Differentiable.
        blocks: Largest number of queries and of keys per block, forward and backward.
    """
    return attention_with_log_sums(query, key, value, bias, blocks)[0]


def attention_with_log_sums(
    query: Array, key: Array, value: Array, bias: Bias, most: Blocks
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Attention, and the logarithm of every row's sum of exponentials.

    Arguments as in `chunked_attention`. A row that may attend to nothing has a
    logarithm of 0, for the backward pass.
    """
    padded = _pad_operands(query, key, value, bias, most)
    num_rows, num_columns = padded.counts()
    rows, columns = padded.blocks

    def of_queries(i: Array) -> tuple[Array, Array]:
        def with_keys(j: Array, carry: Any) -> Any:
            maximum, total, output = carry
            scores = padded.scores(i, j)
            new_maximum = jnp.maximum(maximum, scores.max(axis=1))
            # Of a row with nothing allowed so far: exp(-inf - 0), not exp(nan).
            reference = _finite(new_maximum)
            weights = jnp.exp(scores - reference[:, None])
            shrink = jnp.exp(maximum - reference)
            part = _dot(weights, _block(padded.value, j, columns), 1, 0)
            total = total * shrink + weights.sum(axis=1)
            return new_maximum, total, output * shrink[:, None] + part

        start = (
            jnp.full(rows, -jnp.inf),
            jnp.zeros(rows),
            jnp.zeros((rows, value.shape[1])),
        )
        maximum, total, output = _loop(num_columns, with_keys, start)
        some = total > 0
        divisor = jnp.where(some, total, 1.0)
        log_sum = jnp.where(some, _finite(maximum) + jnp.log(divisor), 0.0)
        return output / divisor[:, None], log_sum

    output, log_sum = lax.map(of_queries, jnp.arange(num_rows))
    whole = output.reshape(-1, value.shape[1])[: len(query)]
    return whole, log_sum.reshape(-1)[: len(query)]


def _saving_forward(
    query: Array, key: Array, value: Array, bias: Bias, blocks: Blocks
) -> tuple[Array, Any]:
    output, log_sum = attention_with_log_sums(query, key, value, bias, blocks)
    return output, (query, key, value, bias, output, log_sum)


def _backward(most: Blocks, saved: Any, cotangent: Array) -> Any:
    """Gradients, with the scores computed once more."""
    query, key, value, bias, output, log_sum = saved
    padded = _pad_operands(query, key, value, bias, most)
    num_rows, num_columns = padded.counts()
    rows, columns = padded.blocks
    inner = _pad((cotangent * output).sum(axis=1, keepdims=True), rows)
    log_sum, cotangent = _pad(log_sum[:, None], rows), _pad(cotangent, rows)

    def of_keys(query_gradient: Array, j: Array) -> tuple[Array, tuple[Any, ...]]:
        keys, values = (_block(a, j, columns) for a in (padded.key, padded.value))

        def with_queries(i: Array, carry: Any) -> Any:
            query_gradient, key_gradient, value_gradient, bias_gradient = carry
            outer = _block(cotangent, i, rows)
            weights = jnp.exp(padded.scores(i, j) - _block(log_sum, i, rows))
            change = _dot(outer, values, 1, 1) - _block(inner, i, rows)
            change = weights * change
            return (
                _add_block(query_gradient, i, _dot(change, keys, 1, 0)),
                key_gradient + _dot(change, _block(padded.query, i, rows), 0, 0),
                value_gradient + _dot(weights, outer, 0, 0),
                _add_bias(bias_gradient, change, i),
            )

        start = (
            query_gradient,
            jnp.zeros(keys.shape),
            jnp.zeros(values.shape),
            _bias_zeros(padded.bias, columns),
        )
        query_gradient, *others = _loop(num_rows, with_queries, start)
        return query_gradient, tuple(others)

    start = jnp.zeros(padded.query.shape)
    of_query, others = lax.scan(of_keys, start, jnp.arange(num_columns))
    of_key, of_value, of_bias = others
    parts = (of_query, *(a.reshape(-1, a.shape[-1]) for a in (of_key, of_value)))
    gradients = (
        part[: len(operand)].astype(operand.dtype)
        for part, operand in zip(parts, (query, key, value), strict=True)
    )
    return (*gradients, _collect_bias(of_bias, bias))


chunked_attention.defvjp(_saving_forward, _backward)


def _loop(count: int, body: Callable[[Array, Any], Any], start: Any) -> Any:
    """`lax.fori_loop`, without a loop where there is one step."""
    if count == 1:
        return body(jnp.array(0), start)
    return lax.fori_loop(0, count, body, start)


def _block(array: Array, index: Array, size: int, axis: int = 0) -> Array:
    return lax.dynamic_slice_in_dim(array, index * size, size, axis)


def _add_block(array: Array, index: Array, part: Array) -> Array:
    whole = _block(array, index, part.shape[0]) + part
    return lax.dynamic_update_slice_in_dim(array, whole, index * part.shape[0], 0)


def _dot(a: Array, b: Array, a_axis: int, b_axis: int) -> Array:
    """Contraction of one axis each, summed in float32; `a` is cast to b's type."""
    dimensions = (((a_axis,), (b_axis,)), ((), ()))
    return lax.dot_general(
        a.astype(b.dtype), b, dimensions, preferred_element_type=jnp.float32
    )


def _bias_zeros(bias: Bias, columns: int) -> Array | None:
    if bias is None:
        return None
    return jnp.zeros((bias.shape[0], columns if bias.shape[1] > 1 else 1))


def _add_bias(gradient: Array | None, change: Array, i: Array) -> Array | None:
    if gradient is None:
        return None
    if gradient.shape[1] == 1:
        change = change.sum(axis=1, keepdims=True)
    if gradient.shape[0] == 1:
        return gradient + change.sum(axis=0, keepdims=True)
    return _add_block(gradient, i, change)


def _collect_bias(blocks: Array | None, bias: Bias) -> Array | None:
    """Gradient of a bias from those of blocks of keys (j, n or 1, k or 1)."""
    if bias is None or blocks is None:
        return None
    whole = jnp.moveaxis(blocks, 0, 1).reshape(blocks.shape[1], -1)
    if bias.shape[1] == 1:  # the padding's columns are 0
        return whole.sum(axis=1, keepdims=True)[: bias.shape[0]]
    return whole[: bias.shape[0], : bias.shape[1]]


def _finite(x: Array) -> Array:
    return jnp.where(x == -jnp.inf, 0.0, x)
