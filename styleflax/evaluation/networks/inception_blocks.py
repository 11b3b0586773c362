"""Inception-v3 as data: its convolutions and pools, in two published forms.

Names, widths and kernels are those of torchvision's models/inception.py, as read in
pytorch/vision. The form "fid" is the network of 2015-12-05 with which FID is
measured; how it differs is read in src/pytorch_fid/inception.py of
mseitzer/pytorch-fid: its average pools leave the padding out of the mean, and its
last block takes a maximum where torchvision averages. The form "art" is torchvision's
own, which ArtFID trained on paintings; it is read in evaluation/inception.py of
bytedance/StyleSSP, which has the two heads that matthias-wright/art-fid describes.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple

Form = Literal["fid", "art"]
Shape = tuple[int, ...]


class Conv(NamedTuple):
    """A convolution without bias, batch normalisation, and ReLU.

    Attributes:
        name: Within its block.
        outs: Output channels.
        height: Height of the kernel.
        width: Width of the kernel.
        stride: Along both sides.
        padded: With zeros, so that stride 1 keeps the size; otherwise not at all.
    """

    name: str
    outs: int
    height: int = 1
    width: int = 1
    stride: int = 1
    padded: bool = True


class Pool(NamedTuple):
    """A 3x3 pool; with stride 1 it keeps the size, with stride 2 nothing is padded.

    Attributes:
        kind: "max"; "mean" of the positions within the map; or "padded_mean", which
            counts zeros around the map as well.
        stride: Along both sides.
    """

    kind: Literal["max", "mean", "padded_mean"]
    stride: int = 1


class Fork(NamedTuple):
    """Convolutions of one input, their outputs side by side."""

    convs: tuple[Conv, ...]


Step = Conv | Pool | Fork
Branch = tuple[Step, ...]


class Block(NamedTuple):
    """Branches of one input, their outputs side by side.

    Attributes:
        name: What stands before the names of its convolutions; may be empty.
        branches: In the order of their outputs' channels.
    """

    name: str
    branches: tuple[Branch, ...]

    def full_name(self, conv: Conv) -> str:
        """The name of a convolution in the whole network."""
        return f"{self.name}.{conv.name}" if self.name else conv.name


def build_blocks(form: Form) -> tuple[Block, ...]:
    """Returns the network up to its global mean of 2048 channels."""
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
