import json

import numpy as np
import pytest
import safetensors.numpy

from styleflax.inference.styles.file import (
    StyleFile,
    check_style,
    is_style_file,
    load_style,
    save_style,
)

RNG = np.random.default_rng(0)
MOMENTS = {name: RNG.normal(size=(1, 8)).astype(np.float32) for name in ("mean", "std")}
FEATURES = {"deep": {"relu5_1": RNG.normal(size=(1, 3, 5, 8)).astype(np.float16)}}


def make(style=MOMENTS):
    return StyleFile(style, "adain", "small", "0123abcd" * 8, "scream.jpg")


@pytest.fixture
def path(tmp_path):
    save_style(tmp_path / "scream.style", make())
    return tmp_path / "scream.style"


@pytest.mark.parametrize("style", [MOMENTS, FEATURES])
def test_a_style_comes_back_bit_for_bit(tmp_path, style):
    save_style(tmp_path / "a.style", make(style))
    loaded = load_style(tmp_path / "a.style")
    assert loaded[1:] == make()[1:]
    if style is MOMENTS:
        pairs = [(loaded.style[k], MOMENTS[k]) for k in MOMENTS]
    else:
        pairs = [(loaded.style["deep"]["relu5_1"], FEATURES["deep"]["relu5_1"])]
    for got, expected in pairs:
        assert got.dtype == expected.dtype
        np.testing.assert_array_equal(got, expected)


def test_moments_take_kilobytes(path):
    assert path.stat().st_size < 2048


def test_every_damaged_byte_of_the_content_is_noticed(path):
    whole = path.read_bytes()
    for place in (len(whole) - 1, len(whole) - 40, 9, 30, 200):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"scream\.style"):
            load_style(path)


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_cut_file_is_refused(path, length):
    path.write_bytes(path.read_bytes()[:length])
    cut = "not a complete style file"
    reason = cut if length else "an empty file: copy or download"
    with pytest.raises(ValueError, match=reason):
        load_style(path)


def rewrite(path, **changes):
    """The same file with other metadata, its digest not updated."""
    with safetensors.safe_open(path, "numpy") as file:
        header = json.loads(file.metadata()["styleflax-style"])
    tensors = safetensors.numpy.load_file(path)
    metadata = {"styleflax-style": json.dumps(header | changes)}
    path.write_bytes(safetensors.numpy.save(tensors, metadata))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 3}, "format version 3.*pip install --upgrade"),
        ({"version": None}, "metadata of .* are damaged"),
        ({"method": 3}, "names must be strings"),
        ({"model_digest": "0" * 64}, "SHA-256 is not the recorded one"),
        ({"sha256": 5}, "SHA-256 is not the recorded one"),
    ],
)
def test_changed_metadata_are_refused(path, changes, message):
    rewrite(path, **changes)
    with pytest.raises(ValueError, match=message):
        load_style(path)


def test_other_safetensors_files_are_no_styles(tmp_path):
    path = tmp_path / "model.style"
    path.write_bytes(safetensors.numpy.save(MOMENTS))
    with pytest.raises(ValueError, match="not a style file of styleflax"):
        load_style(path)


def test_a_missing_file_says_what_makes_one(tmp_path):
    with pytest.raises(FileNotFoundError, match="styleflax style save"):
        load_style(tmp_path / "none.style")


def test_only_finite_halves_and_floats_are_written(tmp_path):
    for bad in (np.full((1, 8), np.nan, np.float32), np.zeros((1, 8))):
        with pytest.raises(ValueError, match="mean must be finite float16 or float32"):
            save_style(tmp_path / "a.style", make({"mean": bad}))
    with pytest.raises(ValueError, match=r"must end in \.style"):
        save_style(tmp_path / "a.png", make())
    with pytest.raises(OSError, match="cannot write the style file"):
        save_style(tmp_path / "none" / "a.style", make())
    assert not list(tmp_path.iterdir())


def test_a_style_of_another_make_is_refused():
    check_style(make(), MOMENTS, "a.style")
    check_style(make(FEATURES), {"deep": {"relu5_1": np.zeros((1, 9, 9, 8), "f2")}}, "")
    for other in (
        {"mean": MOMENTS["mean"]},
        MOMENTS | {"mean": np.zeros((1, 9), np.float32)},
        MOMENTS | {"mean": np.zeros((1, 8), np.float16)},
        MOMENTS | {"mean": np.zeros((1, 1, 8), np.float32)},
    ):
        with pytest.raises(ValueError, match=r"a\.style does not hold a style of ada"):
            check_style(make(), other, "a.style")


def test_style_files_are_known_by_their_suffix(tmp_path):
    assert is_style_file("a.style")
    assert is_style_file(tmp_path / "A.STYLE")
    assert not is_style_file("style")
    assert not is_style_file(np.zeros(3))
