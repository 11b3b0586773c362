from typing import NamedTuple

import numpy as np
import pytest

from styleflax.images.read import read_picture
from styleflax.inference import gatys, stylizer
from styleflax.inference.contents import Stylized

LOSSES = np.array([[3.0, 1.0, 2.0, 0.0], [2.0, 1.0, 1.0, 0.0]], "f4")


class Call(NamedTuple):
    content: object
    styles: object
    settings: gatys.Settings
    encoder: str
    run_options: gatys.RunOptions
    controls: dict


@pytest.fixture
def calls(monkeypatch):
    """What the command asks for; the picture is gray."""
    made = []

    def optimize_picture(*arguments, **controls):
        made.append(Call(*arguments, controls))
        made[-1].run_options.on_progress(0, LOSSES)
        return gatys.Result(Stylized(np.full((16, 16, 3), 0.5, "f4")), LOSSES)

    monkeypatch.setattr(gatys, "optimize_picture", optimize_picture)
    return made


class Begun(NamedTuple):
    name: str
    content: object
    styles: object
    controls: dict
    made: np.ndarray


@pytest.fixture
def narrow_models(monkeypatch):
    """What trained models are asked for; their pictures are white."""
    asked = []

    class Model:
        def __init__(self, path):
            self.path = path

        def __call__(self, content, styles, **controls):
            made = np.ones((16, 16, 3), np.float32)
            asked.append(Begun(self.path.stem, content, styles, controls, made))
            return Stylized(made)

    monkeypatch.setattr(stylizer.Stylizer, "load", Model)
    return asked


@pytest.fixture
def run(calls, command, pictures, tmp_path):
    """`run(*flags)` -> what was asked for."""

    def call(*flags):
        inputs = pictures / "photo.png", pictures / "painting.png"
        out = tmp_path / "out" / "made.png"
        code, said, _ = command("gatys", *inputs, "-o", out, "--overwrite", *flags)
        assert (code, said) == (0, f"{out}\n")
        assert out.is_file()
        return calls[-1]

    return call


def test_presets_are_taken_as_they_are(run, pictures):
    for name, settings in gatys.PRESETS.items():
        call = run("--preset", name)
        assert call.settings == settings
    assert call.content == pictures / "photo.png"
    assert call.styles == [pictures / "painting.png"]
    assert call.controls["style_masks"] == [None]
    assert call.encoder == "sanet"


def test_flags_change_what_the_preset_says(run, tmp_path):
    call = run(
        *("--preset", "notebook", "--iterations", "50,20", "--pyramid", "2"),
        *("--optimizer", "adam", "--learning-rate", "0.1", "--memory", "5"),
        *("--init", "style", "--pooling", "average", "--content-weight", "2"),
        *("--style-weight", "3", "--variation-weight", "4"),
        *("--content-layer", "relu3_1,relu4_1", "--style-layers", "relu1_1,relu2_1"),
        *("--style-loss", "gram:0.5,style", "--seed", "7", "--encoder", "vgg19"),
        *("--checkpoint", tmp_path / "run.npz", "--size", "64", "--color", "lab"),
    )
    settings = call.settings
    assert settings._replace(objective=None) == (
        gatys.Settings(None, "style", "adam", (50, 20), 2, 0.1, 5)
    )
    objective = settings.objective
    assert objective.layer_weights == (1.0, 1.0)
    assert objective.channel_power == 2
    assert objective.style_layers == ("relu1_1", "relu2_1")
    assert objective.content_layers == ("relu3_1", "relu4_1")
    assert objective.style_losses == (("gram", 0.5), ("style", 1.0))
    assert objective.pooling == "average"
    weights = "content_weight", "style_weight", "variation_weight"
    assert [getattr(objective, name) for name in weights] == [2, 3, 4]
    assert (call.run_options.seed, call.run_options.checkpoint) == (
        7,
        tmp_path / "run.npz",
    )
    assert call.encoder == "vgg19"
    assert (call.controls["size"], call.controls["color"]) == (64, "lab")


def test_one_side_alone_begins_with_noise_unless_told(run):
    assert run("--content-weight", "0").settings.init == "noise"
    assert run("--style-weight", "0").settings.init == "noise"
    told = run("--content-weight", "0", "--init", "content")
    assert told.settings.init == "content"


def test_a_models_result_may_be_the_start(run, pictures, narrow_models):
    call = run("--init", "sanet", "--color", "lab", "--size", "32", "--restore-size")
    assert call.settings == gatys.PRESETS["default"]
    (model,) = narrow_models
    assert model.name == "sanet"
    assert model.content == pictures / "photo.png"
    assert model.styles == [pictures / "painting.png"]
    # As the model decodes it: the photo's colors return after the optimization.
    looks = {key: model.controls[key] for key in ("size", "color", "restore_size")}
    assert looks == {"size": 32, "color": "style", "restore_size": False}
    np.testing.assert_array_equal(call.controls["start"], model.made)
    assert run("--init", "noise").controls["start"] is None


