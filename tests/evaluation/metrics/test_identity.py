import numpy as np

from styleflax.evaluation.metrics.structure import psnr


def test_psnr_of_known_differences():
    gray = np.full((2, 4, 4, 3), 0.5, np.float32)
    shifted = gray + np.array([0.1, 0.01], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(psnr(shifted, gray), [20, 40], rtol=1e-5)


def test_psnr_of_equal_pictures_is_infinite_and_black_to_white_zero():
    black = np.zeros((4, 4, 3), np.float32)
    assert psnr(black, black) == np.inf
    assert psnr(black, black + 1) == 0
