"""Masks as people have them: zeros and ones, label maps by number or color."""

import io
import itertools

import numpy as np
import pytest
from PIL import Image

from styleflax.images.decoding import MAX_MEGAPIXELS, ImageError
from styleflax.inference.masks.read import (
    check_masks,
    check_style_mask,
    mask_file,
    read_label,
    read_mask,
)

LABELS = np.repeat(np.array([[0, 0, 1, 3], [0, 2, 2, 3]], np.uint8), 4, axis=0)
COLORS = ((0, 0, 0), (255, 0, 0), (0, 255, 0), (128, 64, 32))


@pytest.fixture
def maps(tmp_path):
    """The same label map in gray, with a palette, in colors, in 16 bits, of bilevel."""
    palette = Image.fromarray(LABELS)
    palette.putpalette(list(itertools.chain(*COLORS)))
    pictures = {
        "grey.png": Image.fromarray(LABELS),
        "palette.png": palette,
        "colors.png": palette.convert("RGB"),
        "deep.png": Image.fromarray(LABELS.astype(np.uint16)),
        "two.png": Image.fromarray(LABELS == 3),
        "[x].png": Image.fromarray(np.where(LABELS == 1, np.uint8(255), np.uint8(0))),
    }
    for name, picture in pictures.items():
        picture.save(tmp_path / name)
    return tmp_path


def mask(maps, text):
    return read_mask(str(maps / text), "mask 1", MAX_MEGAPIXELS)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("grey.png[3]", 3),
        ("grey.png[#030303]", 3),
        ("palette.png[2]", 2),
        ("palette.png[#00ff00]", 2),
        ("palette.png[#0f0]", 2),
        ("palette.png[0]", 0),
        ("colors.png[#804020]", 3),
        ("colors.png[red]", 1),
        ("colors.png[#FF0000]", 1),
        ("deep.png[2]", 2),
        ("two.png[1]", 3),
    ],
)
def test_a_label_is_taken_by_number_or_color(maps, text, label):
    np.testing.assert_array_equal(mask(maps, text), (label == LABELS) * np.uint8(255))


def test_a_file_whose_name_has_brackets_is_that_file(maps):
    expected = (LABELS == 1) * np.uint8(255)
    np.testing.assert_array_equal(mask(maps, "[x].png"), expected)
    np.testing.assert_array_equal(mask(maps, "[x].png[255]"), expected)
    (maps / "grey.png[3]").write_bytes((maps / "[x].png").read_bytes())
    np.testing.assert_array_equal(mask(maps, "grey.png[3]"), expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("grey.png[7]", "mask 1 has no label 7; it has 0, 1, 2, 3"),
        ("palette.png[#123456]", "no label #123456; it has #000000, #00ff00, #804020"),
        (
            "colors.png[3]",
            r"colors, not numbers: give a color such as \[#ff0000\]; it has",
        ),
    ],
)
def test_a_label_that_is_not_there_lists_those_that_are(maps, text, message):
    with pytest.raises(ValueError, match=message):
        mask(maps, text)


@pytest.mark.parametrize("label", ["#zz", "-1", "", "reddish", "3.5"])
def test_what_is_no_label_is_told_with_what_is(maps, label):
    with pytest.raises(ValueError, match="must be a whole number as in") as error:
        mask(maps, f"grey.png[{label}]")
    assert str(error.value).endswith(f"got [{label}]")
    with pytest.raises(FileNotFoundError):
        mask(maps, f"gone.png[{label}]")


def test_colors_of_a_jpeg_are_said_to_be_inexact(maps):
    Image.open(maps / "colors.png").save(maps / "colors.jpg")
    with pytest.raises(
        ValueError, match="JPEG does not keep colors exactly, so use PNG"
    ):
        mask(maps, "colors.jpg[#123456]")


def test_a_label_map_that_is_missing_or_broken_is_named(maps):
    with pytest.raises(FileNotFoundError, match=r"there is no image '.*gone\.png'"):
        mask(maps, "gone.png[3]")
    (maps / "half.png").write_bytes((maps / "colors.png").read_bytes()[:60])
    with pytest.raises(ImageError, match=r"mask 1 is damaged|cannot be opened"):
        mask(maps, "half.png[3]")


