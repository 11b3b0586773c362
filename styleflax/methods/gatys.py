"""The losses that Gatys, Ecker and Bethge (2016) minimize over the pixels of an image.

Nothing is learned, so there is no `Method` record here: `find_targets` computes the
features and style statistics to compare with, and `picture_loss` compares an image
with them. The optimization is in `inference.gatys`.
"""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Pooling
from styleflax.losses.perceptual import find_style_loss, mse_loss
from styleflax.losses.pixels import total_variation_loss
from styleflax.models.vgg import VGG
from styleflax.ops.spatial import area_average
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
TERMS = ("total", "content", "style", "variation")
"""The weighted terms that `picture_loss` returns; the first is the sum of the rest."""
GUIDED = (
    *("style", "gram", "gram_squared", "covariance"),
    *("mmd_linear", "mmd_polynomial"),
)
"""Style losses that support masks, since they compare only means, variances and
covariances of channels."""
Reduction = Literal["mean", "half_sum"]


class Objective(NamedTuple):
    """The objective to minimize.

    Attributes:
        content_weight: Weight of the content loss; 0 gives texture synthesis from the
            style alone.
        style_weight: Weight of the sum of style losses; 0 reconstructs the content
            from its features alone.
        variation_weight: Weight of the total variation.
        content_layers: Layers whose features are compared position by position; their
            losses are summed.
        content_reduction: `mean` of the squared differences (Gatys' notebook), or
            `half_sum`, half their sum (the paper).
        style_layers: Layers at which styles are compared.
        layer_weights: Weight of each style layer; None for equal weights that sum
            to 1.
        channel_power: Power of the number of channels by which each layer's weight is
            divided; 2 in Gatys' notebook.
        style_losses: Names of losses in `losses.perceptual`, with their weights.
        pooling: Pooling of the network.
        variation_reduction: `mean` uses `total_variation_loss`; `half_sum` uses half
            the sum of squared differences of neighboring pixels on the scale 0 to
            255.
        style_reduction: `half_sum` multiplies the loss of each layer by half the
            layer's number of values, for losses that are means, such as `mrf`.
    """

    content_weight: float = 1.0
    style_weight: float = 1.0
    variation_weight: float = 0.0
    content_layers: tuple[str, ...] = ("relu4_2",)
    content_reduction: Reduction = "mean"
    style_layers: tuple[str, ...] = STYLE_LAYERS
    layer_weights: tuple[float, ...] | None = None
    channel_power: int = 0
    style_losses: tuple[tuple[str, float], ...] = (("gram", 1.0),)
    pooling: Pooling = "max"
    variation_reduction: Reduction = "mean"
    style_reduction: Reduction = "mean"

    def layers(self) -> tuple[str, ...]:
        """Returns all layers of terms whose weight is not 0."""
        content = self.content_layers if self.content_weight else ()
        style = self.style_layers if self.style_weight else ()
        return tuple(dict.fromkeys((*content, *style)))


class Targets(NamedTuple):
    """The features and statistics with which an image is compared.

    Attributes:
        content: Features of the content, by layer.
        styles: For each style, its summary by loss and layer.
        masks: Masks of the regions, by layer; None for one region.
        weights: Weights of every style in every region.
    """

    content: FeatureMaps
    styles: tuple[dict[str, dict[str, Any]], ...]
    masks: dict[str, Float[Array, "r _ _"]] | None
    weights: Float[Array, "r s"]


def guided_feature(
    feature: FeatureMap, mask: Float[Array, "h w"]
) -> Float[Array, "b h w c"]:
    """Returns a feature map whose channels have the statistics of one region.

    Means, covariances and Gram matrices over all positions of the result equal those
    of the input over the region, weighted by the mask: exactly for masks of 0 and 1,
    approximately for soft masks. So every loss in `GUIDED` supports masks (Gatys et
    al. 2017 scale features by the mask for Gram matrices).

    Args:
        feature: Feature map of any layer.
        mask: Mask with the same height and width, at least 0 and not 0 everywhere.
    """
    shares = mask / jnp.maximum(mask.sum(), 1e-6)
    mean = jnp.einsum("bhwc,hw->bc", feature, shares)[:, None, None]
    scaled = (feature - mean) * jnp.sqrt(shares * mask.size)[..., None]
    # With soft masks, the square roots leave a mean, which is removed.
    return mean + scaled - scaled.mean(axis=(1, 2), keepdims=True)


