"""Makes the pictures of controls.md by the command, from what comes along.

    python docs/make_controls.py

The photograph is one inside scikit-image, the paintings are procedural: no data.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from styleflax.data.grids import image_grid
from styleflax.data.images import load_image_u8, save_image
from styleflax.data.procedural import paint
from styleflax.data.samples import training_photos

SIDE = 256
DOCS = Path(__file__).parent
A, B = "woodcut.png", "stained_glass.png"
ONE = ("--style", A)
TWO = ("--style", A, "--style", B)
# Strip -> caption -> flags.
STRIPS: dict[str, dict[str, tuple[str, ...]]] = {
    "strength": {
        **{f"--alpha {x}": (*ONE, "--alpha", x) for x in ("0", "0.3", "0.6", "1")},
        "--exaggerate 1.5": (*ONE, "--exaggerate", "1.5"),
    },
    "blend": {
        f"--blend {x}": (*TWO, "--blend", x)
        for x in ("1,0", "0.7,0.3", "0.5,0.5", "0.3,0.7", "0,1")
    },
    "masks": {
        "the mask": (),
        "--mask mask.png": (*ONE, "--mask", "mask.png"),
        "... --mask rest": (*TWO, "--mask", "mask.png", "--mask", "rest"),
        "... --feather 24": (
            *(*TWO, "--mask", "mask.png", "--mask", "rest"),
            *("--feather", "24"),
        ),
        "mask.png:1@0.4": (*TWO, "--mask", "mask.png:1@0.4", "--mask", "rest:2"),
    },
    "color": {
        f"--color {x}": (*("--style", B), "--color", x)
        for x in ("style", "coral", "luminance", "lab")
    },
    "style_size": {
        f"--style-size {x}": (*ONE, "--style-size", x)
        for x in ("128", "192", "256", "384", "512")
    },
    "size": {
        f"--size {x}": (*ONE, "--size", x, "--restore-size")
        for x in ("96", "128", "192", "256", "384")
    },
    "level_balance": {
        f"--level-balance {x}": (*ONE, "--weights", "sanet", "--level-balance", x)
        for x in ("0", "0.25", "0.5", "0.75", "1")
    },
}


def main() -> None:
    """Writes a strip of pictures for each control."""
    with tempfile.TemporaryDirectory() as folder:
        _draw_inputs(Path(folder))
        for strip, cells in STRIPS.items():
            pictures = [_stylize(Path(folder), flags) for flags in cells.values()]
            grid = image_grid([pictures], captions=[[*cells]], cell_px=SIDE)
            Image.fromarray(grid).save(DOCS / f"controls_{strip}.jpg", quality=85)


def _draw_inputs(folder: Path) -> None:
    photo = load_image_u8(training_photos()[1])
    height, width = photo.shape[:2]
    left, side = (width - height) // 2, height
    square = Image.fromarray(photo[:, left : left + side]).resize((SIDE, SIDE))
    square.save(folder / "photo.png")
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    inside = ((rows - 0.5) / 0.42) ** 2 + ((columns - 0.5) / 0.32) ** 2 < 1
    save_image(np.uint8(255 * inside), folder / "mask.png")
    for i, name in enumerate((A, B)):
        save_image(paint(Path(name).stem, i, 2 * SIDE), folder / name)


def _stylize(folder: Path, flags: tuple[str, ...]) -> np.ndarray:
    if not flags:
        return load_image_u8(folder / "mask.png")
    command = [sys.executable, "-m", "styleflax", "stylize", "photo.png"]
    ending = ["-o", "out.png", "--overwrite"]
    subprocess.run([*command, *flags, *ending], cwd=folder, check=True)
    return load_image_u8(folder / "out.png")


if __name__ == "__main__":
    main()
