"""Many styles in one network: conditional instance norm (Dumoulin et al. 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    STYLE_LAYERS,
    Perception,
    image_alone,
    made_image,
    make_perception,
    no_moments,
    read_own_index,
)
from styleflax.methods.frozen_encoder import FrozenEncoder
from styleflax.models.transformer_net import Modulate, TransformerNet, check_choices
from styleflax.ops.spatial import area_average
from styleflax.types import FeatureMaps, Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()
KERNEL_STD = 0.01
"""Of kernels before training: Dumoulin et al.'s published code."""


class CinNetworks(NamedTuple):
    """What the functions of the method share.

    Attributes:
        net: All but the scales and shifts.
        perception: Judges pictures in training.
        styles: Their names, one for every row of the tables.
    """

    net: TransformerNet
    perception: Perception
    styles: tuple[str, ...]

    def apply(self, network: Params, image: Image, modulate: Modulate) -> Image:
        """The network's pictures."""
        return self.net.apply({"params": network}, image, modulate)


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
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    A style is the scale (gamma) and shift (beta) of every channel after every
    normalisation, and mixes of styles are weighted means of those; with masks they
    differ from place to place, while statistics stay those of the whole picture.
    The convolutions are all styles' own. `methods.cin_style` adds a style.

    Args:
        losses: Weights by term: `content`, `total_variation`, and any style loss
            (`losses.family`).
        arithmetic: Of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        native: Use XLA's own convolution also on CPU; see `ops.conv`.
        remat: Save memory in training; see `methods.frozen_encoder`.
        styles: Their names, in the order of the style pictures.
        width: Factor on the network's channels.
        kernel_std: Of kernels before training; None for He's by size.
        content_layer: Where pictures must agree with their contents.
        style_layers: Where they are compared with their styles.

    Raises:
        ValueError: If a term or a layer is unknown, or names are missing or the same.
    """
    nets = make_networks(
        make_perception(
            FrozenEncoder(dtype, native, remat),
            losses,
            arithmetic,
            content_layer,
            tuple(style_layers),
        ),
        styles,
        width,
        kernel_std,
        dtype,
        native,
    )
    return make_record(nets)


def make_networks(
    perception: Perception,
    styles: Sequence[str],
    width: float,
    kernel_std: float | None,
    dtype: DTypeLike,
    native: bool,
) -> CinNetworks:
    """Dumoulin et al.'s network; arguments as of `make_cin`.

    Raises:
        ValueError: If names are missing or the same, or the width is not possible.
    """
    if not styles or len(set(styles)) < len(styles):
        raise ValueError(f"styles must be names, all different, got {list(styles)}")
    net = TransformerNet(
        norm="conditional",
        width=width,
        padding="mirror",
        upsampling="nearest",
        output="sigmoid",
        normalise_output=True,
        kernel_std=kernel_std,
        dtype=dtype,
        native=native,
    )
    check_choices(net)
    return CinNetworks(net, perception, tuple(styles))


def make_record(nets: CinNetworks) -> Method:
    """The method that trains all of it."""
    return Method(
        init=partial(_init, nets),
        losses={"model": partial(_loss, nets)},
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
        },
    )


def init_network(nets: CinNetworks, key: Key) -> Params:
    """The convolutions before training."""
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    return nets.net.lazy_init(key, image, lambda _, x: x)["params"]


def make_tables(nets: CinNetworks) -> Params:
    """Gamma 1 and beta 0 for every style and channel."""
    rows = len(nets.styles)
    return {
        name: {"gamma": jnp.ones((rows, c)), "beta": jnp.zeros((rows, c))}
        for name, c in nets.net.normalised_channels().items()
    }


def style_at(tables: Params, index: Array) -> Style:
    """Rows of the tables, one for every index."""
    return jax.tree.map(lambda table: table[index], tables)


def modulate_each(style: Style) -> Modulate:
    """Every picture of a batch by a row of its own."""

    def modulate(name: str, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        gamma, beta = (style[name][k][:, None, None] for k in ("gamma", "beta"))
        return x * gamma + beta

    return modulate


def modulate_mixed(styles: Sequence[Style], controls: Controls) -> Modulate:
    """All pictures by a mix of styles, which differs from region to region."""

    def modulate(name: str, x: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
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


def judge_styles(
    nets: CinNetworks,
    network: Params,
    tables: Params,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The loss of every content in the style beside it, and metrics."""
    modulate = modulate_each(style_at(tables, batch["style_index"]))
    stylized = nets.apply(network, batch["content"], modulate)
    return nets.perception.judge(
        frozen, batch["content"], stylized, batch["style"], key
    )


def _init(nets: CinNetworks, key: Key) -> Variables:
    own = {"network": init_network(nets, key), "styles": make_tables(nets)}
    return Variables({"model": own}, {})


def _loss(
    nets: CinNetworks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    network, tables = own_params["network"], own_params["styles"]
    total, metrics = judge_styles(nets, network, tables, frozen, batch, key)
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
