"""One style in one feed-forward network (Johnson et al. 2016, Ulyanov et al. 2017)."""

from collections.abc import Mapping, Sequence

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from styleflax.config import Arithmetic
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    STYLE_LAYERS,
    make_feed_forward,
    make_perception,
)
from styleflax.models.transformer_net import (
    Norm,
    Output,
    Padding,
    TransformerNet,
    Upsampling,
    check_choices,
)
from styleflax.types import Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()


def make_johnson(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    norm: Norm = "batch",
    width: float = 1.0,
    residual_blocks: int = 5,
    padding: Padding = "reflect-start",
    upsampling: Upsampling = "transposed",
    output: Output = "tanh",
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Nothing is encoded of a style: the network is the style. With batch
    normalization the statistics of the population, by which pictures are made, are
    the method's state, averaged over devices in training.

    Args:
        losses: Weights by term: `content` (relative to the encoder's scale, not
            Caffe's), `losses.regularizers`, and any style loss (`methods.terms`).
        arithmetic: Arithmetic of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
        remat: Save memory in training; see `methods.encoder`.
        styles: The one style's name.
        norm: `batch` as in the paper, `instance` as Ulyanov et al. prefer, or `none`.
        width: Factor on the network's channels.
        residual_blocks: Number of residual blocks.
        padding: Border of the network; see `models.transformer_net`.
        upsampling: How the network doubles its maps.
        output: Function that maps to colors.
        content_layer: Layer of the content loss. Of the authors'
            published code one version has relu3_3 and another, which pystiche's
            table follows, relu2_2.
        style_layers: Where they are compared with the style.

    Raises:
        ValueError: If a term, layer or part is unknown, or there is not one style.
    """
    if len(styles) != 1:
        raise ValueError(f"johnson must have one style, got {list(styles)}; use cin")
    net = TransformerNet(
        norm,
        width,
        residual_blocks,
        padding,
        upsampling,
        output,
        dtype=dtype,
        native=native,
    )
    check_choices(net)
    if norm == "conditional":
        raise ValueError("norm must be 'batch', 'instance' or 'none'; use cin")
    encode = FrozenEncoder(dtype, remat)
    at = (content_layer, tuple(style_layers))
    perception = make_perception(encode, losses, arithmetic, *at)

    def init(key: Key) -> Variables:
        image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
        variables = net.lazy_init(key, image)
        players = {"model": variables["params"]}
        return Variables(players, variables.get("batch_stats", {}))

    def draw(
        own: Params, variables: Variables, _: Params, batch: Batch
    ) -> tuple[Image, Params]:
        tree = {"params": own, "batch_stats": variables.state}
        image, changed = net.apply(
            tree, batch["content"], train=True, mutable=["batch_stats"]
        )
        return image, changed.get("batch_stats", {})

    def aims(batch: Batch) -> tuple[Image, None]:
        return batch["style"][:1], None  # the others are the same

    def apply(
        variables: Variables,
        _frozen: Params,
        image: Image,
        _styles: Sequence[Style],
        _controls: Controls,
    ) -> Image:
        """The network's picture; where masks leave the content, the stylizer does."""
        tree = {"params": variables.players["model"], "batch_stats": variables.state}
        return net.apply(tree, image)

    chosen = ("norm", "width", "padding", "upsampling", "output")
    return make_feed_forward(
        perception,
        init=init,
        draw=draw,
        aims=aims,
        encode_style=lambda _variables, _frozen, _style: {},
        apply=apply,
        styles=tuple(styles),
        controls=frozenset({"masks"}),
        options={
            **{name: getattr(net, name) for name in chosen},
            **({} if residual_blocks == 5 else {"residual_blocks": residual_blocks}),
        },
    )
