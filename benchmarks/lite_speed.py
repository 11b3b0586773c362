"""`lite` against a network of MicroAST's layer sizes in eager PyTorch, side by side.

    python benchmarks/lite_speed.py --weights lite [--size 512]

Both stylize one picture of `--size` px, warm, without files: `Stylizer.__call__` with
the style encoded each time and with the style kept, color step included, and the
PyTorch network with random weights, which encodes the style each time. Layer sizes are
those of net_microAST.py in github.com/EndyWon/MicroAST, commit edb5111 (Wang et al.
2023). All run in turn, the median of seven counts; nothing else should run meanwhile.
Where it must, `--cpu` counts the process's CPU seconds (with OMP_WAIT_POLICY=PASSIVE,
or PyTorch's threads count while they wait).
"""

import argparse
import time

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812, its usual name
from timing import Call, measure
from torch_network import adain

from styleflax import Stylizer

# How many times faster than the PyTorch network, at least.
BARS = {"lite, style encoded": 1.5, "lite, style kept": 3.0}
TORCH = "PyTorch, MicroAST's sizes"

Layer = tuple[torch.Tensor, torch.Tensor, int, int]
# Inputs, outputs, side of the kernel, stride, groups.
ENCODER = ((3, 16, 9, 1, 1), (16, 32, 3, 2, 16), (32, 32, 1, 1, 1))
ENCODER += ((32, 64, 3, 2, 32), (64, 64, 1, 1, 1))
RESIDUAL = ((64, 64, 3, 1, 1), (64, 64, 3, 1, 1))
MODULATOR = ((64, 64, 3, 1, 64),) * 4
COARSE = ((64, 32, 3, 1, 32), (32, 32, 1, 1, 1))
FINE = ((32, 16, 3, 1, 16), (16, 16, 1, 1, 1), (16, 3, 9, 1, 1))


def layers(sizes: tuple[tuple[int, ...], ...]) -> list[Layer]:
    """Convolutions of these sizes with random weights."""
    return [
        (
            torch.randn(outputs, inputs // groups, side, side) / side,
            torch.zeros(outputs),
            stride,
            groups,
        )
        for inputs, outputs, side, stride, groups in sizes
    ]


def conv(layer: Layer, x: torch.Tensor) -> torch.Tensor:
    """One convolution, padded by reflection."""
    kernel, bias, stride, groups = layer
    pad = kernel.shape[-1] // 2
    padded = F.pad(x, (pad,) * 4, mode="reflect") if pad else x
    return F.conv2d(padded, kernel, bias, stride, groups=groups)


def residual(block: list[Layer], x: torch.Tensor) -> torch.Tensor:
    """Two convolutions beside a connection that skips them."""
    return x + conv(block[1], F.relu(conv(block[0], x)))


def modulated(
    block: list[Layer], x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """The same, whose convolutions a style scales and mixes with their input."""
    inner = F.relu(weight * conv(block[0], x) + bias * x)
    return x + weight * conv(block[1], inner) + bias * inner


class PeerNetwork:
    """The network: two encoders, a modulator and a decoder."""

    def __init__(self) -> None:
        """Draws the weights."""
        self.encoders = [
            (layers(ENCODER), layers(RESIDUAL), layers(RESIDUAL)) for _ in range(2)
        ]
        self.modulator = layers(MODULATOR)
        self.blocks = layers(RESIDUAL), layers(RESIDUAL)
        self.coarse, self.fine = layers(COARSE), layers(FINE)

    def encode(self, which: int, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features at a quarter of the size, before and after the last block."""
        stem, first, second = self.encoders[which]
        for layer in stem:
            x = F.relu(conv(layer, x))
        shallow = residual(first, x)
        return shallow, residual(second, shallow)

    def modulation(self, x: torch.Tensor, first: int) -> list[torch.Tensor]:
        """A weight and a bias for every channel."""
        pair = self.modulator[first : first + 2]
        return [conv(layer, x).mean((2, 3), keepdim=True) for layer in pair]

    def __call__(self, content: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """The stylized picture, float32 NCHW."""
        shallow, deep = self.encode(0, style)
        x = adain(self.encode(1, content)[1], deep)
        x = modulated(self.blocks[0], x, *self.modulation(deep, 2))
        x = modulated(self.blocks[1], adain(x, shallow), *self.modulation(shallow, 0))
        for stage in (self.coarse, self.fine):
            x = F.interpolate(x, scale_factor=2, mode="bilinear")
            for layer in stage[:2]:
                x = F.relu(conv(layer, x))
        return conv(self.fine[2], x)


def torch_call(content: np.ndarray, style: np.ndarray) -> Call:
    """The PyTorch network on these pictures, from uint8 to float32."""
    network = PeerNetwork()

    def tensor(picture: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255

    def call() -> np.ndarray:
        with torch.inference_mode():
            image = network(tensor(content), tensor(style))
            return image.clamp(0, 1)[0].permute(1, 2, 0).numpy()

    return call


def main() -> None:
    """Measures, and prints a line for each way."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--weights", default="lite", help="name of a model or model file"
    )
    parser.add_argument("--size", type=int, default=512, help="side of the image in px")
    parser.add_argument("--cpu", action="store_true", help="measure CPU seconds")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    shape = (arguments.size, arguments.size, 3)
    content, style = (rng.integers(0, 256, shape, np.uint8) for _ in range(2))
    stylizer = Stylizer.load(arguments.weights)
    kept = stylizer.encode_style(style)
    calls = {
        TORCH: torch_call(content, style),
        "lite, style encoded": lambda: stylizer(content, style).array,
        "lite, style kept": lambda: stylizer(content, kept).array,
    }
    clock = time.process_time if arguments.cpu else time.perf_counter
    seconds = measure(calls, clock=clock)
    for name, value in seconds.items():
        line = f"{name:26} {value:6.3f} s"
        if bar := BARS.get(name):
            ratio = seconds[TORCH] / value
            line += f"  {ratio:.2f}x as fast, at least {bar}x: "
            line += "met" if ratio >= bar else "missed"
        print(line)


if __name__ == "__main__":
    main()
