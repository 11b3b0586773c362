"""Building methods by name and models from files; the cost of self-attention."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from styleflax.compile_cache.jit import cached_shapes
from styleflax.config import OPTIONS, Arithmetic, Losses, Options, read_options
from styleflax.config.options import check_removed
from styleflax.memory import refuse_fork
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Controls, Method, Variables
from styleflax.methods.cin import make_cin, make_cin_style
from styleflax.methods.features import NOT_TRAINED
from styleflax.methods.johnson import make_johnson
from styleflax.methods.lite import make_lite
from styleflax.methods.sanet import make_sanet
from styleflax.models.vgg import VGG, Architecture, Convention, scale_widths
from styleflax.types import Params
from styleflax.weights.store import ENCODER_ONLY, ModelFile, check_params

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
"""Methods whose losses can be computed after colors are matched."""
NEW_STYLE: Mapping[str, str] = {"cin": "cin_style"}
"""The method that adds a style to a model, by the model's method."""

_MEANINGS = {
    "strength": "alpha or exaggerate other than 1",
    "weights": "several styles in one image",
    "masks": "different styles in regions of the image",
    "style_masks": "parts of a painting as styles",
    "color_match": "matching the colors of a painting, which needs its pixels",
    "detail": "detail of the photo below strength 1",
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
    keywords = {k: arguments.pop(k) for k in _SHARED & arguments.keys()}
    if losses is not None:
        keywords["losses"] = losses
    elif not trains and name in _OWN:  # methods added to METHODS may have no losses
        keywords["losses"] = NOT_TRAINED
    if color_match:
        if name not in COLOR_MATCHING:
            raise ValueError(
                f"color_match must be 0 for {name!r}, whose losses are computed "
                f"before colors are matched, got {color_match}"
            )
        keywords["color_match"] = color_match
    option_values = (options.chosen() if options is not None else {}) | arguments
    record = read_options(name, option_values)
    if record is not None:
        keywords["options"] = record
    return METHODS[name](**keywords)


def controls_of(method: Method) -> frozenset[str]:
    """Returns the controls of a method and those that all methods share."""
    shared = {
        "color_match": not method.styles,
        "detail": "strength" in method.controls,
    }
    return method.controls | {name for name, has in shared.items() if has}


def check_controls(method: Method, controls: Iterable[str]) -> None:
    """Raises if a method lacks one of the controls.

    Raises:
        ValueError: If the method lacks the control; the error lists those that have it.
    """
    for name in controls:
        if name not in controls_of(method):
            having = [k for k, make in METHODS.items() if name in controls_of(make())]
            has = "have it" if len(having) > 1 else "has it"
            means = f" ({_MEANINGS[name]})" if name in _MEANINGS else ""
            raise ValueError(
                f"this model's method has no control {name!r}{means}; "
                f"{', '.join(having) or 'no method'} {has}"
            )


_OF_TRAINING = {"native", "encoder"}
"""Options of training and running, which a model file does not contain."""
# A raw key: a typed one would be created by a compiled program.
_KEY = jax.ShapeDtypeStruct((2,), "uint32")


class Model(NamedTuple):
    """A method with the parameters it runs on."""

    method: Method
    variables: Variables
    frozen: Params


def build_model(
    file: ModelFile, dtype: DTypeLike = "float32", *, native: bool = False
) -> Model:
    """Returns the method of a model file, and its parameters.

    Args:
        file: What `load_model` returned.
        dtype: Compute type.
        native: Use only XLA's own convolutions; see `ops.conv`.

    Raises:
        ValueError: If the file's method, options, encoder or arithmetic are unknown,
            or its parameters are not those of the method; the message lists missing
            and extra names.
    """
    refuse_fork()
    if file.method == ENCODER_ONLY:
        raise ValueError(
            "the model file has only an encoder and no method: train a method with "
            "--config.encoder.weights=FILE, or convert it with its decoder"
        )
    arithmetic = read_arithmetic(file)
    method = build(
        file.method,
        arithmetic=arithmetic,
        dtype=dtype,
        options=_read_options(file, native=native),
        trains=False,
    )
    expected = cached_shapes(method.init, _KEY)
    parts = {k: cached_shapes(make, _KEY) for k, make in method.frozen_parts.items()}
    parts |= expected.players
    for name in file.players.keys() - parts.keys():
        check_params({}, {name: file.players[name]}, "the trained parts")
    for name, params in parts.items():
        check_params(params, file.players.get(name, {}), f"the trained part {name!r}")
    check_params(expected.state, file.state, "the state")
    _check_encoder(file, method)
    players = {name: file.players[name] for name in expected.players}
    frozen = {name: file.players[name] for name in method.frozen_parts}
    variables = jax.device_put(Variables(players, file.state))
    return Model(
        method, variables, jax.device_put({"encoder": file.encoder_params, **frozen})
    )


def read_arithmetic(file: ModelFile) -> Arithmetic:
    """Returns the arithmetic preset of a model file.

    Raises:
        ValueError: If it has fields that this version does not know.
    """
    known = {field.name for field in fields(Arithmetic)}
    if unknown := sorted(file.arithmetic.keys() - known):
        raise ValueError(
            f"fields of the model's arithmetic must be among {sorted(known)}, got "
            f"{unknown}"
        )
    return Arithmetic(**file.arithmetic)


def _read_options(file: ModelFile, *, native: bool) -> Options | None:
    """Returns the options of a file's method; refuses unknown names."""
    check_removed(file.method, file.options)
    if file.method not in METHODS:
        return None  # `build` refuses the method by name
    kind = OPTIONS.get(file.method)
    known = file.options.keys() if kind is None else {f.name for f in fields(kind)}
    if unknown := sorted(file.options.keys() - (known - _OF_TRAINING)):
        raise ValueError(f"the model's options {unknown} are unknown to {file.method}")
    own = {"native": True} if native else {}
    return read_options(file.method, {**file.options, **own})


def _check_encoder(file: ModelFile, method: Method) -> None:
    spec = file.encoder
    allowed = {
        "architecture": get_args(Architecture),
        "convention": get_args(Convention),
    }
    for name, values in allowed.items():
        if getattr(spec, name) not in values:
            raise ValueError(
                f"the encoder's {name} must be one of {sorted(values)}, got "
                f"{getattr(spec, name)!r}"
            )
    if method.styles and not file.encoder_params:
        return  # only training needs the encoder: the styles are in the network
    if not method.encoder_layers:
        check_params({}, file.encoder_params, "the encoder")
        return
    encoder = VGG(
        *(method.encoder_layers, spec.architecture, spec.convention),
        widths=scale_widths(method.encoder_width),
    )
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), "float32")
    shapes = cached_shapes(encoder.init, _KEY, image)
    check_params(shapes["params"], file.encoder_params, "the encoder")


