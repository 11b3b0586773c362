"""Images of the page: sample photos, and paintings by `styleflax.art`."""

from pathlib import Path

import numpy as np
from PIL import Image as PillowImage

from styleflax.art import FAMILIES, paint
from styleflax.images.listing import held_out_photo

PHOTOS = {
    "coffee": "A cup of coffee",
    "chelsea": "A cat",
    "rocket": "A rocket at launch",
}
"""Titles by the file names of scikit-image's sample images."""
PHOTO_SIZE_PX = 640
PAINTING_SIZE_PX = 320
SEED = 40
FIRST = ("flow_strokes", "watercolor", "mosaic")
"""Families with two paintings; the first of each opens the gallery."""
_QUALITY = 64


def add_photos(folder: Path) -> list[dict[str, str]]:
    """Writes the sample photos to the page's folder; returns titles and paths."""
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    pictures = []
    for name, title in PHOTOS.items():
        (source,) = held_out_photo().parent.glob(f"{name}.*")
        image = PillowImage.open(source).convert("RGB")
        image.thumbnail((PHOTO_SIZE_PX, PHOTO_SIZE_PX))
        pictures.append({"path": f"photos/{name}.webp", "title": title})
        image.save(folder / pictures[-1]["path"], quality=_QUALITY, method=6)
    return pictures


def add_paintings(folder: Path) -> list[dict[str, str]]:
    """Writes the gallery to the page's folder; returns titles and paths."""
    (folder / "paintings").mkdir(parents=True, exist_ok=True)
    pictures = []
    chosen = [(family, 1) for family in FIRST] + [(family, 0) for family in FAMILIES]
    for family, number in chosen:
        words = family.replace("_", " ").capitalize()
        title = f"{words} {number + 1}" if number else words
        path = f"paintings/{family}-{number + 1}.webp"
        pixels: np.ndarray = paint(family, SEED + number, PAINTING_SIZE_PX)
        PillowImage.fromarray(pixels).save(folder / path, quality=_QUALITY, method=6)
        pictures.append({"path": path, "title": title})
    return pictures
