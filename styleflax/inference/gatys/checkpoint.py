"""Where an optimisation stands, in one file that is written whole or not at all."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from styleflax.inference.gatys.descent import Descent
from styleflax.weights.writing import write_atomically


class Kept(NamedTuple):
    """Where an optimisation stands.

    Attributes:
        descent: The picture, and all that the optimiser remembers.
        level: Level of the pyramid.
        done: Calls of the optimiser at this level.
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


def save_kept(path: Path | None, origin: str, kept: Kept) -> None:
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


def load_kept(
    path: Path | None, origin: str, begin: Callable[[tuple[int, int]], Descent]
) -> Kept | None:
    """What `save_kept` wrote; None without a path, or where there is no file yet.

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
    return Kept(
        jax.tree.unflatten(tree, map(jax.numpy.asarray, leaves)), level, done, losses
    )
