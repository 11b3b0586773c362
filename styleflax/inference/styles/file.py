"""Style files: an encoded style of one model, in one safetensors file."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import safetensors
import safetensors.numpy
from flax.traverse_util import flatten_dict, unflatten_dict

from styleflax.files import write_atomically
from styleflax.inference.contents import STYLE_SUFFIX, is_style_file
from styleflax.methods.base import Style
from styleflax.weights.foreign import refuse_foreign

FORMAT_VERSION = 2
"""Files of version 1 lack the painting's palette; see `ops.color_match`."""

_METADATA_KEY = "styleflax-style"
# Errors that damaged or hostile JSON and names of tensors cause.
_DAMAGE = (
    *(KeyError, IndexError, TypeError, AttributeError, ValueError),
    *(OverflowError, RecursionError),
)
_DTYPES = (np.dtype(np.float16), np.dtype(np.float32))


class StyleFile(NamedTuple):
    """The content of a style file.

    Attributes:
        style: What `encode_painting` of `methods.base` returned, as a tree of arrays.
        method: A key of `methods.METHODS`.
        model: Name of the model, for messages.
        model_digest: Digest of the model, see `weights.store.model_digest`; it alone
            decides whether the style belongs to a model.
        painting: Name of the painting, for messages.
    """

    style: Mapping[str, Any]
    method: str
    model: str
    model_digest: str
    painting: str


def save_style(path: str | os.PathLike[str], file: StyleFile) -> None:
    """Writes a style file atomically; an existing one is replaced.

    Raises:
        ValueError: If the path does not end in `STYLE_SUFFIX`, or values are not
            finite, or neither float16 nor float32.
        OSError: If the file cannot be written.
    """
    if not is_style_file(path):
        raise ValueError(
            f"the name of a style file must end in {STYLE_SUFFIX}, got {str(path)!r}"
        )
    flat: dict[str, Any] = flatten_dict(jax.device_get(dict(file.style)), sep="/")
    tensors = {name: np.ascontiguousarray(leaf) for name, leaf in sorted(flat.items())}
    _check_values(tensors, "the style")
    header = {"version": FORMAT_VERSION, **_describe(file)}
    header["sha256"] = _digest(tensors, _describe(file))
    metadata = {_METADATA_KEY: json.dumps(header, sort_keys=True)}
    data = safetensors.numpy.save(tensors, metadata)
    write_atomically(Path(path), data, "the style file")


def load_style(path: str | os.PathLike[str]) -> StyleFile:
    """Loads a style file bit for bit and checks its digest.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is damaged, of a newer version, or not a style file.
    """
    path = Path(path)
    tensors, header = _read(path)
    try:
        texts = [header[k] for k in ("method", "model", "model_digest", "painting")]
        file = StyleFile(unflatten_dict(tensors, sep="/"), *texts)
        recorded = header["sha256"]
    except _DAMAGE as error:
        raise ValueError(f"the metadata of {path} are damaged: {error!r}") from error
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"the metadata of {path} are damaged: names must be strings")
    if _digest(tensors, _describe(file)) != recorded:
        raise ValueError(f"{path} is damaged: its SHA-256 is not the recorded one")
    _check_values(tensors, str(path))
    return file


def check_style(file: StyleFile, expected: Style, path: str | os.PathLike[str]) -> None:
    """Checks that the arrays of a style file are those of its method.

    Args:
        file: The loaded file.
        expected: Tree of objects with shape and dtype: the style of a painting of
            any size.
        path: Path of the file, for messages.

    Raises:
        ValueError: If arrays are missing, extra, or of another shape or dtype.
    """
    target: dict[str, Any] = flatten_dict(dict(expected), sep="/")
    arrays: dict[str, Any] = flatten_dict(dict(file.style), sep="/")
    wrong = sorted(target.keys() ^ arrays.keys())
    for name in target.keys() & arrays.keys():
        a, b = target[name], arrays[name]
        # Heights and widths depend on the painting.
        sizes = [(x.shape[0], x.shape[-1]) if x.ndim else () for x in (a, b)]
        if (a.ndim, a.dtype) != (b.ndim, b.dtype) or sizes[0] != sizes[1] or not b.size:
            wrong.append(name)
    if wrong:
        raise ValueError(
            f"{os.fspath(path)} does not hold a style of {file.method}: {wrong}"
        )


def _describe(file: StyleFile) -> dict[str, Any]:
    described = file._asdict()
    del described["style"]
    return described


def _digest(tensors: Mapping[str, np.ndarray], description: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tensor.shape} ".encode())
        digest.update(tensor.tobytes())
    return digest.hexdigest()


def _check_values(tensors: Mapping[str, np.ndarray], what: str) -> None:
    for name, tensor in tensors.items():
        if tensor.dtype not in _DTYPES or not np.isfinite(tensor).all():
            raise ValueError(
                f"{what}: {name} must be finite float16 or float32, got {tensor.dtype}"
            )


def _read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    if not path.is_file():
        raise FileNotFoundError(
            f"there is no style file {path}; make one with `styleflax style save`"
        )
    refuse_foreign(path)
    try:
        with safetensors.safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a complete style file: {error}") from error
    if _METADATA_KEY not in metadata:
        raise ValueError(
            f"{path} is a safetensors file, but not a style file of styleflax"
        )
    try:
        header = json.loads(metadata[_METADATA_KEY])
        version = int(header["version"])
    except _DAMAGE as error:
        raise ValueError(f"the metadata of {path} are damaged: {error!r}") from error
    if version > FORMAT_VERSION:
        raise ValueError(
            f"{path} has the format version {version}, and this styleflax reads "
            f"{FORMAT_VERSION}: run `pip install --upgrade styleflax`"
        )
    return tensors, header
