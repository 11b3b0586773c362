import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses import patches as mrf

RNG = np.random.default_rng(0)
loss = jax.jit(mrf.mrf_loss, static_argnames="stride")


def feature_map(height, width, channels=2):
    shape = (2, height, width, channels)
    return jnp.asarray(RNG.normal(0.3, 1.0, shape), jnp.float32)


def patches(x, side, stride):
    rows, columns = (n - side + 1 for n in x.shape[:2])
    corners = itertools.product(range(0, rows, stride), range(0, columns, stride))
    return [x[i : i + side, j : j + side].ravel() for i, j in corners]


def expected(x, y, stride=1, side=3):
    """By every pair of patches, in float64."""
    found = []
    for one, other in zip(np.asarray(x, float), np.asarray(y, float), strict=True):
        candidates = patches(other, side, stride)
        for p in patches(one, side, stride):
            cosines = [p @ q / np.linalg.norm(q) for q in candidates]
            found.append(np.mean((p - candidates[np.argmax(cosines)]) ** 2))
    return np.mean(found)


def test_loss_of_known_values():
    # One patch of fives; of ones, twos and minus nines, the first points its way,
    # the second just as well, the third away.
    x = jnp.full((1, 3, 3, 1), 5.0)
    rows = jnp.repeat(jnp.array([1.0, 2.0, -9.0]), 3)
    y = jnp.broadcast_to(rows[None, :, None, None], (1, 9, 3, 1))
    value = float(loss(x, y))
    assert value == pytest.approx((5 - 1) ** 2, rel=1e-6)


@pytest.mark.parametrize("stride", [1, 2])
def test_loss_agrees_with_float64(stride):
    x, y = feature_map(6, 7), feature_map(5, 8)
    value = float(loss(x, y, stride=stride))
    assert value == pytest.approx(expected(x, y, stride), rel=1e-5)


@pytest.mark.parametrize(("side", "height", "width"), [(1, 1, 4), (2, 2, 5)])
def test_small_maps_have_small_patches(side, height, width):
    x, y = feature_map(height, width), feature_map(5, 4)
    pair = (x, y) if side == 1 else (y, x)
    assert float(loss(*pair)) == pytest.approx(expected(*pair, 1, side), rel=1e-5)


def test_a_style_moved_about_or_itself_is_found():
    style = feature_map(8, 9)
    assert float(loss(style, style)) == 0.0
    assert float(loss(style[:, 2:6, 1:7], style)) == 0.0


def test_chunks_change_nothing(monkeypatch):
    x, y = feature_map(6, 7), feature_map(5, 8)
    monkeypatch.setattr(mrf, "CHUNK", 60)  # 3 of 20 patches at a time
    value = float(jax.jit(mrf.mrf_loss)(x, y))
    assert value == pytest.approx(expected(x, y), rel=1e-5)


def test_gradient_leads_to_the_patch_found_and_not_through_the_search():
    x, y = feature_map(3, 3)[:1], feature_map(5, 5)[:1]
    gradient = np.ravel(jax.grad(loss)(x, y))
    p = np.ravel(np.asarray(x[0], float))
    found = max(
        patches(np.asarray(y[0], float), 3, 1),
        key=lambda q: p @ q / np.linalg.norm(q),
    )
    np.testing.assert_allclose(gradient, 2 * (p - found) / p.size, rtol=1e-4, atol=1e-6)


def test_gradient_is_finite_where_there_is_nothing():
    zeros, style = jnp.zeros((1, 3, 4, 2)), feature_map(3, 4)[:1]
    gradient = jax.jit(jax.grad(mrf.mrf_loss))
    for pair in ((zeros, style), (style, zeros), (zeros, zeros)):
        assert bool(jnp.isfinite(gradient(*pair)).all())


def test_all_similarities_are_never_in_memory_at_once(monkeypatch):
    monkeypatch.setattr(mrf, "CHUNK", 400)
    shape = jax.ShapeDtypeStruct((1, 34, 34, 1), jnp.float32)
    gradient = jax.grad(mrf.mrf_loss)
    sizes = [
        int(np.prod(variable.aval.shape))
        for equation in _equations(jax.make_jaxpr(gradient)(shape, shape).jaxpr)
        for variable in equation.outvars
    ]
    assert max(sizes) <= 9 * 34**2  # patches; all similarities are 32^4


def _equations(jaxpr):
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                yield from _equations(inner)


def test_a_stride_that_is_none_is_refused():
    with pytest.raises(ValueError, match="stride must be at least 1, got 0"):
        mrf.mrf_loss(feature_map(3, 3), feature_map(3, 3), stride=0)
