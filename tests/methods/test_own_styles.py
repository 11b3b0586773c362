"""Johnson's and Dumoulin's methods, which hold their styles themselves."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from own_styles import OPTIONS, make_file, random_encoder

from styleflax import methods
from styleflax.config import CINStyleOptions
from styleflax.methods.base import Controls, Variables, plain_controls, stylize
from styleflax.methods.cin import make_cin_style

RNG = np.random.default_rng(3)
IMAGE = jnp.asarray(RNG.uniform(size=(1, 17, 22, 3)), jnp.float32)
FROZEN = {"encoder": random_encoder()}


def whole(name):
    """How the method stylizes `IMAGE`, and encodes its styles."""
    method = methods.build(name, **OPTIONS[name], native=True)
    file = make_file(name)
    variables = jax.device_put(Variables(file.players, file.state))

    @jax.jit
    def program(variables, image, styles, controls):
        return stylize(method, variables, {}, image, styles, controls)

    def run(styles, controls):
        return program(variables, IMAGE, styles, controls)

    @jax.jit
    def row(index):
        return method.encode_style(variables, {}, {"style_index": index})

    return run, lambda index: row(np.array([index]))


@pytest.fixture(scope="module")
def cin(shared_programs):
    return whole("cin")


def test_a_blend_of_all_of_one_style_is_that_style(cin):
    run, encode = cin
    first, second = encode(0), encode(1)
    alone = run([first], plain_controls())
    blend = run([first, second], plain_controls(1.0, [1.0, 0.0]))
    np.testing.assert_allclose(blend, alone, atol=1e-5)
    assert alone.shape == IMAGE.shape
    other = run([first, second], plain_controls(1.0, [0.0, 1.0]))
    assert np.abs(np.asarray(other) - alone).max() > 0.01
    np.testing.assert_allclose(other, run([second], plain_controls()), atol=1e-5)


def test_a_half_and_half_blend_is_the_mean_of_scales_and_shifts(cin):
    run, encode = cin
    first, second = encode(0), encode(2)
    mean = jax.tree.map(lambda a, b: (np.asarray(a) + b) / 2, first, second)
    blend = run([first, second], plain_controls(1.0, [1.0, 1.0]))
    np.testing.assert_allclose(blend, run([mean], plain_controls()), atol=1e-5)


def test_masks_of_the_same_style_everywhere_change_nothing(cin):
    run, encode = cin
    left = np.repeat(np.arange(22)[None] < 9, 17, axis=0).astype(np.float32)
    masks = jnp.asarray(np.stack([left, 1 - left]))
    both = Controls(jnp.ones(2), jnp.ones((2, 1)), masks, {})
    alone = run([encode(0)], plain_controls())
    np.testing.assert_allclose(run([encode(0)], both), alone, atol=1e-5)
    split = Controls(jnp.ones(2), jnp.eye(2), masks, {})
    mixed = run([encode(0), encode(1)], split)
    assert np.abs(np.asarray(mixed) - alone)[:, :, 15:].max() > 0.01


def test_an_encoded_style_is_its_row_of_the_tables(cin):
    tables = make_file("cin").players["model"]["styles"]
    style = cin[1](1)
    assert style.keys() == tables.keys()
    for name, row in style.items():
        np.testing.assert_array_equal(row["gamma"][0], tables[name]["gamma"][1])


@pytest.fixture(scope="module")
def losses_of(shared_programs):
    """`make(name, **options)`: variables, and the loss of a small batch as asked.

    With its gradient, unless `values_alone`, which compile in a third of the time.
    """
    sides = {"content": 24, "style": 32}
    batch = {
        name: jnp.asarray(RNG.uniform(size=(2, side, side, 3)), jnp.float32)
        for name, side in sides.items()
    }
    batch["style_index"] = jnp.array([2, 0])

    def make(name, *, values_alone=False, **options):
        arguments = {**OPTIONS[name], "native": True, **options}
        method = methods.build(name, **arguments)
        shapes = jax.eval_shape(method.init, jax.random.key(0))
        rng = np.random.default_rng(1)
        draw = lambda x: jnp.asarray(rng.normal(0, 0.2, x.shape), "f4")  # noqa: E731
        variables = jax.tree.map(draw, shapes)
        key = jax.random.key(0)
        loss, own = method.losses["model"], variables.players["model"]
        step = loss if values_alone else jax.value_and_grad(loss, has_aux=True)
        return variables, jax.jit(step)(own, variables, FROZEN, batch, key)

    return make


def test_johnson_s_loss_holds_its_terms_and_moves_the_batch_statistics(losses_of):
    weights = {"content": 1.0, "gram": 2.0, "style": 0.5, "total_variation": 3.0}
    variables, (found, gradients) = losses_of("johnson", norm="batch", losses=weights)
    loss, (metrics, state) = found
    weighted = sum(weight * metrics[f"{k}_loss"] for k, weight in weights.items())
    assert float(loss) == pytest.approx(float(weighted), rel=1e-6)
    assert all(metrics[f"{k}_loss"] > 0 for k in weights)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(gradients))
    assert jax.tree.structure(state) == jax.tree.structure(variables.state)
    moved = jax.tree.map(
        lambda a, b: np.any(a != np.asarray(b)), state, variables.state
    )
    assert all(jax.tree.leaves(moved))


def test_only_the_batch_s_styles_have_gradients(losses_of):
    _, ((_, (_, state)), gradients) = losses_of("cin", losses={"gram": 1.0})
    assert state == {}
    gamma = gradients["styles"]["residual1_1"]["gamma"]
    assert np.asarray(gamma)[[0, 2]].any()
    assert not np.asarray(gamma)[1].any()


def test_coefficients_are_factors_on_the_terms_of_single_styles(losses_of):
    """The batch's styles are the third and the first."""
    weights = {"content": 1.0, "gram": 2.0}
    terms = {}
    for factors in ((), (0.0, 5.0, 3.0), (3.0, 5.0, 0.0)):
        options = {"losses": weights, "style_coefficients": factors}
        _, (loss, (metrics, _)) = losses_of("cin", values_alone=True, **options)
        terms[factors] = float(metrics["gram_loss"])
        whole = float(metrics["content_loss"]) + 2.0 * terms[factors]
        assert float(loss) == pytest.approx(whole, rel=1e-5)
    plain, third, first = terms.values()
    assert third + first == pytest.approx(3.0 * plain, rel=1e-5)
    assert third != pytest.approx(first, rel=1e-3)


