"""What AdaIN is trained on (Huang and Belongie 2017)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.losses.content import mse_loss, pixel_loss
from styleflax.losses.regularizers import total_variation_loss
from styleflax.losses.style import gram_loss, mean_std_loss
from styleflax.methods.base import Batch, Variables, weigh_terms
from styleflax.methods.frozen_encoder import FrozenEncoder
from styleflax.models.decoder import Decoder
from styleflax.ops.adain import adain
from styleflax.ops.statistics import channel_mean_std, gram_matrix
from styleflax.types import FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
PAPER_LOSSES: Mapping[str, float] = MappingProxyType({"content": 1.0, "style": 10.0})
LOSS_TERMS = (
    "content",
    "style",
    "gram",
    "pixel",
    "identity",
    "identity_features",
    "total_variation",
)


class Networks(NamedTuple):
    """What the functions of the method share."""

    arithmetic: Arithmetic
    encode: FrozenEncoder
    decoder: Decoder

    def decode(self, params: Params, feature: Float[Array, "b fh fw c"]) -> Image:
        """The decoder's images."""
        return self.decoder.apply({"params": params}, feature)


def adain_loss(
    weights: Mapping[str, float],
    nets: Networks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    _key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    """Equation 11 of the paper and what keeps it on course; see `make_adain`."""
    images = jnp.concatenate([batch["content"], batch["style"]])

    def reconstruction(pictures: Image) -> Float[Array, ""]:
        feature = nets.encode(frozen, pictures, (DEEPEST,))[DEEPEST]
        return pixel_loss(nets.decode(own_params, feature), pictures)

    terms = {}
    if "pixel" in weights:
        terms["pixel"] = reconstruction(images)
    if "identity" in weights:
        terms["identity"] = reconstruction(_middle(images))
    if "identity_features" in weights:
        terms |= _identity_features(nets, own_params, frozen, _middle(images))
    if not weights.keys().isdisjoint({"content", "style", "gram", "total_variation"}):
        terms |= _transfer_terms(nets, own_params, frozen, batch)
    total, metrics = weigh_terms(weights, terms)
    return total, (metrics, variables.state)


def _transfer_terms(
    nets: Networks, own_params: Params, frozen: Params, batch: Batch
) -> dict[str, Array]:
    """The paper's two, of contents in the styles beside them; and smoothness."""
    of_style = nets.arithmetic.style_statistics()
    content = nets.encode(frozen, batch["content"], (DEEPEST,))[DEEPEST]
    style = nets.encode(frozen, batch["style"], STYLE_LAYERS)
    targets = {k: channel_mean_std(v, **of_style) for k, v in style.items()}
    grams = {k: gram_matrix(v) for k, v in style.items()}
    of_content = nets.arithmetic.content_statistics()
    target = adain(content, *targets[DEEPEST], **of_content)
    target = jax.lax.stop_gradient(target)
    stylized = nets.decode(own_params, target)

    def compared(features: FeatureMaps) -> dict[str, Array]:
        reduction = nets.arithmetic.reduction
        return {
            "content": mse_loss(features[DEEPEST], target),
            "style": mean_std_loss(features, targets, reduction=reduction, **of_style),
            "gram": gram_loss(features, grams),
        }

    return {
        **nets.encode.judge(frozen, stylized, STYLE_LAYERS, compared),
        "total_variation": total_variation_loss(stylized),
    }


def _identity_features(
    nets: Networks, own_params: Params, frozen: Params, images: Image
) -> dict[str, Array]:
    """What the reconstruction lacks of the pictures' features, all layers summed."""
    features = nets.encode(frozen, images, STYLE_LAYERS)
    decoded = nets.decode(own_params, features[DEEPEST])

    def compared(seen: FeatureMaps) -> dict[str, Array]:
        distances = (mse_loss(seen[k], features[k]) for k in STYLE_LAYERS)
        return {"identity_features": sum(distances, start=jnp.zeros(()))}

    return nets.encode.judge(frozen, decoded, STYLE_LAYERS, compared)


def _middle(images: Image) -> Float[Array, "b half_h half_w 3"]:
    """The middle half of both sides, in whole positions of relu4_1.

    A quarter of the pixels for a quarter of the cost, and the same for any
    number of devices, which a choice of pictures would not be.
    """
    height, width = (max(side // 16, 1) * 8 for side in images.shape[1:3])
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]
