"""Narrow models on a VGG-19, which sees furthest, and their results in NumPy."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy_adain
import numpy_sanet

from styleflax.methods import build
from styleflax.methods.base import Method, Variables
from styleflax.methods.model import Model

DEEPER = ("conv4_2", "conv4_3", "conv4_4", "pool", "conv5_1")
STYLE_SIZES = ((24, 40), (32, 16))


class Case(NamedTuple):
    """A model, and all that its method's tests differ in.

    Attributes:
        model: Its pictures are gray enough to be hardly clipped.
        tile_px: Nearly the least possible, for many windows in small pictures.
        encode: Features in NumPy.
        styles: As the method keeps them.
        style_features: The same in NumPy.
    """

    model: Model
    tile_px: int
    encode: Any
    styles: list[Any]
    style_features: list[Any]

    def whole(self, content_u8, alpha):
        """The first style's picture, by a program that knows nothing of tiles."""
        params = self.model.variables.players["model"]
        features = self.encode(content_u8[None] / 255.0)
        if "relu5_1" in features:
            style = self.style_features[:1]
            merged = numpy_sanet.transfer(params, features, style, [1.0], alpha)
        else:
            style = self.style_features[0]["relu4_1"]
            merged = numpy_adain.adain(features["relu4_1"], style, alpha)
        height, width, _ = content_u8.shape
        return numpy_adain.decode(params, merged)[0, :height, :width].clip(0, 1)


def make_case(name):
    """The case of `adain` or `sanet`."""
    names = numpy_adain.VGG19_TO_RELU4_1 + (DEEPER if name == "sanet" else ())
    encoder = numpy_adain.random_network(names, numpy_sanet.ENCODER_WIDTHS, 3)
    params = numpy_sanet.random_model() if name == "sanet" else _adain_decoder()
    last = params["conv1_1"]
    contrast = {"adain": 0.2, "sanet": 0.04}[name]
    gray = {"kernel": contrast * last["kernel"], "bias": np.full(3, 0.5, np.float32)}
    variables = Variables({"model": params | {"conv1_1": gray}}, {})
    encode = partial(numpy_adain.encode, encoder, names=names)
    features = [
        encode(numpy_adain.random_images(*size, seed=size[0])) for size in STYLE_SIZES
    ]
    method, tile_px = make_narrow(name), {"adain": 144, "sanet": 272}[name]
    styles = [_kept(name, f) for f in features]
    model = Model(method, variables, {"encoder": encoder})
    return Case(model, tile_px, encode, styles, features)


def _adain_decoder():
    widths = numpy_adain.DECODER_WIDTHS
    channels = numpy_sanet.ENCODER_WIDTHS[3]
    return numpy_adain.random_network(numpy_adain.DECODER, widths, channels, 1)


def make_narrow(name) -> Method:
    """The method with networks of a few channels."""
    return build(name, width=numpy_adain.WIDTH)


def _kept(name, features):
    if name == "sanet":
        return {k: np.float32(features[k]) for k in numpy_sanet.ATTENDED}
    mean, std = numpy_adain.mean_std(features["relu4_1"])
    return {"mean": np.float32(mean), "std": np.float32(std)}
