"""Many styles in one network: conditional instance norm (Dumoulin et al. 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    STYLE_LAYERS,
    Perception,
    make_feed_forward,
    make_perception,
)
from styleflax.models.transformer_net import Modulate, TransformerNet, check_choices
from styleflax.models.vgg import Pooling
from styleflax.ops.spatial import area_average
from styleflax.types import FeatureMap, Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()
KERNEL_STD = 0.01
"""Of kernels before training: Dumoulin et al.'s published code."""
NETWORK, STYLES = "network", "styles"


def make_cin(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    width: float = 1.0,
    residual_blocks: int = 5,
    kernel_std: float | None = KERNEL_STD,
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
    style_coefficients: Sequence[float] = (),
    pooling: Pooling = "max",
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    A style is the scale (gamma) and shift (beta) of every channel after every
    normalization, and mixes of styles are weighted means of those; with masks they
    differ from place to place, while statistics stay those of the whole picture.
    The convolutions are all styles' own. `make_cin_style` adds a style.

    Args:
        losses: Weights by term: `content`, those of `losses.regularizers`, and any
            style loss (`methods.terms`).
        arithmetic: Arithmetic of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
        remat: Save memory in training; see `methods.encoder`.
        styles: Their names, in the order of the style pictures.
        width: Factor on the network's channels.
        residual_blocks: How many the network has.
        kernel_std: Standard deviation of kernels before training; None for He's by
            size.
        content_layer: Where pictures must agree with their contents.
        style_layers: Where they are compared with their styles.
        style_coefficients: In training, factors on the style terms of every style, in
            metrics too; () for 1.
        pooling: In training, of the encoder that judges; the authors' code averages.

    Raises:
        ValueError: If a term, layer or pooling is unknown, names are missing or the
            same, coefficients are not one for each style and finite and at least 0,
            or the width is not possible.
    """
    encode = FrozenEncoder(dtype, remat, pooling)
    layers = tuple(style_layers)
    perception = make_perception(encode, losses, arithmetic, content_layer, layers)
    net = make_network(width, residual_blocks, kernel_std, dtype, native)
    coefficients = check_coefficients(style_coefficients, len(styles))
    return _make_method(net, perception, styles, coefficients)


def make_cin_style(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    width: float = 1.0,
    residual_blocks: int = 5,
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
    pooling: Pooling = "max",
) -> Method:
    """`cin` with the convolutions frozen, and one style (Dumoulin et al. 2017).

    The only player that makes pictures is the tree of gammas and betas of the new
    style; nothing else can thus move. They begin as the mean of those of the model
    that the training begins from (`init_from`), whose convolutions are
    `frozen["network"]`.

    Args:
        losses: As of `make_cin`.
        arithmetic: As of `make_cin`.
        dtype: As of `make_cin`.
        native: As of `make_cin`.
        remat: As of `make_cin`.
        styles: The new style's name.
        width: That of the model begun from.
        residual_blocks: Number of blocks of the model begun from.
        content_layer: As of `make_cin`.
        style_layers: As of `make_cin`.
        pooling: As of `make_cin`.

    Raises:
        ValueError: As `make_cin` does, and if there is not just one style.
    """
    if len(styles) != 1:
        raise ValueError(f"styles must have exactly one new style, got {list(styles)}")
    encode = FrozenEncoder(dtype, remat, pooling)
    layers = tuple(style_layers)
    perception = make_perception(encode, losses, arithmetic, content_layer, layers)
    net = make_network(width, residual_blocks, None, dtype, native)
    method = _make_method(net, perception, styles, is_frozen=True)
    return method._replace(
        begin_from=_begin_from, frozen_parts={NETWORK: partial(_init_network, net)}
    )


def make_network(
    width: float,
    residual_blocks: int,
    kernel_std: float | None,
    dtype: DTypeLike,
    native: bool,
) -> TransformerNet:
    """Dumoulin et al.'s network, all but the scales and shifts.

    Raises:
        ValueError: If the width or the number of blocks is not possible.
    """
    net = TransformerNet(
        norm="conditional",
        width=width,
        residual_blocks=residual_blocks,
        padding="mirror",
        upsampling="nearest",
        output="sigmoid",
        normalise_output=True,
        kernel_std=kernel_std,
        dtype=dtype,
        native=native,
    )
    check_choices(net)
    return net


def check_coefficients(
    coefficients: Sequence[float], num_styles: int
) -> tuple[float, ...]:
    """Factors on the style terms of every style; () where all are 1.

    Without them pictures are compared with their styles all at once.

    Raises:
        ValueError: If they are not one for each style, or not finite and at least 0.
    """
    if len(coefficients) not in {0, num_styles}:
        raise ValueError(
            f"style_coefficients must be one for each of {num_styles} styles, got "
            f"{len(coefficients)}"
        )
    if any(not 0 <= factor < float("inf") for factor in coefficients):
        raise ValueError(
            f"style_coefficients must be finite and at least 0, got {[*coefficients]}"
        )
    all_one = all(factor == 1 for factor in coefficients)
    return () if all_one else tuple(coefficients)


def _make_method(
    net: TransformerNet,
    perception: Perception,
    styles: Sequence[str],
    coefficients: tuple[float, ...] = (),
    *,
    is_frozen: bool = False,
) -> Method:
    """The method of convolutions and tables, or of tables on frozen convolutions."""
    if not styles or len(set(styles)) < len(styles):
        raise ValueError(f"styles must be distinct names, got {list(styles)}")

    def init(key: Key) -> Variables:
        tables = _make_tables(net, len(styles))
        if is_frozen:
            return Variables({"model": tables}, {})
        network = _init_network(net, key)
        return Variables({"model": {NETWORK: network, STYLES: tables}}, {})

    def network_of(own: Params, frozen: Params) -> Params:
        return {"params": (frozen if is_frozen else own)[NETWORK]}

    def rows_of(own: Params, index: Array) -> Style:
        """Rows of the tables, one for every index."""
        return jax.tree.map(
            lambda table: table[index], own if is_frozen else own[STYLES]
        )

    def draw(
        own: Params, variables: Variables, frozen: Params, batch: Batch
    ) -> tuple[Image, Params]:
        modulate = _modulate_each(rows_of(own, batch["style_index"]))
        image = net.apply(network_of(own, frozen), batch["content"], modulate)
        return image, variables.state

    def aims(batch: Batch) -> tuple[Image, Float[Array, " b"] | None]:
        if not coefficients:
            return batch["style"], None
        return batch["style"], jnp.array(coefficients)[batch["style_index"]]

    def encode_style(
        variables: Variables, _: Params, style: Mapping[str, Array]
    ) -> Style:
        index = jnp.asarray(style["style_index"]).reshape(1)
        return rows_of(variables.players["model"], index)

    def apply(
        variables: Variables,
        frozen: Params,
        image: Image,
        styles: Sequence[Style],
        controls: Controls,
    ) -> Image:
        network = network_of(variables.players["model"], frozen)
        return net.apply(network, image, _modulate_mixed(styles, controls))

    blocks = net.residual_blocks
    return make_feed_forward(
        perception,
        init=init,
        draw=draw,
        aims=aims,
        encode_style=encode_style,
        apply=apply,
        styles=tuple(styles),
        controls=frozenset({"weights", "masks"}),
        options={
            "width": net.width,
            "pooling": perception.encode.pooling,
            **({} if blocks == 5 else {"residual_blocks": blocks}),
        },
    )


def _begin_from(
    method: str, players: Mapping[str, Params]
) -> tuple[dict[str, Params], dict[str, Params]]:
    model = players.get("model", {})
    if not {NETWORK, STYLES} <= model.keys():
        raise ValueError(f"the model must be of method cin, got {method!r}")
    means = jax.tree.map(lambda t: t.mean(axis=0, keepdims=True), model[STYLES])
    return {"model": means}, {NETWORK: model[NETWORK]}


def _init_network(net: TransformerNet, key: Key) -> Params:
    """The convolutions before training."""
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    return net.lazy_init(key, image, lambda _, x: x)["params"]


def _make_tables(net: TransformerNet, rows: int) -> Params:
    """Gamma 1 and beta 0 for every style and channel."""
    return {
        name: {"gamma": jnp.ones((rows, c)), "beta": jnp.zeros((rows, c))}
        for name, c in net.normalised_channels().items()
    }


def _modulate_each(style: Style) -> Modulate:
    """Every picture of a batch by a row of its own."""

    def modulate(name: str, x: FeatureMap) -> FeatureMap:
        gamma, beta = (style[name][k][:, None, None] for k in ("gamma", "beta"))
        return x * gamma + beta

    return modulate


def _modulate_mixed(styles: Sequence[Style], controls: Controls) -> Modulate:
    """All pictures by a mix of styles, which differs from region to region."""

    def modulate(name: str, x: FeatureMap) -> FeatureMap:
        rows = (
            controls.weights @ jnp.concatenate([style[name][k] for style in styles])
            for k in ("gamma", "beta")
        )
        if len(controls.masks) == 1:
            gamma, beta = rows
        else:
            cells = area_average(controls.masks, *x.shape[1:3])
            gamma, beta = (jnp.einsum("rhw,rc->hwc", cells, row) for row in rows)
        return x * gamma + beta

    return modulate
