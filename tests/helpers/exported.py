"""Narrow models of all methods as ONNX files, and sessions that run them."""

import jax
import numpy as np
import numpy_adain
import numpy_sanet
import onnxruntime

from styleflax import methods
from styleflax.weights.store import EncoderSpec, ModelFile

WIDTH = numpy_adain.WIDTH
STYLES = {"styles": ["wave", "starry", "night"]}
CASES = {
    "adain": ("adain", {"width": WIDTH}),
    "adain-converted": ("adain", {"width": WIDTH}),
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


def published_encoder():
    """A VGG-19 of the convention of published checkpoints, narrow and random."""
    names = numpy_adain.VGG19_TO_RELU4_1
    encoder = numpy_adain.random_network(names, numpy_adain.ENCODER_WIDTHS, 3)
    encoder["conv1_1"]["kernel"] /= 100  # of pixels in [0, 255]
    reverse = 255 * np.eye(3, dtype="f4")[None, None, ::-1]
    mean = np.float32([-103.939, -116.779, -123.68])
    return encoder | {"preprocess": {"kernel": reverse, "bias": mean}}


ENCODERS = {
    "adain": (numpy_adain.random_encoder, EncoderSpec("vgg16", "torchvision")),
    "adain-converted": (published_encoder, EncoderSpec("vgg19", "normalised")),
    "sanet": (numpy_sanet.random_encoder, EncoderSpec("vgg16", "torchvision")),
}
NO_ENCODER = (dict, EncoderSpec("vgg16", "torchvision"))
ARITHMETIC = {"adain-converted": {"ddof": 1, "eps": 1e-5, "style_eps": 0.0}}


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
    if options.get("output") == "linear":  # of [0, 255]
        players["model"]["conv_out"]["kernel"] *= 250
        players["model"]["conv_out"]["bias"] += 128
    make_encoder, spec = ENCODERS.get(case, NO_ENCODER)
    arithmetic = ARITHMETIC.get(case, {})
    return ModelFile(
        *(name, spec, make_encoder(), players, state, arithmetic, {}, method.options),
        palettes={style: palette_of(i) for i, style in enumerate(method.styles)},
    )


def palette_of(seed):
    """Mean and covariance of a picture's colors, as model files have them."""
    colors = np.random.default_rng(seed).random((50, 3)) ** (1 + seed)
    covariance = np.cov(colors.T, bias=True)
    return {"mean": [colors.mean(axis=0).tolist()], "covariance": [covariance.tolist()]}


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
