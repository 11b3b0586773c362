"""Many styles in one network: conditional instance norm (Dumoulin et al. 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.cin_networks import (
    KERNEL_STD,
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
    image_alone,
    made_image,
    make_perception,
    no_moments,
    read_own_index,
)
from styleflax.models.vgg import Pooling
from styleflax.types import FeatureMaps, Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()


def make_cin(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    width: float = 1.0,
    kernel_std: float | None = KERNEL_STD,
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
    style_coefficients: Sequence[float] = (),
    pooling: Pooling = "max",
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    A style is the scale (gamma) and shift (beta) of every channel after every
    normalisation, and mixes of styles are weighted means of those; with masks they
    differ from place to place, while statistics stay those of the whole picture.
    The convolutions are all styles' own. `methods.cin_style` adds a style.

    Args:
        losses: Weights by term: `content`, those of `losses.regularizers`, and any
            style loss (`methods.terms`).
        arithmetic: Of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
        remat: Save memory in training; see `methods.encoder`.
        styles: Their names, in the order of the style pictures.
        width: Factor on the network's channels.
        kernel_std: Of kernels before training; None for He's by size.
        content_layer: Where pictures must agree with their contents.
        style_layers: Where they are compared with their styles.
        style_coefficients: In training, factors on the style terms of every style, in
            metrics too; () for 1.
        pooling: In training, of the encoder that judges; the authors' code averages.

    Raises:
        ValueError: If a term, layer or pooling is unknown, or names are missing or the
            same.
    """
    encode = FrozenEncoder(dtype, remat, pooling)
    layers = tuple(style_layers)
    perception = make_perception(encode, losses, arithmetic, content_layer, layers)
    of_net = (width, kernel_std, dtype, native)
    nets = make_networks(perception, styles, *of_net, style_coefficients)
    return make_record(nets)


def make_record(nets: CinNetworks) -> Method:
    """The method that trains all of it."""
    return Method(
        init=partial(_init, nets),
        losses={
            "model": partial(_loss, nets),
            **nets.perception.player_losses(partial(_stylized, nets)),
        },
        encode_style=_encode_style,
        encode_content=image_alone,
        moments=no_moments,
        transfer=partial(_transfer, nets),
        decode=made_image,
        encoder_layers=nets.perception.layers(),
        tiling=None,
        controls=frozenset({"weights", "masks"}),
        styles=nets.styles,
        options={
            "styles": list(nets.styles),
            "width": nets.net.width,
            "content_layer": nets.perception.content_layer,
            "style_layers": list(nets.perception.style_layers),
            "pooling": nets.perception.encode.pooling,
        },
    )


def _init(nets: CinNetworks, key: Key) -> Variables:
    own = {"network": init_network(nets, key), "styles": make_tables(nets)}
    return Variables({"model": own, **nets.perception.terms.init(key)}, {})


def _stylized(
    nets: CinNetworks, variables: Variables, _: Params, batch: Batch
) -> Image:
    own = variables.players["model"]
    return draw_each(nets, own["network"], own["styles"], batch)


def _loss(
    nets: CinNetworks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    network, tables = own_params["network"], own_params["styles"]
    total, metrics = judge_styles(
        nets, network, tables, frozen, batch, variables.players, key
    )
    return total, (metrics, variables.state)


def _encode_style(variables: Variables, _: Params, style: Mapping[str, Array]) -> Style:
    return style_at(variables.players["model"]["styles"], read_own_index(style))


def _transfer(
    nets: CinNetworks,
    variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    _moments: object,
    styles: Sequence[Style],
    controls: Controls,
    _piece: object = None,
) -> FeatureMaps:
    network = variables.players["model"]["network"]
    modulate = modulate_mixed(styles, controls)
    return {"image": nets.apply(network, features["image"], modulate)}
