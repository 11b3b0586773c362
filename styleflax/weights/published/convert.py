"""Published checkpoints as model files of this library, and what the files hold."""

import dataclasses
import importlib.metadata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax.traverse_util import unflatten_dict

from styleflax.config import Arithmetic
from styleflax.files import file_sha256
from styleflax.models.vgg import conv_names
from styleflax.presets import PRESETS, Preset
from styleflax.types import Params
from styleflax.weights.foreign import check_weights, refuse_foreign
from styleflax.weights.published.export import export_encoder, export_published
from styleflax.weights.published.formats import Role, find_format, tree_shape
from styleflax.weights.published.mapping import (
    Part,
    caffe_preprocess,
    find_format_of,
    is_model_file,
    read_part,
)
from styleflax.weights.store import (
    ENCODER_ONLY,
    EncoderSpec,
    ModelFile,
    check_params,
    load_model,
    model_digest,
    save_model,
)

__all__ = ["convert_files", "export_encoder", "export_published"]

DEEPEST_LAYERS: Mapping[str, str] = {"adain": "relu4_1", "sanet": "relu5_1"}
"""How far the encoder of each method reaches."""

DEFAULT_PRESETS: Mapping[str, str] = {"adain": "adain-naoto", "sanet": "sanet-public"}
"""Those of the repositories whose files are recognized."""

JOHNSON = "johnson"
_TRAINED_ON = EncoderSpec("vgg16", "torchvision")
_NETWORK_OPTIONS: Mapping[str, Any] = {
    "norm": "instance",
    "width": 1.0,
    "padding": "mirror",
    "upsampling": "nearest",
    "output": "linear",
    "content_layer": "relu2_2",
}
"""Options of `make_johnson`, by which it is the network of pytorch/examples."""
_EXAMPLES: Mapping[Role, str] = {
    "encoder": "the encoder that it was trained with (vgg_normalised.pth)",
    "decoder": "its decoder (decoder.pth, decoder_iter_*.pth)",
}
_FITTING_ENCODERS = ("vgg_normalised", "styleflax")


def convert_files(paths: Sequence[Path], preset: str | None = None) -> ModelFile:
    """Returns the model that published files form together.

    An encoder alone makes a file that `load_encoder` reads; encoder and decoder make
    AdaIN; with a transformer they make SANet. A TransformerNet alone makes Johnson's
    method, with the file's name as that of its style. What a file is, is recognized
    from the names and shapes in it. The encoder is cut to the deepest layer that is
    needed.

    Args:
        paths: The files in any order; the encoder may be a model file of this library.
        preset: The arithmetic that the decoder was trained with, a name in `PRESETS`.
            None takes that of the repository whose names the files use.

    Raises:
        FileNotFoundError: If a file is missing.
        ImportError: If a file is HDF5, and h5py is not installed.
        ValueError: If a file is damaged, unknown or not whole; or the files do not make
            a model; or the preset is not for them.
    """
    parts = _read_parts(paths)
    method = _find_method(parts)
    chosen = _find_preset(preset, method)
    if method == JOHNSON:
        return _make_johnson(parts["network"])
    encoder = parts["encoder"]
    assert encoder.spec is not None  # every encoder has one
    encoder_params = encoder.params
    if method != ENCODER_ONLY:
        _require_fitting_encoder(encoder)
        encoder_params = _cut(encoder, encoder.spec, method)
    trained = {
        name: leaf
        for role in ("decoder", "transformer")
        if role in parts
        for name, leaf in parts[role].params.items()
    }
    provenance: dict[str, Any] = {
        "sources": [_describe(part) for part in parts.values()],
        "styleflax": importlib.metadata.version("styleflax"),
    }
    if chosen is not None:
        name, record = chosen
        provenance |= {"preset": name, "losses": dict(record.losses)}
    return ModelFile(
        method=method,
        encoder=encoder.spec,
        encoder_params=encoder_params,
        players={"model": trained} if trained else {},
        state={},
        arithmetic=dataclasses.asdict(chosen[1].arithmetic) if chosen else {},
        provenance=provenance,
    )


def _make_johnson(network: Part) -> ModelFile:
    """The network of pytorch/examples, whose pixels are of [0, 255] on both sides."""
    params = dict(network.params)
    first: dict[str, Any] = dict(params["conv1"])
    params["conv1"] = {**first, "kernel": first["kernel"] * np.float32(255)}
    return ModelFile(
        method=JOHNSON,
        encoder=_TRAINED_ON,
        encoder_params={},
        players={"model": params},
        state={},
        arithmetic=dataclasses.asdict(Arithmetic()),
        provenance={
            "sources": [_describe(network)],
            "styleflax": importlib.metadata.version("styleflax"),
        },
        options={"styles": [network.path.stem], **_NETWORK_OPTIONS},
    )


def _read_parts(paths: Sequence[Path]) -> dict[Role, Part]:
    if not paths:
        raise ValueError("no files to convert")
    parts: dict[Role, Part] = {}
    for path in paths:
        part = read_part(Path(path))
        if part.role in parts:
            raise ValueError(
                f"{parts[part.role].path} and {path} each hold one {part.role}, and a "
                "model has one"
            )
        parts[part.role] = part
    return parts


def _find_method(parts: Mapping[Role, Part]) -> str:
    if parts.keys() == {"encoder"}:
        return ENCODER_ONLY
    if "network" in parts:
        if others := [str(p.path) for r, p in parts.items() if r != "network"]:
            raise ValueError(
                f"{parts['network'].path} is a whole model: convert it without "
                f"{', '.join(others)}"
            )
        return JOHNSON
    lacking = [example for role, example in _EXAMPLES.items() if role not in parts]
    if lacking:
        held = " and ".join(f"{p.path} ({p.role})" for p in parts.values())
        raise ValueError(
            f"{held} do not make a model: give also {' and '.join(lacking)}"
        )
    return "sanet" if "transformer" in parts else "adain"


