"""The `Method` record, the common shape of all style transfer methods."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Float

from styleflax.ops.attention import PartialAttention
from styleflax.ops.color_match import match_colors, with_palette, without_palettes
from styleflax.ops.spatial import Extent, add_detail
from styleflax.ops.statistics import Moments
from styleflax.types import FeatureMaps, Image, Key, Params

Batch = Mapping[str, Any]
Style = Any
"""A tree of arrays: all that a method keeps of a style picture."""


class Variables(NamedTuple):
    """The variables that training changes.

    Attributes:
        players: Trained parameters by player: `model`, and for an adversarial
            loss also `critic`. Each has an optimizer of its own.
        state: Variables that change without a gradient (batch statistics); {} for most
            methods.
    """

    players: dict[str, Params]
    state: Params


class Controls(NamedTuple):
    """Controls of a transfer; arrays only, so one program serves all values.

    Attributes:
        strength: Share of the style in every region, 0 to 1.
        weights: Share of every style in every region; rows sum to 1.
        masks: Regions in the content, of any height and width; they sum to 1
            over regions at every position.
        extras: Controls that only some methods have, by the names in `Method.controls`.
        color_match: Share by which chroma moves to that of the paintings in every
            region, 0 to 1; None for no color step. See `match_colors`.
        detail: Share of the content's lost detail that is added back in every region, 0
            to 1; None for none. See `add_detail`.
    """

    strength: Float[Array, " r"]
    weights: Float[Array, "r s"]
    masks: Float[Array, "r h w"]
    extras: dict[str, Array]
    color_match: Float[Array, " r"] | None = None
    detail: Float[Array, " r"] | None = None


LayerMasks = Mapping[str, Float[Array, "r _ _"]]
"""Regions on the grids of a method's layers."""
Masks = Float[Array, "r h w"] | LayerMasks
"""Regions in a picture of any size, or on those grids."""
Positions = Mapping[str, Float[Array, "n ..."]]
"""By layer, something of some positions."""
Found = Mapping[str, PartialAttention]
"""By layer, what content positions attended to in the content, for each region."""


class Piece(NamedTuple):
    """The properties of a whole picture that a method needs for a window of it.

    Attributes:
        extent: Rows and columns of the window, in px, that belong to the picture.
        masks: Masks of `Controls` on the grids of this window, used in place of those
            of `Controls`.
        itself: Self-attention of the window's positions over the whole content; {} at
            strength 1, and for methods without `Tiling.attend`.
    """

    extent: Extent
    masks: LayerMasks
    itself: Found


@runtime_checkable
class Init(Protocol):
    """Creates the variables before training."""

    def __call__(self, key: Key, /) -> Variables:
        """Returns random variables: all players, and the state."""


