"""Loading Inception-v3 from a file, with a check which network it contains."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import jax
import numpy as np
import safetensors

from styleflax.evaluation.networks.inception import (
    Form,
    Shape,
    build_blocks,
    conv_shapes,
)
from styleflax.files import file_sha256
from styleflax.types import Params
from styleflax.weights.foreign import refuse_foreign
from styleflax.weights.published import torch_file
from styleflax.weights.published.mapping import is_model_file
from styleflax.weights.store import check_params

FID_FILE = "pt_inception-2015-12-05-6726825d.pth"
"""Usual name of the file; src/pytorch_fid/inception.py in mseitzer/pytorch-fid contains
its address."""

FID_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Digest of that file. Its name contains the first eight digits, as torch.hub requires;
several projects on GitHub publish the whole digest."""

TITLES: Mapping[Form, str] = {
    "fid": f"the FID network (Inception-v3 of 2015-12-05, usually {FID_FILE})",
    "art": "the ArtFID network (Inception-v3 trained on paintings, usually "
    "art_inception.pth)",
}

_EPS = 1e-3  # of every batch normalization; torchvision's BasicConv2d
_NUM_FEATURES = 2048
_NORM_LEAVES = ("weight", "bias", "running_mean", "running_var")
_COUNTER = ".num_batches_tracked"
_ART_HEADS = ("fc1.", "fc2.", "AuxLogits1.", "AuxLogits2.")
_HEADS = {
    1000: "the Inception-v3 of torchvision, trained on ImageNet's 1000 classes",
    1008: "the FID network",
}
_CLASSES_OF_FID = 1008


def load_inception(
    path: str | os.PathLike[str], form: Form, sha256: str | None = None
) -> Params:
    """Returns the parameters in a file, for `inception_features`.

    Args:
        path: A state dict written by `torch.save`, or a safetensors file with the same
            names.
        form: The network that the file must contain.
        sha256: Required SHA-256 of the file; None skips this check.

    Returns:
        {"kernel": (height, width, in, out), "bias": (out,)} in float32 by the full name
        of each convolution. Batch normalization is folded in, computed in float64.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged or contains another network; the error names that
            network, or lists missing, extra and misshapen tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; it should be {TITLES[form]}")
    shapes, load = _open_safetensors(path) if is_model_file(path) else _open(path)
    check_network(shapes, form, str(path))
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise ValueError(
            f"{path} has the names and shapes of {TITLES[form]}, but is another file: "
            f"its SHA-256 is {found}, not {sha256}"
        )
    kernels = conv_shapes(build_blocks(form))
    names = {name for conv in kernels for name in _tensor_names(conv)}
    return _fold_all(load(names), tuple(kernels), str(path))


def check_network(shapes: Mapping[str, Shape], form: Form, what: str) -> None:
    """Checks that names and shapes are those of a network.

    Args:
        shapes: Shapes of all tensors in the file, by name.
        form: The expected network.
        what: Name of the file in errors.

    Raises:
        ValueError: If they differ; the error names the network, if it is known, and
            lists the differences.
    """
    expected = _expected_shapes(form)
    head = shapes.get("fc.weight", (0,))
    if form == "fid" and head == (1000, _NUM_FEATURES):
        raise ValueError(f"{what} is not {TITLES[form]}: it is {_HEADS[1000]}")
    if form == "art" and "fc.weight" in shapes:
        known = _HEADS.get(head[0], "an Inception-v3 with one head")
        raise ValueError(f"{what} is not {TITLES[form]}: it is {known}")
    ignored = _ART_HEADS if form == "art" else ("\0",)
    found = {
        name: shape
        for name, shape in shapes.items()
        if not name.endswith(_COUNTER) and not name.startswith(ignored)
    }
    if expected != found:
        check_params(
            _structs(expected), _structs(found), f"{what} is not {TITLES[form]}: it"
        )


def _expected_shapes(form: Form) -> dict[str, Shape]:
    expected: dict[str, Shape] = {}
    for conv, kernel in conv_shapes(build_blocks(form)).items():
        names = _tensor_names(conv)
        expected |= dict.fromkeys(names, kernel[:1]) | {names[0]: kernel}
    if form == "fid":
        expected["fc.weight"] = (_CLASSES_OF_FID, _NUM_FEATURES)
        expected["fc.bias"] = (_CLASSES_OF_FID,)
    return expected


def _structs(shapes: Mapping[str, Shape]) -> dict[str, jax.ShapeDtypeStruct]:
    return {n: jax.ShapeDtypeStruct(shape, np.float32) for n, shape in shapes.items()}


def _tensor_names(conv: str) -> tuple[str, ...]:
    """Returns the names of the kernel and the four vectors of batch normalization."""
    return f"{conv}.conv.weight", *(f"{conv}.bn.{leaf}" for leaf in _NORM_LEAVES)


_Load = Callable[[set[str]], dict[str, np.ndarray]]


def _open(path: Path) -> tuple[dict[str, Shape], _Load]:
    refuse_foreign(path)
    shapes = torch_file.load_shapes(path)
    return shapes, lambda names: torch_file.load_state_dict(path, names.__contains__)


def _open_safetensors(path: Path) -> tuple[dict[str, Shape], _Load]:
    try:
        file = safetensors.safe_open(str(path), framework="numpy")
        names = list(file.keys())
        shapes = {name: tuple(file.get_slice(name).get_shape()) for name in names}
    except safetensors.SafetensorError as error:
        raise ValueError(
            f"{path} must be a complete safetensors file: {error}"
        ) from error
    return shapes, lambda wanted: {name: file.get_tensor(name) for name in wanted}


def _fold_all(
    arrays: Mapping[str, np.ndarray], convs: tuple[str, ...], what: str
) -> dict[str, dict[str, np.ndarray]]:
    params = {}
    for conv in convs:
        kernel, *norm = (arrays[name] for name in _tensor_names(conv))
        with np.errstate(invalid="ignore", over="ignore"):
            params[conv] = fold(kernel, *norm)
        if not all(np.isfinite(leaf).all() for leaf in params[conv].values()):
            raise ValueError(f"{what} has values that are not finite, in {conv}")
    return params


def fold(
    kernel: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> dict[str, np.ndarray]:
    """Returns a convolution with the batch normalization after it folded in.

    Args:
        kernel: Kernel in PyTorch's order, (out, in, height, width).
        scale: Scale of the normalization, (out,), like all following arguments.
        shift: Shift of the normalization.
        mean: Running mean of the activations.
        variance: Running variance of the activations.
    """
    exact = [array.astype(np.float64) for array in (scale, shift, mean, variance)]
    gain = exact[0] / np.sqrt(exact[3] + _EPS)
    folded = kernel.astype(np.float64) * gain[:, None, None, None]
    return {
        "kernel": np.ascontiguousarray(folded.transpose(2, 3, 1, 0), np.float32),
        "bias": (exact[1] - exact[2] * gain).astype(np.float32),
    }
