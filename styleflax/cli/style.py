"""`styleflax style`: style files, and styles of one's own for a model."""

import contextlib
import json
import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from styleflax.cli import options as stylize_flags
from styleflax.cli.app import EXIT_FAILED
from styleflax.files import check_file, check_folder, find_url, make_folder
from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.inference.folders.outputs import check_not_taken
from styleflax.inference.folders.sources import (
    Source,
    check_style_masks,
    read_part,
    read_source,
)
from styleflax.memory import explain_memory_errors

if TYPE_CHECKING:
    from styleflax.config import Config
    from styleflax.methods.base import Style


app = typer.Typer(
    help="Save styles as small files that replace paintings.", no_args_is_help=True
)


@app.command("train")
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
    """Train a new style for a CIN model, and write it as a style file.

    The network and its other styles do not change.
    """
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.training.new_style import (  # noqa: PLC0415
        NewStyle,
        new_style_config,
    )
    from styleflax.training.phases import validate  # noqa: PLC0415

    check_file(painting, "PAINTING", "an image", "train its images one by one")
    check_target(out, overwrite=overwrite)
    if find_url(photos) or Path(photos).is_file():
        check_folder(Path(photos), "--photos", "a folder of photos")
    if Path(photos).is_dir():
        photos = f"image_folder:{photos}"
    asked = NewStyle(
        painting, weights, photos, steps, batch, crop, style_size, learning_rate
    )
    doing = f"training on {batch} crops of {crop} px"
    with explain_memory_errors(doing, "use a smaller --batch or --crop", "--config"):
        style = _train(validate(new_style_config(asked)), workdir)
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    Stylizer.load(weights).save_style(style, out, painting=painting.name)
    print(out)


def _train(config: "Config", workdir: Path | None) -> "Style":
    """The style of a run in that folder, or in one that is removed afterwards."""
    import jax.numpy as jnp  # noqa: PLC0415

    from styleflax.distributed import StopRequest  # noqa: PLC0415
    from styleflax.methods.model import build_model  # noqa: PLC0415
    from styleflax.ops.color_match import add_palette  # noqa: PLC0415
    from styleflax.training.export import read_run  # noqa: PLC0415
    from styleflax.training.loop import train as run  # noqa: PLC0415

    request = StopRequest()
    with contextlib.ExitStack() as held:
        folder = workdir or Path(held.enter_context(tempfile.TemporaryDirectory()))
        run(config, folder, None, request)
        if request.name == signal.SIGINT.name:
            raise KeyboardInterrupt
        if request.name:
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


@app.command("save")
def save(
    painting: Annotated[Path, typer.Argument(help="Painting.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Style file; the name must end in .style."),
    ],
    weights: Annotated[
        str, typer.Option(help="Name of a model or a model file.")
    ] = "adain",
    style_size: Annotated[
        int | None,
        typer.Option(help="Resize the painting to this short side in pixels first."),
    ] = None,
    style_mask: Annotated[
        Path | None,
        typer.Option(help="Mask of the part of the painting to use, white inside."),
    ] = None,
    max_megapixels: stylize_flags.MaxMegapixels = MAX_MEGAPIXELS,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
) -> None:
    """Save a painting as a style file.

    The model accepts the style file wherever it accepts a painting.
    """
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.inference.contents import is_style_file  # noqa: PLC0415
    from styleflax.inference.controls import check_size  # noqa: PLC0415
    from styleflax.inference.stylizer import Stylizer  # noqa: PLC0415

    if style_size is not None:
        check_size(style_size, "--style-size")
    if is_style_file(painting):
        raise ValueError(f"{str(painting)!r} is a style file already; give a painting")
    check_target(out, overwrite=overwrite)
    source = Source(painting, mask=style_mask)
    check_file(painting, "PAINTING", "an image", "give its images one by one")
    check_style_masks([style_mask])
    read = read_source(source, max_megapixels)
    for note in read.notes:
        typer.echo(f"styleflax: warning: {note}", err=True)
    picture = read.on_white()
    mask = read_part(source, max_megapixels)
    stylizer = Stylizer.load(weights)
    stylizer.save_style(picture, out, style_size, painting.name, mask)
    print(out)


def check_target(out: Path, *, overwrite: bool) -> None:
    """Refuses a path for a style file that is not one, or is taken.

    Raises:
        ValueError: If it ends otherwise, or is a folder.
        FileExistsError: If there is a file, which is not to be replaced.
        OSError: If its folder cannot be written.
    """
    from styleflax.inference.contents import (  # noqa: PLC0415
        STYLE_SUFFIX,
        is_style_file,
    )

    if not is_style_file(out):
        raise ValueError(f"-o must end in {STYLE_SUFFIX}, got {str(out)!r}")
    check_not_taken(out, overwrite=overwrite)
    make_folder(out.parent)


@app.command("info")
def info(
    file: Annotated[
        Path, typer.Argument(help="Style file; the name must end in .style.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a style file, and print its painting and model."""
    from flax.traverse_util import flatten_dict  # noqa: PLC0415

    from styleflax.inference.styles.file import load_style  # noqa: PLC0415

    found = load_style(file)
    arrays = {
        name: f"{leaf.dtype} {'x'.join(map(str, leaf.shape))}"
        for name, leaf in sorted(flatten_dict(dict(found.style), sep="/").items())
    }
    described = {
        "painting": found.painting,
        "method": found.method,
        "model": found.model,
        "model_sha256": found.model_digest,
        "bytes": file.stat().st_size,
        "arrays": arrays,
    }
    if as_json:
        print(json.dumps(described, indent=2))
        return
    described["arrays"] = ", ".join(f"{k} ({v})" for k, v in arrays.items())
    for name, value in described.items():
        print(f"{name:13} {value}")
