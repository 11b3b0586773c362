import jax
import numpy as np
import pytest

from styleflax.inference.masks.layout import (
    average_cells,
    core_cells,
    layer_cells,
    window_cells,
)
from styleflax.inference.tiles.windows import cut_windows
from styleflax.methods.base import Tiling
from styleflax.ops.spatial import area_average

STRIDES = {"relu4_1": 8, "relu5_1": 16}


@pytest.mark.parametrize("size", [(3, 50), (40, 13)])
def test_cells_on_the_host_are_those_of_the_device(size):
    masks = np.random.default_rng(0).uniform(size=(2, *size)).astype("f4")
    expected = jax.jit(area_average, static_argnums=(1, 2))(masks, 9, 13)
    np.testing.assert_allclose(average_cells(masks, 9, 13), expected, atol=1e-6)


def test_every_cell_is_in_the_core_of_one_window():
    picture = (209, 97)
    masks = np.random.default_rng(0).uniform(0.5, 1.0, (2, 30, 30)).astype("f4")
    cells = layer_cells(masks, picture, STRIDES)
    windows = cut_windows(*picture, 80, Tiling(16, 16))
    assert len(windows) > 4
    for layer, stride in STRIDES.items():
        whole = np.zeros((2, 400 // stride, 400 // stride), np.float32)
        height, width = cells[layer].shape[1:]
        assert (height, width) == (-(-209 // stride), -(-97 // stride))
        for window in windows:
            top, left = (s.start // stride for s in (window.rows, window.columns))
            core = core_cells(cells, window, STRIDES)[layer]
            side = core.shape[1]
            whole[:, top : top + side, left : left + side] += core
            seen = window_cells(cells, window, STRIDES)[layer]
            assert seen.shape == core.shape == (2, window.side // stride, side)
            np.testing.assert_array_equal(seen[core > 0], core[core > 0])
        np.testing.assert_array_equal(whole[:, :height, :width], cells[layer])
        assert not whole[:, height:].any()
        assert not whole[:, :, width:].any()
