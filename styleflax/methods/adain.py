"""AdaIN: arbitrary style transfer by channel statistics (Huang and Belongie 2017)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.losses.content import mse_loss, pixel_loss
from styleflax.losses.regularizers import REGULARIZERS, regularize
from styleflax.methods.base import (
    Batch,
    Controls,
    Masks,
    Method,
    Piece,
    Style,
    Tiling,
    Variables,
    layer_masks,
    weigh_terms,
)
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.terms import make_style_terms
from styleflax.models.decoder import Decoder
from styleflax.ops.adain import adain, rescale_regions
from styleflax.ops.extent import Extent
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", DEEPEST)
PAPER_LOSSES: Mapping[str, float] = MappingProxyType({"content": 1.0, "style": 10.0})
RECONSTRUCTIONS = ("pixel", "identity", "identity_features")
LOSS_TERMS = ("content", *RECONSTRUCTIONS, *REGULARIZERS)
"""Beside the style losses."""
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
        losses: Weights by term. `content` and `style` are the paper's, any of
            `methods.terms` may be beside or in place of `style`; `pixel` makes
            an autoencoder of contents and styles alike; `identity` asks the same of
            the middle of every picture, `identity_features` asks it of the encoder's
            layers, which keeps edges sharp; `total_variation` smooths;
            `out_of_range` keeps values in [0, 1].
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics are float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
        remat: Save memory in training; see `methods.encoder`.

    Raises:
        ValueError: If a term is unknown.
    """
    encoder = FrozenEncoder(dtype, remat)
    decoder = Decoder(dtype, native)
    terms = make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype)
    of_style = arithmetic.style_statistics()
    of_content = arithmetic.content_statistics()

    def paint(
        own: Params, feature: Float[Array, "b _ _ c"], extent: Extent | None = None
    ) -> Image:
        return decoder.apply({"params": own}, feature, extent)

    # Inference: encode_style, encode_content -> moments -> transfer -> decode.

    def init(key: Key) -> Variables:
        own = decoder.init(key, jnp.zeros((1, 2, 2, 512)))["params"]
        return Variables({"model": own, **terms.init(jax.random.fold_in(key, 1))}, {})

    def encode_style(_: Variables, frozen: Params, style: Mapping[str, Array]) -> Style:
        feature = encoder(frozen, style["image"], (DEEPEST,))[DEEPEST]
        if "mask" not in style:
            mean, std = channel_mean_std(feature, **of_style)
            return {"mean": mean, "std": std}
        part = area_average(style["mask"], *feature.shape[1:3])
        mean, std = moments_mean_std(region_moments(feature, part), **of_style)
        return {"mean": mean[:, 0], "std": std[:, 0]}

    def encode_content(
        _: Variables, frozen: Params, image: Image, extent: Extent | None = None
    ) -> FeatureMaps:
        return encoder(frozen, image, (DEEPEST,), extent)

    def moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
        feature = features[DEEPEST]
        cells = area_average(layer_masks(masks, DEEPEST), *feature.shape[1:3])
        return {DEEPEST: region_moments(feature, cells)}

    def transfer(
        _variables: Variables,
        _frozen: Params,
        features: FeatureMaps,
        moments: dict[str, Moments],
        styles: Sequence[Style],
        controls: Controls,
        piece: Piece | None = None,
    ) -> FeatureMaps:
        feature = features[DEEPEST]
        masks = controls.masks if piece is None else piece.masks[DEEPEST]
        mean, std = (
            controls.weights @ jnp.concatenate([style[name] for style in styles])
            for name in ("mean", "std")
        )
        moved = rescale_regions(
            feature,
            moments_mean_std(moments[DEEPEST], **of_content),
            (mean, std),
            controls.strength,
            area_average(masks, *feature.shape[1:3]),
        )
        return {DEEPEST: moved}

    def decode(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        extent: Extent | None = None,
    ) -> Image:
        cells = None if extent is None else extent.shrunk(8)
        return paint(variables.players["model"], features[DEEPEST], cells)

    # Training: equations 11 to 13, and what keeps the decoder on course.

    def move(content: FeatureMap, style: FeatureMap) -> FeatureMap:
        """The transfer above of a batch, each content with the style beside it."""
        return adain(content, *channel_mean_std(style, **of_style), **of_content)

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        images = jnp.concatenate([batch["content"], batch["style"]])
        features = encoder(frozen, images, STYLE_LAYERS)
        found = {}
        if "pixel" in losses:
            found["pixel"] = pixel_loss(paint(own, features[DEEPEST]), images)
        if {"identity", "identity_features"} & losses.keys():
            found |= identity_terms(own, frozen, _middle(images))
        if not losses.keys() <= set(RECONSTRUCTIONS):
            found |= transfer_terms(own, variables.players, frozen, features, key)
        total, metrics = weigh_terms(losses, found)
        return total, (metrics, {})

    def transfer_terms(
        own: Params,
        players: Mapping[str, Params],
        frozen: Params,
        features: FeatureMaps,
        key: Key,
    ) -> dict[str, Array]:
        """Content, style and image terms; features are of contents, then styles."""
        size = len(features[DEEPEST]) // 2
        style = {layer: feature[size:] for layer, feature in features.items()}
        targets = terms.targets(style)
        wanted = jax.lax.stop_gradient(move(features[DEEPEST][:size], style[DEEPEST]))
        image = paint(own, wanted)

        def compare(seen: FeatureMaps) -> dict[str, Array]:
            styles = terms.compare(seen, targets, players, key)
            return {"content": mse_loss(seen[DEEPEST], wanted), **styles}

        judged = encoder.judge(frozen, image, STYLE_LAYERS, compare)
        return {**judged, **regularize(image, losses)}

    def identity_terms(own: Params, frozen: Params, images: Image) -> dict[str, Array]:
        """Images from their own features, compared in pixels and in features."""
        wanted = encoder(frozen, images, STYLE_LAYERS)
        again = paint(own, wanted[DEEPEST])
        found = {"identity": pixel_loss(again, images)}

        def compare(seen: FeatureMaps) -> dict[str, Array]:
            distances = (mse_loss(seen[k], wanted[k]) for k in STYLE_LAYERS)
            return {"identity_features": sum(distances, start=jnp.zeros(()))}

        if "identity_features" in losses:
            found |= encoder.judge(frozen, again, STYLE_LAYERS, compare)
        return {name: term for name, term in found.items() if name in losses}

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        content = encoder(frozen, batch["content"], (DEEPEST,))
        style = encoder(frozen, batch["style"], STYLE_LAYERS)
        moved = move(content[DEEPEST], style[DEEPEST])
        image = paint(variables.players["model"], moved)
        return {k: style[k] for k in layers}, encoder(frozen, image, layers)

    return Method(
        init=init,
        losses={"model": loss, **terms.player_losses(critic_features)},
        encode_style=encode_style,
        encode_content=encode_content,
        moments=moments,
        transfer=transfer,
        decode=decode,
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64),
        controls=frozenset({"strength", "weights", "masks", "style_masks"}),
    )


def _middle(images: Image) -> Float[Array, "b half_h half_w 3"]:
    """The middle half of both sides, in whole positions of relu4_1.

    A quarter of the pixels for a quarter of the cost, and the same for any
    number of devices, which a choice of pictures would not be.
    """
    height, width = (max(side // 16, 1) * 8 for side in images.shape[1:3])
    top, left = (images.shape[1] - height) // 2, (images.shape[2] - width) // 2
    return images[:, top : top + height, left : left + width]
