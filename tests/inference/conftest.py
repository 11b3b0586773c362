"""Small stylizers and pictures."""

import pytest


@pytest.fixture(scope="session", params=["adain", "sanet"])
def narrow_stylizer(request, shared_programs):
    """Stylizers of random networks of a few channels, one of each method."""
    from narrow_stylizer import make_narrow_stylizer

    return make_narrow_stylizer(request.param, tile_px=0)


@pytest.fixture(scope="session")
def narrow_adain(shared_programs):
    """That of AdaIN alone, for what no method has a part in."""
    from narrow_stylizer import make_narrow_stylizer

    return make_narrow_stylizer("adain", tile_px=0)


@pytest.fixture(scope="session")
def small_pictures():
    """Smooth uint8 pictures: a content of 32 px, and two paintings."""
    import numpy as np
    from PIL import Image

    def draw(seed, low, high):
        rng = np.random.default_rng(seed)
        colors = rng.integers(low, high, (4, 4, 3), dtype=np.uint8)
        return np.asarray(Image.fromarray(colors).resize((32, 32)))

    return draw(0, 60, 200), draw(1, 0, 256), draw(2, 100, 256)
