"""`styleflax style`: keeping what a model knows of a painting in a small file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from styleflax.cli import style_train, stylize_flags
from styleflax.cli.output_paths import check_not_taken
from styleflax.cli.style_masks import check_style_masks, read_part
from styleflax.cli.stylize_inputs import Source, read_source
from styleflax.files import check_file, make_folder
from styleflax.images.decoding import MAX_MEGAPIXELS

app = typer.Typer(
    help="Save styles as small files that replace paintings.", no_args_is_help=True
)


app.command("train")(style_train.train)


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
    """Write a style file, which this model accepts wherever it accepts a painting."""
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.inference.checks import check_size  # noqa: PLC0415
    from styleflax.inference.styles.file import is_style_file  # noqa: PLC0415
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
    from styleflax.inference.styles.file import (  # noqa: PLC0415
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
