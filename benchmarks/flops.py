"""FLOPs of stylizing a picture and of a training pair, and what peaks make of them.

    python benchmarks/flops.py

Counted by XLA's cost analysis of compiled programs of its own operations
(`native=True`, dense attention), with a style of the content's size. Throughput is
computed: the published peak times an assumed share of it, over the FLOPs. Nothing is
timed.
"""

import argparse

import jax
import jax.numpy as jnp
from links import MACHINES
from rich.console import Console
from rich.table import Table
from training_step import LOSSES, step_flop

from styleflax import methods
from styleflax.config import OPTIONS, SANetOptions
from styleflax.methods.base import plain_controls, stylize
from styleflax.models.vgg import VGG

SIDES_PX = (256, 512, 1024)
SHARE_OF_PEAK = 0.4


def picture_flop(name: str, side_px: int, architecture: str) -> float:
    """Content and style encoded, transferred and decoded, for one picture.

    A multiplication and an addition count as two.
    """
    extra = {"path": "dense"} if OPTIONS[name] is SANetOptions else {}
    method = methods.build(name, native=True, **extra)
    image = jax.ShapeDtypeStruct((1, side_px, side_px, 3), jnp.float32)
    params = {}
    if method.encoder_layers:
        encoder = VGG(method.encoder_layers, architecture)
        params = jax.eval_shape(encoder.init, jax.random.key(0), image)["params"]
    variables = jax.eval_shape(method.init, jax.random.key(0))

    def whole(variables, frozen, content, style):
        encoded = method.encode_style(variables, frozen, {"image": style})
        # A constant strength of 1 leaves what is below 1 out of the compiled program.
        controls = plain_controls(1.0)
        return stylize(method, variables, frozen, content, [encoded], controls)

    lowered = jax.jit(whole).lower(variables, {"encoder": params}, image, image)
    return lowered.compile().cost_analysis()["flops"]


def pictures_table(architecture: str) -> Table:
    """By method and size."""
    names = [f"{m.name}: pictures/s" for m in MACHINES]
    table = Table(f"stylizing, {architecture}", "side", "GFLOP a picture", *names)
    for name in LOSSES:
        for side in SIDES_PX:
            flop = picture_flop(name, side, architecture)
            rates = (SHARE_OF_PEAK * m.peak / flop for m in MACHINES)
            row = (name, f"{side} px", f"{flop / 1e9:.0f}")
            table.add_row(*row, *(f"{rate:.0f}" for rate in rates))
    return table


def training_table() -> Table:
    """Forward and backward, at 256 px."""
    names = [f"{m.name}: pairs/s" for m in MACHINES]
    table = Table("training, vgg16", "crop", "remat", "GFLOP a pair", *names)
    for name in LOSSES:
        for remat in (False, True):
            options = argparse.Namespace(
                method=name, dtype="float32", crop=256, batch=1, remat=remat, workers=0
            )
            flop = step_flop(options)
            rates = (SHARE_OF_PEAK * m.peak / flop for m in MACHINES)
            row = (name, "256 px", "yes" if remat else "no", f"{flop / 1e9:.0f}")
            table.add_row(*row, *(f"{rate:.0f}" for rate in rates))
    return table


if __name__ == "__main__":
    console = Console()
    for architecture in ("vgg16", "vgg19"):
        console.print(pictures_table(architecture))
    console.print(training_table())
