import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest
from numpy_sanet import ATTENDED

from styleflax.config import Arithmetic
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Variables, plain_controls, stylize
from styleflax.methods.model import check_controls
from styleflax.methods.sanet import make_sanet
from styleflax.models.vgg import VGG

ENCODER = numpy_sanet.random_encoder()
PARAMS = numpy_sanet.random_model()
VARIABLES = Variables({"model": PARAMS}, {})
FROZEN = {"encoder": ENCODER}


def pictures(height, width, number=1, seed=0):
    return jnp.asarray(numpy_adain.random_images(height, width, number, seed))


def compiled(method):
    """The whole way from pictures to a picture, as one program."""

    @jax.jit
    def whole(content, style, controls):
        encoded = method.encode_style(VARIABLES, FROZEN, {"image": style})
        return stylize(method, VARIABLES, FROZEN, content, [encoded], controls)

    return whole


def relative_error(got, expected):
    return np.linalg.norm(got - expected) / np.linalg.norm(expected)


# 16 px: relu5_1 is one position. 17 and 20 px: relu4_1 is 3 long, odd.
@pytest.mark.parametrize(
    ("side", "ddof"), [((16, 16), 0), ((20, 36), 1), ((17, 33), 0)]
)
def test_stylized_pictures_agree_with_float64_at_any_strength(
    make_narrow_sanet, side, ddof
):
    method = make_narrow_sanet(
        arithmetic=Arithmetic(ddof=ddof), native=True, style_dtype="float32"
    )
    whole = compiled(method)
    content, style = pictures(*side), pictures(21, 33, seed=1)
    for alpha in (0.0, 0.6, 1.0):
        image = whole(content, style, plain_controls(alpha))
        expected = numpy_sanet.stylize(
            ENCODER, PARAMS, content, [style], alpha=alpha, ddof=ddof
        )
        assert image.shape == content.shape
        assert relative_error(image, expected) < 1e-5
    assert whole._cache_size() == 1


@pytest.mark.parametrize("residue", range(0, 16, 3))
def test_every_size_from_16_px_is_kept(make_narrow_sanet, residue):
    method = make_narrow_sanet()
    style = jax.eval_shape(
        lambda image: method.encode_style(VARIABLES, FROZEN, {"image": image}),
        jax.ShapeDtypeStruct((1, 16 + residue, 47 - residue, 3), jnp.float32),
    )
    content = jax.ShapeDtypeStruct((2, 31 - residue, 48 + residue, 3), jnp.float32)
    image = jax.eval_shape(
        lambda image, style: stylize(
            method, VARIABLES, FROZEN, image, [style], plain_controls()
        ),
        content,
        style,
    )
    assert image.shape == content.shape
    assert image.dtype == jnp.float32


def test_strength_0_is_the_content_in_the_style_of_itself(make_narrow_sanet):
    whole = compiled(make_narrow_sanet(native=True, style_dtype="float32"))
    content = pictures(20, 36)
    other = whole(content, pictures(20, 36, seed=1), plain_controls(0.0))
    itself = whole(content, content, plain_controls(1.0))
    np.testing.assert_allclose(other, itself, rtol=1e-4, atol=1e-4)
    changed = whole(content, pictures(20, 36, seed=1), plain_controls(1.0))
    assert relative_error(changed, itself) > 0.01


def test_a_style_of_512_px_is_kept_in_5_mb_of_float16():
    method = make_sanet()
    image = jax.ShapeDtypeStruct((1, 512, 512, 3), jnp.float32)
    encoder = jax.eval_shape(VGG(method.encoder_layers).init, jax.random.key(0), image)[
        "params"
    ]
    style = jax.eval_shape(
        lambda encoder, image: method.encode_style(
            VARIABLES, {"encoder": encoder}, {"image": image}
        ),
        encoder,
        image,
    )
    assert style.keys() == set(ATTENDED)
    assert all(leaf.dtype == jnp.float16 for leaf in style.values())
    num_bytes = sum(leaf.size * leaf.dtype.itemsize for leaf in style.values())
    assert num_bytes == 2 * 512 * (64**2 + 32**2)  # 5.2 MB


def test_features_beyond_float16_are_kept_finite(make_narrow_sanet):
    loud = {k: {**v, "bias": v["bias"] + 1e6} for k, v in ENCODER.items()}
    style = jax.jit(
        lambda image: make_narrow_sanet().encode_style(
            VARIABLES, {"encoder": loud}, {"image": image}
        )
    )(pictures(16, 16))
    assert all(np.isfinite(leaf).all() for leaf in style.values())
    assert float(style["relu5_1"].max()) == float(jnp.finfo(jnp.float16).max)


def test_bfloat16_compute_gives_float32_near_the_exact_picture(make_narrow_sanet):
    content, style = pictures(16, 16), pictures(21, 33, seed=1)
    whole = compiled(make_narrow_sanet(dtype=jnp.bfloat16, native=True))
    image = whole(content, style, plain_controls())
    assert image.dtype == jnp.float32
    expected = numpy_sanet.stylize(ENCODER, PARAMS, content, [style])
    assert 0 < relative_error(image, expected) < 0.05


def test_a_control_is_refused_with_the_method_that_has_it():
    check_controls(make_sanet(), ["strength", "weights", "masks", "level_balance"])
    with pytest.raises(ValueError, match="no control 'level_balance'; sanet has it"):
        check_controls(make_adain(), ["strength", "level_balance"])
    with pytest.raises(ValueError, match="no control 'sharpness'; no method has it"):
        check_controls(make_sanet(), ["sharpness"])
