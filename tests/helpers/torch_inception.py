"""Inception-v3 in PyTorch under torchvision's names, in the forms of FID and ArtFID.

Written from the lists of layers in pytorch/vision's models/inception.py and
mseitzer/pytorch-fid's inception.py.
"""

import torch
from torch import nn
from torch.nn import functional


class Unit(nn.Module):
    def __init__(self, ins, outs, kernel=1, stride=1, padding=0):
        super().__init__()
        self.conv = nn.Conv2d(ins, outs, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outs, eps=0.001)

    def forward(self, x):
        return functional.relu(self.bn(self.conv(x)))


def mean(x, form):
    return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=form == "art")


def chain(block, name, ins, *units):
    """Adds name_1, name_2, ... to a block; each unit is (outs, kernel, stride)."""
    for number, (outs, kernel, stride) in enumerate(units, start=1):
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = 0 if stride == 2 else tuple(side // 2 for side in sides)
        block.add_module(f"{name}_{number}", Unit(ins, outs, sides, stride, padding))
        ins = outs
    return ins


def run(block, name, x):
    for number in range(1, 6):
        if hasattr(block, f"{name}_{number}"):
            x = getattr(block, f"{name}_{number}")(x)
    return x


class A(nn.Module):
    def __init__(self, ins, pooled, form):
        super().__init__()
        self.form = form
        self.branch1x1 = Unit(ins, 64)
        chain(self, "branch5x5", ins, (48, 1, 1), (64, 5, 1))
        chain(self, "branch3x3dbl", ins, (64, 1, 1), (96, 3, 1), (96, 3, 1))
        self.branch_pool = Unit(ins, pooled)

    def forward(self, x):
        parts = [run(self, name, x) for name in ("branch5x5", "branch3x3dbl")]
        pooled = self.branch_pool(mean(x, self.form))
        return torch.cat([self.branch1x1(x), *parts, pooled], 1)


class B(nn.Module):
    def __init__(self, ins):
        super().__init__()
        self.branch3x3 = Unit(ins, 384, 3, 2)
        chain(self, "branch3x3dbl", ins, (64, 1, 1), (96, 3, 1), (96, 3, 2))

    def forward(self, x):
        parts = [self.branch3x3(x), run(self, "branch3x3dbl", x)]
        return torch.cat([*parts, functional.max_pool2d(x, 3, 2)], 1)


class C(nn.Module):
    def __init__(self, ins, c, form):
        super().__init__()
        self.form = form
        self.branch1x1 = Unit(ins, 192)
        wide, tall = (1, 7), (7, 1)
        chain(self, "branch7x7", ins, (c, 1, 1), (c, wide, 1), (192, tall, 1))
        units = [(c, 1, 1), (c, tall, 1), (c, wide, 1), (c, tall, 1), (192, wide, 1)]
        chain(self, "branch7x7dbl", ins, *units)
        self.branch_pool = Unit(ins, 192)

    def forward(self, x):
        parts = [run(self, name, x) for name in ("branch7x7", "branch7x7dbl")]
        pooled = self.branch_pool(mean(x, self.form))
        return torch.cat([self.branch1x1(x), *parts, pooled], 1)


class D(nn.Module):
    def __init__(self, ins):
        super().__init__()
        chain(self, "branch3x3", ins, (192, 1, 1), (320, 3, 2))
        units = [(192, 1, 1), (192, (1, 7), 1), (192, (7, 1), 1), (192, 3, 2)]
        chain(self, "branch7x7x3", ins, *units)

    def forward(self, x):
        parts = [run(self, name, x) for name in ("branch3x3", "branch7x7x3")]
        return torch.cat([*parts, functional.max_pool2d(x, 3, 2)], 1)


class E(nn.Module):
    def __init__(self, ins, pool):
        super().__init__()
        self.pool = pool
        self.branch1x1 = Unit(ins, 320)
        self.branch3x3_1 = Unit(ins, 384)
        self.branch3x3_2a = Unit(384, 384, (1, 3), 1, (0, 1))
        self.branch3x3_2b = Unit(384, 384, (3, 1), 1, (1, 0))
        chain(self, "branch3x3dbl", ins, (448, 1, 1), (384, 3, 1))
        self.branch3x3dbl_3a = Unit(384, 384, (1, 3), 1, (0, 1))
        self.branch3x3dbl_3b = Unit(384, 384, (3, 1), 1, (1, 0))
        self.branch_pool = Unit(ins, 192)

    def forward(self, x):
        single, doubled = self.branch3x3_1(x), run(self, "branch3x3dbl", x)
        parts = [
            self.branch1x1(x),
            self.branch3x3_2a(single),
            self.branch3x3_2b(single),
            self.branch3x3dbl_3a(doubled),
            self.branch3x3dbl_3b(doubled),
            self.branch_pool(self.pool(x)),
        ]
        return torch.cat(parts, 1)


class Inception(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.Conv2d_1a_3x3 = Unit(3, 32, 3, 2)
        self.Conv2d_2a_3x3 = Unit(32, 32, 3)
        self.Conv2d_2b_3x3 = Unit(32, 64, 3, 1, 1)
        self.Conv2d_3b_1x1 = Unit(64, 80)
        self.Conv2d_4a_3x3 = Unit(80, 192, 3)
        self.Mixed_5b = A(192, 32, form)
        self.Mixed_5c = A(256, 64, form)
        self.Mixed_5d = A(288, 64, form)
        self.Mixed_6a = B(288)
        self.Mixed_6b = C(768, 128, form)
        self.Mixed_6c = C(768, 160, form)
        self.Mixed_6d = C(768, 160, form)
        self.Mixed_6e = C(768, 192, form)
        self.Mixed_7a = D(768)
        highest = lambda x: functional.max_pool2d(x, 3, 1, 1)  # noqa: E731
        average = lambda x: mean(x, form)  # noqa: E731
        self.Mixed_7b = E(1280, average)
        self.Mixed_7c = E(2048, highest if form == "fid" else average)
        if form == "fid":
            self.fc = nn.Linear(2048, 1008)
        else:
            self.fc1, self.fc2 = nn.Linear(2048, 7), nn.Linear(2048, 5)

    def forward(self, x):
        for name, block in self.named_children():
            if name in ("Conv2d_3b_1x1", "Mixed_5b"):
                x = functional.max_pool2d(x, 3, 2)
            if not name.startswith("fc"):
                x = block(x)
        return x.mean(dim=(2, 3))


def make_inception(form):
    """A network in evaluation mode, its weights and statistics at random."""
    network = Inception(form).eval()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, Unit):
                fan_in = module.conv.weight[0].numel()
                module.conv.weight.normal_(0.0, (2 / fan_in) ** 0.5)
                module.bn.weight.uniform_(0.8, 1.2)
                module.bn.bias.normal_(0.0, 0.1)
                module.bn.running_mean.normal_(0.0, 0.1)
                module.bn.running_var.uniform_(0.7, 1.3)
    return network.requires_grad_(False)
