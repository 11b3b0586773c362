"""Models of the page: which it offers, and their files."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.weights.model_files import find_model, packaged_models


class PageModel(NamedTuple):
    """A model that the page offers, and how large a picture it takes there.

    Attributes:
        title: For people.
        words: What it is good for, a sentence.
        tile_px: Side of the windows of large pictures.
        whole_px: Pictures of up to this number of pixels are one window.
        live_px: Pictures of up to this number of pixels are made at every change.
        max_px: The largest picture, in pixels; None for any.
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
"""By name, which is that of the method, too; the page begins with the first."""


def add_model(folder: Path, name_or_file: str) -> dict[str, Any]:
    """What `site.json` says of a model whose files are now in the page's folder.

    Args:
        folder: Folder of the page.
        name_or_file: As `Stylizer.load` takes it.

    Raises:
        FileNotFoundError: If there is no such model.
        ImportError: If the extra `export` is not installed.
        ValueError: If the model's method is not one of the page.
    """
    # Late, since these bring in JAX.
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
    """The models of `PAGE_MODELS` that are in the package."""
    packaged = packaged_models()
    return [name for name in PAGE_MODELS if name in packaged]
