"""`styleflax weights`: getting encoders, exporting runs."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Fetch encoders, export runs.", no_args_is_help=True)


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
