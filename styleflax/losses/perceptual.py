"""Losses of features: the content loss, and the style losses by their names.

`mse_loss` compares contents position by position. Every style loss is a record:

    loss = find_style_loss("gram")       # or StyleTerm("gram", layers=("relu3_1",))
    loss.evaluate(output_features, style_features, key)

If a style stays the same over many steps, `loss.targets(style_features)` is computed
once, and `loss.distance(output_features, targets, key)` in every step; `loss.by_layer`
gives the terms of that sum, for layer weights.

This file has the losses of one layer that compare means and deviations or Gram
matrices; `losses.distributions` and `losses.patches` have the others. `STYLE_LOSSES`
holds all of them, and some take a number (`StyleTerm.offset` and `gamma`);
`style_losses(arithmetic)` returns the same losses with a method's `Arithmetic`. The
adversarial loss has parameters of its own and is a player (`methods.features`) instead.
"""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, StyleTerm
from styleflax.losses.distributions import (
    PAIR_KERNELS,
    channel_mean,
    covariance_loss,
    covariance_matrix,
    gaussian_mmd_loss,
    histogram_loss,
    linear_mmd_loss,
    mean_and_gram,
    polynomial_mmd_loss,
    sampled_mmd_loss,
    sorted_channels,
)
from styleflax.losses.patches import mrf_loss
from styleflax.ops.statistics import channel_mean_std, gram_matrix, mean_square
from styleflax.types import FeatureMap, FeatureMaps, Key

REDUCTIONS = ("channel_mean", "channel_sum")
MeanStd = tuple[Float[Array, "b _"], Float[Array, "b _"]]


def mse_loss(x: Float[Array, "..."], target: Float[Array, "..."]) -> Float[Array, ""]:
    """Returns the mean squared difference over all elements, in float32.

    As the content loss, it compares the features of the stylized image at relu4_1 with
    the AdaIN output that they were decoded from (Huang and Belongie 2017, equation 12).

    Example:
        >>> import jax.numpy as jnp
        >>> float(mse_loss(jnp.array([1.0, 2.0]), jnp.array([1.0, 4.0])))
        2.0
    """
    return mean_square(x.astype(jnp.float32) - target.astype(jnp.float32))


def mean_std_loss(
    feature: FeatureMap,
    target: MeanStd,
    *,
    reduction: str = "channel_mean",
    ddof: int = 0,
    eps: float = 1e-5,
) -> Float[Array, ""]:
    """Returns the squared differences of channel means and deviations.

    Huang and Belongie 2017, equation 13, for one layer.

    Args:
        feature: Feature map of the stylized image.
        target: Mean and standard deviation of the style's channels.
        reduction: `channel_mean` averages over channels (naoto0804's code),
            `channel_sum` sums over them (the authors' Lua code), which gives deep
            layers more weight. Both average over the batch.
        ddof: Degrees of freedom of the variances; see `channel_mean_std`.
        eps: Added to the variances.

    Raises:
        ValueError: If the reduction is unknown.

    Example:
        >>> import jax.numpy as jnp
        >>> feature = jnp.arange(8.0).reshape(1, 2, 2, 2)
        >>> mean, std = feature.mean((1, 2)), feature.std((1, 2))
        >>> float(mean_std_loss(feature, (mean + 1, std), eps=0.0))
        1.0
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be one of {REDUCTIONS}, got {reduction!r}")
    mean, std = channel_mean_std(feature, ddof=ddof, eps=eps)
    squares = jnp.square(mean - target[0]) + jnp.square(std - target[1])
    channels = mean.shape[-1] if reduction == "channel_sum" else 1
    return squares.mean() * channels


def gram_loss(feature: FeatureMap, target: Float[Array, "b c c"]) -> Float[Array, ""]:
    """Returns the distance of Gram matrices relative to the norm of the style's.

    Gatys et al. 2016 compare Gram matrices by squared differences, whose size depends
    on how strongly each picture excites each layer. The Frobenius norm of the
    difference divided by that of the style's matrix gives all pictures and layers equal
    weight: 0 if both agree, 1 for a black picture.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.

    Example:
        >>> import jax.numpy as jnp
        >>> from styleflax.ops.statistics import gram_matrix
        >>> feature = jnp.arange(8.0).reshape(1, 2, 2, 2)
        >>> round(float(gram_loss(feature, gram_matrix(feature))), 3)
        0.0
        >>> float(gram_loss(0 * feature, gram_matrix(feature)))
        1.0
    """
    squares = jnp.square(gram_matrix(feature) - target).sum(axis=(1, 2))
    norms = jnp.square(target).sum(axis=(1, 2))
    # Both floors are far below any picture's; the inner one keeps the
    # gradient finite where a picture is its own style.
    return jnp.sqrt((squares + 1e-12) / (norms + 1e-12)).mean()


def gram_squared_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Returns the mean squared difference of the entries of Gram matrices.

    With the means over positions of `gram_matrix`, this is 4 times the layer loss of
    Gatys et al. 2016, and the squared Frobenius distance of the matrices over c h w of
    Johnson et al. 2016 (c channels), which does not depend on the style's size either.
    Unlike `gram_loss`, it is not relative to the norm of the style's matrix.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.
    """
    return jnp.square(gram_matrix(feature) - target).mean()


