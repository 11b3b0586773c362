"""Feed-forward networks of fixed styles, and their losses (Johnson et al. 2016)."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, FeedForwardOptions, Losses
from styleflax.losses.perceptual import mse_loss
from styleflax.losses.pixels import REGULARIZERS, regularize
from styleflax.methods.base import (
    Batch,
    Controls,
    EncodeStyle,
    Init,
    Method,
    Style,
    Variables,
)
from styleflax.methods.features import (
    FrozenEncoder,
    StyleTerms,
    make_style_terms,
    weigh_terms,
)
from styleflax.models.vgg import DEPTHS
from styleflax.types import FeatureMaps, Image, Key, Params

FEED_FORWARD_LOSSES: Losses = MappingProxyType(
    {"content": 1.0, "gram": 2.0, "total_variation": 1.0}
)
_OF_IMAGES = ("content", *REGULARIZERS)


class Perception(NamedTuple):
    """How an encoder judges pictures.

    Attributes:
        encode: The encoder.
        content_layer: Where a picture must agree with its content.
        style_layers: Where it is compared with its style.
        weights: Weights of all terms.
        terms: Those among them that compare styles.
    """

    encode: FrozenEncoder
    content_layer: str
    style_layers: tuple[str, ...]
    weights: Losses
    terms: StyleTerms

    def layers(self) -> tuple[str, ...]:
        """All layers, each once, in the encoder's order."""
        return tuple(sorted({self.content_layer, *self.style_layers}))

    def judge(
        self,
        frozen: Params,
        content: Image,
        stylized: Image,
        style: Float[Array, "_ hs ws 3"],
        players: Mapping[str, Params],
        key: Key,
        coefficients: Float[Array, " b"] | None = None,
    ) -> tuple[Float[Array, ""], dict[str, Array]]:
        """The weighted sum of all terms, and metrics.

        Args:
            frozen: Holds the encoder.
            content: Pictures.
            stylized: Results of the same size; the losses are differentiated by them.
            style: One for every picture, or one for all, of any size; with
                coefficients one for every picture.
            players: Hold the critic, if there is one.
            key: For losses that sample.
            coefficients: Factors on the style terms of every picture; None for 1.
        """
        layer = self.content_layer
        wanted = self.encode(frozen, content, (layer,))[layer]
        style_features = self.encode(frozen, style, self.style_layers)
        if len(style) < len(content):
            style_features = {
                k: jnp.broadcast_to(v, (len(content), *v.shape[1:]))
                for k, v in style_features.items()
            }

        targets = self.terms.targets(style_features)

        def compared(features: FeatureMaps) -> dict[str, Array]:
            compare = partial(self._compare_styles, players, key)
            terms = compare(features, targets, coefficients)
            return {"content": mse_loss(features[layer], wanted), **terms}

        terms = self.encode.judge(frozen, stylized, self.layers(), compared)
        terms |= regularize(stylized, [content, style], self.weights)
        return weigh_terms(self.weights, terms)

    def _compare_styles(
        self,
        players: Mapping[str, Params],
        key: Key,
        features: FeatureMaps,
        targets: Mapping[str, Any],
        coefficients: Float[Array, " b"] | None,
    ) -> dict[str, Float[Array, ""]]:
        if coefficients is None:
            return self.terms.compare(features, targets, players, key)

        def of_one(picture: tuple[Any, Any, Array]) -> dict[str, Array]:
            features, targets, factor = picture
            one, target = jax.tree.map(lambda x: x[None], (features, targets))
            terms = self.terms.compare(one, target, players, key)
            return {name: factor * term for name, term in terms.items()}

        # Not side by side: losses that go in chunks would need a batch's memory.
        of_all = jax.lax.map(of_one, (dict(features), targets, coefficients))
        return {name: terms.mean() for name, terms in of_all.items()}


