"""SANet with one of its two levels, for claim 4 alone."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.core import FrozenDict
from jaxtyping import Array, Float

from styleflax.config import OPTIONS, Arithmetic, Config, Losses, Options, Phase
from styleflax.losses.perceptual import mse_loss
from styleflax.methods.base import (
    Batch,
    Controls,
    Method,
    Style,
    Variables,
)
from styleflax.methods.features import FrozenEncoder, make_style_terms, weigh_terms
from styleflax.methods.sanet import ATTENDED, LOSS_TERMS, STYLE_LAYERS, make_sanet
from styleflax.models.sanet import StyleAttention, likeness_params
from styleflax.models.vgg import Decoder, ReflectConv
from styleflax.ops.spatial import upsample_nearest
from styleflax.ops.statistics import mean_variance_norm
from styleflax.training.phases import build_method
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

METHOD = "sanet_level"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LevelOptions(Options):
    """The one level that is attended to."""

    level: Literal["relu4_1", "relu5_1"] = "relu4_1"


OPTIONS[METHOD] = LevelOptions


class OneLevel(nn.Module):
    """The decoder's input from one level's block, with the content's residual.

    Attributes:
        level: `relu4_1` or `relu5_1`.
        statistics: `ddof` and `eps` of the normalization of styles.
    """

    level: str
    statistics: Mapping[str, Any]

    @nn.compact
    def __call__(
        self, content: FeatureMaps, query: FeatureMap, style: FeatureMap
    ) -> Float[Array, "_ _ _ _"]:
        """As of `models.sanet.SANet`, for one style at strength 1."""
        block = StyleAttention(
            self.statistics, name=self.level.replace("relu", "sanet")
        )
        whole = jnp.ones((1, 1, 1)), jnp.ones((1, 1))
        feature = content[self.level]
        x = feature + block([query], [style], *whole)
        if self.level == "relu5_1":
            height, width = content["relu4_1"].shape[1:3]
            x = upsample_nearest(x)[:, :height, :width]
        return ReflectConv(x.shape[-1], name="merge_conv")(x)


def build(config: Config, phase: Phase) -> Method:
    """The configured method, which may be that of one level."""
    if not isinstance(config.options, LevelOptions):
        return build_method(config, phase)
    return make_level(phase.losses, config.arithmetic, config.options.level)


def make_level(losses: Losses, arithmetic: Arithmetic, level: str) -> Method:
    """SANet of one level, for whole pictures in one style at strength 1.

    Raises:
        ValueError: If the level is none of `ATTENDED`.
    """
    if level not in ATTENDED:
        raise ValueError(f"level must be one of {ATTENDED}, got {level!r}")
    encoder = FrozenEncoder(jnp.float32)
    network = OneLevel(level, FrozenDict(arithmetic.style_statistics()))
    decoder = Decoder()
    terms = make_style_terms(losses, LOSS_TERMS, STYLE_LAYERS, arithmetic)

    def init(key: Key) -> Variables:
        keys = jax.random.split(key)
        made = likeness_params(keys[0])
        own = {k: made[k] for k in (level.replace("relu", "sanet"), "merge_conv")}
        decoded = decoder.init(keys[1], jnp.zeros((1, 2, 2, 512)))["params"]
        return Variables({"model": {**own, **decoded}}, {})

    def normalize(feature: FeatureMap) -> FeatureMap:
        return mean_variance_norm(feature, **arithmetic.content_statistics())

    def merge(
        own: Params, content: FeatureMaps, style: FeatureMaps
    ) -> Float[Array, "_ _ _ _"]:
        query = normalize(content[level])
        return network.apply({"params": own}, content, query, style[level])

    def encode_style(_: Variables, frozen: Params, style: Mapping[str, Any]) -> Style:
        return encoder(frozen, style["image"], ATTENDED)

    def transfer(
        variables: Variables,
        _: Params,
        features: FeatureMaps,
        _moments: object,
        styles: Sequence[Style],
        _controls: Controls,
    ) -> FeatureMaps:
        return {"merged": merge(variables.players["model"], features, styles[0])}

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        size = len(batch["content"])
        both = jnp.concatenate([batch["content"], batch["style"]])
        features = encoder(frozen, both, STYLE_LAYERS)
        # Contents in styles, and both in themselves.
        contents = {k: jnp.concatenate([v[:size], v]) for k, v in features.items()}
        styles = {k: jnp.concatenate([v[size:], v]) for k, v in features.items()}
        images: Image = decoder.apply({"params": own}, merge(own, contents, styles))
        seen = encoder(frozen, images, STYLE_LAYERS)
        made = {k: v[:size] for k, v in seen.items()}
        targets = terms.targets({k: v[size:] for k, v in features.items()})
        found = terms.compare(made, targets, variables.players, key)
        found["content"] = sum(
            mse_loss(normalize(made[k]), normalize(features[k][:size]))
            for k in ATTENDED
        )
        found["identity_pixels"] = 2.0 * mse_loss(images[size:], both)
        found["identity_features"] = 2.0 * sum(
            mse_loss(seen[k][size:], features[k]) for k in STYLE_LAYERS
        )
        total, metrics = weigh_terms(losses, found)
        return total, (metrics, {})

    return make_sanet(losses, arithmetic=arithmetic)._replace(
        init=init,
        losses={"model": loss},
        encode_style=encode_style,
        transfer=transfer,
        tiling=None,
        controls=frozenset(),
    )
