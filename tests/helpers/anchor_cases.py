"""What the anchors in `tests/anchors` are results of, by public names alone.

Modules may move and be renamed: what stands here is `styleflax.Stylizer`, `train`,
`read_run`, the configuration and the command line, so that it stays as it is.
"""

import functools
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

import styleflax
from styleflax.config import Config, Data, Encoder, Phase, Run, Schedule

FOLDER = Path(__file__).parents[1] / "anchors"
RESULTS = FOLDER / "results.npz"
SHAPES = {"content": (32, 48), "one": (32, 48), "two": (32, 48), "tall": (280, 16)}
"""Heights and widths of the pictures; few, as each is compiled for."""
MASK = np.tile(np.linspace(0, 1, 8, dtype=np.float32), (5, 1))
BUNDLED = ("adain", "sanet")
STOP_AFTER = 4
"""The step of the committed run's newest checkpoint; it has six steps."""


class Case(NamedTuple):
    """A picture to make.

    Attributes:
        weights: A bundled model, or a model file in the folder.
        styles: Pictures, style files or names of the model's own styles.
        controls: Arguments of `Stylizer.__call__`.
        content: A picture.
        tile_px: Argument of `Stylizer.load`.
    """

    weights: str
    styles: tuple[str, ...] = ("one.png",)
    controls: Mapping[str, Any] = MappingProxyType({})
    content: str = "content.png"
    tile_px: int | None = None


BOTH = ("one.png", "two.png")
REGIONS = {"masks": [MASK, "rest"], "feather": 3.0, "region_alphas": [0.9, 0.5]}
OF_PAINTINGS = {
    "plain": {},
    "alpha": {"controls": {"alpha": 0.6}},
    "exaggerate": {"controls": {"exaggerate": 1.5}},
    "weights": {"styles": BOTH, "controls": {"weights": [0.3, 0.7]}},
    "masks": {"styles": BOTH, "controls": REGIONS},
    "masks_coral": {"styles": BOTH, "controls": {**REGIONS, "color": "coral"}},
    "coral": {"controls": {"color": "coral"}},
    "luminance": {"controls": {"color": "luminance"}},
    "lab": {"controls": {"color": "lab"}},
    "style_part": {"controls": {"style_size": 20, "style_masks": [MASK]}},
}
CASES = {
    **{
        f"{w}/{n}": Case(w, **more) for w in BUNDLED for n, more in OF_PAINTINGS.items()
    },
    **{f"{w}/style_file": Case(w, (f"{w}.style",)) for w in BUNDLED},
    "adain/size": Case("adain", controls={"size": 24, "restore_size": True}),
    "adain/tiles": Case(
        "adain", controls={"alpha": 0.6}, content="tall.png", tile_px=144
    ),
    "sanet/tiles": Case(
        "sanet", controls={"alpha": 0.6}, content="tall.png", tile_px=272
    ),
    "sanet/level_balance": Case("sanet", controls={"level_balance": 0.2, "alpha": 0.6}),
    "johnson/plain": Case("johnson.safetensors", ("one",)),
    "johnson/masks": Case("johnson.safetensors", ("one",), {"masks": [MASK]}),
    "cin/plain": Case("cin.safetensors", ("one",)),
    "cin/weights": Case("cin.safetensors", ("one", "two"), {"weights": [0.3, 0.7]}),
    "cin/masks": Case("cin.safetensors", ("two", "one"), {"masks": [MASK, "rest"]}),
    "cin/luminance": Case("cin.safetensors", ("two",), {"color": "luminance"}),
    "cin/style_file": Case("cin.safetensors", ("cin.style",)),
}


@functools.cache
def load(weights: str, tile_px: int | None = None) -> styleflax.Stylizer:
    """The stylizer of a bundled model or of a file in the folder."""
    path = weights if weights in BUNDLED else FOLDER / weights
    return styleflax.Stylizer.load(path, tile_px=tile_px)


def make(name: str) -> styleflax.Stylized:
    """The picture of that case."""
    case = CASES[name]
    styles = [FOLDER / s if "." in s else s for s in case.styles]
    content = FOLDER / case.content
    # Version 0.1.0 had neither the color step nor the photo's detail.
    controls = {"color_match": 0, "detail": 0, **case.controls}
    return load(case.weights, case.tile_px)(content, styles, **controls)


def make_by_command(out: Path) -> None:
    """Writes the picture that the command line makes of two styles and a mask."""
    command = [sys.executable, "-m", "styleflax", "stylize", FOLDER / "content.png"]
    command += ["--weights", FOLDER / "cin.safetensors", "--style", "one"]
    command += ["--style", "two", "--blend", "0.3,0.7", "--color", "lab", "-o", out]
    subprocess.run(command, check=True, capture_output=True)


def make_config(method: str, **options: Any) -> Config:
    """A run of six steps of a narrow network; its paths are relative to the folder."""
    styles = ["one", "two"] if method == "cin" else ["one"]
    layer = "relu1_1"
    options |= {"styles": styles, "width": 0.05}
    options |= {"content_layer": layer, "style_layers": [layer]}
    style = "pictures:styles" if method == "cin" else "pictures:one.png"
    return Config(
        method=method,
        options=options,
        encoder=Encoder(weights="sanet"),
        data=Data("pictures:content.png", style, style_px=24),
        phases=(
            Phase(
                6, 2, 16, 24, {"content": 1.0, "gram": 1.0}, Schedule("cosine", 1e-2)
            ),
        ),
        run=Run(
            num_devices=1,
            checkpoint_every_steps=2,
            sample_every_steps=0,
            tensorboard=False,
        ),
    )


def losses(workdir: Path) -> np.ndarray:
    """The loss of every step of a run."""
    lines = (workdir / "metrics.jsonl").read_text("utf-8").splitlines()
    return np.array([json.loads(line)["loss"] for line in lines])


def leaves(tree: Any, name: str) -> dict[str, np.ndarray]:
    """The arrays of a tree of dictionaries, by their paths below a name."""
    if not isinstance(tree, dict):
        return {name: np.asarray(tree)}
    found: dict[str, np.ndarray] = {}
    for key, branch in tree.items():
        found |= leaves(branch, f"{name}/{key}")
    return found
