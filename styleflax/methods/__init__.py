"""Style transfer methods, each a record of pure functions."""

from collections.abc import Callable, Mapping
from typing import Any

from styleflax.methods.adain import make_adain
from styleflax.methods.base import Method
from styleflax.methods.sanet import make_sanet

METHODS: Mapping[str, Callable[..., Method]] = {
    "adain": make_adain,
    "sanet": make_sanet,
}


def build(name: str, **arguments: Any) -> Method:
    """The method of that name; `arguments` as its `make_` function takes them.

    Raises:
        ValueError: If there is none, or an argument is not possible.
    """
    if name not in METHODS:
        raise ValueError(f"method {name!r} unknown; there are {sorted(METHODS)}")
    return METHODS[name](**arguments)
