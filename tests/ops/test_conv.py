import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from styleflax.ops.conv import conv3x3_reflect, upsample_conv3x3_reflect

# Height, width, channels in and out.
SHAPES = [
    (1, 1, 3, 64),
    (1, 5, 64, 3),
    (2, 2, 130, 130),
    (3, 7, 256, 130),
    (16, 17, 64, 64),
]


def plain(x, kernel, bias):
    for axis in (1, 2):
        width = [(0, 0)] * 4
        width[axis] = (1, 1)
        x = jnp.pad(x, width, mode="reflect" if x.shape[axis] > 1 else "edge")
    layout = ("NHWC", "HWIO", "NHWC")
    y = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=layout)
    return y + bias


def plain_upsampled(x, kernel, bias):
    return plain(jnp.repeat(jnp.repeat(x, 2, 1), 2, 2), kernel, bias)


PAIRS = {
    "conv": (conv3x3_reflect, plain),
    "upsample_conv": (upsample_conv3x3_reflect, plain_upsampled),
}
both = pytest.mark.parametrize("name", PAIRS)


def operands(h, w, i, o, dtype=jnp.float32, batch=2, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    x = jax.random.normal(keys[0], (batch, h, w, i), dtype)
    kernel = jax.random.normal(keys[1], (3, 3, i, o), dtype) / np.sqrt(9 * i)
    return x, kernel.astype(dtype), jax.random.normal(keys[2], (o,), dtype)


def loss_of(function, **options):
    # A smooth function of every output, so that no gradient is constant.
    return lambda *args: jnp.sum(jnp.sin(function(*args, **options)))


def value_and_gradients(function, args):
    def loss(*args):
        value = function(*args)
        return jnp.sum(jnp.sin(value)), value

    return jax.grad(loss, argnums=(0, 1, 2), has_aux=True)(*args)


def compiled(function, args):
    """Leaves: the three gradients and the value."""
    run = jax.jit(lambda *args: value_and_gradients(function, args))
    return jax.tree.leaves(run(*args))


def assert_close(actual, expected, tolerance=1e-5):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    assert actual.shape == expected.shape
    error = np.linalg.norm(actual - expected)
    assert error <= tolerance * np.linalg.norm(expected)


@both
@pytest.mark.parametrize("shape", SHAPES)
def test_value_and_gradients_equal_the_plain_formulation(name, shape):
    args = operands(*shape)
    ours, expected = (compiled(function, args) for function in PAIRS[name])
    for a, b in zip(ours, expected, strict=True):
        assert_close(a, b)


def test_an_enlarged_map_s_convolution_equals_the_default():
    args = operands(5, 6, 3, 4)
    native = jax.jit(lambda *a: upsample_conv3x3_reflect(*a, native=True))(*args)
    assert_close(native, jax.jit(upsample_conv3x3_reflect)(*args))


def test_without_jit_equals_with_jit():
    args = operands(4, 3, 3, 4)
    eager = jax.tree.leaves(value_and_gradients(conv3x3_reflect, args))
    for a, b in zip(eager, compiled(conv3x3_reflect, args), strict=True):
        assert_close(a, b)


def test_conv_equals_sums_written_out_in_numpy():
    args = operands(3, 4, 2, 5, batch=1)
    x, kernel, bias = (np.asarray(a, np.float64) for a in args)
    rows, columns = [1, 0, 1, 2, 1], [1, 0, 1, 2, 3, 2]
    expected = np.empty((1, 3, 4, 5))
    for y in range(3):
        for z in range(4):
            window = x[0][rows[y : y + 3]][:, columns[z : z + 3]]
            expected[0, y, z] = np.einsum("rci,rcio->o", window, kernel) + bias
    assert_close(jax.jit(conv3x3_reflect)(*args), expected, 1e-6)


def test_constant_map_gives_the_sum_of_the_kernel_everywhere():
    _, kernel, bias = operands(5, 7, 3, 4)
    x = jnp.full((1, 5, 7, 3), 2.0)
    expected = 2 * np.sum(kernel, axis=(0, 1, 2)) + bias
    for function, size in (
        (conv3x3_reflect, (5, 7)),
        (upsample_conv3x3_reflect, (10, 14)),
    ):
        got = jax.jit(function)(x, kernel, bias)
        assert_close(got, np.broadcast_to(expected, (1, *size, 4)))


@both
def test_bfloat16_stays_bfloat16_and_is_near_float32(name):
    function, args = PAIRS[name][0], operands(6, 5, 8, 16, jnp.bfloat16)
    exact = compiled(function, [a.astype(jnp.float32) for a in args])
    for a, b in zip(compiled(function, args), exact, strict=True):
        assert a.dtype == jnp.bfloat16
        assert_close(a, b, 2e-2)


def flops_of_gradient(argnums, args):
    loss = loss_of(conv3x3_reflect)
    program = jax.jit(jax.grad(loss, argnums)).lower(*args).compile()
    return program.cost_analysis()["flops"]


def test_frozen_kernel_costs_no_kernel_gradient():
    args = operands(12, 12, 32, 16)
    forward = 2 * 9 * 32 * 16 * 2 * 12 * 12
    # Forward and input gradient, with the borders that both compute in addition.
    assert flops_of_gradient(0, args) < 2.5 * forward
    assert flops_of_gradient((0, 1), args) > 2.9 * forward


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 32), (32, 3)])
def test_nor_does_it_to_and_from_an_image(inputs, outputs):
    args = operands(12, 12, inputs, outputs)
    product = 2 * 9 * inputs * outputs * 2 * 12 * 12
    saved = flops_of_gradient((0, 1), args) - flops_of_gradient(0, args)
    assert saved > 0.9 * product


