import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from styleflax import memory
from styleflax.datasets.builders.base import storable
from styleflax.datasets.pipeline import center_crop
from styleflax.images.decoding import ImageError
from styleflax.images.files import as_float_image, decode_image_u8, load_image_u8
from styleflax.images.read import load_rgb, read_picture
from styleflax.memory import NotEnoughMemoryError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def png(image: Image.Image, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG", **options)
    return file.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def raw_png(width: int, height: int, bits: int, color: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_exif_rotation_is_applied(orientation, kind, make_picture):
    upright = make_picture(0, 32, 48)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(stored)).save(
        file, format=kind, exif=exif, quality=98
    )
    decoded = decode_image_u8(file.getvalue())
    assert decoded.shape == (32, 48, 3)
    assert np.abs(decoded.astype(int) - upright).mean() < 3


@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_broken_exif_does_not_spoil_the_picture(exif, make_picture, encode):
    data = encode(make_picture(0), "JPEG", exif=exif)
    assert decode_image_u8(data).shape == (40, 60, 3)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_white(mode):
    pixels = np.zeros((20, 20, len(mode)), np.uint8)
    pixels[:, :10, -1] = 255
    pixels[:, 10:15, -1] = 128
    decoded = decode_image_u8(png(Image.fromarray(pixels, mode)))
    assert (decoded[:, :10] == 0).all()
    assert (decoded[:, 10:15] == 127).all()
    assert (decoded[:, 15:] == 255).all()


def test_premultiplied_modes_of_pillow_are_taken():
    rgba = Image.new("RGBA", (20, 20), (200, 100, 0, 128))
    assert as_float_image(rgba.convert("RGBa"))[0, 0] == pytest.approx(
        np.array([227, 177, 127]) / 255, abs=0.01
    )
    la = Image.new("LA", (20, 20), (100, 0))
    assert (as_float_image(la.convert("La")) == 1).all()


def test_palette_becomes_color_and_its_transparent_entry_white():
    image = Image.new("P", (20, 20), 0)
    image.putpalette([*RED, 0, 0, 255])
    image.paste(1, (10, 0, 20, 20))
    assert tuple(decode_image_u8(png(image))[0, 0]) == RED
    decoded = decode_image_u8(png(image, transparency=1))
    assert tuple(decoded[0, 0]) == RED
    assert tuple(decoded[0, 19]) == WHITE


def test_transparent_color_of_an_rgb_png_becomes_white():
    image = Image.new("RGB", (20, 20), RED)
    image.paste((0, 255, 0), (10, 0, 20, 20))
    decoded = decode_image_u8(png(image, transparency=(0, 255, 0)))
    assert tuple(decoded[0, 0]) == RED
    assert tuple(decoded[0, 19]) == WHITE


@pytest.mark.parametrize("mode", ["L", "1"])
def test_gray_and_bilevel_become_rgb(mode):
    image = Image.new("L", (20, 20), 0)
    image.paste(255, (10, 0, 20, 20))
    decoded = decode_image_u8(png(image.convert(mode)))
    assert tuple(decoded[0, 0]) == (0, 0, 0)
    assert tuple(decoded[0, 19]) == WHITE


def test_cmyk_jpeg_keeps_its_colors():
    file = io.BytesIO()
    Image.new("CMYK", (32, 32), (0, 255, 255, 0)).save(file, "JPEG", quality=98)
    assert np.abs(decode_image_u8(file.getvalue()).astype(int) - RED).max() < 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_gray_of_16_bits_is_scaled_not_clipped(kind):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)
    file = io.BytesIO()
    Image.fromarray(np.tile(ramp, (20, 1))).save(file, format=kind)
    decoded = decode_image_u8(file.getvalue())
    assert (decoded[0, :, 0] == np.arange(256)).all()


def test_rgb_png_of_16_bits_is_scaled():
    values = np.zeros((20, 20, 3), ">u2")
    values[..., 0], values[..., 1] = 65535, 32768
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    decoded = decode_image_u8(raw_png(20, 20, 16, 2, rows))
    assert tuple(decoded[5, 5]) == (255, 128, 0)


@pytest.mark.parametrize("high", [1.0, 255.0, 4000.0])
def test_float_tiff_spans_the_range_of_8_bits(high):
    ramp = np.linspace(0, high, 32, dtype=np.float32)
    file = io.BytesIO()
    Image.fromarray(np.tile(ramp, (20, 1))).save(file, format="TIFF")
    decoded = decode_image_u8(file.getvalue())
    assert decoded[0, 0, 0] == 0
    assert decoded[0, -1, 0] == 255


