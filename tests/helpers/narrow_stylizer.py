"""Stylizers of a few channels, whose programs take next to no time."""

import dataclasses

import jax
import numpy as np
import numpy_adain
import numpy_sanet

from styleflax import methods
from styleflax.config import Arithmetic
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.base import Variables
from styleflax.methods.model import Model
from styleflax.weights.store import EncoderSpec, ModelFile

# Encoder, trained part with the first seed whose ReLUs are not all dead, and the factor
# on its last kernel that makes pictures of mid-gray with some color, far from the
# ends of the range.
NETWORKS = {
    "adain": (numpy_adain.random_encoder, numpy_adain.random_decoder, 5, 0.05),
    "sanet": (numpy_sanet.random_encoder, numpy_sanet.random_model, 7, 0.5),
}


def make_narrow_stylizer(name, seed=0, **ways):
    """A stylizer of random networks, called adain0 or the like."""
    method = methods.build(name, width=numpy_adain.WIDTH)
    make_encoder, make_params, first, contrast = NETWORKS[name]
    encoder, params = make_encoder(), make_params(seed=first + seed)
    last = params["conv1_1"]
    params["conv1_1"] = {
        "kernel": last["kernel"] * np.float32(contrast),
        "bias": np.full_like(last["bias"], 0.5),
    }
    spec = EncoderSpec("vgg16", "torchvision")
    arithmetic = dataclasses.asdict(Arithmetic())
    file = ModelFile(
        *(name, spec, encoder, {"model": params}, {}, arithmetic, {}), method.options
    )
    variables = jax.device_put(Variables({"model": params}, {}))
    model = Model(method, variables, jax.device_put({"encoder": encoder}))
    return Stylizer(model, jax.devices()[:1], file=file, name=f"{name}{seed}", **ways)
