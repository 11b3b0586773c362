"""Inception-v3 in two published forms, whose features FID and ArtFID compare.

Names, widths and kernels are those of models/inception.py in pytorch/vision. The form
"fid" is the network of 2015-12-05 used for FID. According to
src/pytorch_fid/inception.py in mseitzer/pytorch-fid, its average pools exclude the
padding from the mean, and its last block uses a maximum where torchvision averages. The
form "art" is torchvision's, trained on paintings for ArtFID; evaluation/inception.py in
bytedance/StyleSSP has the two heads that matthias-wright/art-fid describes.
"""

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from styleflax.types import FeatureMap, Image, Params

Form = Literal["fid", "art"]
Shape = tuple[int, ...]


class Conv(NamedTuple):
    """A convolution without bias, followed by batch normalization and ReLU.

    Attributes:
        name: Name within its block.
        outs: Number of output channels.
        height: Height of the kernel.
        width: Width of the kernel.
        stride: Stride along both sides.
        padded: Whether zeros are added so that stride 1 preserves the size.
    """

    name: str
    outs: int
    height: int = 1
    width: int = 1
    stride: int = 1
    padded: bool = True


class Pool(NamedTuple):
    """A 3x3 pool; stride 1 preserves the size, stride 2 has no padding.

    Attributes:
        kind: "max", "mean" (of the positions within the map) or "padded_mean" (which
            includes zeros around the map).
        stride: Stride along both sides.
    """

    kind: Literal["max", "mean", "padded_mean"]
    stride: int = 1


class Fork(NamedTuple):
    """Convolutions of one input, whose outputs are concatenated."""

    convs: tuple[Conv, ...]


Step = Conv | Pool | Fork
Branch = tuple[Step, ...]


class Block(NamedTuple):
    """Branches of one input, whose outputs are concatenated.

    Attributes:
        name: Prefix of the names of its convolutions; may be empty.
        branches: Branches in the order of their output channels.
    """

    name: str
    branches: tuple[Branch, ...]

    def full_name(self, conv: Conv) -> str:
        """Returns the name of a convolution within the whole network."""
        return f"{self.name}.{conv.name}" if self.name else conv.name


def build_blocks(form: Form) -> tuple[Block, ...]:
    """Returns the blocks of the network before its global mean of 2048 channels."""
    mean = Pool("mean" if form == "fid" else "padded_mean")
    last = Pool("max") if form == "fid" else mean
    return (
        _stem(),
        _block_a("Mixed_5b", 32, mean),
        _block_a("Mixed_5c", 64, mean),
        _block_a("Mixed_5d", 64, mean),
        _block_b("Mixed_6a"),
        _block_c("Mixed_6b", 128, mean),
        _block_c("Mixed_6c", 160, mean),
        _block_c("Mixed_6d", 160, mean),
        _block_c("Mixed_6e", 192, mean),
        _block_d("Mixed_7a"),
        _block_e("Mixed_7b", mean),
        _block_e("Mixed_7c", last),
    )


def conv_shapes(blocks: tuple[Block, ...]) -> dict[str, Shape]:
    """Returns (out, in, height, width) of every kernel by its full name."""
    shapes: dict[str, Shape] = {}
    ins = 3
    for block in blocks:
        outs = 0
        for branch in block.branches:
            width = ins
            for step in branch:
                for conv in _convs(step):
                    kernel = (conv.outs, width, conv.height, conv.width)
                    shapes[block.full_name(conv)] = kernel
                width = sum(conv.outs for conv in _convs(step)) or width
            outs += width
        ins = outs
    return shapes


def _convs(step: Step) -> Iterator[Conv]:
    if isinstance(step, Conv):
        yield step
    elif isinstance(step, Fork):
        yield from step.convs


def _stem() -> Block:
    halving = Pool("max", stride=2)
    branch: Branch = (
        Conv("Conv2d_1a_3x3", 32, 3, 3, stride=2, padded=False),
        Conv("Conv2d_2a_3x3", 32, 3, 3, padded=False),
        Conv("Conv2d_2b_3x3", 64, 3, 3),
        halving,
        Conv("Conv2d_3b_1x1", 80),
        Conv("Conv2d_4a_3x3", 192, 3, 3, padded=False),
        halving,
    )
    return Block("", (branch,))


def _block_a(name: str, pooled: int, mean: Pool) -> Block:
    doubled = (
        Conv("branch3x3dbl_1", 64),
        Conv("branch3x3dbl_2", 96, 3, 3),
        Conv("branch3x3dbl_3", 96, 3, 3),
    )
    branches: tuple[Branch, ...] = (
        (Conv("branch1x1", 64),),
        (Conv("branch5x5_1", 48), Conv("branch5x5_2", 64, 5, 5)),
        doubled,
        (mean, Conv("branch_pool", pooled)),
    )
    return Block(name, branches)


