"""Animated pictures and numbered pictures as clips."""

import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image
from tiny_clips import flat_frames, read_clip, write_clip

from styleflax.images.decoding import ImageError
from styleflax.images.read import read_picture
from styleflax.inference.video.animation import AnimationReader, AnimationWriter
from styleflax.inference.video.clip import Frame
from styleflax.inference.video.clips import (
    NumberedPictures,
    find_clips,
    in_order,
    open_clip,
    open_writer,
)
from styleflax.inference.video.reader import VideoReader

COLORS = [(200, 60, 60), (60, 60, 200), (90, 160, 90), (250, 240, 10)]
TIMES = [100, 250, 40, 500]
FORMATS = {"gif": "GIF", "webp": "WEBP", "png": "PNG", "avif": "AVIF"}


def animate(path, times=TIMES, colors=COLORS, **options):
    frames = [Image.fromarray(x) for x in flat_frames(colors)]
    kind = FORMATS[path.suffix[1:]]
    ways = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100}}.get(kind, {})
    rest = {"save_all": True, "append_images": frames[1:], "duration": times}
    frames[0].save(path, kind, **rest, **ways, **options)
    return path


@pytest.mark.parametrize("suffix", FORMATS)
def test_animated_pictures_are_read_with_their_times(suffix, tmp_path):
    path = animate(tmp_path / f"a.{suffix}")
    with open_clip(path) as clip:
        assert isinstance(clip, AnimationReader)
        assert (clip.num_frames, clip.width, clip.height) == (4, 64, 48)
        frames = list(clip)
    assert [frame.duration for frame in frames] == TIMES
    assert [frame.pts for frame in frames] == [0, 100, 350, 390]
    assert clip.time_base == Fraction(1, 1000)
    for frame, color in zip(frames, COLORS, strict=True):
        assert np.abs(frame.rgb_u8.astype(int) - color).max() <= 6


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "apng"])
def test_what_is_written_has_frames_times_and_plays_of_its_source(suffix, tmp_path):
    source = animate(tmp_path / "a.gif", loop=2)
    out = tmp_path / f"out.{suffix}"
    with open_clip(source) as clip, open_writer(out, clip) as writer:
        for frame in clip:
            writer.write(255 - frame.rgb_u8, frame)
    assert (writer.size, writer.notes, writer.sound) == ((64, 48), [], [])
    with open_clip(out) as made:
        assert (made.plays, made.num_frames) == (clip.plays, 4)
        frames = list(made)
    assert clip.plays == 3
    assert [frame.duration for frame in frames] == TIMES
    for frame, color in zip(frames, COLORS, strict=True):
        expected = 255 - np.array(color)
        assert np.abs(frame.rgb_u8.astype(int) - expected).mean() <= 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.gif", out.name]


@pytest.mark.parametrize(
    ("loop", "plays"), [({}, 1), ({"loop": 0}, 0), ({"loop": 4}, 5)]
)
def test_a_gif_keeps_how_often_it_is_played(loop, plays, tmp_path):
    path, out = animate(tmp_path / "a.gif", **loop), tmp_path / "o.gif"
    with open_clip(path) as clip, open_writer(out, clip) as writer:
        for frame in clip:
            writer.write(frame.rgb_u8, frame)
    assert clip.plays == plays
    with Image.open(path) as before, Image.open(out) as after:
        assert before.info.get("loop") == after.info.get("loop")


def test_a_frame_without_a_time_is_shown_as_browsers_do(tmp_path):
    path = animate(tmp_path / "a.gif", times=[0, 10, 20, 30])
    with open_clip(path) as clip:
        assert [frame.duration for frame in clip] == [100, 100, 20, 30]


def test_what_is_transparent_is_on_white_and_frames_are_whole(tmp_path):
    first = np.zeros((48, 64, 4), np.uint8)
    first[:, :32] = (200, 0, 0, 255)
    second = np.zeros_like(first)
    second[24:] = (0, 0, 200, 255)
    frames = [Image.fromarray(x) for x in (first, second)]
    path = tmp_path / "a.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], disposal=2)
    with open_clip(path) as clip:
        one, two = (frame.rgb_u8 for frame in clip)
    assert (one[0, 0] == (200, 0, 0)).all()
    assert (one[0, 63] == 255).all()
    assert (two[0, 0] == 255).all()
    assert (two[47, 0] == (0, 0, 200)).all()


