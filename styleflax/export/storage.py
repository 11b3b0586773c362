"""How exported weights are stored; all of them are computed with in float32."""

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int8

Storage = Literal["float32", "float16", "int8"]


def check_storage(storage: str) -> None:
    """Refuses a storage that is unknown.

    Raises:
        ValueError: Naming those that are known.
    """
    if storage not in get_args(Storage):
        raise ValueError(f"storage must be one of {get_args(Storage)}, got {storage!r}")


def quantize(
    weights: Float[np.ndarray, "*shape"], axis: int
) -> tuple[Int8[np.ndarray, "*shape"], Float[np.ndarray, "*_"]]:
    """Weights in 8 bits, and what each output channel is multiplied by.

    Args:
        weights: Of any shape.
        axis: Of the output channels.
    """
    others = tuple(a for a in range(weights.ndim) if a != axis)
    scale = np.abs(weights).max(axis=others, keepdims=True) / 127.0
    scale = np.where(scale > 0, scale, 1.0).astype(np.float32)
    return np.round(weights / scale).astype(np.int8), scale
