import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from styleflax.methods import build
from styleflax.methods.adain import LOSS_TERMS, make_adain
from styleflax.methods.base import Variables, plain_controls, stylize
from styleflax.methods.features import check_loss_names


def test_plain_controls_cover_the_picture_with_one_region():
    controls = plain_controls(0.25, [3.0, 1.0])
    np.testing.assert_array_equal(controls.strength, [0.25])
    np.testing.assert_array_equal(controls.weights, [[0.75, 0.25]])
    np.testing.assert_array_equal(controls.masks, [[[1.0]]])
    assert controls.extras == {}


def test_stylize_composes_the_steps_and_crops_to_the_content():
    calls = []

    def step(name, result):
        def call(*arguments):
            calls.append((name, arguments))
            return result

        return call

    image = jnp.zeros((1, 24, 32, 3))
    method = make_adain()._replace(
        encode_content=step("encode", {"relu4_1": "features"}),
        moments=step("moments", "moments"),
        transfer=step("transfer", "transferred"),
        decode=step("decode", image),
    )
    variables, frozen, controls = Variables({}, {}), {}, plain_controls()
    content = jnp.zeros((1, 17, 25, 3))
    stylized = stylize(method, variables, frozen, content, ["style"], controls)
    assert stylized.shape == content.shape
    assert [name for name, _ in calls] == ["encode", "moments", "transfer", "decode"]
    features = {"relu4_1": "features"}
    assert calls[2][1] == (
        variables,
        frozen,
        features,
        "moments",
        ["style"],
        controls,
    )
    assert calls[3][1] == (variables, frozen, "transferred")


def test_methods_are_built_by_name():
    method = build("adain", losses={"pixel": 1.0})
    assert method.controls == {"strength", "weights", "masks", "style_masks"}
    with pytest.raises(
        ValueError, match=r"method must be one of \['adain', .*got 'adaiin'"
    ):
        build("adaiin")


@pytest.mark.parametrize(
    ("name", "number"), [("adain", 3_505_219), ("sanet", 4_461_056 + 3_505_219)]
)
def test_trained_is_one_player_of_a_pinned_size(name, number):
    method = build(name)
    variables = jax.eval_shape(method.init, jax.random.key(0))
    assert list(variables.players) == list(method.losses) == ["model"]
    assert sum(leaf.size for leaf in jax.tree.leaves(variables.players)) == number
    assert variables.state == {}


def test_both_starts_of_sanet_have_the_same_shapes_and_others_are_refused(monkeypatch):
    shapes = [
        jax.eval_shape(build("sanet", start=start).init, jax.random.key(0))
        for start in ("likeness", "random")
    ]
    assert shapes[0] == shapes[1]
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=r"'random'\), got 'zeros'"):
        build("sanet", start="zeros")


@pytest.mark.parametrize("losses", [{"styl": 1.0}, {}, {"content": 1.0, "grain": 0.0}])
def test_unknown_losses_are_refused_with_those_there_are(losses):
    with pytest.raises(ValueError, match="losses must be among") as caught:
        make_adain(losses)
    assert all(term in str(caught.value) for term in LOSS_TERMS)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_weights_that_are_no_weights_are_refused(weight):
    with pytest.raises(ValueError, match="finite and at least 0"):
        check_loss_names({"content": weight}, LOSS_TERMS)
