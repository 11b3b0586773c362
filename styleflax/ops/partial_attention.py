"""Attention to keys that come in parts, such as the positions of a picture's tiles.

Parts are merged as moments are (`ops.statistics.merge_moments`): exactly, in any
order.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.ops.chunked_attention import BLOCKS, Blocks, attention_with_log_sums


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
    """Attention of several sets of queries to one part of the keys.

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
    """What the same queries found among the keys of both parts.

    In one of them there must have been a key that counts.
    """
    log_sum = jnp.logaddexp(a.log_sum, b.log_sum)
    share = jnp.exp(b.log_sum - log_sum)[..., None]
    return PartialAttention(a.output + share * (b.output - a.output), log_sum)
