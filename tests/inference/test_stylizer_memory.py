"""Pictures that do not fit into memory."""

import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer

from styleflax import memory
from styleflax.inference.controls import make_plan
from styleflax.inference.video import frame
from styleflax.inference.video.stylizer import VideoStylizer
from styleflax.memory import NotEnoughMemoryError

RNG = np.random.default_rng(0)
CONTENT = RNG.integers(0, 256, (300, 400, 3), dtype=np.uint8)
PAINTING = RNG.integers(0, 256, (32, 40, 3), dtype=np.uint8)
# The whole picture takes 23 MB, windows of 512 px no less and of 256 px 13 MB.
ONLY_SMALL_WINDOWS, NOTHING = 16_000_000, 50_000


@pytest.fixture
def free(monkeypatch):
    def set_free(number):
        monkeypatch.setattr(memory, "available_bytes", lambda: number)
        monkeypatch.setattr(memory, "SMALL_BYTES", 0)

    return set_free


@pytest.fixture(scope="module")
def expected(shared_programs):
    return make_narrow_stylizer("adain", tile_px=0)(CONTENT, PAINTING).array


def make(**ways):
    """A stylizer, its encoded style, and the list of what it announces."""
    stylizer, said = make_narrow_stylizer("adain", **ways), []
    stylizer.watch(said.append)
    return stylizer, stylizer.encode_style(PAINTING), said


def test_a_whole_picture_that_does_not_fit_goes_through_windows(free, expected):
    stylizer, style, said = make()
    free(ONLY_SMALL_WINDOWS)
    np.testing.assert_allclose(
        stylizer(CONTENT, style).array, expected, atol=1e-4, rtol=0
    )
    assert "400 x 300 px as a whole needs about 23 MB" in said[0]
    assert said[-1].endswith("it goes through windows of 256 px instead")
    told = len(said)
    stylizer(CONTENT, style)
    assert len(said) == told


@pytest.mark.parametrize(
    ("tile_px", "words"),
    [
        (0, ("as a whole", "--tile 512", "tile_px=512", "--size")),
        (304, ("through windows of 304 px", "(--tile 152)", "--size")),
        (144, ("through windows of 144 px", "use a smaller image (--size)")),
        (None, ("through windows of 256 px", "use a smaller image (--size)")),
    ],
)
def test_where_nothing_fits_the_error_says_what_to_do(free, tile_px, words):
    stylizer, style, _ = make(tile_px=tile_px)
    free(NOTHING)
    with pytest.raises(NotEnoughMemoryError) as error:
        stylizer(CONTENT, style)
    assert all(word in str(error.value) for word in (*words, "400 x 300 px"))
    assert "\n" not in str(error.value)


def test_a_painting_that_does_not_fit_is_named(free):
    stylizer, _, _ = make()
    free(NOTHING)
    with pytest.raises(
        NotEnoughMemoryError, match=r"a painting of 400 x 300 px .*--style-size"
    ):
        stylizer.encode_style(CONTENT)


def test_frames_go_through_windows_from_the_first_that_does_not_fit(free, monkeypatch):
    monkeypatch.setattr(frame, "TILE_PX", 256)
    stylizer, style, said = make()
    frames = []
    for number in (2**40, ONLY_SMALL_WINDOWS):
        free(number)
        video = VideoStylizer(
            stylizer._model, stylizer, [style], make_plan(1), announce=said.append
        )
        frames.append([video(CONTENT, k / 25) for k in range(2)])
    np.testing.assert_allclose(frames[0], frames[1], atol=1e-4, rtol=0)
    assert len(said) == 1
    assert "a frame of 400 x 300 px needs about" in said[0]
    free(NOTHING)
    with pytest.raises(NotEnoughMemoryError, match=r"a frame of .*--size"):
        video(CONTENT, 1.0)