def find_targets(
    objective: Objective,
    encoder: Params,
    content: Image,
    styles: Sequence[Float[Array, "1 _ _ 3"]],
    masks: Float[Array, "r _ _"] | None,
    weights: Float[Array, "r s"],
    style_masks: Sequence[Float[Array, "_ _"] | None] = (),
) -> Targets:
    """Returns the targets with which images of the content's size are compared.

    Args:
        objective: The objective to minimize.
        encoder: Parameters of the network.
        content: RGB in [0, 1], with the size of the result.
        styles: RGB in [0, 1], of any size.
        masks: Masks of the regions, of any size, which sum to 1; None for one region.
        weights: Weights of every style in every region.
        style_masks: Mask of the part of each style to use, of any size, or None for
            the whole style; () for whole styles.
    """
    features = encode(objective, encoder, content)
    layer_masks = None
    if masks is not None and objective.style_weight:
        layer_masks = {
            layer: area_average(masks, *features[layer].shape[1:3])
            for layer in objective.style_layers
        }
    parts = style_masks or (None,) * len(styles)
    summaries = (
        _summarize(objective, encode(objective, encoder, style), part)
        for style, part in zip(styles, parts, strict=True)
    )
    content_layers = objective.content_layers if objective.content_weight else ()
    return Targets(
        {layer: features[layer] for layer in content_layers},
        tuple(summaries) if objective.style_weight else (),
        layer_masks,
        weights,
    )


def picture_loss(
    objective: Objective, encoder: Params, image: Image, targets: Targets, key: Key
) -> tuple[Float[Array, ""], Float[Array, " 4"]]:
    """Returns the loss of an image, and its `TERMS`.

    Args:
        objective: The objective to minimize.
        encoder: Parameters of the network.
        image: RGB, not limited to [0, 1].
        targets: Targets of the same objective, for a content of this size.
        key: Random key for style losses that sample positions.
    """
    features = encode(objective, encoder, image)
    content = jnp.zeros(())
    for layer, target in targets.content.items():
        distance = mse_loss(features[layer], target)
        if objective.content_reduction == "half_sum":
            distance = distance * (target.size / 2)
        content = content + objective.content_weight * distance
    style = jnp.zeros(())
    if targets.styles:
        style = objective.style_weight * _style_loss(objective, features, targets, key)
    variation = jnp.zeros(())
    if objective.variation_weight:
        variation = objective.variation_weight * _variation(objective, image)
    total = content + style + variation
    return total, jnp.stack([total, content, style, variation])


def encode(objective: Objective, encoder: Params, image: Image) -> FeatureMaps:
    """Returns the features of the layers that the objective compares."""
    network = VGG.of_params(encoder, objective.layers(), pooling=objective.pooling)
    return network.apply({"params": encoder}, image)


def _summarize(
    objective: Objective, features: FeatureMaps, part: Float[Array, "_ _"] | None
) -> dict[str, dict[str, Any]]:
    style_features = {layer: features[layer] for layer in objective.style_layers}
    if part is not None:
        style_features = {
            layer: guided_feature(x, area_average(part[None], *x.shape[1:3])[0])
            for layer, x in style_features.items()
        }
    losses = ((name, find_style_loss(name)) for name, _ in objective.style_losses)
    return {
        name: {
            x: loss.summarize(style_features[x]) for x in loss.layers or style_features
        }
        for name, loss in losses
    }


def _variation(objective: Objective, image: Image) -> Float[Array, ""]:
    if objective.variation_reduction == "mean":
        return total_variation_loss(image)
    steps = (jnp.diff(255.0 * image, axis=axis) for axis in (1, 2))
    return sum((jnp.square(x).sum() / 2 for x in steps), start=jnp.zeros(()))


def _style_loss(
    objective: Objective, features: FeatureMaps, targets: Targets, key: Key
) -> Float[Array, ""]:
    """Returns the weighted sum of style losses over regions, styles and layers."""
    total = jnp.zeros(())
    for region in range(targets.weights.shape[0]):
        region_features = {layer: features[layer] for layer in objective.style_layers}
        if targets.masks is not None:
            region_features = {
                layer: guided_feature(feature, targets.masks[layer][region])
                for layer, feature in region_features.items()
            }
        for number, style in enumerate(targets.styles):
            weight = targets.weights[region, number]
            for name, factor in objective.style_losses:
                parts = find_style_loss(name).by_layer(
                    region_features, style[name], key
                )
                scales = _layer_scales(objective, region_features)
                weighted = sum(scales[layer] * x for layer, x in parts.items())
                total = total + weight * factor * weighted
    return total


def _layer_scales(objective: Objective, features: FeatureMaps) -> dict[str, float]:
    number = len(objective.style_layers)
    weights = objective.layer_weights or (1 / number,) * number
    scales = {}
    for layer, weight in zip(objective.style_layers, weights, strict=True):
        feature = features[layer]
        scales[layer] = weight / feature.shape[-1] ** objective.channel_power
        if objective.style_reduction == "half_sum":
            scales[layer] *= feature.size / 2
    return scales
