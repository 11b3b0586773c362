import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.ops.conv import conv3x3_reflect, max_pool_ceil, upsample_conv3x3_reflect
from styleflax.ops.spatial import Extent, refill

SIZE = 8
SIZES = [(1, 1), (1, 5), (2, 8), (5, 7), (7, 3), (8, 8)]
sizes = pytest.mark.parametrize(("height", "width"), SIZES)
RNG = np.random.default_rng(0)
FILLED = jnp.asarray(RNG.standard_normal((1, SIZE, SIZE, 3)), "f4")
KERNEL, BIAS = jnp.asarray(RNG.standard_normal((3, 3, 3, 4)), "f4"), jnp.ones(4)

# One program each, whatever the extent; the reference compiles one for every size.
OPERATIONS = {
    "conv": (1, 1.0, lambda x: conv3x3_reflect(x, KERNEL, BIAS)),
    "upsampled": (0, 2.0, lambda x: upsample_conv3x3_reflect(x, KERNEL, BIAS)),
    "native": (
        0,
        2.0,
        lambda x: upsample_conv3x3_reflect(x, KERNEL, BIAS, native=True),
    ),
    "pool": (0, 0.5, max_pool_ceil),
}


@pytest.fixture(scope="module", params=OPERATIONS)
def operation(request):
    inner, factor, function = OPERATIONS[request.param]
    program = jax.jit(lambda x, extent: function(refill(x, extent, inner)))
    return program, factor, function


@sizes
def test_an_operation_on_a_refilled_map_is_that_on_the_picture(
    operation, height, width
):
    program, factor, function = operation
    expected = jax.jit(function)(FILLED[:, :height, :width])
    got = program(FILLED, Extent(np.int32(height), np.int32(width)))
    rows, columns = (int(np.ceil(side * factor)) for side in (height, width))
    assert expected.shape[1:3] == (rows, columns)
    np.testing.assert_allclose(got[:, :rows, :columns], expected, rtol=1e-5, atol=1e-5)
    assert np.isfinite(got).all()


@pytest.mark.parametrize("inner", [0, 1])
def test_a_picture_that_goes_on_is_not_refilled(inner):
    for extent in (Extent(np.int32(8), np.int32(8)), Extent(np.int32(9), np.int32(70))):
        np.testing.assert_array_equal(refill(FILLED, extent, inner), FILLED)


def test_extents_shrink_as_pools_round_and_grow_as_maps_do():
    extent = Extent(jnp.int32(17), jnp.int32(16))
    assert extent.shrunk(2) == (9, 8)
    assert extent.shrunk(8) == extent.shrunk(2).shrunk(2).shrunk(2) == (3, 2)
    assert extent.grown(2) == (34, 32)