def balanced_gram_loss(
    feature: FeatureMap, target: Float[Array, "b c c"]
) -> Float[Array, ""]:
    """Returns the squared distance of Gram matrices over their summed squared norms.

    Cheng et al. 2021 ("Style-aware normalized loss"): the squared distance of Gatys et
    al. divided by its largest possible value. Since scalar products of Gram matrices
    are not negative, the loss is between 0 (both agree) and 1 for every style.

    Args:
        feature: Feature map of the stylized image.
        target: `gram_matrix` of the style.
    """
    gram = gram_matrix(feature)
    return _balanced(jnp.square(gram - target), jnp.square(gram) + jnp.square(target))


def balanced_mean_std_loss(
    feature: FeatureMap, target: MeanStd, *, ddof: int = 0, eps: float = 1e-5
) -> Float[Array, ""]:
    """Returns squared differences of means and deviations over their summed squares.

    Equation 13 of Huang and Belongie 2017, normalized like the loss of Cheng et al.
    2021: for features that are not negative it is between 0 and 1 for every style.

    Args:
        feature: Feature map of the stylized image.
        target: Mean and standard deviation of the style.
        ddof: Degrees of freedom of the variances; see `channel_mean_std`.
        eps: Added to the variances.
    """
    found = jnp.stack(channel_mean_std(feature, ddof=ddof, eps=eps), axis=1)
    targets = jnp.stack(target, axis=1)
    norms = jnp.square(found) + jnp.square(targets)
    return _balanced(jnp.square(found - targets), norms)


def _balanced(
    squares: Float[Array, "b _ _"], norms: Float[Array, "b _ _"]
) -> Float[Array, ""]:
    # The floor is far below any picture's.
    return (squares.sum(axis=(1, 2)) / (norms.sum(axis=(1, 2)) + 1e-12)).mean()


_PATCH_LAYERS = ("relu3_1", "relu4_1")


class StyleLoss(NamedTuple):
    """A style loss: the distance of features from a style's, summed over layers.

    Attributes:
        summarize: Function from a feature of the style to its statistics, any tree.
        compare: Function from (feature, statistics of the style, key) to a scalar, a
            mean over the batch.
        layers: Names of the layers to compare; () for all layers of the style.
    """

    summarize: Callable[[FeatureMap], Any]
    compare: Callable[[FeatureMap, Any, Key], Float[Array, ""]]
    layers: tuple[str, ...] = ()

    def targets(self, style_features: FeatureMaps) -> dict[str, Any]:
        """Returns the statistics of the style by layer.

        Raises:
            ValueError: If a layer is missing.
        """
        names = self.layers or tuple(style_features)
        if missing := [name for name in names if name not in style_features]:
            raise ValueError(
                f"style_features must have {', '.join(missing)}, got "
                f"{', '.join(style_features)}"
            )
        return {name: self.summarize(style_features[name]) for name in names}

    def by_layer(
        self, output_features: FeatureMaps, targets: Mapping[str, Any], key: Key
    ) -> dict[str, Float[Array, ""]]:
        """Returns the distances of all `targets` by layer; sampled losses use `key`."""
        return {
            name: self.compare(
                output_features[name], target, jax.random.fold_in(key, i)
            )
            for i, (name, target) in enumerate(targets.items())
        }

    def distance(
        self, output_features: FeatureMaps, targets: Mapping[str, Any], key: Key
    ) -> Float[Array, ""]:
        """Returns the sum of `by_layer`."""
        parts = self.by_layer(output_features, targets, key).values()
        return sum(parts, start=jnp.zeros(()))

    def evaluate(
        self, output_features: FeatureMaps, style_features: FeatureMaps, key: Key
    ) -> Float[Array, ""]:
        """Returns the loss of pictures and their styles, whose sizes may differ."""
        return self.distance(output_features, self.targets(style_features), key)


def style_losses(arithmetic: Arithmetic) -> Mapping[str, StyleLoss]:
    """Returns all style losses by name, with the arithmetic of a method."""
    statistics = arithmetic.style_statistics()

    def moments(feature: FeatureMap) -> Any:
        return channel_mean_std(feature, **statistics)

    def between_moments(feature: FeatureMap, target: Any, _: Key) -> Array:
        reduction = arithmetic.reduction
        return mean_std_loss(feature, target, reduction=reduction, **statistics)

    balanced = _keyless(partial(balanced_mean_std_loss, **statistics))
    of_moments = {
        "style": StyleLoss(moments, between_moments),
        "style_balanced": StyleLoss(moments, balanced),
    }
    return MappingProxyType({**of_moments, **_OTHERS})


