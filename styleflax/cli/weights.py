"""`styleflax weights`: getting encoders, exporting runs, converting checkpoints."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Fetch encoders, export runs, convert checkpoints.", no_args_is_help=True
)


@app.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="vgg19")],
    local_path: Annotated[
        Path | None, typer.Option("--from", help="A file that is here already.")
    ] = None,
) -> None:
    """Download published weights into the user's cache folder."""
    from styleflax.weights.fetch import fetch as download  # noqa: PLC0415

    print(download(name, local_path=local_path))


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Model file to write.")],
) -> None:
    """Write what a run has come to as a self-contained model file."""
    from styleflax.training.export import read_run  # noqa: PLC0415
    from styleflax.weights.store import save_model  # noqa: PLC0415

    digest = save_model(out, read_run(run))
    print(f"{out} (SHA-256 of its values {digest[:16]}...)")


@app.command("convert")
def convert(
    files: Annotated[list[Path], typer.Argument(help="Weight files, in any order.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Model file, or folder.")],
    preset: Annotated[
        str | None, typer.Option(help="Arithmetic that they were trained with.")
    ] = None,
    to: Annotated[
        str, typer.Option(help="model, published, torchvision or keras.")
    ] = "model",
    dtype: Annotated[
        str, typer.Option(help="Of the model file: float16 or float32.")
    ] = "float16",
) -> None:
    """Make a model file of published checkpoints, or the other way round."""
    from styleflax.weights.conversion import convert_and_save  # noqa: PLC0415

    paths = [_by_name(file) for file in files]
    for line in convert_and_save(paths, out, preset=preset, to=to, dtype=dtype):
        print(line)


@app.command("info")
def info(
    file: Annotated[
        Path, typer.Argument(help="A name, or a weight file of any format.")
    ],
) -> None:
    """Print what a weight file holds, as JSON."""
    from styleflax.weights.conversion import describe_file  # noqa: PLC0415

    print(json.dumps(describe_file(_by_name(file)), indent=2))


def _by_name(file: Path) -> Path:
    """The path of weights that come with the package, if `file` is their name."""
    from styleflax.weights.packaged_models import packaged_models  # noqa: PLC0415

    return packaged_models().get(str(file), file)
