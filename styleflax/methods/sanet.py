"""SANet: arbitrary style transfer by attention (Park and Lee 2019)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jax.typing import DTypeLike
from jaxtyping import Array

from styleflax.config import Arithmetic
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
from styleflax.methods.sanet_itself import attend_itself, queries_of, split_found
from styleflax.methods.sanet_losses import (
    ATTENDED,
    LOSS_TERMS,
    PAPER_LOSSES,
    STYLE_LAYERS,
    Networks,
    sanet_loss,
    styles_and_transfers,
)
from styleflax.methods.terms import make_style_terms
from styleflax.models.decoder import Decoder
from styleflax.models.sanet import LEVELS, Regions, SANet, likeness_params, part_of
from styleflax.ops.attention import Path
from styleflax.ops.extent import Extent
from styleflax.ops.spatial import area_average
from styleflax.ops.statistics import Moments, region_moments
from styleflax.types import FeatureMaps, Image, Key, Params

PAPER_ARITHMETIC = Arithmetic()
Start = Literal["likeness", "random"]


def make_sanet(
    losses: Mapping[str, float] = PAPER_LOSSES,
    arithmetic: Arithmetic = PAPER_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    style_dtype: DTypeLike = jnp.float16,
    path: Path = "auto",
    start: Start = "likeness",
    remat: bool = False,
    levels: Sequence[str] = LEVELS,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Strength 1 is the paper's transfer. Strength 0 is the content's own
    reconstruction: it attends to itself. In between, what is attended to is mixed;
    below 1 the attention is computed twice. `Controls.extras["level_balance"]`, from
    0 to 1, moves weight from what relu4_1 attended to (fine strokes) to what relu5_1
    did (coarse ones); 0.5 is the paper's sum.

    Args:
        losses: Weights by term: `content`, `identity_pixels`, `identity_features` (see
            `PAPER_LOSSES`), those of `losses.regularizers`, and any of
            `methods.terms`.
        arithmetic: Variances and the reduction of the style loss.
        dtype: Compute type of the networks; statistics and scores are float32.
        native: Enlarge maps before they are convolved (see `ops.conv`), and take dense
            attention where `path` is `auto`.
        style_dtype: In which a style's features are kept: 5 MB in float16 for a
            picture of 512 px.
        path: Of `ops.attention.attention`.
        start: Parameters of the attention before training: `likeness` (see
            `models.sanet.likeness_params`), or `random` as in the public code.
        remat: Save memory in training; see `methods.encoder`.
        levels: Where styles are attended to; the paper's network has both.

    Raises:
        ValueError: If a term, the start or a level is unknown.
    """
    _check_choices(start, levels)
    if native and path == "auto":
        path = "dense"
    statistics: Mapping[str, Any] = FrozenDict(arithmetic.style_statistics())
    transform = SANet(statistics, dtype, path, tuple(levels))
    encode = FrozenEncoder(dtype, remat)
    terms = make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic, dtype)
    nets = Networks(arithmetic, transform, Decoder(dtype, native), encode, terms)
    return _assemble(losses, nets, start, style_dtype)


def _check_choices(start: str, levels: Sequence[str]) -> None:
    if start not in get_args(Start):
        raise ValueError(f"start must be one of {get_args(Start)}, got {start!r}")
    if not levels or not set(levels) <= set(LEVELS):
        raise ValueError(f"levels must be some of {LEVELS}, got {list(levels)}")


def _assemble(
    losses: Mapping[str, float], nets: Networks, start: Start, style_dtype: DTypeLike
) -> Method:
    """The record of what these networks do."""
    of_critic = nets.style_terms.player_losses(partial(styles_and_transfers, nets))
    levels = nets.transform.levels
    has_all = set(levels) == set(LEVELS)
    # A result sees 118 px of a VGG-19's picture, in whole positions of relu5_1.
    tiling = Tiling(16, 128, partial(attend_itself, nets))
    return Method(
        init=partial(_init, nets, start),
        losses={"model": partial(sanet_loss, losses, nets), **of_critic},
        encode_style=partial(_encode_style, nets, style_dtype),
        encode_content=partial(_encode_content, nets),
        moments=_moments,
        transfer=partial(_transfer, nets),
        decode=partial(_decode, nets),
        encoder_layers=STYLE_LAYERS,
        tiling=tiling if has_all else None,
        controls=frozenset(
            {"strength", "weights", "masks", "style_masks", "level_balance"}
        ),
        options={} if has_all else {"levels": list(levels)},
    )


