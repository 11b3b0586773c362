import numpy as np

from styleflax.inference.tiles.windows import cut_windows, key_blocks
from styleflax.methods.base import Tiling

STRIDES = {"relu4_1": 8, "relu5_1": 16}


def seen(window, layer, numbers):
    """The numbers of a window's positions, and -1 beyond the picture."""
    stride = STRIDES[layer]
    side = window.side // stride
    top, left = (s.start // stride for s in (window.rows, window.columns))
    part = numbers[top : top + side, left : left + side]
    feature = np.full((1, side, side, 2), -1.0, np.float32)
    feature[0, : part.shape[0], : part.shape[1]] = part[:, :, None]
    return feature


def test_blocks_of_one_size_hold_every_position_once():
    picture = (209, 97)  # relu4_1 has an odd number of rows and columns
    windows = cut_windows(*picture, 80, Tiling(16, 16))
    numbers = {}
    for layer, stride in STRIDES.items():
        grid = [-(-side // stride) for side in picture]
        numbers[layer] = np.arange(np.prod(grid)).reshape(grid)
    shown = [(w, {k: seen(w, k, numbers[k]) for k in STRIDES}) for w in windows]
    blocks = list(key_blocks(shown, STRIDES))
    assert len(blocks) == 4  # for 351 positions of relu4_1, 100 in a window
    for layer, size in (("relu4_1", 100), ("relu5_1", 25)):
        features = np.stack([block.features[layer] for block in blocks])
        allowed = np.stack([block.allowed[layer] for block in blocks])
        assert features.shape == (4, size, 2)
        counted = features[allowed == 1]
        assert sorted(counted[:, 0]) == sorted(numbers[layer].ravel())
        assert set(np.unique(allowed)) <= {0, 1}
