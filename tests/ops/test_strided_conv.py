import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.ops.conv import doubling_conv3x3, valid_conv

RNG = np.random.default_rng(0)
KERNEL = RNG.normal(size=(3, 3, 2, 5))
SIZES = [(1, 1), (4, 6), (5, 8)]


def halved(padded):
    """Every other position of the sum over taps, in float64."""
    rows, columns = padded.shape[1] - 2, padded.shape[2] - 2
    total = np.zeros((len(padded), rows, columns, KERNEL.shape[3]))
    for m in range(3):
        for n in range(3):
            total += padded[:, m : m + rows, n : n + columns] @ KERNEL[m, n]
    return total[:, ::2, ::2]


def doubled(x):
    """Every position adds its kernel to the result, whose border goes."""
    b, h, w, _ = x.shape
    total = np.zeros((b, 2 * h + 2, 2 * w + 2, KERNEL.shape[3]))
    for i in range(h):
        for j in range(w):
            spread = np.einsum("bi,mnio->bmno", x[:, i, j], KERNEL)
            total[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] += spread
    return total[:, 1:-1, 1:-1]


@pytest.mark.parametrize("native", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_strided_convolutions_agree_with_float64(size, native):
    x = RNG.normal(size=(2, *size, 2))
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    arrays = [jnp.asarray(a, jnp.float32) for a in (x, padded, KERNEL)]
    half = valid_conv(arrays[1], arrays[2], stride=2)
    np.testing.assert_allclose(half, halved(padded), rtol=1e-4, atol=1e-5)
    double = doubling_conv3x3(arrays[0], arrays[2], native=native)
    np.testing.assert_allclose(double, doubled(x), rtol=1e-4, atol=1e-5)


def test_gradients_are_those_of_xla_s_own_convolution():
    x = jnp.asarray(RNG.normal(size=(1, 5, 6, 2)), jnp.float32)
    kernel = jnp.asarray(KERNEL, jnp.float32)

    def loss(x, kernel, native):
        return jnp.sin(doubling_conv3x3(x, kernel, native=native)).sum()

    gradient = jax.jit(jax.grad(loss, argnums=(0, 1)), static_argnums=2)
    for own, xla in zip(
        gradient(x, kernel, False), gradient(x, kernel, True), strict=True
    ):
        np.testing.assert_allclose(own, xla, rtol=1e-3, atol=1e-4)