def _encode_style(
    nets: Networks,
    dtype: DTypeLike,
    _: Variables,
    frozen: Params,
    style: Mapping[str, Array],
) -> Style:
    features = nets.encode(frozen, style["image"], ATTENDED)
    largest = float(jnp.finfo(dtype).max)
    kept = {k: v.clip(max=largest).astype(dtype) for k, v in features.items()}
    if "mask" in style:
        for layer, feature in features.items():
            part = area_average(style["mask"], *feature.shape[1:3])
            kept[part_of(layer)] = part[..., None].astype(dtype)
    return kept


def _encode_content(
    nets: Networks,
    _: Variables,
    frozen: Params,
    image: Image,
    extent: Extent | None = None,
) -> FeatureMaps:
    return nets.encode(frozen, image, ATTENDED, extent)


def _init(nets: Networks, start: Start, key: Key) -> Variables:
    """Parameters of transform and decoder in one tree, as AdaIN's decoder stands."""
    feature = jnp.zeros((1, 2, 2, 512))
    features = dict.fromkeys(ATTENDED, feature)
    queries = {layer: [feature] for layer in ATTENDED}
    regions = Regions(jnp.ones((1, 1, 1)), jnp.ones((1, 1)))
    keys = jax.random.split(key)
    if start == "likeness":
        missing = set(LEVELS) - set(nets.transform.levels)
        blocks = {layer.replace("relu", "sanet") for layer in missing}
        made = likeness_params(keys[0])
        transform = {k: v for k, v in made.items() if k not in blocks}
    else:
        arguments = (features, queries, [features], regions)
        transform = nets.transform.init(keys[0], *arguments)["params"]
    decoder = nets.decoder.init(keys[1], feature)["params"]
    others = nets.style_terms.init(jax.random.fold_in(key, 1))
    return Variables({"model": {**transform, **decoder}, **others}, {})


def _moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
    return {
        layer: region_moments(
            feature, area_average(layer_masks(masks, layer), *feature.shape[1:3])
        )
        for layer, feature in features.items()
    }


def _decode(
    nets: Networks,
    variables: Variables,
    _: Params,
    features: FeatureMaps,
    extent: Extent | None = None,
) -> Image:
    params = {"params": variables.players["model"]}
    at_feature = None if extent is None else extent.shrunk(8)
    return nets.decoder.apply(params, features["merged"], at_feature)


def _transfer(
    nets: Networks,
    variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    moments: dict[str, Moments],
    styles: Sequence[Style],
    controls: Controls,
    piece: Piece | None = None,
) -> FeatureMaps:
    """Every region attends to its styles, and below strength 1 to the content.

    A piece's content has done so before; see `attend_itself`.
    """
    params = {"params": variables.players["model"]}
    queries = queries_of(nets, features, moments)
    balance = controls.extras.get("level_balance", jnp.array(0.5))
    levels = (2.0 * (1.0 - balance), 2.0 * balance)
    strength = controls.strength[:, None]
    shares = strength * controls.weights
    with_rest = jnp.concatenate([shares, 1.0 - strength], axis=1)

    def merge(
        attended: Sequence[Style], masks: Masks, shares: Array, *of_piece: Any
    ) -> Array:
        regions = Regions(masks, shares)
        return nets.transform.apply(
            params, features, queries, attended, regions, levels, *of_piece
        )

    if piece is not None:
        itself = split_found(piece.itself, features)
        mixed = with_rest if itself else shares
        extent = piece.extent.shrunk(8)
        return {"merged": merge(styles, piece.masks, mixed, itself, extent)}
    merged = jax.lax.cond(
        jnp.all(strength == 1.0),
        lambda: merge(styles, controls.masks, shares),
        lambda: merge([*styles, features], controls.masks, with_rest),
    )
    return {"merged": merged}
