"""Features of methods: who gives them, the moments they transfer, and the loss terms.

One encoder judges, and is frozen; the one that stylizes is the same or its copy.

The terms of a method's loss compare features, and their weighted sum is minimized.
Every name in `losses.perceptual.STYLE_LOSSES` is a style term, and so is
`adversarial`, whose critic is a second player. A `StyleTerm` gives one of them layers
of its own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from styleflax.config import Arithmetic, Losses, Pooling, StyleTerm, Term
from styleflax.losses.patches import adversarial_loss, critic_loss
from styleflax.losses.perceptual import STYLE_LOSSES, StyleLoss, find_style_loss
from styleflax.methods.base import Batch, LossFn, Masks, Variables
from styleflax.models.critic import PatchCritic
from styleflax.models.vgg import BLOCK_INPUT, VGG, scale_widths
from styleflax.ops.spatial import Extent, area_average
from styleflax.ops.statistics import (
    Moments,
    channel_mean_std,
    moments_mean_std,
    region_moments,
)
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

Judge = Callable[[FeatureMaps], dict[str, Array]]


class FrozenEncoder(NamedTuple):
    """Runs `frozen["encoder"]`, whatever network that is.

    Attributes:
        dtype: Compute type.
        remat: Keep only what enters the encoder's blocks until the gradient of
            `judge` is computed, and compute the rest again: less memory, one
            more pass through the encoder, the same result up to rounding.
        pooling: Pooling of the network; `max` is what it was trained with.
    """

    dtype: DTypeLike
    remat: bool = False
    pooling: Pooling = "max"

    def __call__(
        self,
        frozen: Params,
        image: Image,
        layers: tuple[str, ...],
        extent: Extent | None = None,
    ) -> FeatureMaps:
        """Features of the image, or of what of it `extent` says."""
        params = frozen["encoder"]
        encoder = VGG.of_params(params, layers, self.dtype, self.pooling)
        return encoder.apply({"params": params}, image, extent)

    def judge(
        self, frozen: Params, image: Image, layers: tuple[str, ...], losses: Judge
    ) -> dict[str, Array]:
        """Losses of the image's features, to be differentiated."""

        def judged(frozen: Params, image: Image) -> dict[str, Array]:
            return losses(self(frozen, image, layers))

        if self.remat:
            kept = jax.checkpoint_policies.save_only_these_names(BLOCK_INPUT)
            judged = jax.checkpoint(judged, policy=kept)
        return judged(frozen, image)


class StylizingEncoder(NamedTuple):
    """The encoder whose features are given a style: the judge, or a copy of its own.

    Attributes:
        judge: Runs `frozen["encoder"]`.
        layers: Layers of its features.
        is_trained: Whether it is `players["model"]["encoder"]`, which is trained.
    """

    judge: FrozenEncoder
    layers: tuple[str, ...]
    is_trained: bool

    def __call__(
        self, own: Params, frozen: Params, image: Image, extent: Extent | None = None
    ) -> FeatureMaps:
        """Features of the image; `own` are the player's parameters."""
        used = {"encoder": own["encoder"]} if self.is_trained else frozen
        return self.judge(used, image, self.layers, extent)

    def content(
        self,
        variables: Variables,
        frozen: Params,
        image: Image,
        extent: Extent | None = None,
    ) -> FeatureMaps:
        """The same, as `Method.encode_content`."""
        return self(variables.players["model"], frozen, image, extent)

    def with_judge(
        self, own: Params, frozen: Params, images: Image, layers: tuple[str, ...]
    ) -> tuple[FeatureMaps, FeatureMaps]:
        """Returns its own features, and those of the judge at `layers`."""
        judge_features = self.judge(frozen, images, layers)
        features = self(own, frozen, images) if self.is_trained else judge_features
        return {layer: features[layer] for layer in self.layers}, judge_features


def feature_moments(features: FeatureMaps, masks: Masks) -> dict[str, Moments]:
    """Moments of every region at every layer; `Method.moments` of most methods."""
    moments = {}
    for layer, feature in features.items():
        cells = area_average(layer_masks(masks, layer), *feature.shape[1:3])
        moments[layer] = region_moments(feature, cells)
    return moments


