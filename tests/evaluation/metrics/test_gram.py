import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.evaluation.metrics import lpips as networks
from styleflax.evaluation.metrics import style as metrics


def test_gram_matrix_is_numpys_in_float64():
    x = np.random.default_rng(0).normal(size=(2, 5, 7, 4)).astype(np.float32)
    want = [f.reshape(-1, 4).T @ f.reshape(-1, 4) / 35 for f in x.astype(np.float64)]
    np.testing.assert_allclose(
        metrics.gram_matrix(jnp.asarray(x)), want, rtol=1e-5, atol=1e-6
    )


def test_relative_distance_of_known_matrices():
    style = np.array([[[3.0, 0.0], [0.0, 4.0]]])
    assert metrics.relative_gram_distance(style, style) == 0
    assert metrics.relative_gram_distance(0 * style, style) == 1
    np.testing.assert_allclose(metrics.relative_gram_distance(3 * style, style), 2)


@pytest.mark.parametrize("network", networks.NETWORKS)
def test_a_picture_agrees_with_itself_and_its_mirror_better_than_with_others(
    network, photos
):
    first, second = photos(64)[:2]
    grams = metrics.make_gram_matrices(network)
    style = grams(first)
    assert tuple(sorted(style)) == metrics.GRAM_LAYERS[network]
    same, mirrored, other = (
        metrics.gram_distances(grams(picture), style)
        for picture in (first, first[:, ::-1], second)
    )
    for layer in metrics.GRAM_LAYERS[network]:
        assert same[layer].shape == (1,)
        assert same[layer] == 0
        assert 0 < mirrored[layer] < other[layer]


def test_gram_matrices_refuse_bytes():
    grams = metrics.make_gram_matrices("alexnet")
    with pytest.raises(
        ValueError, match=r"pictures must be float32 in .0, 1., got uint8"
    ):
        grams(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(
        ValueError, match=r"pictures must have the shape .*got \(64, 64\)"
    ):
        grams(np.zeros((64, 64), np.float32))