def test_the_judge_may_pool_by_averages(losses_of):
    found = []
    for pooling in ("max", "average"):
        options = {"style_layers": ["relu2_1"], "pooling": pooling}
        options |= {"losses": {"gram": 1.0}, "values_alone": True}
        _, (_, (metrics, _)) = losses_of("cin", **options)
        found.append(float(metrics["gram_loss"]))
    assert abs(found[0] / found[1] - 1) > 1e-3


def test_controls_that_there_are_not_are_refused():
    johnson, cin = (methods.build(name) for name in ("johnson", "cin"))
    methods.check_controls(cin, ["weights", "masks"])
    with pytest.raises(ValueError, match=r"'strength' \(alpha.*adain"):
        methods.check_controls(cin, ["strength"])
    with pytest.raises(ValueError, match=r"'weights' \(several styles.*cin"):
        methods.check_controls(johnson, ["masks", "weights"])


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("johnson", {"styles": ["a", "b"]}, "one style"),
        ("johnson", {"norm": "conditional"}, "one of .*got .conditional"),
        ("johnson", {"content_layer": "relu9_1"}, "relu9_1"),
        ("johnson", {"losses": {"sharpness": 1.0}}, "sharpness"),
        ("cin", {"styles": ["a", "a"]}, "distinct names"),
        ("cin", {"width": -1.0}, "width"),
        ("cin", {"style_coefficients": [1.0, 2.0]}, "one for each of 1 styles, got 2"),
        ("cin", {"style_coefficients": [-1.0]}, "finite and at least 0, got .-1.0"),
        ("cin", {"pooling": "mean"}, r"pooling must be one of \('max', 'average'\)"),
        ("cin_style", {"pooling": "mean"}, "got 'mean'"),
        ("cin_style", {"styles": ["a", "b"]}, "one new style"),
    ],
)
def test_impossible_arguments_are_refused(monkeypatch, name, arguments, message):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    with pytest.raises(ValueError, match=message):
        methods.build(name, **arguments)


def test_a_model_s_options_hold_how_its_judge_pools():
    method = methods.build("cin", pooling="average", **OPTIONS["cin"])
    assert method.options["pooling"] == "average"
    new = methods.build("cin_style", **method.options | {"styles": ["new"]})
    assert new.options == method.options | {"styles": ["new"]}
    older = {k: v for k, v in method.options.items() if k != "pooling"}
    assert methods.build("cin", **older).options["pooling"] == "max"


def test_a_new_style_begins_as_the_mean_of_the_others_of_a_cin():
    players = make_file("cin").players
    method = make_cin_style(options=CINStyleOptions(width=0.05))
    begun, frozen = method.begin_from("cin", players)
    tables = players["model"]["styles"]["up1"]["beta"]
    np.testing.assert_allclose(begun["model"]["up1"]["beta"][0], tables.mean(axis=0))
    assert frozen == {"network": players["model"]["network"]}
    with pytest.raises(ValueError, match="johnson"):
        make_cin_style().begin_from("johnson", {})
