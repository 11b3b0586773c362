"""Flags that set options of the method, also those that a configuration lacks."""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from styleflax.config import Config

_OPTION = re.compile(r"--?config\.options\.(?P<name>[A-Za-z_]\w*)=(?P<value>.*)", re.S)


class OptionFlag(NamedTuple):
    """`--config.options.NAME=VALUE`."""

    name: str
    value: Any


def split_options(arguments: Sequence[str]) -> tuple[list[OptionFlag], list[str]]:
    """The flags of options, and all other arguments.

    A value is what it is as JSON or as a Python literal (`2`, `[1, 2]`, `None`), and
    otherwise a string, so that words need no quotes. Types are the method's to check.
    """
    options, rest = [], []
    for argument in arguments:
        if match := _OPTION.fullmatch(argument):
            options.append(OptionFlag(match["name"], _read(match["value"])))
        else:
            rest.append(argument)
    return options, rest


def set_options(config: Config, flags: Sequence[OptionFlag]) -> None:
    """Writes them into the configuration, over those that it has."""
    config.options = {**config.options, **{flag.name: flag.value for flag in flags}}


def check_method(config: Config) -> None:
    """Raises if an option or loss is unknown to the method or has the wrong type.

    Raises:
        ValueError: With the unknown names and the known ones.
    """
    # Late, because it brings JAX.
    from styleflax.training.phases import build_method  # noqa: PLC0415

    for phase in config.phases:
        try:
            build_method(config, phase)
        except TypeError as error:
            given = ", ".join(f"{k}={v!r}" for k, v in config.options.items())
            raise ValueError(
                f"an option of {config.method!r} is of the wrong type ({given}): "
                f"{error}"
            ) from error


def _read(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass
    return text
