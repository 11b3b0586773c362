"""What it takes where a content attends to itself: SANet below strength 1."""

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.inference.model import Model
from styleflax.methods.base import Controls

NOTABLE_FLOPS = 1e12
"""A few seconds of a few CPU cores; less is not worth a word."""


def attends_to_itself(model: Model, controls: Controls) -> bool:
    """Whether the content is attended to: at strengths but 1, by some methods."""
    tiling = model.method.tiling
    other = np.any(np.asarray(controls.strength) != 1)
    return tiling is not None and tiling.attend is not None and bool(other)


def notable_cost(
    model: Model, count: int, height: int, width: int, controls: Controls
) -> str | None:
    """A warning of what that costs for whole pictures; None if it costs little.

    Args:
        model: Of any method.
        count: Of pictures.
        height: Of each in px.
        width: The same.
        controls: Of which the strengths count.
    """
    if not attends_to_itself(model, controls):
        return None
    image = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    features = jax.eval_shape(model.method.encode_content, *model[1:], image)
    flops = count * sum(
        4.0 * len(controls.strength) * (h * w) ** 2 * channels
        for _, h, w, channels in (feature.shape for feature in features.values())
    )
    if flops < NOTABLE_FLOPS:
        return None
    each = "" if count == 1 else f" (each of {count})"
    return f"{of_picture(height, width)}{each} take {in_teraflops(flops)}"


def of_picture(height: int, width: int) -> str:
    """The beginning of every such warning."""
    return (
        "where the strength is not 1, or no mask covers, this method's content "
        f"attends to itself: {width} x {height} px"
    )


def in_teraflops(flops: float) -> str:
    """Their end."""
    return f"{flops / 1e12:.3g} teraflops beside all else"
