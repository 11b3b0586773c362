"""`styleflax site`: the page, as a folder that any static host serves."""

import importlib.util
from pathlib import Path
from typing import Annotated

import typer

from styleflax.images.listing import check_out_folder


def site(
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder to write.")],
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of a model or a model file to offer on the page; may be "
            "repeated. Default: all packaged models."
        ),
    ] = None,
) -> None:
    """Write a page that stylizes in the browser, without a server."""
    # Imported late, so that --help and mistakes answer at once.
    from styleflax.web.models import default_models  # noqa: PLC0415
    from styleflax.web.site import page_folder, write_site  # noqa: PLC0415

    check_out_folder(out)
    page_folder()
    models = model or default_models()
    if model is None and importlib.util.find_spec("onnx") is None:
        models = []
        print(
            "Other models than the page's own need `pip install 'styleflax[export]'`."
        )
    written = write_site(out, models)
    total = sum(path.stat().st_size for path in out.rglob("*") if path.is_file())
    offered = ", ".join(entry["name"] for entry in written["models"])
    print(f"{out} ({total / 1e6:.0f} MB) offers {offered}.")
    print(f"Look at it by: python -m http.server --bind 127.0.0.1 -d {out}")