@both
def test_forward_mode_equals_that_of_the_plain_formulation(name):
    function, reference = PAIRS[name]
    args = operands(4, 5, 3, 4)
    tangents = jax.tree.map(jnp.sin, args)

    def pushed(function):
        return jax.jit(lambda *pair: jax.jvp(function, *pair))(args, tangents)

    for a, b in zip(pushed(function), pushed(reference), strict=True):
        assert_close(a, b)


@both
@pytest.mark.parametrize("channels", [(3, 12), (16, 3)])
def test_vmap_over_maps_and_kernels_equals_a_loop(name, channels):
    function = PAIRS[name][0]
    many = [operands(4, 5, *channels, seed=seed) for seed in range(2)]
    stacked = jax.tree.map(lambda *a: jnp.stack(a), *many)
    gradient = jax.jit(jax.grad(loss_of(function), argnums=(0, 1, 2)))
    looped = [gradient(*args) for args in many]
    expected = jax.tree.map(lambda *a: jnp.stack(a), *looped)
    for a, b in zip(jax.vmap(gradient)(*stacked), expected, strict=True):
        assert_close(a, b)


@both
def test_inside_scan_equals_a_loop(name):
    function = PAIRS[name][0]
    x, kernel, bias = operands(3, 4, 3, 12, batch=2)
    gradient = jax.jit(jax.grad(loss_of(function), argnums=1))

    def add(total, one):
        return total + gradient(one[None], kernel, bias), None

    total, _ = jax.jit(lambda: lax.scan(add, jnp.zeros_like(kernel), x))()
    assert_close(total, gradient(x, kernel, bias))


def mean_gradient(function):
    """The pmean of kernel gradients, right under every way of mapping."""

    def mean_loss(kernel, x, bias):
        return lax.pmean(jnp.mean(jnp.sin(function(x, kernel, bias))), "data")

    return lambda *args: lax.pmean(jax.grad(mean_loss)(*args), "data")


@both
@pytest.mark.parametrize("way", ["pmap", "shard_map", "shard_map_checked"])
def test_gradient_over_two_devices_equals_one(name, way):
    function = PAIRS[name][0]
    x, kernel, bias = operands(4, 5, 3, 12, batch=4)
    step = mean_gradient(function)
    if way == "pmap":
        axes = {"in_axes": (None, 0, None), "out_axes": None}
        mapped = jax.pmap(step, "data", **axes)
        actual = mapped(kernel, x.reshape(2, 2, *x.shape[1:]), bias)
    else:
        mesh = Mesh(np.array(jax.devices()[:2]), ("data",))
        specs = {"in_specs": (P(), P("data"), P()), "out_specs": P()}
        checked = way == "shard_map_checked"
        mapped = jax.shard_map(step, mesh=mesh, check_vma=checked, **specs)
        actual = jax.jit(mapped)(kernel, x, bias)

    def mean_loss(kernel):
        return jnp.mean(jnp.sin(function(x, kernel, bias)))

    assert_close(actual, jax.jit(jax.grad(mean_loss))(kernel))


@both
@pytest.mark.parametrize("platforms", [("cuda",), ("tpu",), ("cpu", "cuda", "tpu")])
def test_gradient_lowers_for_other_platforms(name, platforms):
    gradient = jax.jit(jax.grad(loss_of(PAIRS[name][0]), argnums=(0, 1, 2)))
    args = operands(4, 5, 16, 16)
    shapes = [jax.ShapeDtypeStruct(a.shape, a.dtype) for a in args]
    jax.export.export(gradient, platforms=platforms)(*shapes)
