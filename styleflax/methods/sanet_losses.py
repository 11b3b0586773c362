"""What SANet is trained on (Park and Lee 2019)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from styleflax.config import Arithmetic
from styleflax.losses.content import mse_loss
from styleflax.losses.regularizers import REGULARIZERS, regularize
from styleflax.methods.base import Batch, Variables, weigh_terms
from styleflax.methods.encoder import FrozenEncoder
from styleflax.methods.terms import StyleTerms
from styleflax.models.decoder import Decoder
from styleflax.models.sanet import Regions, SANet
from styleflax.ops.statistics import mean_variance_norm
from styleflax.types import FeatureMaps, Image, Key, Params

ATTENDED = ("relu4_1", "relu5_1")
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", *ATTENDED)
PAPER_LOSSES: Mapping[str, float] = MappingProxyType(
    {
        "content": 1.0,
        "style": 3.0,
        "identity_pixels": 50.0,
        "identity_features": 1.0,
    }
)
"""With the identities' weights of the paper's erratum, 50 and 1; its print has 1 and 50
(`presets.PRESETS["sanet-paper-print"]`)."""
LOSS_TERMS = ("content", "identity_pixels", "identity_features", *REGULARIZERS)
"""Beside the style losses."""


class Networks(NamedTuple):
    """What the functions of the method share."""

    arithmetic: Arithmetic
    transform: SANet
    decoder: Decoder
    encode: FrozenEncoder
    style_terms: StyleTerms

    def normalise(self, feature: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
        """The feature as content: its mean-variance norm over the whole picture."""
        return mean_variance_norm(feature, **self.arithmetic.content_statistics())

    def stylize(
        self, params: Params, content: FeatureMaps, style: FeatureMaps
    ) -> Image:
        """Pictures from whole features, each content in the style beside it."""
        features = {layer: content[layer] for layer in ATTENDED}
        queries = {k: [self.normalise(v)] for k, v in features.items()}
        whole = Regions(jnp.ones((1, 1, 1)), jnp.ones((1, 1)))
        merged = self.transform.apply(
            {"params": params}, features, queries, [style], whole
        )
        return self.decoder.apply({"params": params}, merged)


def sanet_loss(
    weights: Mapping[str, float],
    nets: Networks,
    own_params: Params,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    key: Key,
) -> tuple[Float[Array, ""], tuple[dict[str, Array], Params]]:
    """The paper's weighted sum, and its terms as metrics; see `make_sanet`.

    Contents in styles, contents in themselves and styles in themselves are
    computed as one batch.
    """
    size = batch["content"].shape[0]
    both = jnp.concatenate([batch["content"], batch["style"]])
    features = nets.encode(frozen, both, STYLE_LAYERS)
    content = {k: v[:size] for k, v in features.items()}
    targets = nets.style_terms.targets({k: v[size:] for k, v in features.items()})
    transfers = not weights.keys() <= {"identity_pixels", "identity_features"}
    identities = any(name.startswith("identity") for name in weights)
    # Positions in `both` of every content, and of the style that it is put into.
    one, two = list(range(size)), list(range(2 * size))
    contents = jnp.array(one * transfers + two * identities)
    styles = jnp.array(two[size:] * transfers + two * identities)
    images = nets.stylize(
        own_params, _take(features, contents), _take(features, styles)
    )
    terms: dict[str, Array] = {}
    if transfers:
        terms |= regularize(images[:size], weights)
    if identities:
        # A mean over both halves, doubled, is the sum of their means.
        rest = slice(size * transfers, None)
        terms["identity_pixels"] = 2.0 * mse_loss(images[rest], both)

    def compared(seen: FeatureMaps) -> dict[str, Array]:
        found: dict[str, Array] = {}
        if transfers:
            made = {k: v[:size] for k, v in seen.items()}
            found = nets.style_terms.compare(made, targets, variables.players, key)
            found["content"] = _content_term(nets, made, content)
        if identities:
            again = {k: v[size * transfers :] for k, v in seen.items()}
            found["identity_features"] = _identity_term(again, features)
        return found

    terms |= nets.encode.judge(frozen, images, STYLE_LAYERS, compared)
    total, metrics = weigh_terms(weights, terms)
    return total, (metrics, variables.state)


def styles_and_transfers(
    nets: Networks,
    variables: Variables,
    frozen: Params,
    batch: Batch,
    layers: tuple[str, ...],
) -> tuple[FeatureMaps, FeatureMaps]:
    """Features of styles, and of contents in them; for a critic."""
    content = nets.encode(frozen, batch["content"], ATTENDED)
    needed = tuple(dict.fromkeys((*layers, *ATTENDED)))
    style = nets.encode(frozen, batch["style"], needed)
    attended = {k: style[k] for k in ATTENDED}
    images = nets.stylize(variables.players["model"], content, attended)
    return {k: style[k] for k in layers}, nets.encode(frozen, images, layers)


def _take(features: FeatureMaps, positions: Array) -> dict[str, Array]:
    return {k: features[k][positions] for k in ATTENDED}


def _content_term(
    nets: Networks, stylized: FeatureMaps, content: FeatureMaps
) -> Float[Array, ""]:
    """Between the normalised features of both attended layers."""
    distances = (
        mse_loss(nets.normalise(stylized[k]), nets.normalise(content[k]))
        for k in ATTENDED
    )
    return sum(distances, start=jnp.zeros(()))


def _identity_term(seen: FeatureMaps, features: FeatureMaps) -> Float[Array, ""]:
    """Features of contents and styles in themselves; the sum of both means."""
    distances = (mse_loss(seen[k], features[k]) for k in STYLE_LAYERS)
    return 2.0 * sum(distances, start=jnp.zeros(()))