def _block_b(name: str) -> Block:
    doubled = (
        Conv("branch3x3dbl_1", 64),
        Conv("branch3x3dbl_2", 96, 3, 3),
        Conv("branch3x3dbl_3", 96, 3, 3, stride=2, padded=False),
    )
    single = Conv("branch3x3", 384, 3, 3, stride=2, padded=False)
    return Block(name, ((single,), doubled, (Pool("max", stride=2),)))


def _block_c(name: str, inner: int, mean: Pool) -> Block:
    single = (
        Conv("branch7x7_1", inner),
        Conv("branch7x7_2", inner, 1, 7),
        Conv("branch7x7_3", 192, 7, 1),
    )
    doubled = (
        Conv("branch7x7dbl_1", inner),
        Conv("branch7x7dbl_2", inner, 7, 1),
        Conv("branch7x7dbl_3", inner, 1, 7),
        Conv("branch7x7dbl_4", inner, 7, 1),
        Conv("branch7x7dbl_5", 192, 1, 7),
    )
    pooled = (mean, Conv("branch_pool", 192))
    return Block(name, ((Conv("branch1x1", 192),), single, doubled, pooled))


def _block_d(name: str) -> Block:
    single = (
        Conv("branch3x3_1", 192),
        Conv("branch3x3_2", 320, 3, 3, stride=2, padded=False),
    )
    crossed = (
        Conv("branch7x7x3_1", 192),
        Conv("branch7x7x3_2", 192, 1, 7),
        Conv("branch7x7x3_3", 192, 7, 1),
        Conv("branch7x7x3_4", 192, 3, 3, stride=2, padded=False),
    )
    return Block(name, (single, crossed, (Pool("max", stride=2),)))


def _block_e(name: str, pool: Pool) -> Block:
    single = (
        Conv("branch3x3_1", 384),
        Fork((Conv("branch3x3_2a", 384, 1, 3), Conv("branch3x3_2b", 384, 3, 1))),
    )
    doubled = (
        Conv("branch3x3dbl_1", 448),
        Conv("branch3x3dbl_2", 384, 3, 3),
        Fork((Conv("branch3x3dbl_3a", 384, 1, 3), Conv("branch3x3dbl_3b", 384, 3, 1))),
    )
    pooled = (pool, Conv("branch_pool", 192))
    return Block(name, ((Conv("branch1x1", 320),), single, doubled, pooled))


SMALLEST_SIDE_PX = 75
"""Smallest side of an image; with smaller ones, the last block is empty."""


def inception_features(
    params: Params, images: Image, blocks: tuple[Block, ...]
) -> Float[Array, "b d"]:
    """Returns the mean over all positions of the last block's output.

    Args:
        params: Parameters from `inception_file.load_inception`: kernel and bias by the
            full name of the convolution, with batch normalization folded in.
        images: RGB in [0, 1] or [-1, 1], depending on the form of the network, with
            sides of at least `SMALLEST_SIDE_PX`.
        blocks: Blocks from `build_blocks`; d is then 2048.

    Raises:
        ValueError: If the images are too small.
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
    """Returns the concatenated outputs of the block's branches."""
    outputs = [_apply_branch(params, x, block, branch) for branch in block.branches]
    return jnp.concatenate(outputs, axis=-1)


def resize_to_299(images: Image) -> Float[Array, "b 299 299 3"]:
    """Returns the images resized as in pytorch-fid, ignoring their aspect ratio.

    Interpolation is bilinear between pixel centers without antialiasing, as in
    `F.interpolate` with `align_corners=False`.
    """
    shape = (images.shape[0], 299, 299, images.shape[3])
    return jax.image.resize(images, shape, "linear", antialias=False)


def pool3x3(x: FeatureMap, pool: Pool) -> FeatureMap:
    """Returns the map pooled over windows of 3x3; see `Pool`."""
    window, strides = (1, 3, 3, 1), (1, pool.stride, pool.stride, 1)
    around = (0, 1, 1, 0) if pool.stride == 1 else (0, 0, 0, 0)
    padding = [(side, side) for side in around]
    if pool.kind == "max":
        return lax.reduce_window(x, -jnp.inf, lax.max, window, strides, padding)
    total = lax.reduce_window(x, 0.0, lax.add, window, strides, padding)
    if pool.kind == "padded_mean":
        return total / 9.0
    # Static at trace time, so NumPy is used.
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
        # By default, some GPUs round the factors to ten bits.
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
    """Returns the number of positions that each window of three covers."""
    inside = np.ones(length, np.float32)
    if stride == 1:
        inside = np.pad(inside, 1)
    return np.convolve(inside, np.ones(3, np.float32), "valid")[::stride]
