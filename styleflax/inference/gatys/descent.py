"""One iteration of L-BFGS or Adam over the pixels of a picture, and its checkpoint."""

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

# The two constants of the weak conditions of Wolfe, as Nocedal and Wright (2006,
# section 3.1) give them for quasi-Newton methods.
DECREASE, CURVATURE = 1e-4, 0.9
MAX_TRIALS = 12
"""Lengths that are tried for a step. The first step of all is the gradient of length
1, far too short for a picture, and is doubled many times."""


class Descent(NamedTuple):
    """Where a picture is on its way down.

    Attributes:
        image: RGB, not limited to [0, 1].
        value: The loss of it; inf before the first iteration.
        gradient: Gradient of the loss at the image.
        terms: Terms of the loss.
        memory: The optimizer's own.
    """

    image: Image
    value: Float[Array, ""]
    gradient: Image
    terms: Float[Array, " t"]
    memory: Any


Evaluate = Callable[[Image], tuple[tuple[Float[Array, ""], Float[Array, " t"]], Image]]
"""image -> ((loss, its terms), gradient)."""


class Optimizer(NamedTuple):
    """A way down.

    Attributes:
        start: (image, number of terms) -> descent.
        advance: (evaluate, descent) -> the next one. The first call only finds the
            loss at the start.
    """

    start: Callable[[Image, int], Descent]
    advance: Callable[[Evaluate, Descent], Descent]


def make_lbfgs(memory_size: int) -> Optimizer:
    """L-BFGS with as many pairs and a line search (Liu and Nocedal 1989).

    The direction is optax's. Its line searches are not used, as they would compute
    the loss a second time for its terms, and compile its gradient several times.
    """
    preconditioner = optax.scale_by_lbfgs(memory_size)

    def advance(evaluate: Evaluate, at: Descent) -> Descent:
        direction, memory = preconditioner.update(at.gradient, at.memory, at.image)
        direction = -direction
        found, accepted = _search(evaluate, at, direction)
        # Where no step does, and after the first call, whose gradient is not that
        # of the picture but 0, what is remembered is of no use.
        keep = accepted & jnp.isfinite(at.value)
        fresh = preconditioner.init(found.image)
        memory = jax.tree.map(lambda a, b: jnp.where(keep, a, b), memory, fresh)
        return found._replace(memory=memory)

    return Optimizer(lambda image, n: _start(image, n, preconditioner), advance)


def make_adam(learning_rate: float) -> Optimizer:
    """Adam, at a rate in units of the range of a pixel."""
    adam = optax.adam(learning_rate)

    def advance(evaluate: Evaluate, at: Descent) -> Descent:
        updates, memory = adam.update(at.gradient, at.memory, at.image)
        # The first call has no gradient yet, and leaves the memory as it was.
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
    """A line search on its way: between `low`, too short a step, and `high`."""

    number: Array
    step: Array
    low: Array
    high: Array
    accepted: Array
    best: Descent


def _search(
    evaluate: Evaluate, at: Descent, direction: Image
) -> tuple[Descent, Float[Array, ""]]:
    """The picture a good step further, and whether the step is good.

    By bisection and doubling (Lewis and Overton 2013) until the loss falls enough
    and its slope has flattened; else the lowest picture that was found.
    """
    slope = jnp.vdot(at.gradient, direction)

    def try_step(trial: _Trial) -> _Trial:
        image = at.image + trial.step * direction
        (value, terms), gradient = evaluate(image)
        # Written so that NaN, and a loss that is not finite, are too far.
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
    """Where an optimization stands.

    Attributes:
        descent: The picture, and all that the optimizer remembers.
        level: Level of the pyramid.
        done: Calls of the optimizer at this level.
        losses: So far, of all levels.
    """

    descent: Descent
    level: int
    done: int
    losses: Float[np.ndarray, "n t"]


def fingerprint(*what: Any) -> str:
    """SHA-256 of settings, pictures and parameters, in hexadecimal."""
    leaves, tree = jax.tree.flatten(what)
    digest = hashlib.sha256(str(tree).encode())
    for leaf in leaves:
        array = np.asarray(leaf)
        digest.update(f"{array.shape} {array.dtype} ".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def save_progress(path: Path | None, origin: str, kept: Progress) -> None:
    """Writes it, in place of an older one; nothing without a path.

    Raises:
        OSError: If the file cannot be written.
    """
    if path is None:
        return
    leaves = jax.device_get(jax.tree.leaves(kept.descent))
    named = {f"leaf{i}": leaf for i, leaf in enumerate(leaves)}
    progress = np.array([kept.level, kept.done])
    buffer = io.BytesIO()
    np.savez(
        buffer, origin=np.array(origin), progress=progress, losses=kept.losses, **named
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue(), "the checkpoint")


def load_progress(
    path: Path | None, origin: str, begin: Callable[[tuple[int, int]], Descent]
) -> Progress | None:
    """What `save_progress` wrote; None without a path, or where there is no file yet.

    Args:
        path: The file.
        origin: Fingerprint of the call.
        begin: Gives a descent of a size, for the form of its tree.

    Raises:
        ValueError: If the file is damaged, or of another call.
    """
    if path is None or not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        found = str(arrays["origin"])
        leaves = [arrays[f"leaf{i}"] for i in range(len(arrays) - 3)]
        level, done = (int(x) for x in arrays["progress"])
        losses, size = arrays["losses"], leaves[0].shape[1:3]
    except (OSError, ValueError, KeyError, IndexError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is not a checkpoint, or is damaged: {error}"
        ) from error
    if found != origin:
        raise ValueError(
            f"{path} belongs to other images or settings; delete it to start over, or "
            "name another checkpoint"
        )
    tree = jax.tree.structure(jax.eval_shape(lambda: begin(size)))
    return Progress(
        jax.tree.unflatten(tree, map(jax.numpy.asarray, leaves)), level, done, losses
    )
