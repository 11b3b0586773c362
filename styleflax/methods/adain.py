"""AdaIN: arbitrary style transfer by channel statistics (Huang and Belongie 2017)."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array

from styleflax.config import Arithmetic
from styleflax.methods.adain_losses import (
    CONTENT_TARGETS,
    DEEPEST,
    LOSS_TERMS,
    PAPER_LOSSES,
    STYLE_LAYERS,
    Networks,
    adain_loss,
    styles_and_transfers,
)
from styleflax.methods.adain_transforms import TRANSFORMS
from styleflax.methods.base import (
    Controls,
    Masks,
    Method,
    Piece,
    Style,
    Tiling,
    Variables,
    layer_masks,
)
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.terms import make_style_terms
from styleflax.models.channel_norm import check_norm
from styleflax.models.decoder import Decoder
from styleflax.ops.extent import Extent
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import Moments, region_moments
from styleflax.types import FeatureMaps, Image, Key, Params

PAPER_ARITHMETIC = Arithmetic()


def make_adain(
    losses: Mapping[str, float] = PAPER_LOSSES,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    norm: str = "none",
    transform: str = "adain",
    content_target: str = "adain",
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
        norm: In the decoder; a name in `models.channel_norm.NORMS`.
        transform: A name in `adain_transforms.TRANSFORMS`; `concatenation` gives the
            decoder the features of content and style, unchanged.
        content_target: Of the content loss: AdaIN's output, or the content's features.

    Raises:
        ValueError: If a term or a name is unknown.
    """
    check_norm(norm)
    _check_name("transform", transform, TRANSFORMS)
    _check_name("content_target", content_target, CONTENT_TARGETS)
    nets = Networks(
        arithmetic,
        FrozenEncoder(dtype, remat),
        Decoder(dtype, native, norm=norm),
        TRANSFORMS[transform],
        content_target,
        make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype),
    )
    return _assemble(losses, nets)


def _assemble(losses: Mapping[str, float], nets: Networks) -> Method:
    """The record of what these networks do."""
    of_critic = nets.style_terms.player_losses(partial(styles_and_transfers, nets))
    # Instance norm looks at the whole picture.
    is_local = nets.transform.is_local and nets.decoder.norm != "instance"
    of_styles = {"style_masks"} if nets.transform.keeps_parts else ()
    chosen = {"norm": nets.decoder.norm, "transform": nets.transform.name}
    return Method(
        init=partial(_init, nets),
        losses={"model": partial(adain_loss, losses, nets), **of_critic},
        encode_style=partial(_encode_style, nets),
        encode_content=partial(_encode_content, nets),
        moments=_moments,
        transfer=partial(_transfer, nets),
        decode=partial(_decode, nets),
        encoder_layers=STYLE_LAYERS,
        tiling=Tiling(stride_px=8, halo_px=64) if is_local else None,
        controls=frozenset({"strength", "weights", "masks", *of_styles}),
        options={k: v for k, v in chosen.items() if v not in ("none", "adain")},
    )


def _check_name(argument: str, name: str, allowed: Collection[str]) -> None:
    if name not in allowed:
        raise ValueError(f"{argument} must be one of {sorted(allowed)}, got {name!r}")


def _init(nets: Networks, key: Key) -> Variables:
    feature = jnp.zeros((1, 2, 2, 512 * nets.transform.parts))
    variables = nets.decoder.init(key, feature)
    state = {k: v for k, v in variables.items() if k != "params"}
    others = nets.style_terms.init(jax.random.fold_in(key, 1))
    return Variables({"model": variables["params"], **others}, state)


def _encode_style(
    nets: Networks, _: Variables, frozen: Params, style: Mapping[str, Array]
) -> Style:
    feature = nets.encode(frozen, style["image"], (DEEPEST,))[DEEPEST]
    part = None
    if "mask" in style:
        part = area_average(style["mask"], *feature.shape[1:3])
    return nets.transform.keep(nets.arithmetic.style_statistics(), feature, part)


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
    params = {"params": variables.players["model"], **variables.state}
    at_feature = None if extent is None else extent.shrunk(8)
    return nets.decoder.apply(params, features[DEEPEST], at_feature)


def _transfer(
    nets: Networks,
    _variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    moments: dict[str, Moments],
    styles: Sequence[Style],
    controls: Controls,
    piece: Piece | None = None,
) -> FeatureMaps:
    """The decoder's input, by the masks of the picture or of a window of it."""
    content = features[DEEPEST].astype(jnp.float32)
    masks = controls.masks if piece is None else piece.masks[DEEPEST]
    masks = area_average(masks, *content.shape[1:3])
    statistics = nets.arithmetic.content_statistics()
    mixed = nets.transform.mix(
        statistics, content, moments[DEEPEST], styles, controls, masks
    )
    return {DEEPEST: mixed}
