import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy_adain import mean_std

from styleflax.ops import statistics
from styleflax.ops.statistics import safe_sqrt

channel_mean_std = jax.jit(statistics.channel_mean_std, static_argnames=("ddof", "eps"))
moments_mean_std = jax.jit(statistics.moments_mean_std, static_argnames=("ddof", "eps"))
merge_moments = jax.jit(statistics.merge_moments)
region_moments = jax.jit(statistics.region_moments)
RNG = np.random.default_rng(0)
SHAPES = [(1, 1, 1, 3), (2, 1, 7, 4), (1, 5, 6, 2), (2, 17, 13, 3), (2, 3, 75, 4)]


def feature_map(shape, dtype="f4"):
    return RNG.normal(3.0, 2.0, shape).astype(dtype)


def whole(x):
    return np.ones((1, *x.shape[1:3]), np.float32)


@pytest.mark.parametrize(("ddof", "variance"), [(0, 1.25), (1, 5 / 3)])
def test_statistics_of_one_to_four_are_known(ddof, variance):
    x = jnp.array([1.0, 2.0, 3.0, 4.0]).reshape(1, 2, 2, 1)
    mean, std = channel_mean_std(x, ddof=ddof, eps=0.5)
    assert float(mean[0, 0]) == 2.5
    assert float(std[0, 0]) == pytest.approx(np.sqrt(variance + 0.5), rel=1e-6)


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("shape", [*SHAPES, (1, 256, 256, 2)])
def test_statistics_agree_with_float64(shape, ddof):
    x = feature_map(shape)
    for got, expected in zip(
        channel_mean_std(x, ddof=ddof), mean_std(x, ddof), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_derivatives_are_those_of_the_formula():
    def formula(x):
        mean = x.mean(axis=(1, 2))
        squares = jnp.square(x - mean[:, None, None]).mean(axis=(1, 2))
        return mean, jnp.sqrt(squares + 1e-5)

    def total(function):
        return lambda x: sum(jnp.sin(2 * y).sum() for y in function(x))

    x, direction = feature_map((2, 3, 40, 2)), feature_map((2, 3, 40, 2))

    def derivatives(function):
        gradient = jax.grad(total(function))
        return jax.jit(lambda *pair: jax.jvp(gradient, *((y,) for y in pair)))(
            x, direction
        )

    for got, expected in zip(
        *map(derivatives, (channel_mean_std, formula)), strict=True
    ):
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got, expected, atol=1e-5 * scale)


@pytest.mark.parametrize("ddof", [0, 1])
def test_variance_of_a_single_position_is_zero(ddof):
    x = feature_map((2, 1, 1, 3))
    mean, std = channel_mean_std(x, ddof=ddof, eps=0.0)
    np.testing.assert_array_equal(mean, x[:, 0, 0])
    np.testing.assert_array_equal(std, 0.0)
    moments = region_moments(x, whole(x))
    _, std = moments_mean_std(moments, ddof=ddof, eps=0.0)
    np.testing.assert_array_equal(std, 0.0)


def test_statistics_do_not_depend_on_the_order_of_positions():
    x = feature_map((1, 6, 8, 3))
    shuffled = RNG.permutation(x.reshape(48, 3)).reshape(1, 8, 6, 3)
    for got, expected in zip(
        channel_mean_std(shuffled), channel_mean_std(x), strict=True
    ):
        np.testing.assert_allclose(got, expected, rtol=2e-6)


def test_deviation_is_stable_beside_a_large_mean():
    x = np.float32(1e4) + feature_map((1, 16, 16, 1))
    _, std = channel_mean_std(x)
    assert float(std[0, 0]) == pytest.approx(mean_std(x)[1][0, 0], rel=1e-4)


def test_statistics_of_bfloat16_are_float32():
    x = feature_map((1, 32, 32, 2), jnp.bfloat16)
    for got, expected in zip(channel_mean_std(x), mean_std(x), strict=True):
        assert got.dtype == jnp.float32
        np.testing.assert_allclose(got, expected, rtol=1e-5)


@pytest.mark.parametrize("eps", [0.0, 1e-5])
@pytest.mark.parametrize("side", [1, 4])
def test_gradient_is_finite_where_the_variance_is_zero(side, eps):
    x = jnp.full((1, side, side, 2), 0.7)

    def plain(x):
        return sum(v.sum() for v in channel_mean_std(x, ddof=1, eps=eps))

    def regional(x):
        return sum(
            v.sum() for v in moments_mean_std(region_moments(x, whole(x)), eps=eps)
        )

    for function in (plain, regional):
        gradient = jax.jit(jax.grad(function))(x)
        np.testing.assert_allclose(gradient, 1 / side**2, rtol=1e-6)


def test_safe_square_root_has_gradient_zero_at_zero():
    value, gradient = jax.vmap(jax.value_and_grad(safe_sqrt))(jnp.array([0.0, 4.0]))
    np.testing.assert_array_equal(value, [0.0, 2.0])
    np.testing.assert_array_equal(gradient, [0.0, 0.25])


