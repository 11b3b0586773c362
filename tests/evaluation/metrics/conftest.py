"""Photographs of scikit-image's wheel, cut small."""

import numpy as np
import pytest
from PIL import Image

from styleflax.images import listing as samples


@pytest.fixture(scope="session")
def photos():
    """`photos(size_px)`: six square photographs, float32 in [0, 1]."""

    def load(size_px):
        paths = [samples.held_out_photo(), *samples.training_photos()]
        cut = []
        for path in paths:
            picture = Image.open(path).convert("RGB")
            side = min(picture.size)
            left, top = ((length - side) // 2 for length in picture.size)
            picture = picture.crop((left, top, left + side, top + side))
            small = picture.resize((size_px, size_px), Image.Resampling.LANCZOS)
            cut.append(np.asarray(small, np.float32) / 255)
        return cut

    return load


@pytest.fixture(scope="session")
def paintings():
    """`paintings(size_px)`: one procedural painting of some families."""
    from styleflax import art as procedural

    def paint(size_px):
        families = ("cutouts", "flow_strokes", "mosaic", "pointillism", "watercolor")
        made = (procedural.paint(name, 3, size_px) for name in families)
        return [np.asarray(picture, np.float32) / 255 for picture in made]

    return paint
