"""Self-contained model files: one safetensors file holds all that a picture needs."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import safetensors
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict
from jax.typing import DTypeLike

from styleflax.files import find_url, write_atomically
from styleflax.models.vgg import Architecture, Convention
from styleflax.types import Params
from styleflax.weights.foreign import check_weights, refuse_foreign

FOLDER = Path(__file__).parent / "files"
"""The models that come with the package."""
SUFFIX = ".safetensors"
_FULL = MappingProxyType({"color_match": 1.0, "detail": 1.0})
_DEFAULTS: Mapping[str, Mapping[str, float]] = {
    # adain and sanet of version 0.1, which were trained before there were defaults.
    "57a0308ed84bc9446e25a824d06edec1455918b061a79cd28d46ab71e1488824": _FULL,
    "ee75477184758c48881cfdd345706ccb2a37de3779bd1e7b2d4921e3e087c5fe": _FULL,
}
"""Defaults of controls by `model_digest`, where a file has none."""
FORMAT_VERSION = 1
ENCODER_ONLY = "encoder"
"""The method of a file that holds an encoder and nothing trained on it."""

DEFAULTS = ("color_match", "detail")
"""Controls of which a model file says the default; see `inference.controls`."""

_METADATA_KEY = "styleflax"
_MAX_NAMES = 20
_STORED_DTYPES = (np.dtype(np.float16), np.dtype(np.float32))
# What damaged or hostile JSON and names of tensors raise.
_DAMAGE = (
    *(KeyError, IndexError, TypeError, AttributeError, ValueError),
    *(OverflowError, RecursionError),
)


class EncoderSpec(NamedTuple):
    """Properties of an encoder's parameters that their use requires.

    Attributes:
        architecture: "vgg16" or "vgg19".
        convention: the input of the first convolution. "torchvision": RGB minus
            ImageNet's mean over its deviation; "normalised": what the 1x1 convolution
            `preprocess` of Gatys' normalized VGG-19 makes of RGB in [0, 1].
    """

    architecture: Architecture
    convention: Convention


class ModelFile(NamedTuple):
    """The content of a model file.

    Attributes:
        method: a key of `methods.METHODS`, or ENCODER_ONLY.
        encoder: architecture and convention of the encoder's parameters.
        encoder_params: the encoder up to the deepest layer that the method needs.
        players: the trained parts, {"model": ...} and possibly more.
        state: batch statistics; {} for nearly all methods.
        arithmetic: the preset that the parts were trained under (ddof, eps, ...).
        provenance: how the model was trained, for users. The program reads only the
            losses of the last phase, to add a style (`training.new_style`).
        options: the method's own arguments, see `methods.base.Method`.
        defaults: default values of the controls `DEFAULTS`; {} disables all of them.
            They are not part of the digest, since they change no style.
        palettes: mean and covariance of the colors of each built-in style's picture, by
            the style's name, for the color step. They are not part of the digest.
    """

    method: str
    encoder: EncoderSpec
    encoder_params: Params
    players: dict[str, Params]
    state: Params
    arithmetic: dict[str, Any]
    provenance: dict[str, Any]
    options: Mapping[str, Any] = MappingProxyType({})
    defaults: Mapping[str, float] = MappingProxyType({})
    palettes: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


def packaged_models() -> dict[str, Path]:
    """Returns the model files inside the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob(f"*{SUFFIX}"))}


def fetch_if_remote(name_or_file: str | os.PathLike[str]) -> Path:
    """Returns the file of weights at a URL, downloaded if needed; other paths as given.

    Raises:
        ValueError: If the URL names no file.
        WeightsError: If the file cannot be downloaded, or is not the one that was
            pinned or downloaded first.
        ImportError: If the Hub's client is needed and not installed.
    """
    if find_url(name_or_file):
        # Late, because it brings in an HTTP library, and imports this module.
        from styleflax.weights import fetch, registry  # noqa: PLC0415

        if registry.is_remote(name_or_file):
            return fetch.fetch(os.fspath(name_or_file))
    return Path(name_or_file)


def find_model(name_or_file: str | os.PathLike[str]) -> Path:
    """Returns the path of a model file.

    Args:
        name_or_file: A path, a name in `packaged_models`, or a URL, `https://` or
            `hf://`, whose file is fetched the first time.

    Raises:
        FileNotFoundError: If it is neither; lists the names.
        ValueError: If it is a folder, or a URL that names no file.
        WeightsError, ImportError: As `fetch_if_remote` does.
    """
    packaged = packaged_models()
    if str(name_or_file) in packaged:
        return packaged[str(name_or_file)]
    path = fetch_if_remote(name_or_file)
    if not path.is_file():
        check_weights(path)
        names = ", ".join(packaged) or "none"
        raise FileNotFoundError(
            f"there is no model file {str(path)!r}, nor weights of that name (there "
            f"are {names}); `styleflax weights export RUN -o FILE` makes one"
        )
    return path


