"""The one way into a configuration from outside: flags, and the JSON of workdirs.

    config = override(config, [("phases[0].steps", "100"), ("options.width", "0.5")])
    config = from_json(path.read_text())

Both make a tree of plain values, which `options.read_record` turns into records, each
value checked against its field's annotation. Options of model files pass through the
same check: `options.read_options`.
"""

import dataclasses
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args, get_origin

from styleflax.config.options import Options, Text, field_types, read_record
from styleflax.config.parts import Config, StyleTerm

Record = TypeVar("Record")
_PATH = re.compile(r"(?P<field>\w+)(\[(?P<index>\d+)\])?(\.(?P<rest>.+))?", re.DOTALL)


def override(record: Record, values: Iterable[tuple[str, str]], flag: str) -> Record:
    """A record with some fields set from texts, as the command line gives them.

    Lists are JSON or Python literals; words need no quotes.

    Args:
        record: A configuration, or another dataclass.
        values: Paths of fields, such as `phases[0].losses.gram@relu3_1`, and texts.
        flag: What stands before a path on the command line, such as `--config`.

    Raises:
        ValueError: If there is no such field, or a text is not of its type.
    """
    tree = to_tree(record)
    if isinstance(options := getattr(record, "options", None), Options):
        tree["options"] = options.chosen()  # the method may change
    for path, text in values:
        if not _assign(tree, type(record), path, Text(text)):
            close = difflib.get_close_matches(path, _flatten(to_tree(record)), 3)
            hint = f"; close to it are {', '.join(close)}" if close else ""
            raise ValueError(f"{flag} has no field {path!r}{hint}")
    return read_record(type(record), tree, f"{flag}.")


def _assign(tree: dict[str, Any], kind: type, path: str, text: Text) -> bool:
    """Writes a text to its place in the tree; whether there is such a field."""
    match, kinds = _PATH.fullmatch(path), field_types(kind)
    if match is None or match["field"] not in kinds:
        return False
    field, index, rest = match["field"], match["index"], match["rest"]
    holder: Any = tree
    key: Any = field
    kind = kinds[field]
    if index is not None:
        items = tree[field]
        if not isinstance(items, list) or int(index) >= len(items):
            return False
        kind, holder, key = get_args(kind)[0], items, int(index)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return bool(rest) and _assign(holder[key], kind, rest, text)
    if get_origin(kind) is dict or Options in get_args(kind):
        if rest:
            holder[key] = {**(holder[key] or {}), rest: text}
        return bool(rest)
    if rest or index is not None:
        return False
    holder[key] = text
    return _is_leaf(kind)


def _is_leaf(kind: Any) -> bool:
    parts = get_args(kind)
    return not any(dataclasses.is_dataclass(part) for part in parts)


def to_tree(value: Any) -> Any:
    """Plain values as JSON has them: records as dicts, tuples as lists."""
    if dataclasses.is_dataclass(value) and not isinstance(value, StyleTerm):
        fields = dataclasses.fields(value)
        return {field.name: to_tree(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_tree(item) for item in value]
    return value


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name: `phases[0].steps`, `run.parallel`, ...

    Args:
        config: A configuration, or the tree that its JSON text holds.
    """
    return _flatten(to_tree(config))


def _flatten(tree: Any) -> dict[str, Any]:
    flat: dict[str, Any] = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                visit(f"{name}.{key}" if name else key, item)
        elif isinstance(value, list):
            for i, item in enumerate(value):
                visit(f"{name}[{i}]", item)
        else:
            flat[name] = value

    visit("", tree)
    return flat


def from_json(text: str) -> Config:
    """The configuration of a JSON text; fields that it lacks have their defaults.

    Raises:
        ValueError: If it is no JSON, or a field is unknown or of another type.
    """
    tree = json.loads(text)
    if not isinstance(tree, dict):
        raise ValueError(f"the configuration must be an object, got {tree!r:.40}")  # noqa: TRY004
    if missing := sorted({"method", "phases"} - tree.keys()):
        raise ValueError(f"the configuration lacks {', '.join(missing)}")
    return read_record(Config, tree, "")


def to_json(config: Config) -> str:
    """The whole configuration as JSON text."""
    return json.dumps(to_tree(config), indent=2) + "\n"
