"""Features of Inception-v3, which FID and ArtFID compare."""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from styleflax.evaluation.networks.inception_blocks import (
    Block,
    Branch,
    Conv,
    Pool,
    Step,
)
from styleflax.types import FeatureMap, Image, Params

SMALLEST_SIDE_PX = 75
"""A smaller picture leaves the last block no position."""


def inception_features(
    params: Params, images: Image, blocks: tuple[Block, ...]
) -> Float[Array, "b d"]:
    """Returns the mean over all positions of the last block's output.

    Args:
        params: As `inception_file.load_inception` gives them: a kernel and a bias by
            the full name of the convolution, batch normalisation folded in.
        images: RGB in [0, 1] or [-1, 1], as the form of the network asks; at least
            `SMALLEST_SIDE_PX` high and wide.
        blocks: As `inception_blocks.build_blocks` gives them; d is then 2048.

    Raises:
        ValueError: If the pictures are too small.
    """
    height, width = images.shape[1:3]
    if min(height, width) < SMALLEST_SIDE_PX:
        raise ValueError(
            f"pictures of {height}x{width} px are too small for Inception-v3; both "
            f"sides must be at least {SMALLEST_SIDE_PX} px"
        )
    x: Array = images
    for block in blocks:
        x = apply_block(params, x, block)
    return x.mean(axis=(1, 2))


def apply_block(params: Params, x: FeatureMap, block: Block) -> FeatureMap:
    """Returns the outputs of the block's branches, side by side."""
    outputs = [_apply_branch(params, x, block, branch) for branch in block.branches]
    return jnp.concatenate(outputs, axis=-1)


def resize_to_299(images: Image) -> Float[Array, "b 299 299 3"]:
    """Returns the pictures as pytorch-fid makes them of any size.

    Bilinear between pixel centres, with no smoothing where the picture shrinks (its
    `F.interpolate` with `align_corners=False`); the proportions are not kept.
    """
    shape = (images.shape[0], 299, 299, images.shape[3])
    return jax.image.resize(images, shape, "linear", antialias=False)


def pool3x3(x: FeatureMap, pool: Pool) -> FeatureMap:
    """Returns the map pooled over windows of 3x3; see `inception_blocks.Pool`."""
    window, strides = (1, 3, 3, 1), (1, pool.stride, pool.stride, 1)
    around = (0, 1, 1, 0) if pool.stride == 1 else (0, 0, 0, 0)
    padding = [(side, side) for side in around]
    if pool.kind == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)
    total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
    if pool.kind == "padded_mean":
        return total / 9.0
    # Known when the program is traced, so NumPy counts.
    rows, columns = (_covered(x.shape[axis], pool.stride) for axis in (1, 2))
    return total / (rows[:, None] * columns[None, :])[None, :, :, None]


def conv_relu(
    x: FeatureMap, params: Mapping[str, Array], conv: Conv
) -> Float[Array, "b _ _ o"]:
    """Returns the ReLU of one convolution."""
    rows, columns = (
        (side // 2 if conv.padded else 0) for side in (conv.height, conv.width)
    )
    y = lax.conv_general_dilated(
        x,
        jnp.asarray(params["kernel"]),
        (conv.stride, conv.stride),
        [(rows, rows), (columns, columns)],
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        # Some GPUs would round the factors to ten bits otherwise.
        precision=lax.Precision.HIGHEST,
    )
    return jnp.maximum(y + params["bias"], 0.0)


def _apply_branch(
    params: Params, x: FeatureMap, block: Block, branch: Branch
) -> FeatureMap:
    for step in branch:
        x = _apply_step(params, x, block, step)
    return x


def _apply_step(params: Params, x: FeatureMap, block: Block, step: Step) -> FeatureMap:
    if isinstance(step, Pool):
        return pool3x3(x, step)
    convs = (step,) if isinstance(step, Conv) else step.convs
    outputs = [conv_relu(x, params[block.full_name(conv)], conv) for conv in convs]
    return jnp.concatenate(outputs, axis=-1)


def _covered(length: int, stride: int) -> Float[np.ndarray, " n"]:
    """How many positions of a side each window of three covers."""
    inside = np.ones(length, np.float32)
    if stride == 1:
        inside = np.pad(inside, 1)
    return np.convolve(inside, np.ones(3, np.float32), "valid")[::stride]
