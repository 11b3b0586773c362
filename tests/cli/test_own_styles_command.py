"""Commands with models that hold their styles themselves."""

import dataclasses
import functools

import numpy as np
import pytest
from own_styles import make_file
from PIL import Image

from styleflax import methods
from styleflax.cli.app import run
from styleflax.methods.cin import make_cin_style
from styleflax.weights.store import own_styles, save_model


@pytest.fixture(scope="module")
def files(tmp_path_factory, write_picture):
    """Folder with a photograph, a painting, and a model of either method."""
    folder = tmp_path_factory.mktemp("own")
    write_picture(folder / "photo.png", 24, 20)
    write_picture(folder / "new.png", 30, 30, seed=9)
    for name in ("johnson", "cin"):
        save_model(folder / f"{name}.safetensors", make_file(name), dtype=np.float32)
    return folder


def call(*arguments, code=0):
    """Runs the command, which must end so."""
    with pytest.raises(SystemExit, match=f"^{code}$"):
        run([str(argument) for argument in arguments])


def stylize(files, weights, out, *flags, code=0):
    model_flag = f"--weights={files / weights}.safetensors"
    call("stylize", files / "photo.png", model_flag, "-o", out, *flags, code=code)


def test_names_of_own_styles_are_read_without_the_model(files, model_path, tmp_path):
    assert own_styles(files / "cin.safetensors") == ("wave", "starry", "night")
    assert own_styles(model_path) == ()
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    assert own_styles(tmp_path / "bad.safetensors") == ()


def test_one_style_needs_no_flag(files, tmp_path):
    stylize(files, "johnson", tmp_path)
    assert Image.open(tmp_path / "photo_wave.png").size == (20, 24)


def test_styles_are_named_numbered_and_blended(files, tmp_path):
    stylize(files, "cin", tmp_path, "--style", "starry", "--style", "1")
    names = {path.name for path in tmp_path.glob("[!.]*")}
    assert names == {"photo_starry.png", "photo_wave.png"}
    both = ("--style", "wave", "--style", "night", "--blend", "0.5,0.5")
    stylize(files, "cin", tmp_path / "blend.png", *both)
    assert (tmp_path / "blend.png").is_file()


@pytest.mark.parametrize(
    ("weights", "flags", "message"),
    [
        ("cin", (), "wave, starry, night"),
        ("cin", ("--style", "photo.jpg"), "wave, starry, night"),
        ("cin", ("--style", "wave", "--alpha", "0.5"), "strength"),
        ("johnson", ("--style", "2"), "wave"),
    ],
)
def test_what_there_is_not_is_one_line(
    files, tmp_path, capsys, weights, flags, message
):
    stylize(files, weights, tmp_path / "out.png", *flags, code=2)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_painting_becomes_a_style_by_one_command(files, tmp_path, monkeypatch):
    # The library's own gradient of a convolution compiles for long.
    @functools.wraps(make_cin_style)
    def native(options, **arguments):
        options = dataclasses.replace(options, native=True)
        return make_cin_style(options=options, **arguments)

    monkeypatch.setitem(methods.METHODS, "cin_style", native)
    target = tmp_path / "new.style"
    flags = [
        f"--weights={files / 'cin.safetensors'}",
        f"--out={target}",
        f"--photos=pictures:{files / 'photo.png'}",
        *("--steps=2", "--batch=1", "--crop=16", "--style-size=24"),
    ]
    call("style", "train", files / "new.png", *flags)
    stylize(files, "cin", tmp_path / "out.png", "--style", str(target))
    assert Image.open(tmp_path / "out.png").size == (20, 24)


def test_no_style_is_trained_for_a_model_that_takes_paintings(
    files, model_path, tmp_path, capsys
):
    flags = [f"--weights={model_path}", f"--out={tmp_path / 'new.style'}"]
    call("style", "train", files / "new.png", *flags, code=2)
    assert "style save" in capsys.readouterr().err
