"""What one call of `styleflax stylize` does once: plan, read, encode."""

import collections

import pytest
from narrow_stylizer import make_narrow_stylizer

import styleflax
from styleflax.images import decoding
from styleflax.inference import controls, stylizer


@pytest.fixture
def opened(monkeypatch):
    """How often each picture was opened, by its name."""
    counts = collections.Counter()
    plain = decoding._opened

    def spy(source, head):
        counts[source.name] += 1
        return plain(source, head)

    monkeypatch.setattr(decoding, "_opened", spy)
    return counts


@pytest.fixture
def calls(monkeypatch, shared_programs):
    """How often plans are made and paintings are encoded, by a narrow model."""
    counts = collections.Counter()
    narrow = make_narrow_stylizer("adain")

    def counted(name, function):
        def call(*arguments, **ways):
            counts[name] += 1
            return function(*arguments, **ways)

        return call

    encode = counted("encode", narrow._renderer.programs.encode)
    narrow._styles._encode = encode
    make_plan = counted("plan", controls.make_plan)
    monkeypatch.setattr(controls, "make_plan", make_plan)
    monkeypatch.setattr(stylizer, "make_plan", make_plan)
    monkeypatch.setattr(styleflax.Stylizer, "load", lambda *_, **__: narrow)
    return counts


def test_a_photo_and_a_painting_are_read_once(
    command, pictures, tmp_path, opened, calls
):
    photo, painting = pictures / "photo.png", pictures / "painting.png"
    code, _, _ = command(
        "stylize", photo, "--style", painting, "-o", tmp_path / "o.png"
    )
    assert code == 0
    assert dict(opened) == {"photo.png": 1, "painting.png": 1}
    assert calls == {"plan": 1, "encode": 1}


def test_masks_are_read_once(command, pictures, tmp_path, opened, calls):
    photo, painting = pictures / "photo.png", pictures / "painting.png"
    mask = pictures / "arts" / "s.png"
    arguments = ("--style", painting, "--mask", mask, "-o", tmp_path / "o.png")
    assert command("stylize", photo, *arguments)[0] == 0
    assert opened["s.png"] == opened["photo.png"] == 1
    assert calls == {"plan": 1, "encode": 1}


def test_a_painting_is_encoded_once_for_a_folder(command, pictures, tmp_path, calls):
    arguments = ("--style", pictures / "arts" / "s.png", "-o", tmp_path / "out")
    assert command("stylize", pictures / "photos", *arguments)[0] == 0
    assert calls == {"plan": 1, "encode": 1}
