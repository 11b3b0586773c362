from functools import reduce

import jax
import jax.numpy as jnp
import numpy as np
import numpy_sanet

from styleflax.ops.attention import merge_attention, partial_attention

RNG = np.random.default_rng(0)
QUERY = RNG.normal(0, 2, (2, 9, 5)).astype("f4")
KEY = RNG.normal(0, 2, (30, 5)).astype("f4")
VALUE = RNG.normal(0, 1, (30, 4)).astype("f4")
EXPECTED = numpy_sanet.attention(QUERY, KEY[None], VALUE[None])
part_of = jax.jit(lambda *operands: partial_attention(*operands, blocks=(4, 4)))


def parts():
    """Parts of 12 keys, the last with keys that do not count."""
    for start in (0, 12, 18):
        allowed = np.arange(start, start + 12) >= {18: 24}.get(start, 0)
        part = slice(start, start + 12)
        yield part_of(QUERY, KEY[part], VALUE[part], jnp.float32(allowed))


def test_parts_merged_in_any_order_are_the_attention_to_all_keys():
    found = list(parts())
    for order in (found, found[::-1]):
        merged = reduce(merge_attention, order)
        np.testing.assert_allclose(merged.output, EXPECTED, rtol=1e-5, atol=1e-6)


def test_scores_of_any_size_are_merged():
    first, *others = parts()
    for apart in (1e4, -1e4):
        distant = first._replace(log_sum=first.log_sum + apart)
        merged = merge_attention(distant, others[0])
        winner = first if apart > 0 else others[0]
        np.testing.assert_allclose(merged.output, winner.output, rtol=1e-5, atol=1e-6)


def test_a_part_where_nothing_counts_adds_nothing():
    first, *_ = parts()
    empty = part_of(QUERY, KEY[:12], VALUE[:12], jnp.zeros(12))
    for merged in (merge_attention(first, empty), merge_attention(empty, first)):
        for got, expected in zip(merged, first, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6)
