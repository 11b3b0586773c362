"""Models of this library as files in the published formats."""

import importlib
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from styleflax.files import write_atomically
from styleflax.types import Params
from styleflax.weights.published.formats import (
    Format,
    find_format,
    to_file_layout,
    tree_shape,
)
from styleflax.weights.published.keras_file import dump_arrays
from styleflax.weights.published.mapping import caffe_preprocess
from styleflax.weights.store import ENCODER_ONLY, ModelFile, check_params

TRAINED_FORMATS: Mapping[str, Mapping[str, str]] = {
    ENCODER_ONLY: {},
    "adain": {"decoder.pth": "decoder"},
    "sanet": {"decoder.pth": "decoder", "transformer.pth": "SANet transformer"},
}
"""The format of every file that a method's trained part is published in."""


class _Output(NamedTuple):
    filename: str
    format: Format
    params: Params


def export_published(model: ModelFile, folder: Path) -> list[Path]:
    """Write a model as the files that the public code of its method loads.

    The encoder becomes `vgg_normalised.pth`, or where it is in another convention
    torchvision's `vgg16.pth` or `vgg19.pth`, or Keras' .h5; as deep as the model
    keeps it. The trained part becomes `decoder.pth` and, for SANet, `transformer.pth`.

    Args:
        model: As loaded.
        folder: VideoResult where it is missing.

    Returns:
        The files written.

    Raises:
        FileExistsError: If one of the files is there already.
        ImportError: If PyTorch (or h5py) is not installed.
        ValueError: If the method has no published format, or the parameters are not
            its.
    """
    if model.method not in TRAINED_FORMATS:
        known = ", ".join(TRAINED_FORMATS)
        raise ValueError(
            f"the method {model.method!r} has no published format; these have: {known}"
        )
    outputs = [_encoder_output(model, _usual_format(model))]
    trained = {
        name: find_format(known)
        for name, known in TRAINED_FORMATS[model.method].items()
    }
    params = model.players.get("model", {})
    _check(params, list(trained.values()), "the trained part")
    outputs += [_Output(name, known, params) for name, known in trained.items()]
    return _write(outputs, folder)


def export_encoder(
    model: ModelFile, folder: Path, to: Literal["torchvision", "keras"]
) -> list[Path]:
    """Write a model's encoder alone.

    Args:
        model: As loaded.
        folder: VideoResult where it is missing.
        to: `torchvision` writes vgg16.pth or vgg19.pth, `keras` an .h5.

    Raises:
        FileExistsError: If the file is there already.
        ImportError: If PyTorch or h5py is not installed.
        ValueError: If the encoder expects pixels in another convention than networks of
            that origin.
    """
    convention = "torchvision" if to == "torchvision" else "normalised"
    if model.encoder.convention != convention:
        raise ValueError(
            f"the encoder expects pixels as {model.encoder.convention} weights do, and "
            f"{to} is for {convention} ones: it would compute something else there"
        )
    title = "Keras" if to == "keras" else to
    known = find_format(f"{title} {model.encoder.architecture}")
    return _write([_encoder_output(model, known)], folder)


def _usual_format(model: ModelFile) -> Format:
    architecture, convention = model.encoder
    if convention == "torchvision":
        return find_format(f"torchvision {architecture}")
    if architecture == "vgg19":
        return find_format("vgg_normalised")
    return find_format(f"Keras {architecture}")


def _encoder_output(model: ModelFile, known: Format) -> _Output:
    params = dict(model.encoder_params)
    if known.name.startswith("Keras"):
        _require_caffe(params.pop("preprocess", {}))
    held = tuple(entry for entry in known.entries if entry.path[0] in params)
    known = known._replace(entries=held)
    _check(params, [known], "the encoder")
    if known.name == "vgg_normalised":
        return _Output("vgg_normalised.pth", known, params)
    suffix = "_notop.h5" if known.name.startswith("Keras") else ".pth"
    return _Output(f"{model.encoder.architecture}{suffix}", known, params)


def _require_caffe(preprocess: Params) -> None:
    # Keras has no such layer: it does the same before the network.
    for name, expected in caffe_preprocess().items():
        # Rounded to float16, as most model files are, 123.68 is 0.008 away.
        if not np.allclose(preprocess.get(name, 0), expected, rtol=0, atol=0.05):
            raise ValueError(
                "the encoder's first layer does not compute what Keras does before its "
                f"networks: its {name} is another"
            )


def _check(params: Params, formats: Sequence[Format], what: str) -> None:
    shapes = {
        entry.path: jax.ShapeDtypeStruct(tree_shape(entry), np.float32)
        for known in formats
        for entry in known.entries
    }
    check_params(unflatten_dict(shapes), params, what)


def _write(outputs: Sequence[_Output], folder: Path) -> list[Path]:
    paths = [folder / output.filename for output in outputs]
    for path in paths:
        # What people have downloaded goes by the same names.
        if path.exists():
            raise FileExistsError(f"{path} is there already: give another folder")
    # All are made before the first is written, so that an error leaves nothing.
    data = [_dump(output) for output in outputs]
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in zip(paths, data, strict=True):
        write_atomically(path, content, "the model file")
    return paths


def _dump(output: _Output) -> bytes:
    flat: dict[tuple[str, ...], Any] = flatten_dict(output.params)
    arrays = {
        entry.name: to_file_layout(np.asarray(flat[entry.path]), entry.layout)
        for entry in output.format.entries
    }
    dump: Callable[[Mapping[str, np.ndarray]], bytes] = (
        dump_arrays if output.filename.endswith(".h5") else _dump_torch
    )
    return dump(arrays)


def _dump_torch(arrays: Mapping[str, np.ndarray]) -> bytes:
    try:
        torch = importlib.import_module("torch")
    except ImportError as error:
        raise ImportError(
            "writing .pth files needs PyTorch: run `pip install 'styleflax[torch]'`"
        ) from error
    buffer = io.BytesIO()
    torch.save({name: torch.tensor(array) for name, array in arrays.items()}, buffer)
    return buffer.getvalue()
