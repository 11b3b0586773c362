"""Building the page with its runtime, gallery and first model, for `make site`."""

import shutil
import sys
from pathlib import Path

from styleflax.web.models import add_model, default_models
from styleflax.web.pictures import add_paintings, add_photos
from styleflax.web.site import BUILT, finish_site

_HERE = Path(__file__).parent
RUNTIME = (
    *("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm"),
    "ort.webgpu.min.mjs",
    "ort-wasm-simd-threaded.asyncify.mjs",
    "ort-wasm-simd-threaded.asyncify.wasm",
)
"""Files of onnxruntime-web: three for the CPU, then three for the GPU."""


def build_page(folder: Path, node_modules: Path, model: str) -> None:
    """Builds the page's folder from scratch.

    Args:
        folder: The folder to write; an older one is removed first.
        node_modules: The folder in which npm installed onnxruntime-web.
        model: Name or file of the model that the page loads first.

    Raises:
        FileNotFoundError: If the runtime or the model is missing.
    """
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(_HERE / "page", folder)
    (folder / "runtime").mkdir()
    for name in RUNTIME:
        source = node_modules / "onnxruntime-web" / "dist" / name
        if not source.is_file():
            raise FileNotFoundError(
                f"{source} is missing: run `npm ci` in {_HERE / 'npm'}, or `make site`"
            )
        shutil.copyfile(source, folder / "runtime" / name)
    (folder / "LICENSES.txt").write_text(licenses(), "utf-8")
    site = {
        "models": [add_model(folder, model)],
        "photos": add_photos(folder),
        "paintings": add_paintings(folder),
    }
    finish_site(folder, site)


def licenses() -> str:
    """Returns the licenses of everything that the page contains, as one text."""
    root = _HERE.parents[1]
    parts = {
        "styleflax": root / "LICENSE",
        "styleflax: notice": root / "NOTICE",
        "Sample photos and gallery": _HERE / "licenses/photos.txt",
        "onnxruntime-web": _HERE / "licenses/onnxruntime.txt",
        "Components of onnxruntime-web": _HERE / "licenses/onnxruntime-notices.txt",
    }
    line = "=" * 70
    texts = [
        f"{line}\n{title}\n{line}\n\n{path.read_text('utf-8').strip()}\n"
        for title, path in parts.items()
    ]
    return "\n".join(texts)


if __name__ == "__main__":
    build_page(
        BUILT, _HERE / "npm" / "node_modules", (sys.argv[1:] or default_models())[0]
    )
