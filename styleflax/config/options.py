"""The arithmetic and the options of every method, as one record of options each.

A configuration contains the record of its method. Flags, JSON and model files give
values by name; each is checked against the annotation of its field (`read_record`). The
file is long because the records stand next to the check that all of them pass.
"""

import ast
import json
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from types import MappingProxyType
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin

EncoderKind = Literal["frozen", "trained"]
"""Whether the encoder is the frozen network that computes losses, or a trained copy."""
Start = Literal["likeness", "random"]
AttentionPath = Literal["auto", "dense", "chunked"]
StyleDType = Literal["float16", "float32"]
Norm = Literal["batch", "instance", "conditional", "none"]
Padding = Literal["reflect-start", "mirror"]
Upsampling = Literal["transposed", "nearest"]
Output = Literal["tanh", "sigmoid", "linear"]
Pooling = Literal["max", "average"]

JOHNSON_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
"""Layers of VGG-16 at which Johnson et al. (2016) compare images with their style."""


@dataclass
class Arithmetic:
    """Where published implementations of the same formula differ.

    Attributes:
        ddof: 0 divides variances by n (the authors' Lua), 1 by n - 1 (naoto0804's).
        eps: Added to the content's variances.
        style_eps: The same for the style's, and in the style loss; 0 in Lua.
        reduction: Reduction of the style loss: `channel_mean` or `channel_sum`.
    """

    ddof: int = 0
    eps: float = 1e-5
    style_eps: float = 1e-5
    reduction: str = "channel_mean"

    def content_statistics(self) -> dict[str, Any]:
        """Arguments of `ops.statistics` for contents."""
        return {"ddof": self.ddof, "eps": self.eps}

    def style_statistics(self) -> dict[str, Any]:
        """The same for the style's, and for the style loss."""
        return {"ddof": self.ddof, "eps": self.style_eps}


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options that all methods of this package have.

    Attributes:
        native: Whether to convolve only by XLA's own operations; see `ops.conv`.
    """

    IN_FILES: ClassVar[tuple[str, ...]] = ()
    """Fields that model files always contain."""
    UNLESS_DEFAULT: ClassVar[tuple[str, ...]] = ("width",)
    """Fields that model files contain unless they have the default value."""

    native: bool = False

    def __post_init__(self) -> None:
        """Checks all values, and converts lists to tuples.

        Raises:
            ValueError: If a value is not allowed; the error names its field.
        """
        for name, value in checked_values(self, "options.").items():
            object.__setattr__(self, name, value)

    def chosen(self) -> dict[str, Any]:
        """Returns the values that differ from the defaults, by name."""
        return {
            field.name: value
            for field in fields(self)
            if (value := getattr(self, field.name)) != field.default
        }

    def in_file(self) -> dict[str, Any]:
        """Returns the values for a model file, by name, as JSON values."""
        chosen = self.chosen()
        rest = [name for name in self.UNLESS_DEFAULT if name in chosen]
        values = {name: getattr(self, name) for name in (*self.IN_FILES, *rest)}
        return {k: [*v] if isinstance(v, tuple) else v for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class AdaINOptions(Options):
    """Options of `adain`.

    Attributes:
        width: Factor on the channels of encoder, decoder and critics.
        encoder: `frozen`, or `trained` to train a copy of the encoder for stylizing.
    """

    width: float = 1.0
    encoder: EncoderKind = "frozen"


@dataclass(frozen=True, kw_only=True)
class SANetOptions(Options):
    """Options of `sanet`; if `path` is `auto`, `native` also selects dense attention.

    Attributes:
        style_dtype: Type that a style's features are retained in: 5 MB in float16 for
            a painting of 512 px.
        path: How attention is computed; see `ops.attention.attention`.
        start: Parameters of the attention before training: `likeness` (see
            `models.sanet.likeness_params`), or `random` as in the public code.
        width: Factor on the channels of encoder, attention, decoder and critics.
        encoder: `frozen`, or `trained` to train a copy of the encoder for stylizing.
    """

    UNLESS_DEFAULT = ("width", "style_dtype")

    style_dtype: StyleDType = "float16"
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
    """Options of methods with built-in styles.

    Attributes:
        styles: Names of the styles, in the order of the paintings.
        width: Factor on the network's channels.
        residual_blocks: Number of residual blocks.
        content_layer: Layer of the content loss; one version of Johnson et al.'s
            published code uses relu3_3, another (followed by pystiche) relu2_2.
        style_layers: Layers of the style loss.
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
        padding: Padding of the convolutions.
        upsampling: Upsampling of the feature maps.
        output: Function that maps the last layer to colors.
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
        pooling: Pooling of the network of the losses; the authors' code averages.
    """

    IN_FILES: ClassVar[tuple[str, ...]] = (
        *("styles", "width", "pooling", "content_layer", "style_layers"),
    )

    pooling: Pooling = "max"


@dataclass(frozen=True, kw_only=True)
class CINOptions(CINStyleOptions):
    """Options of `cin`.

    Attributes:
        kernel_std: Standard deviation of the initial kernels, as in the published code
            of Dumoulin et al.; None for He's initialization.
        style_coefficients: Factors on the style terms of each style; () is 1 for all.
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
"""Records of options by method; a method added to `methods.METHODS` may add its own."""
REMOVED_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"adain": ("norm", "transform", "content_target"), "sanet": ("levels",)}
)
"""Options of version 0.1 that were removed, by method."""


