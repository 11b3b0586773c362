"""How exported weights are stored; all of them are computed with in float32."""

from typing import Literal, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Float16, Int8

Storage = Literal["float32", "float16", "int8"]


def check_storage(storage: str) -> None:
    """Refuses a storage that is unknown.

    Raises:
        ValueError: Naming those that are known.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage must be one of {get_args(Storage)}, got {storage!r}")


GROUP = 16
"""Input channels that share a scale in int8, which takes 2 bytes. With one scale for
all inputs of an output channel, pictures of AdaIN were 39 dB from exact ones; so they
are 48."""


class Quantized(NamedTuple):
    """Weights in 8 bits: `(whole * scale).reshape(shape)`.

    Attributes:
        whole: With the axis of input channels split into groups and their members.
        scale: Scale of every group, for each output channel and place in a kernel.
    """

    whole: Int8[np.ndarray, "..."]
    scale: Float16[np.ndarray, "..."]


def quantize(weights: Float[np.ndarray, "..."], inputs: int) -> Quantized:
    """Weights in 8 bits.

    Args:
        weights: Weights of any shape.
        inputs: The axis of the input channels.
    """
    shape, channels = weights.shape, weights.shape[inputs]
    group = GROUP if channels % GROUP == 0 else channels
    split = (*shape[:inputs], channels // group, group, *shape[inputs + 1 :])
    grouped = weights.reshape(split)
    largest = np.abs(grouped).max(axis=inputs + 1, keepdims=True)
    # Below it 16 bits have no digits left; such weights count for nothing.
    scale = np.maximum(largest / 127.0, np.finfo(np.float16).tiny).astype(np.float16)
    whole = np.round(grouped / scale.astype(np.float32)).clip(-127, 127)
    return Quantized(whole.astype(np.int8), scale)
