"""Pictures in class folders, paintings, and jobs on them."""

import numpy as np
import pytest
import tiny_styles
from PIL import Image

from styleflax.inference.datasets.job import Settings


@pytest.fixture
def tiny(monkeypatch):
    """Every model file is the tiny model."""
    tiny_styles.install(monkeypatch.setattr)


@pytest.fixture
def folders(tmp_path):
    """Seven contents of two classes, sharp enough to be told apart; three paintings."""
    for i in range(7):
        rng = np.random.default_rng(i)
        small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), np.uint8))
        path = tmp_path / "content" / ("cat" if i < 4 else "dog") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        small.resize((48 + i, 40), Image.Resampling.BICUBIC).save(path)
    (tmp_path / "style" / "below").mkdir(parents=True)
    for name, color in (("r", "red"), ("g", "green"), ("below/b", "blue")):
        Image.new("RGB", (40, 50), color).save(tmp_path / "style" / f"{name}.png")
    return tmp_path / "content", tmp_path / "style"


@pytest.fixture
def settings(folders):
    content, style = folders
    return Settings(
        content=str(content),
        style=str(style),
        size_px=32,
        style_size_px=32,
        batch_size=2,
        encoding="png",
        num_threads=2,
    )
