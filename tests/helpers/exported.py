"""Narrow models of all methods as ONNX files, and sessions that run them."""

import jax
import numpy as np
import numpy_adain
import numpy_sanet
import onnxruntime

from styleflax import methods
from styleflax.weights.registry import EncoderSpec
from styleflax.weights.store import ModelFile

WIDTH = numpy_adain.WIDTH
STYLES = {"styles": ["wave", "starry", "night"]}
CASES = {
    "adain": ("adain", {"width": WIDTH}),
    "sanet": ("sanet", {"width": WIDTH}),
    "lite": ("lite", {"width": 0.25}),
    "johnson": ("johnson", {"width": 0.25, "residual_blocks": 1}),
    "johnson-instance": (
        "johnson",
        {
            **{"width": 0.25, "residual_blocks": 2, "norm": "instance"},
            **{"padding": "mirror", "upsampling": "nearest", "output": "linear"},
        },
    ),
    "johnson-nearest": (
        "johnson",
        {"width": 0.25, "residual_blocks": 1, "norm": "none", "upsampling": "nearest"},
    ),
    "cin": ("cin", {"width": 0.25, "residual_blocks": 2, **STYLES}),
}
"""By case its method and the options of its model file."""
ENCODERS = {"adain": numpy_adain.random_encoder, "sanet": numpy_sanet.random_encoder}


def make_file(case, seed=0):
    """A model file of random parameters, whose pictures stay within [0, 1] mostly."""
    name, options = CASES[case]
    method = methods.build(name, **options)
    rng = np.random.default_rng(seed)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1]) if len(leaf.shape) > 1 else 100
        return (rng.standard_normal(leaf.shape) * (1.5 / fan_in) ** 0.5).astype("f4")

    shapes = jax.eval_shape(method.init, jax.random.key(0))
    players, state = jax.tree.map(draw, (shapes.players, shapes.state))
    state = jax.tree.map(np.abs, state)  # variances are among it
    encoder = ENCODERS[name]() if name in ENCODERS else {}
    spec = EncoderSpec("vgg16", "torchvision")
    return ModelFile(name, spec, encoder, players, state, {}, {}, method.options)


def open_sessions(manifest, folder):
    """Sessions by part, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return {
        part: onnxruntime.InferenceSession(
            folder / entry["path"], options, ["CPUExecutionProvider"]
        )
        for part, entry in manifest["files"].items()
    }
