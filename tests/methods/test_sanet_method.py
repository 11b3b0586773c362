import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest
from numpy_sanet import ATTENDED

from styleflax.config import Arithmetic
from styleflax.methods import check_controls
from styleflax.methods.adain import make_adain
from styleflax.methods.base import Controls, Variables, plain_controls, stylize
from styleflax.methods.sanet import make_sanet
from styleflax.models.vgg import VGG

ENCODER = numpy_sanet.random_encoder()
PARAMS = numpy_sanet.random_model()
VARIABLES = Variables({"model": PARAMS}, {})
FROZEN = {"encoder": ENCODER}
LEFT = np.repeat(np.arange(48)[None] < 16, 32, axis=0).astype(np.float32)
HALVES = np.stack([LEFT, 1 - LEFT])


def pictures(height, width, number=1, seed=0):
    return jnp.asarray(numpy_adain.random_images(height, width, number, seed))


def features_of(height, width, number=1, seed=0):
    """Features of a random picture, as the method keeps a style."""
    features = numpy_sanet.encode(ENCODER, pictures(height, width, number, seed))
    return {k: jnp.asarray(features[k], jnp.float32) for k in ATTENDED}


CONTENT = features_of(32, 48, seed=6)
STYLES = [features_of(24, 24, seed=7), features_of(16, 40, seed=8)]


def compiled(method):
    """The whole way from pictures to a picture, as one program."""

    @jax.jit
    def whole(content, style, controls):
        encoded = method.encode_style(VARIABLES, FROZEN, {"image": style})
        return stylize(method, VARIABLES, FROZEN, content, [encoded], controls)

    return whole


@pytest.fixture(scope="module")
def transfer(make_narrow_sanet):
    """`transfer(styles, controls)`: the decoder's input for the features above."""
    method = make_narrow_sanet()

    @jax.jit
    def run(styles, controls):
        moments = method.moments(CONTENT, controls.masks)
        return method.transfer(VARIABLES, {}, CONTENT, moments, styles, controls)

    return lambda styles, controls: np.asarray(run(styles, controls)["merged"])


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
        arithmetic=Arithmetic(ddof=ddof), native=True, style_dtype=jnp.float32
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
    whole = compiled(make_narrow_sanet(native=True, style_dtype=jnp.float32))
    content = pictures(20, 36)
    other = whole(content, pictures(20, 36, seed=1), plain_controls(0.0))
    itself = whole(content, content, plain_controls(1.0))
    np.testing.assert_allclose(other, itself, rtol=1e-4, atol=1e-4)
    changed = whole(content, pictures(20, 36, seed=1), plain_controls(1.0))
    assert relative_error(changed, itself) > 0.01


def count(jaxpr, name):
    """Equations of that name, in everything that a program calls."""
    found = 0
    for equation in jaxpr.eqns:
        found += equation.primitive.name == name
        inner = jax.tree.leaves(
            list(equation.params.values()), is_leaf=lambda x: hasattr(x, "eqns")
        )
        found += sum(count(x, name) for x in inner if hasattr(x, "eqns"))
    return found


def test_at_strength_1_the_content_does_not_attend_to_itself(make_narrow_sanet):
    method = make_narrow_sanet()

    def run(controls):
        moments = method.moments(CONTENT, controls.masks)
        return method.transfer(VARIABLES, {}, CONTENT, moments, STYLES[:1], controls)

    program = jax.make_jaxpr(run)(plain_controls()).jaxpr
    (choice,) = (e for e in program.eqns if e.primitive.name == "cond")
    below, full = (count(b.jaxpr, "exp") for b in choice.params["branches"])
    assert (below, full) == (4, 2)  # a softmax for each style and layer


def test_weight_1_and_0_is_the_first_style_alone(transfer):
    both = transfer(STYLES, plain_controls(1.0, [1.0, 0.0]))
    alone = transfer(STYLES[:1], plain_controls())
    np.testing.assert_allclose(both, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [1.0, 0.7])
