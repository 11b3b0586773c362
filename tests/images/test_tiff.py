"""TIFF files of every layout, against the samples that were written."""

import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from styleflax.images.decoding import ImageError, open_image
from styleflax.images.read import load_rgb, read_picture

TYPES = ("u1", "u2", "u4", "f2", "f4", "f8")
# (compression, predictor) that tifffile writes and reads without its codecs.
CODINGS = ((None, False), ("zlib", False), ("zlib", True))


def as_type(image_u8, kind):
    """The same picture in samples of another type, in the ranges that are known."""
    if kind.startswith("f"):
        return (image_u8 / 255).astype(kind)
    factor = 1 if kind == "u1" else 257
    return (image_u8.astype(np.uint32) * factor).astype(kind)


def tiff(samples, order="<", **options):
    file = io.BytesIO()
    with tifffile.TiffWriter(file, byteorder=order) as writer:
        writer.write(samples, **options)
    return file.getvalue()


def assert_reads(data, expected_u8, tolerance=1):
    got = np.asarray(load_rgb(data)).astype(int)
    assert got.shape == expected_u8.shape
    assert np.abs(got - expected_u8).max() <= tolerance
    assert np.abs(read_picture(data).on_white().astype(int) - got).max() <= 1


@pytest.mark.parametrize(
    ("kind", "channels"),
    # An opacity of 32 bits is of the whole range, which these samples are not.
    [(kind, 3) for kind in TYPES] + [(kind, 4) for kind in TYPES if kind != "u4"],
)
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_colors_are_as_written_in_every_layout(kind, planar, channels, make_picture):
    image = make_picture(1, 40, 60)
    if channels == 4:
        image = np.dstack([image, np.full(image.shape[:2], 255, np.uint8)])
    samples = as_type(image, kind)
    samples = np.moveaxis(samples, -1, 0) if planar == "separate" else samples
    extra = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    for order, tile, (coding, predictor) in itertools.product(
        "<>", (None, (16, 32)), CODINGS
    ):
        if predictor and kind.startswith("f"):
            continue  # the floats' own predictor needs more codecs
        options = {
            "photometric": "rgb",
            "planarconfig": planar,
            "tile": tile,
            "rowsperstrip": None if tile else 7,
            "compression": coding,
            "predictor": predictor or None,
        }
        assert_reads(tiff(samples, order, **options, **extra), image[..., :3])


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("meaning", ["minisblack", "miniswhite"])
def test_gray_is_as_written_in_every_layout(kind, meaning, make_picture):
    image = make_picture(2, 40, 60)[..., 0]
    samples = as_type(image, kind)
    if meaning == "miniswhite":
        samples = as_type(255 - image, kind)
    for order, tile, (coding, predictor) in itertools.product(
        "<>", (None, (16, 32)), CODINGS
    ):
        if predictor and kind.startswith("f"):
            continue
        options = {"tile": tile, "compression": coding, "predictor": predictor or None}
        data = tiff(samples, order, photometric=meaning, **options)
        assert_reads(data, np.repeat(image[..., None], 3, axis=2))


def test_planes_of_16_bits_of_a_file_made_by_hand(make_picture):
    image = make_picture(3, 40, 60)
    deep = image.astype("<u2") * 257
    height, width, _ = image.shape
    planes = b"".join(np.ascontiguousarray(deep[..., k]).tobytes() for k in range(3))
    size, end = height * width * 2, 8 + len(planes)
    lists = struct.pack("<3H", 16, 16, 16)
    lists += struct.pack("<3I", *(8 + k * size for k in range(3)))
    lists += struct.pack("<3I", size, size, size)
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, end),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 3, end + 6),
        (277, 3, 1, 3),
        (278, 4, 1, height),
        (279, 4, 3, end + 18),
        (284, 3, 1, 2),
    ]
    directory = struct.pack("<H", len(entries))
    directory += b"".join(struct.pack("<HHII", *entry) for entry in entries)
    head = b"II*\0" + struct.pack("<I", end + len(lists))
    data = head + planes + lists + directory + b"\0" * 4
    np.testing.assert_array_equal(
        tifffile.imread(io.BytesIO(data)), np.moveaxis(deep, -1, 0)
    )
    assert_reads(data, image, 0)


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_cmyk_of_16_bits_is_read(planar, make_picture):
    image = make_picture(4, 40, 60)
    inks = np.dstack([255 - image, np.zeros(image.shape[:2], np.uint8)])
    samples = as_type(inks, "u2")
    samples = np.moveaxis(samples, -1, 0) if planar == "separate" else samples
    data = tiff(samples, photometric="separated", planarconfig=planar)
    assert_reads(data, image)


