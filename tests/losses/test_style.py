import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.losses import style
from styleflax.ops import statistics

mean_std_loss = jax.jit(
    style.mean_std_loss, static_argnames=("reduction", "ddof", "eps")
)
channel_mean_std = jax.jit(statistics.channel_mean_std, static_argnames=("ddof", "eps"))
RNG = np.random.default_rng(0)


def feature_map(height, width, channels=4, number=2):
    shape = (number, height, width, channels)
    return jnp.asarray(RNG.normal(1.0, 2.0, shape), jnp.float32)


def targets_of(features, **statistics):
    return {k: channel_mean_std(v, **statistics) for k, v in features.items()}


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
    features = {"relu1_1": jnp.array([[0.0, 0.0], [2.0, 2.0]]).reshape(1, 1, 2, 2)}
    target = jnp.array([[0.0, 1.0]])
    loss = mean_std_loss(
        features, {"relu1_1": (target, target)}, reduction=reduction, ddof=ddof, eps=0.0
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
    loss = mean_std_loss(features, targets_of(styles))
    assert float(loss) == pytest.approx(expected, rel=1e-5)


def test_only_layers_with_a_target_are_compared():
    features = {"a": feature_map(5, 6), "b": feature_map(3, 3, 7)}
    targets = targets_of({"a": feature_map(4, 9)})
    expected = mean_std_loss({"a": features["a"]}, targets)
    assert float(mean_std_loss(features, targets)) == float(expected)


def test_where_features_lie_does_not_matter():
    feature = feature_map(6, 8)
    targets = targets_of({"a": feature_map(4, 9)})
    rolled = jnp.roll(feature, (2, 3), axis=(1, 2))
    loss = mean_std_loss({"a": rolled}, targets)
    assert float(loss) == pytest.approx(
        float(mean_std_loss({"a": feature}, targets)), rel=1e-5
    )


@pytest.mark.parametrize("reduction", ["channel_mean", "channel_sum"])
def test_loss_of_a_batch_is_the_mean_of_its_halves(reduction):
    features, styles = {"a": feature_map(5, 6)}, {"a": feature_map(4, 9)}
    loss = mean_std_loss(features, targets_of(styles), reduction=reduction)
    halves = [
        mean_std_loss(
            {"a": features["a"][i : i + 1]},
            targets_of({"a": styles["a"][i : i + 1]}),
            reduction=reduction,
        )
        for i in range(2)
    ]
    assert float(loss) == pytest.approx(float(sum(halves)) / 2, rel=1e-6)


@pytest.mark.parametrize("eps", [0.0, 1e-5])
def test_gradient_is_finite_where_the_variance_is_zero(eps):
    targets = targets_of({"a": feature_map(4, 9, 2, 1)})

    def loss(feature):
        return mean_std_loss({"a": feature}, targets, eps=eps)

    for side in (1, 3):
        gradient = jax.grad(loss)(jnp.full((1, side, side, 2), 0.5))
        assert bool(jnp.isfinite(gradient).all())


def test_features_of_the_style_itself_have_no_loss():
    features = {"a": feature_map(5, 6)}
    assert float(mean_std_loss(features, targets_of(features))) == 0.0


def test_an_unknown_reduction_is_refused_with_those_there_are():
    features = {"a": feature_map(2, 2)}
    with pytest.raises(ValueError, match=r"'channel_mean', 'channel_sum'.*'sum'"):
        mean_std_loss(features, targets_of(features), reduction="sum")