def make_perception(
    encode: FrozenEncoder,
    weights: Losses,
    arithmetic: Arithmetic,
    options: FeedForwardOptions,
) -> Perception:
    """What judges the pictures of a feed-forward network.

    Raises:
        ValueError: If a term is neither `content`, a regularizer nor a style loss, or
            a layer is unknown.
    """
    content_layer, style_layers = options.content_layer, options.style_layers
    known = [
        f"relu{block}_{i + 1}"
        for block, depth in enumerate(DEPTHS["vgg19"], start=1)
        for i in range(depth)
    ]
    for layer in (content_layer, *style_layers):
        if layer not in known:
            raise ValueError(f"layer must be one of {', '.join(known)}, got {layer!r}")
    terms = make_style_terms(
        weights, _OF_IMAGES, style_layers, arithmetic, encode.dtype
    )
    return Perception(encode, content_layer, style_layers, weights, terms)


class Draw(Protocol):
    """Makes a batch's pictures in training."""

    def __call__(
        self, own: Params, variables: Variables, frozen: Params, batch: Batch, /
    ) -> tuple[Image, Params]:
        """The batch's contents in its styles, and the state after them."""


class Aims(Protocol):
    """What a batch's pictures are compared with."""

    def __call__(self, batch: Batch, /) -> tuple[Image, Float[Array, " b"] | None]:
        """Their styles, and factors on the style terms of each or None for 1."""


class Apply(Protocol):
    """Makes a picture from a photo."""

    def __call__(
        self,
        variables: Variables,
        frozen: Params,
        image: Image,
        styles: Sequence[Style],
        controls: Controls,
        /,
    ) -> Image:
        """RGB of the photo's size."""


class FeedForward(NamedTuple):
    """A network that makes pictures of pictures, as pure functions.

    Attributes:
        init: Makes the variables, without critics.
        draw: Makes the batch's pictures in training.
        aims: What those are compared with.
        encode_style: Field of `Method`.
        apply: Makes a picture.
    """

    init: Init
    draw: Draw
    aims: Aims
    encode_style: EncodeStyle
    apply: Apply


def make_feed_forward(
    perception: Perception,
    net: FeedForward,
    options: FeedForwardOptions,
    controls: frozenset[str],
) -> Method:
    """The method of a network that wants pictures themselves, and all of them.

    Args:
        perception: Judges the pictures in training.
        net: The network.
        options: Options of the method.
        controls: Controls of the method.
    """
    encode = perception.encode

    def init_all(key: Key) -> Variables:
        variables = net.init(key)
        critics = perception.terms.init(key)
        return variables._replace(players={**variables.players, **critics})

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        image, state = net.draw(own, variables, frozen, batch)
        style, factors = net.aims(batch)
        total, metrics = perception.judge(
            frozen, batch["content"], image, style, variables.players, key, factors
        )
        return total, (metrics, state)

    def critic_features(
        variables: Variables, frozen: Params, batch: Batch, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        image, _ = net.draw(variables.players["model"], variables, frozen, batch)
        style = encode(frozen, batch["style"], layers)
        return style, encode(frozen, image, layers)

    def encode_content(
        _variables: Variables, _frozen: Params, image: Image, _extent: object = None
    ) -> FeatureMaps:
        return {"image": image}

    def transfer(
        variables: Variables,
        frozen: Params,
        features: FeatureMaps,
        _moments: object,
        styles: Sequence[Style],
        controls: Controls,
        _piece: object = None,
    ) -> FeatureMaps:
        image = features["image"]
        return {"image": net.apply(variables, frozen, image, styles, controls)}

    def decode(
        _variables: Variables,
        _frozen: Params,
        features: FeatureMaps,
        _extent: object = None,
    ) -> Image:
        return features["image"]

    of_critics = perception.terms.player_losses(critic_features)
    return Method(
        init=init_all,
        losses={"model": loss, **of_critics},
        encode_style=net.encode_style,
        encode_content=encode_content,
        moments=lambda _features, _masks: {},
        transfer=transfer,
        decode=decode,
        encoder_layers=perception.layers(),
        tiling=None,
        controls=controls,
        styles=options.styles,
        options=options.in_file(),
    )
