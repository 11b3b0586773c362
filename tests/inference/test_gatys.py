import jax
import numpy as np
import numpy_adain
import pytest

from styleflax import memory
from styleflax.inference.gatys import (
    PRESETS,
    Regions,
    Settings,
    make_gatys,
    optimize,
    optimize_picture,
    pictures,
)
from styleflax.inference.gatys.optimize import level_sizes
from styleflax.inference.gatys.pictures import load_gatys_encoder
from styleflax.inference.gatys.presets import check_settings
from styleflax.memory import NotEnoughMemoryError
from styleflax.methods.gatys import Objective
from styleflax.weights.encoder import LoadedEncoder
from styleflax.weights.published.formats import find_format
from styleflax.weights.published.mapping import caffe_preprocess

KERAS = find_format("Keras vgg19").spec
NAMES = ("conv1_1", "conv1_2", "pool", "conv2_1")
ENCODER = numpy_adain.random_encoder(NAMES)
NARROW = Objective(content_layers=("relu1_2",), style_layers=("relu1_1", "relu2_1"))
SETTINGS = Settings(NARROW, iterations=(14, 12), levels=2, memory_size=3)
RNG = np.random.default_rng(6)
CONTENT, STYLE = (RNG.random((*side, 3)).astype("f4") for side in ((33, 34), (40, 32)))


@pytest.fixture(scope="module")
def gatys():
    """A pyramid of two levels, compiled once for all tests."""
    return make_gatys(ENCODER, SETTINGS)


@pytest.fixture(scope="module")
def whole(gatys):
    return gatys(CONTENT, [STYLE])


def test_the_loss_falls_at_every_level(whole):
    assert whole.image.shape == CONTENT.shape
    assert 0 <= whole.image.min() < whole.image.max() <= 1
    assert whole.losses.shape == (15 + 13, 4)
    for losses in np.split(whole.losses[:, 0], [15]):
        assert (np.diff(losses) <= 0).all()
        assert losses[-1] < 0.7 * losses[0]


# Chunks end after 10 and 15 calls of the coarse level, 10 and 13 of the fine one.
@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_killed_and_called_again_it_ends_bitwise_the_same(
    gatys, whole, chunks, tmp_path, monkeypatch
):
    monkeypatch.setattr(optimize, "SAVE_EVERY_S", 0.0)
    path, levels = tmp_path / "run" / "gatys.npz", []

    def kill(level, losses):
        levels.append(level)
        if len(levels) == chunks:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gatys(CONTENT, [STYLE], checkpoint=path, on_progress=kill)
    rest, numbers = [], []

    def hear(level, losses):
        rest.append(level)
        numbers.append(len(losses))

    resumed = gatys(CONTENT, [STYLE], checkpoint=path, on_progress=hear)
    # It first hears of all that was done before.
    assert rest[0] == levels[-1]
    assert levels + rest[1:] == [0, 0, 1, 1]
    assert sum(numbers) == len(whole.losses)
    np.testing.assert_array_equal(resumed.image, whole.image)
    np.testing.assert_array_equal(resumed.losses, whole.losses)
    # What is done is not done again.
    again = gatys(CONTENT, [STYLE], checkpoint=path, on_progress=kill)
    np.testing.assert_array_equal(again.image, whole.image)
    assert len(levels) == chunks + 1  # of what was there, and no more


def test_a_checkpoint_of_another_call_or_damaged_is_refused(gatys, tmp_path):
    path = tmp_path / "gatys.npz"

    def kill(level, losses):
        raise KeyboardInterrupt

    path.write_bytes(b"PK nothing")
    with pytest.raises(ValueError, match="is not a checkpoint, or is damaged"):
        gatys(CONTENT, [STYLE], checkpoint=path)
    path.unlink()
    gatys(CONTENT, [STYLE], checkpoint=path)
    with pytest.raises(ValueError, match="other images or settings; delete it"):
        gatys(CONTENT, [STYLE], seed=1, checkpoint=path)


def test_levels_halve_and_end_at_the_size():
    assert level_sizes((65, 100), 3) == [(16, 25), (32, 50), (65, 100)]
    with pytest.raises(ValueError, match="start below 16 px; use fewer levels"):
        level_sizes((60, 100), 3)


def test_regions_get_the_colors_of_their_styles(monkeypatch):
    # A network that sees every pixel's color as it is, but for a scale and a shift.
    kernel = np.zeros((3, 3, 3, 3), "f4")
    kernel[1, 1] = np.eye(3)
    encoder = {"conv1_1": {"kernel": kernel, "bias": np.full(3, 3.0, "f4")}}
    monkeypatch.setattr(pictures, "load_gatys_encoder", lambda *_: encoder)
    shallow = Objective(0.0, style_layers=("relu1_1",), style_losses=(("style", 1.0),))
    left = np.repeat(np.arange(18)[None] < 9, 16, axis=0)
    red, blue = (np.broadcast_to(np.eye(3, dtype="f4")[i], (16, 16, 3)) for i in (0, 2))
    result = optimize_picture(
        np.full((16, 18, 3), 0.5, "f4"),
        [red, blue],
        Settings(shallow, iterations=(30,)),
        masks=[left, "rest"],
    )
    made = result.picture.array
    redder = (made[..., 0] - made[..., 2]).mean(axis=0)
    assert redder[:9].min() > 0.5
    assert redder[9:].max() < -0.5


