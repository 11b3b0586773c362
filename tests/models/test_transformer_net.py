import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from styleflax.models.transformer_net import TransformerNet, check_choices

# Programs of XLA's own convolutions and of one residual block compile sooner.
QUICK = {"width": 0.03, "native": True}
ONE_BLOCK = {**QUICK, "residual_blocks": 1}
MIRROR = {"padding": "mirror", "upsampling": "nearest", "output": "sigmoid"}
IMAGE = jax.ShapeDtypeStruct((1, 16, 16, 3), jnp.float32)
RNG = np.random.default_rng(0)


def shapes_of(net):
    init = lambda key: net.lazy_init(key, IMAGE, lambda _, x: x)  # noqa: E731
    return jax.eval_shape(init, jax.random.key(0))


def drawn(net, seed=0):
    """Random variables, sooner made than Flax's."""
    rng = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[0].key == "batch_stats":
            return jnp.full(leaf.shape, 1.0 if path[-1].key == "var" else 0.0)
        return jnp.asarray(rng.normal(0, 0.3, leaf.shape), jnp.float32)

    return jax.tree_util.tree_map_with_path(draw, shapes_of(net))


def pictures(height, width, number=1):
    return jnp.asarray(RNG.uniform(size=(number, height, width, 3)), jnp.float32)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


# By hand: two 9x9 and fifteen 3x3 kernels less one; 3200 scales and shifts.
KERNELS = 2 * 81 * 3 * 32 + 9 * 2 * (32 * 64 + 64 * 128) + 10 * 9 * 128 * 128


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, KERNELS + 3200 + 3),
        ({"norm": "instance"}, KERNELS + 3200 + 3),
        ({"norm": "none"}, KERNELS + 1600 + 3),
        ({"norm": "conditional", "normalize_output": True, **MIRROR}, KERNELS),
    ],
)
def test_the_numbers_of_parameters_are_pinned(options, expected):
    assert count(shapes_of(TransformerNet(**options))["params"]) == expected


def test_half_the_width_has_half_the_channels():
    channels = TransformerNet(width=0.5).channels()
    assert (channels["conv1"], channels["residual3_1"]) == (16, 64)
    assert channels["conv_out"] == 3


@pytest.mark.parametrize(
    ("options", "size"),
    [({}, (17, 22)), ({**MIRROR, "native": False}, (19, 16))],
    ids=["start", "mirror"],
)
def test_pictures_of_any_size_keep_it(options, size):
    net = TransformerNet(norm="instance", **QUICK | options)
    variables = drawn(net)
    made = jax.jit(net.apply)(variables, pictures(*size, number=2))
    assert made.shape == (2, *size, 3)
    assert bool(jnp.isfinite(made).all())
    for other in ((16, 16), (43, 33), (64, 57)):
        images = jax.ShapeDtypeStruct((1, *other, 3), jnp.float32)
        assert jax.eval_shape(net.apply, variables, images).shape == images.shape


def test_batch_statistics_move_towards_the_batch_s_and_serve_afterwards():
    net = TransformerNet(**ONE_BLOCK, **MIRROR)
    variables, batch = drawn(net), pictures(16, 16, number=3)

    @jax.jit
    def train(variables):
        return net.apply(variables, batch, train=True, mutable=["batch_stats"])

    seen, changed = train(variables)
    new, old = changed["batch_stats"], variables["batch_stats"]
    # What train mode normalizes by is ten times the change, away from the old.
    exact = jax.tree.map(lambda a, b: (a - 0.9 * b) / 0.1, new, old)
    population = {**variables, "batch_stats": exact}
    apply = jax.jit(net.apply)
    np.testing.assert_allclose(apply(population, batch), seen, atol=2e-3)
    assert float(jnp.abs(apply(variables, batch) - seen).max()) > 0.01


def test_instance_norm_makes_contrasts_and_brightnesses_alike():
    net = TransformerNet(norm="instance", **ONE_BLOCK, **MIRROR)
    variables, image = drawn(net), pictures(24, 16)
    apply = jax.jit(net.apply)
    np.testing.assert_allclose(
        apply(variables, image), apply(variables, 0.5 * image + 0.2), atol=2e-3
    )


def test_conditional_norm_with_the_instance_norm_s_numbers_is_that():
    instance = TransformerNet(norm="instance", **ONE_BLOCK, **MIRROR)
    variables, image = drawn(instance), pictures(16, 16)
    params = variables["params"]

    def modulate(name, x):
        norm = params[f"{name}_norm"]
        return x * norm["scale"] + norm["bias"]

    net = instance.clone(norm="conditional")
    convs = {k: v for k, v in params.items() if not k.endswith("_norm")}
    made = jax.jit(lambda p, x: net.apply({"params": p}, x, modulate))(convs, image)
    expected = jax.jit(instance.apply)(variables, image)
    np.testing.assert_allclose(made, expected, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [{"norm": "layer"}, {"padding": "same"}, {"upsampling": "bilinear"}, {"width": 0}],
)
def test_unknown_parts_are_refused_by_name(monkeypatch, options):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=next(iter(options))):
        check_choices(TransformerNet(**options))
