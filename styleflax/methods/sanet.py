"""SANet: arbitrary style transfer by attention (Park and Lee 2019)."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, Losses, SANetOptions
from styleflax.losses.perceptual import mse_loss
from styleflax.losses.pixels import REGULARIZERS, regularize
from styleflax.methods.base import (
    Batch,
    Controls,
    Found,
    Masks,
    Method,
    Piece,
    Positions,
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
    weigh_terms,
)
from styleflax.models.sanet import (
    ByRegion,
    Regions,
    SANet,
    attend_partly,
    likeness_params,
    maps_of,
    part_of,
    whole_picture,
)
from styleflax.models.vgg import Decoder, scale_channels
from styleflax.ops.spatial import Extent, area_average
from styleflax.ops.statistics import (
    Moments,
    mean_variance_norm,
    merge_regions,
    moments_mean_std,
    normalize_regions,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

ATTENDED = ("relu4_1", "relu5_1")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", *ATTENDED)
PAPER_LOSSES: Losses = MappingProxyType(
    {"content": 1.0, "style": 3.0, "identity_pixels": 50.0, "identity_features": 1.0}
)
"""With the identities' weights of the paper's erratum, 50 and 1; its print has 1 and 50
(`presets.PRESETS["sanet-paper-print"]`)."""
IDENTITIES = ("identity_pixels", "identity_features")
LOSS_TERMS = ("content", *IDENTITIES, *REGULARIZERS)
"""Terms beside the style losses, any of which may take the place of `style` (see
`methods.features`): identities compare pictures in their own style with themselves."""
STRIDE_PX, HALO_PX = 16, 128
"""A result sees 118 px of a VGG-19's picture, in whole positions of relu5_1."""
CONTROLS = frozenset({"strength", "weights", "masks", "style_masks", "level_balance"})
PAPER_ARITHMETIC = Arithmetic()
DEFAULTS = SANetOptions()


