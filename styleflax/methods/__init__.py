"""Style transfer methods, each a record of pure functions."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from styleflax.config import Losses, Options, read_options
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Method
from styleflax.methods.cin import make_cin, make_cin_style
from styleflax.methods.features import NOT_TRAINED
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
_OWN = frozenset(METHODS)
_SHARED = frozenset({"arithmetic", "dtype", "remat"})
COLOR_MATCHING = frozenset({"adain"})
"""Methods whose losses can judge a picture after the color step."""
NEW_STYLE: Mapping[str, str] = {"cin": "cin_style"}
"""The method that adds a style to a model, by the model's method."""

_MEANINGS = {
    "strength": "alpha or exaggerate other than 1",
    "weights": "several styles in one picture",
    "masks": "styles by place",
    "style_masks": "parts of styles",
    "color_match": "the colors of a painting, which it knows from its pixels",
    "detail": "the photo below strength 1",
}


def build(
    name: str,
    losses: Losses | None = None,
    options: Options | None = None,
    *,
    color_match: float = 0.0,
    trains: bool = True,
    **arguments: Any,
) -> Method:
    """Returns the method of that name.

    >>> build("lite", width=0.5, losses={"content": 1.0, "style": 3.0}).options
    {'width': 0.5}

    Args:
        name: A key of `METHODS`.
        losses: Weights by term; None for the method's defaults.
        options: The method's record of options; None for its defaults.
        color_match: Strength of the color step before training losses; see `adain`.
        trains: Whether the method will be trained; if not, no losses are built.
        arguments: `arithmetic`, `dtype` and `remat` of the `make_` function; all others
            are options by name, which replace those of the record.

    Raises:
        ValueError: If there is no such method, or an argument is out of range.
    """
    if name not in METHODS:
        raise ValueError(f"method must be one of {sorted(METHODS)}, got {name!r}")
    given = {k: arguments.pop(k) for k in _SHARED & arguments.keys()}
    if losses is not None:
        given["losses"] = losses
    elif not trains and name in _OWN:  # other methods need not have any
        given["losses"] = NOT_TRAINED
    if color_match:
        if name not in COLOR_MATCHING:
            raise ValueError(
                f"color_match must be 0 for {name!r}, whose losses judge the picture "
                f"before the color step, got {color_match}"
            )
        given["color_match"] = color_match
    chosen = (options.chosen() if options is not None else {}) | arguments
    record = read_options(name, chosen)
    if record is not None:
        given["options"] = record
    return METHODS[name](**given)


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
        ValueError: If the method lacks the control; the error lists those that have it.
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
