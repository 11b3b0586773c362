"""Folders of photos in many styles, as a library function."""

from pathlib import Path

import pytest
from fake_stylizer import FakeStylizer

import styleflax
from styleflax.images import load_image_u8
from styleflax.inference.folders import WriteOptions, stylize_folder


@pytest.fixture
def fake(monkeypatch):
    stylizer = FakeStylizer()
    monkeypatch.setattr(styleflax.Stylizer, "load", lambda *_, **__: stylizer)
    return stylizer


@pytest.fixture
def folders(write_picture, tmp_path):
    for seed, name in enumerate(("photos/a.png", "photos/b.png", "arts/s.png")):
        write_picture(tmp_path / name, seed=seed)
    return [tmp_path / "photos"], [tmp_path / "arts"]


def names(made):
    return [path.name for path in made]


def test_every_photo_gets_every_style(fake, folders, tmp_path):
    made = stylize_folder(*folders, tmp_path / "out")
    assert names(made.written) == ["a_s.png", "b_s.png"]
    assert not made.failed
    photo = load_image_u8(folders[0][0] / "a.png")
    assert (load_image_u8(made.written[0]) == 255 - photo).all()


def test_work_is_resumed_and_failures_are_named(fake, folders, tmp_path):
    resuming = WriteOptions(suffix=".webp", resume=True)
    first = stylize_folder(
        *folders, tmp_path / "out", write_options=resuming, alpha=0.5
    )
    (folders[0][0] / "c.png").write_text("no image")
    again = stylize_folder(
        *folders, tmp_path / "out", write_options=resuming, alpha=0.5
    )
    assert again.skipped == first.written
    assert names(first.written) == ["a_s.webp", "b_s.webp"]
    ((name, reason),) = again.failed.items()
    assert "c.png" in name
    assert "not an image" in reason


def test_shares_make_one_result_of_all_styles(fake, folders, write_picture, tmp_path):
    write_picture(folders[1][0] / "t.png", seed=9)
    shares = {"weights": [1, 3]}
    made = stylize_folder(*folders, tmp_path / "out", **shares)
    assert names(made.written) == ["a_s+t.png", "b_s+t.png"]
    assert fake.plan.shares == ((0.25, 0.75),)


def test_mistakes_are_found_before_the_model_is_loaded(folders, tmp_path, monkeypatch):
    def load(*_, **__):
        raise AssertionError

    monkeypatch.setattr(styleflax.Stylizer, "load", load)
    with pytest.raises(ValueError, match="alpha must be"):
        stylize_folder(*folders, tmp_path / "out", alpha=2.0)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        stylize_folder([Path("nowhere")], folders[1], tmp_path / "out")
