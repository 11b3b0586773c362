"""The style-attentional network (Park and Lee 2019)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import AttentionPath
from styleflax.models.vgg import ReflectConv
from styleflax.ops.attention import PartialAttention, attention, partial_attention
from styleflax.ops.spatial import Extent, area_average, upsample_nearest
from styleflax.ops.statistics import (
    mean_variance_norm,
    moments_mean_std,
    region_moments,
)
from styleflax.types import Key, Params

LEVELS = ("relu4_1", "relu5_1")
"""Layers with a block each."""
FeatureMap = Float[Array, "b h w c"]
ByRegion = dict[str, list[Float[Array, "b _ _ c"]]]
"""By layer, a map for every region."""
Part = Float[Array, "1 _ _ 1"]
"""Weights of a style's positions, from 0 to 1."""
Itself = Sequence[FeatureMap]
"""What the content attended to in itself, for the queries of every region."""


class Regions(NamedTuple):
    """The regions of the content and the mix of styles in each.

    Attributes:
        masks: Masks that sum to 1 over regions at every position, of any size, or by
            layer.
        shares: Shares of every style in every region; rows sum to 1.
    """

    masks: Float[Array, "r mh mw"] | Mapping[str, Float[Array, "r _ _"]]
    shares: Float[Array, "r s"]


def whole_picture() -> Regions:
    """One style for all of a picture."""
    return Regions(jnp.ones((1, 1, 1)), jnp.ones((1, 1)))


def part_of(layer: str) -> str:
    """Where a style's features hold the part of it that counts at that layer."""
    return f"{layer}_part"


class StyleAttention(nn.Module):
    """One SANet block, less its residual: style features at the content's places.

    Attributes:
        statistics: `ddof` and `eps` of the normalization of styles.
        dtype: Compute type; scores, and what is returned, are float32.
        path: Argument of `ops.attention.attention`.
    """

    statistics: Mapping[str, Any]
    dtype: DTypeLike = jnp.float32
    path: AttentionPath = "auto"

    @nn.compact
    def __call__(
        self,
        queries: Sequence[FeatureMap],
        styles: Sequence[Float[Array, "_ _ _ c"]],
        masks: Float[Array, "r mh mw"],
        shares: Float[Array, "r s"],
        itself: Itself = (),
        parts: Sequence[Part | None] = (),
    ) -> FeatureMap:
        """What every position attended to, for mixes of styles in regions.

        Args:
            queries: The content's features, mean-variance normalized by the
                moments of every region.
            styles: Raw features; batches of 1 serve all contents.
            masks: As in `Regions`, at this layer.
            shares: The same; the last column is that of `itself`, if given.
            itself: Taken as it is.
            parts: Parts of the styles, which are normalized by the moments there and
                attended to only there; none, or None, for all of a style.
        """
        b, h, w, c = queries[0].shape

        def project(name: str) -> nn.Dense:
            # On flattened positions, a 1x1 convolution.
            return nn.Dense(c, dtype=self.dtype, name=name)

        f, g, value_of, out = (project(name) for name in ("f", "g", "h", "out_conv"))
        masks = area_average(masks, h, w)
        total = jnp.zeros((b, h, w, c))
        asked = [f(query.reshape(b, h * w, c)) for query in queries]
        for s, style in enumerate(styles):
            part = parts[s] if parts else None
            normalized, bias = _seen(style, part, self.statistics)
            flat = (style.shape[0], -1, c)
            key, value = g(normalized.reshape(flat)), value_of(style.reshape(flat))
            for r, query in enumerate(asked):
                found = attention(query, key, value, bias=bias, path=self.path)
                weight = shares[r, s] * masks[r, :, :, None]
                total = total + weight * found.reshape(b, h, w, c)
        for r, found in enumerate(itself):
            total = total + shares[r, -1] * masks[r, :, :, None] * found
        return out(total).astype(jnp.float32)


def _seen(
    style: Float[Array, "_ h w c"], part: Part | None, statistics: Mapping[str, Any]
) -> tuple[Float[Array, "_ h w c"], Float[Array, "1 1 m"] | None]:
    """A style normalized within its part, and what is added to scores for the rest."""
    if part is None:
        return mean_variance_norm(style, **statistics), None
    weights = part[..., 0].astype(jnp.float32)
    mean, std = moments_mean_std(region_moments(style, weights), **statistics)
    centered = style.astype(jnp.float32) - mean[:, :, None]
    return centered / std[:, :, None], jnp.log(weights).reshape(1, 1, -1)


def attend_partly(
    params: Params,
    queries: Float[Array, "q n c"],
    normalized: Float[Array, "m c"],
    raw: Float[Array, "m c"],
    allowed: Float[Array, " m"],
    dtype: DTypeLike = jnp.float32,
) -> PartialAttention:
    """What a block's queries attend to among some positions of a style.

    Merged over all of the style's positions (`ops.attention`), this is what
    `StyleAttention` weighs and sums before `out_conv`.

    Args:
        params: Parameters of a `StyleAttention`.
        queries: Normalized features of the content.
        normalized: The style's features there, normalized as all of the style.
        raw: The same as they are.
        allowed: 0 for positions that do not count.
        dtype: Compute type.
    """

    def project(name: str, x: Array) -> Array:
        dense = nn.Dense(params[name]["kernel"].shape[1], dtype=dtype)
        return dense.apply({"params": params[name]}, x)

    projected = project("f", queries), project("g", normalized), project("h", raw)
    return partial_attention(*projected, allowed)