def style_moments(
    feature: FeatureMap, mask: Float[Array, "1 _ _"] | None, **statistics: Any
) -> dict[str, Float[Array, "b c"]]:
    """The mean and std of a style's feature, or of the part of it under a mask.

    Args:
        feature: Feature of the style.
        mask: The part, of any size; None for all.
        statistics: Arguments of `ops.statistics`.
    """
    if mask is None:
        mean, std = channel_mean_std(feature, **statistics)
    else:
        part = area_average(mask, *feature.shape[1:3])
        by_region = moments_mean_std(region_moments(feature, part), **statistics)
        mean, std = (value[:, 0] for value in by_region)
    return {"mean": mean, "std": std}


def mix_moments(
    styles: Sequence[Mapping[str, Float[Array, "_ c"]]], weights: Float[Array, "r s"]
) -> tuple[Float[Array, "r c"], Float[Array, "r c"]]:
    """The weighted mean and std of every region; styles as `style_moments` has them."""
    mean, std = (
        weights @ jnp.concatenate([style[name] for style in styles])
        for name in ("mean", "std")
    )
    return mean, std


def layer_masks(masks: Masks, layer: str) -> Float[Array, "r h w"]:
    """The masks to be averaged over the grid of that layer."""
    return masks[layer] if isinstance(masks, Mapping) else masks


PLAYER = "critic"
CRITIC_LAYERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"adversarial": ("relu3_1",)}
)
"""Terms that critics score, and the layers of these critics."""
NOT_TRAINED: Losses = MappingProxyType({})
"""Stands for the losses of a method that is not trained: none are built."""
REPORTED: Mapping[str, float] = MappingProxyType({"style": 0.0})
"""Metric that is computed for all weights of losses, to compare them."""

MakeFeatures = Callable[
    [Variables, Params, Batch, tuple[str, ...]], tuple[FeatureMaps, FeatureMaps]
]
"""(variables, frozen, batch, layers) -> features of styles, and of pictures in them."""


