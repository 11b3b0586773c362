import numpy as np
import pytest
from PIL import Image

from styleflax.inference.video.frame import Steadier, find_motion, move

STEP = 2, 3  # px down and right, of what a frame shows, from one to the next


@pytest.fixture(scope="module")
def ride():
    """Four contents of 64 x 80 px, and what a network that flickers makes of them."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (20, 24, 3), dtype=np.uint8)
    large = np.asarray(Image.fromarray(coarse).resize((120, 100))) / np.float32(255)
    places = [(20 - STEP[0] * k, 20 - STEP[1] * k) for k in range(4)]
    contents = [large[row : row + 64, column : column + 80] for row, column in places]
    noise = rng.normal(0, 0.1, (4, 64, 80, 3)).astype(np.float32)
    return contents, [1 - x + n for x, n in zip(contents, noise, strict=True)]


def warping_error(frames):
    """Between frames where the same thing is in both, by the true motion."""
    down, right = STEP
    pairs = zip(frames[1:], frames[:-1], strict=True)
    steps = [now[down:, right:] - past[:-down, :-right] for now, past in pairs]
    return float(np.square(steps).mean())


def test_motion_is_found(ride):
    contents, _ = ride
    flow = find_motion(contents[1], contents[0])
    inner = flow[:, 12:-12, 12:-12]
    assert np.abs(np.median(inner, axis=(1, 2)) + STEP).max() < 0.2
    moved = move(contents[0], flow)
    assert moved.dtype == np.float32
    assert np.abs(moved - contents[1])[12:-12, 12:-12].mean() < 0.03


def test_motion_of_a_large_frame_is_in_its_own_pixels(ride):
    large = [x.repeat(4, axis=0).repeat(4, axis=1) for x in ride[0]]
    flow = find_motion(large[1], large[0])
    inner = flow[:, 50:-50, 50:-50]
    assert np.abs(np.median(inner, axis=(1, 2)) + 4 * np.array(STEP)).max() < 0.8


def test_the_warping_error_falls(ride):
    contents, stylized = ride
    steadier = Steadier(0.5)
    pairs = enumerate(zip(stylized, contents, strict=True))
    made = [steadier(x, content, cut=k == 0) for k, (x, content) in pairs]
    assert np.array_equal(made[0], stylized[0])
    assert warping_error(made) < 0.6 * warping_error(stylized)
    assert made[3].dtype == np.float32


def test_nothing_is_taken_over_at_a_cut_or_where_contents_differ(ride):
    (content, other, *_), (stylized, later, *_) = ride
    steadier = Steadier(0.5)
    steadier(stylized, content, cut=True)
    assert np.array_equal(steadier(later, other, cut=True), later)
    # Nothing of a black frame can be found in a white one.
    black, white = np.zeros_like(content), np.ones_like(content)
    steadier(stylized, black, cut=False)
    assert np.abs(steadier(later, white, cut=False) - later).max() < 1e-6


def test_a_share_of_nothing_changes_nothing(ride):
    contents, stylized = ride
    steadier = Steadier(0.0)
    for content, made in zip(contents, stylized, strict=True):
        assert steadier(made, content, cut=False) is made
