"""The page as a folder that any static host serves."""

import hashlib
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from styleflax.files import make_folder
from styleflax.web.models import add_model

BUILT = Path(__file__).with_name("built")
"""Where `make site` puts the page; wheels contain it."""
SITE = "site.json"
"""What the page offers, and which of its files it keeps for times without a network."""
WORKER = "sw.js"
"""The service worker, whose text names the version of the page."""
_LATER = ("runtime/ort.webgpu", "runtime/ort-wasm-simd-threaded.asyncify")
"""Files that are loaded only when they are asked for."""
_VERSION_DIGITS = 16
_VERSION = re.compile(r'(?<=const VERSION = ")[^"]*')


def page_folder() -> Path:
    """The folder of the page that comes with the package.

    Raises:
        FileNotFoundError: In a checkout where it has not been made.
    """
    if not (BUILT / SITE).is_file():
        raise FileNotFoundError(
            "the page is not in this checkout: make it by `make site`, which needs "
            "node and npm; wheels contain it"
        )
    return BUILT


def write_site(folder: Path, models: Sequence[str] = ()) -> dict[str, Any]:
    """Writes the page, and returns what its `site.json` says.

    Args:
        folder: Where to write; made if need be, older files are replaced.
        models: Names or files of models beside the one that the page begins with.

    Raises:
        FileNotFoundError: If the page has not been made, or there is no such model.
        ImportError: If models are asked for without the extra `export`.
        ValueError: If the page does not take a model.
        OSError: If the folder cannot be written.
    """
    source = page_folder()
    make_folder(folder)
    shutil.copytree(source, folder, dirs_exist_ok=True)
    site = json.loads((folder / SITE).read_text("utf-8"))
    known = {model["name"] for model in site["models"]}
    for model in models:
        if Path(model).stem not in known:
            site["models"].append(add_model(folder, model))
    return finish_site(folder, site)


def finish_site(folder: Path, site: dict[str, Any]) -> dict[str, Any]:
    """Writes `site.json` and the version of the page into its folder.

    Args:
        folder: With all other files.
        site: The models, the first of which is the one that the page begins with,
            photos and paintings.
    """
    first = site["models"][0]["folder"]
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != SITE)
    names = [path.relative_to(folder).as_posix() for path in files]
    offline = [
        name
        for name in names
        if not name.startswith(_LATER)
        and name not in {WORKER, "index.html"}
        and (name.startswith(first) or not name.startswith("models/"))
    ]
    site = {**site, "offline": offline}
    version = hashlib.sha256(json.dumps(site, sort_keys=True).encode())
    for path in files:
        if path.name != WORKER:
            version.update(path.read_bytes())
    # A browser takes a changed page for a new one if this file has changed.
    worker = (Path(__file__).with_name("page") / WORKER).read_text("utf-8")
    digest = version.hexdigest()[:_VERSION_DIGITS]
    marked = worker.replace('"development"', f'"{digest}"')
    (folder / WORKER).write_text(marked, "utf-8")
    (folder / SITE).write_text(json.dumps(site, indent=1) + "\n", "utf-8")
    return site


def mark_version(worker: str, mark: str) -> str:
    """Returns the service worker of another version of the page.

    Args:
        worker: Its text.
        mark: What the name of the version ends in.
    """
    return _VERSION.sub(rf"\g<0>{mark}", worker, count=1)