NOTABLE_FLOPS = 1e12
"""Cost above which a warning is given: some seconds on a few CPU cores."""


def attends_to_itself(model: Model, controls: Controls) -> bool:
    """Returns whether the content attends to itself, as SANet's below strength 1."""
    tiling = model.method.tiling
    other = np.any(np.asarray(controls.strength) != 1)
    return tiling is not None and tiling.attend is not None and bool(other)


def notable_cost(
    model: Model, count: int, height: int, width: int, controls: Controls
) -> str | None:
    """Returns a warning about the cost of self-attention; None if it is small.

    Args:
        model: Model of any method.
        count: Number of images.
        height: Height of each image, in px.
        width: Width of each image, in px.
        controls: The controls, of which the strengths are used.
    """
    if not attends_to_itself(model, controls):
        return None
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    features = jax.eval_shape(model.method.encode_content, *model[1:], image)
    flops = count * sum(
        4.0 * len(controls.strength) * (h * w) ** 2 * channels
        for _, h, w, channels in (feature.shape for feature in features.values())
    )
    if flops < NOTABLE_FLOPS:
        return None
    each = "" if count == 1 else f" (each of {count})"
    return f"{of_picture(height, width)}{each} take {in_teraflops(flops)}"


def of_picture(height: int, width: int) -> str:
    """Returns the first part of a warning about self-attention."""
    return (
        "a strength other than 1 (or areas without a mask) adds self-attention over "
        f"the whole image: {width} x {height} px"
    )


def in_teraflops(flops: float) -> str:
    """Returns the last part of a warning about self-attention."""
    return f"{flops / 1e12:.3g} teraflops in addition"
