import os

import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.labeled import open_labeled, read_classes
from styleflax.datasets.pipeline import center_crop
from styleflax.images.decoding import ImageError


def test_folders_are_classes(photo_folder):
    source = open_labeled(str(photo_folder))
    assert source.classes == {"label": ["set0", "set1"]}
    assert len(source) == 12
    for i in range(12):
        picture = source[i]
        assert picture.name == source.name(i)
        folder, _, name = picture.name.decode().partition("/")
        assert picture.labels == {"label": int(folder[-1])}
        assert picture.encoded == (photo_folder / folder / name).read_bytes()


def test_folder_without_folders_has_no_labels(photo_folder):
    source = open_labeled(str(photo_folder / "set0"))
    assert source.classes == {}
    assert source[0].labels == {}


def test_description_changes_with_names_and_sizes(photo_folder):
    def describe():
        return open_labeled(str(photo_folder)).description

    before = describe()
    assert describe() == before
    with (photo_folder / "set0" / "00.jpg").open("ab") as file:
        file.write(b"x")
    longer = describe()
    (photo_folder / "set0" / "00.jpg").rename(photo_folder / "set0" / "01.jpg")
    assert len({before, longer, describe()}) == 3


def test_picture_that_is_gone_is_an_os_error(photo_folder):
    (photo_folder / "set0" / "dead.png").symlink_to("nowhere")
    source = open_labeled(str(photo_folder))
    places = [i for i in range(13) if source.name(i) == b"set0/dead.png"]
    with pytest.raises(OSError, match="No such file"):
        source[places[0]]


def test_names_that_are_not_utf8_are_kept(photo_folder):
    odd = photo_folder / os.fsdecode(b"\xff")
    odd.mkdir()
    (photo_folder / "set0" / "00.jpg").rename(odd / "0.png")
    source = open_labeled(str(photo_folder))
    assert "\\xff" in source.classes["label"]
    assert b"\xff/0.png" in [source.name(i) for i in range(len(source))]


@pytest.mark.parametrize(("height", "width"), [(40, 60), (60, 40), (33, 33)])
def test_center_crop_is_the_middle_square_scaled(make_picture, encode, height, width):
    picture_u8 = make_picture(1, height, width)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    middle = Image.fromarray(picture_u8[top : top + side, left : left + side])
    expected = np.asarray(middle.resize((24, 24), Image.Resampling.BICUBIC))
    for picture in (picture_u8, encode(picture_u8, "PNG")):
        got = center_crop(picture, 24)
        assert np.abs(got.astype(int) - expected).max() <= 2


def test_center_crop_of_a_large_jpeg_decodes_a_draft(make_picture, encode):
    picture_u8 = make_picture(1, 400, 640)
    got = center_crop(encode(picture_u8), 32)
    expected = center_crop(picture_u8, 32)
    assert got.shape == (32, 32, 3)
    assert np.abs(got.astype(int) - expected).mean() < 3


def test_center_crop_of_damaged_data_is_an_image_error(make_picture, encode):
    data = encode(make_picture(1))
    with pytest.raises(ImageError):
        center_crop(data[: len(data) // 2], 16)


@pytest.fixture
def three_classes(tmp_path, encode, make_picture):
    """`make(split, *classes)`: folders cat, dog and fox, pictures in some of them."""

    def make(split, *with_pictures):
        for name in ("cat", "dog", "fox", ".ipynb_checkpoints", "__MACOSX"):
            (tmp_path / split / name).mkdir(parents=True)
        for name in (*with_pictures, "__MACOSX"):
            path = tmp_path / split / name / "x.jpg"
            path.write_bytes(encode(make_picture(0)))
        return str(tmp_path / split)

    return make


def test_a_class_without_pictures_keeps_its_number(three_classes):
    train = open_labeled(three_classes("train", "cat", "dog", "fox"))
    val = open_labeled(three_classes("val", "cat", "fox"))
    assert train.classes == val.classes == {"label": ["cat", "dog", "fox"]}
    assert [val[i].labels["label"] for i in range(len(val))] == [0, 2]
    assert (list(train.empty_classes), list(val.empty_classes)) == ([], ["dog"])
    assert "3 classes" in val.description
    assert "classes" not in train.description


def test_a_given_list_of_classes_decides_their_numbers(three_classes, tmp_path):
    (tmp_path / "classes.txt").write_text("fox\n\nowl\ncat\n")
    classes = read_classes(tmp_path / "classes.txt")
    source = open_labeled(three_classes("val", "cat", "fox"), classes=classes)
    assert source.classes == {"label": ["fox", "owl", "cat"]}
    assert [source[i].labels["label"] for i in range(2)] == [2, 0]
    assert list(source.empty_classes) == ["owl"]


def test_classes_that_do_not_fit_are_refused(three_classes, photo_folder, tmp_path):
    folder = three_classes("val", "cat", "dog")
    with pytest.raises(ValueError, match=r"'dog' in .* is not among the 1 given"):
        open_labeled(folder, classes=["cat"])
    with pytest.raises(ValueError, match="lie in no class folders"):
        open_labeled(str(photo_folder / "set0"), classes=["a"])
    with pytest.raises(ValueError, match="has its own classes"):
        open_labeled("tfds:imagenette", classes=["a"])
    (tmp_path / "twice").write_text("a\na\n")
    with pytest.raises(ValueError, match="names 'a' twice"):
        read_classes(tmp_path / "twice")
    (tmp_path / "none").write_text("\n")
    with pytest.raises(ValueError, match="names no class"):
        read_classes(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no list of classes"):
        read_classes(tmp_path / "gone")


def test_pictures_beside_an_empty_folder_have_no_labels(photo_folder):
    (photo_folder / "set0" / "empty").mkdir()
    assert open_labeled(str(photo_folder / "set0")).classes == {}