def own_styles(name_or_file: str | os.PathLike[str]) -> tuple[str, ...]:
    """Returns the names of a model's own styles; () if it takes paintings.

    A damaged file has no names here; `load_model` reports it.

    Raises:
        FileNotFoundError: If there is no such model.
    """
    path = find_model(name_or_file)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            header = json.loads((file.metadata() or {})["styleflax"])
        names = header.get("options", {}).get("styles", [])
        return tuple(str(name) for name in names)
    except (safetensors.SafetensorError, KeyError, TypeError, ValueError):
        return ()
    except (AttributeError, RecursionError):  # JSON that is no such tree
        return ()


def _flatten(model: ModelFile) -> dict[str, np.ndarray]:
    tree = {
        "encoder": model.encoder_params,
        "players": model.players,
        "state": model.state,
    }
    flat: dict[str, Any] = flatten_dict(tree, sep="/")
    return {name: np.asarray(leaf, np.float32) for name, leaf in sorted(flat.items())}


def _describe(model: ModelFile) -> dict[str, Any]:
    return {
        "method": model.method,
        "encoder": dict(model.encoder._asdict()),
        "players": sorted(model.players),
        "arithmetic": model.arithmetic,
        "provenance": model.provenance,
        # Not where there are none, as files were before there were any.
        **({"options": dict(model.options)} if model.options else {}),
    }


def _digest(tensors: Mapping[str, np.ndarray], description: dict[str, Any]) -> str:
    # Once through JSON first: it turns tuples into lists and numbers used as keys
    # into strings, as they will be after loading.
    plain = json.loads(json.dumps(description, allow_nan=False))
    text = json.dumps(plain, sort_keys=True)
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.shape} ".encode())
        digest.update(np.ascontiguousarray(tensor, "<f4").data)
    return digest.hexdigest()


def model_digest(model: ModelFile) -> str:
    """Return the SHA-256 by which other files say which model they belong to.

    It covers every value and the description. That of a loaded model equals that in its
    file; a model not yet saved has another one if the file's type rounds its values.
    """
    return _digest(_flatten(model), _describe(model))


def _require_finite(tensors: Mapping[str, np.ndarray], what: str) -> None:
    bad = [name for name, tensor in tensors.items() if not np.isfinite(tensor).all()]
    if bad:
        raise ValueError(f"{what}: {_join(bad)}")


def _join(names: list[str]) -> str:
    shown = ", ".join(sorted(names)[:_MAX_NAMES])
    rest = len(names) - _MAX_NAMES
    return f"{shown} and {rest} more" if rest > 0 else shown


def save_model(
    path: str | os.PathLike[str], model: ModelFile, dtype: DTypeLike = np.float16
) -> str:
    """Writes a model file atomically and returns its digest.

    Args:
        path: the file, usually *.safetensors; an older file is replaced.
        model: the model; all its trees have floating-point arrays.
        dtype: float16 halves the file; float32 keeps every bit.

    Raises:
        ValueError: If values are not finite, or too large for float16, or the
            arithmetic or provenance cannot be written as JSON.
        OSError: If the file cannot be written.
    """
    stored_dtype = np.dtype(dtype)
    if stored_dtype not in _STORED_DTYPES:
        raise ValueError(f"dtype must be float16 or float32, got {stored_dtype}")
    exact = _flatten(model)
    _require_finite(exact, "values that are not finite are not saved")
    with np.errstate(over="ignore"):
        stored = {name: leaf.astype(stored_dtype) for name, leaf in exact.items()}
    _require_finite(stored, "too large for float16 (save with dtype float32)")
    description = _describe(model)
    try:
        upcast = {name: leaf.astype(np.float32) for name, leaf in stored.items()}
        digest = _digest(upcast, description)
    except (TypeError, ValueError) as error:
        raise ValueError(f"arithmetic or provenance is not JSON: {error}") from error
    header = {"version": FORMAT_VERSION, "sha256": digest, **description}
    header |= _beside({"defaults": _checked_defaults(model.defaults)})
    header |= _beside({"palettes": dict(model.palettes)})
    metadata = {_METADATA_KEY: json.dumps(header, sort_keys=True)}
    data = safetensors.numpy.save(stored, metadata)
    write_atomically(Path(path), data, "the model file")
    return digest


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if not path.is_file():
        check_weights(path)
        raise FileNotFoundError(f"there is no model file {path}")
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, TypeError) as error:
        refuse_foreign(path, converted=True)
        raise ValueError(f"{path} is not a whole safetensors file: {error}") from error
    if _METADATA_KEY not in metadata:
        raise ValueError(
            f"{path} is a safetensors file, but not a model of styleflax; published "
            "weights in safetensors have to be saved by PyTorch first: "
            "torch.save(safetensors.torch.load_file(FILE), 'weights.pth'), then "
            "`styleflax weights convert weights.pth -o model.safetensors`"
        )
    try:
        header = json.loads(metadata[_METADATA_KEY])
        version = int(header["version"])
    except _DAMAGE as error:
        raise ValueError(f"the metadata of {path} are damaged: {error}") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has the format version {version}, and this styleflax reads "
            f"{FORMAT_VERSION}: run `pip install --upgrade styleflax`"
        )
    return tensors, header


