"""How AdaIN's decoder is told of a style: by AdaIN, or by the style's own features."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.methods.base import Controls, Style
from styleflax.ops.adain import rescale
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)

FeatureMap = Float[Array, "b h w c"]
Mixed = Float[Array, "b h w parts_c"]
Part = Float[Array, "1 h w"]


class Transform(NamedTuple):
    """From features of content and style to what the decoder takes.

    Attributes:
        name: Under which it is in `TRANSFORMS`.
        parts: Of as many channels as the encoder's feature, that the decoder takes.
        keep: (statistics, feature, part) -> all that is kept of a style; of a part of
            it, (1, h, w) on the feature's grid, where that is not None.
        pair: (content, style, moved) -> the decoder's input in training; `moved` is
            AdaIN of the two.
        mix: (statistics, content, moments, styles, controls, masks) -> the same for
            any controls; masks are on the content's grid.
        is_local: Whether a position's result is made of that position alone.
        keeps_parts: Whether `keep` heeds a part.
    """

    name: str
    parts: int
    keep: Callable[[Mapping[str, Any], FeatureMap, Part | None], Style]
    pair: Callable[[FeatureMap, FeatureMap, FeatureMap], Mixed]
    mix: Callable[..., Mixed]
    is_local: bool
    keeps_parts: bool


def _keep_statistics(
    statistics: Mapping[str, Any], feature: FeatureMap, part: Part | None
) -> Style:
    if part is None:
        mean, std = channel_mean_std(feature, **statistics)
        return {"mean": mean, "std": std}
    moments = region_moments(feature, part)
    mean, std = moments_mean_std(moments, **statistics)
    return {"mean": mean[:, 0], "std": std[:, 0]}


def _mix_statistics(
    statistics: Mapping[str, Any],
    content: FeatureMap,
    moments: Moments,
    styles: Sequence[Style],
    controls: Controls,
    masks: Float[Array, "r h w"],
) -> FeatureMap:
    """AdaIN of every region towards its mix of styles, summed by mask.

    A weighted sum of AdaIN outputs (the paper's equation 15) is one AdaIN
    towards the weighted sum of the styles' means and deviations.
    """
    mean, std = moments_mean_std(moments, **statistics)
    style_mean = controls.weights @ jnp.concatenate([s["mean"] for s in styles])
    style_std = controls.weights @ jnp.concatenate([s["std"] for s in styles])
    total: FeatureMap = jnp.zeros_like(content)
    for r in range(masks.shape[0]):
        target = (style_mean[r : r + 1], style_std[r : r + 1])
        moved = rescale(content, mean[:, r], std[:, r], *target, controls.strength[r])
        total = total + masks[r, :, :, None] * moved
    return total


def _keep_feature(
    _: Mapping[str, Any], feature: FeatureMap, _part: Part | None
) -> Style:
    return {"feature": feature.astype(jnp.float32)}


def _concatenate(content: FeatureMap, style: FeatureMap, _moved: FeatureMap) -> Mixed:
    content = content.astype(jnp.float32)
    return jnp.concatenate([content, _fitted(style, content)], axis=-1)


def _mix_features(
    _statistics: Mapping[str, Any],
    content: FeatureMap,
    _moments: Moments,
    styles: Sequence[Style],
    controls: Controls,
    masks: Float[Array, "r h w"],
) -> Mixed:
    """The content's feature beside the styles', mixed by region; at 0 its own."""
    maps = [_fitted(style["feature"], content) for style in styles]
    beside: FeatureMap = jnp.zeros_like(content)
    for r in range(masks.shape[0]):
        mixed = sum(controls.weights[r, s] * m for s, m in enumerate(maps))
        strength = controls.strength[r]
        moved = strength * mixed + (1.0 - strength) * content
        beside = beside + masks[r, :, :, None] * moved
    return jnp.concatenate([content, beside], axis=-1)


def _fitted(
    style: Float[Array, "_ _ _ c"], content: Float[Array, "_ h w c"]
) -> Float[Array, "_ h w c"]:
    """The style's map, stretched to the height and width of the content's."""
    style = style.astype(jnp.float32)
    if style.shape[1:3] == content.shape[1:3]:
        return style
    shape = (style.shape[0], *content.shape[1:])
    return jax.image.resize(style, shape, "bilinear")


TRANSFORMS: Mapping[str, Transform] = MappingProxyType(
    {
        "adain": Transform(
            "adain",
            1,
            _keep_statistics,
            lambda _content, _style, moved: moved,
            _mix_statistics,
            is_local=True,
            keeps_parts=True,
        ),
        "concatenation": Transform(
            "concatenation",
            2,
            _keep_feature,
            _concatenate,
            _mix_features,
            is_local=False,
            keeps_parts=False,
        ),
    }
)
