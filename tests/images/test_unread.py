"""Files that are taken for pictures: each is named, with what to do."""

import gzip
import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from styleflax.images import decoding as heif
from styleflax.images.decoding import ImageError, open_image
from styleflax.images.read import load_rgb

BEGINNINGS = {
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "JPEG 2000", "magick"),
    "a.j2k": (b"\xff\x4f\xff\x51\0", "JPEG 2000", "magick"),
    "a.jxl": (b"\xff\x0a" + b"\0" * 20, "JPEG XL", "djxl"),
    "b.jxl": (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL", "djxl"),
    "a.psd": (b"8BPS\0\1", "Photoshop", "export"),
    "a.svg": (b'<?xml version="1.0"?>\n<svg xmlns="x">', "SVG", "inkscape"),
    "b.svg": (b'\xef\xbb\xbf <svg width="3">', "SVG", "inkscape"),
    "a.svgz": (gzip.compress(b"<svg/>"), "archive", "unpack"),
    "a.ico": (b"\0\0\1\0\1\0", "ICO", "save"),
    "a.tga": (b"\0\0\2" + b"\0" * 30, "TGA", "convert"),
    "a.pdf": (b"%PDF-1.7", "PDF", "pdftoppm"),
    "a.eps": (b"%!PS-Adobe-3.0 EPSF-3.0", "PostScript", "convert"),
    "a.exr": (b"\x76\x2f\x31\x01", "high dynamic range", "tone-map"),
    "a.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw", "develop"),
    "a.nef": (b"hello", "raw", "develop"),
    "a.mp4": (b"\0\0\0\x18ftypisom\0\0\2\0", "a video", "styleflax video"),
    "a.webm": (b"\x1aE\xdf\xa3", "a video", "styleflax video"),
    "a.ogv": (b"OggS", "a video", "styleflax video"),
    "a.zip": (b"PK\x03\x04", "archive", "unpack"),
    "lfs.jpg": (b"version https://git-lfs.github.com/spec/v1\n", "LFS", "git lfs pull"),
    "page.jpg": (b"\n<!DOCTYPE html><html>", "a web page", "download"),
    "empty.png": (b"", "an empty file", "copy"),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_formats_that_are_not_read_are_named_with_what_to_do(name, tmp_path):
    data, kind, advice = BEGINNINGS[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ImageError, match="is not an image that can be read") as error:
        open_image(tmp_path / name)
    assert kind in str(error.value)
    assert advice in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.jp2", "a.psd", "a.svg", "a.pdf", "lfs.jpg"])
def test_content_says_it_also_under_another_name_or_none(name):
    data, kind, _ = BEGINNINGS[name]
    with pytest.raises(ImageError, match=kind):
        open_image(data)


@pytest.mark.parametrize("suffix", ["ico", "tga", "jp2"])
def test_files_as_pillow_writes_them_are_named(suffix, make_picture, tmp_path):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(make_picture(0, 32, 32)).save(path)
    with pytest.raises(ImageError, match="it is a"):
        open_image(path)


@pytest.mark.parametrize("marked_by", ["tag", "suffix", "preview"])
def test_a_raw_file_is_not_taken_for_its_preview(marked_by, make_picture, tmp_path):
    path = tmp_path / ("x.dng" if marked_by == "suffix" else "x.tif")
    version = [(50706, "B", 4, (1, 4, 0, 0), True)] if marked_by == "tag" else []
    with tifffile.TiffWriter(path) as file:
        is_preview = marked_by == "preview"
        file.write(
            make_picture(0, 32, 32),
            photometric="rgb",
            subfiletype=int(is_preview),
            subifds=1 if is_preview else None,
            extratags=version,
        )
        if is_preview:
            file.write(np.zeros((64, 64), np.uint16), subfiletype=0)
    with pytest.raises(ImageError, match="raw file"):
        open_image(path)


@pytest.fixture
def avif(make_picture):
    file = io.BytesIO()
    Image.fromarray(make_picture(0)).save(file, "AVIF", quality=95)
    return file.getvalue()


@pytest.mark.parametrize("major", [b"avif", b"mif1"])
def test_avif_is_read(major, avif, make_picture):
    picture = load_rgb(avif.replace(b"ftypavif", b"ftyp" + major, 1))
    assert np.abs(np.asarray(picture).astype(int) - make_picture(0)).mean() < 4


def test_where_pillow_cannot_read_avif_the_message_says_what_to_install(
    avif, monkeypatch
):
    monkeypatch.setattr(heif.PillowImage, "OPEN", {})
    monkeypatch.setattr(heif.PillowImage, "init", lambda: None)
    with pytest.raises(
        ImageError, match=r"AVIF needs Pillow 11\.3 or later.*pip install"
    ):
        open_image(avif)