def test_a_model_needs_a_painting_and_must_be_there(calls, refuses, pictures, tmp_path):
    photo, out = pictures / "photo.png", ("-o", tmp_path / "out.png")
    error = refuses("gatys", photo, "--init", "adain", "--style-weight", 0, *out)
    assert "--init with a model requires a painting" in error
    error = refuses("gatys", photo, pictures / "painting.png", "--init", "nose", *out)
    assert "--init must be one of content, noise, style, or a model: there is" in error


def test_a_photo_alone_may_be_inverted(calls, command, pictures, tmp_path):
    out = "-o", tmp_path / "out.png"
    code, *_ = command("gatys", pictures / "photo.png", "--style-weight", 0, *out)
    assert code == 0
    assert calls[0].styles == []


def test_masks_are_of_the_photo_and_of_paintings(run, pictures):
    mask = pictures / "painting.png"
    call = run("--mask", f"{mask}:1@0.5", "--style-mask", mask, "--feather", "2")
    assert call.controls["style_masks"] == [mask]
    assert call.controls["region_alphas"] == [0.5]
    assert call.controls["masks"].feather_px == 2


class Bar:
    """What is told to a bar of tqdm."""

    def __init__(self, **_):
        self.n = self.initial = self.last_print_n = 0

    def update(self, number):
        self.n += number

    def ignore(self, *_, **__):
        pass

    set_postfix_str = refresh = close = ignore


@pytest.mark.parametrize("resumed", [False, True])
def test_a_checkpoints_iterations_are_not_speed(run, tmp_path, monkeypatch, resumed):
    bars = []
    monkeypatch.setattr("tqdm.tqdm", lambda **_: bars.append(Bar()) or bars[-1])
    checkpoint = tmp_path / "run.npz"
    if resumed:
        checkpoint.touch()
    on_progress = run("--checkpoint", checkpoint).run_options.on_progress
    on_progress(0, LOSSES[:1])
    before = len(LOSSES) if resumed else 0
    assert (bars[0].initial, bars[0].last_print_n) == (before, before)
    assert bars[0].n == len(LOSSES) + 1


def test_losses_are_drawn(run, tmp_path):
    run("--plot", tmp_path / "plots" / "losses.svg")
    text = (tmp_path / "plots" / "losses.svg").read_text()
    assert "<svg" in text


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "mine"], "--preset must be one of default, paper"),
        (["--iterations", "many"], "--iterations must be numbers"),
        (["--iterations", "1.5"], "--iterations must be whole numbers, got 1.5"),
        (["--iterations", "inf"], "--iterations must be whole numbers, got inf"),
        (["--style-loss", "gram:much"], "--style-loss must be numbers"),
        (["--plot", "losses.txt"], "--plot must end in .png, .svg, .pdf"),
        (["--style-mask", "mask.png:3"], "STYLE must be from 1 to 1"),
        (["--style-mask", "a.png:1", "--style-mask", "b.png:1"], "has a mask already"),
        (["--mask", "alpha", "PHOTO"], "name the painting with --mask FILE:STYLE"),
        (["--content-layer", "conv4_2"], "vgg16 has no layers ['conv4_2']; it has"),
        (["--style-loss", "adversarial"], "requires a critic that is trained with"),
        (["--style-layers", "relu1_1,relu1_1"], "style_layers must not repeat"),
        (["-o", "made.doc"], "its suffix must be one of"),
        (["-o", "FILE/made.png"], "cannot write to"),
        (["--plot", "FILE/losses.svg"], "cannot write to"),
        (["--checkpoint", "FILE/run.npz"], "cannot write to"),
        (["-o", "PHOTO"], "exists already; use --overwrite to replace it"),
    ],
)
def test_mistakes_are_one_line(refuses, pictures, tmp_path, flags, message):
    photo, painting = pictures / "photo.png", pictures / "painting.png"
    file = tmp_path / "file"
    file.touch()
    flags = [photo if flag == "PHOTO" else flag for flag in flags]
    flags = [str(flag).replace("FILE", str(file)) for flag in flags]
    out = "-o", tmp_path / "out.png"
    assert message in refuses("gatys", photo, painting, *out, *flags)


def test_a_missing_picture_is_told(refuses, pictures):
    assert "there is no image 'none.png'" in refuses(
        "gatys", pictures / "photo.png", "none.png"
    )


def test_the_command_makes_a_picture(command, pictures, tmp_path):
    out = tmp_path / "made.png"
    files = pictures / "photo.png", pictures / "painting.png"
    flags = "--iterations", 1, "--content-layer", "relu2_1"
    layers = "--style-layers", "relu1_1,relu2_1"
    assert command("gatys", *files, "-o", out, *flags, *layers)[0] == 0
    assert read_picture(out).rgb_u8.shape == (32, 32, 3)
