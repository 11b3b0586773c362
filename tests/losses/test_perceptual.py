import functools

import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.losses import perceptual
from styleflax.losses.perceptual import find_style_loss
from styleflax.ops import statistics

mean_std_loss = jax.jit(
    perceptual.mean_std_loss, static_argnames=("reduction", "ddof", "eps")
)
channel_mean_std = jax.jit(statistics.channel_mean_std, static_argnames=("ddof", "eps"))
gram_loss, gram_matrix = jax.jit(perceptual.gram_loss), jax.jit(statistics.gram_matrix)
KEY = jax.random.key(0)
RNG = np.random.default_rng(0)


def feature_map(height, width, channels=4, number=2):
    shape = (number, height, width, channels)
    return RNG.normal(1.0, 2.0, shape).astype(np.float32)


@functools.cache
def style_loss(name):
    """`loss(features, styles)`: the style loss of that name, in one program."""
    evaluate = find_style_loss(name).evaluate
    return jax.jit(lambda features, styles: evaluate(features, styles, KEY))


@pytest.mark.parametrize(
    ("reduction", "ddof", "expected"),
    [
        # Two channels, 0 and 2 in both; one has mean 0 and deviation 0 to reach,
        # the other mean 1 and deviation 1. The variance is 1, or unbiased 2.
        ("channel_mean", 0, (1 + 1 + 0 + 0) / 2),
        ("channel_sum", 0, 1 + 1 + 0 + 0),
        ("channel_mean", 1, (1 + 2 + 0 + (2**0.5 - 1) ** 2) / 2),
        ("channel_sum", 1, 1 + 2 + 0 + (2**0.5 - 1) ** 2),
    ],
)
def test_published_variants_of_known_values(reduction, ddof, expected):
    feature = jnp.array([[0.0, 0.0], [2.0, 2.0]]).reshape(1, 1, 2, 2)
    target = jnp.array([[0.0, 1.0]])
    loss = mean_std_loss(
        feature, (target, target), reduction=reduction, ddof=ddof, eps=0.0
    )
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_layers_add_up_and_agree_with_float64():
    features = {"a": feature_map(5, 6), "b": feature_map(3, 3, 7)}
    styles = {"a": feature_map(4, 9), "b": feature_map(2, 5, 7)}
    expected = 0.0
    for layer, feature in features.items():
        for got, aim in zip(
            numpy_adain.mean_std(feature),
            numpy_adain.mean_std(styles[layer]),
            strict=True,
        ):
            expected += np.mean((got - aim) ** 2)
    loss = style_loss("style")(features, styles)
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_only_layers_with_a_target_are_compared():
    features = {"a": feature_map(5, 6), "b": feature_map(3, 3, 7)}
    styles = {"a": feature_map(4, 9)}
    loss = style_loss("style")(features, styles)
    expected = mean_std_loss(features["a"], channel_mean_std(styles["a"]))
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)


def test_where_features_lie_does_not_matter():
    feature = feature_map(6, 8)
    target = channel_mean_std(feature_map(4, 9))
    rolled = np.roll(feature, (2, 3), axis=(1, 2))
    loss = mean_std_loss(rolled, target)
    assert float(loss) == pytest.approx(float(mean_std_loss(feature, target)), rel=1e-5)


@pytest.mark.parametrize("reduction", ["channel_mean", "channel_sum"])
def test_loss_of_a_batch_is_the_mean_of_its_halves(reduction):
    feature, style = feature_map(5, 6), feature_map(4, 9)
    loss = mean_std_loss(feature, channel_mean_std(style), reduction=reduction)
    halves = [
        mean_std_loss(
            feature[i : i + 1],
            channel_mean_std(style[i : i + 1]),
            reduction=reduction,
        )
        for i in range(2)
    ]
    assert float(loss) == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_gradient_is_finite_where_the_variance_is_zero(eps):
    target = channel_mean_std(feature_map(4, 9, 2, 1))

    def loss(feature):
        return mean_std_loss(feature, target, eps=eps)

    for side in (1, 3):
        gradient = jax.jit(jax.grad(loss))(jnp.full((1, side, side, 2), 0.5))
        assert np.isfinite(gradient).all()


def test_features_of_the_style_itself_have_no_loss():
    # In one program, which computes the same numbers once.
    loss = jax.jit(lambda x: mean_std_loss(x, channel_mean_std(x)))
    assert float(loss(feature_map(5, 6))) == 0.0


def test_an_unknown_reduction_is_refused_with_those_there_are():
    feature = feature_map(2, 2)
    with pytest.raises(ValueError, match=r"'channel_mean', 'channel_sum'.*'sum'"):
        mean_std_loss(feature, channel_mean_std(feature), reduction="sum")


def test_gram_loss_of_known_values():
    # Gram matrices [[4, 0], [0, 0]] and [[0, 0], [0, 1]] from two positions each.
    made = jnp.array([[2.0, 0.0], [2.0, 0.0]]).reshape(1, 1, 2, 2)
    aim = jnp.array([[0.0, 1.0], [0.0, -1.0]]).reshape(1, 2, 1, 2)
    loss = gram_loss(made, gram_matrix(aim))
    assert float(loss) == pytest.approx(17**0.5, rel=1e-6)


