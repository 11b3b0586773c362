import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.models.channel_norm import NORMS, check_norm
from styleflax.models.decoder import Decoder

CHANNELS = numpy_adain.ENCODER_WIDTHS[3]
RNG = np.random.default_rng(2)
FEATURES = jnp.asarray(RNG.normal(0.5, 1.0, (2, 3, 4, CHANNELS)), jnp.float32)


def make_decoder(norm):
    return Decoder(layers=numpy_adain.DECODER_WIDTHS, native=True, norm=norm)


def shapes_of(norm):
    return jax.eval_shape(make_decoder(norm).init, jax.random.key(0), FEATURES)


def variables_of(norm):
    """Random convolutions without biases; scales and variances of 1, the rest 0."""
    convs = {
        name: {**conv, "bias": np.zeros_like(conv["bias"])}
        for name, conv in numpy_adain.random_decoder().items()
    }
    values = {"scale": np.ones, "var": np.ones, "bias": np.zeros, "mean": np.zeros}
    rest = jax.tree.map_with_path(
        lambda path, leaf: values.get(path[-1].key, np.zeros)(leaf.shape, "f4"),
        shapes_of(norm),
    )
    return {**rest, "params": {**rest["params"], **convs}}


def relative(a, b):
    return float(jnp.linalg.norm(a - b) / jnp.linalg.norm(b))


def test_norms_stand_after_every_convolution_but_the_last():
    for norm in NORMS:
        variables = shapes_of(norm)
        expected = set() if norm == "none" else set(numpy_adain.DECODER_WIDTHS)
        expected = {name.replace("conv", "norm") for name in expected - {"conv1_1"}}
        assert set(variables["params"]) - set(numpy_adain.DECODER_WIDTHS) == expected
        kept = set(variables.get("batch_stats", {}))
        assert kept == (expected if norm == "batch" else set())


def test_an_instance_norm_takes_the_strength_of_every_channel_away():
    decoder, variables = make_decoder("instance"), variables_of("instance")
    apply = jax.jit(decoder.apply)
    # Without biases the first convolution is linear.
    gains = jnp.array([1.0, 7.0])[:, None, None, None]
    image = apply(variables, jnp.concatenate([FEATURES[:1]] * 2) * gains)
    assert relative(image[1], image[0]) < 1e-4


def test_a_batch_norm_of_the_batchs_statistics_is_that_of_training():
    decoder, variables = make_decoder("batch"), variables_of("batch")
    train = jax.jit(
        lambda v, x: decoder.apply(v, x, training=True, mutable=["batch_stats"])
    )
    image, updated = train(variables, FEATURES)
    # Flax mixes a tenth of the batch's statistics into those that it keeps.
    of_batch = jax.tree.map(
        lambda new, old: 10.0 * new - 9.0 * old,
        updated["batch_stats"],
        variables["batch_stats"],
    )
    apply = jax.jit(decoder.apply)
    assert (
        relative(apply(variables | {"batch_stats": of_batch}, FEATURES), image) < 1e-4
    )
    assert relative(apply(variables, FEATURES), image) > 0.1
    # By the population's statistics, no picture looks at another.
    other = FEATURES.at[1].multiply(3.0)
    first, beside = (apply(variables, x)[0] for x in (FEATURES, other))
    assert relative(beside, first) < 1e-6


def test_an_unknown_norm_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"norm must be one of .*'layer'") as caught:
        check_norm("layer")
    assert all(norm in str(caught.value) for norm in NORMS)
