"""The network of conditional instance norm, and its tables of styles."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.methods.base import Batch, Controls, Style
from styleflax.methods.feed_forward import Perception
from styleflax.models.transformer_net import Modulate, TransformerNet, check_choices
from styleflax.ops.spatial import area_average
from styleflax.types import Image, Key, Params

KERNEL_STD = 0.01
"""Of kernels before training: Dumoulin et al.'s published code."""


class CinNetworks(NamedTuple):
    """What the functions of the method share.

    Attributes:
        net: All but the scales and shifts.
        perception: Judges pictures in training.
        styles: Their names, one for every row of the tables.
        style_coefficients: Factors on their style terms; () for 1.
    """

    net: TransformerNet
    perception: Perception
    styles: tuple[str, ...]
    style_coefficients: tuple[float, ...] = ()

    def apply(self, network: Params, image: Image, modulate: Modulate) -> Image:
        """The network's pictures."""
        return self.net.apply({"params": network}, image, modulate)


def make_networks(
    perception: Perception,
    styles: Sequence[str],
    width: float,
    kernel_std: float | None,
    dtype: DTypeLike,
    native: bool,
    style_coefficients: Sequence[float] = (),
) -> CinNetworks:
    """Dumoulin et al.'s network; arguments as of `make_cin`.

    Raises:
        ValueError: If names are missing or the same, coefficients not one for each
            and finite and at least 0, or the width is not possible.
    """
    if not styles or len(set(styles)) < len(styles):
        raise ValueError(f"styles must be names, all different, got {list(styles)}")
    _check_coefficients(style_coefficients, len(styles))
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
    # Without them pictures are compared with their styles all at once.
    all_one = all(factor == 1 for factor in style_coefficients)
    coefficients = () if all_one else tuple(style_coefficients)
    return CinNetworks(net, perception, tuple(styles), coefficients)


def _check_coefficients(coefficients: Sequence[float], num_styles: int) -> None:
    if len(coefficients) not in {0, num_styles}:
        raise ValueError(
            f"style_coefficients must be one for each of {num_styles} styles, got "
            f"{len(coefficients)}"
        )
    if any(not 0 <= factor < float("inf") for factor in coefficients):
        raise ValueError(
            f"style_coefficients must be finite and at least 0, got {[*coefficients]}"
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
    players: Mapping[str, Params],
    key: Key,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The loss of every content in the style beside it, and metrics."""
    content = batch["content"]
    stylized = draw_each(nets, network, tables, batch)
    coefficients = None
    if nets.style_coefficients:
        coefficients = jnp.array(nets.style_coefficients)[batch["style_index"]]
    return nets.perception.judge(
        frozen, content, stylized, batch["style"], players, key, coefficients
    )


def draw_each(
    nets: CinNetworks, network: Params, tables: Params, batch: Batch
) -> Image:
    """Every content in the style beside it."""
    modulate = modulate_each(style_at(tables, batch["style_index"]))
    return nets.apply(network, batch["content"], modulate)
