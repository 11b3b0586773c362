"""Attention of positions to positions: at once, or merged from parts of the keys.

Parts are merged as moments are (`ops.statistics.merge_moments`): exactly, in any
order.
"""

from typing import NamedTuple, get_args

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float

from styleflax.config import AttentionPath
from styleflax.ops.chunked_attention import (
    BLOCKS,
    Blocks,
    attention_with_log_sums,
    chunked_attention,
)

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
        blocks: As in `ops.chunked_attention`.
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
