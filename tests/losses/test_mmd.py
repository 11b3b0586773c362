import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.losses import distributions as mmd
from styleflax.losses.perceptual import STYLE_LOSSES, find_style_loss

RNG = np.random.default_rng(0)
KEY = jax.random.key(0)
KERNELS = ("linear", "polynomial", "gaussian")
NUMBERED = (*KERNELS, "polynomial_offset0.7", "gaussian_gamma2")


def feature_map(height, width, channels=3):
    shape = (2, height, width, channels)
    return jnp.asarray(RNG.normal(0.5, 1.0, shape), jnp.float32)


X, Y = feature_map(3, 4), feature_map(2, 5)


# Values and gradients in one program per kernel: all tests share its shapes.
@pytest.fixture(scope="module", params=NUMBERED)
def full(request):
    """(kernel and its number, value and gradient of its full statistic)."""
    record = find_style_loss(f"mmd_{request.param}")

    def loss(x, y):
        return record.evaluate({"a": x}, {"a": y}, KEY)

    return request.param, jax.jit(jax.value_and_grad(loss))


@pytest.fixture(scope="module", params=NUMBERED)
def sampled(request):
    """(kernel and its number, value and gradient of its sampled statistic)."""
    kernel, _, number = request.param.partition("_")
    record = find_style_loss(f"mmd_{kernel}_sampled_{number}".removesuffix("_"))

    def loss(x, y, key):
        return record.evaluate({"a": x}, {"a": y}, key)

    return request.param, jax.jit(jax.value_and_grad(loss))


# Of 1 everywhere and of 3: scalar products over c are 1, 9 and 3, and e^-2 is left of
# the distance between them, whose mean over all groups of pairs is half of it.
# With an offset they are that much more before squaring: 1.7^2 + 9.7^2 - 2 * 3.7^2.
OF_ONE_AND_THREE = {
    "linear": 4.0,
    "polynomial": 64.0,
    "polynomial_offset0.7": 69.6,
    "gaussian": 2 - 2 * np.exp(-2),
    "gaussian_gamma2": 2 - 2 * np.exp(-4),
}
ONE, THREE = jnp.full_like(X, 1.0), jnp.full_like(Y, 3.0)


def kernel_of(name, channels, bandwidth=None):
    kernel, _, number = name.partition("_")
    number = float(number.lstrip("ofsetgam") or kernel == "gaussian")
    if kernel == "gaussian":
        return lambda a, b: np.exp(-number * ((a - b) ** 2).sum() / bandwidth)
    order = {"linear": 1, "polynomial": 2}[kernel]
    return lambda a, b: (a @ b / channels + number) ** order


def positions(feature):
    return np.asarray(feature, float).reshape(len(feature), -1, feature.shape[-1])


def full_statistic(name, x, y):
    """By all pairs, in float64; the mean over the batch."""
    found = []
    for a, b in zip(positions(x), positions(y), strict=True):
        groups = [list(itertools.product(*pair)) for pair in ((a, a), (b, b), (a, b))]
        apart = [np.mean([((p - q) ** 2).sum() for p, q in g]) for g in groups]
        bandwidth = (apart[0] + apart[1] + 2 * apart[2]) / 4
        kernel = kernel_of(name, a.shape[1], bandwidth)
        xx, yy, xy = (np.mean([kernel(p, q) for p, q in g]) for g in groups)
        found.append(xx + yy - 2 * xy)
    return np.mean(found)


def test_full_statistic_of_known_values(full):
    name, loss = full
    value, _ = loss(ONE, THREE)
    assert float(value) == pytest.approx(OF_ONE_AND_THREE[name], rel=1e-6)


def test_full_statistic_agrees_with_all_pairs_in_float64(full):
    name, loss = full
    value, _ = loss(X, Y)
    assert float(value) == pytest.approx(full_statistic(name, X, Y), rel=1e-4)


def test_where_positions_lie_does_not_matter_to_the_full_statistic(full):
    _, loss = full
    (value, _), (flipped, _) = loss(X, Y), loss(X[:, ::-1, ::-1], Y)
    assert float(flipped) == pytest.approx(float(value), rel=1e-4)


def test_full_gradient_is_finite_for_constant_maps_and_for_the_style_itself(full):
    _, loss = full
    for style in (THREE, jnp.full_like(Y, 1.0)):
        value, gradient = loss(ONE, style)
        assert bool(jnp.isfinite(gradient).all())
        assert float(value) >= -1e-6


def test_the_polynomial_kernel_is_the_gram_loss():
    # Exactly the mean squared difference of the matrices; without the division of
    # scalar products by c, c^2 times that; 4 times the layer's loss of Gatys et al.
    gram = STYLE_LOSSES["gram_squared"].evaluate({"a": X}, {"a": Y}, KEY)
    assert float(gram) == pytest.approx(full_statistic("polynomial", X, Y), rel=1e-5)
    of_gatys = []
    for a, b in zip(positions(X), positions(Y), strict=True):
        c = a.shape[1]
        difference = a.T @ a / len(a) - b.T @ b / len(b)  # N = c, over M
        of_gatys.append((difference**2).sum() / (4 * c**2))
    assert float(gram) == pytest.approx(4 * np.mean(of_gatys), rel=1e-5)


