"""One style in one feed-forward network (Johnson et al. 2016, Ulyanov et al. 2017)."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.methods.base import (
    Batch,
    Controls,
    Method,
    Style,
    Variables,
)
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    STYLE_LAYERS,
    Perception,
    image_alone,
    made_image,
    make_perception,
    no_moments,
)
from styleflax.models.transformer_net import (
    Norm,
    Output,
    Padding,
    TransformerNet,
    Upsampling,
    check_choices,
)
from styleflax.types import FeatureMaps, Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()


class _Networks(NamedTuple):
    """What the functions of the method share."""

    net: TransformerNet
    perception: Perception


def make_johnson(
    losses: Mapping[str, float] = FEED_FORWARD_LOSSES,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    native: bool = False,
    remat: bool = False,
    styles: Sequence[str] = ("style",),
    norm: Norm = "batch",
    width: float = 1.0,
    padding: Padding = "reflect-start",
    upsampling: Upsampling = "transposed",
    output: Output = "tanh",
    content_layer: str = "relu3_3",
    style_layers: Sequence[str] = STYLE_LAYERS,
) -> Method:
    """The method, with the weighted sum of `losses` as its training loss.

    Nothing is encoded of a style: the network is the style. With batch
    normalisation the statistics of the population, by which pictures are made, are
    the method's state, averaged over devices in training.

    Args:
        losses: Weights by term: `content` (relative to the encoder's scale, not
            Caffe's), `losses.regularizers`, and any style loss (`methods.terms`).
        arithmetic: Of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        native: Enlarge maps before they are convolved; see `ops.conv`.
        remat: Save memory in training; see `methods.encoder`.
        styles: The one style's name.
        norm: `batch` as in the paper, `instance` as Ulyanov et al. prefer, or `none`.
        width: Factor on the network's channels.
        padding: Of the network, as also the next two; see `models.transformer_net`.
        upsampling: By what its pictures grow again.
        output: What maps to colours.
        content_layer: Where pictures must agree with their contents. Of the authors'
            published code one version has relu3_3 and another, which pystiche's
            table follows, relu2_2.
        style_layers: Where they are compared with the style.

    Raises:
        ValueError: If a term, layer or part is unknown, or there is not one style.
    """
    net = TransformerNet(
        norm, width, padding, upsampling, output, dtype=dtype, native=native
    )
    _check(net, styles)
    encode = FrozenEncoder(dtype, remat)
    at = (content_layer, tuple(style_layers))
    perception = make_perception(encode, losses, arithmetic, *at)
    return _assemble(_Networks(net, perception), tuple(styles))


def _check(net: TransformerNet, styles: Sequence[str]) -> None:
    if len(styles) != 1:
        raise ValueError(f"johnson has one style in one network, got {list(styles)}")
    check_choices(net)
    if net.norm == "conditional":
        raise ValueError("norm must be 'batch', 'instance' or 'none'; cin has the rest")


def _assemble(nets: _Networks, styles: tuple[str, ...]) -> Method:
    """The record of what these networks do."""
    chosen = ("norm", "width", "padding", "upsampling", "output")
    options = {
        "styles": list(styles),
        **{name: getattr(nets.net, name) for name in chosen},
        "content_layer": nets.perception.content_layer,
        "style_layers": list(nets.perception.style_layers),
    }
    of_critic = nets.perception.player_losses(partial(_stylized, nets))
    return Method(
        init=partial(_init, nets),
        losses={"model": partial(_loss, nets), **of_critic},
        encode_style=_encode_style,
        encode_content=image_alone,
        moments=no_moments,
        transfer=partial(_transfer, nets),
        decode=made_image,
        encoder_layers=nets.perception.layers(),
        tiling=None,
        controls=frozenset({"masks"}),
        styles=styles,
        options=options,
    )


def _init(nets: _Networks, key: Key) -> Variables:
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
    variables = nets.net.lazy_init(key, image)
    players = {"model": variables["params"], **nets.perception.terms.init(key)}
    return Variables(players, variables.get("batch_stats", {}))


def _stylized(
    nets: _Networks, variables: Variables, _frozen: Params, batch: Batch
) -> Image:
    own_params = variables.players["model"]
    return _draw(nets, own_params, variables.state, batch["content"])[0]


def _draw(
    nets: _Networks, own_params: Params, state: Params, content: Image
) -> tuple[Image, Params]:
    """Pictures, and the batch statistics after them."""
    tree = {"params": own_params, "batch_stats": state}
    made, changed = nets.net.apply(tree, content, train=True, mutable=["batch_stats"])
    return made, changed.get("batch_stats", {})


def _loss(
    nets: _Networks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    """All pictures of the batch against the one style."""
    content = batch["content"]
    stylized, state = _draw(nets, own_params, variables.state, content)
    style = batch["style"][:1]  # the others are the same
    total, metrics = nets.perception.judge(
        frozen, content, stylized, style, variables.players, key
    )
    return total, (metrics, state)


def _encode_style(_: Variables, _frozen: Params, _style: Mapping[str, Any]) -> Style:
    return {}


def _transfer(
    nets: _Networks,
    variables: Variables,
    _frozen: Params,
    features: FeatureMaps,
    _moments: object,
    _styles: Sequence[Style],
    _controls: Controls,
    _piece: object = None,
) -> FeatureMaps:
    """The network's picture; where masks leave the content, the stylizer does."""
    tree = {"params": variables.players["model"], "batch_stats": variables.state}
    return {"image": nets.net.apply(tree, features["image"])}
