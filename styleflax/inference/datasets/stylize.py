"""A stylized copy of a data set, by the processes of a JAX job or of a Ray cluster."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from styleflax.config import Run
from styleflax.distributed import joined_processes, on_all, on_first
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
from styleflax.inference.datasets.on_ray import make_parts
from styleflax.inference.datasets.output import claim, locked
from styleflax.inference.datasets.parts import wait_for_parts
from styleflax.parallel import local_devices

ALONE = Run()
"""A run of one process."""


def make_dataset(
    settings: Settings, out: Path, run: Run = ALONE
) -> dict[str, Any] | None:
    """Returns the report of a stylized data set; None in processes after the first.

    Work that was stopped goes on. All processes of a JAX job call this together.

    Args:
        settings: The pictures, the paintings, and how results are made and written.
        out: The folder of the data set.
        run: How the processes find one another.

    Raises:
        ValueError: Settings are impossible, or the folder holds another data set.
        FileNotFoundError: The pictures, the paintings or the model are missing.

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
        settings: As for `make_dataset`.
        out: The folder of the data set, which all nodes share.
        num_workers: Number of actors.
        address: Address of a Ray cluster; None starts one on this machine.

    Raises:
        ValueError: Settings are impossible, or the folder holds another data set.
        ImportError: Ray is not installed.
    """
    job = open_job(settings)
    with _claimed(job, out):
        if report := read_finished(job, out):
            return report
        parts = range(count_parts(job))
        folder = parts_folder(out, job).absolute()
        made = make_parts(settings, folder, parts, num_workers, address)
        for _ in tqdm(made, "stylizing", len(parts), unit="part", disable=None):
            pass
        return finish(job, out)


@contextlib.contextmanager
def _claimed(job: Job, out: Path) -> Iterator[None]:
    with locked(out):
        claim(out, describe(job))
        yield