@pytest.mark.parametrize("init", ["noise", "style"])
def test_other_starts_come_to_a_lower_loss(init):
    settings = Settings(NARROW, init=init, iterations=(10,), memory_size=3)
    content = RNG.random(STYLE.shape).astype("f4")
    losses = make_gatys(ENCODER, settings)(content, [STYLE]).losses
    assert losses[-1, 0] < 0.8 * losses[0, 0]
    # A painting is in its own style, and noise is not.
    assert (losses[0, 2] < 1e-5) == (init == "style")


def test_a_region_may_be_inverted_alone(monkeypatch):
    monkeypatch.setattr(pictures, "load_gatys_encoder", lambda *_: ENCODER)
    objective = NARROW._replace(style_weight=0.0)
    settings = Settings(objective, init="noise", iterations=(3,), memory_size=3)
    left = np.repeat(np.arange(18)[None] < 9, 16, axis=0)
    photo = np.full((16, 18, 3), 0.5, "f4")
    # Without a painting there are no colors to bring to it either.
    controls = {"masks": [left], "color": "coral"}
    made = optimize_picture(photo, settings=settings, **controls).picture.array
    assert np.abs(made - photo)[:, :9].min() > 0
    np.testing.assert_array_equal(made[:, 9:], photo[:, 9:])


def test_what_does_not_fit_is_refused():
    photo = np.zeros((16, 16, 3), "f4")
    with pytest.raises(
        ValueError, match="a style must be given unless style_weight is 0"
    ):
        optimize_picture(photo)
    with pytest.raises(
        ValueError, match="level_balance: available for trained methods only"
    ):
        optimize_picture(photo, photo, level_balance=0.5)
    with pytest.raises(ValueError, match="one image, got a batch"):
        optimize_picture(np.zeros((2, 16, 16, 3), "f4"), photo)
    with pytest.raises(ValueError, match="gatys needs the painting's pixels; x"):
        optimize_picture(photo, "x.style")
    with pytest.raises(ValueError, match=r"style_masks must be .*one per style"):
        optimize_picture(photo, photo, style_masks=[None, None])
    with pytest.raises(
        ValueError, match="mask of style 1 must have at least one pixel"
    ):
        optimize_picture(photo, photo, style_masks=[np.zeros((16, 16))])
    alone = PRESETS["default"].objective._replace(style_weight=0.0)
    with pytest.raises(ValueError, match="init='style' requires a style"):
        optimize_picture(photo, settings=Settings(alone, init="style"))


def test_a_loss_that_is_not_finite_is_told(gatys):
    boundless = Regions(np.full((1, 1), np.inf, "f4"))
    with pytest.raises(ValueError, match="the loss must be finite"):
        gatys(CONTENT, [STYLE], boundless)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "grey"}, "init must be one of"),
        ({"optimizer": "sgd"}, "optimizer must be one of"),
        ({"iterations": (3, 4, 5)}, "one number or one per level, got 3 for 2"),
        ({"iterations": (0,)}, "must be at least 1"),
        ({"learning_rate": float("nan")}, "learning_rate must be above 0"),
        ({"content_weight": -1.0}, "content_weight must be finite and at least 0"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "must be above 0"),
        ({"layer_weights": (1.0,)}, "one per style layer, got 1 for 2"),
        ({"layer_weights": (1.0, -1.0)}, "layer_weights must be finite"),
        ({"content_reduction": "sum"}, "content_reduction must be one of"),
        ({"variation_reduction": "sum"}, "variation_reduction must be one of"),
        ({"style_reduction": "sum"}, "style_reduction must be one of"),
        ({"style_losses": (("grams", 1.0),)}, "style loss 'grams' unknown"),
        ({"style_losses": (("histogram", 1.0),)}, "style_layers lacks relu4_1"),
        ({"style_losses": (("mrf@relu1_1", 1.0),)}, "does not support masks"),
    ],
)
def test_settings_are_checked(changes, message):
    of_objective = {k: v for k, v in changes.items() if k in NARROW._fields}
    others = {k: v for k, v in changes.items() if k not in of_objective}
    objective = NARROW._replace(**of_objective)
    settings = SETTINGS._replace(objective=objective, **others)
    with pytest.raises(ValueError, match=message):
        check_settings(settings, guided=True)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_possible(name):
    guided = name != "cnnmrf"
    assert check_settings(PRESETS[name], guided=guided) is PRESETS[name]


def test_caffes_vgg_keeps_its_scale(monkeypatch):
    # What files of Keras, which has Caffe's weights, are read as.
    preprocess = {"preprocess": caffe_preprocess()}
    loaded = LoadedEncoder(ENCODER | preprocess, KERAS, is_trained_on=False)
    monkeypatch.setattr(
        "styleflax.inference.gatys.pictures.load_encoder", lambda _: loaded
    )
    kept = load_gatys_encoder("caffe_vgg19.safetensors", ("relu2_1",))
    jax.tree.map(np.testing.assert_array_equal, kept, dict(loaded.params))


def test_the_packaged_encoder_has_the_presets_layers_and_no_more():
    layers = PRESETS["paper"].objective.layers()
    assert list(load_gatys_encoder("sanet", layers))[-1] == "conv5_1"
    with pytest.raises(ValueError, match="must have conv5_2"):
        load_gatys_encoder("sanet", ("relu5_2",))


def test_a_picture_that_does_not_fit_into_memory_says_what_to_do(gatys, monkeypatch):
    monkeypatch.setattr(memory, "SMALL_BYTES", 0)
    monkeypatch.setattr(memory, "available_bytes", lambda: 1)
    with pytest.raises(
        NotEnoughMemoryError, match=r"pixels of an image of 17 x 16 px .* --size"
    ):
        make_gatys(ENCODER, SETTINGS)(CONTENT, [STYLE])
