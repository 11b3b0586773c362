"""What may be chosen of every method: one record of options each.

A configuration holds the record of its method. Flags (`--config.options.NAME=VALUE`),
JSON and model files give values by name; every one of them is checked when the record
is made, whoever makes it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any, ClassVar, Literal

from styleflax.config.values import checked_values

EncoderKind = Literal["frozen", "trained"]
"""Whether the encoder that stylizes is the judge itself or a copy that is trained."""
Start = Literal["likeness", "random"]
AttentionPath = Literal["auto", "dense", "chunked"]
Norm = Literal["batch", "instance", "conditional", "none"]
Padding = Literal["reflect-start", "mirror"]
Upsampling = Literal["transposed", "nearest"]
Output = Literal["tanh", "sigmoid", "linear"]
Pooling = Literal["max", "average"]

JOHNSON_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""Where Johnson et al. (2016) compare pictures with their style, of a VGG-16."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of a method; the ones that every method of this package has.

    Attributes:
        native: Convolve by XLA's own operations alone; see `ops.conv`.
    """

    IN_FILES: ClassVar[tuple[str, ...]] = ()
    """Fields that are always in a model file."""
    UNLESS_DEFAULT: ClassVar[tuple[str, ...]] = ("width",)
    """Fields that are in a model file where they are not the default."""

    native: bool = False

    def __post_init__(self) -> None:
        """Checks all values, and makes tuples of lists.

        Raises:
            ValueError: Naming the field, what it must be, and the value.
        """
        for name, value in checked_values(self, "options.").items():
            object.__setattr__(self, name, value)

    def chosen(self) -> dict[str, Any]:
        """Those that are not the defaults, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    def in_file(self) -> dict[str, Any]:
        """What a model file holds of them, as JSON has it."""
        chosen = self.chosen()
        rest = [name for name in self.UNLESS_DEFAULT if name in chosen]
        values = {name: getattr(self, name) for name in (*self.IN_FILES, *rest)}
        return {k: [*v] if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class AdaINOptions(Options):
    """Options of `adain`.

    Attributes:
        width: Factor on the channels of encoder, decoder and critics.
        encoder: `trained` trains the encoder that stylizes, too, which begins as the
            frozen one; that judges the pictures.
    """

    width: float = 1.0
    encoder: EncoderKind = "frozen"


@dataclass(frozen=True, kw_only=True)
class SANetOptions(Options):
    """Options of `sanet`; `native` takes dense attention, too, where `path` is `auto`.

    Attributes:
        style_dtype: Type that a style's features are stored in: 5 MB in float16 for a
            painting of 512 px.
        path: How attention is computed; see `ops.attention.attention`.
        start: Parameters of the attention before training: `likeness` (see
            `models.sanet.likeness_params`), or `random` as in the public code.
        width: Factor on the channels of encoder, attention, decoder and critics.
        encoder: As in `AdaINOptions`.
    """

    style_dtype: str = "float16"
    path: AttentionPath = "auto"
    start: Start = "likeness"
    width: float = 1.0
    encoder: EncoderKind = "frozen"


@dataclass(frozen=True, kw_only=True)
class LiteOptions(Options):
    """Options of `lite`.

    Attributes:
        width: Factor on the channels of encoder and decoder.
    """

    width: float = 1.0


@dataclass(frozen=True, kw_only=True)
class FeedForwardOptions(Options):
    """Options of the methods whose networks hold their styles.

    Attributes:
        styles: Names of the styles, in the order of the style pictures.
        width: Factor on the network's channels.
        residual_blocks: Number of residual blocks.
        content_layer: Where pictures must agree with their contents. One version of
            Johnson et al.'s published code has relu3_3 and another, which pystiche's
            table follows, relu2_2.
        style_layers: Where pictures are compared with their styles.
    """

    UNLESS_DEFAULT: ClassVar[tuple[str, ...]] = ("residual_blocks",)

    styles: tuple[str, ...] = ("style",)
    width: float = 1.0
    residual_blocks: int = 5
    content_layer: str = "relu3_3"
    style_layers: tuple[str, ...] = JOHNSON_LAYERS


@dataclass(frozen=True, kw_only=True)
class JohnsonOptions(FeedForwardOptions):
    """Options of `johnson`, which has one style; see `models.transformer_net`.

    Attributes:
        norm: `batch` as in the paper, `instance` as Ulyanov et al. prefer, or `none`.
        padding: How borders are padded.
        upsampling: How maps grow again.
        output: What maps the last layer to colors.
    """

    IN_FILES: ClassVar[tuple[str, ...]] = (
        *("styles", "norm", "width", "padding", "upsampling", "output"),
        *("content_layer", "style_layers"),
    )

    norm: Literal["batch", "instance", "none"] = "batch"
    padding: Padding = "reflect-start"
    upsampling: Upsampling = "transposed"
    output: Output = "tanh"


@dataclass(frozen=True, kw_only=True)
class CINStyleOptions(FeedForwardOptions):
    """Options of `cin_style`, which adds one style to a model of `cin`.

    Attributes:
        pooling: In training, pooling of the encoder that judges; the authors' code
            averages.
    """

    IN_FILES: ClassVar[tuple[str, ...]] = (
        *("styles", "width", "pooling", "content_layer", "style_layers"),
    )

    pooling: Pooling = "max"


@dataclass(frozen=True, kw_only=True)
class CINOptions(CINStyleOptions):
    """Options of `cin`.

    Attributes:
        kernel_std: Standard deviation of kernels before training, as in Dumoulin et
            al.'s published code; None for He's by size.
        style_coefficients: In training, factors on the style terms of every style, in
            metrics too; () for 1.
    """

    kernel_std: float | None = 0.01
    style_coefficients: tuple[float, ...] = ()


OPTIONS: dict[str, type[Options]] = {
    "adain": AdaINOptions,
    "sanet": SANetOptions,
    "lite": LiteOptions,
    "johnson": JohnsonOptions,
    "cin": CINOptions,
    "cin_style": CINStyleOptions,
}
"""By method; one that you add to `methods.METHODS` may add its record here."""
REMOVED_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"adain": ("norm", "transform", "content_target"), "sanet": ("levels",)}
)
"""Options of version 0.1 that were removed, by method."""


def read_options(method: str, given: Mapping[str, Any]) -> Options | None:
    """The method's options from values by name; None for one without a record.

    Raises:
        ValueError: If an option is unknown, only in older versions, or has an
            impossible value.
    """
    check_removed(method, given)
    kind = OPTIONS.get(method)
    allowed = [] if kind is None else sorted(field.name for field in fields(kind))
    if unknown := sorted(given.keys() - set(allowed)):
        raise ValueError(
            f"options {unknown} unknown to {method!r}; it has {allowed or 'none'}"
        )
    return None if kind is None else kind(**given)


def check_removed(method: str, names: Mapping[str, Any]) -> None:
    """Refuses options that only older versions have.

    Raises:
        ValueError: Naming them.
    """
    if removed := sorted(set(REMOVED_OPTIONS.get(method, ())).intersection(names)):
        raise ValueError(
            f"options {removed} of {method!r} were for experiments and were removed in "
            "version 0.2.0: install styleflax 0.1.0 to use a model or a run with them"
        )
