"""Attention of positions to positions: at once, in parts, or in blocks.

Parts of the keys are merged as moments are (`ops.statistics.merge_moments`): exactly,
in any order. In blocks, no score matrix is ever whole, forward or backward: the softmax
over keys is built up block by block with a running maximum and sum (Milakov and
Gimelshein 2018), and the backward pass computes the scores once more from the saved
logarithm of that sum (Dao et al. 2022, FlashAttention).
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from styleflax.config import AttentionPath

Blocks = tuple[int, int]
BLOCKS: Blocks = (512, 512)
"""Most queries and most keys at a time. On two cores larger blocks (up to 1024 x
2048) were no faster; they need more memory."""

DENSE_SCORES = 2**24
"""Most scores (over the batch) that `auto` holds at once: 64 MB of float32."""


def attention(
    query: Float[Array, "b n c"],
    key: Float[Array, "#b m c"],
    value: Float[Array, "#b m d"],
    *,
    mask: Bool[Array, "#b #n #m"] | None = None,
    bias: Float[Array, "#b #n #m"] | None = None,
    path: AttentionPath = "auto",
    blocks: Blocks = BLOCKS,
) -> Float[Array, "b n d"]:
    """Returns softmax(query key^T + bias) value, a weighted mean for every query.

    Scores are not divided by sqrt(c), as in SANet (GlebSBrykin/SANET, Train.ipynb).
    Both paths compute the same numbers up to the order of summation, and both can be
    differentiated; the chunked path needs memory for two blocks, the dense path for n
    times m scores.

    Args:
        query: Queries, one per position of the content.
        key: Keys, one per position of the style.
        value: Values, one per position of the style.
        mask: True where a query may attend to a key; a query without any such key gives
            0.
        bias: Added to the scores.
        path: `dense`, `chunked`, or a choice by size, see `chooses_chunks`.
        blocks: Largest number of queries and of keys per block in the chunked path.

    Returns:
        Float32, independent of the type of the inputs.

    Raises:
        ValueError: If the path is unknown or a block is not positive.

    Example:
        >>> import jax.numpy as jnp
        >>> query = key = 20 * jnp.eye(2)[None]
        >>> attention(query, key, jnp.array([[[1.0], [5.0]]]))[0, :, 0]
        Array([1., 5.], dtype=float32)
    """
    if path not in get_args(AttentionPath):
        raise ValueError(f"path must be one of {get_args(AttentionPath)}, got {path!r}")
    if min(blocks) < 1:
        raise ValueError(f"blocks must be positive, got {blocks}")
    if mask is not None:
        forbidden = jnp.where(mask, 0.0, -jnp.inf)
        bias = forbidden if bias is None else bias + forbidden
    if path == "dense" or not (
        path == "chunked" or chooses_chunks(len(query), query.shape[1], key.shape[1])
    ):
        return _dense(query, key, value, bias)
    return _chunked(query, key, value, bias, blocks)


def chooses_chunks(batch: int, num_queries: int, num_keys: int) -> bool:
    """Whether `auto` works in blocks: above `DENSE_SCORES` scores."""
    return batch * num_queries * num_keys > DENSE_SCORES


def _chunked(
    query: Array, key: Array, value: Array, bias: Array | None, blocks: Blocks
) -> Float[Array, "b n d"]:
    """Attends picture by picture, so that memory does not grow with the batch."""
    batch = query.shape[0]

    def single(arrays: tuple[Array, ...]) -> Array:
        of_all = (*arrays, None) if bias is None else arrays
        return chunked_attention(*of_all, blocks)

    operands = (query, key, value) if bias is None else (query, key, value, bias)
    whole = tuple(jnp.broadcast_to(a, (batch, *a.shape[1:])) for a in operands)
    if batch == 1:
        return single(tuple(array[0] for array in whole))[None]
    return lax.map(single, whole)


def _dense(
    query: Array, key: Array, value: Array, bias: Array | None
) -> Float[Array, "b n d"]:
    batch = (query.shape[0],)
    key, value = (jnp.broadcast_to(a, batch + a.shape[1:]) for a in (key, value))
    scores = jnp.einsum("bnc,bmc->bnm", query, key, preferred_element_type=jnp.float32)
    if bias is None:
        weights = jax.nn.softmax(scores, axis=-1)
    else:
        scores = scores + bias
        allowed = scores > -jnp.inf
        weights = jax.nn.softmax(scores, axis=-1, where=allowed)
        weights = jnp.where(allowed, weights, 0.0)
    return jnp.einsum(
        "bnm,bmd->bnd",
        weights.astype(value.dtype),
        value,
        preferred_element_type=jnp.float32,
    )


class PartialAttention(NamedTuple):
    """What queries found among some of the keys.

    Attributes:
        output: Mean of these keys' values, weighted by softmax over these keys.
        log_sum: Logarithm of the sum of the exponentials of their scores.
    """

    output: Float[Array, "r n d"]
    log_sum: Float[Array, "r n"]


def partial_attention(
    query: Float[Array, "r n c"],
    key: Float[Array, "m c"],
    value: Float[Array, "m d"],
    allowed: Float[Array, " m"],
    blocks: Blocks = BLOCKS,
) -> PartialAttention:
    """Returns the attention of several sets of queries to one part of the keys.

    Args:
        query: Sets of queries.
        key: Keys of the part.
        value: Values of the part.
        allowed: 0 for keys that do not count.
        blocks: As in `chunked_attention`.
    """
    bias = jnp.where(allowed > 0, 0.0, -jnp.inf)[None]
    found = [attention_with_log_sums(q, key, value, bias, blocks) for q in query]
    outputs, log_sums = zip(*found, strict=True)
    log_sum = jnp.where(jnp.any(allowed > 0), jnp.stack(log_sums), -jnp.inf)
    return PartialAttention(jnp.stack(outputs), log_sum)


def merge_attention(a: PartialAttention, b: PartialAttention) -> PartialAttention:
    """Returns the attention of the same queries to the keys of both parts.

    At least one part must have a key that is not masked.
    """
    log_sum = jnp.logaddexp(a.log_sum, b.log_sum)
    share = jnp.exp(b.log_sum - log_sum)[..., None]
    return PartialAttention(a.output + share * (b.output - a.output), log_sum)


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
