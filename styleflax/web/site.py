"""Writing the page as a folder that any static host can serve."""

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
"""Folder into which `make site` builds the page; wheels contain it."""
SITE = "site.json"
"""File that lists the models, the images and the files to cache for offline use."""
WORKER = "sw.js"
"""File of the service worker, whose text contains the version of the page."""
_LATER = ("runtime/ort.webgpu", "runtime/ort-wasm-simd-threaded.asyncify")
"""Beginnings of the names of files that are loaded only on demand."""
_VERSION_DIGITS = 16
_VERSION = re.compile(r'(?<=const VERSION = ")[^"]*')


def page_folder() -> Path:
    """Returns the folder of the page that is part of the package.

    Raises:
        FileNotFoundError: If the page has not been built in this checkout.
    """
    if not (BUILT / SITE).is_file():
        raise FileNotFoundError(
            "the page is not in this checkout: make it by `make site`, which needs "
            "node and npm; wheels contain it"
        )
    return BUILT


def write_site(folder: Path, models: Sequence[str] = ()) -> dict[str, Any]:
    """Writes the page to a folder, and returns the content of its `site.json`.

    Args:
        folder: Folder to write, created if missing; older files are replaced.
        models: Names or files of models to add to the one that the page has.

    Raises:
        FileNotFoundError: If the page has not been built, or there is no such model.
        ImportError: If models are to be added and the extra `export` is missing.
        ValueError: If the page does not support a model.
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
        folder: Folder that contains all other files of the page.
        site: The models (the page loads the first one), photos and paintings.
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
    # Browsers look for a new version of the page in this file alone.
    worker = (Path(__file__).with_name("page") / WORKER).read_text("utf-8")
    digest = version.hexdigest()[:_VERSION_DIGITS]
    marked = worker.replace('"development"', f'"{digest}"')
    (folder / WORKER).write_text(marked, "utf-8")
    (folder / SITE).write_text(json.dumps(site, indent=1) + "\n", "utf-8")
    return site


def mark_version(worker: str, mark: str) -> str:
    """Returns the service worker with an extended name of its version.

    Args:
        worker: Text of the service worker.
        mark: Text appended to the name of the version.
    """
    return _VERSION.sub(rf"\g<0>{mark}", worker, count=1)
