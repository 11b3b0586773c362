"""Style transfer methods, each a record of pure functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from styleflax.methods.adain import make_adain
from styleflax.methods.base import Method
from styleflax.methods.cin import make_cin, make_cin_style
from styleflax.methods.johnson import make_johnson
from styleflax.methods.lite import make_lite
from styleflax.methods.sanet import make_sanet

METHODS: Mapping[str, Callable[..., Method]] = {
    "adain": make_adain,
    "sanet": make_sanet,
    "lite": make_lite,
    "johnson": make_johnson,
    "cin": make_cin,
    "cin_style": make_cin_style,
}


NEW_STYLE: Mapping[str, str] = {"cin": "cin_style"}
"""The method that adds a style to a model, by the model's method."""

REMOVED_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "adain": ("norm", "transform", "content_target"),
    "sanet": ("levels",),
}
"""Options of version 0.1 that were removed, by method."""

_MEANINGS = {
    "strength": "alpha or exaggerate other than 1",
    "weights": "several styles in one picture",
    "masks": "styles by place",
    "style_masks": "parts of styles",
    "color_match": "the colors of a painting, which it knows from its pixels",
    "detail": "the photo below strength 1",
}


def build(name: str, **arguments: Any) -> Method:
    """The method of that name; `arguments` as its `make_` function takes them.

    Raises:
        ValueError: If there is none, or an argument is not possible.

    Example:
        >>> method = build("adain", losses={"content": 1.0, "gram": 3.0})
        >>> sorted(method.losses)
        ['model']
    """
    if name not in METHODS:
        raise ValueError(f"method must be one of {sorted(METHODS)}, got {name!r}")
    return METHODS[name](**arguments)


def check_removed(name: str, options: Iterable[str]) -> None:
    """Refuses options that only older versions have.

    Raises:
        ValueError: Naming them.
    """
    removed = sorted(set(REMOVED_OPTIONS.get(name, ())).intersection(options))
    if removed:
        raise ValueError(
            f"options {removed} of {name!r} were for experiments and were removed in "
            "version 0.2.0: install styleflax 0.1.0 to use a model or a run with them"
        )


def controls_of(method: Method) -> frozenset[str]:
    """All controls of a method: its own, and those of the shared composition."""
    shared = {
        "color_match": not method.styles,
        "detail": "strength" in method.controls,
    }
    return method.controls | {name for name, has in shared.items() if has}


def check_controls(method: Method, asked: Iterable[str]) -> None:
    """Raises if a method lacks one of the controls.

    Raises:
        ValueError: Naming the methods that have the control.
    """
    for name in asked:
        if name not in controls_of(method):
            having = [k for k, make in METHODS.items() if name in controls_of(make())]
            has = "have it" if len(having) > 1 else "has it"
            means = f" ({_MEANINGS[name]})" if name in _MEANINGS else ""
            raise ValueError(
                f"this model's method has no control {name!r}{means}; "
                f"{', '.join(having) or 'no method'} {has}"
            )