def test_a_gamma_makes_the_gaussian_narrower():
    # Of the bandwidth's half, which is the distance between the two sets.
    for name in ("mmd_gaussian_gamma3", "mmd_gaussian_sampled_gamma3"):
        loss = find_style_loss(name).evaluate({"a": ONE}, {"a": THREE}, KEY)
        assert float(loss) == pytest.approx(2 - 2 * np.exp(-6), rel=1e-5)


def test_numbers_are_told_by_name():
    named = find_style_loss("mmd_polynomial_offset0.7@a")
    assert named.layers == ("a",)
    given = mmd.polynomial_mmd_loss(X, mmd.mean_and_gram(Y), offset=0.7)
    assert float(named.evaluate({"a": X}, {"a": Y}, KEY)) == pytest.approx(float(given))
    # 1, 9 and 3, and 2 more each: 9 + 121 - 2 * 25.
    sampled = find_style_loss("mmd_polynomial_sampled_offset2")
    loss = sampled.evaluate({"a": ONE}, {"a": THREE}, KEY)
    assert float(loss) == pytest.approx(80.0)
    for name in ("mmd_linear_offset1", "mmd_gaussian_gamma", "gram_gamma2"):
        with pytest.raises(ValueError, match=f"style loss '{name}' unknown"):
            find_style_loss(name)


@pytest.mark.parametrize("name", ["mmd_gaussian_gamma0", "mmd_gaussian_sampled_gamma0"])
def test_a_gaussian_of_gamma_0_which_tells_nothing_apart_is_refused(name):
    with pytest.raises(ValueError, match=f"the gamma of '{name}' must be above 0"):
        find_style_loss(f"{name}@relu1_1")


def test_chunks_change_nothing(monkeypatch):
    monkeypatch.setattr(mmd, "CHUNK", 50)  # 5 rows of 12 at a time
    loss = jax.jit(mmd.gaussian_mmd_loss)
    expected = full_statistic("gaussian", X, Y)
    assert float(loss(X, Y)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("name", KERNELS)
def test_given_pairs_agree_with_float64(name):
    groups = RNG.normal(size=(4, 7, 3))
    x, x2, y, y2 = groups
    pairs = [(x, x2), (y, y2), (x, y2), (x2, y)]
    bandwidth = np.mean([((a - b) ** 2).sum(1) for a, b in pairs])
    kernel = kernel_of(name, 3, bandwidth)
    parts = [np.mean([kernel(*z) for z in zip(*p, strict=True)]) for p in pairs]
    expected = parts[0] + parts[1] - parts[2] - parts[3]
    given = [jnp.asarray(g, jnp.float32) for g in groups]
    assert float(mmd.paired_statistic(name, *given)) == pytest.approx(
        expected, rel=1e-4, abs=1e-6
    )


def test_samples_are_right_on_average():
    # Without pairs of a position and itself, which the full statistic counts.
    x, y = X[:1, :2, :2], Y[:1, :, :3]
    a, b = positions(x)[0], positions(y)[0]
    kernel = kernel_of("polynomial", 3)
    within = [
        np.mean([kernel(p, q) for p, q in itertools.permutations(z, 2)]) for z in (a, b)
    ]
    across = np.mean([kernel(p, q) for p, q in itertools.product(a, b)])
    draw = jax.vmap(lambda key: mmd.sampled_mmd_loss(x, y, key))
    drawn = np.asarray(jax.jit(draw)(jax.random.split(KEY, 1024)), float)
    error = drawn.std() / len(drawn) ** 0.5
    assert error > 0
    assert abs(drawn.mean() - (sum(within) - 2 * across)) < 4 * error


def test_samples_of_constant_maps_are_what_all_positions_are(sampled):
    name, loss = sampled
    value, _ = loss(ONE, THREE, KEY)
    assert float(value) == pytest.approx(OF_ONE_AND_THREE[name], rel=1e-6)


def test_keys_choose_samples(sampled):
    _, loss = sampled
    first, again, other = (
        float(loss(X, Y, key)[0]) for key in (KEY, KEY, jax.random.key(1))
    )
    assert first == again
    assert first != other


def test_sampled_gradient_is_finite_for_constant_maps(sampled):
    _, loss = sampled
    for style in (THREE, jnp.full_like(Y, 1.0)):
        assert bool(jnp.isfinite(loss(ONE, style, KEY)[1]).all())


def test_a_single_position_is_its_own_pair():
    value = mmd.sampled_mmd_loss(ONE[:1, :1, :1], THREE[:1], KEY)
    assert float(value) == pytest.approx(OF_ONE_AND_THREE["polynomial"], rel=1e-6)


def test_an_unknown_kernel_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"one of .'linear'.*'cubic'"):
        mmd.sampled_mmd_loss(X, Y, KEY, kernel="cubic")
