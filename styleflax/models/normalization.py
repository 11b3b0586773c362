"""Rescaling the filters of a VGG, which leaves its function as it is."""

from collections.abc import Collection

import jax
import numpy as np
from jaxtyping import Array, Float

from styleflax.models.vgg import VGG, conv_of
from styleflax.ops.statistics import safe_sqrt
from styleflax.types import Image, Params

# Rounding to float16 changes a filter by less than a thousandth.
MAX_DEVIATION = 0.01


def normalize_activations(
    vgg_params: Params,
    images: Image,
    statistic: str = "rms",
    *,
    floor: float = 0.1,
    batch_size: int = 8,
    kept: Collection[str] = (),
) -> Params:
    """Parameters whose every filter is rescaled to a typical activation of 1.

    ReLU is positively homogeneous, so scaling a filter by s and the next
    layer's view of it by 1/s leaves the function of the network unchanged but
    for the scale of each channel. Gatys, Ecker and Bethge do this with the mean
    activation; the root mean square keeps rare, strong filters from growing.

    Args:
        vgg_params: Parameters of a VGG, up to any depth.
        images: Pictures over which activations are measured.
        statistic: `rms` or `mean` of the activation over images and positions.
        floor: Filters below this share of their layer's mean statistic are
            scaled by that share instead: they hardly fire, and would explode.
        batch_size: Images per forward pass; bounds the memory.
        kept: Convolutions that stay as they are.

    Raises:
        ValueError: If `statistic` is unknown.
    """
    if statistic not in ("rms", "mean"):
        raise ValueError(f"statistic must be 'rms' or 'mean', got {statistic!r}")
    power = 2 if statistic == "rms" else 1
    means = _power_means(vgg_params, images, power, batch_size)
    sizes = {}
    for layer, mean in means.items():
        size = np.asarray(safe_sqrt(mean) if power == 2 else mean)
        least = floor * max(float(size.mean()), 1e-12)
        is_kept = conv_of(layer) in kept
        sizes[conv_of(layer)] = np.ones_like(size) if is_kept else size.clip(min=least)
    return _rescale_filters(vgg_params, sizes)


def _power_means(
    vgg_params: Params, images: Image, power: int, batch_size: int
) -> dict[str, Float[Array, " c"]]:
    """Means of the activations' powers over images and positions, by layer."""
    convs = [name for name in vgg_params if name.startswith("conv")]
    layers = tuple(name.replace("conv", "relu") for name in sorted(convs))
    encoder = VGG.of_params(vgg_params, layers)

    @jax.jit
    def power_means(params: Params, batch: Image) -> dict[str, Float[Array, " c"]]:
        features = encoder.apply({"params": params}, batch)
        return {k: (v**power).mean(axis=(0, 1, 2)) for k, v in features.items()}

    starts = range(0, len(images), batch_size)
    sums: dict[str, Float[Array, " c"]] = {}
    for start in starts:
        batch = images[start : start + batch_size]
        for layer, value in power_means(vgg_params, batch).items():
            sums[layer] = sums.get(layer, 0.0) + value * len(batch)
    return {layer: value / len(images) for layer, value in sums.items()}


def _rescale_filters(params: Params, sizes: dict[str, np.ndarray]) -> Params:
    """Every filter divided by its size, from shallow to deep convolutions."""
    rescaled = dict(params)
    previous: np.ndarray = np.ones(3, np.float32)
    for name, size in sizes.items():
        kernel, bias = (np.asarray(params[name][k]) for k in ("kernel", "bias"))
        rescaled[name] = {
            "kernel": kernel * previous[:, None] / size,
            "bias": bias / size,
        }
        previous = size
    return rescaled


def scale_deepest(vgg_params: Params, factor: float) -> Params:
    """Parameters whose deepest layer has `factor` times its activations."""
    name = max(name for name in vgg_params if name.startswith("conv"))
    deepest = {k: factor * np.asarray(v) for k, v in vgg_params[name].items()}
    return {**vgg_params, name: deepest}


def extend_params(shallow: Params, whole: Params) -> Params:
    """An encoder with rescaled filters, and the deeper layers of the original.

    The scales are those by which the filters of `shallow` differ from the
    original's; the first of the added convolutions undoes that of its input.

    Args:
        shallow: The first convolutions of `whole`, each filter rescaled.
        whole: The original, up to any depth.

    Raises:
        ValueError: If `shallow` is no rescaled part of `whole`.
    """
    previous: np.ndarray = np.ones(3, np.float32)
    convs = sorted(name for name in shallow if name.startswith("conv"))
    for name in convs:
        kernel = np.asarray(shallow[name]["kernel"])
        if name not in whole or whole[name]["kernel"].shape != kernel.shape:
            raise ValueError(f"{name} is missing in the encoder to extend from")
        original = np.asarray(whole[name]["kernel"]) * previous[:, None]
        power = np.square(original).sum(axis=(0, 1, 2))
        product = (original * kernel).sum(axis=(0, 1, 2))
        size = np.divide(power, product, out=np.ones_like(power), where=product != 0)
        deviation = np.square(original - kernel * size).sum(axis=(0, 1, 2))
        if not np.all(deviation <= MAX_DEVIATION**2 * power):
            raise ValueError(f"{name} is not a rescaled copy of the one to extend from")
        previous = size
    extended = {**whole, **shallow}
    deeper = sorted(name for name in whole if name.startswith("conv"))[len(convs) :]
    if deeper:
        first = whole[deeper[0]]
        kernel = np.asarray(first["kernel"]) * previous[:, None]
        extended[deeper[0]] = {"kernel": kernel, "bias": first["bias"]}
    return extended
