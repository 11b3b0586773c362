import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from styleflax.inference.gatys.descent import make_adam, make_lbfgs

SHAPE = (1, 3, 4, 3)
RNG = np.random.default_rng(4)
LOWEST = jnp.asarray(RNG.random(SHAPE), "f4")
SCALES = jnp.asarray(10 ** RNG.uniform(0, 2, SHAPE), "f4")
START = jnp.zeros(SHAPE)


def valley(image):
    """A quadratic of condition 100."""
    value = (SCALES * jnp.square(image - LOWEST)).sum()
    return value, jnp.stack([value, value / 2])


def walk(optimizer, loss, number, start=START):
    evaluate = jax.value_and_grad(loss, has_aux=True)
    advance = jax.jit(lambda at: optimizer.advance(evaluate, at))
    path = [optimizer.start(start, 2)]
    for _ in range(number):
        path.append(advance(path[-1]))
    return path[1:]


@pytest.fixture(scope="module")
def descent():
    return walk(make_lbfgs(8), valley, 80)


def test_the_first_call_finds_the_loss_at_the_start_and_moves_nothing(descent):
    np.testing.assert_array_equal(descent[0].image, START)
    assert descent[0].value == valley(START)[0]
    assert descent[1].value < descent[0].value


def test_lbfgs_never_rises_and_finds_the_lowest_picture(descent):
    values = np.array([at.value for at in descent])
    assert (np.diff(values) <= 0).all()
    np.testing.assert_allclose(descent[-1].image, LOWEST, atol=1e-3)


def test_terms_and_gradient_are_those_of_the_picture(descent):
    at = descent[10]
    np.testing.assert_allclose(at.terms, valley(at.image)[1], rtol=1e-5)
    gradient = jax.grad(lambda image: valley(image)[0])(at.image)
    np.testing.assert_allclose(at.gradient, gradient, rtol=1e-5, atol=1e-6)


def test_lbfgs_stays_where_the_loss_is_finite_and_rests_at_the_lowest():
    def cliff(image):
        value = jnp.square(image - 0.5).sum()
        value = jnp.where(image.max() > 0.6, jnp.nan, value)
        return value, jnp.stack([value, value])

    path = walk(make_lbfgs(4), cliff, 20)
    assert np.isfinite([at.value for at in path]).all()
    np.testing.assert_allclose(path[-1].image, jnp.full(SHAPE, 0.5), atol=1e-3)
    assert np.isfinite(path[-1].image).all()


def test_adam_is_that_of_optax():
    path = walk(make_adam(0.05), valley, 6)
    adam, image = optax.adam(0.05), START
    state = adam.init(image)
    for at in path:
        np.testing.assert_allclose(at.image, image, rtol=1e-5, atol=1e-6)
        gradient = jax.grad(lambda image: valley(image)[0])(image)
        updates, state = adam.update(gradient, state)
        image = image + updates