@runtime_checkable
class LossFn(Protocol):
    """A player's training loss."""

    def __call__(
        self,
        own: Params,
        variables: Variables,
        frozen: Params,
        batch: Batch,
        key: Key,
        /,
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        """Returns the loss, and metrics and state.

        Args:
            own: The player's parameters, with respect to which the loss is
                differentiated.
            variables: All players before the step, and the state.
            frozen: Parameters that are not trained: `frozen["encoder"]` and
                `frozen_parts`.
            batch: `content` and `style`, RGB of (b, h, w, 3) in [0, 1], and for
                methods with `styles` `style_index`, (b,).
            key: For losses that sample.

        Returns:
            The loss and metrics, means over the batch, so that devices can average
            them; and those entries of the state that this loss sets.
        """


@runtime_checkable
class EncodeStyle(Protocol):
    """Encodes a painting once, for any number of photos."""

    def __call__(
        self, variables: Variables, frozen: Params, style: Mapping[str, Array], /
    ) -> Style:
        """Returns the encoded style: the content of a style file.

        Args:
            variables: Variables of the model.
            frozen: Frozen of the model.
            style: `{"image": (1, h, w, 3)}`, with the control "style_masks" perhaps
                `"mask"`, (1, mh, mw) of any size, for a part of it; for methods with
                `styles` `{"style_index": (1,)}`.
        """


@runtime_checkable
class EncodeContent(Protocol):
    """Encodes a photo, or a window of it."""

    def __call__(
        self,
        variables: Variables,
        frozen: Params,
        image: Image,
        extent: Extent | None = None,
        /,
    ) -> FeatureMaps:
        """Returns features by layer, local in space: equal in a window and the picture.

        Args:
            variables: Variables of the model.
            frozen: Frozen of the model.
            image: RGB in [0, 1].
            extent: Which rows and columns are the picture's, where this is a window.
        """


@runtime_checkable
class ComputeMoments(Protocol):
    """Computes moments of features; the only step that needs the whole picture."""

    def __call__(self, features: FeatureMaps, masks: Masks, /) -> dict[str, Moments]:
        """Returns moments of every region by layer, mergeable over windows."""


@runtime_checkable
class Transfer(Protocol):
    """Transfers the style to the features of a photo."""

    def __call__(
        self,
        variables: Variables,
        frozen: Params,
        features: FeatureMaps,
        moments: dict[str, Moments],
        styles: Sequence[Style],
        controls: Controls,
        piece: Piece | None = None,
        /,
    ) -> FeatureMaps:
        """Returns features of the result, for `Decode`.

        Args:
            variables: Variables of the model.
            frozen: Frozen of the model.
            features: Features of the photo, or of a window of it.
            moments: Moments of the whole photo.
            styles: One or more, whose sizes may differ.
            controls: Strength, mix and regions.
            piece: Properties of the whole picture, for a window; None for a whole
                picture.
        """


@runtime_checkable
class Decode(Protocol):
    """Decodes features to the picture."""

    def __call__(
        self,
        variables: Variables,
        frozen: Params,
        features: FeatureMaps,
        extent: Extent | None = None,
        /,
    ) -> Image:
        """Returns RGB, not clipped, local in space.

        It may exceed the photo by up to 7 px at the right and lower border.

        Args:
            variables: Variables of the model.
            frozen: Frozen of the model.
            features: As `Transfer` returned them.
            extent: As of `EncodeContent`, in px.
        """


@runtime_checkable
class AttendWindow(Protocol):
    """Attends from a window to a part of the same photo, below strength 1."""

    def __call__(
        self,
        variables: Variables,
        features: FeatureMaps,
        moments: dict[str, Moments],
        others: Positions,
        allowed: Positions,
        /,
    ) -> Found:
        """Returns the window's attention, for `ops.attention.merge_attention`.

        Args:
            variables: Variables of the model.
            features: Features of the window.
            moments: Moments of the whole photo.
            others: Features of some positions of the photo, (n, c) by layer.
            allowed: Which of these positions count, (n,) by layer; 0 for no.
        """


@runtime_checkable
class BeginFrom(Protocol):
    """Starts training from a model file, possibly one of another method."""

    def __call__(
        self, method: str, players: Mapping[str, Params], /
    ) -> tuple[dict[str, Params], dict[str, Params]]:
        """Returns the initial players, and the frozen parts besides the encoder.

        Args:
            method: Method of the model file.
            players: Players of the model file.

        Raises:
            ValueError: If the method cannot begin from such a model.
        """


class Tiling(NamedTuple):
    """How a method works on windows of a picture.

    Attributes:
        stride_px: Positions and sides of windows are multiples of this.
        halo_px: Margin of a window in which its result differs from the picture's, on
            sides where the picture continues.
        attend: Function for a content that attends to itself below strength 1; else
            None.
    """

    stride_px: int
    halo_px: int
    attend: AttendWindow | None = None


class Method(NamedTuple):
    """A style transfer method as pure functions, which the protocols above document.

    Attributes:
        init: Makes the variables.
        losses: Training losses by player.
        encode_style: Encodes a painting.
        encode_content: Encodes a photo.
        moments: Measures the photo's features.
        transfer: Transfers the style to these features.
        decode: Decodes the picture.
        encoder_layers: Layers that `frozen["encoder"]` must reach; () for a method
            whose encoder is among its own parameters, so that its model file has no
            other.
        tiling: None if the method needs the whole picture; otherwise `extent` and
            `piece` may be given for a window.
        controls: Names of the controls that it supports.
        styles: Names of its built-in styles, for a method that accepts no paintings.
        options: Its options as stored in a model file: `config.Options.in_file`.
        begin_from: Function that starts training from a model file; None if training
            takes the parts of the same names.
        frozen_parts: Further frozen parts by their names in `frozen` and in model
            files, each a function from a key to its tree.
        encoder_width: Factor on the channels of that encoder; see `models.vgg`.
        trains_encoder: Whether training puts a trained copy of that encoder into
            `players["model"]["encoder"]`, which the model file then stores as its
            encoder.
        judge_layers: Layers that `frozen["encoder"]` must reach in training, where it
            computes the losses; () for the same as `encoder_layers`.
    """

    init: Init
    losses: Mapping[str, LossFn]
    encode_style: EncodeStyle
    encode_content: EncodeContent
    moments: ComputeMoments
    transfer: Transfer
    decode: Decode
    encoder_layers: tuple[str, ...]
    tiling: Tiling | None
    controls: frozenset[str]
    styles: tuple[str, ...] = ()
    options: Mapping[str, Any] = MappingProxyType({})
    begin_from: BeginFrom | None = None
    frozen_parts: Mapping[str, Callable[[Key], Params]] = MappingProxyType({})
    encoder_width: float = 1.0
    trains_encoder: bool = False
    judge_layers: tuple[str, ...] = ()


def plain_controls(
    alpha: ArrayLike = 1.0, weights: Sequence[float] = (1.0,), **extras: ArrayLike
) -> Controls:
    """Returns the controls of one region over the whole picture.

    Args:
        alpha: Strength, 0 to 1.
        weights: One per style; scaled to sum to 1.
        extras: Controls that only some methods have.
    """
    shares = jnp.asarray(weights, jnp.float32)
    strength = jnp.asarray(alpha, jnp.float32).reshape(1)
    masks = jnp.ones((1, 1, 1), jnp.float32)
    of_method = {k: jnp.asarray(v, jnp.float32) for k, v in extras.items()}
    return Controls(strength, (shares / shares.sum())[None], masks, of_method)


def at_strength_0(controls: Controls) -> Controls:
    """Returns the controls by which a method reconstructs a content from itself."""
    return controls._replace(strength=jnp.zeros_like(controls.strength))


def encode_painting(
    method: Method, variables: Variables, frozen: Params, inputs: Mapping[str, Array]
) -> Style:
    """Returns the style of a painting: `Method.encode_style`, and its palette."""
    return with_palette(method.encode_style(variables, frozen, inputs), inputs)


def stylize(
    method: Method,
    variables: Variables,
    frozen: Params,
    content: Image,
    styles: Sequence[Style],
    controls: Controls,
) -> Image:
    """Returns content images in given styles: the composition that all methods share.

    Returns:
        RGB of exactly the size of `content`, not clipped.
    """
    features = method.encode_content(variables, frozen, content)
    moments = method.moments(features, controls.masks)
    own_styles = without_palettes(styles)

    def decoded(controls: Controls) -> Image:
        operands = (features, moments, own_styles, controls)
        merged = method.transfer(variables, frozen, *operands)
        image = method.decode(variables, frozen, merged)
        return image[:, : content.shape[1], : content.shape[2]]

    image, masks = decoded(controls), controls.masks
    if controls.detail is not None:
        reproduction = decoded(at_strength_0(controls))
        image = add_detail(image, content, reproduction, controls.detail, masks)
    if controls.color_match is not None:
        looks = (controls.weights, controls.color_match, masks)
        image = match_colors(image, styles, *looks)
    return image
