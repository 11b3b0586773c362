import sys
from fractions import Fraction

import numpy as np
import pytest
from tiny_clips import flat_frames, read_clip, read_sound, write_clip

from styleflax.inference.video.reader import Frame, VideoReader
from styleflax.inference.video.writer import VideoWriter

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (200, 100, 50)]
TIMES = [0, 40, 50, 200, 640]  # thousandths of a second


def copy_clip(source, target, **arguments):
    """The frames that were seen, and what the writer says of the sound."""
    seen = []
    with VideoReader(source) as reader, VideoWriter(target, reader, **arguments) as out:
        for item in reader:
            if isinstance(item, Frame):
                out.write(item.rgb_u8, item)
                seen.append(item)
            else:
                out.copy(item)
    return seen, out.sound


def worst(frames, colors=COLORS):
    pairs = zip(frames, colors, strict=True)
    return max(np.abs(frame - np.float32(color)).max() for frame, color in pairs)


@pytest.mark.parametrize(
    ("codec", "pixel_format", "matrix", "full"),
    [
        ("libx264", "yuv444p", 6, False),
        ("libx264", "yuv444p", 1, False),
        ("libx264", "yuv420p", 1, True),
        ("libx264", "yuv420p", None, False),
        ("mjpeg", "yuvj444p", None, True),
        ("ffv1", "bgr0", None, False),
    ],
)
def test_colors_are_those_of_the_clip(tmp_path, codec, pixel_format, matrix, full):
    clip, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    kind = {"codec": codec, "pixel_format": pixel_format}
    write_clip(clip, flat_frames(COLORS), matrix=matrix, full=full, **kind)
    seen, _ = copy_clip(clip, out, crf=0)
    assert worst([frame.rgb_u8 for frame in seen]) <= 2
    frames, _, facts = read_clip(out)
    assert worst(frames) <= 3
    # A clip of unknown matrix is one of BT.601 at this size, and RGB goes to BT.709.
    written = 1 if codec == "ffv1" else matrix or (5 if codec == "mjpeg" else 6)
    assert facts["tags"] == (written, 1)


def test_red_and_blue_do_not_change_places(tmp_path):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:, :32, 0] = frame[:, 32:, 2] = 255
    write_clip(tmp_path / "in.mp4", [frame])
    copy_clip(tmp_path / "in.mp4", tmp_path / "out.mp4")
    ((made,), _, _) = read_clip(tmp_path / "out.mp4")
    assert np.abs(made[24, 8] - np.float32([255, 0, 0])).max() <= 5
    assert np.abs(made[24, 56] - np.float32([0, 0, 255])).max() <= 5


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_times_of_frames_are_kept_at_a_changing_rate(tmp_path, suffix):
    clip, out = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    write_clip(clip, flat_frames(COLORS), times=TIMES)
    seen, _ = copy_clip(clip, out)
    assert [frame.pts for frame in seen] == TIMES
    _, times, facts = read_clip(out)
    assert np.allclose(times, np.array(TIMES) / 1000, atol=1e-6)
    assert facts["duration"] > 640_000  # the last frame is shown, too


def test_times_count_from_the_beginning_of_the_file(tmp_path):
    clip, out = tmp_path / "in.mkv", tmp_path / "out.mp4"
    late = [5000 + time for time in TIMES]
    write_clip(clip, flat_frames(COLORS), times=late)
    assert read_clip(clip)[1][0] == 5
    seen, _ = copy_clip(clip, out)
    assert [frame.pts for frame in seen] == TIMES
    assert np.allclose(read_clip(out)[1], np.array(TIMES) / 1000, atol=1e-6)


@pytest.mark.parametrize(
    ("suffix", "pixel_format", "shape"),
    [
        (".mp4", "yuv420p", (48, 64, 3)),
        (".mkv", "yuv420p", (48, 64, 3)),
        (".mp4", "yuv444p", (47, 63, 3)),
        (".webm", "yuv420p", (47, 63, 3)),
    ],
)
def test_odd_sides_are_made_even_only_where_players_refuse_them(
    tmp_path, suffix, pixel_format, shape
):
    clip, out = tmp_path / "in.mkv", tmp_path / f"out{suffix}"
    write_clip(clip, flat_frames(COLORS, 47, 63))
    with (
        VideoReader(clip) as reader,
        VideoWriter(out, reader, pixel_format=pixel_format) as writer,
    ):
        for frame in reader:
            writer.write(frame.rgb_u8, frame)
    frames, _, facts = read_clip(out)
    assert frames[0].shape == shape
    assert facts["format"] == pixel_format
    assert worst(frames) <= 4
    assert writer.size == (shape[1], shape[0])
    if shape == (47, 63, 3):
        assert writer.notes == []
    else:
        (note,) = writer.notes
        assert "64x48 px for frames of 63x47" in note
        assert "--pixel-format yuv444p" in note


@pytest.mark.parametrize(("height", "width"), [(48, 63), (47, 64)])
def test_an_odd_side_repeats_its_last_pixels_and_moves_no_others(
    tmp_path, height, width
):
    rows, columns = np.mgrid[:height, :width]
    frame = np.repeat((2 * rows + columns).astype(np.uint8)[..., None], 3, axis=2)
    write_clip(tmp_path / "in.mkv", [frame])
    copy_clip(tmp_path / "in.mkv", tmp_path / "out.mp4", crf=0)
    ((made,), _, facts) = read_clip(tmp_path / "out.mp4")
    assert made.shape == (48, 64, 3)
    assert facts["format"] == "yuv420p"
    expected = np.pad(frame, ((0, 48 - height), (0, 64 - width), (0, 0)), "edge")
    assert np.abs(made - expected.astype(np.float32)).max() <= 3


