"""Storage types of exported weights; all computations are in float32."""

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Float16, Int8

Storage = Literal["float32", "float16", "int8"]


def check_storage(storage: str) -> None:
    """Checks the name of a storage type.

    Raises:
        ValueError: If it is unknown.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage must be one of {get_args(Storage)}, got {storage!r}")


GROUP = 16
"""Number of input channels that share one scale of 2 bytes in int8. Images of AdaIN
have a PSNR of 48 dB against float32 ones, and 39 dB with one scale for all inputs of an
output channel."""


class Quantized(NamedTuple):
    """Weights in 8 bits, restored as `(whole * scale).reshape(shape)`.

    Attributes:
        whole: Integers; the axis of input channels is split into groups and members.
        scale: Scale of every group, for each output channel and kernel position.
    """

    whole: Int8[np.ndarray, "..."]
    scale: Float16[np.ndarray, "..."]


def quantize(weights: Float[np.ndarray, "..."], inputs: int) -> Quantized:
    """Returns weights in 8 bits, with a scale per group of input channels.

    Args:
        weights: Weights of any shape.
        inputs: The axis of the input channels.
    """
    shape, channels = weights.shape, weights.shape[inputs]
    group = GROUP if channels % GROUP == 0 else channels
    split = (*shape[:inputs], channels // group, group, *shape[inputs + 1 :])
    grouped = weights.reshape(split)
    largest = np.abs(grouped).max(axis=inputs + 1, keepdims=True)
    # Smaller scales lose their digits in float16; such weights are negligible.
    scale = np.maximum(largest / 127.0, np.finfo(np.float16).tiny).astype(np.float16)
    whole = np.round(grouped / scale.astype(np.float32)).clip(-127, 127)
    return Quantized(whole.astype(np.int8), scale)
