"""One more style for a network that has many: scales and shifts alone are trained."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.cin import DEFAULT_ARITHMETIC, make_record
from styleflax.methods.cin_networks import (
    CinNetworks,
    draw_each,
    init_network,
    judge_styles,
    make_networks,
    make_tables,
    modulate_mixed,
    style_at,
)
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    STYLE_LAYERS,
    make_perception,
    read_own_index,
)
from styleflax.models.vgg import Pooling
from styleflax.types import FeatureMaps, Image, Key, Params

NETWORK, STYLES = "network", "styles"


def make_cin_style(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    width: float = 1.0,
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
    pooling: Pooling = "max",
) -> Method:
    """`cin` with the convolutions frozen, and one style (Dumoulin et al. 2017).

    The only player that makes pictures is the tree of gammas and betas of the new
    style; whatever else there is can thus not move. They begin as the mean of those
    of the model that the training begins from (`init_from`), whose convolutions are
    `frozen["network"]`.

    Args:
        losses: As of `make_cin`.
        arithmetic: The same.
        dtype: The same.
        native: The same.
        remat: The same.
        styles: The new style's name.
        width: That of the model begun from.
        content_layer: As of `make_cin`.
        style_layers: The same.
        pooling: The same.

    Raises:
        ValueError: As `make_cin` does, and if there is not just one style.
    """
    if len(styles) != 1:
        raise ValueError(f"one new style at a time, got {list(styles)}")
    encode = FrozenEncoder(dtype, remat, pooling)
    layers = tuple(style_layers)
    perception = make_perception(encode, losses, arithmetic, content_layer, layers)
    nets = make_networks(perception, styles, width, None, dtype, native)
    of_critic = perception.player_losses(partial(_stylized, nets))
    return make_record(nets)._replace(
        init=partial(_init, nets),
        losses={"model": partial(_loss, nets), **of_critic},
        encode_style=_encode_style,
        transfer=partial(_transfer, nets),
        begin_from=_begin_from,
        frozen_parts={NETWORK: partial(init_network, nets)},
    )


def _init(nets: CinNetworks, key: Key) -> Variables:
    critic = nets.perception.terms.init(key)
    return Variables({"model": make_tables(nets), **critic}, {})


def _stylized(
    nets: CinNetworks, variables: Variables, frozen: Params, batch: Batch
) -> Image:
    return draw_each(nets, frozen[NETWORK], variables.players["model"], batch)


def _begin_from(
    method: str, players: Mapping[str, Params]
) -> tuple[dict[str, Params], dict[str, Params]]:
    model = players.get("model", {})
    if not {NETWORK, STYLES} <= model.keys():
        raise ValueError(f"a style is added to a model of cin, not of {method!r}")
    means = jax.tree.map(lambda t: t.mean(axis=0, keepdims=True), model[STYLES])
    return {"model": means}, {NETWORK: model[NETWORK]}


def _loss(
    nets: CinNetworks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    total, metrics = judge_styles(
        nets, frozen[NETWORK], own_params, frozen, batch, variables.players, key
    )
    return total, (metrics, variables.state)


def _encode_style(variables: Variables, _: Params, style: Mapping[str, Array]) -> Style:
    return style_at(variables.players["model"], read_own_index(style))


def _transfer(
    nets: CinNetworks,
    _variables: Variables,
    frozen: Params,
    features: FeatureMaps,
    _moments: object,
    styles: Sequence[Style],
    controls: Controls,
    _piece: object = None,
) -> FeatureMaps:
    modulate = modulate_mixed(styles, controls)
    return {"image": nets.apply(frozen[NETWORK], features["image"], modulate)}
