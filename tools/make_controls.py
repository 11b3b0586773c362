"""Makes the pictures of controls.md by the command, from what comes along.

    python tools/make_controls.py [STRIP ...]

The photograph is one inside scikit-image, the paintings are procedural: no data.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from styleflax.art import paint
from styleflax.images.files import load_image_u8, save_image
from styleflax.images.grid import image_grid
from styleflax.images.listing import training_photos

SIDE = 256
DOCS = Path(__file__).parents[1] / "docs"
A, B, BOTH, KEPT = "woodcut.png", "stained_glass.png", "both.png", "woodcut.style"
GRAY = "gray.png"
ONE = ("--style", A)
TWO = ("--style", A, "--style", B)
# Strip -> caption -> flags.
STRIPS: dict[str, dict[str, tuple[str, ...]]] = {
    "strength": {
        **{f"--alpha {x}": (*ONE, "--alpha", x) for x in ("0", "0.3", "0.6", "1")},
        "--exaggerate 1.5": (*ONE, "--exaggerate", "1.5"),
    },
    "detail": {
        f"--alpha {x} --detail {y}": (*ONE, "--alpha", x, "--detail", y)
        for x, y in (("0", "0"), ("0", "1"), ("0.5", "0"), ("0.5", "1"), ("1", "1"))
    },
    "color_match": {
        "the paintings": (),
        **{
            f"--color-match {x}": ("--style", B, "--color-match", x)
            for x in ("0", "0.5", "1")
        },
        "gray, 0": ("--style", GRAY, "--color-match", "0"),
        "gray, 1": ("--style", GRAY, "--color-match", "1"),
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
        "cut out, --mask alpha": (*ONE, "--mask", "alpha"),
    },
    "style_masks": {
        "the painting": (),
        "--style both.png": ("--style", BOTH),
        "--style-mask left.png": ("--style", BOTH, "--style-mask", "left.png"),
        "--style-mask right.png": ("--style", BOTH, "--style-mask", "right.png"),
        "sanet, left.png": (
            *("--style", BOTH, "--style-mask", "left.png"),
            *("--weights", "sanet"),
        ),
    },
    "style_files": {
        "--style woodcut.png": ONE,
        "--style woodcut.style": ("--style", KEPT),
        "file and painting": ("--style", KEPT, "--style", B, "--blend", "0.5,0.5"),
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
    """Writes a strip of pictures for each control, or for those that are named."""
    named = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        _draw_inputs(Path(folder))
        for strip in named or STRIPS:
            _draw_strip(Path(folder), strip, STRIPS[strip])
        if named:
            return
        _draw_schedule(Path(folder))
        flags = (*TWO, "--size", str(SIDE), "--cell", "192", "-o", "sheet.png")
        photos = [str(path) for path in training_photos()[:3]]
        _run(Path(folder), "sheet", *photos, *flags)
        _save(load_image_u8(Path(folder) / "sheet.png"), "sheet")


def _draw_strip(folder: Path, strip: str, cells: dict[str, tuple[str, ...]]) -> None:
    pictures = []
    for flags in cells.values():
        photo = "cut_out.png" if "alpha" in flags else "photo.png"
        shown = {"masks": "mask.png", "color_match": "pair.png"}.get(strip, BOTH)
        if flags:
            _run(folder, "stylize", photo, *flags, "-o", "out.png", "--overwrite")
            shown = "out.png"
        pictures.append(load_image_u8(folder / shown))
    _save(image_grid([pictures], captions=[[*cells]], cell_px=SIDE), strip)


def _draw_schedule(folder: Path) -> None:
    """Frames of a video in which nothing moves but the shares of two styles."""
    import av  # noqa: PLC0415  (of the extra video)

    photo = load_image_u8(folder / "photo.png")
    with av.open(folder / "still.mp4", "w") as file:
        stream = file.add_stream("libx264", rate=2)
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in [av.VideoFrame.from_ndarray(photo)] * 5:
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    keyframes = ("--keyframe", "0:1,0", "--keyframe", "2:0,1")
    still = ("--smooth", "0", "--steady", "0", "-o", "made.mp4")
    _run(folder, "video", "still.mp4", *TWO, *keyframes, *still)
    with av.open(folder / "made.mp4") as file:
        frames = list(file.decode(video=0))
    pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
    captions = [f"at {frame.time:g} s" for frame in frames]
    _save(image_grid([pictures], captions=[captions], cell_px=SIDE), "schedule")


def _save(picture: np.ndarray, name: str) -> None:
    Image.fromarray(picture).save(DOCS / f"controls_{name}.jpg", quality=85)


def _draw_inputs(folder: Path) -> None:
    photo = load_image_u8(training_photos()[1])
    height, width = photo.shape[:2]
    left, side = (width - height) // 2, height
    square = Image.fromarray(photo[:, left : left + side]).resize((SIDE, SIDE))
    square.save(folder / "photo.png")
    rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
    inside = ((rows - 0.5) / 0.42) ** 2 + ((columns - 0.5) / 0.32) ** 2 < 1
    save_image(np.uint8(255 * inside), folder / "mask.png")
    square.putalpha(Image.open(folder / "mask.png").convert("L").resize(square.size))
    square.save(folder / "cut_out.png")
    paintings = [paint(Path(x).stem, i, 2 * SIDE) for i, x in enumerate((A, B))]
    for name, painting in zip((A, B), paintings, strict=True):
        save_image(painting, folder / name)
    left = np.broadcast_to(np.arange(2 * SIDE) < SIDE, (2 * SIDE, 2 * SIDE))
    save_image(np.where(left[..., None], *paintings), folder / BOTH)
    lightness = np.asarray(Image.fromarray(paintings[0]).convert("L"))
    gray = np.repeat(lightness[..., None], 3, axis=2)
    save_image(gray, folder / GRAY)
    save_image(np.where(left[..., None], paintings[1], gray), folder / "pair.png")
    for name, mask in (("left.png", left), ("right.png", ~left)):
        save_image(np.uint8(255 * mask), folder / name)
    _run(folder, "style", "save", A, "-o", KEPT)


def _run(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "styleflax", *arguments]
    subprocess.run(command, cwd=folder, check=True)


if __name__ == "__main__":
    main()
