"""`styleflax weights`: list, fetch, verify and convert model files."""

import json
from pathlib import Path
from typing import Annotated

import typer

from styleflax.cli.report import print_table
from styleflax.files import make_folder
from styleflax.images.listing import check_out_folder
from styleflax.inference.folders.outputs import check_not_taken, check_suffix

app = typer.Typer(
    help="List, fetch, verify, export, average and convert model files.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List packaged, downloadable and installed weights."""
    from styleflax.weights.inventory import list_weights  # noqa: PLC0415

    entries = list_weights()
    if as_json:
        print(json.dumps([entry._asdict() for entry in entries], indent=2, default=str))
        return
    rows = []
    for entry in entries:
        size = "" if entry.num_bytes is None else f"{entry.num_bytes / 1e6:.1f}"
        where = str(entry.path) if entry.path and entry.is_here else ""
        row = (entry.name, entry.kind, entry.source, size, entry.state, where)
        rows.append(row)
    print_table(("name", "kind", "from", "MB", "state", "where"), rows)


@app.command("verify")
def verify(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Names or files. Default: all weights on this machine."),
    ] = None,
) -> None:
    """Compare the digests of weights with the recorded ones.

    The exit code is 1 if one differs.
    """
    from styleflax.weights import inventory  # noqa: PLC0415

    chosen = names or [
        entry.name
        for entry in inventory.list_weights()
        if entry.is_here or entry.source == "package"
    ]
    verdicts = [inventory.verify(name) for name in chosen]
    for name, sha256, problem in verdicts:
        told = f"BAD: {problem}" if problem else f"ok, SHA-256 {sha256}"
        print(f"{name}: {' '.join(told.split())}")
    if any(verdict.problem for verdict in verdicts):
        raise typer.Exit(1)


@app.command("fetch")
def fetch(
    name: Annotated[
        str,
        typer.Argument(
            help="vgg19, or a URL: https://HOST/FILE or "
            "hf://USER/REPO[@REVISION]/FILE. Append #sha256=DIGITS to check the "
            "content."
        ),
    ],
    local_path: Annotated[
        Path | None,
        typer.Option(
            "--from", help="File already on this machine, used instead of the download."
        ),
    ] = None,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew", help="Download again, and accept a file that has changed."
        ),
    ] = False,
) -> None:
    """Download weights to the cache folder, and print their path."""
    from styleflax.weights.fetch import fetch as download  # noqa: PLC0415

    print(download(name, local_path=local_path, renew=renew))


@app.command("export")
def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Model file to write.")],
    complete: Annotated[
        bool,
        typer.Option(
            "--complete", help="Fail if the run has not reached its last step."
        ),
    ] = False,
) -> None:
    """Export a training run as a self-contained model file."""
    from styleflax.training.export import read_run  # noqa: PLC0415
    from styleflax.weights.store import save_model  # noqa: PLC0415

    _check_model_target(out)
    digest = save_model(out, read_run(run, complete=complete))
    print(f"{out} (SHA-256 of its values {digest[:16]}...)")


@app.command("average")
def average(
    files: Annotated[
        list[Path], typer.Argument(help="Names of models or model files.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Model file to write.")],
) -> None:
    """Average models that were trained from the same start."""
    from styleflax.weights.encoder import average_models  # noqa: PLC0415
    from styleflax.weights.store import load_model, save_model  # noqa: PLC0415

    _check_model_target(out)
    models = [load_model(_by_name(file)) for file in files]
    digest = save_model(out, average_models(models))
    print(f"{out} (SHA-256 of its values {digest[:16]}...)")


@app.command("convert")
def convert(
    files: Annotated[list[Path], typer.Argument(help="Weight files, in any order.")],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Model file, or a folder for other formats."),
    ],
    preset: Annotated[
        str | None,
        typer.Option(
            help="Arithmetic that the weights were trained with; see docs/weights.md. "
            "Default: that of the method."
        ),
    ] = None,
    to: Annotated[
        str,
        typer.Option(help="Format to write: model, published, torchvision or keras."),
    ] = "model",
    dtype: Annotated[
        str, typer.Option(help="Data type of the model file: float16 or float32.")
    ] = "float16",
) -> None:
    """Convert published checkpoints to a model file, or back."""
    from styleflax.weights.published.convert import EXPORTS, convert_and_save  # noqa: PLC0415

    paths = [_by_name(file) for file in files]
    if to == "model":
        _check_model_target(out)
    elif to in EXPORTS:
        check_out_folder(out)
    for line in convert_and_save(paths, out, preset=preset, to=to, dtype=dtype):
        print(line)


@app.command("info")
def info(
    file: Annotated[
        Path,
        typer.Argument(
            help="Name of weights, or a weight file of any supported format."
        ),
    ],
) -> None:
    """Print the contents of a weight file as JSON."""
    from styleflax.weights.inventory import list_weights  # noqa: PLC0415
    from styleflax.weights.published.convert import describe_file  # noqa: PLC0415

    named = {e.name: e for e in list_weights() if e.source == "extra eval"}
    if str(file) in named and not file.is_file():  # of no format that others write
        told = named[str(file)]._asdict()
    else:
        told = describe_file(_by_name(file))
    print(json.dumps(told, indent=2, default=str))


def _check_model_target(out: Path) -> None:
    """Refuses a path that is no model file's, and makes its folder."""
    from styleflax.weights.store import SUFFIX  # noqa: PLC0415  (imports JAX)

    hint = "; `styleflax weights convert --to published` writes .pth files"
    check_suffix(out, (SUFFIX,), hint)
    check_not_taken(out, overwrite=True)
    make_folder(out.parent)


def _by_name(file: Path) -> Path:
    """The path of weights that are here already, if `file` is their name."""
    from styleflax.weights import registry, store  # noqa: PLC0415

    if str(file) in registry.DOWNLOADS and not file.is_file():
        from styleflax.weights.fetch import find_cached  # noqa: PLC0415

        return find_cached(str(file))
    named = store.packaged_models()
    return named.get(str(file)) or store.fetch_if_remote(file)
