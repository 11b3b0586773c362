"""Arguments and flags of `styleflax dataset`."""

from pathlib import Path
from typing import Annotated

import typer

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
