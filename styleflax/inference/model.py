"""A model file as something that runs."""

import dataclasses
from typing import NamedTuple, get_args

import jax
from jax.typing import DTypeLike

from styleflax import methods
from styleflax.config import Arithmetic
from styleflax.methods.base import Method, Variables
from styleflax.models.vgg import VGG, Architecture, Convention
from styleflax.types import Params
from styleflax.weights.store import ENCODER_ONLY, ModelFile, check_params


class Model(NamedTuple):
    """A method with the parameters it runs on."""

    method: Method
    variables: Variables
    frozen: Params


def build_model(
    file: ModelFile, dtype: DTypeLike = "float32", *, native: bool = False
) -> Model:
    """The method that a model file was trained for, and its parameters.

    Args:
        file: As loaded.
        dtype: Compute type.
        native: Use XLA's own convolution also on CPU; see `ops.conv`.

    Raises:
        ValueError: If the file's method, encoder or arithmetic is unknown, or its
            parameters are not that method's; lists missing and extra names.
    """
    if file.method == ENCODER_ONLY:
        raise ValueError(
            "the model file holds an encoder alone and no method: train one on it with "
            "--config.encoder.weights=FILE, or convert it with its decoder"
        )
    arithmetic = read_arithmetic(file)
    method = methods.build(
        file.method, arithmetic=arithmetic, dtype=dtype, native=native
    )
    expected = jax.eval_shape(method.init, jax.random.key(0))
    for player in file.players.keys() - expected.players.keys():
        check_params({}, {player: file.players[player]}, "the trained parts")
    for player, params in expected.players.items():
        check_params(
            params, file.players.get(player, {}), f"the trained part {player!r}"
        )
    _check_encoder(file, method)
    frozen = jax.device_put({"encoder": file.encoder_params})
    return Model(method, jax.device_put(Variables(file.players, file.state)), frozen)


def read_arithmetic(file: ModelFile) -> Arithmetic:
    """The arithmetic preset of a model file.

    Raises:
        ValueError: If it has fields that this version does not know.
    """
    known = {field.name for field in dataclasses.fields(Arithmetic)}
    if unknown := sorted(file.arithmetic.keys() - known):
        raise ValueError(
            f"the model's arithmetic has unknown fields {unknown}; there are "
            f"{sorted(known)}"
        )
    return Arithmetic(**file.arithmetic)


def _check_encoder(file: ModelFile, method: Method) -> None:
    spec = file.encoder
    allowed = {
        "architecture": get_args(Architecture),
        "convention": get_args(Convention),
    }
    for name, values in allowed.items():
        if getattr(spec, name) not in values:
            raise ValueError(
                f"the encoder's {name} {getattr(spec, name)!r} is unknown; there are "
                f"{sorted(values)}"
            )
    encoder = VGG(method.encoder_layers, spec.architecture, spec.convention)
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), "float32")
    shapes = jax.eval_shape(encoder.init, jax.random.key(0), image)
    check_params(shapes["params"], file.encoder_params, "the encoder")
