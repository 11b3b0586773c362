"""Methods from a run's configuration."""

import inspect
from typing import Any

from styleflax import methods
from styleflax.config import Config, Phase
from styleflax.methods.base import Method


def build_method(config: Config, phase: Phase) -> Method:
    """The configured method, with the losses of one phase.

    Raises:
        ValueError: If the method has not got one of the options.
    """
    arguments: dict[str, Any] = {
        "losses": phase.losses,
        "arithmetic": config.arithmetic,
        "dtype": config.compute_dtype,
    }
    if config.run.remat:
        arguments["remat"] = True
    make = methods.METHODS.get(config.method)
    allowed = inspect.signature(make).parameters.keys() - arguments if make else set()
    if make and (unknown := sorted(config.options.keys() - allowed)):
        raise ValueError(
            f"options {unknown} unknown to {config.method!r}; it has {sorted(allowed)}"
        )
    return methods.build(config.method, **arguments, **config.options)
