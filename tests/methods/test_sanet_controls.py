import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import numpy_sanet
import pytest
from numpy_sanet import ATTENDED

from styleflax.methods.base import Controls, Variables, plain_controls
from styleflax.models.sanet import part_of

ENCODER = numpy_sanet.random_encoder()
PARAMS = numpy_sanet.random_model()
VARIABLES = Variables({"model": PARAMS}, {})
LEFT = np.repeat(np.arange(48)[None] < 16, 32, axis=0).astype(np.float32)
HALVES = np.stack([LEFT, 1 - LEFT])


def features_of(height, width, number=1, seed=0):
    """Features of a random picture, as the method keeps a style."""
    images = numpy_adain.random_images(height, width, number, seed)
    features = numpy_sanet.encode(ENCODER, images)
    return {k: jnp.asarray(features[k], jnp.float32) for k in ATTENDED}


CONTENT = features_of(32, 48, seed=6)
STYLES = [features_of(24, 24, seed=7), features_of(16, 40, seed=8)]


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


def test_a_hard_part_of_a_style_is_all_there_is_of_it(transfer):
    style, part = features_of(32, 48, seed=9), {}
    for layer, columns in zip(ATTENDED, (2, 1), strict=True):
        inside = np.zeros((*style[layer].shape[:3], 1), np.float32)
        inside[:, :, :columns] = 1.0
        part |= {layer: style[layer][:, :, :columns]}
        style |= {part_of(layer): jnp.asarray(inside)}
    for alpha in (1.0, 0.6):
        got, expected = (transfer([x], plain_controls(alpha)) for x in (style, part))
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_part_is_the_masks_mean_over_each_position(make_narrow_sanet):
    method, image = make_narrow_sanet(), numpy_adain.random_images(32, 48, 1, 9)
    inputs = {"image": jnp.asarray(image), "mask": jnp.asarray(HALVES[:1] * 0.5)}
    style = method.encode_style(VARIABLES, {"encoder": ENCODER}, inputs)
    assert style[part_of("relu4_1")][0, 0, :, 0].tolist() == [0.5, 0.5, 0, 0, 0, 0]
    assert style[part_of("relu5_1")][0, 0, :, 0].tolist() == [0.5, 0, 0]


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
