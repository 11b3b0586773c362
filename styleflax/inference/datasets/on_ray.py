"""Making parts by the actors of a Ray cluster, through Ray Data."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from styleflax.inference.datasets.job import Settings, open_job
from styleflax.inference.datasets.maker import Maker
from styleflax.memory import NotEnoughMemoryError

PARTS_AT_ONCE = 4
"""Parts that an actor takes at a time; it reads one while it stylizes another."""


class PartActor:
    """What runs in the cluster: a model with its programs, on the actor's devices."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._maker = Maker(open_job(settings), folder, jax.local_devices())

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Makes parts; the notes go to their folder, which all share."""
        parts = [int(part) for part in batch["part"]]
        made = [note.part for note in self._maker.make(parts)]
        return {"part": np.array(made, np.int64)}


def make_parts(
    settings: Settings,
    folder: Path,
    parts: Sequence[int],
    num_workers: int,
    address: str | None = None,
) -> Iterator[int]:
    """Yields the numbers of parts as they are finished.

    An actor that dies is started again and goes on with the part that it was at.

    Args:
        settings: Paths in it must lead to the same files on all hosts.
        folder: Folder of the parts, the same.
        parts: Their numbers.
        num_workers: Actors; each takes a GPU if the cluster has any.
        address: Address of the cluster; None starts one here, or takes `RAY_ADDRESS`.

    Raises:
        ImportError: Ray is not installed.
        ValueError: An actor failed by a mistake of the user's.
        OSError: The same, about files.
    """
    ray = _import_ray()
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    on_gpu = ray.cluster_resources().get("GPU", 0) > 0
    resources: dict[str, Any] = {"num_gpus": 1} if on_gpu else {"num_cpus": 1}
    blocks = -(-len(parts) // PARTS_AT_ONCE)
    ray.data.DataContext.get_current().enable_progress_bars = False
    made = ray.data.from_items(
        [{"part": part} for part in parts], override_num_blocks=blocks
    ).map_batches(
        PartActor,
        fn_constructor_args=(settings, folder),
        batch_size=PARTS_AT_ONCE,
        concurrency=min(num_workers, blocks),
        max_restarts=-1,
        **resources,
    )
    try:
        for row in made.iter_rows():
            yield int(row["part"])
    except ray.exceptions.RayTaskError as error:
        cause = _first_cause(error.cause)
        if isinstance(cause, NotEnoughMemoryError):
            raise cause from None
        if isinstance(cause, ValueError | OSError):
            raise type(cause)(str(cause)) from None
        raise


def _import_ray() -> Any:
    try:
        import ray  # noqa: PLC0415  (an extra)
        import ray.data  # noqa: F401, PLC0415
    except ImportError as error:
        raise ImportError(
            f"--launcher=ray needs Ray ({error}): pip install 'styleflax[ray]'"
        ) from None
    return ray


def _first_cause(error: BaseException) -> BaseException:
    """What the actor itself raised, below all that Ray and Python put around it."""
    while error.__cause__ is not None and not isinstance(error, NotEnoughMemoryError):
        error = error.__cause__
    return error