def test_a_png_whose_first_picture_is_no_frame(tmp_path):
    frames = [Image.fromarray(x) for x in flat_frames(COLORS)]
    path = tmp_path / "a.png"
    rest = {"save_all": True, "append_images": frames[1:], "default_image": True}
    frames[0].save(path, duration=[100, 200, 300], **rest)
    with open_clip(path) as clip:
        made = list(clip)
    assert [frame.duration for frame in made] == [100, 200, 300]
    assert (made[0].rgb_u8 == COLORS[1]).all()
    assert "first of its 3 frames" in read_picture(path).notes[0]


def test_a_video_becomes_a_gif_of_at_most_50_frames_a_second(tmp_path):
    path = write_clip(
        tmp_path / "a.mp4", flat_frames(COLORS * 3), rate=100, audio="aac"
    )
    out = tmp_path / "o.gif"
    with VideoReader(path) as clip, open_writer(out, clip) as writer:
        for item in clip:
            if isinstance(item, Frame):
                writer.write(item.rgb_u8, item)
            else:
                writer.copy(item)
    with open_clip(out) as made:
        assert [frame.duration for frame in made] == [20] * 6
        assert made.plays == 0
    assert [note.partition(":")[0] for note in writer.notes] == [
        f"{out} has 6 frames, 6 fewer than its source",
        "the sound is dropped",
    ]


def test_times_of_24_frames_a_second_do_not_drift_in_a_gif(tmp_path):
    path = write_clip(tmp_path / "a.mp4", flat_frames(COLORS * 6), rate=24)
    out = tmp_path / "o.gif"
    with VideoReader(path) as clip, open_writer(out, clip) as writer:
        for frame in clip:
            writer.write(frame.rgb_u8, frame)
    with open_clip(out) as made:
        times = [frame.duration for frame in made]
    assert sum(times) == 1000
    assert set(times) == {40, 50}


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animated_picture_becomes_a_video(suffix, tmp_path):
    path, out = animate(tmp_path / f"a.{suffix}"), tmp_path / "o.mp4"
    with open_clip(path) as clip, open_writer(out, clip) as writer:
        for frame in clip:
            writer.write(frame.rgb_u8, frame)
    frames, times, facts = read_clip(out)
    np.testing.assert_allclose(times, [0, 0.1, 0.35, 0.39], atol=0.002)
    assert abs(facts["duration"] / 1e6 - 0.89) < 0.01
    for frame, color in zip(frames, COLORS, strict=True):
        assert np.abs(frame.astype(int) - color).max() <= 8


def test_a_damaged_end_is_left_out_and_counted(tmp_path):
    rng = np.random.default_rng(0)
    frames = [
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), np.uint8)) for _ in "abcd"
    ]
    file = io.BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:], duration=50)
    path = tmp_path / "half.gif"
    path.write_bytes(file.getvalue()[: int(len(file.getvalue()) * 0.6)])
    with open_clip(path) as clip:
        made = list(clip)
        assert 1 <= len(made) < 4


def test_nothing_is_left_of_an_animation_that_fails(tmp_path):
    class StopError(Exception):
        pass

    path, out = animate(tmp_path / "a.gif"), tmp_path / "o.gif"
    with open_clip(path) as clip:
        frame = next(iter(clip))

        def fail():
            with open_writer(out, clip) as writer:
                writer.write(frame.rgb_u8, frame)
                raise StopError

        with pytest.raises(StopError):
            fail()
        with (
            pytest.raises(ValueError, match="there is no frame"),
            AnimationWriter(out, clip),
        ):
            pass
        with pytest.raises(FileExistsError, match="--overwrite"):
            AnimationWriter(path, clip)
    assert [p.name for p in tmp_path.iterdir()] == ["a.gif"]


def test_frames_too_large_or_too_small_are_refused(tmp_path):
    path = animate(tmp_path / "a.gif")
    with pytest.raises(ImageError, match="megapixels, got 64x48"):
        open_clip(path, max_megapixels=0.001)


@pytest.fixture
def numbered(tmp_path):
    """`make(*names)`: flat pictures, each of another color."""

    def make(*names, sides=(48, 64)):
        for k, name in enumerate(names):
            path = tmp_path / "frames" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = flat_frames([(10 * k, 100, 200)], *sides)[0]
            Image.fromarray(pixels).save(path)
        return tmp_path / "frames"

    return make


def test_numbered_pictures_are_one_clip_in_the_order_of_numbers(numbered):
    folder = numbered("f_9.png", "f_10.png", "f_8.png")
    assert find_clips(folder) == ([folder], [])
    with open_clip(folder, rate=Fraction(10)) as clip:
        assert (clip.num_frames, clip.width, clip.height) == (3, 64, 48)
        frames = list(clip)
    assert [frame.rgb_u8[0, 0, 0] for frame in frames] == [20, 0, 10]
    assert [float(frame.pts * clip.time_base) for frame in frames] == [0, 0.1, 0.2]
    assert list(clip.notes) == []