def find_style_loss(
    term: str | StyleTerm, arithmetic: Arithmetic | None = None
) -> StyleLoss:
    """Returns the style loss of a term, with the term's layers and number.

    Args:
        term: A name in `STYLE_LOSSES`, a record, or its text as on the command line:
            `gram@relu3_1+relu4_1`, `mmd_polynomial_offset0.5`.
        arithmetic: Arithmetic of the method; None for the default.

    Raises:
        ValueError: If there is no such loss, it takes no such number, a layer name is
            empty, or gamma is 0, which would make all positions equal.

    Example:
        >>> import jax
        >>> features = {"relu1_1": jax.random.normal(jax.random.key(0), (1, 4, 4, 2))}
        >>> loss = find_style_loss("gram@relu1_1")
        >>> value = loss.evaluate(features, features, jax.random.key(1))
        >>> round(float(value), 3)
        0.0
    """
    family = style_losses(arithmetic) if arithmetic else STYLE_LOSSES
    if isinstance(term, str):
        term = StyleTerm.parse(term)
    name = term.unplaced()
    numbers = {k: v for k in ("offset", "gamma") if (v := getattr(term, k)) is not None}
    known = _WITH_NUMBER.get(term.loss, {})
    if term.loss not in family or not numbers.keys() <= known.keys():
        raise ValueError(f"style loss {name!r} unknown; there are {sorted(family)}")
    loss = family[term.loss]
    for number, value in numbers.items():
        if number == "gamma" and value <= 0:
            raise ValueError(f"the gamma of {name!r} must be above 0")
        loss = loss._replace(compare=known[number](value))
    if not term.layers:
        return loss
    if not all(term.layers):
        raise ValueError(
            f"{str(term)!r} must be {term.loss}@LAYER or {term.loss}@LAYER+LAYER"
        )
    return loss._replace(layers=term.layers)


def _keyless(
    loss: Callable[..., Float[Array, ""]],
) -> Callable[[FeatureMap, Any, Key], Float[Array, ""]]:
    return lambda feature, target, _: loss(feature, target)


def _sampled_mmd(kernel: str) -> StyleLoss:
    return StyleLoss(_whole, partial(sampled_mmd_loss, kernel=kernel))


def _whole(feature: FeatureMap) -> FeatureMap:
    return feature


_OTHERS: Mapping[str, StyleLoss] = {
    "gram": StyleLoss(gram_matrix, _keyless(gram_loss)),
    "gram_balanced": StyleLoss(gram_matrix, _keyless(balanced_gram_loss)),
    "gram_squared": StyleLoss(gram_matrix, _keyless(gram_squared_loss)),
    "covariance": StyleLoss(covariance_matrix, _keyless(covariance_loss)),
    "mmd_linear": StyleLoss(channel_mean, _keyless(linear_mmd_loss)),
    "mmd_polynomial": StyleLoss(mean_and_gram, _keyless(polynomial_mmd_loss)),
    "mmd_gaussian": StyleLoss(_whole, _keyless(gaussian_mmd_loss)),
    **{f"mmd_{kernel}_sampled": _sampled_mmd(kernel) for kernel in PAIR_KERNELS},
    "histogram": StyleLoss(
        sorted_channels, _keyless(histogram_loss), ("relu1_1", "relu4_1")
    ),
    "mrf": StyleLoss(_whole, _keyless(mrf_loss), _PATCH_LAYERS),
    "mrf_stride2": StyleLoss(
        _whole, _keyless(partial(mrf_loss, stride=2)), _PATCH_LAYERS
    ),
}
_WITH_NUMBER: Mapping[str, Mapping[str, Callable[[float], Callable[..., Array]]]] = {
    "mmd_polynomial": {
        "offset": lambda x: _keyless(partial(polynomial_mmd_loss, offset=x))
    },
    "mmd_polynomial_sampled": {"offset": lambda x: partial(sampled_mmd_loss, offset=x)},
    "mmd_gaussian": {"gamma": lambda x: _keyless(partial(gaussian_mmd_loss, gamma=x))},
    "mmd_gaussian_sampled": {
        "gamma": lambda x: partial(sampled_mmd_loss, kernel="gaussian", gamma=x)
    },
}
"""By loss and the number that a `StyleTerm` may give; see `losses.distributions`."""
STYLE_LOSSES: Mapping[str, StyleLoss] = style_losses(Arithmetic())
