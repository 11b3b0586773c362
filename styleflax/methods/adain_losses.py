"""What AdaIN is trained on (Huang and Belongie 2017)."""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.losses.content import mse_loss, pixel_loss
from styleflax.losses.regularizers import REGULARIZERS, regularize
from styleflax.methods.adain_transforms import Transform
from styleflax.methods.base import Batch, Variables, weigh_terms
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.terms import StyleTerms
from styleflax.models.decoder import Decoder
from styleflax.ops.adain import adain
from styleflax.ops.statistics import channel_mean_std
from styleflax.types import FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
PAPER_LOSSES: Mapping[str, float] = MappingProxyType({"content": 1.0, "style": 10.0})
IDENTITIES = ("identity", "identity_features")
RECONSTRUCTIONS = ("pixel", *IDENTITIES)
LOSS_TERMS = ("content", *RECONSTRUCTIONS, *REGULARIZERS)
"""Beside the style losses."""
CONTENT_TARGETS = ("adain", "content")


class Networks(NamedTuple):
    """What the functions of the method share."""

    arithmetic: Arithmetic
    encode: FrozenEncoder
    decoder: Decoder
    transform: Transform
    content_target: str
    style_terms: StyleTerms

    def decode(
        self, params: Params, state: Params, feature: Float[Array, "b fh fw c"]
    ) -> tuple[Image, Params]:
        """The decoder's images in training, and its batch statistics after them."""
        variables = {"params": params, **state}
        images, new_state = self.decoder.apply(
            variables, feature, training=True, mutable=["batch_stats"]
        )
        return images, new_state

    def reconstruct(
        self, params: Params, state: Params, feature: Float[Array, "b fh fw c"]
    ) -> tuple[Image, Params]:
        """The same of pictures in their own style."""
        return self.decode(
            params, state, self.transform.pair(feature, feature, feature)
        )


def adain_loss(
    weights: Mapping[str, float],
    nets: Networks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    """Equation 11 of the paper and what keeps it on course; see `make_adain`."""
    images = jnp.concatenate([batch["content"], batch["style"]])
    state = variables.state

    terms = {}
    if "pixel" in weights:
        feature = nets.encode(frozen, images, (DEEPEST,))[DEEPEST]
        decoded, state = nets.reconstruct(own_params, state, feature)
        terms["pixel"] = pixel_loss(decoded, images)
    if identities := weights.keys() & set(IDENTITIES):
        found, state = _identity_terms(
            identities, nets, own_params, state, frozen, _middle(images)
        )
        terms |= found
    if not weights.keys() <= set(RECONSTRUCTIONS):
        found, state = _transfer_terms(
            weights, nets, own_params, state, variables, frozen, batch, key
        )
        terms |= found
    total, metrics = weigh_terms(weights, terms)
    return total, (metrics, state)


def styles_and_transfers(
    nets: Networks,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    layers: tuple[str, ...],
) -> tuple[FeatureMaps, FeatureMaps]:
    """Features of styles, and of contents in them; for a critic."""
    needed = tuple(dict.fromkeys((*layers, DEEPEST)))
    style = nets.encode(frozen, batch["style"], needed)
    images, *_ = _stylize(
        nets, variables.players["model"], variables.state, frozen, batch, style
    )
    return {k: style[k] for k in layers}, nets.encode(frozen, images, layers)


def _transfer_terms(
    weights: Mapping[str, float],
    nets: Networks,
    own_params: Params,
    state: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[dict[str, Array], Params]:
    """Of contents in the styles beside them: content, style losses, regularizers."""
    style = nets.encode(frozen, batch["style"], STYLE_LAYERS)
    targets = nets.style_terms.targets(style)
    stylized, wanted, state = _stylize(nets, own_params, state, frozen, batch, style)

    def compared(features: FeatureMaps) -> dict[str, Array]:
        terms = nets.style_terms.compare(features, targets, variables.players, key)
        return {"content": mse_loss(features[DEEPEST], wanted), **terms}

    return {
        **nets.encode.judge(frozen, stylized, STYLE_LAYERS, compared),
        **regularize(stylized, weights),
    }, state


def _stylize(
    nets: Networks,
    own_params: Params,
    state: Params,
    frozen: Params,
    batch: Batch,
    style: FeatureMaps,
) -> tuple[Image, Float[Array, "b _ _ c"], Params]:
    """Contents in styles, what content loss wants of them, and new statistics."""
    content = nets.encode(frozen, batch["content"], (DEEPEST,))[DEEPEST]
    statistics = channel_mean_std(style[DEEPEST], **nets.arithmetic.style_statistics())
    moved = adain(content, *statistics, **nets.arithmetic.content_statistics())
    wanted = {"adain": moved, "content": content}[nets.content_target]
    mixed = jax.lax.stop_gradient(nets.transform.pair(content, style[DEEPEST], moved))
    stylized, state = nets.decode(own_params, state, mixed)
    return stylized, jax.lax.stop_gradient(wanted), state


def _identity_terms(
    names: Collection[str],
    nets: Networks,
    own_params: Params,
    state: Params,
    frozen: Params,
    images: Image,
) -> tuple[dict[str, Array], Params]:
    """What a reconstruction lacks of the pictures, and of their features in all layers.

    The pictures are encoded and decoded once for both: XLA merges two passes forward,
    but not those backward, which begin at different places.
    """
    of_features = "identity_features" in names
    layers = STYLE_LAYERS if of_features else (DEEPEST,)
    features = nets.encode(frozen, images, layers)
    decoded, state = nets.reconstruct(own_params, state, features[DEEPEST])
    terms = {"identity": pixel_loss(decoded, images)} if "identity" in names else {}
    if not of_features:
        return terms, state

    def compared(seen: FeatureMaps) -> dict[str, Array]:
        distances = (mse_loss(seen[k], features[k]) for k in STYLE_LAYERS)
        return {"identity_features": sum(distances, start=jnp.zeros(()))}

    terms |= nets.encode.judge(frozen, decoded, STYLE_LAYERS, compared)
    return terms, state


def _middle(images: Image) -> Float[Array, "b half_h half_w 3"]:
    """The middle half of both sides, in whole positions of relu4_1.

    A quarter of the pixels for a quarter of the cost, and the same for any
    number of devices, which a choice of pictures would not be.
    """
    height, width = (max(side // 16, 1) * 8 for side in images.shape[1:3])
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]
