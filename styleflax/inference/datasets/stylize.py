"""Stylizing a data set with the processes of a JAX job or of a Ray cluster."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from tqdm import tqdm

from styleflax.config import Run
from styleflax.distributed import import_ray, joined_processes, on_all, on_first
from styleflax.inference.datasets.job import (
    Job,
    Settings,
    count_parts,
    describe,
    open_job,
    parts_folder,
)
from styleflax.inference.datasets.maker import (
    Maker,
    finish,
    is_finished,
    read_finished,
)
from styleflax.inference.datasets.output import claim, locked
from styleflax.inference.datasets.parts import wait_for_parts
from styleflax.memory import NotEnoughMemoryError
from styleflax.parallel import local_devices

PARTS_AT_ONCE = 4
"""Number of parts that an actor takes at a time; it reads one while stylizing another.
"""


class PartActor:
    """A Ray actor that makes parts with a model on its devices."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._maker = Maker(open_job(settings), folder, jax.local_devices())

    def __call__(self, batch: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Makes parts; their notes are written to the shared folder."""
        parts = [int(part) for part in batch["part"]]
        parts_done = [note.part for note in self._maker.make(parts)]
        return {"part": np.array(parts_done, np.int64)}


def make_parts(
    settings: Settings,
    folder: Path,
    parts: Sequence[int],
    num_workers: int,
    address: str | None = None,
) -> Iterator[int]:
    """Yields the numbers of parts as they are finished.

    An actor that dies is restarted and continues with its current part.

    Args:
        settings: Settings, whose paths must denote the same files on all hosts.
        folder: Folder of the parts, shared by all hosts.
        parts: Numbers of the parts.
        num_workers: Number of actors; each takes a GPU if the cluster has any.
        address: Address of the cluster; None uses `RAY_ADDRESS`, or else starts one on
            this machine.

    Raises:
        ImportError: If Ray is not installed.
        ValueError: If an actor failed because of an unsuitable argument.
        OSError: If an actor could not read or write a file.
    """
    ray = import_ray("data")
    ray.init(address=address, ignore_reinit_error=True, log_to_driver=False)
    on_gpu = ray.cluster_resources().get("GPU", 0) > 0
    resources: dict[str, Any] = {"num_gpus": 1} if on_gpu else {"num_cpus": 1}
    blocks = -(-len(parts) // PARTS_AT_ONCE)
    ray.data.DataContext.get_current().enable_progress_bars = False
    dataset = ray.data.from_items(
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
        for row in dataset.iter_rows():
            yield int(row["part"])
    except ray.exceptions.RayTaskError as error:
        cause = _first_cause(error.cause)
        if isinstance(cause, NotEnoughMemoryError):
            raise cause from None
        if isinstance(cause, ValueError | OSError):
            raise type(cause)(str(cause)) from None
        raise


def _first_cause(error: BaseException) -> BaseException:
    """Returns the exception of the actor itself, inside the wrappers of Ray."""
    while error.__cause__ is not None and not isinstance(error, NotEnoughMemoryError):
        error = error.__cause__
    return error


ALONE = Run()
"""A run of one process."""


def make_dataset(
    settings: Settings, out: Path, run: Run = ALONE
) -> dict[str, Any] | None:
    """Returns the report of a stylized data set; None in processes after the first.

    Interrupted work is resumed. All processes of a JAX job call this together.

    Args:
        settings: Settings of the data set.
        out: Folder of the data set.
        run: Settings of the processes of the job.

    Raises:
        ValueError: If settings are impossible, or the folder holds another data set.
        FileNotFoundError: If the images, the paintings or the model are missing.

    Example:
        >>> settings = Settings(content="photos", style="paintings", weights="adain")
        >>> report = make_dataset(settings, Path("stylized"))
        >>> print(report["num_pictures"], report["skipped"])
    """
    with joined_processes(run), contextlib.ExitStack() as held:
        job = on_all(lambda: open_job(settings))
        on_first(lambda: held.enter_context(_claimed(job, out)))
        report = on_first(lambda: read_finished(job, out))
        if on_all(lambda: is_finished(job, out)):
            return report
        parts = range(jax.process_index(), count_parts(job), jax.process_count())

        def make() -> None:
            maker = Maker(job, parts_folder(out, job), local_devices())
            notes = maker.make(parts)
            for _ in tqdm(notes, "stylizing", len(parts), unit="part", disable=None):
                pass
            wait_for_parts(parts_folder(out, job), count_parts(job))

        on_all(make)
        return on_first(lambda: finish(job, out))


def make_dataset_on_ray(
    settings: Settings, out: Path, num_workers: int, address: str | None = None
) -> dict[str, Any]:
    """Returns the report of a stylized data set that Ray's actors make.

    Args:
        settings: Settings of the data set.
        out: Folder of the data set, shared by all nodes.
        num_workers: Number of actors.
        address: Address of a Ray cluster; None starts one on this machine.

    Raises:
        ValueError: If settings are impossible, or the folder holds another data set.
        ImportError: If Ray is not installed.
    """
    job = open_job(settings)
    with _claimed(job, out):
        if report := read_finished(job, out):
            return report
        parts = range(count_parts(job))
        folder = parts_folder(out, job).absolute()
        parts_done = make_parts(settings, folder, parts, num_workers, address)
        for _ in tqdm(parts_done, "stylizing", len(parts), unit="part", disable=None):
            pass
        return finish(job, out)


@contextlib.contextmanager
def _claimed(job: Job, out: Path) -> Iterator[None]:
    with locked(out):
        claim(out, describe(job))
        yield