def _beside(part: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A part of the header other than the description, with its own digest."""
    ((name, values),) = part.items()
    return {**part, f"{name}_sha256": _digest({}, values)} if values else {}


def _checked_defaults(defaults: Mapping[str, Any]) -> dict[str, float]:
    """The defaults as plain numbers.

    Raises:
        ValueError: If one is unknown or not in [0, 1].
    """
    for name, value in defaults.items():
        if name not in DEFAULTS or not 0.0 <= value <= 1.0:
            raise ValueError(
                f"defaults must be of {', '.join(DEFAULTS)} and in [0, 1], got "
                f"{name}={value!r}"
            )
    return {name: float(value) for name, value in defaults.items()}


def _require_kinds(model: ModelFile) -> None:
    trees = (model.encoder_params, model.state, *model.players.values())
    described = (model.arithmetic, model.provenance, model.options, model.palettes)
    if not all(isinstance(text, str) for text in (model.method, *model.encoder)):
        raise TypeError("method and encoder names must be strings")
    if not all(isinstance(tree, dict) for tree in (*trees, *described)):
        raise TypeError("parameters must be nested dicts")


def packaged_defaults(digest: str) -> Mapping[str, float]:
    """Returns defaults of a packaged model whose file has none; else {}."""
    return _DEFAULTS.get(digest, {})


def load_model(path: str | os.PathLike[str]) -> ModelFile:
    """Returns the content of a model file after checking its digest.

    Returns:
        The model, with NumPy arrays in float32.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of a newer version, or not a model of styleflax.
    """
    tensors, header = _read(Path(path))
    flat = {name: leaf.astype(np.float32) for name, leaf in tensors.items()}
    try:
        tree: dict[str, Any] = unflatten_dict(flat, sep="/")
        players = {name: {} for name in header["players"]} | tree.get("players", {})
        model = ModelFile(
            method=header["method"],
            encoder=EncoderSpec(**header["encoder"]),
            encoder_params=tree.get("encoder", {}),
            players=players,
            state=tree.get("state", {}),
            arithmetic=header["arithmetic"],
            provenance=header["provenance"],
            options=header.get("options", {}),
            defaults=_checked_defaults(header.get("defaults", {})),
            palettes=header.get("palettes", {}),
        )
        _require_kinds(model)
        digest = _digest(flat, _describe(model))
    except _DAMAGE as error:
        raise ValueError(f"the metadata of {path} are damaged: {error}") from error
    for name, part in (("defaults", model.defaults), ("palettes", model.palettes)):
        recorded = f"{name}_sha256"
        if _beside({name: dict(part)}).get(recorded) != header.get(recorded):
            raise ValueError(f"{name} of {path} are damaged: their SHA-256 differs")
    if not model.defaults:
        model = model._replace(defaults=packaged_defaults(digest))
    if digest != header.get("sha256"):
        raise ValueError(f"{path} is damaged: its SHA-256 is not the recorded one")
    wrong = [n for n, leaf in tensors.items() if leaf.dtype not in _STORED_DTYPES]
    if wrong:
        raise ValueError(f"{path} has other types than float16 or 32: {_join(wrong)}")
    _require_finite(flat, f"{path} holds values that are not finite")
    return model


def check_params(expected: Params, got: Params, what: str) -> None:
    """Make sure that a tree has the names and shapes that a network expects.

    Args:
        expected: a tree of anything with a shape, such as jax.ShapeDtypeStruct.
        got: the tree of arrays.
        what: names the tree in the message.

    Raises:
        ValueError: lists the missing, the extra and the misshapen names.
    """
    wanted: dict[str, Any] = flatten_dict(expected, sep="/")
    found: dict[str, Any] = flatten_dict(got, sep="/")
    misshapen = [
        f"{name} is {tuple(found[name].shape)}, not {tuple(wanted[name].shape)}"
        for name in wanted.keys() & found.keys()
        if tuple(found[name].shape) != tuple(wanted[name].shape)
    ]
    problems = {
        "missing": sorted(wanted.keys() - found.keys()),
        "extra": sorted(found.keys() - wanted.keys()),
        "misshapen": misshapen,
    }
    if any(problems.values()):
        listed = "; ".join(
            f"{len(names)} {kind}: {_join(names)}"
            for kind, names in problems.items()
            if names
        )
        raise ValueError(f"{what} does not fit: {listed}")
