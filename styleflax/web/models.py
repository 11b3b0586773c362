"""The models that the page offers, and their files."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.weights.store import find_model, packaged_models


class PageModel(NamedTuple):
    """A model that the page offers, and the image sizes it supports there.

    Attributes:
        title: Its title on the page.
        words: One sentence that says what the model is good for.
        tile_px: Side of the windows of large images in px.
        whole_px: Images of up to this number of pixels are processed whole.
        live_px: Images of up to this number of pixels follow every change at once.
        max_px: Number of pixels of the largest image; None for no limit.
    """

    title: str
    words: str
    tile_px: int
    whole_px: int
    live_px: int
    max_px: int | None = None


PAGE_MODELS = {
    "lite": PageModel(
        title="lite, fast",
        words="A small network for every device.",
        tile_px=768,
        whole_px=1024 * 1024,
        live_px=600_000,
    ),
    "adain": PageModel(
        title="AdaIN (2017)",
        words="Larger and slower than lite.",
        tile_px=512,
        whole_px=640 * 640,
        live_px=120_000,
    ),
    "sanet": PageModel(
        title="SANet (2019)",
        words="Attends to the painting place by place; the slowest.",
        tile_px=512,
        whole_px=768 * 768,
        live_px=120_000,
        max_px=768 * 768,
    ),
}
"""The models by name, which is also their method; the page loads the first one."""


def add_model(folder: Path, name_or_file: str) -> dict[str, Any]:
    """Returns the entry of a model in `site.json`, after exporting it to the page.

    Args:
        folder: Folder of the page, into which the model's files are written.
        name_or_file: Name or file of a model, as for `Stylizer.load`.

    Raises:
        FileNotFoundError: If there is no such model.
        ImportError: If the extra `export` is not installed.
        ValueError: If the page does not support the model's method.
    """
    # Imported late, because these import JAX.
    from styleflax.export import export_model  # noqa: PLC0415
    from styleflax.weights.store import load_model  # noqa: PLC0415

    path, name = find_model(name_or_file), Path(name_or_file).stem
    method = load_model(path).method
    if method not in PAGE_MODELS:
        raise ValueError(
            f"the page takes models of {', '.join(PAGE_MODELS)}, got {name!r} of "
            f"{method}"
        )
    target = folder / "models" / name
    manifest = export_model(path, target, "onnx", "float16")
    manifest["name"] = name
    (target / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    described = PAGE_MODELS[method]
    if name != method:
        described = described._replace(title=name, words=f"A model of {method}.")
    return {
        **described._asdict(),
        "name": name,
        "folder": f"models/{name}/",
        "bytes": sum(file["bytes"] for file in manifest["files"].values()),
    }


def default_models() -> list[str]:
    """Returns the names of those `PAGE_MODELS` whose files are in the package."""
    packaged = packaged_models()
    return [name for name in PAGE_MODELS if name in packaged]
