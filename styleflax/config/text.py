"""A configuration as flat names, and as JSON text."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from styleflax.config.parts import (
    Arithmetic,
    Config,
    Data,
    Encoder,
    Optimizer,
    Phase,
    Run,
    Schedule,
)


def flatten(config: Config | Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name: `phases[0].steps`, `run.parallel`, ...

    Args:
        config: A configuration, or the tree that its JSON text holds.
    """
    flat: dict[str, Any] = {}

    def visit(name: str, value: Any) -> None:
        if isinstance(value, Mapping):
            for key, item in value.items():
                visit(f"{name}.{key}" if name else key, item)
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                visit(f"{name}[{i}]", item)
        else:
            flat[name] = value

    visit("", dataclasses.asdict(config) if isinstance(config, Config) else config)
    return flat


def from_json(text: str) -> Config:
    """The configuration that `to_json` wrote."""
    tree = json.loads(text)
    phases = tuple(
        Phase(**{**phase, "schedule": Schedule(**phase["schedule"])})
        for phase in tree.pop("phases")
    )
    parts = {
        "arithmetic": Arithmetic,
        "encoder": Encoder,
        "data": Data,
        "optimizer": Optimizer,
        "run": Run,
    }
    built = {name: part(**tree.pop(name)) for name, part in parts.items()}
    return Config(**tree, **built, phases=phases)


def to_json(config: Config) -> str:
    """The whole configuration as JSON text.

    Example:
        >>> from styleflax.config import Config
        >>> from_json(to_json(Config())) == Config()
        True
    """
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"
