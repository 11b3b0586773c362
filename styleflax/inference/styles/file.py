"""Style files: what a model keeps of a painting, in one safetensors file."""

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
# What damaged or hostile JSON and names of tensors raise.
_DAMAGE = (
    *(KeyError, IndexError, TypeError, AttributeError, ValueError),
    *(OverflowError, RecursionError),
)
_DTYPES = (np.dtype(np.float16), np.dtype(np.float32))


class StyleFile(NamedTuple):
    """What a style file holds.

    Attributes:
        style: What `methods.base.encode_painting` returned, as a tree of arrays.
        method: A key of `methods.METHODS`.
        model: What the model was called; for people.
        model_digest: Digest of the model, see `weights.store.model_digest`; by it
            alone is decided whether the style fits.
        painting: What the picture was called; for people.
    """

    style: Mapping[str, Any]
    method: str
    model: str
    model_digest: str
    painting: str


def save_style(path: str | os.PathLike[str], file: StyleFile) -> None:
    """Writes a style file, whole or not at all; an older one is replaced.

    Raises:
        ValueError: If the path does not end in `STYLE_SUFFIX`, or values are
            neither float16 nor float32, or not finite.
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
    """What a style file holds, bit for bit, its digest checked.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, of a newer version, or no style file.
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
    """Refuses a style file of another make than its method keeps.

    Args:
        file: As loaded.
        expected: A tree of anything with shape and dtype: the style of a picture
            of any size.
        path: For the message.

    Raises:
        ValueError: If arrays are missing, extra or of another kind.
    """
    wanted: dict[str, Any] = flatten_dict(dict(expected), sep="/")
    found: dict[str, Any] = flatten_dict(dict(file.style), sep="/")
    wrong = sorted(wanted.keys() ^ found.keys())
    for name in wanted.keys() & found.keys():
        a, b = wanted[name], found[name]
        # Heights and widths are the painting's own.
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
                f"{what}: {name} must be finite float16 or float32, is {tensor.dtype}"
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
        raise ValueError(f"{path} is not a whole style file: {error}") from error
    if _METADATA_KEY not in metadata:
        raise ValueError(f"{path} is a safetensors file, but not a style of styleflax")
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
