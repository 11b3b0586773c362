"""The page of a narrow model on a server of its own, in Debian's Chromium."""

import json
import shutil
from pathlib import Path

import pytest
from page_visit import Visit, serving
from PIL import Image

from styleflax.web import build
from styleflax.web.models import PAGE_MODELS, add_model

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
NODE_MODULES = Path(build.__file__).parent / "npm" / "node_modules"
TILE_PX, WHOLE_PX = 216, 160 * 160
"""Limits of the test's page: small pictures have several windows."""
DEFAULTS = {"color_match": 1.0, "detail": 1.0}


@pytest.fixture(scope="session")
def model_paths(tmp_path_factory):
    """Narrow models of random parameters, as float16 like packaged ones, by name."""
    from exported import make_file

    from styleflax.weights.store import save_model

    folder = tmp_path_factory.mktemp("models")
    paths = {name: folder / f"{name}.safetensors" for name in PAGE_MODELS}
    for name, path in paths.items():
        save_model(path, make_file(name)._replace(defaults=DEFAULTS))
    return paths


@pytest.fixture(scope="session")
def model_path(model_paths):
    return model_paths["lite"]


@pytest.fixture(scope="session")
def stylizer(model_path):
    from styleflax import Stylizer

    return Stylizer.load(model_path, tile_px=0)


@pytest.fixture(scope="session")
def site(model_paths, tmp_path_factory):
    """The folder of the page."""
    if not (NODE_MODULES / "onnxruntime-web").is_dir():
        pytest.skip("the page's runtime is missing: make site")
    folder = tmp_path_factory.mktemp("site") / "page"
    first, *others = map(str, model_paths.values())
    build.build_page(folder, NODE_MODULES, first)
    described = json.loads((folder / "site.json").read_text())
    described["models"] += [add_model(folder, other) for other in others]
    described["models"][0] |= {"tile_px": TILE_PX, "whole_px": WHOLE_PX}
    (folder / "site.json").write_text(json.dumps(described))
    # Small, as the page begins with one of them.
    for entry in described["photos"] + described["paintings"]:
        picture = Image.open(folder / entry["path"])
        picture.thumbnail((96, 96))
        picture.save(folder / entry["path"])
    return folder


@pytest.fixture(scope="session")
def address(site):
    with serving(site) as url:
        yield url


@pytest.fixture(scope="session")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    flags = ["--no-sandbox", "--disable-dev-shm-usage"]
    flags += ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def visit(chromium, address):
    """One tab for a module's tests, with no error on its console at the end."""
    context = chromium.new_context(
        viewport={"width": 1300, "height": 900}, service_workers="block"
    )
    made = Visit(context, address)
    yield made
    errors = made.errors
    context.close()
    assert errors == []
