"""SANet once more, in NumPy float64, sharing nothing with the library."""

import numpy as np


def attention(query, key, value, mask=None, bias=None):
    """Batches (b, n, c), (b or 1, m, c), (b or 1, m, d), one query after another."""
    query, key, value = (np.asarray(x, float) for x in (query, key, value))
    batch, num_queries, _ = query.shape
    full = (batch, num_queries, key.shape[1])
    allowed = np.broadcast_to(True if mask is None else np.asarray(mask), full)
    added = np.broadcast_to(0.0 if bias is None else np.asarray(bias, float), full)
    result = np.zeros((batch, num_queries, value.shape[2]))
    for b in range(batch):
        keys, values = key[b % len(key)], value[b % len(value)]
        for i in range(num_queries):
            scores = keys @ query[b, i] + added[b, i]
            chosen = allowed[b, i] & (scores > -np.inf)
            if chosen.any():
                exponentials = np.exp(scores[chosen] - scores[chosen].max())
                weights = exponentials / exponentials.sum()
                result[b, i] = weights @ values[chosen]
    return result
