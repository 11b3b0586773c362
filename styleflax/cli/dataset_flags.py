"""Arguments and flags of `styleflax dataset`."""

from pathlib import Path
from typing import Annotated

import typer

Content = Annotated[
    str, typer.Argument(help="Folder of pictures or of classes, or tfds:NAME.")
]
Style = Annotated[Path, typer.Option(help="Folder of paintings to draw from.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Folder of the data set.")]
Split = Annotated[str, typer.Option(help="Of a TFDS data set.")]
DataDir = Annotated[Path | None, typer.Option(help="Where TFDS data sets are.")]
FormatOut = Annotated[
    str,
    typer.Option(
        "--format",
        help="Write tfds, a data set for tensorflow_datasets, or images, a folder with "
        "the source's tree, names and sizes and a table, metadata.csv.",
    ),
]
StylesPerPicture = Annotated[
    int,
    typer.Option(help="Number of results for each picture, each in another painting."),
]
Size = Annotated[
    int | None,
    typer.Option(
        help="Short side of the pictures; default 256 for tfds, each one's own for "
        "images."
    ),
]
Crop = Annotated[
    bool | None,
    typer.Option(
        "--crop/--no-crop",
        help="Take the middle square of --size, or whole pictures; default whole for "
        "images only.",
    ),
]
StyleSize = Annotated[int, typer.Option(help="Side of the paintings.")]
Batch = Annotated[
    int, typer.Option(help="Pictures of a device at a time; a crash loses so many.")
]
Seed = Annotated[int, typer.Option(help="Of the styles that are drawn.")]
Classes = Annotated[
    Path | None,
    typer.Option(
        help="File with the names of all classes, one in a line, in the order of their "
        "numbers; by default those of the folders, without pictures, too."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Write jpeg or png; default jpeg for tfds, the source's for images."
    ),
]
Threads = Annotated[int, typer.Option(help="Read and write, per process.")]
Launcher = Annotated[str, typer.Option(help="jax, or ray for Ray Data.")]
Workers = Annotated[int, typer.Option(help="Actors of --launcher=ray.")]
RayAddress = Annotated[
    str | None, typer.Option(help="Of a Ray cluster; else one is started.")
]
Coordinator = Annotated[
    str, typer.Option(help="HOST:PORT of process 0, if there are several.")
]
NumProcesses = Annotated[int, typer.Option(help="How many there are.")]
ProcessId = Annotated[int, typer.Option(help="Which one this is, from 0.")]
Distributed = Annotated[
    str, typer.Option(help="auto: ask Slurm, Open MPI, GKE or Cloud TPU.")
]
