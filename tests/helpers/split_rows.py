"""A picture split over eight virtual devices; prints what happened as JSON.

    python split_rows.py METHOD HEIGHT WIDTH [matched]

A process of its own, since the number of devices stands when JAX starts.
"""

import json
import os
import re
import sys

from quick_programs import quick_flags

os.environ["XLA_FLAGS"] = quick_flags(8)
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ.setdefault("NPROC", "32")

import jax
import jax.numpy as jnp
import numpy as np

from styleflax import methods
from styleflax.methods.base import encode_painting, plain_controls, stylize
from styleflax.models.vgg import VGG, scale_widths
from styleflax.parallel import RowSplit

WIDTH = 1 / 4
COLLECTIVES = (
    "all-gather",
    "all-reduce",
    "all-to-all",
    "collective-permute",
    "reduce-scatter",
)


def drawn(init, *arguments):
    rng = np.random.default_rng(1)

    def draw(leaf):
        fan_in = np.prod(leaf.shape[:-1])
        return np.float32(rng.standard_normal(leaf.shape) * np.sqrt(2 / fan_in))

    return jax.tree.map(draw, jax.eval_shape(init, *arguments))


def main(name, height, width, *, matched):
    method = methods.build(name, native=True, width=WIDTH)
    encoder = VGG(method.encoder_layers, widths=scale_widths(WIDTH))
    small = jnp.zeros((1, 16, 16, 3))
    frozen = {"encoder": drawn(encoder.init, jax.random.key(0), small)["params"]}
    variables = drawn(method.init, jax.random.key(0))
    rng = np.random.default_rng(0)
    content, style = (
        np.float32(rng.uniform(0, 1, (1, *size, 3)))
        for size in ((height, width), (24, 32))
    )
    encoded = jax.jit(
        lambda v, f, image: encode_painting(method, v, f, {"image": image})
    )(variables, frozen, style)
    controls = plain_controls()
    if matched:
        looks = {"color_match": jnp.full(1, 0.8), "detail": jnp.full(1, 0.4)}
        controls = plain_controls(0.6)._replace(**looks)
    arguments = (variables, frozen, [encoded], controls)

    def whole(arguments, image):
        variables, frozen, styles, controls = arguments
        return stylize(method, variables, frozen, image, styles, controls)

    expected = np.asarray(jax.jit(whole)(arguments, content))
    # The second compilation finds the first one's program in the cache.
    split = RowSplit(whole, jax.devices())
    text = split.compile(arguments, content).as_text()
    got = split(arguments, content)
    pattern = rf"^.*? = (.*?) ({'|'.join(COLLECTIVES)})(?:-start)?\(.*$"
    found = [
        (match[2], match[1], "/branch_" in match[0])
        for match in re.finditer(pattern, text, re.M)
    ]
    return {
        "shape": got.shape,
        "deviation": float(np.linalg.norm(got - expected) / np.linalg.norm(expected)),
        "collectives": found,
    }


if __name__ == "__main__":
    name, height, width, *looks = sys.argv[1:]
    print(json.dumps(main(name, int(height), int(width), matched=bool(looks))))
