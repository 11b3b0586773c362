"""Values of fields, checked against their annotations: of records, JSON and flags."""

import ast
import dataclasses
import json
import types
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from styleflax.config.losses import Term, read_term

Record = TypeVar("Record")
_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
}


class Text(str):
    """A value from the command line, which is read as its field's type asks."""

    __slots__ = ()


def checked_values(record: Any, prefix: str = "") -> dict[str, Any]:
    """The values of all fields of a record, checked.

    Raises:
        ValueError: If one has another type than its annotation.
    """
    kinds = field_types(type(record))
    return {k: read(v, getattr(record, k), f"{prefix}{k}") for k, v in kinds.items()}


def field_types(kind: type) -> dict[str, Any]:
    """The annotations of a dataclass's fields, by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def read_record(kind: type[Record], values: Mapping[str, Any], name: str) -> Record:
    """A dataclass from values by field; fields that are not there take defaults.

    Args:
        kind: The dataclass.
        values: Values of its fields: instances, JSON or `Text`.
        name: Name of the record, with a dot; for errors.

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
    """The value as that type has it: lists as tuples, whole numbers as floats.

    Args:
        kind: Annotation of a field.
        value: An instance, JSON or `Text`.
        name: Name of the field, for errors.

    Raises:
        ValueError: If the value is of another type; says which is needed.
    """
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if isinstance(value, kind):
            return value
        _check(isinstance(value, Mapping), name, "a record", value)
        return read_record(kind, value, f"{name}.")
    if reader := _READERS.get(get_origin(kind)):
        return reader(get_args(kind), value, name)
    return _read_plain(kind, value, name)


def _read_optional(parts: tuple[Any, ...], value: Any, name: str) -> Any:
    """A value of a type or None; a union of more types takes anything."""
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


def _read_weights(parts: tuple[Any, ...], value: Any, name: str) -> dict[Term, Any]:
    _check(isinstance(value, Mapping), name, "values by name", value)
    return {read_term(k): read(parts[1], v, f"{name}.{k}") for k, v in value.items()}


def _read_plain(kind: Any, value: Any, name: str) -> Any:
    if kind not in _WORDS:
        return value
    if isinstance(value, Text):
        text, value = value, _read_text(kind, value)
        _check(value is not None, name, _WORDS[kind], str(text))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    is_right = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    _check(is_right, name, _WORDS[kind], value)
    return value


def _read_text(kind: Any, text: Text) -> Any:
    """A plain value from its text; None if it is of another type."""
    if kind is str:
        return str(text)
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(text.lower())
    try:
        return kind(text)
    except ValueError:
        return None


def _parse(value: Any) -> Any:
    """A list from its text, JSON or a Python literal; other values as they are."""
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