def maps_of(
    found: Mapping[str, PartialAttention], features: Mapping[str, FeatureMap]
) -> ByRegion:
    """What was found at the places of features, for every region's queries."""
    return {
        layer: [part.reshape(features[layer].shape) for part in attention.output]
        for layer, attention in found.items()
    }


class SANet(nn.Module):
    """Returns features for the decoder from content and styles at relu4_1 and relu5_1.

    Attributes:
        statistics: As in `StyleAttention`.
        dtype: Compute type; the result is float32.
        path: Argument of `ops.attention.attention`.
    """

    statistics: Mapping[str, Any]
    dtype: DTypeLike = jnp.float32
    path: AttentionPath = "auto"

    @nn.compact
    def __call__(
        self,
        content: Mapping[str, FeatureMap],
        queries: Mapping[str, Sequence[FeatureMap]],
        styles: Sequence[Mapping[str, Float[Array, "_ _ _ _"]]],
        regions: Regions,
        level_weights: tuple[Any, Any] = (1.0, 1.0),
        itself: Mapping[str, Itself] | None = None,
        extent: Extent | None = None,
    ) -> FeatureMap:
        """The blocks with the content's residual, merged; at any size.

        Where relu4_1 has an odd side, the doubled relu5_1 is one longer and is
        cut; the public code fails there.

        Args:
            content: Raw features of both layers.
            queries: The same, normalized for every region.
            styles: Raw features of both layers, for every style, and by `part_of`
                what of them counts, if that is not all.
            regions: What goes where.
            level_weights: Factors of what relu4_1 and relu5_1 attended to; the
                content's own features, which are added to it, stay.
            itself: What the content attended to in itself, at both layers; its
                share is the last of `regions`.
            extent: What of the content at relu4_1 is the picture's; None for all.
        """
        _, h, w, c = content["relu4_1"].shape
        total = jnp.zeros(())
        for layer, weight in zip(LEVELS, level_weights, strict=True):
            settings = (self.statistics, self.dtype, self.path)
            block = StyleAttention(*settings, name=layer.replace("relu", "sanet"))
            masks = regions.masks
            attended = block(
                queries[layer],
                [s[layer] for s in styles],
                masks[layer] if isinstance(masks, Mapping) else masks,
                regions.shares,
                itself[layer] if itself else (),
                [s.get(part_of(layer)) for s in styles],
            )
            level = content[layer].astype(jnp.float32) + weight * attended
            total = total + (level if layer == "relu4_1" else _enlarged(level, h, w))
        conv = ReflectConv(c, dtype=self.dtype, name="merge_conv")
        return conv(total, extent).astype(jnp.float32)


def _enlarged(
    deep: Float[Array, "b h2 w2 c"], height: int, width: int
) -> Float[Array, "b {height} {width} c"]:
    return upsample_nearest(deep)[:, :height, :width]


# Logits of 512 channels are then about 40 times the cosine of query and key.
_LIKENESS = 40.0
# Of what is attended to, beside the content's own features.
_ATTENDED_SHARE = 1.5


def likeness_params(key: Key, channels: int = 512) -> Params:
    """Parameters with which an untrained `SANet` moves style to where it is alike.

    Queries and keys are the same rotation of normalized features, so that every
    position attends to those most like it; values pass unchanged. The merge is a
    mean of the content's relu4_1 (2 parts) and the relu4_1 it attended to (3
    parts), and what relu5_1 attended to begins as nothing. A decoder of relu4_1
    features (AdaIN's) thus begins with features that it knows, if those of relu5_1,
    which the network adds to them, are small (`config.Encoder.deepest_scale`). Not
    in the paper; random parameters began as noise and were still noise after 100
    steps, these begin as pictures in the style.
    """
    scale = (_LIKENESS / channels) ** 0.5
    rotation = jax.nn.initializers.orthogonal(scale)(key, (channels, channels))
    identity = jnp.eye(channels)
    parts = 1.0 + _ATTENDED_SHARE
    merge = jnp.zeros((3, 3, channels, channels)).at[1, 1].set(identity / parts)

    def dense(kernel: Float[Array, "c c"]) -> Params:
        # Copies, as a training step may not be given one array twice.
        return {"kernel": jnp.array(kernel), "bias": jnp.zeros(channels)}

    def block(share: float) -> Params:
        likeness = {name: dense(rotation) for name in ("f", "g")}
        return {**likeness, "h": dense(identity), "out_conv": dense(share * identity)}

    return {
        "sanet4_1": block(_ATTENDED_SHARE),
        "sanet5_1": block(0.0),
        "merge_conv": {"kernel": merge, "bias": jnp.zeros(channels)},
    }
