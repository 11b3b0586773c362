"""`styleflax serve` and `styleflax site`: the local app, and the page as a folder."""

import importlib.util
import sys
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from styleflax.images.decoding import MAX_MEGAPIXELS
from styleflax.images.listing import check_out_folder
from styleflax.inference.folders.sources import check_max_megapixels

DEFAULT_HOST, DEFAULT_PORT, DEFAULT_UPLOAD_MB, DEFAULT_QUEUE = (
    "127.0.0.1",
    8701,
    1024,
    8,
)
_ANYWHERE = ("0.0.0.0", "::", "")


Host = Annotated[
    str,
    typer.Option(
        help="Address to listen on; addresses other than 127.0.0.1, localhost and "
        "::1 require --allow-network."
    ),
]
Port = Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 picks a free one.")]
Weights = Annotated[
    list[str] | None,
    typer.Option(
        help="Model file or its URL, offered in addition to the packaged models; may "
        "be repeated."
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]
AllowNetwork = Annotated[
    bool,
    typer.Option(
        "--allow-network",
        help="Allow an address that other machines can reach. Everyone who can reach "
        "it can use the app: there are no passwords.",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        help="Name by which browsers reach the app, such as that of a proxy; may be "
        "repeated. Requests for other names are refused."
    ),
]
MaxMegapixels = Annotated[
    float,
    typer.Option(
        help="Refuse images, frames and results with more megapixels than this."
    ),
]
MaxUploadMb = Annotated[
    int, typer.Option(min=1, help="Refuse uploads larger than this size in MB.")
]
Queue = Annotated[
    int,
    typer.Option(min=1, help="Number of jobs that may wait; further jobs are refused."),
]


def serve(
    host: Host = DEFAULT_HOST,
    port: Port = DEFAULT_PORT,
    weights: Weights = None,
    open_browser: Open = False,
    allow_network: AllowNetwork = False,
    allow_host: AllowHost = None,
    max_megapixels: MaxMegapixels = MAX_MEGAPIXELS,
    max_upload_mb: MaxUploadMb = DEFAULT_UPLOAD_MB,
    queue: Queue = DEFAULT_QUEUE,
) -> None:
    """Serve a page and an API that stylize on this machine."""
    check_max_megapixels(max_megapixels)
    hosts = _check_address(host, allow_host or [], allow_network=allow_network)
    try:
        from styleflax.web import server  # noqa: PLC0415  (late: --help answers at once)
    except ImportError as error:
        raise ImportError(
            f'the local app needs {error.name}: pip install "styleflax[ui]"'
        ) from None
    from styleflax.parallel import local_devices  # noqa: PLC0415
    from styleflax.web.limits import Limits  # noqa: PLC0415
    from styleflax.web.offers import offer_models  # noqa: PLC0415

    limits = Limits(
        max_body_bytes=max_upload_mb * 1_000_000,
        max_megapixels=max_megapixels,
        queue=queue,
    )
    listening = server.listen(host, port)
    offered = offer_models(weights or ())
    parts = server.App(offered, local_devices(), _find_page(), hosts, limits)
    name = hosts[0] if host in _ANYWHERE else host
    shown = f"[{name}]" if ":" in name else name
    address = f"http://{shown}:{listening.getsockname()[1]}/"

    def tell() -> None:
        print(f"styleflax: {address} (Ctrl-C ends it)", flush=True)
        if open_browser:
            webbrowser.open(address)

    server.run_app(parts, listening, tell)


def _find_page() -> Path | None:
    """Returns the folder of the page; None, with a warning, if it is not built."""
    from styleflax.web.site import page_folder  # noqa: PLC0415

    try:
        return page_folder()
    except FileNotFoundError as error:
        print(f"styleflax: warning: the API alone is served: {error}", file=sys.stderr)
        return None


def _check_address(
    host: str, names: list[str], *, allow_network: bool
) -> tuple[str, ...]:
    """Returns the names by which the app may be reached, beside this machine's own.

    Raises:
        ValueError: If the address is reachable for others, and that is not allowed; or
            it stands for all addresses, and no name is given.
    """
    if host in {"127.0.0.1", "localhost", "::1"}:
        return tuple(names)
    if not allow_network:
        raise ValueError(
            f"--host must be 127.0.0.1, localhost or ::1, got {host!r}: give "
            "--allow-network as well to let other machines use this one"
        )
    if host in _ANYWHERE and not names:
        raise ValueError(
            f"--host {host} needs --allow-host NAME: the name or address by which "
            "browsers reach this machine"
        )
    print(
        f"styleflax: warning: {host} can be reached by other machines, and everyone "
        "who reaches it can use the app and its graphics card: there are no passwords",
        file=sys.stderr,
    )
    return (*names, *(() if host in _ANYWHERE else (host,)))


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
