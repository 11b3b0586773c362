"""Pictures written: whole or not at all, with alpha and metadata where they fit."""

import io

import numpy as np
import pytest
from PIL import Image

from styleflax.images.decoding import ImageError
from styleflax.images.files import encode_picture, keeps_alpha, write_picture
from styleflax.images.read import Picture, read_picture, srgb_profile

EXIF = Image.Exif()
EXIF[0x0112], EXIF[0x010F] = 1, "A camera"


@pytest.fixture
def clear(make_picture):
    """A picture of which the left half cannot be seen."""
    alpha_u8 = np.zeros((40, 60), np.uint8)
    alpha_u8[:, 30:] = 255
    return Picture(make_picture(0), alpha_u8, EXIF.tobytes(), srgb_profile())


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".TIFF"])
def test_alpha_and_metadata_come_back(clear, suffix, tmp_path):
    assert keeps_alpha(suffix)
    write_picture(clear, tmp_path / f"x{suffix}")
    back = read_picture(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(back.alpha_u8, clear.alpha_u8)
    assert np.abs(back.on_white().astype(int) - clear.on_white()).mean() < 2
    assert back.exif == clear.exif
    assert back.icc_profile == clear.icc_profile


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_formats_without_alpha_get_white_paper(clear, suffix):
    assert not keeps_alpha(suffix)
    back = read_picture(encode_picture(clear, suffix))
    assert back.alpha_u8 is None
    assert back.rgb_u8[:, :20].min() > 240
    assert np.abs(back.rgb_u8.astype(int) - clear.on_white()).mean() < 3
    assert (back.exif is None) == (suffix == ".bmp")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
def test_stripped_pictures_name_no_camera_and_no_profile(clear, suffix):
    data = encode_picture(clear.without_metadata(), suffix)
    assert b"camera" not in data
    with Image.open(io.BytesIO(data)) as image:
        assert "icc_profile" not in image.info


def test_existing_files_stay_unless_asked(clear, tmp_path):
    path = tmp_path / "x.png"
    path.write_text("dear")
    with pytest.raises(FileExistsError, match=r"x\.png' exists already"):
        write_picture(clear, path)
    assert path.read_text() == "dear"
    write_picture(clear, path, overwrite=True)
    assert read_picture(path).rgb_u8.shape == (40, 60, 3)
    assert [p.name for p in tmp_path.iterdir()] == ["x.png"]


def test_what_a_format_cannot_hold_is_one_line_and_no_file(tmp_path):
    wide = Picture(np.zeros((1, 20_000, 3), np.uint8))
    with pytest.raises(ImageError, match="20000x1 pixels as WEBP") as error:
        write_picture(wide, tmp_path / "x.webp")
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_an_exif_block_too_long_for_jpeg_is_left_out(clear):
    long = clear._replace(exif=b"Exif\0\0" + bytes(70_000))
    assert read_picture(encode_picture(long, ".jpg")).exif is None


def test_unknown_suffixes_are_named(clear, tmp_path):
    with pytest.raises(ValueError, match=r"x\.gif.*\.bmp, .*\.webp"):
        write_picture(clear, tmp_path / "x.gif")
