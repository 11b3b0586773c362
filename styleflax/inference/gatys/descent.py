"""Single iterations of L-BFGS and Adam over the pixels of an image; checkpoints."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, Float

from styleflax.files import write_atomically
from styleflax.types import Image

# The two constants of the weak Wolfe conditions, as Nocedal and Wright (2006,
# section 3.1) give them for quasi-Newton methods.
DECREASE, CURVATURE = 1e-4, 0.9
MAX_TRIALS = 12
"""Largest number of step lengths that one search tries. The first step has length 1,
far too short for an image, and is doubled many times."""


class Descent(NamedTuple):
    """The state of an optimization on the device.

    Attributes:
        image: RGB, not limited to [0, 1].
        value: Loss of the image; inf before the first iteration.
        gradient: Gradient of the loss at the image.
        terms: Terms of the loss.
        memory: State of the optimizer.
    """

    image: Image
    value: Float[Array, ""]
    gradient: Image
    terms: Float[Array, " t"]
    memory: Any


Evaluate = Callable[[Image], tuple[tuple[Float[Array, ""], Float[Array, " t"]], Image]]
"""Function of an image that returns ((loss, its terms), gradient)."""


class Optimizer(NamedTuple):
    """An optimizer of pixels, as two functions.

    Attributes:
        start: Function of (image, number of terms) that returns the first `Descent`.
        advance: Function of (evaluate, descent) that returns the next `Descent`. The
            first call only computes the initial loss.
    """

    start: Callable[[Image, int], Descent]
    advance: Callable[[Evaluate, Descent], Descent]


def make_lbfgs(memory_size: int) -> Optimizer:
    """Returns L-BFGS with a line search (Liu and Nocedal 1989).

    The direction is computed by optax. Its line searches are not used, since they
    would compute the loss a second time for its terms, and compile its gradient
    several times.

    Args:
        memory_size: Number of past steps that are stored.
    """
    preconditioner = optax.scale_by_lbfgs(memory_size)

    def advance(evaluate: Evaluate, at: Descent) -> Descent:
        direction, memory = preconditioner.update(at.gradient, at.memory, at.image)
        direction = -direction
        result, accepted = _search(evaluate, at, direction)
        # The memory is reset if no step was accepted, and after the first call,
        # whose gradient is 0 rather than that of the image.
        keep = accepted & jnp.isfinite(at.value)
        fresh = preconditioner.init(result.image)
        memory = jax.tree.map(lambda a, b: jnp.where(keep, a, b), memory, fresh)
        return result._replace(memory=memory)

    return Optimizer(lambda image, n: _start(image, n, preconditioner), advance)


def make_adam(learning_rate: float) -> Optimizer:
    """Returns Adam; the learning rate is in units of the range of a pixel."""
    adam = optax.adam(learning_rate)

    def advance(evaluate: Evaluate, at: Descent) -> Descent:
        updates, memory = adam.update(at.gradient, at.memory, at.image)
        # The first call has no gradient yet, so that it leaves the memory unchanged.
        begun = jnp.isfinite(at.value)
        memory = jax.tree.map(lambda a, b: jnp.where(begun, a, b), memory, at.memory)
        image = at.image + jnp.where(begun, updates, 0.0)
        (value, terms), gradient = evaluate(image)
        return Descent(image, value, gradient, terms, memory)

    return Optimizer(lambda image, n: _start(image, n, adam), advance)


def _start(
    image: Image, num_terms: int, optimizer: optax.GradientTransformation
) -> Descent:
    return Descent(
        image,
        jnp.full((), jnp.inf),
        jnp.zeros_like(image),
        jnp.zeros(num_terms),
        optimizer.init(image),
    )


class _Trial(NamedTuple):
    """State of a line search: steps up to `low` are too short, from `high` too long."""

    number: Array
    step: Array
    low: Array
    high: Array
    accepted: Array
    best: Descent


def _search(
    evaluate: Evaluate, at: Descent, direction: Image
) -> tuple[Descent, Float[Array, ""]]:
    """Returns the state after a step along a direction, and whether it is accepted.

    Bisection and doubling (Lewis and Overton 2013) stop when the loss has decreased
    enough and its slope has flattened; otherwise the state with the lowest loss is
    returned.
    """
    slope = jnp.vdot(at.gradient, direction)

    def try_step(trial: _Trial) -> _Trial:
        image = at.image + trial.step * direction
        (value, terms), gradient = evaluate(image)
        # Comparisons with NaN or inf are false, so that such steps count as too long.
        falls = value <= at.value + DECREASE * trial.step * slope
        flat = jnp.vdot(gradient, direction) >= CURVATURE * slope
        lower = falls & (value <= trial.best.value)
        there = Descent(image, value, gradient, terms, at.memory)
        best = jax.tree.map(lambda a, b: jnp.where(lower, a, b), there, trial.best)
        low = jnp.where(falls, trial.step, trial.low)
        high = jnp.where(falls, trial.high, trial.step)
        step = jnp.where(jnp.isinf(high), 2 * low, (low + high) / 2)
        accepted = falls & flat
        best = jax.tree.map(lambda a, b: jnp.where(accepted, a, b), there, best)
        return _Trial(trial.number + 1, step, low, high, accepted, best)

    def goes_on(trial: _Trial) -> Array:
        return ~trial.accepted & (trial.number < MAX_TRIALS)

    zero, one = jnp.zeros(()), jnp.ones(())
    first = _Trial(
        jnp.zeros((), jnp.int32), one, zero, jnp.full((), jnp.inf), one < zero, at
    )
    last = lax.while_loop(goes_on, try_step, first)
    return last.best, last.accepted


class Progress(NamedTuple):
    """The progress of an optimization, as saved in a checkpoint.

    Attributes:
        descent: The image and the state of the optimizer.
        level: Level of the pyramid.
        done: Number of calls of the optimizer at this level.
        losses: Losses so far, of all levels.
    """

    descent: Descent
    level: int
    done: int
    losses: Float[np.ndarray, "n t"]


def fingerprint(*arguments: Any) -> str:
    """Returns the SHA-256 of settings, images and parameters, in hexadecimal."""
    leaves, tree = jax.tree.flatten(arguments)
    digest = hashlib.sha256(str(tree).encode())
    for leaf in leaves:
        array = np.asarray(leaf)
        digest.update(f"{array.shape} {array.dtype} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_progress(path: Path | None, origin: str, state: Progress) -> None:
    """Writes a checkpoint and replaces an older one; does nothing if path is None.

    Raises:
        OSError: If the file cannot be written.
    """
    if path is None:
        return
    leaves = jax.device_get(jax.tree.leaves(state.descent))
    named = {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
    progress = np.array([state.level, state.done])
    buffer = io.BytesIO()
    np.savez(
        buffer, origin=np.array(origin), progress=progress, losses=state.losses, **named
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue(), "the checkpoint")


def load_progress(
    path: Path | None, origin: str, begin: Callable[[tuple[int, int]], Descent]
) -> Progress | None:
    """Loads what `save_progress` wrote; None if there is no path or no file.

    Args:
        path: Path of the checkpoint.
        origin: Fingerprint of the call.
        begin: Function that returns the first `Descent` of a size; it gives the
            structure of the tree.

    Raises:
        ValueError: If the file is damaged or belongs to another call.
    """
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        recorded = str(arrays["origin"])
        leaves = [arrays[f"leaf{i}"] for i in range(len(arrays) - 3)]
        level, done = (int(x) for x in arrays["progress"])
        losses, size = arrays["losses"], leaves[0].shape[1:3]
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a checkpoint, or is damaged: {error}"
        ) from error
    if recorded != origin:
        raise ValueError(
            f"{path} belongs to other images or settings; delete it to start over, or "
            "name another checkpoint"
        )
    tree = jax.tree.structure(jax.eval_shape(lambda: begin(size)))
    return Progress(
        jax.tree.unflatten(tree, map(jax.numpy.asarray, leaves)), level, done, losses
    )
