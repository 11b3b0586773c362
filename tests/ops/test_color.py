import jax.numpy as jnp
import numpy as np

from styleflax.ops.color import coral_recolor


def pictures(seed, height, width):
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(3, 3)) * 0.1
    noise = rng.normal(size=(2, height, width, 3)) @ mixing
    return jnp.clip(0.5 + noise, 0, 1).astype(jnp.float32)


def test_mean_and_covariance_are_the_styles():
    content, style = pictures(0, 20, 24), pictures(1, 16, 12)
    got = np.asarray(coral_recolor(content, style, eps=1e-9, clip=False), np.float64)
    assert got.shape == content.shape
    for picture, target in zip(got, np.asarray(style, np.float64), strict=True):
        a, b = picture.reshape(-1, 3), target.reshape(-1, 3)
        np.testing.assert_allclose(a.mean(axis=0), b.mean(axis=0), atol=1e-5)
        covariances = (np.cov(x.T, bias=True) for x in (a, b))
        np.testing.assert_allclose(*covariances, atol=1e-5)


def test_a_picture_recolored_by_itself_is_unchanged():
    content = pictures(0, 20, 24)
    np.testing.assert_allclose(coral_recolor(content, content), content, atol=1e-4)


def test_recoloring_is_clipped():
    content, style = pictures(0, 20, 24), pictures(1, 16, 12) ** 4
    loose = coral_recolor(content, style, clip=False)
    got = coral_recolor(content, style)
    assert loose.min() < 0
    assert got.min() == 0
    np.testing.assert_array_equal(got, jnp.clip(loose, 0, 1))


def test_pictures_of_one_color_or_of_grays_stay_finite():
    flat = jnp.full((2, 8, 8, 3), 0.3)
    gray = jnp.repeat(pictures(2, 8, 8)[..., :1], 3, axis=-1)
    colors = pictures(0, 8, 8)
    for content in (flat, gray, colors):
        for style in (flat, gray, colors):
            got = coral_recolor(content, style)
            assert np.isfinite(got).all()
            assert (got >= 0).all()
            assert (got <= 1).all()
    np.testing.assert_allclose(coral_recolor(flat, flat), flat, atol=1e-6)
