"""Pictures with all that a picture made from them should have."""

import io
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from styleflax.images import read as pictures
from styleflax.images.decoding import ImageError
from styleflax.images.files import as_float_image, load_image_u8
from styleflax.images.read import Picture, read_picture, srgb_profile

GPS = {1: "N", 2: (48.0, 51.0, 29.5), 3: "E", 4: (2.0, 17.0, 40.2)}


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, format=kind, **options)
    return file.getvalue()


def profile(space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped_srgb():
    """sRGB's profile with the tags of red and blue exchanged."""
    data = srgb_profile()
    for old, new in ((b"rXYZ", b"?XYZ"), (b"bXYZ", b"rXYZ"), (b"?XYZ", b"bXYZ")):
        data = data.replace(old, new, 1)
    return data


@pytest.fixture
def photo(make_picture):
    return Image.fromarray(make_picture(0, 32, 48))


def full_exif(orientation=6):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "A camera"
    exif[0x0132] = "2026:01:02 03:04:05"
    exif[0x8769] = {0x9003: "2026:01:02 03:04:05", 0xA002: 48, 0x927C: b"secret"}
    exif[0x8825] = GPS
    return exif


def read_exif(data):
    exif = Image.Exif()
    exif.load(data)
    return exif


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM"])
def test_every_format_gives_its_pixels(kind, photo):
    picture = read_picture(saved(photo, kind))
    assert picture.rgb_u8.shape == (32, 48, 3)
    far = 12 if kind == "GIF" else 6  # a palette, and the loss of JPEG and WebP
    assert np.abs(picture.rgb_u8.astype(int) - np.asarray(photo)).mean() < far
    assert (picture.format, picture.alpha_u8, picture.exif) == (kind, None, None)
    assert picture.notes == ()


@pytest.mark.parametrize("suffix", ["RGB", "RGBA"])
def test_heic_is_read_with_its_alpha(photo, suffix):
    pytest.importorskip("pillow_heif").register_heif_opener()
    given = photo.convert(suffix)
    if suffix == "RGBA":
        given.paste((0, 0, 0, 0), (0, 0, 16, 32))
    picture = read_picture(saved(given, "HEIF", quality=95))
    assert picture.rgb_u8.shape == (32, 48, 3)
    off = picture.rgb_u8[:, 20:].astype(int) - np.asarray(photo)[:, 20:]
    assert np.abs(off).mean() < 8
    if suffix == "RGBA":
        assert picture.alpha_u8[:, :14].max() < 10
        assert picture.alpha_u8[:, 18:].min() > 245
    else:
        assert picture.alpha_u8 is None


def test_a_turned_heic_is_upright_once(photo):
    pytest.importorskip("pillow_heif").register_heif_opener()
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = read_picture(saved(photo, "HEIF", exif=exif.tobytes(), quality=95))
    turned = np.asarray(photo.transpose(Image.Transpose.ROTATE_270))
    assert picture.rgb_u8.shape == turned.shape
    assert np.abs(picture.rgb_u8.astype(int) - turned).mean() < 8


def test_heic_without_its_package_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r'pip install "styleflax\[heif\]"'):
        read_picture(b"\0\0\0\x1cftypheic" + bytes(100))


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_opacity_and_color_are_kept_apart(mode):
    pixels = np.full((20, 20, len(mode)), 40, np.uint8)
    pixels[:, 10:15, -1] = 128
    pixels[:, 15:, -1] = 0
    picture = read_picture(saved(Image.fromarray(pixels, mode), "PNG"))
    assert (picture.alpha_u8 == pixels[..., -1]).all()
    assert (picture.rgb_u8[:, :15] == 40).all()
    assert (picture.rgb_u8[:, 15:] == 255).all()
    assert picture.mode == mode


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_on_white_is_what_load_image_gives(mode, tmp_path, photo):
    given = photo.convert(mode)
    if mode == "P":
        given.info["transparency"] = given.getpixel((0, 0))
    else:
        alpha = np.arange(256, dtype=np.uint8).repeat(6).reshape(32, 48)
        given.putalpha(Image.fromarray(alpha))
    given.save(tmp_path / "x.png")
    expected = load_image_u8(tmp_path / "x.png").astype(int)
    picture = read_picture(tmp_path / "x.png")
    assert picture.alpha_u8 is not None
    assert np.abs(picture.on_white() - expected).max() <= 1


