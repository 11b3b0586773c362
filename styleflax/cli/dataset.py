"""`styleflax dataset`: a stylized copy of a data set, for training classifiers."""

import contextlib
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from tqdm import tqdm

from styleflax.config import Run

if TYPE_CHECKING:
    from styleflax.inference.bulk.job import Job, Settings

EXIT_SKIPPED = 1
_SHOWN = 20


def dataset(
    content: Annotated[
        str, typer.Argument(help="Folder of pictures or of classes, or tfds:NAME.")
    ],
    style: Annotated[Path, typer.Option(help="Folder of paintings to draw from.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder of the data set.")],
    weights: Annotated[str, typer.Option(help="A name or a model file.")] = "adain",
    split: Annotated[str, typer.Option(help="Of a TFDS data set.")] = "train",
    data_dir: Annotated[
        Path | None, typer.Option(help="Where TFDS data sets are.")
    ] = None,
    alpha: Annotated[float, typer.Option(help="Strength of the style, 0 to 1.")] = 1.0,
    size: Annotated[int, typer.Option(help="Short side of the pictures.")] = 256,
    crop: Annotated[
        bool,
        typer.Option(help="Take the middle square; else pictures run one by one."),
    ] = True,
    style_size: Annotated[int, typer.Option(help="Side of the paintings.")] = 256,
    batch: Annotated[
        int, typer.Option(help="Pictures of a device at a time; a crash loses so many.")
    ] = 16,
    seed: Annotated[int, typer.Option(help="Of the styles that are drawn.")] = 0,
    encoding: Annotated[str, typer.Option(help="jpeg or png.")] = "jpeg",
    threads: Annotated[int, typer.Option(help="Read and write, per process.")] = 4,
    launcher: Annotated[str, typer.Option(help="jax, or ray for Ray Data.")] = "jax",
    workers: Annotated[int, typer.Option(help="Actors of --launcher=ray.")] = 1,
    ray_address: Annotated[
        str | None, typer.Option(help="Of a Ray cluster; else one is started.")
    ] = None,
    coordinator: Annotated[
        str, typer.Option(help="HOST:PORT of process 0, if there are several.")
    ] = "",
    num_processes: Annotated[int, typer.Option(help="How many there are.")] = 0,
    process_id: Annotated[int, typer.Option(help="Which one this is, from 0.")] = -1,
    distributed: Annotated[
        str, typer.Option(help="auto: ask Slurm, Open MPI, GKE or Cloud TPU.")
    ] = "",
) -> None:
    """Stylize every picture of a data set; run it again to go on where it stopped."""
    from styleflax.inference.bulk.job import Settings  # noqa: PLC0415  (late, as ever)

    if launcher not in ("jax", "ray"):
        raise ValueError(f"--launcher must be jax or ray, got {launcher!r}")
    if workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")
    logging.basicConfig(format="%(message)s", level=logging.WARNING)
    settings = Settings(
        content=content,
        style=str(style),
        weights=weights,
        split=split,
        data_dir=None if data_dir is None else str(data_dir),
        alpha=alpha,
        size_px=size,
        crop=crop,
        style_size_px=style_size,
        batch_size=batch,
        seed=seed,
        encoding=encoding,
        num_threads=threads,
    )
    run = Run(
        coordinator=coordinator,
        num_processes=num_processes,
        process_id=process_id,
        distributed=distributed,
    )
    report = (
        make_on_ray(settings, out, workers, ray_address)
        if launcher == "ray"
        else _make(settings, out, run)
    )
    if report is not None:
        _tell(report, out)


def _make(settings: "Settings", out: Path, run: Run) -> dict[str, Any] | None:
    """The report, in process 0; all processes of a JAX job call this together."""
    import jax  # noqa: PLC0415

    from styleflax.inference.bulk.job import count_parts, open_job  # noqa: PLC0415
    from styleflax.inference.bulk.maker import Maker  # noqa: PLC0415
    from styleflax.inference.bulk.output import parts_folder  # noqa: PLC0415
    from styleflax.inference.bulk.parts import wait_for_parts  # noqa: PLC0415
    from styleflax.parallel import local_devices  # noqa: PLC0415
    from styleflax.training import agreement  # noqa: PLC0415
    from styleflax.training.hosts import joined_processes  # noqa: PLC0415

    with joined_processes(run), contextlib.ExitStack() as held:
        job = agreement.on_all(lambda: open_job(settings))
        agreement.on_first(lambda: held.enter_context(_claimed(job, out)))
        if agreement.on_all((out / "dataset_info.json").is_file):
            return agreement.on_first(lambda: _finish(job, out))
        parts = range(jax.process_index(), count_parts(job), jax.process_count())

        def make() -> None:
            maker = Maker(job, parts_folder(out), local_devices())
            notes = maker.make(parts)
            for _ in tqdm(notes, "stylizing", len(parts), unit="part", disable=None):
                pass
            wait_for_parts(parts_folder(out), count_parts(job))

        agreement.on_all(make)
        return agreement.on_first(lambda: _finish(job, out))


def make_on_ray(
    settings: "Settings", out: Path, num_workers: int, address: str | None
) -> dict[str, Any]:
    """The report of a data set that Ray's actors have made."""
    from styleflax.inference.bulk.job import count_parts, open_job  # noqa: PLC0415
    from styleflax.inference.bulk.on_ray import make_parts  # noqa: PLC0415
    from styleflax.inference.bulk.output import parts_folder  # noqa: PLC0415

    job = open_job(settings)
    with _claimed(job, out):
        if not (out / "dataset_info.json").is_file():
            parts = range(count_parts(job))
            folder = parts_folder(out).absolute()
            made = make_parts(settings, folder, parts, num_workers, address)
            for _ in tqdm(made, "stylizing", len(parts), unit="part", disable=None):
                pass
        return _finish(job, out)


@contextlib.contextmanager
def _claimed(job: "Job", out: Path) -> Iterator[None]:
    from styleflax.inference.bulk.job import describe  # noqa: PLC0415
    from styleflax.inference.bulk.output import claim, locked  # noqa: PLC0415

    with locked(out):
        claim(out, describe(job))
        yield


def _finish(job: "Job", out: Path) -> dict[str, Any]:
    """The report of the data set, which is put together if it has not been."""
    from styleflax.inference.bulk import job as jobs  # noqa: PLC0415
    from styleflax.inference.bulk.output import assemble, read_report  # noqa: PLC0415

    return read_report(out) or assemble(
        out,
        jobs.count_parts(job),
        jobs.features_of(job),
        job.source.split,
        f"Stylized by styleflax: {json.dumps(jobs.describe(job))}",
    )


def _tell(report: dict[str, Any], out: Path) -> None:
    """Says what was made and what is missing; ends with code 1 if anything is."""
    print(f"{out}: {report['num_pictures']} pictures")
    skipped, damaged = report["skipped"], report["damaged_styles"]
    lines = [f"skipped {entry['name']}: {entry['reason']}" for entry in skipped]
    lines += [
        f"painting {name} cannot be used; the next one replaced it" for name in damaged
    ]
    for line in lines[:_SHOWN]:
        print(f"styleflax: {line}", file=sys.stderr)
    if len(lines) > _SHOWN:
        print(f"styleflax: {len(lines)} in all, see report.json", file=sys.stderr)
    if lines:
        raise typer.Exit(EXIT_SKIPPED)