@pytest.mark.parametrize("kind", ["u2", "f4"])
@pytest.mark.parametrize("extra", ["unassalpha", "assocalpha"])
def test_opacity_is_kept_apart(kind, extra, make_picture):
    image = make_picture(5, 40, 60)
    alpha = np.full(image.shape[:2], 128, np.uint8)
    alpha[:, :30] = 255
    color = (
        np.rint(image * (alpha[..., None] / 255)) if extra == "assocalpha" else image
    )
    samples = as_type(np.dstack([color, alpha]).astype(np.uint8), kind)
    options = {
        "photometric": "rgb",
        "planarconfig": "separate",
        "extrasamples": [extra],
    }
    picture = read_picture(tiff(np.moveaxis(samples, -1, 0), **options))
    assert np.abs(picture.alpha_u8.astype(int) - alpha).max() <= 1
    assert np.abs(picture.rgb_u8.astype(int) - image).max() <= 2


def test_gray_with_opacity_of_16_bits_is_read(make_picture):
    gray = make_picture(6, 40, 60)[..., :2].copy()
    gray[..., 1] = 255
    options = {"photometric": "minisblack", "planarconfig": "contig"}
    data = tiff(as_type(gray, "u2"), extrasamples=["unassalpha"], **options)
    assert_reads(data, np.repeat(gray[..., :1], 3, axis=2))


def test_orientation_and_profile_of_floats_count(make_picture):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = make_picture(7, 40, 60)
    tags = [(274, "H", 1, 6, True), (34675, "B", len(profile), profile, True)]
    data = tiff(as_type(image, "f4"), photometric="rgb", extratags=tags)
    picture = read_picture(data)
    assert np.abs(picture.rgb_u8.astype(int) - np.rot90(image, -1)).max() <= 1
    assert picture.icc_profile is not None
    assert picture.format == "TIFF"


def test_lights_above_white_do_not_darken_floats(make_picture):
    image = make_picture(8, 40, 60)
    samples = as_type(image, "f4")
    samples[0, 0] = 40.0
    got = np.asarray(load_rgb(tiff(samples, photometric="rgb"))).astype(int)
    assert np.abs(got[1:] - image[1:]).max() <= 1
    assert (got[0, 0] == 255).all()


def as_if(data, tag, value):
    """A file whose tag says something else."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        entry = file.pages.first.tags[tag]
        place, order = entry.valueoffset, file.byteorder
    return data[:place] + struct.pack(f"{order}H", value) + data[place + 2 :]


LZW = (
    "compression LZW and predictor 2 of 32-bit samples (`pip install imagecodecs` adds "
    "it)"
)


@pytest.mark.parametrize(
    ("tag", "value", "reason"),
    [
        (259, 5, LZW),
        (317, 3, "compression ADOBE_DEFLATE and predictor 3 of 32-bit samples"),
        (262, 8, "pixels of CIELAB"),
    ],
)
def test_layouts_that_are_not_read_say_why(tag, value, reason, make_picture):
    samples = as_type(make_picture(0), "u4")
    options = {"photometric": "rgb", "compression": "zlib", "predictor": True}
    with pytest.raises(ImageError, match="is a TIFF file with") as error:
        load_rgb(as_if(tiff(samples, **options), tag, value))
    assert reason in str(error.value)
    assert "save it as RGB of 8 or 16 bits" in str(error.value)


def test_complex_samples_are_not_read(make_picture):
    data = tiff(make_picture(0)[..., 0].astype(np.complex64), photometric="minisblack")
    with pytest.raises(ImageError, match="neither integers nor floats"):
        load_rgb(data)


def test_floats_are_not_decoded_beyond_the_limit(make_picture):
    data = tiff(np.zeros((300, 400, 3), np.float32), photometric="rgb")
    with pytest.raises(ImageError, match="megapixels, got 400x300"):
        open_image(data, max_megapixels=0.1)
    with pytest.raises(ImageError, match="at least 16x16"):
        open_image(tiff(np.zeros((300, 4, 3), np.float32), photometric="rgb"))


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_half_a_file_of_floats_is_damaged(keep, make_picture):
    data = tiff(as_type(make_picture(0), "f4"), photometric="rgb", compression="zlib")
    with pytest.raises(ImageError):
        load_rgb(data[: int(len(data) * keep)])


def test_ordinary_files_are_left_to_pillow(make_picture, tmp_path):
    Image.fromarray(make_picture(0)).save(tmp_path / "x.tif", compression="tiff_lzw")
    with open_image(tmp_path / "x.tif") as image:
        assert type(image).__module__.startswith("PIL.")
    np.testing.assert_array_equal(load_rgb(tmp_path / "x.tif"), make_picture(0))


def test_a_file_that_claims_more_than_it_can_hold_is_refused(make_picture):
    samples = as_type(make_picture(0), "f4")
    data = tiff(samples, photometric="rgb", compression="zlib")
    with pytest.raises(ImageError, match="larger than the file can hold"):
        load_rgb(as_if(data, 257, 60_000))
