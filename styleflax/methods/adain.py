"""AdaIN: arbitrary style transfer by channel statistics (Huang and Belongie 2017)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import AdaINOptions, Arithmetic, Losses
from styleflax.losses.perceptual import mse_loss
from styleflax.losses.pixels import REGULARIZERS, pixel_loss, regularize
from styleflax.methods.base import (
    Batch,
    Controls,
    Method,
    Piece,
    Style,
    Tiling,
    Variables,
)
from styleflax.methods.features import (
    FrozenEncoder,
    StylizingEncoder,
    add_terms,
    feature_moments,
    make_style_terms,
    mix_moments,
    style_moments,
    weigh_terms,
)
from styleflax.models.vgg import Decoder, scale_channels
from styleflax.ops.color_match import match_pairs
from styleflax.ops.spatial import Extent, area_average, middle_half
from styleflax.ops.statistics import (
    Moments,
    adain,
    channel_mean_std,
    moments_mean_std,
    rescale_regions,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

DEEPEST = "relu4_1"
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", DEEPEST)
PAPER_LOSSES: Losses = MappingProxyType({"content": 1.0, "style": 10.0})
RECONSTRUCTIONS = ("pixel", "identity", "identity_features")
LOSS_TERMS = ("content", *RECONSTRUCTIONS, *REGULARIZERS)
"""Terms beside the style losses, any of which may take the place of `style` (see
`methods.features`): `pixel` makes an autoencoder of contents and styles alike;
`identity` asks the same of the middle of every picture, `identity_features` asks it of
the encoder's layers, which keeps edges sharp; `total_variation` smooths; `out_of_range`
keeps values in [0, 1]."""
PAPER_ARITHMETIC = Arithmetic()
DEFAULTS = AdaINOptions()


def make_adain(
    losses: Losses = PAPER_LOSSES,
    options: AdaINOptions = DEFAULTS,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
    color_match: float = 0.0,
) -> Method:
    """Returns the method, with the weighted sum of `losses` as its training loss.

    Args:
        losses: Weights by term; see `PAPER_LOSSES` and `LOSS_TERMS`.
        options: Options of the network.
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics are float32.
        remat: Save memory in training; see `methods.features`.
        color_match: Strength of the color step, with a gradient, before the losses.

    Raises:
        ValueError: If a term is unknown, or the width is out of range.
    """
    judge = FrozenEncoder(dtype, remat)
    encode = StylizingEncoder(judge, (DEEPEST,), options.encoder == "trained")
    decoder = Decoder(dtype, options.native, options.width)
    style_terms = make_style_terms(
        losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype, options.width
    )
    of_content = arithmetic.content_statistics()
    of_style = arithmetic.style_statistics()

    def paint(
        own: Params, feature: Float[Array, "b _ _ c"], extent: Extent | None = None
    ) -> Image:
        return decoder.apply({"params": own}, feature, extent)

    # Inference: encode_style, encode_content -> moments -> transfer -> decode.

    def init(key: Key) -> Variables:
        feature = jnp.zeros((1, 2, 2, scale_channels(512, options.width)))
        own = decoder.init(key, feature)["params"]
        critics = style_terms.init(jax.random.fold_in(key, 1))
        return Variables({"model": own, **critics}, {})

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
        """Strength 1 is equation 8, strength 0 the content; equation 14 mixes them."""
        feature = features[DEEPEST]
        masks = controls.masks if piece is None else piece.masks[DEEPEST]
        stylized = rescale_regions(
            feature,
            moments_mean_std(moments[DEEPEST], **of_content),
            mix_moments(styles, controls.weights),
            controls.strength,
            area_average(masks, *feature.shape[1:3]),
        )
        return {DEEPEST: stylized}

    def decode(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        extent: Extent | None = None,
    ) -> Image:
        cells = None if extent is None else extent.shrunk(8)
        return paint(variables.players["model"], features[DEEPEST], cells)

    # Training: equations 11 to 13, and what keeps the decoder on course.

    def adain_of(content: FeatureMap, style: FeatureMap) -> FeatureMap:
        """The transfer of a batch, each content with its own style."""
        return adain(content, *channel_mean_std(style, **of_style), **of_content)

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        images = jnp.concatenate([batch["content"], batch["style"]])
        features, judged = encode.with_judge(own, frozen, images, STYLE_LAYERS)
        feature, terms = features[DEEPEST], {}
        if "pixel" in losses:
            terms["pixel"] = pixel_loss(paint(own, feature), images)
        if {"identity", "identity_features"} & losses.keys():
            terms |= identity_terms(own, frozen, middle_half(images))
        if not losses.keys() <= set(RECONSTRUCTIONS):
            terms |= transfer_terms(own, variables, frozen, feature, judged, batch, key)
        total, metrics = weigh_terms(losses, terms)
        return total, (metrics, {})

    def transfer_terms(
        own: Params,
        variables: Variables,
        frozen: Params,
        feature: FeatureMap,
        judged: FeatureMaps,
        batch: Batch,
        key: Key,
    ) -> dict[str, Array]:
        """Content, style and image terms; features are of contents, then styles.

        `t` is the paper's: AdaIN of the two, from which the decoder paints, and, as
        the judge sees it, what the result's relu4_1 shall be (equation 12).
        """
        size = len(feature) // 2
        style = {layer: x[size:] for layer, x in judged.items()}
        style_targets = style_terms.targets(style)
        target = adain_of(judged[DEEPEST][:size], style[DEEPEST])
        target = t = jax.lax.stop_gradient(target)
        if encode.is_trained:  # else its features are the judge's
            t = adain_of(feature[:size], feature[size:])
        image = paint(own, t)

        def compare(result: FeatureMaps) -> dict[str, Array]:
            styles = style_terms.compare(result, style_targets, variables.players, key)
            return {"content": mse_loss(result[DEEPEST], target), **styles}

        view = match_pairs(image, batch["style"], color_match) if color_match else image
        terms = judge.judge(frozen, view, STYLE_LAYERS, compare)
        if losses.keys() & {*REGULARIZERS}:
            terms |= regularize(image, [batch["content"], batch["style"]], losses)
        return terms

    def identity_terms(own: Params, frozen: Params, images: Image) -> dict[str, Array]:
        """Images from their own features, compared in pixels and in features."""
        features, targets = encode.with_judge(own, frozen, images, STYLE_LAYERS)
        reproduction = paint(own, features[DEEPEST])
        terms = {"identity": pixel_loss(reproduction, images)}

        def compare(result: FeatureMaps) -> dict[str, Array]:
            distances = (mse_loss(result[k], targets[k]) for k in STYLE_LAYERS)
            return {"identity_features": add_terms(distances)}

        if "identity_features" in losses:
            terms |= judge.judge(frozen, reproduction, STYLE_LAYERS, compare)
        return {name: term for name, term in terms.items() if name in losses}

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        own = variables.players["model"]
        content = encode(own, frozen, batch["content"])
        style, judged = encode.with_judge(own, frozen, batch["style"], STYLE_LAYERS)
        image = paint(own, adain_of(content[DEEPEST], style[DEEPEST]))
        return {k: judged[k] for k in layers}, judge(frozen, image, layers)

    return Method(
        init=init,
        losses={"model": loss, **style_terms.player_losses(critic_features)},
        encode_style=encode_style,
        encode_content=encode.content,
        moments=feature_moments,
        transfer=transfer,
        decode=decode,
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64),
        controls=frozenset({"strength", "weights", "masks", "style_masks"}),
        options=options.in_file(),
        encoder_width=options.width,
        trains_encoder=encode.is_trained,
    )