class StyleTerms(NamedTuple):
    """The terms of a method's loss that compare styles.

    Attributes:
        losses: Style losses by the text of their terms.
        critic_layers: Critic layers of terms with critics, by text; one critic a layer.
        critic: The network of each.
    """

    losses: Mapping[str, StyleLoss]
    critic_layers: Mapping[str, tuple[str, ...]]
    critic: PatchCritic

    def init(self, key: Key) -> dict[str, Params]:
        """Players other than the model, by name; {} without a term that has critics."""
        params = {}
        for i, (term, layers) in enumerate(self.critic_layers.items()):
            keys = jax.random.split(jax.random.fold_in(key, i), len(layers))
            params[term] = {
                layer: self.critic.init(layer_key, self._example(layer))["params"]
                for layer, layer_key in zip(layers, keys, strict=True)
            }
        return {PLAYER: params} if params else {}

    def targets(self, style_features: FeatureMaps) -> dict[str, dict[str, Any]]:
        """What styles are compared by, for every term and layer."""
        return {k: loss.targets(style_features) for k, loss in self.losses.items()}

    def compare(
        self,
        features: FeatureMaps,
        targets: Mapping[str, Mapping[str, Any]],
        players: Mapping[str, Params],
        key: Key,
    ) -> dict[str, Float[Array, ""]]:
        """All terms for pictures with these features, `key` for those that sample."""
        terms = {}
        for i, (name, loss) in enumerate(self.losses.items()):
            own_key = jax.random.fold_in(key, i)
            terms[name] = loss.distance(features, targets[name], own_key)
        for name in self.critic_layers:
            scores = self._scores(players[PLAYER], name, features)
            terms[name] = add_terms(adversarial_loss(score) for score in scores)
        return terms

    def player_losses(self, make_features: MakeFeatures) -> dict[str, LossFn]:
        """Losses of the players other than the model; {} if there are none.

        Pictures are made once more for the critic, as the model was before the step:
        both players move at the same time.
        """
        if not self.critic_layers:
            return {}
        return {PLAYER: partial(self._critic_loss, make_features)}

    def _critic_loss(
        self,
        make_features: MakeFeatures,
        own_params: Params,
        variables: Variables,
        frozen: Params,
        batch: Batch,
        _key: Key,
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        critic_layers = {k for layers in self.critic_layers.values() for k in layers}
        critic_features = make_features(
            variables, frozen, batch, tuple(sorted(critic_layers))
        )
        style, output = jax.lax.stop_gradient(critic_features)
        total = jnp.zeros(())
        for name in self.critic_layers:
            pairs = zip(
                self._scores(own_params, name, style),
                self._scores(own_params, name, output),
                strict=True,
            )
            total = total + add_terms(critic_loss(*pair) for pair in pairs)
        return total, ({}, {})

    def _example(self, layer: str) -> Float[Array, "1 2 2 c"]:
        """What a critic of that layer is made for; `reluB_I` is as wide as block B."""
        widths = scale_widths(self.critic.width)
        return jnp.zeros((1, 2, 2, widths[int(layer[4]) - 1]))

    def _scores(
        self, params: Params, name: str, features: FeatureMaps
    ) -> list[Float[Array, "b _ _"]]:
        return [
            self.critic.apply({"params": params[name][layer]}, features[layer])
            for layer in self.critic_layers[name]
        ]


def make_style_terms(
    weights: Losses,
    own_terms: tuple[str, ...],
    layers: tuple[str, ...],
    arithmetic: Arithmetic,
    dtype: DTypeLike = jnp.float32,
    width: float = 1.0,
) -> StyleTerms:
    """The style losses among the weights; all other names must be the method's own.

    Args:
        weights: By term.
        own_terms: Names of the method's other losses.
        layers: Those of the encoder that styles are compared at.
        arithmetic: Arithmetic of `style`.
        dtype: Compute type of critics.
        width: Factor on the channels of the encoder that judges, and on the critics'.

    Raises:
        ValueError: If a term is unknown or asks for a layer that is not there.
    """
    if weights is NOT_TRAINED:
        return StyleTerms({}, {}, PatchCritic(width, dtype))
    check_loss_names(weights, (*own_terms, *STYLE_LOSSES, *CRITIC_LAYERS), own_terms)
    terms = {str(k): _style_term(k) for k in (*REPORTED, *weights)}
    losses: dict[str, StyleLoss] = {}
    critics: dict[str, tuple[str, ...]] = {}
    for name, term in terms.items():
        if term.loss in own_terms:
            continue
        if term.loss in CRITIC_LAYERS:
            term_layers = critics[name] = term.layers or CRITIC_LAYERS[term.loss]
        else:
            losses[name] = find_style_loss(term, arithmetic)
            term_layers = losses[name].layers
        if wrong := [layer for layer in term_layers if layer not in layers]:
            raise ValueError(
                f"losses.{name} asks for {', '.join(map(repr, wrong))}; styles are "
                f"compared at {', '.join(layers)}"
            )
    return StyleTerms(losses, critics, PatchCritic(width, dtype))


def weigh_terms(
    weights: Losses, terms: Mapping[str, Array]
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The weighted sum of a loss's terms, and those to report, as `NAME_loss`."""
    total = add_terms(w * terms[str(k)] for k, w in weights.items())
    return total, {f"{k}_loss": v for k, v in terms.items()}


def add_terms(terms: Iterable[Float[Array, ""]]) -> Float[Array, ""]:
    """The sum of terms; 0 of none."""
    return sum(terms, start=jnp.zeros(()))


def check_loss_names(
    weights: Losses, allowed: Sequence[str], plain: Sequence[str] = ()
) -> None:
    """Refuses loss weights of unknown names, none at all, or not positive.

    Args:
        weights: By term.
        allowed: Names of losses.
        plain: Those among them that take no settings.

    Raises:
        ValueError: If a term is unknown; the error lists the allowed ones.
    """
    wrong = sorted(
        str(term)
        for term in weights
        if (loss := _style_term(term).loss) not in allowed
        or (loss in plain and str(term) != loss)
    )
    if wrong or not weights:
        raise ValueError(f"losses must be among {sorted(allowed)}, got {wrong or '{}'}")
    if any(not 0 <= w < float("inf") for w in weights.values()):
        values = {str(term): weight for term, weight in weights.items()}
        raise ValueError(f"loss weights must be finite and at least 0, got {values}")


def _style_term(term: Term) -> StyleTerm:
    return term if isinstance(term, StyleTerm) else StyleTerm.parse(term)
