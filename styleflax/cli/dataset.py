"""`styleflax dataset`: a stylized copy of a data set, for training classifiers."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from tqdm import tqdm

from styleflax.cli import dataset_flags as flags
from styleflax.cli.control_flags import ColorMatch, Detail
from styleflax.cli.output_paths import check_out_folder, check_outside
from styleflax.cli.stylize_flags import Alpha, Weights
from styleflax.config import Run
from styleflax.files import check_folder
from styleflax.images.listing import LeftOut, describe_left_out

if TYPE_CHECKING:
    from styleflax.inference.datasets.job import Job, Settings

EXIT_SKIPPED = 1
_SHOWN = 20


def dataset(
    content: flags.Content,
    style: flags.Style,
    out: flags.Out,
    weights: Weights = "adain",
    split: flags.Split = "train",
    data_dir: flags.DataDir = None,
    alpha: Alpha = 1.0,
    color_match: ColorMatch = None,
    detail: Detail = None,
    format_: flags.FormatOut = "tfds",
    styles_per_picture: flags.StylesPerPicture = 1,
    size: flags.Size = None,
    crop: flags.Crop = None,
    style_size: flags.StyleSize = 256,
    batch: flags.Batch = 16,
    seed: flags.Seed = 0,
    classes: flags.Classes = None,
    encoding: flags.Encoding = None,
    threads: flags.Threads = 4,
    launcher: flags.Launcher = "jax",
    workers: flags.Workers = 1,
    ray_address: flags.RayAddress = None,
    coordinator: flags.Coordinator = "",
    num_processes: flags.NumProcesses = 0,
    process_id: flags.ProcessId = -1,
    distributed: flags.Distributed = "",
) -> None:
    """Stylize every image of a data set; run it again after an interruption."""
    from styleflax.datasets.labelled import read_classes  # noqa: PLC0415
    from styleflax.inference.datasets.job import Settings  # noqa: PLC0415  (late, as ever)

    _check_launcher(launcher, workers)
    _check_folders(content, style, out)
    settings = Settings(
        content=content,
        style=str(style),
        weights=weights,
        split=split,
        data_dir=None if data_dir is None else str(data_dir),
        alpha=alpha,
        color_match=color_match,
        detail=detail,
        size_px=size,
        crop=crop,
        style_size_px=style_size,
        batch_size=batch,
        seed=seed,
        encoding=encoding,
        num_threads=threads,
        format=format_,
        styles_per_picture=styles_per_picture,
        classes=None if classes is None else read_classes(classes),
    )
    if launcher == "ray":
        _tell(make_on_ray(settings, out, workers, ray_address), out)
    else:
        run = Run(coordinator, num_processes, process_id, distributed)
        _tell(_make(settings, out, run), out)


def _check_folders(content: str, style: Path, out: Path) -> None:
    painting = "`styleflax stylize` takes single paintings"
    check_folder(style, "--style", "a folder of paintings", painting)
    if not content.startswith("tfds:"):
        picture = "`styleflax stylize` takes single photos"
        wanted = "a folder of images, or tfds:NAME"
        check_folder(Path(content), "CONTENT", wanted, picture)
    check_out_folder(out)
    check_outside(out, [Path(content), style])


def _check_launcher(launcher: str, workers: int) -> None:
    if launcher not in ("jax", "ray"):
        raise ValueError(f"--launcher must be jax or ray, got {launcher!r}")
    if workers < 1:
        raise ValueError(f"--workers must be at least 1, got {workers}")


def _make(settings: "Settings", out: Path, run: Run) -> dict[str, Any] | None:
    """The report, in process 0; all processes of a JAX job call this together."""
    import jax  # noqa: PLC0415

    from styleflax.distributed import hosts as agreement  # noqa: PLC0415
    from styleflax.distributed.hosts import joined_processes  # noqa: PLC0415
    from styleflax.inference.datasets.job import (  # noqa: PLC0415
        count_parts,
        open_job,
        parts_folder,
    )
    from styleflax.inference.datasets.maker import (  # noqa: PLC0415  # noqa: PLC0415
        Maker,
        finish,
        is_finished,
        read_finished,
    )
    from styleflax.inference.datasets.parts import wait_for_parts  # noqa: PLC0415
    from styleflax.parallel import local_devices  # noqa: PLC0415

    with joined_processes(run), contextlib.ExitStack() as held:
        job = agreement.on_all(lambda: open_job(settings))
        agreement.on_first(lambda: held.enter_context(_claimed(job, out)))
        report = agreement.on_first(lambda: read_finished(job, out))
        if agreement.on_all(lambda: is_finished(job, out)):
            return report
        parts = range(jax.process_index(), count_parts(job), jax.process_count())

        def make() -> None:
            maker = Maker(job, parts_folder(out, job), local_devices())
            notes = maker.make(parts)
            for _ in tqdm(notes, "stylizing", len(parts), unit="part", disable=None):
                pass
            wait_for_parts(parts_folder(out, job), count_parts(job))

        agreement.on_all(make)
        return agreement.on_first(lambda: finish(job, out))


def make_on_ray(
    settings: "Settings", out: Path, num_workers: int, address: str | None
) -> dict[str, Any]:
    """The report of a data set that Ray's actors have made."""
    from styleflax.inference.datasets.job import (  # noqa: PLC0415
        count_parts,
        open_job,
        parts_folder,
    )
    from styleflax.inference.datasets.maker import (  # noqa: PLC0415
        finish,
        read_finished,
    )
    from styleflax.inference.datasets.on_ray import make_parts  # noqa: PLC0415

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
def _claimed(job: "Job", out: Path) -> Iterator[None]:
    from styleflax.inference.datasets.job import describe  # noqa: PLC0415
    from styleflax.inference.datasets.output import claim, locked  # noqa: PLC0415

    with locked(out):
        claim(out, describe(job))
        yield


def _tell(report: dict[str, Any] | None, out: Path) -> None:
    """Says what was made and what is missing; ends with code 1 if anything is.

    Processes after the first have no report, and say nothing.
    """
    if report is None:
        return
    print(f"{out}: {report['num_pictures']} images")
    skipped, damaged = report["skipped"], report["damaged_styles"]
    lines = [f"skipped {entry['name']}: {entry['reason']}" for entry in skipped]
    lines += [
        f"painting {name} cannot be used and was replaced by the next one"
        for name in damaged
    ]
    _tell_of_sources(report)
    for line in lines[:_SHOWN]:
        print(f"styleflax: {line}", file=sys.stderr)
    if len(lines) > _SHOWN:
        print(f"styleflax: {len(lines)} in all, see report.json", file=sys.stderr)
    if lines:
        raise typer.Exit(EXIT_SKIPPED)


def _tell_of_sources(report: dict[str, Any]) -> None:
    """Says what was left out from the beginning; reports of old runs do not know."""
    entries = report.get("left_out", [])
    if entries:
        left_out = [LeftOut(Path(e["path"]), e["reason"]) for e in entries]
        text = describe_left_out(left_out)
        print(f"styleflax: warning: {text}; see report.json", file=sys.stderr)
    empty, remarks = report.get("empty_classes", []), report.get("remarks", [])
    lines = [f"the class {name!r} has no image; it keeps its number" for name in empty]
    for text in [*lines[:_SHOWN], *remarks[:_SHOWN]]:
        print(f"styleflax: warning: {text}", file=sys.stderr)
    if len(remarks) > _SHOWN:
        print(
            f"styleflax: {len(remarks)} remarks in all, see report.json",
            file=sys.stderr,
        )
