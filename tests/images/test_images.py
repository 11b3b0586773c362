import numpy as np
import pytest
from PIL import Image

from styleflax.images.files import (
    as_float_image,
    load_image_u8,
    resize_short_side,
    save_image,
    to_float,
    to_u8,
)
from styleflax.images.grid import image_grid
from styleflax.images.listing import list_images

RED, WHITE = (255, 0, 0), (255, 255, 255)


def test_list_images_is_recursive_sorted_and_blind_to_case(photo_folder):
    (photo_folder / "notes.txt").write_text("no picture")
    (photo_folder / "folder.jpg").mkdir()
    (photo_folder / "dead.png").symlink_to("nowhere")
    (photo_folder / "set0" / "loop").symlink_to(photo_folder)
    found = list_images(photo_folder)
    assert len(found) == 12
    assert found == sorted(found)
    assert {path.suffix for path in found} == {".jpg", ".PNG", ".webp"}


def test_list_images_follows_links_to_other_folders(photo_folder, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a").symlink_to(photo_folder)
    assert len(list_images(tmp_path / "links")) == 12


def test_list_images_of_no_folder_fails(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder"):
        list_images(tmp_path / "none")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".JPEG", ".webp", ".bmp", ".tif"])
def test_saved_pictures_come_back(suffix, tmp_path, make_picture):
    picture = make_picture(0)
    save_image(to_float(picture), tmp_path / f"x{suffix}")
    loaded = load_image_u8(tmp_path / f"x{suffix}")
    assert np.abs(loaded.astype(int) - picture).mean() < 2
    assert [path.name for path in tmp_path.iterdir()] == [f"x{suffix}"]


def test_floats_are_clipped_and_rounded_when_saved(tmp_path):
    values = np.array([-0.5, 0.4999 / 255, 0.5001 / 255, 0.5, 2.0])
    save_image(np.tile(values[:, None, None], (1, 20, 3)), tmp_path / "x.png")
    loaded = load_image_u8(tmp_path / "x.png", min_side_px=1)
    assert loaded[:, 0, 0].tolist() == [0, 0, 1, 128, 255]


def test_gray_arrays_and_pillow_pictures_can_be_saved(tmp_path):
    save_image(np.zeros((20, 20)), tmp_path / "a.png")
    save_image(Image.new("RGBA", (20, 20), (0, 0, 0, 0)), tmp_path / "b.jpg")
    assert load_image_u8(tmp_path / "a.png").max() == 0
    assert load_image_u8(tmp_path / "b.jpg").min() == 255


def test_saving_says_which_suffixes_there_are(tmp_path):
    with pytest.raises(ValueError, match=r"x\.xyz.*\.jpg.*\.png"):
        save_image(np.zeros((20, 20, 3)), tmp_path / "x.xyz")


def test_saving_where_one_cannot_write_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="no folder"):
        save_image(np.zeros((20, 20, 3)), tmp_path / "none" / "x.png")
    (tmp_path / "x.png").mkdir()
    with pytest.raises(OSError, match=r"cannot write .*x\.png"):
        save_image(np.zeros((20, 20, 3)), tmp_path / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((20, 20, 5)), "shape"),
        (np.zeros((1, 20, 20, 3)), "shape"),
        (np.full((20, 20, 3), np.nan), "finite"),
        (np.zeros((20, 20, 3), np.int32), "int32"),
    ],
)
def test_what_is_no_picture_cannot_be_saved(array, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        save_image(array, tmp_path / "x.png")


def test_as_float_image_takes_paths_pillow_pictures_and_arrays(tmp_path, make_picture):
    picture = make_picture(0)
    save_image(picture, tmp_path / "x.png")
    expected = picture.astype(np.float32) / 255
    for source in (
        str(tmp_path / "x.png"),
        tmp_path / "x.png",
        Image.fromarray(picture),
        picture,
        expected.astype(np.float64),
        np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)]),
    ):
        image = as_float_image(source)
        assert image.dtype == np.float32
        np.testing.assert_allclose(image, expected, atol=1e-6)


def test_as_float_image_takes_gray_and_transparent_arrays():
    gray = np.linspace(0, 1, 400).reshape(20, 20)
    for source in (gray, gray[..., None]):
        np.testing.assert_allclose(as_float_image(source)[..., 2], gray, atol=1e-6)
    clear = np.zeros((20, 20, 4))
    clear[..., 3] = 0.25
    np.testing.assert_allclose(as_float_image(clear), 0.75)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((3, 20, 20)), r"got \(3, 20, 20\)"),
        (np.full((20, 20, 3), 255.0), r"\[0, 1\], got values from 255"),
        (np.full((20, 20, 3), np.nan), r"\[0, 1\], got values from nan"),
        (np.zeros((20, 20, 3), np.int64), "int64"),
        (np.zeros((20, 15, 3), np.uint8), "15x20"),
    ],
)
def test_as_float_image_refuses_other_arrays(array, message):
    with pytest.raises(ValueError, match=message):
        as_float_image(array)


@pytest.mark.parametrize(("height", "width"), [(40, 60), (61, 40), (17, 300)])
def test_resize_short_side_keeps_the_aspect(height, width, make_picture):
    resized = resize_short_side(make_picture(0, height, width), 32)
    assert min(resized.shape[:2]) == 32
    scale = 32 / min(height, width)
    assert abs(resized.shape[0] - height * scale) <= 0.5
    assert abs(resized.shape[1] - width * scale) <= 0.5
    pillow = resize_short_side(Image.fromarray(make_picture(0, height, width)), 32)
    assert (np.asarray(pillow) == resized).all()
    with pytest.raises(ValueError, match="size_px"):
        resize_short_side(resized, 0)


def test_bytes_to_floats_and_back_is_identity():
    values = np.arange(256, dtype=np.uint8)
    assert (to_u8(to_float(values)) == values).all()


def test_grid_fits_pictures_of_any_size_into_cells():
    red = np.zeros((20, 40, 3), np.uint8)
    red[..., 0] = 255
    blue = np.zeros((100, 50, 3))
    blue[..., 2] = 1
    grid = image_grid([[red, blue], [None, red]], cell_px=32, gap_px=2)
    # The second row is as high as the wide picture in it.
    assert grid.shape == (34 + 18 + 2, 2 * 34 + 2, 3)
    assert tuple(grid[2 + 16, 2 + 16]) == RED
    assert tuple(grid[2 + 2, 2 + 16]) == WHITE  # above the wide picture
    assert tuple(grid[2 + 16, 36 + 16]) == (0, 0, 255)
    assert tuple(grid[36 + 8, 2 + 16]) == WHITE  # the empty cell
    captioned = image_grid(
        [[red, blue]], captions=[["a", "much too long for it"]], cell_px=32
    )
    assert (captioned[36:] < 128).any()
    assert captioned.shape[1] == 2 * 36 + 4
    headed = image_grid(
        [[None, None], [red, blue]], captions=[["", "name"], ["a", "b"]], cell_px=32
    )
    assert headed.shape == (captioned.shape[0] + 18 + 4, captioned.shape[1], 3)


def test_grid_refuses_nothing_and_batches():
    with pytest.raises(ValueError, match="at least one image"):
        image_grid([[]])
    with pytest.raises(ValueError, match="shape"):
        image_grid([[np.zeros((1, 20, 20, 3))]])