@pytest.mark.parametrize(
    "names",
    [
        ("0001.png", "0002.png"),
        ("a1.jpg", "a2.png"),
        ("IMG_20230101_235959.png", "IMG_20230102_000000.png"),
        ("shot 3 take 1.png", "shot 3 take 2.png"),
    ],
)
def test_names_with_one_count_are_numbered(numbered, names):
    folder = numbered(*names)
    assert [path.name for path in in_order([*folder.iterdir()])] == [*names]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("a.png", "b.png"),
            "must have one name with a number, such as frame_0001.png, got",
        ),
        (("a.png",), "got 'a.png' in"),
        (("a1.png", "b2.png"), "got 'a1.png' and 'b2.png'"),
        (("x/1.png", "y/2.png"), "must be in one folder, got 2"),
        (("a01.png", "a1.png"), "two images of the clip have the same number"),
    ],
)
def test_pictures_that_are_no_clip_are_refused(numbered, names, message):
    with pytest.raises(ValueError, match=message):
        find_clips(numbered(*names))


def test_missing_numbers_and_unreadable_frames_are_told(numbered):
    folder = numbered("f2.png", "f4.png", "f10.png", "f12.png")
    (folder / "f4.png").write_bytes(b"x")
    with NumberedPictures(folder) as clip:
        frames = list(clip)
    assert [frame.pts for frame in frames] == [0, 2, 3]
    assert clip.num_damaged == 1
    (note,) = clip.notes
    assert note.startswith("2 numbers are missing, the first after f4.png")


def test_pictures_of_other_sizes_are_resized_to_the_first(numbered):
    folder = numbered("1.png")
    Image.fromarray(flat_frames(COLORS[:1], 96, 32)[0]).save(folder / "2.png")
    with NumberedPictures(folder) as clip:
        assert {frame.rgb_u8.shape for frame in clip} == {(48, 64, 3)}


def test_every_video_of_a_folder_is_a_clip(tmp_path):
    folder = tmp_path / "clips"
    (folder / "deep").mkdir(parents=True)
    write_clip(folder / "a.mp4", flat_frames(COLORS))
    animate(folder / "deep" / "b.gif")
    animate(folder / "c.png")
    (folder / "a.srt").write_text("x")
    (folder / "__MACOSX").mkdir()
    write_clip(folder / "__MACOSX" / "a.mp4", flat_frames(COLORS))
    clips, left_out = find_clips(folder)
    assert [path.name for path in clips] == ["a.mp4", "c.png", "b.gif"]
    assert [path.name for path, _ in left_out] == ["__MACOSX", "a.srt"]


def test_a_mixture_and_an_empty_folder_are_refused(tmp_path, numbered):
    folder = numbered("1.png", "2.png")
    animate(folder / "a.gif")
    with pytest.raises(ValueError, match=r"has videos \(1, such as a.gif\) and imag"):
        find_clips(folder)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "a.txt").write_text("x")
    with pytest.raises(ValueError, match=r"has no video .*a\.txt \(without the suffix"):
        find_clips(tmp_path / "none")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "avif"])
def test_a_picture_of_several_frames_says_that_one_is_taken(suffix, tmp_path):
    (note,) = read_picture(animate(tmp_path / f"a.{suffix}")).notes
    assert "only the first of its 4 frames is taken; `styleflax video`" in note
    still = tmp_path / f"still.{suffix}"
    Image.fromarray(flat_frames(COLORS)[0]).save(still)
    assert read_picture(still).notes == ()


def test_pages_of_a_tiff_file_are_told_of_and_its_thumbnails_are_not(tmp_path):
    import tifffile

    pages = flat_frames(COLORS)
    first, *rest = [Image.fromarray(x) for x in pages]
    first.save(tmp_path / "pages.tif", save_all=True, append_images=rest)
    picture = read_picture(tmp_path / "pages.tif")
    assert "only the first of its 4 pages is taken; split it" in picture.notes[0]
    assert (picture.rgb_u8 == COLORS[0]).all()
    with tifffile.TiffWriter(tmp_path / "pyramid.tif") as file:
        file.write(pages[0], photometric="rgb")
        file.write(pages[0][::2, ::2], photometric="rgb", subfiletype=1)
    assert read_picture(tmp_path / "pyramid.tif").notes == ()
