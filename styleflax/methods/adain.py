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
    Method,
    Piece,
    Style,
    Tiling,
    Variables,
    add_terms,
    feature_moments,
    mix_moments,
    style_moments,
    weigh_terms,
)
from styleflax.methods.encoder import (
    EncoderKind,
    FrozenEncoder,
    make_stylizing_encoder,
)
from styleflax.methods.finishing import match_pairs
from styleflax.methods.terms import make_style_terms
from styleflax.models.decoder import Decoder
from styleflax.models.layers import scale_channels
from styleflax.ops.adain import adain, rescale_regions
from styleflax.ops.spatial import Extent, area_average, middle_half
from styleflax.ops.statistics import Moments, channel_mean_std, moments_mean_std
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", DEEPEST)
PAPER_LOSSES: Mapping[str, float] = MappingProxyType({"content": 1.0, "style": 10.0})
RECONSTRUCTIONS = ("pixel", "identity", "identity_features")
LOSS_TERMS = ("content", *RECONSTRUCTIONS, *REGULARIZERS)
"""Terms of the loss other than the style losses."""
PAPER_ARITHMETIC = Arithmetic()


def make_adain(
    losses: Mapping[str, float] = PAPER_LOSSES,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    width: float = 1.0,
    encoder: EncoderKind = "frozen",
    color_match: float = 0.0,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Strength 1 is the paper's transfer; strength 0 is the content as the decoder
    reproduces it from its own relu4_1; in between, features are mixed (equation 14).

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
        width: Factor on the channels of encoder, decoder and critics.
        encoder: `trained` trains the encoder that stylizes, too, which begins as the
            frozen one; that judges the pictures.
        color_match: Strength of the color step before content and style losses judge a
            picture in training; its map has a gradient, too.

    Raises:
        ValueError: If a term or an encoder is unknown, or the width is not possible.
    """
    judge = FrozenEncoder(dtype, remat)
    encode = make_stylizing_encoder(encoder, judge, (DEEPEST,))
    decoder = Decoder(dtype, native, width)
    terms = make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype, width)
    of_style = arithmetic.style_statistics()
    of_content = arithmetic.content_statistics()

    def paint(
        own: Params, feature: Float[Array, "b _ _ c"], extent: Extent | None = None
    ) -> Image:
        return decoder.apply({"params": own}, feature, extent)

    # Inference: encode_style, encode_content -> moments -> transfer -> decode.

    def init(key: Key) -> Variables:
        feature = jnp.zeros((1, 2, 2, scale_channels(512, width)))
        own = decoder.init(key, feature)["params"]
        return Variables({"model": own, **terms.init(jax.random.fold_in(key, 1))}, {})

    def encode_style(
        variables: Variables, frozen: Params, style: Mapping[str, Array]
    ) -> Style:
        features = encode(variables.players["model"], frozen, style["image"])
        return style_moments(features[DEEPEST], style.get("mask"), **of_style)

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
        moved = rescale_regions(
            feature,
            moments_mean_std(moments[DEEPEST], **of_content),
            mix_moments(styles, controls.weights),
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
        """The transfer of a batch, each content with its own style."""
        return adain(content, *channel_mean_std(style, **of_style), **of_content)

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        images = jnp.concatenate([batch["content"], batch["style"]])
        features, seen = encode.with_judge(own, frozen, images, STYLE_LAYERS)
        feature, found = features[DEEPEST], {}
        if "pixel" in losses:
            found["pixel"] = pixel_loss(paint(own, feature), images)
        if {"identity", "identity_features"} & losses.keys():
            found |= identity_terms(own, frozen, middle_half(images))
        if not losses.keys() <= set(RECONSTRUCTIONS):
            style = batch["style"]
            found |= transfer_terms(own, variables, frozen, feature, seen, style, key)
        total, metrics = weigh_terms(losses, found)
        return total, (metrics, {})

    def transfer_terms(
        own: Params,
        variables: Variables,
        frozen: Params,
        feature: FeatureMap,
        seen: FeatureMaps,
        paintings: Float[Array, "_ _ _ 3"],
        key: Key,
    ) -> dict[str, Array]:
        """Content, style and image terms; features are of contents, then styles."""
        size = len(feature) // 2
        style = {layer: x[size:] for layer, x in seen.items()}
        targets = terms.targets(style)
        wanted = jax.lax.stop_gradient(move(seen[DEEPEST][:size], style[DEEPEST]))
        moved = move(feature[:size], feature[size:]) if encode.is_trained else wanted
        image = paint(own, moved)

        def compare(seen: FeatureMaps) -> dict[str, Array]:
            styles = terms.compare(seen, targets, variables.players, key)
            return {"content": mse_loss(seen[DEEPEST], wanted), **styles}

        shown = match_pairs(image, paintings, color_match) if color_match else image
        judged = judge.judge(frozen, shown, STYLE_LAYERS, compare)
        return {**judged, **regularize(image, losses)}

    def identity_terms(own: Params, frozen: Params, images: Image) -> dict[str, Array]:
        """Images from their own features, compared in pixels and in features."""
        features, wanted = encode.with_judge(own, frozen, images, STYLE_LAYERS)
        again = paint(own, features[DEEPEST])
        found = {"identity": pixel_loss(again, images)}

        def compare(seen: FeatureMaps) -> dict[str, Array]:
            distances = (mse_loss(seen[k], wanted[k]) for k in STYLE_LAYERS)
            return {"identity_features": add_terms(distances)}

        if "identity_features" in losses:
            found |= judge.judge(frozen, again, STYLE_LAYERS, compare)
        return {name: term for name, term in found.items() if name in losses}

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        own = variables.players["model"]
        content = encode(own, frozen, batch["content"])
        style, seen = encode.with_judge(own, frozen, batch["style"], STYLE_LAYERS)
        image = paint(own, move(content[DEEPEST], style[DEEPEST]))
        return {k: seen[k] for k in layers}, judge(frozen, image, layers)

    return Method(
        init=init,
        losses={"model": loss, **terms.player_losses(critic_features)},
        encode_style=encode_style,
        encode_content=encode.content,
        moments=feature_moments,
        transfer=transfer,
        decode=decode,
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64),
        controls=frozenset({"strength", "weights", "masks", "style_masks"}),
        options={} if width == 1 else {"width": width},
        encoder_width=width,
        trains_encoder=encode.is_trained,
    )
