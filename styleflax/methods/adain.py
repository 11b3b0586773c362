"""AdaIN: arbitrary style transfer by channel statistics (Huang and Belongie 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.adain_losses import (
    DEEPEST,
    LOSS_TERMS,
    PAPER_LOSSES,
    STYLE_LAYERS,
    Networks,
    adain_loss,
)
from styleflax.methods.base import (
    Controls,
    Masks,
    Method,
    Piece,
    Style,
    Tiling,
    Variables,
    check_loss_names,
    layer_masks,
)
from styleflax.methods.frozen_encoder import FrozenEncoder
from styleflax.models.decoder import Decoder
from styleflax.ops.adain import rescale
from styleflax.ops.extent import Extent
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMaps, Image, Key, Params

PAPER_ARITHMETIC = Arithmetic()


def make_adain(
    losses: Mapping[str, float] = PAPER_LOSSES,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Strength 1 is the paper's transfer; strength 0 is the content as the decoder
    reproduces it from its own relu4_1; in between, features are mixed (equation
    14).

    Args:
        losses: Weights by term. `content` and `style` are the paper's; `gram`
            compares Gram matrices at the same layers as `style`; `pixel` makes an
            autoencoder of contents and styles alike; `identity` asks the same of the
            middle of every picture, beside the other terms, and `identity_features`
            asks it of the encoder's layers, which keeps edges sharp;
            `total_variation` smooths.
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics are float32.
        native: Use XLA's own convolution also on CPU; see `ops.conv`.
        remat: Save memory in training; see `methods.frozen_encoder`.

    Raises:
        ValueError: If a term is unknown.
    """
    check_loss_names(losses, LOSS_TERMS)
    encode = FrozenEncoder(dtype, native, remat)
    nets = Networks(arithmetic, encode, Decoder(dtype, native))
    return Method(
        init=partial(_init, nets),
        losses={"model": partial(adain_loss, losses, nets)},
        encode_style=partial(_encode_style, nets),
        encode_content=partial(_encode_content, nets),
        moments=_moments,
        transfer=partial(_transfer, arithmetic.content_statistics()),
        decode=partial(_decode, nets),
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64),
        controls=frozenset({"strength", "weights", "masks"}),
    )


def _init(nets: Networks, key: Key) -> Variables:
    params = nets.decoder.init(key, jnp.zeros((1, 2, 2, 512)))["params"]
    return Variables({"model": params}, {})


def _encode_style(
    nets: Networks, _: Variables, frozen: Params, style: Mapping[str, Array]
) -> Style:
    feature = nets.encode(frozen, style["image"], (DEEPEST,))[DEEPEST]
    statistics = nets.arithmetic.style_statistics()
    mean, std = channel_mean_std(feature, **statistics)
    return {"mean": mean, "std": std}


def _encode_content(
    nets: Networks,
    _: Variables,
    frozen: Params,
    image: Image,
    extent: Extent | None = None,
) -> FeatureMaps:
    return nets.encode(frozen, image, (DEEPEST,), extent)


def _moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
    feature = features[DEEPEST]
    cells = area_average(layer_masks(masks, DEEPEST), *feature.shape[1:3])
    return {DEEPEST: region_moments(feature, cells)}


def _decode(
    nets: Networks,
    variables: Variables,
    _: Params,
    features: FeatureMaps,
    extent: Extent | None = None,
) -> Image:
    params = {"params": variables.players["model"]}
    at_feature = None if extent is None else extent.shrunk(8)
    return nets.decoder.apply(params, features[DEEPEST], at_feature)


def _transfer(
    statistics: Mapping[str, Any],
    _variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    moments: dict[str, Moments],
    styles: Sequence[Style],
    controls: Controls,
    piece: Piece | None = None,
) -> FeatureMaps:
    """AdaIN of every region towards its mix of styles, summed by mask.

    A weighted sum of AdaIN outputs (the paper's equation 15) is one AdaIN
    towards the weighted sum of the styles' means and deviations.
    """
    content = features[DEEPEST].astype(jnp.float32)
    mean, std = moments_mean_std(moments[DEEPEST], **statistics)
    masks = controls.masks if piece is None else piece.masks[DEEPEST]
    masks = area_average(masks, *content.shape[1:3])
    style_mean = controls.weights @ jnp.concatenate([s["mean"] for s in styles])
    style_std = controls.weights @ jnp.concatenate([s["std"] for s in styles])
    total: Float[Array, "b h w c"] = jnp.zeros_like(content)
    for r in range(masks.shape[0]):
        target = (style_mean[r : r + 1], style_std[r : r + 1])
        moved = rescale(content, mean[:, r], std[:, r], *target, controls.strength[r])
        total = total + masks[r, :, :, None] * moved
    return {DEEPEST: total}