def test_labels_turn_as_the_picture_does(maps):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(LABELS).save(maps / "turned.png", exif=exif)
    expected = np.rot90(LABELS == 3, -1) * np.uint8(255)
    np.testing.assert_array_equal(mask(maps, "turned.png[3]"), expected)


def test_transparent_parts_of_a_label_are_not_in_it(maps):
    alpha = np.full(LABELS.shape, 255, np.uint8)
    alpha[:4] = 0
    picture = Image.open(maps / "colors.png")
    picture.putalpha(Image.fromarray(alpha))
    picture.save(maps / "clear.png")
    expected = (LABELS == 3) * alpha
    np.testing.assert_array_equal(mask(maps, "clear.png[#804020]"), expected)


@pytest.mark.parametrize("text", ["m.png", "m[3].png", "m.png[]", "m.png[none of it]"])
def test_other_names_have_no_label(text):
    assert read_label(text) is None
    assert str(mask_file(text)) == text


ONES = (LABELS == 3).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "I;16", "I", "1", "LA"])
def test_a_mask_file_of_zeros_and_ones_is_black_and_white(mode, tmp_path, caplog):
    picture = {
        "I;16": lambda: Image.fromarray(ONES.astype(np.uint16)),
        "I": lambda: Image.fromarray(ONES.astype(np.int32)),
        "1": lambda: Image.fromarray(ONES == 1),
        "RGB": lambda: Image.fromarray(np.dstack([ONES] * 3)),
        "LA": lambda: Image.fromarray(np.dstack([ONES, ONES * 0 + 255])),
    }.get(mode, lambda: Image.fromarray(ONES))()
    if mode == "P":
        picture.putpalette([0, 0, 0, 1, 1, 1])
    path = tmp_path / ("m.tif" if mode == "I" else "m.png")
    picture.save(path)
    for given in (path, picture, path.read_bytes(), io.BytesIO(path.read_bytes())):
        values = np.asarray(read_mask(given, "mask 1"), np.float32)
        np.testing.assert_array_equal(values / values.max(), ONES)
        assert values.max() in {1, 255}
    assert not caplog.records


@pytest.mark.parametrize(
    "dtype", [np.uint8, np.int64, np.int32, np.uint16, bool, float]
)
def test_an_array_of_zeros_and_ones_is_black_and_white(dtype):
    values = check_style_mask(ONES.astype(dtype), "mask")
    np.testing.assert_array_equal(values / values.max(), ONES)
    assert values.max() == 1


@pytest.mark.parametrize("name", ["colors.png", "palette.png"])
def test_a_colored_map_without_a_label_warns(maps, name, caplog):
    mask(maps, name)
    assert "mask 1 is colored, and only its brightness counts" in caplog.text
    assert "labels.png[#ff0000]" in caplog.text


@pytest.mark.parametrize("name", ["grey.png"])
def test_a_gray_label_map_without_a_label_warns(maps, name, caplog):
    mask(maps, name)
    assert "greatest value is 3 of 255" in caplog.text
    assert "labels.png[3]" in caplog.text


def test_ordinary_masks_do_not_warn(tmp_path, caplog):
    rng = np.random.default_rng(0)
    soft = np.asarray(Image.fromarray(ONES * 255).resize((64, 64), Image.BICUBIC))
    Image.fromarray(soft).save(tmp_path / "soft.jpg", quality=60)
    noisy = np.clip(
        soft[..., None].astype(int) + rng.integers(-9, 9, (64, 64, 3)), 0, 255
    )
    Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / "noisy.png")
    for name in ("soft.jpg", "noisy.png"):
        read_mask(tmp_path / name, "mask")
    assert not caplog.records


def test_several_labels_of_one_map_are_several_masks(maps):
    path = str(maps / "palette.png")
    mask_set = check_masks([f"{path}[1]", f"{path}[#00ff00]", "rest"])
    assert mask_set.names[0] == "mask 1 (palette.png[1])"
    np.testing.assert_array_equal(mask_set.sources[1], (LABELS == 2) * np.uint8(255))
