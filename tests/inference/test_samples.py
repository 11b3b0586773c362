import numpy as np

from styleflax.inference.samples import make_sampler
from styleflax.inference.stylizer import Stylizer
from styleflax.methods.model import build_model

SIZE_PX, GAP_PX = 32, 4


def test_sample_grid_shows_every_content_in_every_style(model_file):
    model = build_model(model_file)
    rng = np.random.default_rng(0)
    batch = {
        name: rng.integers(0, 256, (2, SIZE_PX, SIZE_PX, 3), dtype=np.uint8)
        for name in ("content", "style")
    }
    grid = make_sampler(model.method)(model.variables, model.frozen, batch)
    pitch = SIZE_PX + GAP_PX
    assert grid.shape == (3 * pitch + GAP_PX, 3 * pitch + GAP_PX, 3)
    assert grid.dtype == np.uint8

    def cell(row, column):
        top, left = GAP_PX + row * pitch, GAP_PX + column * pitch
        return grid[top : top + SIZE_PX, left : left + SIZE_PX].astype(int)

    assert (cell(0, 0) == 255).all()
    np.testing.assert_array_equal(cell(0, 2), batch["style"][1])
    np.testing.assert_array_equal(cell(1, 0), batch["content"][0])
    stylizer = Stylizer(model)
    expected = stylizer(batch["content"][0], batch["style"][1]).array
    assert np.abs(cell(1, 2) - expected * 255).max() <= 1