def _find_preset(name: str | None, method: str) -> tuple[str, Preset] | None:
    if name is None:
        name = DEFAULT_PRESETS.get(method)
        return (name, PRESETS[name]) if name else None
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    if PRESETS[name].method != method:
        made = f"make {method}" if method != ENCODER_ONLY else "are an encoder alone"
        raise ValueError(
            f"preset {name!r} is for {PRESETS[name].method}, and the given files {made}"
        )
    return name, PRESETS[name]


def _require_fitting_encoder(encoder: Part) -> None:
    # Any other VGG has the same shapes and makes wrong pictures without an error.
    if encoder.format not in _FITTING_ENCODERS:
        raise ValueError(
            f"{encoder.path} holds {encoder.format} weights, and published decoders "
            "are trained on vgg_normalised: give vgg_normalised.pth"
        )


def _cut(encoder: Part, spec: EncoderSpec, method: str) -> Params:
    layer = DEEPEST_LAYERS[method]
    needed = conv_names(spec.architecture)
    needed = needed[: needed.index(layer.replace("relu", "conv")) + 1]
    if missing := [name for name in needed if name not in encoder.params]:
        raise ValueError(
            f"{encoder.path} does not reach {layer}, which {method} needs: it lacks "
            f"{', '.join(missing)}"
        )
    kept = ("preprocess", *needed)
    params = {name: leaf for name, leaf in encoder.params.items() if name in kept}
    check_params(_expected_tree(spec, len(needed)), params, str(encoder.path))
    return params


def _expected_tree(spec: EncoderSpec, num_convs: int) -> Params:
    entries = find_format(f"torchvision {spec.architecture}").entries[: 2 * num_convs]
    shapes = {e.path: jax.ShapeDtypeStruct(tree_shape(e), np.float32) for e in entries}
    tree: dict[str, Any] = unflatten_dict(shapes)
    is_normalized = spec.convention == "normalised"
    return tree | ({"preprocess": caffe_preprocess()} if is_normalized else {})


def _describe(part: Part) -> dict[str, str]:
    return {
        "role": part.role,
        "file": part.path.name,
        "format": part.format,
        "sha256": file_sha256(part.path),
    }


DTYPES = ("float16", "float32")
EXPORTS: dict[str, Callable[[ModelFile, Path], list[Path]]] = {
    "published": export_published,
    "torchvision": lambda model, folder: export_encoder(model, folder, "torchvision"),
    "keras": lambda model, folder: export_encoder(model, folder, "keras"),
}


def convert_and_save(
    files: Sequence[Path],
    out: Path,
    *,
    preset: str | None = None,
    to: str = "model",
    dtype: str = "float16",
) -> list[str]:
    """Converts files and writes the result.

    Args:
        files: Published files; for another `to` than `model`, one model file.
        out: The model file to write; for another `to` the folder.
        preset: As for `convert_files`.
        to: `model`, or what to turn a model file back into: `published`,
            `torchvision` or `keras`.
        dtype: Data type of the model file.

    Returns:
        Lines that say what was written.

    Raises:
        FileNotFoundError: If a file is missing.
        ImportError: If a package that writes or reads the format is not installed.
        OSError: If a file cannot be written.
        ValueError: If the files or arguments do not fit each other.
    """
    if to != "model":
        if preset is not None:
            raise ValueError(
                "preset is allowed with --to model only: a model file has its own"
            )
        return _convert_back(files, out, to)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if any(path.exists() and out.exists() and path.samefile(out) for path in files):
        raise ValueError(
            f"{out} must not be one of the files to convert; give another name"
        )
    model = convert_files(files, preset)
    digest = save_model(out, model, dtype)
    kind = model.provenance.get("preset", "no preset")
    return [
        f"{out}: {model.method}, {_describe_encoder(model)}, {kind} "
        f"(SHA-256 of its values {digest[:16]}...)"
    ]


def _convert_back(files: Sequence[Path], folder: Path, to: str) -> list[str]:
    if to not in EXPORTS:
        allowed = ", ".join(("model", *EXPORTS))
        raise ValueError(f"to must be one of {allowed}, got {to!r}")
    if len(files) != 1:
        raise ValueError(f"--to {to} takes one model file, got {len(files)} files")
    model = load_model(files[0])
    paths = EXPORTS[to](model, folder)
    return [*map(str, paths), f"from {model.method}, {_describe_encoder(model)}"]


def _describe_encoder(model: ModelFile) -> str:
    names = [n for n in conv_names("vgg19") if n in model.encoder_params]
    architecture, convention = model.encoder
    if not names:
        return "no encoder"
    return f"{convention} {architecture} up to {names[-1]}"


def describe_file(path: Path) -> dict[str, Any]:
    """Returns a description of a weight file of any known format, ready for JSON.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the file is HDF5, and h5py is not installed.
        ValueError: If it is damaged, or of no known format.
    """
    check_weights(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no weight file {path}")
    refuse_foreign(path)
    if not is_model_file(path):
        known = find_format_of(path)
        return {
            "format": known.name,
            "role": known.role,
            "tensors": len(known.entries),
            "up_to": known.entries[-1].path[0],
        }
    model = load_model(path)
    return {
        "format": "styleflax",
        "method": model.method,
        "encoder": _describe_encoder(model),
        "trained_parts": sorted(model.players),
        "arithmetic": model.arithmetic,
        "provenance": model.provenance,
        "sha256_of_values": model_digest(model),
    }
