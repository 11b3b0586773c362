"""The network whose features are compared, ready for this use."""

import os

import jax.numpy as jnp
import numpy as np

from styleflax.images.files import load_image_u8, resize_short_side
from styleflax.images.pixels import to_float
from styleflax.images.samples import training_photos
from styleflax.models.normalization import normalise_activations
from styleflax.models.vgg import VGG, cut_params
from styleflax.types import Params
from styleflax.weights.encoder import load_encoder

_SIDE_PX = 224


def load_gatys_encoder(
    name_or_file: str | os.PathLike[str], layers: tuple[str, ...]
) -> Params:
    """A VGG whose filters are scaled so that all layers' activations are about 1.

    Those of the package's models, and of the normalised VGG-19, are scaled already;
    others are, over the photographs that come with scikit-image.

    Args:
        name_or_file: As for `weights.encoder.load_encoder`: "sanet" is a VGG-16 down
            to relu5_1.
        layers: That are needed.

    Raises:
        FileNotFoundError: If there is no such encoder.
        ValueError: If it lacks a layer.
    """
    params, spec, is_trained_on = load_encoder(name_or_file)
    needed = VGG(layers, spec.architecture, spec.convention).depth()
    if missing := [name for name in needed if name not in params]:
        raise ValueError(
            f"encoder {os.fspath(name_or_file)!r} ends before {missing[-1]}: take "
            "layers that it has, or an encoder such as vgg16 or vgg19"
        )
    params = cut_params(params, layers)
    if is_trained_on or spec.convention == "normalised":
        return params
    squares = [
        np.asarray(resize_short_side(load_image_u8(path), _SIDE_PX))
        for path in training_photos()
    ]
    batch_u8 = np.stack([one[:_SIDE_PX, :_SIDE_PX] for one in squares])
    return normalise_activations(params, jnp.asarray(to_float(batch_u8)), batch_size=1)