def test_an_alpha_channel_that_hides_nothing_is_none(photo):
    assert read_picture(saved(photo.convert("RGBA"), "PNG")).alpha_u8 is None


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_opacity_is_turned_with_the_colors(orientation, kind, photo):
    alpha = np.zeros((32, 48), np.uint8)
    alpha[:8, :12] = 255
    given = photo.copy()
    given.putalpha(Image.fromarray(alpha))
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = read_picture(saved(given, kind, exif=exif))
    rotations = {3: 2, 6: -1, 8: 1}[orientation]
    np.testing.assert_array_equal(picture.alpha_u8, np.rot90(alpha, rotations))
    assert picture.rgb_u8.shape[:2] == picture.alpha_u8.shape


def test_a_profile_is_converted_to_srgb():
    red = Image.new("RGB", (20, 20), (200, 30, 30))
    picture = read_picture(saved(red, "PNG", icc_profile=swapped_srgb()))
    assert picture.rgb_u8[0, 0] == pytest.approx([30, 30, 200], abs=3)
    assert picture.icc_profile == srgb_profile()
    plain = read_picture(saved(red, "PNG", icc_profile=srgb_profile()))
    assert plain.rgb_u8[0, 0] == pytest.approx([200, 30, 30], abs=1)
    assert plain.notes == ()


def test_a_profile_of_transparent_and_16_bit_pictures_is_converted():
    gray = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # does not fit
    clear = Image.new("RGBA", (20, 20), (200, 30, 30, 9))
    picture = read_picture(saved(clear, "PNG", icc_profile=swapped_srgb()))
    assert picture.rgb_u8[0, 0] == pytest.approx([30, 30, 200], abs=3)
    assert (picture.alpha_u8 == 9).all()
    deep = Image.fromarray(np.full((20, 20), 257 * 99, np.uint16))
    picture = read_picture(saved(deep, "PNG", icc_profile=gray.tobytes()))
    assert (picture.rgb_u8 == 99).all()
    assert "color profile is ignored" in picture.notes[0]


@pytest.mark.parametrize("broken", [b"no profile", srgb_profile()[:200]])
def test_a_broken_profile_is_ignored_and_said(broken, photo):
    picture = read_picture(saved(photo, "PNG", icc_profile=broken))
    assert (picture.rgb_u8 == np.asarray(photo)).all()
    assert picture.icc_profile is None
    (note,) = picture.notes
    assert note.startswith("the data: the color profile is ignored: ")


def test_a_profile_for_other_colors_is_ignored(photo):
    picture = read_picture(saved(photo, "TIFF", icc_profile=profile("LAB")))
    assert (picture.rgb_u8 == np.asarray(photo)).all()
    assert len(picture.notes) == 1


def test_the_library_takes_profiles_too():
    red = Image.new("RGB", (20, 20), (200, 30, 30))
    red.info["icc_profile"] = swapped_srgb()
    assert as_float_image(red)[0, 0, 2] == pytest.approx(200 / 255, abs=0.01)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
def test_exif_goes_on_upright_without_what_is_the_old_files(kind, photo):
    if kind == "HEIF":
        pytest.importorskip("pillow_heif").register_heif_opener()
    picture = read_picture(saved(photo, kind, exif=full_exif().tobytes()))
    exif = read_exif(picture.exif)
    assert exif[0x0112] == 1
    assert exif[0x010F] == "A camera"
    inner = exif.get_ifd(0x8769)
    assert inner[0x9003] == "2026:01:02 03:04:05"
    assert not {0x927C, 0xA002} & set(inner)
    place = exif.get_ifd(0x8825)
    assert [float(x) for x in place[2]] == pytest.approx(GPS[2])
    assert b"secret" not in picture.exif
    # Where the strips lie, how they are packed: a TIFF file's own.
    assert not {0x0100, 0x0103, 0x0111, 0x0117} & set(exif)
    assert picture.notes == ()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_pictures_without_exif_get_none(kind, photo):
    assert read_picture(saved(photo, kind)).exif is None


def test_a_broken_exif_block_is_ignored_and_said(photo, monkeypatch):
    def fail(image):
        raise SyntaxError("not a TIFF file")

    monkeypatch.setattr(pictures, "retained_exif", fail)
    picture = read_picture(saved(photo, "JPEG"))
    assert picture.exif is None
    assert picture.notes == ("the data: the EXIF block is ignored: not a TIFF file",)


def test_a_bomb_is_refused_with_the_way_to_raise_the_limit(photo):
    with pytest.raises(
        ImageError, match=r"0.001 megapixels, got 48x32 pixels.*--max-megapixels"
    ):
        read_picture(saved(photo, "PNG"), max_megapixels=0.001)


def test_metadata_can_be_taken_away():
    pixels = np.zeros((20, 20, 3), np.uint8)
    picture = Picture(pixels, exif=b"x", icc_profile=b"y").without_metadata()
    assert (picture.exif, picture.icc_profile) == (None, None)
