import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.pipeline import random_crop
from styleflax.images.decoding import ImageError
from styleflax.images.files import resize_short_side


def crop(picture, seed=0, crop_px=32, resize_px=40, flip=False):
    return random_crop(picture, np.random.default_rng(seed), crop_px, resize_px, flip)


@pytest.mark.parametrize(
    ("height", "width"), [(40, 60), (300, 50), (17, 17), (90, 700)]
)
@pytest.mark.parametrize("kind", ["PNG", "JPEG", None])
def test_crops_are_squares_of_the_asked_size(height, width, kind, make_picture, encode):
    picture = make_picture(0, height, width)
    for seed in range(5):
        cropped = crop(picture if kind is None else encode(picture, kind), seed)
        assert cropped.shape == (32, 32, 3)
        assert cropped.dtype == np.uint8


def test_the_crop_equals_resizing_everything_and_cropping(make_picture):
    picture = make_picture(3, 90, 120)
    resized = resize_short_side(picture, 45).astype(int)
    cropped = crop(picture, 5, 32, 45).astype(int)
    differences = [
        np.abs(resized[top : top + 32, left : left + 32] - cropped).mean()
        for top in range(45 - 32 + 1)
        for left in range(60 - 32 + 1)
    ]
    # The crop starts between two pixels of the resized picture.
    assert min(differences) < 8
    assert np.median(differences) > 30


def test_the_aspect_is_kept(encode):
    # Equal stripes both ways: after any scaling that keeps the aspect their
    # periods stay equal.
    y, x = np.mgrid[:160, :240]
    waves = (np.sin(y / 4) + np.sin(x / 4) + 2) * 63
    stripes = np.repeat(waves[..., None], 3, axis=2).astype(np.uint8)
    cropped = crop(encode(stripes, quality=95), 1, 64, 80).astype(float)[..., 0]
    spectrum = np.abs(np.fft.fft2(cropped - cropped.mean()))
    down, across = spectrum[:, 0][1:32].argmax(), spectrum[0][1:32].argmax()
    assert abs(int(down) - int(across)) <= 1


def test_a_large_jpeg_gives_the_crop_that_its_full_decoding_gives(encode):
    blocks = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    picture = np.kron(blocks, np.ones((4, 4, 1), np.uint8))
    data = encode(picture, quality=98, subsampling=0)
    drafted, full = crop(data, 2).astype(int), crop(picture, 2).astype(int)
    assert np.abs(drafted - full).mean() < 12


def test_small_pictures_are_enlarged(make_picture):
    assert crop(make_picture(0, 16, 16), 0, 64, 64).shape == (64, 64, 3)


def test_the_whole_short_side_is_reached(make_picture):
    ramp = np.zeros((40, 400, 3), np.uint8)
    ramp[:] = np.linspace(0, 255, 400).astype(np.uint8)[:, None]
    centers = [crop(ramp, seed, 40, 40)[20, 20, 0] for seed in range(200)]
    assert min(centers) < 25
    assert max(centers) > 230


def test_half_of_the_crops_are_mirrored_if_asked():
    ramp = np.zeros((40, 40, 3), np.uint8)
    ramp[:] = np.linspace(0, 255, 40).astype(np.uint8)[:, None]
    mirrored = [crop(ramp, i, 32, 40, flip=True)[5, 0, 0] > 127 for i in range(200)]
    assert 70 < sum(mirrored) < 130
    assert not any(crop(ramp, i, 32, 40)[5, 0, 0] > 127 for i in range(50))


def test_a_range_of_sizes_varies_the_scale(make_picture):
    def roughness(resize_px):
        crops = [crop(noise, i, 32, resize_px).astype(float) for i in range(20)]
        return [float(np.abs(np.diff(one, axis=0)).mean()) for one in crops]

    noise = make_picture(0, 64, 64)
    assert np.std(roughness((32, 128))) > 2 * np.std(roughness(64))


def test_exif_rotation_is_applied(make_picture, encode):
    upright = make_picture(0, 64, 64)
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(np.ascontiguousarray(np.rot90(upright)), exif=exif, quality=98)
    difference = crop(data, 1, 40, 40).astype(int) - crop(upright, 1, 40, 40)
    assert np.abs(difference).mean() < 3


def test_the_same_generator_gives_the_same_crop(make_picture):
    picture = make_picture(0, 100, 100)
    assert (crop(picture, 4, flip=True) == crop(picture, 4, flip=True)).all()
    assert (crop(picture, 4) != crop(picture, 5)).any()


@pytest.mark.parametrize("resize_px", [31, (20, 64), (64, 40)])
def test_crops_that_do_not_fit_are_refused(resize_px, make_picture):
    with pytest.raises(ValueError, match="got crop_px 32"):
        crop(make_picture(0), 0, 32, resize_px)


def test_damaged_pictures_raise_image_error(encode, make_picture):
    data = encode(make_picture(0, 200, 200))
    for damaged in (data[:500], data[: len(data) // 2], b"", b"text"):
        with pytest.raises(ImageError):
            crop(damaged)
