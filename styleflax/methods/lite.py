"""Arbitrary styles in real time: AdaIN at two depths of a small network of its own.

The transfer is Huang and Belongie's (2017) with an encoder that is trained together
with the decoder, as in MicroAST (Wang et al. 2023); a frozen VGG judges the results in
training and is not needed afterwards.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, LiteOptions, Losses
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
    add_terms,
    feature_moments,
    make_style_terms,
    mix_moments,
    style_moments,
    weigh_terms,
)
from styleflax.models.lite import LiteDecoder, LiteEncoder
from styleflax.ops.spatial import Extent, area_average
from styleflax.ops.statistics import (
    Moments,
    adain,
    channel_mean_std,
    mean_variance_norm,
    moments_mean_std,
    rescale_regions,
)
from styleflax.types import FeatureMaps, Image, Key, Params

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""Layers that styles are compared at: those of Johnson et al. (2016)."""
CONTENT_LAYERS = ("relu3_3", "relu4_3")
DEFAULT_LOSSES: Losses = MappingProxyType(
    {"content": 1.0, "gram": 1.0, "identity": 10.0}
)
LOSS_TERMS = ("content", "identity", *REGULARIZERS)
"""Terms beside the style losses (`methods.features`): `content` compares the judge's
features of result and content, each channel less its mean over its deviation, so that
the style may change both; `identity` asks for the picture itself in its own style;
the others are penalties (`losses.pixels`)."""
DEFAULT_ARITHMETIC = Arithmetic()
DEFAULTS = LiteOptions()


def make_lite(
    losses: Losses = DEFAULT_LOSSES,
    options: LiteOptions = DEFAULTS,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
) -> Method:
    """Returns the method, with the weighted sum of `losses` as its training loss.

    Strength 1 replaces the content's statistics by the style's at both depths; strength
    0 is the content as the network reproduces it; in between, features are mixed.

    Args:
        losses: Weights by term; see `LOSS_TERMS`.
        options: Options of the network.
        arithmetic: Variances, and the reduction of the loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        remat: Save memory in training; see `methods.features`.

    Raises:
        ValueError: If a term is unknown or the width is not positive.
    """
    encoder = LiteEncoder(options.width, dtype)
    decoder = LiteDecoder(options.width, dtype, options.native)
    judge = FrozenEncoder(dtype, remat)
    terms = make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype)
    of_style = arithmetic.style_statistics()
    of_content = arithmetic.content_statistics()

    def encode(own: Params, image: Image, extent: Extent | None = None) -> FeatureMaps:
        return encoder.apply({"params": own["encoder"]}, image, extent)

    def paint(
        own: Params, features: FeatureMaps, extent: Extent | None = None
    ) -> Image:
        return decoder.apply({"params": own["decoder"]}, features, extent)

    # Inference: encode_style, encode_content -> moments -> transfer -> decode.

    def init(key: Key) -> Variables:
        keys = jax.random.split(key)
        image = jnp.zeros((1, 16, 16, 3))
        encoder_params = encoder.init(keys[0], image)["params"]
        features = encoder.apply({"params": encoder_params}, image)
        own = {
            "encoder": encoder_params,
            "decoder": decoder.init(keys[1], features)["params"],
        }
        return Variables({"model": own, **terms.init(jax.random.fold_in(key, 1))}, {})

    def encode_style(
        variables: Variables, _: Params, style: Mapping[str, Array]
    ) -> Style:
        features = encode(variables.players["model"], style["image"])
        mask = style.get("mask")
        return {k: style_moments(v, mask, **of_style) for k, v in features.items()}

    def encode_content(
        variables: Variables, _: Params, image: Image, extent: Extent | None = None
    ) -> FeatureMaps:
        return encode(variables.players["model"], image, extent)

    def transfer(
        _variables: Variables,
        _frozen: Params,
        features: FeatureMaps,
        moments: dict[str, Moments],
        styles: Sequence[Style],
        controls: Controls,
        piece: Piece | None = None,
    ) -> FeatureMaps:
        moved = {}
        for level, feature in features.items():
            masks = controls.masks if piece is None else piece.masks[level]
            moved[level] = rescale_regions(
                feature,
                moments_mean_std(moments[level], **of_content),
                mix_moments([style[level] for style in styles], controls.weights),
                controls.strength,
                area_average(masks, *feature.shape[1:3]),
            )
        return moved

    def decode(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        extent: Extent | None = None,
    ) -> Image:
        return paint(variables.players["model"], features, extent)

    # Training: the transfer above, one style for each content, judged by the VGG.

    def stylize(own: Params, content: FeatureMaps, style: FeatureMaps) -> Image:
        moved = {
            level: adain(
                feature, *channel_mean_std(style[level], **of_style), **of_content
            )
            for level, feature in content.items()
        }
        return paint(own, moved)

    def content_loss(features: FeatureMaps, targets: FeatureMaps) -> Array:
        distances = (mse_loss(normalize(features[k]), targets[k]) for k in targets)
        return add_terms(distances)

    def normalize(feature: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        return mean_variance_norm(feature, **of_content)

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        size = len(batch["content"])
        images = jnp.concatenate([batch["content"], batch["style"]])
        features = encode(own, images)
        content, style = (
            {k: v[rows] for k, v in features.items()}
            for rows in (slice(size), slice(size, None))
        )
        values = {}
        if "identity" in losses:
            values["identity"] = pixel_loss(paint(own, features), images)
        if not losses.keys() <= {"identity"}:
            image = stylize(own, content, style)
            judge_features = judge(frozen, images, STYLE_LAYERS)
            targets = terms.targets({k: v[size:] for k, v in judge_features.items()})
            contents = {k: normalize(judge_features[k][:size]) for k in CONTENT_LAYERS}

            def compare(features: FeatureMaps) -> dict[str, Array]:
                styles = terms.compare(features, targets, variables.players, key)
                return {"content": content_loss(features, contents), **styles}

            values |= judge.judge(frozen, image, STYLE_LAYERS, compare)
            values |= regularize(image, [batch["content"], batch["style"]], losses)
        total, metrics = weigh_terms(losses, values)
        return total, (metrics, {})

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        own = variables.players["model"]
        image = stylize(own, encode(own, batch["content"]), encode(own, batch["style"]))
        return judge(frozen, batch["style"], layers), judge(frozen, image, layers)

    return Method(
        init=init,
        losses={"model": loss, **terms.player_losses(critic_features)},
        encode_style=encode_style,
        encode_content=encode_content,
        moments=feature_moments,
        transfer=transfer,
        decode=decode,
        encoder_layers=(),
        judge_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=72),
        controls=frozenset({"strength", "weights", "masks", "style_masks"}),
        options=options.in_file(),
    )
