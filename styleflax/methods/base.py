"""The record that every style transfer method is."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from styleflax.methods.finishing import (
    add_detail,
    match_colors,
    with_palette,
    without_palettes,
)
from styleflax.ops.attention import PartialAttention
from styleflax.ops.spatial import Extent, area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

Batch = Mapping[str, Any]
Style = Any
"""A tree of arrays: all that a method keeps of a style picture."""
LossFn = Callable[..., tuple[Float[Array, ""], tuple[dict[str, Array], Params]]]
BeginFrom = Callable[
    [str, Mapping[str, Params]], tuple[dict[str, Params], dict[str, Params]]
]


class Variables(NamedTuple):
    """What training changes.

    Attributes:
        players: Trained parameters by player: `model`, and for an adversarial
            loss also `critic`. Each has an optimizer of its own.
        state: What changes without a gradient (batch statistics); mostly {}.
    """

    players: dict[str, Params]
    state: Params


class Controls(NamedTuple):
    """How to apply styles; arrays only, so that a compiled program serves all values.

    Attributes:
        strength: Share of the style in every region, 0 to 1.
        weights: Share of every style in every region; rows sum to 1.
        masks: Regions in the content, of any height and width; they sum to 1
            over regions at every position.
        extras: What only some methods have, by the names in `Method.controls`.
        color_match: Share of the way to the paintings' chroma in every region, 0 to
            1; None where no color is moved. See `match_colors`.
        detail: Share of what the network loses of the content that is added in every
            region, 0 to 1; None where nothing is. See `add_detail`.
    """

    strength: Float[Array, " r"]
    weights: Float[Array, "r s"]
    masks: Float[Array, "r h w"]
    extras: dict[str, Array]
    color_match: Float[Array, " r"] | None = None
    detail: Float[Array, " r"] | None = None


LayerMasks = Mapping[str, Float[Array, "r _ _"]]
"""Regions on the grids of a method's layers."""
Masks = Float[Array, "r h w"] | LayerMasks
"""Regions in a picture of any size, or on those grids."""
Positions = Mapping[str, Float[Array, "n ..."]]
"""By layer, something of some positions."""
Found = Mapping[str, PartialAttention]
"""By layer, what content positions attended to in the content, for each region."""


class Piece(NamedTuple):
    """What a method must know of a picture, where it sees a window of it.

    Attributes:
        extent: Rows and columns of the window, in px, that are the picture's.
        masks: Masks of `Controls`, on the grids of this window; there those of
            `Controls` are ignored.
        itself: What the window's positions attended to in the whole content; {}
            where strength is 1, and with a method that has no `Tiling.attend`.
    """

    extent: Extent
    masks: LayerMasks
    itself: Found


class Tiling(NamedTuple):
    """How a method works on windows of a picture.

    Attributes:
        stride_px: Windows begin at multiples of this, and have multiples of it as
            their sides.
        halo_px: Margin of a window in which its result is not the picture's, where
            the picture goes on.
        attend: (variables, features, moments, others, allowed) -> what a window's
            features attend to among some of the content's, (n, c) by layer, where
            `allowed`, (n,) by layer, is not 0; for a content that attends to itself
            below strength 1. Merged by `ops.attention.merge_attention`.
    """

    stride_px: int
    halo_px: int
    attend: (
        Callable[
            [Variables, FeatureMaps, dict[str, Moments], Positions, Positions], Found
        ]
        | None
    ) = None


