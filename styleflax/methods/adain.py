"""AdaIN: arbitrary style transfer by channel statistics (Huang and Belongie 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.losses.content import mse_loss, pixel_loss
from styleflax.losses.regularizers import total_variation_loss
from styleflax.losses.style import mean_std_loss
from styleflax.methods.base import (
    Batch,
    Controls,
    Method,
    Style,
    Tiling,
    Variables,
    check_loss_names,
)
from styleflax.models.decoder import Decoder
from styleflax.models.vgg import VGG
from styleflax.ops.adain import adain, rescale
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
PAPER_ARITHMETIC = Arithmetic()
PAPER_LOSSES = MappingProxyType({"content": 1.0, "style": 10.0})
LOSS_TERMS = ("content", "style", "pixel", "identity", "total_variation")


def make_adain(
    losses: Mapping[str, float] = PAPER_LOSSES,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Args:
        losses: Weights by term. `content` and `style` are the paper's; `pixel`
            makes an autoencoder of contents and styles alike; `identity`
            asks the same of the middle of every picture, beside the other
            terms; `total_variation` smooths.
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics are float32.
        native: Use XLA's own convolution also on CPU; see `ops.conv`.

    Raises:
        ValueError: If a term is unknown.
    """
    check_loss_names(losses, LOSS_TERMS)
    decoder = Decoder(dtype, native)

    def encode(frozen: Params, image: Image, layers: tuple[str, ...]) -> FeatureMaps:
        params = frozen["encoder"]
        encoder = VGG.of_params(params, layers, dtype, native)
        return encoder.apply({"params": params}, image)

    def init(key: Key) -> Variables:
        params = decoder.init(key, jnp.zeros((1, 2, 2, 512)))["params"]
        return Variables({"model": params}, {})

    def encode_style(_: Variables, frozen: Params, style: Mapping[str, Array]) -> Style:
        feature = encode(frozen, style["image"], (DEEPEST,))[DEEPEST]
        mean, std = channel_mean_std(feature, **arithmetic.style_statistics())
        return {"mean": mean, "std": std}

    def encode_content(_: Variables, frozen: Params, image: Image) -> FeatureMaps:
        return encode(frozen, image, (DEEPEST,))

    def moments(features: FeatureMaps, masks: Array) -> dict[str, Moments]:
        height, width = features[DEEPEST].shape[1:3]
        return {
            DEEPEST: region_moments(
                features[DEEPEST], area_average(masks, height, width)
            )
        }

    def decode(variables: Variables, _: Params, features: FeatureMaps) -> Image:
        return decoder.apply({"params": variables.players["model"]}, features[DEEPEST])

    loss = partial(_loss, losses, arithmetic, encode, decoder)
    return Method(
        init=init,
        losses={"model": loss},
        encode_style=encode_style,
        encode_content=encode_content,
        moments=moments,
        transfer=partial(_transfer, arithmetic.content_statistics()),
        decode=decode,
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64),
        controls=frozenset({"strength", "weights", "masks"}),
    )


def _transfer(
    statistics: Mapping[str, Any],
    _variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    moments: dict[str, Moments],
    styles: Sequence[Style],
    controls: Controls,
) -> FeatureMaps:
    """AdaIN of every region towards its mix of styles, summed by mask.

    A weighted sum of AdaIN outputs (the paper's equation 15) is one AdaIN
    towards the weighted sum of the styles' means and deviations.
    """
    content = features[DEEPEST].astype(jnp.float32)
    mean, std = moments_mean_std(moments[DEEPEST], **statistics)
    masks = area_average(controls.masks, *content.shape[1:3])
    style_mean = controls.weights @ jnp.concatenate([s["mean"] for s in styles])
    style_std = controls.weights @ jnp.concatenate([s["std"] for s in styles])
    total: Float[Array, "b h w c"] = jnp.zeros_like(content)
    for r in range(masks.shape[0]):
        target = (style_mean[r : r + 1], style_std[r : r + 1])
        moved = rescale(content, mean[:, r], std[:, r], *target, controls.strength[r])
        total = total + masks[r, :, :, None] * moved
    return {DEEPEST: total}


def _loss(
    weights: Mapping[str, float],
    arithmetic: Arithmetic,
    encode: Any,
    decoder: Decoder,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    _key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    """Equation 11 of the paper and what keeps it on course; see `make_adain`."""
    of_style = arithmetic.style_statistics()
    images = jnp.concatenate([batch["content"], batch["style"]])

    def decode(feature: Array) -> Image:
        return decoder.apply({"params": own_params}, feature)

    def reconstruction(pictures: Image) -> Float[Array, ""]:
        feature = encode(frozen, pictures, (DEEPEST,))[DEEPEST]
        return pixel_loss(decode(feature), pictures)

    terms = {}
    if "pixel" in weights:
        terms["pixel"] = reconstruction(images)
    if "identity" in weights:
        terms["identity"] = reconstruction(_middle(images))
    if not weights.keys().isdisjoint({"content", "style", "total_variation"}):
        content = encode(frozen, batch["content"], (DEEPEST,))[DEEPEST]
        style = encode(frozen, batch["style"], STYLE_LAYERS)
        targets = {k: channel_mean_std(v, **of_style) for k, v in style.items()}
        target = adain(content, *targets[DEEPEST], **arithmetic.content_statistics())
        target = jax.lax.stop_gradient(target)
        stylized = decode(target)
        features = encode(frozen, stylized, STYLE_LAYERS)
        terms["content"] = mse_loss(features[DEEPEST], target)
        terms["style"] = mean_std_loss(
            features, targets, reduction=arithmetic.reduction, **of_style
        )
        terms["total_variation"] = total_variation_loss(stylized)
    total = sum((w * terms[k] for k, w in weights.items()), start=jnp.zeros(()))
    metrics = {f"{k}_loss": terms[k] for k in terms if k != "total_variation"}
    return total, (metrics, variables.state)


def _middle(images: Image) -> Float[Array, "b half_h half_w 3"]:
    """The middle half of both sides, in whole positions of relu4_1.

    A quarter of the pixels for a quarter of the cost, and the same for any
    number of devices, which a choice of pictures would not be.
    """
    height, width = (max(side // 16, 1) * 8 for side in images.shape[1:3])
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]
