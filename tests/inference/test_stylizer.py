import io

import numpy as np
import pytest
from PIL import Image

from styleflax.images.files import to_float
from styleflax.inference.stylizer import Stylized, Stylizer


@pytest.fixture(scope="module")
def stylizer(model_path):
    # Whole pictures, as windows of so many sizes would only take time here.
    return Stylizer.load(model_path, tile_px=0)


@pytest.fixture(scope="module")
def photo(write_picture, tmp_path_factory):
    """A photograph as a path and as a uint8 array."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    return path, write_picture(path, seed=1)


@pytest.fixture(scope="module")
def painting(write_picture, tmp_path_factory):
    return write_picture(tmp_path_factory.mktemp("painting") / "p.png", seed=2)


@pytest.fixture(scope="module")
def expected(stylizer, photo, painting):
    return stylizer(photo[1], painting).array


def test_result_is_float32_in_unit_range_and_of_the_contents_size(expected, photo):
    assert expected.dtype == np.float32
    assert expected.shape == photo[1].shape
    assert expected.min() >= 0
    assert expected.max() <= 1
    assert expected.std() > 0.01


@pytest.mark.parametrize("kind", ["path", "string", "pillow", "float", "jax", "rgba"])
def test_every_kind_of_picture_gives_the_same_result(
    stylizer, photo, painting, expected, kind
):
    import jax.numpy as jnp

    path, image_u8 = photo
    opaque = np.full((*image_u8.shape[:2], 1), 255, np.uint8)
    content = {
        "path": path,
        "string": str(path),
        "pillow": Image.fromarray(image_u8),
        "float": to_float(image_u8),
        "jax": jnp.asarray(image_u8),
        "rgba": np.concatenate([image_u8, opaque], axis=2),
    }[kind]
    np.testing.assert_array_equal(stylizer(content, painting).array, expected)


def test_every_kind_of_picture_serves_as_a_style(stylizer, photo, painting, expected):
    for style in (Image.fromarray(painting), to_float(painting)):
        np.testing.assert_array_equal(stylizer(photo[1], style).array, expected)


def test_gray_content_equals_its_three_equal_channels(stylizer, photo, painting):
    gray = photo[1][..., 0]
    three = np.repeat(gray[..., None], 3, axis=2)
    one, other = (stylizer(content, painting).array for content in (gray, three))
    assert one.shape == (*gray.shape, 3)
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("height", "width"), [(17, 19), (16, 100)])
def test_odd_sizes_are_kept(stylizer, painting, height, width):
    content = np.zeros((height, width, 3), np.uint8)
    assert stylizer(content, painting).array.shape == (height, width, 3)


def test_style_encoded_once_gives_the_same_picture(stylizer, photo, painting, expected):
    style = stylizer.encode_style(painting)
    np.testing.assert_array_equal(stylizer(photo[1], style).array, expected)


def test_large_styles_are_shrunk(stylizer, painting, monkeypatch):
    from styleflax.images.files import resize_short_side

    monkeypatch.setattr("styleflax.inference.styles.encode.STYLE_SIZE_PX", 32)
    large = np.asarray(Image.fromarray(painting).resize((64, 64)))
    shrunk, given = (
        stylizer.encode_style(image) for image in (large, resize_short_side(large, 32))
    )
    np.testing.assert_array_equal(shrunk["mean"], given["mean"])


def test_alpha_decides_how_much_style_there_is(stylizer, photo, painting, expected):
    none = stylizer(photo[1], painting, alpha=0).array
    other = stylizer(photo[1], 255 - painting, alpha=0).array
    np.testing.assert_allclose(none, other, atol=1e-6)
    assert np.abs(none - expected).max() > 0.01
    # At 0 the statistics stay the content's: its own style changes nothing.
    own = stylizer(photo[1], photo[1], alpha=1).array
    np.testing.assert_allclose(none, own, atol=1e-3)


@pytest.mark.parametrize("alpha", [float("nan"), -0.1, 1.1, float("inf")])
def test_alpha_outside_the_unit_range_is_refused(stylizer, photo, painting, alpha):
    with pytest.raises(ValueError, match=rf"alpha must be in \[0, 1\], got {alpha}"):
        stylizer(photo[1], painting, alpha=alpha)


def test_size_is_the_short_side_of_the_result(stylizer, painting):
    content = np.zeros((32, 200, 3), np.uint8)
    assert stylizer(content, painting, size=16).array.shape == (16, 100, 3)


def test_size_below_the_least_is_refused(stylizer, photo, painting):
    with pytest.raises(ValueError, match="size must be at least 16 px, got 15"):
        stylizer(photo[1], painting, size=15)


def test_batch_equals_its_pictures_one_by_one(stylizer, photo, painting):
    contents = np.stack([photo[1], 255 - photo[1], photo[1][::-1]])
    batch = stylizer(contents, painting).array
    assert batch.shape == (3, *photo[1].shape)
    for content, stylized in zip(contents, batch, strict=True):
        single = stylizer(content, painting).array
        np.testing.assert_allclose(single, stylized, atol=1e-5)


def test_batch_of_no_pictures_is_refused(stylizer, painting):
    with pytest.raises(ValueError, match="at least one image, got none"):
        stylizer(np.zeros((0, 32, 32, 3), np.uint8), painting)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((15, 32, 3), np.uint8), "at least 16x16 pixels, got 32x15"),
        (np.full((32, 32, 3), np.nan), "nan"),
        (np.full((32, 32, 3), 255.0), r"must be in \[0, 1\], got values"),
        (np.zeros((32, 32, 3), np.int64), "must have dtype uint8 or float"),
        (np.zeros((32, 32, 2)), "shape"),
    ],
)
def test_unusable_arrays_are_refused(stylizer, painting, content, message):
    with pytest.raises(ValueError, match=message):
        stylizer(content, painting)


def test_missing_content_is_reported(stylizer, painting, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.png"):
        stylizer(tmp_path / "nothing.png", painting)


def test_one_program_serves_a_size_at_every_alpha_and_style(stylizer, photo, painting):
    stylizer(photo[1], painting)
    programs = stylizer._renderer.programs
    compiled = programs.run._cache_size(), programs.encode._cache_size()
    stylizer(255 - photo[1], 255 - painting, alpha=0.3)
    assert (programs.run._cache_size(), programs.encode._cache_size()) == compiled


def test_unknown_weights_are_reported_with_what_makes_them():
    with pytest.raises(FileNotFoundError, match="styleflax weights export RUN -o FILE"):
        Stylizer.load("no_such_weights")


def test_saved_picture_is_the_array_in_8_bits(tmp_path, expected):
    Stylized(expected).save(tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        saved = np.asarray(image)
    np.testing.assert_array_equal(saved, np.rint(expected * 255))
    np.testing.assert_array_equal(saved, np.asarray(Stylized(expected).to_pillow()))


def test_batch_cannot_be_saved_as_one_picture(tmp_path):
    with pytest.raises(ValueError, match="got a batch of 2"):
        Stylized(np.zeros((2, 16, 16, 3), np.float32)).save(tmp_path / "out.png")


def test_saving_where_nothing_can_be_written_is_an_os_error(tmp_path):
    picture = Stylized(np.zeros((16, 16, 3), np.float32))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        picture.save(tmp_path / "missing" / "out.png")
    with pytest.raises(ValueError, match="suffix must be one of"):
        picture.save(tmp_path / "out.xyz")
    (tmp_path / "taken.png").mkdir()
    with pytest.raises(OSError, match=r"taken\.png"):
        picture.save(tmp_path / "taken.png")
    assert [path.name for path in tmp_path.iterdir()] == ["taken.png"]


@pytest.mark.parametrize(
    "kind", ["bytes", "bytearray", "memoryview", "BytesIO", "open"]
)
def test_encoded_pictures_are_taken_as_paths_are(
    stylizer, photo, painting, expected, kind
):
    encoded = photo[0].read_bytes()
    with photo[0].open("rb") as file:
        file.read(7)  # Pillow, too, begins at the beginning
        make = {
            "bytes": bytes,
            "bytearray": bytearray,
            "memoryview": memoryview,
            "BytesIO": io.BytesIO,
            "open": lambda _: file,
        }[kind]
        content = make(encoded)
        for _ in range(2):
            made = stylizer(content, painting).array
            np.testing.assert_array_equal(made, expected)
        batch = stylizer([content, photo[0]], painting).array
        np.testing.assert_array_equal(batch[0], expected)


def test_an_encoded_painting_is_taken_as_its_path_is(
    stylizer, photo, painting, tmp_path
):
    Image.fromarray(painting).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    expected = stylizer(photo[1], tmp_path / "p.png").array
    for style in (data, io.BytesIO(data)):
        np.testing.assert_array_equal(stylizer(photo[1], style).array, expected)


@pytest.mark.parametrize("role", ["content", "style"])
@pytest.mark.parametrize("given", [5, {"a": 1}, object(), {1, 2}, io.StringIO("x")])
def test_the_error_for_anything_else_names_what_is_taken(stylizer, photo, role, given):
    arguments = {"content": photo[1], "style": photo[1], role: given}
    with pytest.raises(ValueError, match=r"must be|binary mode|style") as error:
        stylizer(**arguments)
    if role == "content":
        text = str(error.value)
        assert "open binary file, a Pillow image or an array" in text or "rb" in text


def test_a_pipe_is_read_once(stylizer, photo, painting, expected):
    class Pipe(io.BytesIO):
        def seekable(self):
            return False

    content = Pipe(photo[0].read_bytes())
    made = stylizer(content, painting, masks="alpha").array
    np.testing.assert_array_equal(made, expected)
