"""AdaIN as the paper does not have it: norms, concatenation, another content target.

For claims 1 and 2 alone, which found them worse; `build` takes the place of
`training.phases.build_method`.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import OPTIONS, Arithmetic, Config, Losses, Options, Phase
from styleflax.losses.perceptual import mse_loss
from styleflax.methods.adain import DEEPEST, STYLE_LAYERS, make_adain
from styleflax.methods.base import (
    Batch,
    Controls,
    Method,
    Style,
    Variables,
)
from styleflax.methods.features import FrozenEncoder, make_style_terms, weigh_terms
from styleflax.models.vgg import DECODER_LAYERS, UPSAMPLED, ReflectConv
from styleflax.ops.statistics import adain, channel_mean_std
from styleflax.types import FeatureMap, FeatureMaps, Image, Key, Params

METHOD = "adain_variant"
# Share of the old population statistics that a training step keeps. Higher, and
# runs of a few hundred steps would end with statistics of their beginning.
_KEPT = 0.9


@dataclasses.dataclass(frozen=True, kw_only=True)
class VariantOptions(Options):
    """What is not as in the paper.

    Attributes:
        norm: The normalization of `NormDecoder`.
        transform: `concatenation` gives the decoder the features of content and
            style, unchanged.
        content_target: Target of the content loss: AdaIN's output or the
            content's features.
    """

    norm: Literal["none", "batch", "instance"] = "none"
    transform: Literal["adain", "concatenation"] = "adain"
    content_target: Literal["adain", "content"] = "adain"


OPTIONS[METHOD] = VariantOptions


class NormDecoder(nn.Module):
    """AdaIN's decoder, with a norm after every convolution but the last.

    Attributes:
        norm: `batch` (Ioffe and Szegedy 2015) by the batch's moments in training,
            else by those of the population, in the collection `batch_stats`;
            `instance` (Ulyanov et al. 2016) by each picture's own; or `none`.
        layers: Output channels by layer.
    """

    norm: str
    layers: Mapping[str, int]

    @nn.compact
    def __call__(
        self, feature: Float[Array, "b fh fw c"], training: bool = False
    ) -> Image:
        """Images of eight times the height and width of `feature`."""
        x = feature
        for name, channels in self.layers.items():
            x = ReflectConv(channels, name in UPSAMPLED, name=name)(x)
            if name != "conv1_1":
                x = nn.relu(self._normed(x, training, name.replace("conv", "norm")))
        return x

    def _normed(self, x: FeatureMap, training: bool, name: str) -> FeatureMap:
        settings = {"epsilon": 1e-5, "use_fast_variance": False, "name": name}
        if self.norm == "batch":
            average = not training
            return nn.BatchNorm(average, momentum=_KEPT, **settings)(x)
        return nn.InstanceNorm(**settings)(x) if self.norm == "instance" else x


def build(config: Config, phase: Phase) -> Method:
    """The configured variant, with the losses of one phase."""
    return make_variant(phase.losses, config.arithmetic, config.record_of_options())


def make_variant(
    losses: Losses,
    arithmetic: Arithmetic,
    options: VariantOptions,
    layers: Mapping[str, int] = DECODER_LAYERS,
) -> Method:
    """AdaIN with other parts, for whole pictures in one style at strength 1.

    Args:
        losses: Weights of `content` and of style losses.
        arithmetic: As of `make_adain`.
        options: What differs.
        layers: The layers of `NormDecoder`.
    """
    encoder = FrozenEncoder(jnp.float32)
    decoder = NormDecoder(options.norm, layers)
    terms = make_style_terms(losses, ("content",), STYLE_LAYERS, arithmetic)
    of_style = arithmetic.style_statistics()
    of_content = arithmetic.content_statistics()
    is_beside = options.transform == "concatenation"

    def init(key: Key) -> Variables:
        feature = jnp.zeros((1, 2, 2, 1024 if is_beside else 512))
        variables = dict(decoder.init(key, feature))
        return Variables({"model": variables.pop("params")}, variables)

    def move(content: FeatureMap, style: FeatureMap) -> FeatureMap:
        return adain(content, *channel_mean_std(style, **of_style), **of_content)

    def mix(content: FeatureMap, style: FeatureMap) -> Float[Array, "b h w c2"]:
        """The decoder's input."""
        if not is_beside:
            return move(content, style)
        shape = (len(style), *content.shape[1:])
        return jnp.concatenate(
            [content, jax.image.resize(style, shape, "bilinear")], -1
        )

    def encode_style(_: Variables, frozen: Params, style: Mapping[str, Any]) -> Style:
        return encoder(frozen, style["image"], (DEEPEST,))

    def transfer(
        _variables: Variables,
        _frozen: Params,
        features: FeatureMaps,
        _moments: object,
        styles: Sequence[Style],
        _controls: Controls,
    ) -> FeatureMaps:
        return {DEEPEST: mix(features[DEEPEST], styles[0][DEEPEST])}

    def decode(variables: Variables, _: Params, features: FeatureMaps) -> Image:
        tree = {"params": variables.players["model"], **variables.state}
        return decoder.apply(tree, features[DEEPEST])

    def loss(
        own: Params, variables: Variables, frozen: Params, batch: Batch, key: Key
    ) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
        content = encoder(frozen, batch["content"], (DEEPEST,))[DEEPEST]
        style = encoder(frozen, batch["style"], STYLE_LAYERS)
        moved = move(content, style[DEEPEST])
        wanted = {"adain": moved, "content": content}[options.content_target]
        tree = {"params": own, **variables.state}
        image, state = decoder.apply(
            tree, mix(content, style[DEEPEST]), True, mutable=["batch_stats"]
        )
        seen = encoder(frozen, image, STYLE_LAYERS)
        found = terms.compare(seen, terms.targets(style), variables.players, key)
        found["content"] = mse_loss(seen[DEEPEST], wanted)
        total, metrics = weigh_terms(losses, found)
        return total, (metrics, state)

    return make_adain(losses, arithmetic=arithmetic)._replace(
        init=init,
        losses={"model": loss},
        encode_style=encode_style,
        transfer=transfer,
        decode=decode,
        tiling=None,
        controls=frozenset(),
    )