def test_sound_is_copied_bit_for_bit(tmp_path):
    clip, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(clip, flat_frames(COLORS), audio="aac")
    assert copy_clip(clip, out)[1] == ["copied"]
    assert read_sound(out) == read_sound(clip)


def test_sound_that_the_container_cannot_hold_is_encoded_anew(tmp_path):
    clip, out = tmp_path / "in.mp4", tmp_path / "out.webm"
    write_clip(clip, flat_frames(COLORS), audio="aac")
    assert copy_clip(clip, out)[1] == ["encoded as libopus"]
    codec, packets = read_sound(out)
    assert codec == "opus"
    assert packets[-1][0] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    ("rotation", "turn"),
    [
        ((90,), np.rot90),
        ((180,), lambda x: x[::-1, ::-1]),
        ((270,), lambda x: np.rot90(x, -1)),
        ((0, True), lambda x: x[:, ::-1]),
    ],
)
def test_frames_are_upright(tmp_path, rotation, turn):
    frame = np.zeros((48, 64, 3), np.uint8)
    frame[:16, :16] = 255
    clip, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(clip, [frame, frame], rotation=rotation, aspect=Fraction(4, 3))
    seen, _ = copy_clip(clip, out)
    assert np.abs(seen[0].rgb_u8 - np.float32(turn(frame))).max() <= 2
    frames, _, facts = read_clip(out)
    assert frames[0].shape == turn(frame).shape
    assert facts["rotation"] == 0
    swapped = rotation in {(90,), (270,)}
    assert facts["aspect"] == (Fraction(3, 4) if swapped else Fraction(4, 3))


def test_what_can_be_seen_through_goes_on_white(tmp_path):
    import av

    with av.open(str(tmp_path / "in.mkv"), "w") as container:
        stream = container.add_stream("ffv1", 25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgra"
        pixels = np.full((48, 64, 4), (255, 0, 0, 51), np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.mkv") as reader:
        (frame,) = list(reader)
    assert worst([frame.rgb_u8], [(255, 204, 204)]) <= 1


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_opacity_of_webm_goes_on_white(tmp_path, codec):
    import av

    with av.open(str(tmp_path / "in.webm"), "w") as container:
        stream = container.add_stream(codec, 25, {"auto-alt-ref": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuva420p"
        for alpha in (255, 51, 51):
            pixels = np.full((48, 64, 4), (255, 0, 0, alpha), np.uint8)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
            container.mux(stream.encode(frame.reformat(format="yuva420p")))
        container.mux(stream.encode(None))
    with VideoReader(tmp_path / "in.webm") as reader:
        frames = list(reader)
    assert [frame.pts for frame in frames] == [0, 40, 80]
    seen = [frame.rgb_u8 for frame in frames]
    assert worst(seen, [(255, 0, 0), (255, 204, 204), (255, 204, 204)]) <= 4


def test_nothing_is_left_of_a_writer_that_fails(tmp_path):
    clip, out = tmp_path / "in.mp4", tmp_path / "out.mp4"
    write_clip(clip, flat_frames(COLORS))
    out.write_bytes(b"old")

    def interrupted():
        with VideoReader(clip) as reader, VideoWriter(out, reader, overwrite=True) as w:
            for frame in reader:
                w.write(frame.rgb_u8, frame)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_what_cannot_be_read_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="no video"):
        VideoReader(tmp_path / "none.mp4")
    (tmp_path / "text.mp4").write_text("no video at all")
    with pytest.raises(ValueError, match=r"cannot read the video .*text\.mp4"):
        VideoReader(tmp_path / "text.mp4")
    clip = write_clip(tmp_path / "in.mp4", flat_frames(COLORS))
    with pytest.raises(ValueError, match=r"64x48 px, more than 0\.001 megapixels"):
        VideoReader(clip, max_megapixels=0.001)
    clip.write_bytes(clip.read_bytes()[:-600])
    with pytest.raises(ValueError, match=r"in\.mp4' has no video that can be decoded"):
        VideoReader(clip)


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_file_that_names_other_files_is_no_video(tmp_path, text):
    write_clip(tmp_path / "other.mp4", flat_frames(COLORS))
    for name in ("list.mp4", "list.m3u8", "list"):
        (tmp_path / name).write_text(text)
        with pytest.raises(ValueError, match=name), VideoReader(tmp_path / name):
            pass


def test_damage_within_a_clip_costs_only_what_is_damaged(tmp_path):
    clip = write_clip(
        tmp_path / "in.mkv",
        flat_frames(COLORS * 4),
        codec="mjpeg",
        pixel_format="yuvj420p",
        full=True,
    )
    data = bytearray(clip.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = bytes(300)
    clip.write_bytes(data)
    with VideoReader(clip) as reader:
        frames = list(reader)
    assert 15 <= len(frames) < 21


def test_what_cannot_be_written_is_refused(tmp_path):
    clip = write_clip(tmp_path / "in.mp4", flat_frames(COLORS))
    with VideoReader(clip) as reader:
        with pytest.raises(ValueError, match="suffix of a video must be one of"):
            VideoWriter(tmp_path / "out.avi", reader)
        with pytest.raises(ValueError, match=r"crf must be in \[0, 51\] for .mp4"):
            VideoWriter(tmp_path / "out.mp4", reader, crf=52)
        with pytest.raises(ValueError, match="must be one of yuv420p, yuv444p, got"):
            VideoWriter(tmp_path / "out.mp4", reader, pixel_format="yuv410p")
        with pytest.raises(FileExistsError, match="--overwrite"):
            VideoWriter(clip, reader)


def test_without_pyav_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImportError, match=r'pip install "styleflax\[video\]"'):
        VideoReader(tmp_path / "in.mp4")