def test_a_mix_of_styles_of_several_sizes_is_linear_before_decoding(transfer, alpha):
    mixed = transfer(STYLES, plain_controls(alpha, [1.0, 3.0]))
    alone = [transfer([s], plain_controls(alpha)) for s in STYLES]
    np.testing.assert_allclose(
        mixed, 0.25 * alone[0] + 0.75 * alone[1], rtol=1e-4, atol=1e-5
    )
    expected = numpy_sanet.transfer(PARAMS, CONTENT, STYLES, [0.25, 0.75], alpha)
    assert relative_error(mixed, expected) < 1e-5


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0])
def test_levels_are_balanced_as_in_float64(transfer, balance):
    controls = plain_controls(0.8, level_balance=balance)
    expected = numpy_sanet.transfer(
        PARAMS, CONTENT, STYLES[:1], [1.0], 0.8, balance=balance
    )
    assert relative_error(transfer(STYLES[:1], controls), expected) < 1e-5


def test_the_middle_balance_is_none_at_all(transfer):
    balanced = transfer(STYLES[:1], plain_controls(level_balance=0.5))
    np.testing.assert_array_equal(balanced, transfer(STYLES[:1], plain_controls()))


@pytest.mark.parametrize(("balance", "ignored"), [(0.0, "relu5_1"), (1.0, "relu4_1")])
def test_either_end_of_the_balance_ignores_the_other_level(transfer, balance, ignored):
    def run(layer):
        style = STYLES[0] | {layer: STYLES[0][layer][:, ::-1] + 1.0}
        return transfer([style], plain_controls(level_balance=balance))

    still = transfer(STYLES[:1], plain_controls(level_balance=balance))
    (other,) = set(ATTENDED) - {ignored}
    np.testing.assert_array_equal(run(ignored), still)
    assert relative_error(run(other), still) > 1e-3


def test_a_mask_of_ones_is_no_mask(transfer):
    masked = Controls(jnp.ones(1), jnp.ones((1, 1)), jnp.ones((1, 32, 48)), {})
    np.testing.assert_allclose(
        transfer(STYLES[:1], masked),
        transfer(STYLES[:1], plain_controls()),
        rtol=1e-5,
        atol=1e-5,
    )


def test_hard_regions_attend_to_their_styles_by_their_own_moments(transfer):
    controls = Controls(jnp.ones(2), jnp.eye(2), jnp.asarray(HALVES), {})
    attended = {}
    for layer, stride in zip(ATTENDED, (8, 16), strict=True):
        masks = HALVES[:, ::stride, ::stride].astype(bool)
        block = PARAMS[layer.replace("relu", "sanet")]
        found = [
            numpy_sanet.attend(block, CONTENT[layer], style[layer], mask)
            for style, mask in zip(STYLES, masks, strict=True)
        ]
        attended[layer] = np.where(masks[0][..., None], *found)
    expected = numpy_sanet.merge(PARAMS, CONTENT, attended)
    assert relative_error(transfer(STYLES, controls), expected) < 1e-5


def test_strength_is_set_by_region(transfer):
    controls = Controls(jnp.array([0.0, 1.0]), jnp.eye(2), jnp.asarray(HALVES), {})
    first = transfer(STYLES, controls)
    changed = transfer([STYLES[1], STYLES[1]], controls)
    np.testing.assert_allclose(first, changed, rtol=1e-5, atol=1e-5)
    # Away from the border between regions, where the merging convolution mixes them.
    at_full = transfer(STYLES, controls._replace(strength=jnp.ones(2)))
    np.testing.assert_allclose(first[:, :, 3:], at_full[:, :, 3:], rtol=1e-4, atol=1e-4)
    assert relative_error(first[:, :, :1], at_full[:, :, :1]) > 1e-3


def test_an_empty_region_changes_nothing(transfer):
    masks = jnp.stack([jnp.ones((32, 48)), jnp.zeros((32, 48))])
    controls = Controls(jnp.ones(2), jnp.eye(2), masks, {})
    alone = transfer(STYLES[:1], plain_controls())
    np.testing.assert_allclose(transfer(STYLES, controls), alone, rtol=1e-5, atol=1e-5)


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
