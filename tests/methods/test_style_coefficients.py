"""Factors on the terms of single styles, by which `cin` judges picture by picture."""

import math

import jax
import jax.numpy as jnp
import numpy_sanet
import pytest
from jax.extend.core import jaxprs_in_params

from styleflax.config import Arithmetic, FeedForwardOptions
from styleflax.methods.cin import check_coefficients
from styleflax.methods.features import FrozenEncoder
from styleflax.methods.feed_forward import make_perception


@pytest.fixture(scope="module")
def perception():
    """Compares all pairs of positions, in chunks."""
    encode = FrozenEncoder(jnp.float32)
    weights = {"mmd_gaussian": 1.0}
    layers = {"content_layer": "relu1_2", "style_layers": ("relu1_1",)}
    options = FeedForwardOptions(**layers)
    return make_perception(encode, weights, Arithmetic(), options)


@pytest.mark.parametrize(
    ("given", "kept"), [((1.0, 1.0), ()), ((1.0, 2.0), (1.0, 2.0))]
)
def test_coefficients_that_are_all_1_are_none(given, kept):
    assert check_coefficients(given, 2) == kept


def test_a_larger_batch_compares_no_more_positions_at_a_time(perception):
    sizes = {}
    for batch in (1, 3):
        image = jax.ShapeDtypeStruct((batch, 16, 16, 3), jnp.float32)
        factors = jax.ShapeDtypeStruct((batch,), jnp.float32)

        def judged(image, factors):
            frozen = {"encoder": numpy_sanet.random_encoder()}
            key = jax.random.key(0)
            return perception.judge(frozen, image, image, image, {}, key, factors)

        sizes[batch] = largest_table(jax.make_jaxpr(judged)(image, factors).jaxpr)
    assert sizes[1] == sizes[3] >= 256**2


def largest_table(jaxpr):
    """Most numbers in an array whose last axis is all 256 positions."""
    shapes = [v.aval.shape for equation in jaxpr.eqns for v in equation.outvars]
    sizes = [math.prod(shape) for shape in shapes if shape[-1:] == (256,)]
    inner = [
        largest_table(part)
        for equation in jaxpr.eqns
        for part in jaxprs_in_params(equation.params)
    ]
    return max((*sizes, *inner), default=0)