def make_sanet(
    losses: Losses = PAPER_LOSSES,
    options: SANetOptions = DEFAULTS,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
) -> Method:
    """Returns the method, with the weighted sum of `losses` as its training loss.

    Args:
        losses: Weights by term; see `PAPER_LOSSES` and `LOSS_TERMS`.
        options: Options of the network.
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics and scores are float32.
        remat: Save memory in training; see `methods.features`.

    Raises:
        ValueError: If a term is unknown, or the width is out of range.
    """
    path = "dense" if options.native and options.path == "auto" else options.path
    of_content = arithmetic.content_statistics()
    of_style = arithmetic.style_statistics()
    judge = FrozenEncoder(dtype, remat)
    encode = StylizingEncoder(judge, ATTENDED, options.encoder == "trained")
    network = SANet(FrozenDict(of_style), dtype, path)  # Flax needs what has a hash
    decoder = Decoder(dtype, options.native, options.width)
    style_terms = make_style_terms(
        losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype, options.width
    )

    def attend(own: Params, content: FeatureMaps, *arguments: Any) -> Array:
        """The network of `models.sanet`: the decoder's input."""
        return network.apply({"params": own}, content, *arguments)

    # Inference: encode_style, encode_content -> moments -> transfer -> decode.

    def init(key: Key) -> Variables:
        """Attention and decoder in one tree, as AdaIN's decoder stands."""
        channels, keys = scale_channels(512, options.width), jax.random.split(key)
        feature = jnp.zeros((1, 2, 2, channels))
        if options.start == "likeness":
            own = likeness_params(keys[0], channels)
        else:
            features = dict.fromkeys(ATTENDED, feature)
            queries = {layer: [feature] for layer in ATTENDED}
            arguments = features, queries, [features], whole_picture()
            own = network.init(keys[0], *arguments)["params"]
        own = {**own, **decoder.init(keys[1], feature)["params"]}
        critics = style_terms.init(jax.random.fold_in(key, 1))
        return Variables({"model": own, **critics}, {})

    def encode_style(
        variables: Variables, frozen: Params, style: Mapping[str, Array]
    ) -> Style:
        features = encode(variables.players["model"], frozen, style["image"])
        style_dtype = jnp.dtype(options.style_dtype)
        largest = float(jnp.finfo(style_dtype).max)
        kept = {k: v.clip(max=largest).astype(style_dtype) for k, v in features.items()}
        if "mask" in style:
            for layer, feature in features.items():
                part = area_average(style["mask"], *feature.shape[1:3])
                kept[part_of(layer)] = part[..., None].astype(style_dtype)
        return kept

    def queries_of(features: FeatureMaps, moments: Mapping[str, Moments]) -> ByRegion:
        return {
            layer: normalize_regions(features[layer], moment, **of_content)
            for layer, moment in moments.items()
        }

    def transfer(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        moments: dict[str, Moments],
        styles: Sequence[Style],
        controls: Controls,
        piece: Piece | None = None,
    ) -> FeatureMaps:
        """Every region attends to its styles, and below strength 1 to the content.

        Strength 1 is the paper's transfer. Strength 0 is the content's own
        reconstruction, in which it attends to itself. In between, both attention
        results are mixed, so attention is computed twice below 1.
        `Controls.extras["level_balance"]`, from 0 to 1, moves weight from the attention
        at relu4_1 (fine strokes) to that at relu5_1 (coarse strokes); 0.5 is the
        paper's sum.

        A piece's content has done so before; see `attend_itself`.
        """
        queries = queries_of(features, moments)
        balance = controls.extras.get("level_balance", jnp.array(0.5))
        levels = (2.0 * (1.0 - balance), 2.0 * balance)
        strength = controls.strength[:, None]
        shares = strength * controls.weights
        with_rest = jnp.concatenate([shares, 1.0 - strength], axis=1)

        def merge(
            attended: Sequence[Style], masks: Masks, shares: Array, *of_piece: Any
        ) -> Array:
            own, regions = variables.players["model"], Regions(masks, shares)
            return attend(own, features, queries, attended, regions, levels, *of_piece)

        if piece is not None:
            itself = maps_of(piece.itself, features)
            mixed = with_rest if itself else shares
            extent = piece.extent.shrunk(8)
            return {"merged": merge(styles, piece.masks, mixed, itself, extent)}
        merged = jax.lax.cond(
            jnp.all(strength == 1.0),
            lambda: merge(styles, controls.masks, shares),
            lambda: merge([*styles, features], controls.masks, with_rest),
        )
        return {"merged": merged}

    def attend_itself(
        variables: Variables,
        features: FeatureMaps,
        moments: dict[str, Moments],
        others: Positions,
        allowed: Positions,
    ) -> Found:
        """What a window attends to among some positions of the same content.

        Merged over all of the content's positions, this is what
        `models.sanet.StyleAttention` finds where the content is its own style. The
        moments are of regions that together are all of the content.
        """
        found = {}
        for layer, asked in queries_of(features, moments).items():
            mean, std = moments_mean_std(merge_regions(moments[layer]), **of_style)
            raw, queries = others[layer], jnp.concatenate(asked)
            found[layer] = attend_partly(
                variables.players["model"][layer.replace("relu", "sanet")],
                queries.reshape(len(queries), -1, queries.shape[-1]),
                (raw.astype(jnp.float32) - mean[0]) / std[0],
                raw,
                allowed[layer],
                dtype,
            )
        return found

    def decode(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        extent: Extent | None = None,
    ) -> Image:
        params = {"params": variables.players["model"]}
        cells = None if extent is None else extent.shrunk(8)
        return decoder.apply(params, features["merged"], cells)

    # Training: contents in styles, and contents and styles in themselves.

    def normalize(feature: FeatureMap) -> FeatureMap:
        return mean_variance_norm(feature, **of_content)

    def stylize(own: Params, content: FeatureMaps, style: FeatureMaps) -> Image:
        """Each content in its own style, at strength 1."""
        queries = {layer: [normalize(x)] for layer, x in content.items()}
        merged = attend(own, content, queries, [style], whole_picture())
        return decoder.apply({"params": own}, merged)

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        size = len(batch["content"])
        both = jnp.concatenate([batch["content"], batch["style"]])
        features, judged = encode.with_judge(own, frozen, both, STYLE_LAYERS)
        style_targets = style_terms.targets({k: v[size:] for k, v in judged.items()})
        has_transfers = not losses.keys() <= set(IDENTITIES)
        has_identities = any(name in losses for name in IDENTITIES)
        # Transfers, then identities, are painted as one batch: of these rows of `both`.
        one, two = list(range(size)), list(range(2 * size))
        contents = jnp.array(one * has_transfers + two * has_identities)
        styles = jnp.array(two[size:] * has_transfers + two * has_identities)
        identity_rows = slice(size * has_transfers, None)
        pairs = ({k: v[at] for k, v in features.items()} for at in (contents, styles))
        images = stylize(own, *pairs)
        terms: dict[str, Array] = {}
        if has_transfers:
            terms |= regularize(images[:size], [both[:size], both[size:]], losses)
        if has_identities:
            # A mean over both halves, doubled, is the sum of their means.
            terms["identity_pixels"] = 2.0 * mse_loss(images[identity_rows], both)

        def compare(result: FeatureMaps) -> dict[str, Array]:
            terms: dict[str, Array] = {}
            if has_transfers:
                transfers = {k: v[:size] for k, v in result.items()}
                players = variables.players
                terms = style_terms.compare(transfers, style_targets, players, key)
                terms["content"] = add_terms(
                    mse_loss(normalize(transfers[k]), normalize(judged[k][:size]))
                    for k in ATTENDED
                )
            if has_identities:
                terms["identity_features"] = 2.0 * add_terms(
                    mse_loss(result[k][identity_rows], judged[k]) for k in STYLE_LAYERS
                )
            return terms

        terms |= judge.judge(frozen, images, STYLE_LAYERS, compare)
        total, metrics = weigh_terms(losses, terms)
        return total, (metrics, {})

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        own = variables.players["model"]
        style, judged = encode.with_judge(own, frozen, batch["style"], STYLE_LAYERS)
        images = stylize(own, encode(own, frozen, batch["content"]), style)
        return {k: judged[k] for k in layers}, judge(frozen, images, layers)

    return Method(
        init=init,
        losses={"model": loss, **style_terms.player_losses(critic_features)},
        encode_style=encode_style,
        encode_content=encode.content,
        moments=feature_moments,
        transfer=transfer,
        decode=decode,
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(STRIDE_PX, HALO_PX, attend_itself),
        controls=CONTROLS,
        options=options.in_file(),
        encoder_width=options.width,
        trains_encoder=encode.is_trained,
    )
