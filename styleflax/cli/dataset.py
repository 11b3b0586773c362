"""`styleflax dataset`: a stylized copy of a data set, for training classifiers."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from styleflax.cli.options import Alpha, ColorMatch, Detail, Weights
from styleflax.config import Run
from styleflax.files import check_folder
from styleflax.images.listing import (
    ExcludedPath,
    check_out_folder,
    check_outside,
    describe_excluded,
)

if TYPE_CHECKING:
    pass


Content = Annotated[
    str,
    typer.Argument(
        help="Folder of images, folder with one subfolder per class, or tfds:NAME."
    ),
]
Style = Annotated[
    Path,
    typer.Option(help="Folder of paintings from which one is drawn for each image."),
]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder for the new data set.")]
Split = Annotated[str, typer.Option(help="Split to read from a TFDS data set.")]
DataDir = Annotated[
    Path | None, typer.Option(help="Folder that holds the TFDS data sets.")
]
FormatOut = Annotated[
    str,
    typer.Option(
        "--format",
        help="Output format: tfds (a data set for tensorflow_datasets) or images (a "
        "folder with the subfolders, names and sizes of the source, and a table "
        "metadata.csv).",
    ),
]
StylesPerPicture = Annotated[
    int,
    typer.Option(help="Number of results per image, each with a different painting."),
]
Size = Annotated[
    int | None,
    typer.Option(
        help="Short side of the results in pixels. Default: 256 for tfds, the size "
        "of each image for images."
    ),
]
Crop = Annotated[
    bool | None,
    typer.Option(
        "--crop/--no-crop",
        help="Crop each image to a centered square of --size, or keep it whole. "
        "Default: crop for tfds, keep for images.",
    ),
]
StyleSize = Annotated[int, typer.Option(help="Side of the paintings in pixels.")]
Batch = Annotated[
    int,
    typer.Option(
        help="Number of images per device and batch; a crash loses at most one batch."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed for drawing the paintings.")]
Classes = Annotated[
    Path | None,
    typer.Option(
        help="File with the names of all classes in the order of their numbers, one "
        "per line. Default: the names of the subfolders, including empty ones."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Encoding of the results: jpeg or png. Default: jpeg for tfds, that of "
        "the source for images."
    ),
]
Threads = Annotated[
    int, typer.Option(help="Number of threads that read and write, per process.")
]
Launcher = Annotated[str, typer.Option(help="Launcher: jax, or ray for Ray Data.")]
Workers = Annotated[
    int, typer.Option(help="Number of Ray actors; requires --launcher=ray.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        help="Address of a running Ray cluster. Default: start one on this machine."
    ),
]
Coordinator = Annotated[
    str,
    typer.Option(help="HOST:PORT of process 0 when several processes work together."),
]
NumProcesses = Annotated[int, typer.Option(help="Number of processes.")]
ProcessId = Annotated[int, typer.Option(help="Number of this process, from 0.")]
Distributed = Annotated[
    str,
    typer.Option(
        help="Set to auto to read the processes from Slurm, Open MPI, GKE or Cloud TPU."
    ),
]


EXIT_SKIPPED = 1
_SHOWN = 20


def dataset(
    content: Content,
    style: Style,
    out: Out,
    weights: Weights = "adain",
    split: Split = "train",
    data_dir: DataDir = None,
    alpha: Alpha = 1.0,
    color_match: ColorMatch = None,
    detail: Detail = None,
    format_: FormatOut = "tfds",
    styles_per_picture: StylesPerPicture = 1,
    size: Size = None,
    crop: Crop = None,
    style_size: StyleSize = 256,
    batch: Batch = 16,
    seed: Seed = 0,
    classes: Classes = None,
    encoding: Encoding = None,
    threads: Threads = 4,
    launcher: Launcher = "jax",
    workers: Workers = 1,
    ray_address: RayAddress = None,
    coordinator: Coordinator = "",
    num_processes: NumProcesses = 0,
    process_id: ProcessId = -1,
    distributed: Distributed = "",
) -> None:
    """Stylize every image of a data set; run again to resume."""
    from styleflax.datasets.labeled import read_classes  # noqa: PLC0415
    from styleflax.inference import datasets as work  # noqa: PLC0415  (late, as ever)

    _check_launcher(launcher, workers)
    _check_folders(content, style, out)
    settings = work.Settings(
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
        _tell(work.make_dataset_on_ray(settings, out, workers, ray_address), out)
    else:
        run = Run(coordinator, num_processes, process_id, distributed)
        _tell(work.make_dataset(settings, out, run), out)


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
        left_out = [ExcludedPath(Path(e["path"]), e["reason"]) for e in entries]
        text = describe_excluded(left_out)
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
