"""A model file of a few parameters that holds every kind of part."""

import numpy as np

from styleflax.weights.store import EncoderSpec, ModelFile


def make_model(**changes):
    rng = np.random.default_rng(0)

    def conv(*shape):
        return {
            "kernel": rng.normal(size=shape).astype("f4"),
            "bias": np.zeros(shape[-1]),
        }

    model = ModelFile(
        method="adain",
        encoder=EncoderSpec("vgg16", "torchvision"),
        encoder_params={"conv1_1": conv(3, 3, 3, 4), "conv1_2": conv(3, 3, 4, 4)},
        players={"model": {"conv0": conv(3, 3, 4, 3)}, "critic": {}},
        state={"norm": {"mean": np.arange(3.0)}},
        arithmetic={
            "ddof": 1,
            "eps": 1e-5,
            "layers": ("relu1_1", "relu1_2"),
            "a": None,
        },
        provenance={"steps": 3, "versions": {"jax": "0.10"}},
    )
    return model._replace(**changes)
