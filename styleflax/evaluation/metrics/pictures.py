"""Checks of the images that metrics take."""

import jax
import numpy as np
from jaxtyping import Array, Float


def check_pictures(
    name: str, pictures: Array | np.ndarray
) -> Float[Array | np.ndarray, "b h w 3"]:
    """Returns the images with a batch axis, without moving them between devices.

    Args:
        name: Name of the argument in errors.
        pictures: RGB in [0, 1], (h, w, 3) or (b, h, w, 3).

    Raises:
        ValueError: If they have another shape or another type than float. The range is
            not checked, as that would wait for the device.
    """
    if not isinstance(pictures, jax.Array):
        pictures = np.asarray(pictures)
    if pictures.ndim not in (3, 4) or pictures.shape[-1] != 3:
        raise ValueError(
            f"{name} must have the shape (h, w, 3) or (b, h, w, 3), got "
            f"{pictures.shape}"
        )
    if pictures.dtype.kind != "f":
        raise ValueError(f"{name} must be float32 in [0, 1], got {pictures.dtype}")
    return pictures if pictures.ndim == 4 else pictures[None]


def check_pair(
    first_name: str,
    first: Array | np.ndarray,
    second_name: str,
    second: Array | np.ndarray,
) -> tuple[
    Float[Array | np.ndarray, "b h w 3"],
    Float[Array | np.ndarray, "b h w 3"],
]:
    """Returns two batches of images with the same shape.

    Raises:
        ValueError: If an argument is not an image, or the shapes differ.
    """
    a, b = check_pictures(first_name, first), check_pictures(second_name, second)
    if a.shape != b.shape:
        raise ValueError(
            f"{first_name} and {second_name} must have the same shape, got {a.shape} "
            f"and {b.shape}"
        )
    return a, b
