"""Flicker on a ride over a real photograph, whose motion is known."""

import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer
from PIL import Image
from skimage.transform import warp

from styleflax.images.files import load_image_u8
from styleflax.images.listing import held_out_photo
from styleflax.inference.controls import make_plan
from styleflax.inference.video.stylizer import VideoStylizer

SIDE, RATE, COUNT = 64, 24, 8


@pytest.fixture(scope="module")
def ride():
    """Frames panned and zoomed, and of each (scale, corner): px there from its px."""
    photo = Image.fromarray(load_image_u8(held_out_photo())).resize((96, 96))
    views = [(1.0 - 0.01 * k, 8 + 1.5 * k, 6 + 0.75 * k) for k in range(COUNT)]
    frames = [
        photo.transform(
            (SIDE, SIDE),
            Image.Transform.AFFINE,
            (scale, 0, x, 0, scale, y),
            Image.Resampling.BICUBIC,
        )
        for scale, x, y in views
    ]
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 4, (COUNT, SIDE, SIDE, 3))  # a camera's
    noisy = np.stack([np.asarray(frame) for frame in frames]) + grain
    return np.uint8(np.clip(np.rint(noisy), 0, 255)), views


def warping_error(made, views):
    """Root of the mean square between a frame and the one before, moved along."""
    squares = []
    for k in range(1, len(made)):
        (before, *past), (now, *place) = views[k - 1 : k + 1]
        ratio = now / before
        shift = (np.subtract(place, past)) / before + (ratio - 1) / 2
        matrix = np.array([[ratio, 0, shift[0]], [0, ratio, shift[1]], [0, 0, 1]])
        moved = warp(made[k - 1], matrix, order=3, cval=np.nan)
        squares.append(np.nanmean(np.square(moved - made[k])))
    return float(np.sqrt(np.mean(squares)))


def test_the_defaults_lower_the_warping_error(ride, small_pictures, shared_programs):
    frames, views = ride
    stylizer, errors = make_narrow_stylizer("adain"), []
    style = stylizer.prepare_style(small_pictures[1])
    for how in ({"smooth_s": 0.0, "steady": 0.0}, {}):
        arguments = (stylizer._model, stylizer, [style], make_plan(1))
        video = VideoStylizer(*arguments, **how)
        made = [np.array(video(x, k / RATE)) for k, x in enumerate(frames)]
        assert video.num_scenes == 1
        errors.append(warping_error(made, views))
    assert errors[1] < 0.8 * errors[0]