def read_options(method: str, given: Mapping[str, Any]) -> Options | None:
    """Returns the options of a method; None for a method without a record.

    Args:
        method: Name of the method.
        given: Values by name; missing ones have their defaults.

    Raises:
        ValueError: If an option is unknown, was removed, or has a wrong value.
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
    """Refuses options that were removed after version 0.1.

    Raises:
        ValueError: If there are any; the error names them.
    """
    if removed := sorted(set(REMOVED_OPTIONS.get(method, ())).intersection(names)):
        raise ValueError(
            f"options {removed} of {method!r} were for experiments and were removed in "
            "version 0.2.0: install styleflax 0.1.0 to use a model or a run with them"
        )


Record = TypeVar("Record")
_WORD = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


class Text(str):
    """A value from the command line, to be parsed according to its field's type."""

    __slots__ = ()


def checked_values(record: Any, prefix: str = "") -> dict[str, Any]:
    """Returns the values of all fields of a record after checking them.

    Raises:
        ValueError: If a value does not match the annotation of its field.
    """
    kinds = field_types(type(record))
    return {k: read(v, getattr(record, k), f"{prefix}{k}") for k, v in kinds.items()}


def field_types(kind: type) -> dict[str, Any]:
    """Returns the annotations of a dataclass's fields, by name."""
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def read_record(kind: type[Record], values: Mapping[str, Any], name: str) -> Record:
    """Returns a dataclass with the given values; missing fields have their defaults.

    Args:
        kind: The dataclass.
        values: Values by field: instances, JSON values or `Text`.
        name: Name of the record in errors, with a dot at the end.

    Raises:
        ValueError: If a field is unknown, or a value is not of its type.
    """
    kinds = field_types(kind)
    if unknown := sorted(values.keys() - kinds.keys()):
        raise ValueError(
            f"{name.rstrip('.') or 'the configuration'} has unknown fields {unknown}; "
            f"it has {sorted(kinds)}"
        )
    return kind(**{k: read(kinds[k], v, f"{name}{k}") for k, v in values.items()})


def read(kind: Any, value: Any, name: str) -> Any:
    """Returns a value converted to a type: lists to tuples, integers to floats.

    Args:
        kind: Annotation of a field.
        value: An instance, a JSON value or `Text`.
        name: Name of the field in errors.

    Raises:
        ValueError: If the value has another type.
    """
    if is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        _check(isinstance(value, Mapping), name, "a record", value)
        return read_record(kind, value, f"{name}.")
    if reader := _READERS.get(get_origin(kind)):
        return reader(get_args(kind), value, name)
    return _read_plain(kind, value, name)


def _read_optional(parts: tuple[Any, ...], value: Any, name: str) -> Any:
    """Returns a value of an optional type; a union of more types accepts any value."""
    rest = [part for part in parts if part is not types.NoneType]
    if value is None or (isinstance(value, Text) and value in ("None", "null")):
        return None
    return read(rest[0], value, name) if len(rest) == 1 else value


def _read_choice(allowed: tuple[Any, ...], value: Any, name: str) -> Any:
    _check(value in allowed, name, f"one of {allowed}", value)
    return str(value) if isinstance(value, Text) else value


def _read_list(parts: tuple[Any, ...], value: Any, name: str) -> tuple[Any, ...]:
    items = _parse(value)
    _check(isinstance(items, list | tuple), name, "a list", value)
    return tuple(read(parts[0], v, f"{name}[{i}]") for i, v in enumerate(items))


def _read_weights(parts: tuple[Any, ...], value: Any, name: str) -> dict[Any, Any]:
    _check(isinstance(value, Mapping), name, "values by name", value)
    return {k: read(parts[1], v, f"{name}.{k}") for k, v in value.items()}


def _read_plain(kind: Any, value: Any, name: str) -> Any:
    if kind not in _WORD:
        return value
    if isinstance(value, Text):
        text, value = value, _read_text(kind, value)
        _check(value is not None, name, _WORD[kind], str(text))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    _check(is_right, name, _WORD[kind], value)
    return value


def _read_text(kind: Any, text: Text) -> Any:
    """Returns the plain value of a text; None if it has another type."""
    if kind is str:
        return str(text)
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    try:
        return kind(text)
    except ValueError:
        return None


def _parse(value: Any) -> Any:
    """Returns the list in a text (JSON or a Python literal); other values unchanged."""
    if not isinstance(value, Text):
        return value
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass
    return value


def _check(is_right: bool, name: str, allowed: str, value: Any) -> None:
    if not is_right:
        raise ValueError(f"{name} must be {allowed}, got {value!r}")


_READERS: Mapping[Any, Callable[[tuple[Any, ...], Any, str], Any]] = {
    types.UnionType: _read_optional,
    Union: _read_optional,
    Literal: _read_choice,
    tuple: _read_list,
    dict: _read_weights,
}
