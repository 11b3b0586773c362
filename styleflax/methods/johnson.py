"""One style in one feed-forward network (Johnson et al. 2016, Ulyanov et al. 2017)."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from styleflax.config import Arithmetic, JohnsonOptions, Losses
from styleflax.methods.base import Batch, Controls, Method, Style, Variables
from styleflax.methods.features import FrozenEncoder
from styleflax.methods.feed_forward import (
    FEED_FORWARD_LOSSES,
    FeedForward,
    make_feed_forward,
    make_perception,
)
from styleflax.models.transformer_net import TransformerNet, check_choices
from styleflax.types import Image, Key, Params

DEFAULT_ARITHMETIC = Arithmetic()
DEFAULTS = JohnsonOptions()


def make_johnson(
    losses: Losses = FEED_FORWARD_LOSSES,
    options: JohnsonOptions = DEFAULTS,
    arithmetic: Arithmetic = DEFAULT_ARITHMETIC,
    dtype: DTypeLike = jnp.float32,
    remat: bool = False,
) -> Method:
    """Returns the method, with the weighted sum of `losses` as its training loss.

    No style is encoded: the network is the style. With batch normalization, the
    population statistics that stylizing uses are the method's state, averaged over
    devices in training.

    Args:
        losses: Weights by term: `content` (relative to the encoder's scale, not
            Caffe's), `losses.pixels`, and any style loss (`methods.features`).
        options: Options of the network, and the layers of its losses.
        arithmetic: Arithmetic of the style loss `style`.
        dtype: Compute type of the networks; statistics are float32.
        remat: Save memory in training; see `methods.features`.

    Raises:
        ValueError: If a term or layer is unknown, or there is not one style.
    """
    if len(options.styles) != 1:
        raise ValueError(
            f"johnson takes exactly one style, got {len(options.styles)}: "
            f"{[*options.styles]}; use cin for several"
        )
    net = TransformerNet(
        norm=options.norm,
        width=options.width,
        residual_blocks=options.residual_blocks,
        padding=options.padding,
        upsampling=options.upsampling,
        output=options.output,
        dtype=dtype,
        native=options.native,
    )
    check_choices(net)
    judge = FrozenEncoder(dtype, remat)
    perception = make_perception(judge, losses, arithmetic, options)

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

    return make_feed_forward(
        perception,
        FeedForward(init, draw, aims, lambda _variables, _frozen, _style: {}, apply),
        options,
        controls=frozenset({"masks"}),
    )
