"""Pictures in two folders, and what looks at them."""

import numpy as np
import pytest

SIZE_PX = 64


@pytest.fixture(scope="session")
def folders(write_picture, tmp_path_factory):
    """Two contents, one in a folder below, and two styles; no file name twice."""
    folder = tmp_path_factory.mktemp("pictures")
    write_picture(folder / "content" / "a.png", 64, 64, seed=1)
    write_picture(folder / "content" / "below" / "b.png", 64, 96, seed=2)
    write_picture(folder / "style" / "s.png", 80, 80, seed=3)
    write_picture(folder / "style" / "t.png", 64, 72, seed=4)
    return folder / "content", folder / "style"


@pytest.fixture(scope="session")
def measure(shared_programs):
    from styleflax.evaluation.measure import Measure

    return Measure(SIZE_PX)


@pytest.fixture(scope="session")
def pictures():
    """Three pictures of noise in float32: picture, content, style."""
    rng = np.random.default_rng(0)
    return tuple(np.float32(rng.uniform(size=(SIZE_PX, SIZE_PX, 3))) for _ in range(3))
