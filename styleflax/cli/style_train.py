"""`styleflax style train`: one more style for a model that has its own."""

import contextlib
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styleflax.cli.errors import EXIT_FAILED
from styleflax.cli.output_paths import check_out_folder, check_outside
from styleflax.files import check_file, check_folder, find_url
from styleflax.memory import explained_memory

if TYPE_CHECKING:
    from styleflax.config import Config
    from styleflax.methods.base import Style


def train(
    painting: Annotated[Path, typer.Argument(help="Painting.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Style file; the name must end in .style."),
    ],
    weights: Annotated[str, typer.Option(help="Model file of method cin.")],
    photos: Annotated[
        str,
        typer.Option(help="Folder of photos, or the name of a data set."),
    ] = "sample_photos",
    steps: Annotated[int, typer.Option(help="Number of training steps.")] = 200,
    batch: Annotated[int, typer.Option(help="Number of photos per step.")] = 2,
    crop: Annotated[int, typer.Option(help="Side in pixels of the crops.")] = 128,
    style_size: Annotated[
        int, typer.Option(help="Side in pixels to which the painting is resized.")
    ] = 256,
    learning_rate: Annotated[float, typer.Option(help="Highest learning rate.")] = 1e-2,
    workdir: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the run; after an interruption, the same command continues "
            "there."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Train the scales and shifts of a new painting, and write them as a style file.

    The network and its other styles do not change.
    """
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.cli.style import check_target  # noqa: PLC0415
    from styleflax.training.new_style import (  # noqa: PLC0415
        NewStyle,
        new_style_config,
    )
    from styleflax.training.validation import validate  # noqa: PLC0415

    check_file(painting, "PAINTING", "an image", "train its images one by one")
    check_target(out, overwrite=overwrite)
    if workdir is not None:
        check_out_folder(workdir, "--workdir")
        check_outside(workdir, [Path(photos)], "--workdir")
    if find_url(photos) or Path(photos).is_file():
        check_folder(Path(photos), "--photos", "a folder of photos")
    if Path(photos).is_dir():
        photos = f"image_folder:{photos}"
    asked = NewStyle(
        painting, weights, photos, steps, batch, crop, style_size, learning_rate
    )
    doing = f"training on {batch} crops of {crop} px"
    with explained_memory(doing, "use a smaller --batch or --crop", "--config"):
        style = _train(validate(new_style_config(asked)), workdir)
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    Stylizer.load(weights).save_style(style, out, painting=painting.name)
    print(out)


def _train(config: "Config", workdir: Path | None) -> "Style":
    """The style of a run in that folder, or in one that is removed afterwards."""
    import jax.numpy as jnp  # noqa: PLC0415

    from styleflax.distributed.signals import StopRequest  # noqa: PLC0415
    from styleflax.inference.model import build_model  # noqa: PLC0415
    from styleflax.methods.finishing import add_palette  # noqa: PLC0415
    from styleflax.training.export import read_run  # noqa: PLC0415
    from styleflax.training.loop import train as run  # noqa: PLC0415

    request = StopRequest()
    with contextlib.ExitStack() as held:
        folder = workdir or Path(held.enter_context(tempfile.TemporaryDirectory()))
        run(config, folder, None, request)
        if request.name == signal.SIGINT.name:
            raise KeyboardInterrupt
        if request:
            what = (
                f"continues in {workdir}"
                if workdir
                else "starts over without --workdir"
            )
            print(
                f"styleflax: stopped by {request.name}; the same command {what}",
                file=sys.stderr,
            )
            raise typer.Exit(EXIT_FAILED)
        file = read_run(folder, complete=True)
    method, variables, frozen = build_model(file)
    style = method.encode_style(variables, frozen, {"style_index": jnp.zeros(1, int)})
    return add_palette(style, file.palettes.get(method.styles[0]))
