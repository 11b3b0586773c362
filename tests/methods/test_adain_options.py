import jax
import jax.numpy as jnp
import numpy as np
import numpy_adain
import pytest

from styleflax.methods import adain
from styleflax.methods.adain import DEEPEST, make_adain
from styleflax.methods.adain_transforms import TRANSFORMS
from styleflax.methods.base import Controls, Variables, plain_controls
from styleflax.models.decoder import Decoder

ENCODER = {"encoder": numpy_adain.random_encoder()}
CHANNELS = numpy_adain.ENCODER_WIDTHS[3]
KEY = jax.random.key(0)
RNG = np.random.default_rng(5)
CONTENT = jnp.asarray(RNG.normal(size=(1, 4, 6, CHANNELS)), jnp.float32)
STYLES = [
    {"feature": jnp.asarray(RNG.normal(size=(1, h, w, CHANNELS)), jnp.float32)}
    for h, w in ((4, 6), (3, 2))
]
BATCH = {
    "content": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=3)),
    "style": jnp.asarray(numpy_adain.random_images(16, 16, 2, seed=4)),
}


def narrow(*arguments, **settings):
    return Decoder(*arguments, layers=numpy_adain.DECODER_WIDTHS, **settings)


def run(monkeypatch, losses, decoder, state, **options):
    """Metrics and new state of a narrow method's loss."""
    monkeypatch.setattr(adain, "Decoder", narrow)
    method = make_adain(losses, native=True, **options)
    loss = jax.jit(method.losses["model"])
    variables = Variables({"model": decoder}, state)
    return loss(decoder, variables, ENCODER, BATCH, KEY)[1]


def concatenated(styles, controls):
    method = make_adain(transform="concatenation")
    features = {DEEPEST: CONTENT}
    moments = method.moments(features, controls.masks)
    arguments = (Variables({}, {}), {}, features, moments, styles, controls)
    return np.asarray(method.transfer(*arguments)[DEEPEST])


def test_concatenation_puts_the_style_beside_the_content():
    found = concatenated(STYLES[:1], plain_controls())
    np.testing.assert_array_equal(found[..., :CHANNELS], CONTENT)
    np.testing.assert_array_equal(found[..., CHANNELS:], STYLES[0]["feature"])
    pair = TRANSFORMS["concatenation"].pair(CONTENT, STYLES[0]["feature"], CONTENT)
    np.testing.assert_array_equal(found, pair)


def test_concatenation_at_strength_0_is_the_content_twice():
    found = concatenated(STYLES[1:], plain_controls(0.0))
    np.testing.assert_array_equal(found, jnp.concatenate([CONTENT, CONTENT], -1))


def test_concatenation_mixes_styles_of_any_size_by_weight_and_region():
    whole = [
        concatenated([style], plain_controls())[..., CHANNELS:] for style in STYLES
    ]
    left = np.zeros((4, 6), np.float32)
    left[:, :2] = 1
    masks = jnp.asarray(np.stack([left, 1 - left]))
    weights = jnp.array([[1.0, 0.0], [0.25, 0.75]])
    controls = Controls(jnp.ones(2), weights, masks, {})
    found = concatenated(STYLES, controls)[..., CHANNELS:]
    mixed = 0.25 * whole[0] + 0.75 * whole[1]
    np.testing.assert_allclose(found[:, :, :2], whole[0][:, :, :2], rtol=1e-6)
    np.testing.assert_allclose(found[:, :, 2:], mixed[:, :, 2:], rtol=1e-5, atol=1e-6)


def test_concatenation_and_batch_norm_train_on_the_terms_of_adain(monkeypatch):
    weights = {"content": 1.0, "style": 1.0, "identity": 1.0}
    feature = jax.ShapeDtypeStruct((1, 2, 2, 2 * CHANNELS), jnp.float32)
    shapes = jax.eval_shape(narrow(norm="batch").init, KEY, feature)
    trees = jax.tree.map(lambda x: RNG.uniform(0.1, 0.3, x.shape), shapes)
    options = {"transform": "concatenation", "norm": "batch"}
    before = {"batch_stats": trees["batch_stats"]}
    metrics, after = run(monkeypatch, weights, trees["params"], before, **options)
    assert {f"{name}_loss" for name in weights} <= set(metrics)
    assert np.isfinite([float(x) for x in metrics.values()]).all()
    moved = jax.tree.map(lambda a, b: bool(jnp.all(a != b)), before, after)
    assert all(jax.tree.leaves(moved))


def test_the_contents_own_features_change_the_content_term_alone(monkeypatch):
    decoder = numpy_adain.random_decoder()
    metrics, state = run(
        monkeypatch, adain.PAPER_LOSSES, decoder, {}, content_target="content"
    )
    usual = numpy_adain.loss_terms(ENCODER["encoder"], decoder, *BATCH.values())
    content, style = (
        numpy_adain.encode(ENCODER["encoder"], x)[DEEPEST] for x in BATCH.values()
    )
    made = numpy_adain.decode(decoder, numpy_adain.adain(content, style))
    seen = numpy_adain.encode(ENCODER["encoder"], made)[DEEPEST]
    own = ((seen - content) ** 2).mean()
    assert float(metrics["content_loss"]) == pytest.approx(own, rel=2e-5)
    assert float(metrics["style_loss"]) == pytest.approx(usual["style_loss"], rel=2e-5)
    assert abs(own / usual["content_loss"] - 1) > 0.01
    assert state == {}


@pytest.mark.parametrize(
    "options", [{"norm": "instance"}, {"transform": "concatenation"}]
)
def test_what_looks_at_the_whole_picture_is_not_done_in_windows(options):
    assert make_adain(**options).tiling is None
    keeps_parts = "transform" not in options
    assert ("style_masks" in make_adain(**options).controls) is keeps_parts
    assert make_adain(norm="batch").tiling is not None
    assert jax.eval_shape(make_adain(norm="batch").init, KEY).state


@pytest.mark.parametrize("option", ["norm", "transform", "content_target"])
def test_unknown_options_are_refused_by_name(option):
    with pytest.raises(ValueError, match=f"{option} must be one of .*'other'"):
        make_adain(**{option: "other"})
