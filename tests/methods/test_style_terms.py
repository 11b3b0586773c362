import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax import methods
from styleflax.config import Arithmetic
from styleflax.losses.patches import critic_loss
from styleflax.losses.perceptual import STYLE_LOSSES, find_style_loss
from styleflax.methods.base import Variables
from styleflax.methods.features import CRITIC_LAYERS, make_style_terms
from styleflax.models.vgg import VGG

KEY = jax.random.key(0)
RNG = np.random.default_rng(0)
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
CRITIC_WIDTH = 64  # of relu1_1
EVERY_TERM = dict.fromkeys((*STYLE_LOSSES, *CRITIC_LAYERS), 1.0)
EVERY_TERM |= {"mmd_polynomial_offset0.5@relu3_1": 1.0}


def features(height, width, channels=3, layers=LAYERS):
    shape = (2, height, width, channels)
    return {k: jnp.asarray(RNG.normal(size=shape), jnp.float32) for k in layers}


def terms_of(weights, arithmetic=None):
    numbers = arithmetic or Arithmetic()
    return make_style_terms(weights, ("content",), LAYERS, numbers)


@pytest.mark.parametrize("name", STYLE_LOSSES)
def test_every_name_stands_for_the_sum_over_its_layers(name):
    loss = STYLE_LOSSES[name]
    compared = loss.layers or LAYERS[:2]
    shapes = {k: jax.ShapeDtypeStruct((1, 4, 5, 3), jnp.bfloat16) for k in compared}
    other = {k: jax.ShapeDtypeStruct((1, 3, 7, 3), jnp.bfloat16) for k in compared}
    made = jax.eval_shape(loss.evaluate, shapes, other, KEY)
    assert (made.shape, made.dtype) == ((), jnp.float32)
    targets = jax.eval_shape(loss.targets, other)
    assert tuple(targets) == compared


def test_layers_are_chosen_by_name_and_others_are_not_looked_at():
    made, style = features(2, 3), features(3, 2)
    loss = find_style_loss("gram@relu3_1+relu1_1")
    assert loss.layers == ("relu3_1", "relu1_1")
    parts = [
        find_style_loss(f"gram@{layer}").evaluate(made, style, KEY)
        for layer in loss.layers
    ]
    whole = loss.evaluate(made, style, KEY)
    assert float(whole) == pytest.approx(float(sum(parts)), rel=1e-6)


@pytest.mark.parametrize(
    ("weights", "line"),
    [
        ({"grams": 1.0}, r"losses must be among .*'gram'.*, got \['grams'\]"),
        ({"content@relu1_1": 1.0}, r"losses must be among|@"),
        ({"gram@relu5_1": 1.0}, "'relu5_1'; styles are compared at relu1_1, relu2_1"),
        ({"adversarial@": 1.0}, "asks for ''; styles are compared at"),
        ({"gram@": 1.0}, "must be gram@LAYER"),
        ({}, "losses must be among"),
        ({"gram": -1.0}, "finite and at least 0"),
    ],
)
def test_names_and_layers_that_there_are_not_are_refused(weights, line):
    with pytest.raises(ValueError, match=line):
        terms_of(weights)


def test_terms_are_the_losses_of_the_family_and_style_is_always_reported():
    made, style = features(2, 3), features(3, 2)
    terms = terms_of({"content": 1.0, "covariance": 2.0}, Arithmetic(ddof=1))
    found = terms.compare(made, terms.targets(style), {}, KEY)
    assert found.keys() == {"covariance", "style"}
    for name, value in found.items():
        loss = find_style_loss(name, Arithmetic(ddof=1))
        assert float(value) == pytest.approx(float(loss.evaluate(made, style, KEY)))
    assert terms.init(KEY) == {}
    assert terms.player_losses(lambda *_: (style, made)) == {}


@pytest.fixture(scope="module")
def duel():
    """Terms with a critic of 64 channels, its parameters, features of two batches."""
    terms = terms_of({"adversarial@relu1_1": 1.0})._replace(losses={})
    players = jax.jit(terms.init)(KEY)
    of_critic = {"channels": CRITIC_WIDTH, "layers": ("relu1_1",)}
    made, style = features(4, 5, **of_critic), features(6, 3, **of_critic)
    return terms, players, made, style


def test_critic_and_model_pull_at_the_same_scores(duel):
    terms, players, made, style = duel
    name, layer = "adversarial@relu1_1", "relu1_1"
    params = {"params": players["critic"][name][layer]}
    of_made, of_style = (terms.critic.apply(params, x[layer]) for x in (made, style))
    assert of_made.shape == (2, 4, 5)
    term = terms.compare(made, terms.targets(style), players, KEY)[name]
    assert float(term) == pytest.approx(-float(of_made.mean()), rel=1e-5)

    asked = []

    def make_features(variables, frozen, batch, layers):
        asked.append(layers)
        return style, made

    loss = terms.player_losses(make_features)["critic"]
    own = players["critic"]
    (value, aux), way = jax.jit(
        lambda p: jax.value_and_grad(loss, has_aux=True)(
            p, Variables(players, {}), {}, {}, KEY
        )
    )(own)
    assert asked == [(layer,)]
    assert aux == ({}, {})
    expected = critic_loss(of_style, of_made)
    assert float(value) == pytest.approx(float(expected), rel=1e-5)
    norms = [float(jnp.linalg.norm(leaf)) for leaf in jax.tree.leaves(way)]
    assert all(0 < norm < np.inf for norm in norms)


def test_a_critic_sees_patches_of_five_positions(duel):
    terms, players, _, _ = duel
    params = {"params": players["critic"]["adversarial@relu1_1"]["relu1_1"]}
    feature = jnp.asarray(RNG.normal(size=(1, 9, 9, 64)), jnp.float32)
    moved = feature.at[0, 4, 4].add(1.0)
    score = jax.jit(lambda x: terms.critic.apply(params, x))
    rows, columns = np.nonzero(np.asarray(score(feature) != score(moved))[0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (2, 6, 2, 6)


AT_FIRSTS = {"style_layers": list(LAYERS), "content_layer": "relu4_1"}
OPTIONS = {
    "adain": {},
    "sanet": {},
    "johnson": {**AT_FIRSTS, "norm": "instance", "width": 0.1},
    # One picture after the other, because of a coefficient other than 1.
    "cin": {**AT_FIRSTS, "width": 0.1, "style_coefficients": [2.0]},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_methods_take_every_name_and_pictures_need_no_critic(name):
    options = OPTIONS[name]
    method = methods.build(name, losses={"content": 1.0, **EVERY_TERM}, **options)
    players = jax.eval_shape(method.init, KEY).players
    assert players.keys() == method.losses.keys() == {"model", "critic"}
    plain = jax.eval_shape(methods.build(name, **options).init, KEY).players
    assert plain == {"model": players["model"]}

    images = jax.ShapeDtypeStruct((2, 32, 32, 3), jnp.float32)
    encoder = VGG(method.encoder_layers)
    frozen = {"encoder": jax.eval_shape(encoder.init, KEY, images)["params"]}
    batch = {"content": images, "style": images}
    batch["style_index"] = jax.ShapeDtypeStruct((2,), jnp.int32)
    variables = Variables(players, {})
    for player, loss in method.losses.items():
        value, (metrics, state) = jax.eval_shape(
            loss, players[player], variables, frozen, batch, KEY
        )
        assert (value.shape, value.dtype, state) == ((), jnp.float32, {})
        named = {f"{k}_loss" for k in ("content", *EVERY_TERM)}
        assert metrics.keys() == (named if player == "model" else set())
