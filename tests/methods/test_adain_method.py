import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.config import Arithmetic
from styleflax.methods.adain import DEEPEST
from styleflax.methods.base import Controls, Variables, plain_controls, stylize
from styleflax.ops.statistics import adain

ENCODER = numpy_adain.random_encoder()
DECODER = numpy_adain.random_decoder()
VARIABLES = Variables({"model": DECODER}, {})
CHANNELS = numpy_adain.ENCODER_WIDTHS[3]
RNG = np.random.default_rng(5)
FEATURE = jnp.asarray(RNG.normal(1.0, 2.0, (2, 4, 6, CHANNELS)), jnp.float32)
STYLES = [
    {
        "mean": jnp.asarray(RNG.normal(size=(1, CHANNELS)), jnp.float32),
        "std": jnp.asarray(RNG.uniform(0.5, 3.0, (1, CHANNELS)), jnp.float32),
    }
    for _ in range(2)
]
LEFT = np.repeat(np.arange(48)[None] < 16, 32, axis=0).astype(np.float32)
HALVES = jnp.asarray(np.stack([LEFT, 1 - LEFT]))


def pictures(height, width, number=1, seed=0):
    return jnp.asarray(numpy_adain.random_images(height, width, number, seed))


def compiled(method):
    """The whole way from pictures to a picture, as one program."""

    @jax.jit
    def whole(params, encoder, content, style, controls):
        variables, frozen = Variables({"model": params}, {}), {"encoder": encoder}
        encoded = method.encode_style(variables, frozen, {"image": style})
        return stylize(method, variables, frozen, content, [encoded], controls)

    return whole


@pytest.fixture(scope="module")
def transferred(make_narrow):
    """`transferred(styles, controls)`: features of `FEATURE` after the transfer."""
    method = make_narrow()

    @jax.jit
    def transfer(feature, styles, controls):
        features = {DEEPEST: feature}
        moments = method.moments(features, controls.masks)
        return method.transfer(VARIABLES, {}, features, moments, styles, controls)

    return lambda *given: np.asarray(transfer(FEATURE, *given)[DEEPEST])


@pytest.mark.parametrize(
    ("side", "ddof"), [((16, 16), 0), ((16, 100), 1), ((17, 17), 0)]
)
def test_stylized_pictures_agree_with_float64_at_any_strength(make_narrow, side, ddof):
    whole = compiled(make_narrow(arithmetic=Arithmetic(ddof=ddof)))
    content, style = pictures(*side, number=2), pictures(19, 33, seed=1)
    both = np.repeat(style, 2, axis=0)
    for alpha in (0.0, 0.6, 1.0):
        image = whole(DECODER, ENCODER, content, style, plain_controls(alpha))
        expected = numpy_adain.stylize(ENCODER, DECODER, content, both, alpha, ddof)
        assert image.shape == content.shape
        error = np.linalg.norm(image - expected) / np.linalg.norm(expected)
        assert error < 1e-5
    assert whole._cache_size() == 1


def test_a_large_odd_picture_keeps_its_size(make_narrow):
    content, style = pictures(501, 333), pictures(16, 16, seed=1)
    image = compiled(make_narrow())(DECODER, ENCODER, content, style, plain_controls())
    assert image.shape == content.shape
    assert np.isfinite(image).all()


def test_bfloat16_compute_gives_float32_near_the_exact_picture(make_narrow):
    content, style = pictures(16, 24), pictures(16, 16, seed=1)
    whole = compiled(make_narrow(dtype=jnp.bfloat16))
    image = whole(DECODER, ENCODER, content, style, plain_controls())
    assert image.dtype == jnp.float32
    expected = numpy_adain.stylize(ENCODER, DECODER, content, style)
    error = np.linalg.norm(image - expected) / np.linalg.norm(expected)
    assert 0 < error < 0.05


def test_one_region_is_plain_adain(transferred):
    moved = transferred(STYLES[:1], plain_controls(0.3))
    mean, std = (np.repeat(v, 2, axis=0) for v in STYLES[0].values())
    expected = jax.jit(adain)(FEATURE, mean, std, alpha=0.3)
    np.testing.assert_allclose(moved, expected, rtol=1e-4, atol=1e-5)


def test_hard_regions_take_the_statistics_of_their_styles(transferred):
    controls = Controls(jnp.ones(2), jnp.eye(2), HALVES, {})
    moved = transferred(STYLES, controls)
    for part, style in zip((moved[:, :, :2], moved[:, :, 2:]), STYLES, strict=True):
        mean, std = numpy_adain.mean_std(part)
        for i in range(2):
            np.testing.assert_allclose(mean[i], style["mean"][0], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(std[i], style["std"][0], rtol=1e-4)


def test_strength_is_set_by_region(transferred):
    controls = Controls(jnp.array([0.0, 1.0]), jnp.eye(2), HALVES, {})
    moved = transferred(STYLES, controls)
    np.testing.assert_allclose(moved[:, :, :2], FEATURE[:, :, :2], atol=1e-5)
    mean, _ = numpy_adain.mean_std(moved[:, :, 2:])
    np.testing.assert_allclose(mean[0], STYLES[1]["mean"][0], rtol=1e-4, atol=1e-5)


def test_two_equal_regions_of_half_weight_equal_one(transferred):
    halves = jnp.full((2, 1, 1), 0.5)
    controls = Controls(jnp.full(2, 0.7), jnp.ones((2, 1)), halves, {})
    both = transferred(STYLES[:1], controls)
    one = transferred(STYLES[:1], plain_controls(0.7))
    np.testing.assert_allclose(both, one, rtol=1e-5, atol=1e-5)


def test_an_empty_region_changes_nothing(transferred):
    masks = jnp.asarray(np.stack([np.ones((32, 48), "f4"), np.zeros((32, 48), "f4")]))
    controls = Controls(jnp.ones(2), jnp.eye(2), masks, {})
    with_empty = transferred(STYLES, controls)
    alone = transferred(STYLES[:1], plain_controls())
    np.testing.assert_allclose(with_empty, alone, rtol=1e-5, atol=1e-5)


def test_weights_of_styles_give_the_weighted_mean_of_their_features(transferred):
    mixed = transferred(STYLES, plain_controls(1.0, [1.0, 3.0]))
    alone = [transferred([s], plain_controls()) for s in STYLES]
    expected = 0.25 * alone[0] + 0.75 * alone[1]
    np.testing.assert_allclose(mixed, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("ddof", [0, 1])
def test_a_hard_part_of_a_style_has_exactly_its_own_moments(make_narrow, ddof):
    method = make_narrow(arithmetic=Arithmetic(ddof=ddof))
    image = pictures(32, 48, seed=2)
    kept = jax.jit(method.encode_style)(
        VARIABLES, {"encoder": ENCODER}, {"image": image, "mask": HALVES[:1]}
    )
    feature = numpy_adain.encode(ENCODER, np.asarray(image))[DEEPEST]
    inside = feature[:, :, :2].reshape(8, -1)
    np.testing.assert_allclose(kept["mean"][0], inside.mean(0), rtol=1e-5, atol=1e-6)
    std = np.sqrt(inside.var(0, ddof=ddof) + 1e-5)
    np.testing.assert_allclose(kept["std"][0], std, rtol=1e-5, atol=1e-6)