def test_gram_loss_weighs_pictures_and_layers_alike_however_strong():
    made, aim = feature_map(5, 6), feature_map(4, 9)
    of_one = gram_loss(made, gram_matrix(aim))
    pairs = {
        name: (np.float32(factor) * made, np.float32(factor) * aim)
        for name, factor in (("weak", 0.1), ("strong", 9))
    }
    features = {name: pair[0] for name, pair in pairs.items()}
    styles = {name: pair[1] for name, pair in pairs.items()}
    both = style_loss("gram")(features, styles)
    assert float(both) == pytest.approx(2 * float(of_one), rel=1e-5)


def test_gram_loss_of_the_style_itself_is_nothing_and_has_a_gradient():
    aim = feature_map(4, 9)
    target = gram_matrix(aim)
    of_itself = jax.jit(jax.value_and_grad(lambda x: gram_loss(x, target)))
    value, gradient = of_itself(aim)
    assert float(value) < 1e-5
    assert np.isfinite(gradient).all()


def test_gram_loss_agrees_with_float64_wherever_features_lie():
    made, aim = feature_map(5, 6), feature_map(4, 9)

    def grams(x):
        flat = np.float64(x).reshape(len(x), -1, x.shape[-1])
        return np.einsum("bnc,bnd->bcd", flat, flat) / flat.shape[1]

    apart = np.linalg.norm(grams(made) - grams(aim), axis=(1, 2))
    expected = np.mean(apart / np.linalg.norm(grams(aim), axis=(1, 2)))
    for feature in (made, np.roll(made, (2, 3), axis=(1, 2))):
        loss = gram_loss(feature, gram_matrix(aim))
        assert float(loss) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("name", ["gram", "gram_balanced", "gram_squared"])
def test_gram_losses_do_not_know_where_features_lie(name):
    made, aim = feature_map(4, 6), feature_map(4, 6)
    order = np.random.default_rng(1).permutation(24)
    moved = made.reshape(-1, 24, made.shape[-1])[:, order].reshape(made.shape)
    one, other = (style_loss(name)({"a": x}, {"a": aim}) for x in (made, moved))
    assert float(one) > 0.01
    assert float(other) == pytest.approx(float(one), rel=1e-5)


@pytest.mark.parametrize("name", ["gram", "gram_balanced", "gram_squared"])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_gram_losses_of_even_maps_are_finite_and_so_are_their_gradients(name, level):
    even, aim = np.full((2, 4, 4, 4), level, np.float32), feature_map(4, 4)
    loss = jax.jit(
        jax.value_and_grad(lambda x, y: style_loss(name)({"a": x}, {"a": y}))
    )
    for pair in ((even, aim), (aim, even), (even, even)):
        for array in loss(*pair):
            assert np.isfinite(array).all()


BALANCED = ("gram_balanced", "style_balanced")


def looks(feature):
    """What the balanced losses compare, in float64."""
    flat = np.float64(feature).reshape(len(feature), -1, feature.shape[-1])
    gram = np.einsum("bnc,bnd->bcd", flat, flat) / flat.shape[1]
    std = np.sqrt(flat.var(axis=1) + 1e-5)
    return dict(
        zip(BALANCED, (gram, np.stack([flat.mean(axis=1), std], 1)), strict=True)
    )


@pytest.mark.parametrize("name", BALANCED)
def test_balanced_losses_agree_with_float64(name):
    made, aim = feature_map(5, 7), feature_map(4, 3)
    a, b = looks(made)[name], looks(aim)[name]
    expected = ((a - b) ** 2).sum((1, 2)) / (a**2 + b**2).sum((1, 2))
    loss = style_loss(name)({"a": made}, {"a": aim})
    assert float(loss) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("name", BALANCED)
@pytest.mark.parametrize("strength", [0.1, 10.0, 1e3])
def test_balanced_losses_do_not_depend_on_how_strong_a_style_is(name, strength):
    made, aim = (np.maximum(feature_map(6, 6), 0) for _ in range(2))
    factor = np.float32(strength)
    plain = float(style_loss(name)({"a": made}, {"a": aim}))
    scaled = style_loss(name)({"a": factor * made}, {"a": factor * aim})
    # What is added to the variances counts for little, but for something.
    assert float(scaled) == pytest.approx(plain, rel=1e-2)
    assert 0 < plain < 1


@pytest.mark.parametrize("name", BALANCED)
def test_balanced_losses_lie_between_0_and_1(name):
    aim = np.maximum(feature_map(6, 6), 0)
    assert float(style_loss(name)({"a": aim}, {"a": aim})) == 0.0
    for other in (np.zeros_like(aim), np.float32(1e3) * aim):
        assert 0.9 < float(style_loss(name)({"a": other}, {"a": aim})) <= 1.0
