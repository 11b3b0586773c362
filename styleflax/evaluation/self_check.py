"""Comparison of compiled programs of this library with the same uncompiled programs.

Compilers have bugs. Without `jax.jit` the same operations run one by one, in programs
too small for the fusions in which errors have been found.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from styleflax.losses.perceptual import find_style_loss
from styleflax.ops.attention import attention
from styleflax.ops.color import coral_recolor, keep_luminance, match_lab
from styleflax.ops.conv import conv3x3_reflect, upsample_conv3x3_reflect
from styleflax.ops.statistics import channel_mean_std, region_moments

TOLERANCE = 1e-3
"""Largest difference that is still rounding, relative to the largest value."""
KNOWN_ISSUE = "jax-ml/jax #39103"
KNOWN_ROWS = 32_769
"""Number of rows from which jaxlib 0.10.2 computes the known sum incorrectly."""

STYLE_LOSSES = ("style", "gram", "covariance", "histogram", "mmd_gaussian")
"""Style losses that are checked."""


class Program(NamedTuple):
    """A function to compile, with its arguments."""

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]


class Verdict(NamedTuple):
    """The deviation of a compiled program from the same operations one by one."""

    name: str
    deviation: float

    @property
    def agrees(self) -> bool:
        """Whether the deviation is mere rounding; False if a value is not finite."""
        return self.deviation <= TOLERANCE


def compare(program: Program) -> Verdict:
    """Returns the deviation of a compiled program from the uncompiled one.

    It is the largest difference relative to the largest value, over all arrays of the
    result.
    """
    arguments = jax.tree.map(jnp.asarray, program.arguments)
    compiled = jax.jit(program.function)(*arguments)
    plain = program.function(*arguments)
    pairs = zip(jax.tree.leaves(compiled), jax.tree.leaves(plain), strict=True)
    return Verdict(program.name, float(np.max([_deviation(*pair) for pair in pairs])))


def known_sum() -> Program:
    """Returns the sum that jaxlib 0.10.2 computes incorrectly on CPU: `KNOWN_ISSUE`."""
    rows = np.zeros((KNOWN_ROWS, 3), np.float32)
    rows[:, 0] = np.arange(KNOWN_ROWS)
    matrix = jnp.eye(3)
    squares = jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))
    return Program(f"sum of squares ({KNOWN_ISSUE})", squares, (rows,))


def own_programs() -> Iterator[Program]:
    """Yields programs of the library: convolutions, losses, moments, attention, color.

    They include gradients where training computes them.
    """
    rng = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return rng.uniform(0.0, 1.0, shape).astype(np.float32)

    feature, other = draw(2, 48, 48, 16), draw(2, 48, 48, 16)
    kernel, bias = draw(3, 3, 16, 16) - 0.5, draw(16)
    for convolve in (conv3x3_reflect, upsample_conv3x3_reflect):
        operands = feature, kernel, bias
        yield Program(convolve.__name__, _with_gradients(convolve), operands)
    for name in STYLE_LOSSES:
        loss = _with_gradients(partial(_style_loss, name))
        yield Program(f"{name} loss", loss, (feature, other))
    large, masks = draw(2, 192, 192, 8), draw(2, 192, 192)
    yield Program("moments", _with_gradients(channel_mean_std), (large,))
    yield Program("moments of regions", region_moments, (large, masks))
    tokens = tuple(draw(1, 1024, 32) for _ in range(3))
    for path in ("dense", "chunked"):
        attend = _with_gradients(partial(attention, path=path))
        yield Program(f"attention, {path}", attend, tokens)
    pictures = draw(1, 192, 192, 3), draw(1, 192, 192, 3)
    for recolor in (coral_recolor, keep_luminance, match_lab):
        yield Program(recolor.__name__, recolor, pictures)


def _style_loss(name: str, feature: jax.Array, style: jax.Array) -> jax.Array:
    loss = find_style_loss(name)
    return loss.compare(feature, loss.summarize(style), jax.random.key(0))


def _with_gradients(function: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that adds the gradients of a weighted sum of the results."""

    def total(*arguments: Any) -> tuple[jax.Array, Any]:
        result = function(*arguments)
        leaves = [jnp.ravel(leaf) for leaf in jax.tree.leaves(result)]
        products = [jnp.vdot(jnp.cos(jnp.arange(x.size)), x) for x in leaves]
        return jnp.stack(products).sum(), result

    def run(*arguments: Any) -> Any:
        every = tuple(range(len(arguments)))
        return jax.value_and_grad(total, every, has_aux=True)(*arguments)

    return run


def _deviation(actual: jax.Array, expected: jax.Array) -> float:
    one, other = (np.asarray(x, np.float64) for x in (actual, expected))
    largest = max(np.abs(other).max(), np.finfo(np.float32).tiny)
    return float(np.abs(one - other).max() / largest)
