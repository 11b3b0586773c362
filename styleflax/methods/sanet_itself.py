"""SANet's content that attends to itself, window by window."""

from collections.abc import Mapping
from functools import partial, reduce

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.methods.base import Found, Positions, Variables
from styleflax.methods.sanet_losses import Networks
from styleflax.ops.partial_attention import partial_attention
from styleflax.ops.statistics import Moments, merge_moments, moments_mean_std
from styleflax.types import FeatureMaps, Params

ByRegion = dict[str, list[Float[Array, "b _ _ c"]]]


def queries_of(
    nets: Networks, features: FeatureMaps, moments: Mapping[str, Moments]
) -> ByRegion:
    """Content features, normalised by the moments of every region."""
    statistics = nets.arithmetic.content_statistics()
    queries = {}
    for layer, moment in moments.items():
        mean, std = (
            m[:, :, None, None] for m in moments_mean_std(moment, **statistics)
        )
        content = features[layer].astype(jnp.float32)
        count = moment.count.shape[1]
        queries[layer] = [(content - mean[:, r]) / std[:, r] for r in range(count)]
    return queries


def attend_itself(
    nets: Networks,
    variables: Variables,
    features: FeatureMaps,
    moments: dict[str, Moments],
    others: Positions,
    allowed: Positions,
) -> Found:
    """What a window attends to among some positions of the same content.

    Merged over all of the content's positions, this is what
    `models.sanet.StyleAttention` finds where the content is its own style.

    Args:
        nets: Of the method.
        variables: The same.
        features: Of a window that asks; one picture's.
        moments: Of all regions of the whole content, which together are all of it.
        others: Those of the positions asked, (n, c) by layer.
        allowed: Which of them count, (n,) by layer.
    """
    queries = queries_of(nets, features, moments)
    statistics = nets.arithmetic.style_statistics()
    found = {}
    for layer, moment in moments.items():
        params = variables.players["model"][layer.replace("relu", "sanet")]
        project = partial(_project, nets.transform.dtype, params)
        mean, std = moments_mean_std(_of_all(moment), **statistics)
        raw = others[layer]
        normalised = (raw.astype(jnp.float32) - mean[0]) / std[0]
        asked = jnp.concatenate(queries[layer])
        found[layer] = partial_attention(
            project("f", asked.reshape(len(asked), -1, asked.shape[-1])),
            project("g", normalised),
            project("h", raw),
            allowed[layer],
        )
    return found


def _project(dtype: DTypeLike, params: Params, name: str, x: Array) -> Array:
    kernel = params[name]["kernel"]
    return nn.Dense(kernel.shape[1], dtype=dtype).apply({"params": params[name]}, x)


def _of_all(moments: Moments) -> Moments:
    """Those of all regions together."""
    regions = range(moments.count.shape[1])
    parts = [jax.tree.map(lambda x, r=r: x[:, r : r + 1], moments) for r in regions]
    return reduce(merge_moments, parts)


def split_found(found: Found, features: FeatureMaps) -> ByRegion:
    """What was found by layer and region, as maps; {} where nothing was asked."""
    return {
        layer: [part.reshape(features[layer].shape) for part in attention.output]
        for layer, attention in found.items()
    }
