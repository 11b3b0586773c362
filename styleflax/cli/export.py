"""`styleflax export`: models for other runtimes."""

from pathlib import Path
from typing import Annotated

import typer

from styleflax.images.listing import check_out_folder


def export(
    model: Annotated[str, typer.Argument(help="Name of a model or a model file.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write into.")],
    format_: Annotated[
        str, typer.Option("--format", help="onnx or stablehlo.")
    ] = "onnx",
    storage: Annotated[
        str,
        typer.Option(
            help="Type of the weights in ONNX files: float32, float16 (half the size) "
            "or int8 (a quarter)."
        ),
    ] = "float32",
    styles: Annotated[
        int, typer.Option(min=1, help="Number of styles that StableHLO programs mix.")
    ] = 1,
    regions: Annotated[
        int, typer.Option(min=1, help="Number of regions of StableHLO programs.")
    ] = 1,
) -> None:
    """Write a model as ONNX or StableHLO files.

    These files run without this library.
    """
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.export import export_model  # noqa: PLC0415

    check_out_folder(out)
    manifest = export_model(model, out, format_, storage, styles, regions)  # type: ignore[arg-type]
    for written in manifest["files"].values():
        print(f"{out / written['path']} ({written['bytes'] / 1e6:.1f} MB)")
    print(out / "manifest.json")
