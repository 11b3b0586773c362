"""What Gatys, Ecker and Bethge 2016 minimize over pixels: the losses of one picture.

Nothing is learned, so there is no record of a method here: `find_targets` keeps what
the picture is compared with, and `picture_loss` compares. `inference.gatys` does the
rest.
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
"""What `picture_loss` gives, weighted: the first is the sum of the others."""
GUIDED = (
    *("style", "gram", "gram_squared", "covariance"),
    *("mmd_linear", "mmd_polynomial"),
)
"""Style losses that can be of a part of a picture: all that they compare are means,
variances and covariances of channels."""
Reduction = Literal["mean", "half_sum"]


class Objective(NamedTuple):
    """What is minimized.

    Attributes:
        content_weight: Weight of the distance to the content's features; 0
            leaves the style alone: texture synthesis.
        style_weight: Weight of the sum of style losses; 0 leaves the content alone:
            what its layers still know of it.
        variation_weight: Weight of the total variation.
        content_layers: Compared position by position, summed.
        content_reduction: `mean` of the squared differences (Gatys' notebook), or
            `half_sum`, half their sum (the paper).
        style_layers: Where styles are compared.
        layer_weights: Weight of each style layer; None for equal ones that sum
            to 1.
        channel_power: Every layer's weight is divided by its number of channels to
            this power; 2 in Gatys' notebook.
        style_losses: Names of `losses.perceptual` and their weights.
        pooling: Pooling of the network.
        variation_reduction: `mean` is `total_variation_loss`; `half_sum` half the sum
            of squared differences of neighbors in pixels of 0 to 255.
        style_reduction: `half_sum` multiplies each layer's losses by half its number
            of values: for those that are a mean over them, as `mrf`.
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
        """All layers that are needed; those without weight are not."""
        content = self.content_layers if self.content_weight else ()
        style = self.style_layers if self.style_weight else ()
        return tuple(dict.fromkeys((*content, *style)))


class Targets(NamedTuple):
    """What a picture is compared with.

    Attributes:
        content: Features of the content.
        styles: For each style, by loss, by layer, what the loss keeps of it.
        masks: Regions of the picture, by layer; None for all of it as one region.
        weights: Weights of every style in every region.
    """

    content: FeatureMaps
    styles: tuple[dict[str, dict[str, Any]], ...]
    masks: dict[str, Float[Array, "r _ _"]] | None
    weights: Float[Array, "r s"]


def guided_feature(
    feature: FeatureMap, mask: Float[Array, "h w"]
) -> Float[Array, "b h w c"]:
    """A feature map whose channels have the statistics of one region.

    Means, covariances and Gram matrices over all its positions are those of the
    original over the region, each position weighed by the mask: exactly where the
    mask is 0 or 1, closely where it fades. So every loss of `GUIDED` can be guided
    (Gatys et al. 2017, who scale features by the mask for Gram matrices).

    Args:
        feature: Any.
        mask: At least 0, not all 0; of the same height and width.
    """
    shares = mask / jnp.maximum(mask.sum(), 1e-6)
    mean = jnp.einsum("bhwc,hw->bc", feature, shares)[:, None, None]
    scaled = (feature - mean) * jnp.sqrt(shares * mask.size)[..., None]
    # What fading masks leave of the mean, as their roots do not sum up.
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
    """What pictures of the content's size will be compared with.

    Args:
        objective: What is minimized.
        encoder: Parameters of the network.
        content: RGB in [0, 1], as the picture that is made.
        styles: RGB in [0, 1], of any size.
        masks: Regions, of any size, that sum to 1; None for one that is all.
        weights: Weights of every style in every region.
        style_masks: The part of each style that counts, of any size; None, or no
            masks at all, for all of it.
    """
    features = encode(objective, encoder, content)
    laid = None
    if masks is not None and objective.style_weight:
        laid = {
            layer: area_average(masks, *features[layer].shape[1:3])
            for layer in objective.style_layers
        }
    parts = style_masks or (None,) * len(styles)
    kept = (
        _summarize(objective, encode(objective, encoder, style), part)
        for style, part in zip(styles, parts, strict=True)
    )
    content_layers = objective.content_layers if objective.content_weight else ()
    return Targets(
        {layer: features[layer] for layer in content_layers},
        tuple(kept) if objective.style_weight else (),
        laid,
        weights,
    )


def picture_loss(
    objective: Objective, encoder: Params, image: Image, targets: Targets, key: Key
) -> tuple[Float[Array, ""], Float[Array, " 4"]]:
    """What is minimized, and its `TERMS`.

    Args:
        objective: What is minimized.
        encoder: Parameters of the network.
        image: RGB, not limited to [0, 1].
        targets: Targets of the same objective, and of a content of this size.
        key: For style losses that sample positions.
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
    """Features of the layers that the objective compares."""
    network = VGG.of_params(encoder, objective.layers(), pooling=objective.pooling)
    return network.apply({"params": encoder}, image)


def _summarize(
    objective: Objective, features: FeatureMaps, part: Float[Array, "_ _"] | None
) -> dict[str, dict[str, Any]]:
    seen = {layer: features[layer] for layer in objective.style_layers}
    if part is not None:
        seen = {
            layer: guided_feature(x, area_average(part[None], *x.shape[1:3])[0])
            for layer, x in seen.items()
        }
    losses = ((name, find_style_loss(name)) for name, _ in objective.style_losses)
    return {
        name: {x: loss.summarize(seen[x]) for x in loss.layers or seen}
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
    """Style losses of all regions, styles and layers, weighted and summed."""
    total = jnp.zeros(())
    for region in range(targets.weights.shape[0]):
        seen = {layer: features[layer] for layer in objective.style_layers}
        if targets.masks is not None:
            seen = {
                layer: guided_feature(feature, targets.masks[layer][region])
                for layer, feature in seen.items()
            }
        for number, style in enumerate(targets.styles):
            weight = targets.weights[region, number]
            for name, factor in objective.style_losses:
                parts = find_style_loss(name).by_layer(seen, style[name], key)
                scales = _layer_scales(objective, seen)
                weighed = sum(scales[layer] * x for layer, x in parts.items())
                total = total + weight * factor * weighed
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
