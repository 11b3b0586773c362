import os

import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.augment import centre_crop
from styleflax.datasets.labelled import open_labelled
from styleflax.images.decoding import ImageError


def test_folders_are_classes(photo_folder):
    source = open_labelled(str(photo_folder))
    assert source.classes == {"label": ["set0", "set1"]}
    assert len(source) == 12
    for i in range(12):
        picture = source[i]
        assert picture.name == source.name(i)
        folder, _, name = picture.name.decode().partition("/")
        assert picture.labels == {"label": int(folder[-1])}
        assert picture.encoded == (photo_folder / folder / name).read_bytes()


def test_folder_without_folders_has_no_labels(photo_folder):
    source = open_labelled(str(photo_folder / "set0"))
    assert source.classes == {}
    assert source[0].labels == {}


def test_description_changes_with_names_and_sizes(photo_folder):
    def describe():
        return open_labelled(str(photo_folder)).description

    before = describe()
    assert describe() == before
    with (photo_folder / "set0" / "00.jpg").open("ab") as file:
        file.write(b"x")
    longer = describe()
    (photo_folder / "set0" / "00.jpg").rename(photo_folder / "set0" / "01.jpg")
    assert len({before, longer, describe()}) == 3


def test_picture_that_is_gone_is_an_os_error(photo_folder):
    (photo_folder / "set0" / "dead.png").symlink_to("nowhere")
    source = open_labelled(str(photo_folder))
    places = [i for i in range(13) if source.name(i) == b"set0/dead.png"]
    with pytest.raises(OSError, match="No such file"):
        source[places[0]]


def test_names_that_are_not_utf8_are_kept(photo_folder):
    odd = photo_folder / os.fsdecode(b"\xff")
    odd.mkdir()
    (photo_folder / "set0" / "00.jpg").rename(odd / "0.png")
    source = open_labelled(str(photo_folder))
    assert "\\xff" in source.classes["label"]
    assert b"\xff/0.png" in [source.name(i) for i in range(len(source))]


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (33, 33)])
def test_centre_crop_is_the_middle_square_scaled(make_picture, encode, height, width):
    picture_u8 = make_picture(1, height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = Image.fromarray(picture_u8[top : top + side, left : left + side])
    expected = np.asarray(middle.resize((24, 24), Image.Resampling.BICUBIC))
    for picture in (picture_u8, encode(picture_u8, "PNG")):
        got = centre_crop(picture, 24)
        assert np.abs(got.astype(int) - expected).max() <= 2


def test_centre_crop_of_a_large_jpeg_decodes_a_draft(make_picture, encode):
    picture_u8 = make_picture(1, 400, 640)
    got = centre_crop(encode(picture_u8), 32)
    expected = centre_crop(picture_u8, 32)
    assert got.shape == (32, 32, 3)
    assert np.abs(got.astype(int) - expected).mean() < 3


def test_centre_crop_of_damaged_data_is_an_image_error(make_picture, encode):
    data = encode(make_picture(1))
    with pytest.raises(ImageError):
        centre_crop(data[: len(data) // 2], 16)