def test_integers_beyond_16_bits_are_stretched():
    ramp = np.linspace(-10, 1 << 20, 32).astype(np.int32)
    file = io.BytesIO()
    Image.fromarray(np.tile(ramp, (20, 1))).save(file, format="TIFF")
    decoded = decode_image_u8(file.getvalue())
    assert (decoded[0, 0, 0], decoded[0, -1, 0]) == (0, 255)


def test_multi_frame_files_give_their_first_frame():
    frames = [Image.new("RGB", (20, 20), color) for color in (RED, WHITE)]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert tuple(decode_image_u8(file.getvalue())[0, 0]) == RED


def test_a_header_as_large_as_a_bomb_is_refused_before_decoding():
    bomb = raw_png(40_000, 40_000, 8, 2, b"")
    with pytest.raises(ImageError, match=r"200 megapixels, got 40000x40000"):
        decode_image_u8(bomb)


def test_the_pixel_limit_is_an_argument_and_pillows_own_stays(
    encode, make_picture, monkeypatch
):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 89_000_000)
    data = encode(make_picture(0, 100, 100))
    with pytest.raises(ImageError, match="megapixels"):
        decode_image_u8(data, max_megapixels=0.005)
    # Above what Pillow itself refuses; the header passes, the data is missing.
    with pytest.raises(ImageError, match="damaged"):
        decode_image_u8(raw_png(15_000, 13_000, 1, 0, b""))
    assert Image.MAX_IMAGE_PIXELS == 89_000_000


def test_small_pictures_are_refused_with_their_size(encode, make_picture):
    with pytest.raises(ImageError, match=r"16x16 pixels, got 60x15"):
        decode_image_u8(encode(make_picture(0, 15, 60)))
    small = decode_image_u8(encode(make_picture(0, 15, 60)), min_side_px=1)
    assert small.shape == (15, 60, 3)


@pytest.mark.parametrize(
    "content", [b"", b"hello", bytes(range(256)) * 20, b"%PDF-1.4"]
)
def test_what_is_no_picture_is_said_to_be_none(content, tmp_path):
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match="not an image") as error:
        load_image_u8(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_truncated_pictures_are_damaged(kind, encode, make_picture):
    data = encode(make_picture(0, 200, 200), kind)
    with pytest.raises(ImageError):
        decode_image_u8(data[: len(data) // 2])


def test_postscript_is_never_opened(tmp_path):
    path = tmp_path / "x.jpg"
    Image.new("RGB", (20, 20)).save(path, "EPS")
    with pytest.raises(ImageError, match="not an image"):
        load_image_u8(path)


def test_a_missing_file_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_image_u8(tmp_path / "nowhere.jpg")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(ImageError, match="cannot be opened"):
        load_image_u8(tmp_path)


def test_the_first_picture_of_a_stereo_jpeg_is_taken():
    file = io.BytesIO()
    left, right = (Image.new("RGB", (20, 20), color) for color in (RED, WHITE))
    left.save(file, "MPO", save_all=True, append_images=[right])
    assert np.abs(decode_image_u8(file.getvalue())[0, 0] - np.array(RED)).max() < 3


@pytest.mark.parametrize("read", [load_rgb, read_picture])
def test_pixels_that_do_not_fit_into_memory_are_not_decoded(read, monkeypatch):
    data = png(Image.new("RGB", (3000, 2000)))
    monkeypatch.setattr(memory, "available_bytes", lambda: 70_000_000)

    def decode(_):
        raise AssertionError

    monkeypatch.setattr(Image.Image, "load", decode)
    with pytest.raises(
        NotEnoughMemoryError,
        match=r"^decoding the data of 3000x2000 pixels needs about 72 MB .* make a",
    ):
        read(data)


def test_memory_that_ends_while_decoding_is_no_damage(monkeypatch):
    def decode(_):
        raise MemoryError

    data = png(Image.new("RGB", (30, 20)))
    monkeypatch.setattr(PngImageFile, "load", decode)
    for use in (load_rgb, read_picture, storable, lambda x: center_crop(x, 16)):
        with pytest.raises(NotEnoughMemoryError, match="of 30x20 pixels needs more"):
            use(data)