class Method(NamedTuple):
    """A style transfer method as pure functions.

    Attributes:
        init: key -> Variables.
        losses: For every player, `f(own_params, variables, frozen, batch, key)`
            -> (scalar, (metrics, new_state)). Scalars and metrics are means over
            the batch, so that devices can average them. `new_state` holds those
            entries of the state that this loss sets.
        encode_style: (variables, frozen, style_input) -> Style, from
            `{"image": (1, h, w, 3)}`, or see `styles`; with the control "style_masks"
            also of a part of it, `"mask": (1, mh, mw)` of any size. The content of a
            style file.
        encode_content: (variables, frozen, image, extent=None) -> features, local in
            space.
        moments: (features, `Masks`) -> moments by layer, mergeable over windows.
        transfer: (variables, frozen, features, moments, styles, controls,
            piece=None) -> features; `styles` is a sequence, whose sizes may differ.
        decode: (variables, frozen, features, extent=None) -> image, local in space;
            up to 7 px larger than the content, at its right and lower border.
        encoder_layers: What `frozen["encoder"]` must reach; () for a method whose
            encoder is among its own parameters: its model file holds no other.
        tiling: None where a method needs the whole picture; else the last arguments
            above may be given, for a window in its place.
        controls: Names of the controls that it supports.
        styles: Names of the styles that are in its parameters, where it takes no
            pictures of styles: `encode_style` gets `{"style_index": (1,)}`, and
            batches hold that of every style picture.
        options: Its own arguments, as JSON has them, by which a model file's method
            is built again.
        begin_from: Function of the method and players of the model file that a
            training begins from: the players to begin with, and what stays frozen
            beside the encoder. None where parts of the same names are taken.
        frozen_parts: Names of those in `frozen` and in model files, each with
            key -> such a tree.
        encoder_width: Factor on the channels of that encoder; see `models.vgg`.
        trains_encoder: Whether `players["model"]["encoder"]` is a trained copy of that
            encoder, which a training puts there, and which is its model file's.
        judge_layers: What `frozen["encoder"]` must reach in training, where it judges
            the results; () for the same as `encoder_layers`.
    """

    init: Callable[[Key], Variables]
    losses: Mapping[str, LossFn]
    encode_style: Callable[[Variables, Params, Mapping[str, Array]], Style]
    encode_content: Callable[..., FeatureMaps]
    moments: Callable[[FeatureMaps, Masks], dict[str, Moments]]
    transfer: Callable[..., FeatureMaps]
    decode: Callable[..., Image]
    encoder_layers: tuple[str, ...]
    tiling: Tiling | None
    controls: frozenset[str]
    styles: tuple[str, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    begin_from: BeginFrom | None = None
    frozen_parts: Mapping[str, Callable[[Key], Params]] = MappingProxyType({})
    encoder_width: float = 1.0
    trains_encoder: bool = False
    judge_layers: tuple[str, ...] = ()


def plain_controls(
    alpha: ArrayLike = 1.0, weights: Sequence[float] = (1.0,), **extras: ArrayLike
) -> Controls:
    """Controls of one region over the whole picture.

    Args:
        alpha: Strength, 0 to 1.
        weights: One per style; scaled to sum to 1.
        extras: What only some methods have.
    """
    shares = jnp.asarray(weights, jnp.float32)
    strength = jnp.asarray(alpha, jnp.float32).reshape(1)
    masks = jnp.ones((1, 1, 1), jnp.float32)
    of_method = {k: jnp.asarray(v, jnp.float32) for k, v in extras.items()}
    return Controls(strength, (shares / shares.sum())[None], masks, of_method)


def at_strength_0(controls: Controls) -> Controls:
    """Controls by which a method makes of a content what it can of that alone."""
    return controls._replace(strength=jnp.zeros_like(controls.strength))


def encode_painting(
    method: Method, variables: Variables, frozen: Params, inputs: Mapping[str, Array]
) -> Style:
    """All that is retained of a painting: `Method.encode_style`, and the palette."""
    return with_palette(method.encode_style(variables, frozen, inputs), inputs)


def stylize(
    method: Method,
    variables: Variables,
    frozen: Params,
    content: Image,
    styles: Sequence[Style],
    controls: Controls,
) -> Image:
    """Content images in given styles: the composition that all methods share.

    Returns:
        RGB of exactly the size of `content`, not clipped.
    """
    features = method.encode_content(variables, frozen, content)
    moments = method.moments(features, controls.masks)
    own_styles = without_palettes(styles)

    def decoded(controls: Controls) -> Image:
        operands = (features, moments, own_styles, controls)
        merged = method.transfer(variables, frozen, *operands)
        image = method.decode(variables, frozen, merged)
        return image[:, : content.shape[1], : content.shape[2]]

    image, masks = decoded(controls), controls.masks
    if controls.detail is not None:
        reproduction = decoded(at_strength_0(controls))
        image = add_detail(image, content, reproduction, controls.detail, masks)
    if controls.color_match is not None:
        looks = (controls.weights, controls.color_match, masks)
        image = match_colors(image, styles, *looks)
    return image


def feature_moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
    """Moments of every region at every layer; `Method.moments` of most methods."""
    found = {}
    for layer, feature in features.items():
        cells = area_average(layer_masks(masks, layer), *feature.shape[1:3])
        found[layer] = region_moments(feature, cells)
    return found


def style_moments(
    feature: FeatureMap, mask: Float[Array, "1 _ _"] | None, **statistics: Any
) -> dict[str, Float[Array, "b c"]]:
    """The mean and std of a style's feature, or of the part of it under a mask.

    Args:
        feature: Feature of the style.
        mask: The part, of any size; None for all.
        statistics: Arguments of `ops.statistics`.
    """
    if mask is None:
        mean, std = channel_mean_std(feature, **statistics)
    else:
        part = area_average(mask, *feature.shape[1:3])
        by_region = moments_mean_std(region_moments(feature, part), **statistics)
        mean, std = (value[:, 0] for value in by_region)
    return {"mean": mean, "std": std}


def mix_moments(
    styles: Sequence[Mapping[str, Float[Array, "_ c"]]], weights: Float[Array, "r s"]
) -> tuple[Float[Array, "r c"], Float[Array, "r c"]]:
    """The weighted mean and std of every region; styles as `style_moments` has them."""
    mean, std = (
        weights @ jnp.concatenate([style[name] for style in styles])
        for name in ("mean", "std")
    )
    return mean, std


def layer_masks(masks: Masks, layer: str) -> Float[Array, "r h w"]:
    """The masks to be averaged over the grid of that layer."""
    return masks[layer] if isinstance(masks, Mapping) else masks


def weigh_terms(
    weights: Mapping[str, float], terms: Mapping[str, Array]
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The weighted sum of a loss's terms, and those to report, as `NAME_loss`."""
    total = add_terms(w * terms[k] for k, w in weights.items())
    return total, {f"{k}_loss": v for k, v in terms.items()}


def add_terms(terms: Iterable[Float[Array, ""]]) -> Float[Array, ""]:
    """The sum of terms; 0 of none."""
    return sum(terms, start=jnp.zeros(()))


def check_loss_names(weights: Mapping[str, float], allowed: Sequence[str]) -> None:
    """Refuses loss weights of unknown names, none at all, or not positive.

    Raises:
        ValueError: Naming the terms that are allowed.
    """
    wrong = sorted(set(weights) - set(allowed))
    if wrong or not weights:
        raise ValueError(f"losses must be among {sorted(allowed)}, got {wrong or '{}'}")
    if any(not 0 <= w < float("inf") for w in weights.values()):
        raise ValueError(
            f"loss weights must be finite and at least 0, got {dict(weights)}"
        )
