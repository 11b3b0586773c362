"""Many styles in one network: conditional instance norm (Dumoulin et al. 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, CINOptions, CINStyleOptions, Losses
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.features import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    FeedForward,
    Perception,
    make_feed_forward,
    make_perception,
)
from styleflax.models.transformer_net import Modulate, TransformerNet, check_choices
from styleflax.ops.spatial import area_average
from styleflax.types import FeatureMap, Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()
DEFAULTS, NEW_STYLE_DEFAULTS = CINOptions(), CINStyleOptions()
NETWORK, STYLES = "network", "styles"


def make_cin(
    losses: Losses = FEED_FORWARD_LOSSES,
    options: CINOptions = DEFAULTS,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
) -> Method:
    """Returns the method, with the weighted sum of `losses` as its training loss.

    A style is the scale (gamma) and shift (beta) of every channel after every
    normalization, and mixes of styles are weighted means of those; with masks they vary
    by position, while the statistics are those of the whole picture. All styles share
    the convolutions. `make_cin_style` adds a style.

    Args:
        losses: Weights by term: `content`, those of `losses.pixels`, and any
            style loss (`methods.features`).
        options: Options of the network, its styles, and how pictures are judged.
        arithmetic: Arithmetic of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        remat: Save memory in training; see `methods.features`.

    Raises:
        ValueError: If a term or layer is unknown, names are missing or repeated,
            coefficients are not one finite number of at least 0 per style, or the width
            is out of range.
    """
    judge = FrozenEncoder(dtype, remat, options.pooling)
    perception = make_perception(judge, losses, arithmetic, options)
    net = make_network(options, options.kernel_std, dtype)
    coefficients = check_coefficients(options.style_coefficients, len(options.styles))
    return _make_method(net, perception, options, coefficients)


def make_cin_style(
    losses: Losses = FEED_FORWARD_LOSSES,
    options: CINStyleOptions = NEW_STYLE_DEFAULTS,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
) -> Method:
    """`cin` with the convolutions frozen, and one style (Dumoulin et al. 2017).

    The only player that makes pictures is the tree of gammas and betas of the new
    style; nothing else can thus move. They begin as the mean of those of the model
    that the training begins from (`init_from`), whose convolutions are
    `frozen["network"]`.

    Args:
        losses: As of `make_cin`.
        options: As of `make_cin`, with the width of the model begun from.
        arithmetic: Arithmetic of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        remat: Save memory in training; see `methods.features`.

    Raises:
        ValueError: As `make_cin` does, and if there is not just one style.
    """
    if len(options.styles) != 1:
        raise ValueError(f"one new style at a time, got {[*options.styles]}")
    judge = FrozenEncoder(dtype, remat, options.pooling)
    perception = make_perception(judge, losses, arithmetic, options)
    net = make_network(options, None, dtype)
    method = _make_method(net, perception, options, is_frozen=True)
    return method._replace(
        begin_from=_begin_from, frozen_parts={NETWORK: partial(_init_network, net)}
    )


def make_network(
    options: CINStyleOptions, kernel_std: float | None, dtype: DTypeLike
) -> TransformerNet:
    """Dumoulin et al.'s network, all but the scales and shifts.

    Raises:
        ValueError: If the width or the number of blocks is not possible.
    """
    net = TransformerNet(
        norm="conditional",
        width=options.width,
        residual_blocks=options.residual_blocks,
        padding="mirror",
        upsampling="nearest",
        output="sigmoid",
        normalize_output=True,
        kernel_std=kernel_std,
        dtype=dtype,
        native=options.native,
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
    options: CINStyleOptions,
    coefficients: tuple[float, ...] = (),
    *,
    is_frozen: bool = False,
) -> Method:
    """The method of convolutions and tables, or of tables on frozen convolutions."""
    styles = options.styles
    if not styles or len(set(styles)) < len(styles):
        raise ValueError(f"styles must be distinct names, got {[*styles]}")

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

    return make_feed_forward(
        perception,
        FeedForward(init, draw, aims, encode_style, apply),
        options,
        controls=frozenset({"weights", "masks"}),
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
        for name, c in net.normalized_channels().items()
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
