"""Narrow models of methods whose styles are their own."""

import jax
import numpy as np
import numpy_adain

from styleflax import methods
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import build_model
from styleflax.models.vgg import WIDTHS
from styleflax.weights.store import EncoderSpec, ModelFile

# Programs that judge by shallow layers compile sooner.
SMALL = {
    "width": 0.05,
    "residual_blocks": 1,
    "content_layer": "relu1_2",
    "style_layers": ["relu1_1", "relu2_1"],
}
OPTIONS = {
    "johnson": {
        "styles": ["wave"],
        "norm": "instance",
        "padding": "mirror",
        **SMALL,
    },
    "cin": {"styles": ["wave", "starry", "night"], **SMALL},
}


def random_encoder():
    """As deep as the layers above, and as wide as a VGG-16."""
    names = ("conv1_1", "conv1_2", "conv2_1")
    return numpy_adain.random_network(names, WIDTHS, 3)


def make_file(name, seed=0):
    """A model file of random parameters."""
    method = methods.build(name, **OPTIONS[name])
    rng = np.random.default_rng(seed)

    def draw(leaf):
        return (rng.standard_normal(leaf.shape) * 0.2).astype(np.float32)

    shapes = jax.eval_shape(method.init, jax.random.key(0))
    players, state = jax.tree.map(draw, (shapes.players, shapes.state))
    encoder = random_encoder()
    spec = EncoderSpec("vgg16", "torchvision")
    options = method.options
    return ModelFile(name, spec, encoder, players, state, {}, {}, options)


def make_stylizer(file, name):
    """The stylizer of such a file."""
    return Stylizer(build_model(file), jax.devices()[:1], file=file, name=name)
