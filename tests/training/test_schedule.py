import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.config import Optimizer, Schedule
from styleflax.training.step import make_optimizer, make_schedule


@pytest.mark.parametrize("step", [0, 1, 1_000, 160_000])
def test_inverse_is_the_published_decay(step):
    rate = make_schedule(Schedule("inverse", 1e-4, decay=5e-5), steps=200_000)
    assert float(rate(step)) == pytest.approx(1e-4 / (1 + 5e-5 * step), rel=1e-6)


def test_inverse_decays_from_the_end_of_its_warm_up():
    schedule = Schedule("inverse", 1e-2, decay=0.1, warmup_steps=4)
    rates = [float(make_schedule(schedule, 100)(i)) for i in range(7)]
    expected = [0.002, 0.004, 0.006, 0.008, 0.01, 0.01 / 1.1, 0.01 / 1.2]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_cosine_warms_up_from_above_zero_and_ends_near_zero():
    rate = make_schedule(Schedule("cosine", 1e-3, warmup_steps=10), steps=100)
    rates = np.array([float(rate(i)) for i in range(100)])
    assert rates[0] == pytest.approx(1e-3 / 11, rel=1e-5)
    assert rates.argmax() == 10
    assert rates[10] == pytest.approx(1e-3)
    assert (np.diff(rates[:11]) > 0).all()
    assert (np.diff(rates[10:]) < 0).all()
    assert 0 < rates[-1] < 1e-6


def test_cosine_without_warm_up_begins_at_its_highest_rate():
    assert float(make_schedule(Schedule("cosine", 1e-3), 10)(0)) == pytest.approx(1e-3)


def test_steps_multiply_the_rate_after_every_so_many():
    schedule = Schedule("steps", 1e-3, decay=0.8, every_steps=2_000)
    rate = make_schedule(schedule, 50_000)
    rates = [float(rate(step)) for step in (0, 1_999, 2_000, 3_999, 49_999)]
    expected = [1e-3, 1e-3, 8e-4, 8e-4, 1e-3 * 0.8**24]
    np.testing.assert_allclose(rates, expected, rtol=1e-5)


def test_clipping_only_changes_the_length_of_gradients():
    params = {"a": jnp.zeros(2)}
    gradient = {"a": jnp.array([3.0, 4.0])}
    # Adam's first direction is the same for any length, so its mean is looked at.
    for norm, expected in ((1.0, [0.06, 0.08]), (0.0, [0.3, 0.4]), (9.0, [0.3, 0.4])):
        optimizer = make_optimizer(Optimizer(clip_norm=norm))
        _, state = optimizer.update(gradient, optimizer.init(params), params)
        adam = state[-1] if norm else state
        np.testing.assert_allclose(adam.mu["a"], expected, rtol=1e-6)


def test_muon_makes_kernels_orthogonal_and_leaves_the_rest_to_adam():
    keys = jax.random.split(jax.random.key(0), 3)
    shapes = {"kernel": (3, 3, 4, 8), "image": (3, 3, 8, 3), "bias": (8,)}
    gradient = {
        name: jax.random.normal(key, shape)
        for key, (name, shape) in zip(keys, shapes.items(), strict=True)
    }
    params = jax.tree.map(jnp.zeros_like, gradient)

    def directions(kind):
        optimizer = make_optimizer(Optimizer(kind=kind, clip_norm=0.0))
        return optimizer.update(gradient, optimizer.init(params), params)[0]

    adam, muon = directions("adam"), directions("muon")
    for name in ("image", "bias"):
        np.testing.assert_allclose(muon[name], adam[name], rtol=1e-5)
    kernel = np.asarray(muon["kernel"]).reshape(36, 8)
    # As long as Adam's, along the gradient; one singular value for all directions, to
    # the accuracy of five steps of Newton and Schulz.
    assert np.sqrt(np.square(kernel).mean()) == pytest.approx(0.2, rel=0.3)
    assert np.vdot(kernel, gradient["kernel"].reshape(36, 8)) > 0
    singular = np.linalg.svd(kernel, compute_uv=False)
    assert singular.max() < 2 * singular.min()
