import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.ops import conv, spatial

# One program each: compiling every operation alone takes far longer.
average_pool_ceil, max_pool_ceil = map(
    jax.jit, (conv.average_pool_ceil, conv.max_pool_ceil)
)
area_average = jax.jit(spatial.area_average, static_argnums=(1, 2))
reflection_pad = jax.jit(spatial.reflection_pad, static_argnums=1)
upsample_nearest = jax.jit(spatial.upsample_nearest, static_argnums=1)
RNG = np.random.default_rng(2)
SIDES = [(1, 1), (1, 4), (2, 3), (5, 2), (6, 7), (16, 16)]


def feature_map(height, width):
    return jnp.asarray(RNG.normal(size=(2, height, width, 3)), "f4")


def test_reflection_does_not_repeat_the_border():
    row = reflection_pad(jnp.arange(4.0).reshape(1, 1, 4, 1), 2)
    np.testing.assert_array_equal(row[0, 0, :, 0], [2, 1, 0, 1, 2, 3, 2, 1])
    assert row.shape == (1, 5, 8, 1)


@pytest.mark.parametrize("side", SIDES)
def test_reflection_agrees_with_mirrored_indices(side):
    x = np.asarray(feature_map(*side))
    rows, columns = (
        [numpy_adain.reflected(i, n) for i in range(-1, n + 1)] for n in side
    )
    np.testing.assert_array_equal(
        reflection_pad(jnp.asarray(x)), x[:, rows][:, :, columns]
    )


def test_padding_commutes_with_flipping():
    x = feature_map(5, 6)
    padded = reflection_pad(x, 2)
    np.testing.assert_array_equal(
        reflection_pad(x[:, ::-1], 2), np.asarray(padded)[:, ::-1]
    )


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_upsampling_repeats_every_position(factor):
    x = feature_map(3, 4)
    expected = np.asarray(x).repeat(factor, axis=1).repeat(factor, axis=2)
    np.testing.assert_array_equal(upsample_nearest(x, factor), expected)


def test_upsampling_keeps_the_mean_and_its_gradient_counts_copies():
    x = feature_map(3, 5)
    got, expected = (np.mean(y, axis=(1, 2)) for y in (upsample_nearest(x), x))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    gradient = jax.jit(jax.grad(lambda x: upsample_nearest(x).sum()))(x)
    np.testing.assert_array_equal(gradient, 4.0)


def test_the_last_row_of_an_odd_side_is_pooled_alone():
    x = -jnp.arange(1.0, 10.0).reshape(1, 3, 3, 1)
    pooled = max_pool_ceil(x)
    np.testing.assert_array_equal(pooled[0, :, :, 0], [[-1, -3], [-7, -9]])


@pytest.mark.parametrize("side", SIDES)
def test_pooling_agrees_with_loops_over_windows(side):
    x = feature_map(*side)
    expected = numpy_adain.max_pool_ceil(np.asarray(x))
    np.testing.assert_array_equal(max_pool_ceil(x), expected)
    assert max_pool_ceil(x).shape[1:3] == tuple(-(-n // 2) for n in side)


def test_pooling_undoes_upsampling():
    x = feature_map(4, 7)
    np.testing.assert_array_equal(max_pool_ceil(upsample_nearest(x)), x)


def test_pooling_of_a_padded_batch_leaves_no_infinity():
    x = jnp.full((1, 5, 3, 1), -1e30, jnp.bfloat16)
    assert np.isfinite(max_pool_ceil(x)).all()
    assert max_pool_ceil(x).dtype == jnp.bfloat16


@pytest.mark.parametrize("side", [(1, 1), (4, 4), (5, 3)])
def test_gradient_of_pooling_equal_values_is_finite_and_sums_to_the_windows(side):
    x = jnp.zeros((1, *side, 1))
    gradient = np.asarray(jax.jit(jax.grad(lambda x: max_pool_ceil(x).sum()))(x))
    assert np.isfinite(gradient).all()
    windows = -(-side[0] // 2) * -(-side[1] // 2)
    assert float(gradient.sum()) == pytest.approx(windows)


def test_area_average_of_a_known_row():
    mask = jnp.array([1.0, 0.0, 1.0]).reshape(1, 1, 3)
    np.testing.assert_allclose(area_average(mask, 1, 2)[0, 0], [2 / 3, 2 / 3])
    np.testing.assert_allclose(area_average(mask, 1, 1)[0, 0], [2 / 3])
    enlarged = area_average(mask, 2, 6)
    np.testing.assert_allclose(enlarged[0, 0], [1, 1, 0, 0, 1, 1], atol=1e-6)


@pytest.mark.parametrize("grid", [(1, 1), (3, 5), (7, 4), (63, 42), (29, 31)])
def test_averaged_masks_that_partition_still_sum_to_one(grid):
    first = RNG.uniform(size=(1, 29, 31)).astype("f4")
    masks = np.concatenate([first, 1 - first])
    averaged = np.asarray(area_average(masks, *grid))
    assert averaged.shape == (2, *grid)
    np.testing.assert_allclose(averaged.sum(0), 1.0, atol=2e-6)
    np.testing.assert_allclose(averaged.mean((1, 2)), masks.mean((1, 2)), atol=2e-6)


def test_area_average_at_the_same_size_is_the_identity():
    masks = jnp.asarray(RNG.uniform(size=(2, 63, 41)), "f4")
    np.testing.assert_allclose(area_average(masks, 63, 41), masks, atol=1e-5)


def test_area_average_agrees_with_averages_of_whole_blocks():
    masks = RNG.uniform(size=(1, 12, 20)).astype("f4")
    expected = masks.reshape(1, 3, 4, 5, 4).mean((2, 4))
    np.testing.assert_allclose(area_average(jnp.asarray(masks), 3, 5), expected, 1e-5)


def test_gradient_of_area_average_is_the_share_of_every_position():
    masks = jnp.zeros((1, 6, 9))
    gradient = jax.jit(jax.grad(lambda m: area_average(m, 2, 3).sum()))(masks)
    np.testing.assert_allclose(gradient, 6 / 54, rtol=1e-5)


@pytest.mark.parametrize("side", SIDES)
def test_average_pools_are_means_of_the_positions_that_there_are(side):
    x = np.asarray(feature_map(*side))
    pooled = average_pool_ceil(jnp.asarray(x))
    rows, columns = (range(0, n, 2) for n in side)
    expected = [
        [x[:, i : i + 2, j : j + 2].mean(axis=(1, 2)) for j in columns] for i in rows
    ]
    expected = np.moveaxis(np.array(expected), 2, 0)
    np.testing.assert_allclose(pooled, expected, rtol=1e-5, atol=1e-6)
