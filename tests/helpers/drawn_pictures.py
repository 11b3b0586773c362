"""Small pictures, encoded and as files."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def picture_u8(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    """Returns a smooth picture, different for every seed."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 6, 3), dtype=np.uint8))
    return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))


def encoded(array_u8: np.ndarray, suffix: str = "JPEG", **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array_u8).save(file, format=suffix, **options)
    return file.getvalue()


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., np.ndarray]:
    return picture_u8


@pytest.fixture(scope="session")
def encode() -> Callable[..., bytes]:
    return encoded


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Twelve sound pictures in nested folders, of three formats and two cases."""
    folder = tmp_path / "photos"
    for i in range(12):
        suffix = ("jpg", "PNG", "webp")[i % 3]
        path = folder / f"set{i % 2}" / f"{i:02d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(picture_u8(i, 40 + i, 60))
        picture.save(path, format={"jpg": "JPEG"}.get(suffix, suffix.upper()))
    return folder