def test_a_value_that_is_no_number_shows_in_the_deviation():
    x = feature_map((1, 3, 3, 2))
    x[0, 1, 1, 0] = np.nan
    _, std = channel_mean_std(x)
    np.testing.assert_array_equal(np.isnan(std), [[True, False]])


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("shape", SHAPES)
def test_moments_of_the_whole_give_the_plain_statistics(shape, ddof):
    x = feature_map(shape)
    mean, std = moments_mean_std(region_moments(x, whole(x)), ddof=ddof)
    expected = channel_mean_std(x, ddof=ddof)
    for got, plain in zip((mean, std), expected, strict=True):
        np.testing.assert_allclose(np.asarray(got)[:, 0], plain, rtol=2e-6)


def test_weighted_moments_agree_with_float64():
    x, masks = feature_map((2, 5, 7, 3)), RNG.uniform(size=(2, 5, 7)).astype("f4")
    moments = jax.device_get(region_moments(x, masks))
    for r in range(2):
        weights = np.asarray(masks[r], float)
        for b in range(2):
            values = np.asarray(x[b], float)
            mean = np.average(values, axis=(0, 1), weights=weights)
            m2 = (weights[..., None] * (values - mean) ** 2).sum(axis=(0, 1))
            np.testing.assert_allclose(moments.count[b, r], weights.sum(), rtol=1e-5)
            np.testing.assert_allclose(moments.mean[b, r], mean, rtol=1e-5)
            np.testing.assert_allclose(moments.m2[b, r], m2, rtol=1e-5)


def test_an_empty_region_has_finite_statistics_and_gradients():
    x = feature_map((1, 4, 4, 2))

    def total(x):
        mean, std = moments_mean_std(region_moments(x, jnp.zeros((1, 4, 4))), eps=0.0)
        return mean.sum() + std.sum()

    value, gradient = jax.jit(jax.value_and_grad(total))(x)
    assert float(value) == 0.0
    np.testing.assert_array_equal(gradient, 0.0)


@pytest.mark.parametrize("cut", [1, 4, 8])
def test_merged_moments_of_parts_equal_those_of_the_whole(cut):
    x = np.float32(100) + feature_map((2, 9, 6, 3))
    masks = RNG.uniform(size=(2, 9, 6)).astype("f4")
    parts = [
        region_moments(x[:, rows], masks[:, rows])
        for rows in (slice(None, cut), slice(cut, None))
    ]
    expected = region_moments(x, masks)
    for a, b in (parts, parts[::-1]):
        merged = merge_moments(a, b)
        np.testing.assert_allclose(merged.count, expected.count, rtol=1e-5)
        np.testing.assert_allclose(merged.mean, expected.mean, rtol=1e-5)
        np.testing.assert_allclose(merged.m2, expected.m2, rtol=1e-4)


def test_merging_with_an_empty_part_changes_nothing():
    x = feature_map((1, 4, 4, 2))
    full, empty = (region_moments(x, m) for m in (whole(x), 0 * whole(x)))
    for merged in (merge_moments(full, empty), merge_moments(empty, full)):
        for got, expected in zip(merged, full, strict=True):
            np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert not any(np.any(v) for v in merge_moments(empty, empty))


def test_moments_of_many_positions_are_as_precise_as_of_few():
    # A sum one position after another is wrong by 1e-4 here.
    x = np.maximum(np.random.default_rng(0).normal(0.5, 1, (1, 256, 256, 8)), 0)
    mean, std = channel_mean_std(jnp.asarray(x, jnp.float32))
    np.testing.assert_allclose(mean, x.mean((1, 2)), rtol=5e-6)
    np.testing.assert_allclose(std, np.sqrt(x.var((1, 2)) + 1e-5), rtol=1e-5)


def test_gram_matrices_of_bfloat16_are_multiplied_as_they_are_and_summed_in_float32():
    feature = feature_map((2, 9, 7, 5), jnp.bfloat16)

    def energy(gram):
        return jnp.square(gram).sum()

    exact = np.asarray(feature, np.float64).reshape(2, 63, 5)
    expected = np.einsum("bnc,bnd->bcd", exact, exact) / 63
    found = jax.jit(statistics.gram_matrix)(feature)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    (product,) = (
        eqn
        for eqn in jax.make_jaxpr(statistics.gram_matrix)(feature).eqns
        if eqn.primitive.name == "dot_general"
    )
    assert {x.aval.dtype.name for x in product.invars} == {"bfloat16"}

    @jax.jit
    def gradients(x):
        plain = jax.grad(lambda x: energy(statistics.gram_matrix(x)))
        upcast = jax.grad(lambda x: energy(statistics.gram_matrix(jnp.float32(x))))
        return plain(x), upcast(x)

    gradient, upcast = gradients(feature)
    np.testing.assert_array_equal(np.float32(gradient), np.float32(upcast))
