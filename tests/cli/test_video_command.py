import errno
import json
import os
import signal

import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer
from PIL import Image
from tiny_clips import flat_frames, read_clip, read_sound, write_clip

from styleflax.cli import video
from styleflax.inference.video import job as video_job
from styleflax.inference.video.animation import AnimationReader
from styleflax.inference.video.stylizer import SMOOTH_S, STEADY, VideoStylizer

COLORS = [(200, 60, 60), (60, 60, 200), (90, 160, 90)]


@pytest.fixture(scope="module")
def narrow(shared_programs):
    stylizer = make_narrow_stylizer("adain")
    return stylizer._model, stylizer


@pytest.fixture
def loaded(monkeypatch, narrow):
    """Names of the weights asked for, which are a narrow network instead."""
    names = []

    def load(weights):
        names.append(weights)
        return narrow

    monkeypatch.setattr(video_job, "load_for_video", load)
    return names


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "in.mp4", flat_frames(COLORS), audio="aac")


@pytest.fixture
def call(loaded, command, clip, pictures, tmp_path):
    """`call(*flags)` on that clip, with one painting."""

    def run(*flags, painting=pictures / "painting.png"):
        return command("video", clip, "--style", painting, *flags)

    return run


def test_a_video_is_stylized_with_its_sound(call, loaded, clip, tmp_path):
    out = tmp_path / "new" / "out.mp4"
    code, output, error = call("-o", out, "--weights", "small")
    assert (code, output, error, loaded) == (0, f"{out}\n", "", ["small"])
    frames, times, _ = read_clip(out)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 3
    assert np.allclose(times, [0, 0.04, 0.08])
    assert read_sound(out) == read_sound(clip)


def test_json_says_what_was_made(call, clip, pictures, tmp_path):
    out = tmp_path / "out.mkv"
    flags = ("--size", 20, "--audio", "drop", "--smooth", 0, "--json")
    code, output, _ = call("-o", out, *flags)
    line, summary = map(json.loads, output.splitlines())
    assert code == 0
    assert line.pop("frames_per_s") > 0
    assert line.pop("seconds") > 0
    (warning,) = line.pop("warnings")
    assert "28x20 px for frames of 27x20" in warning
    assert line == {
        "input": str(clip),
        "styles": [str(pictures / "painting.png")],
        "output": str(out),
        "size": [28, 20],
        "frames": 3,
        "scenes": 3,
        "audio": [],
        "error": None,
    }
    assert set(summary["summary"]["seconds"]) == {"import", "weights", "compile", "run"}


def test_odd_sides_are_told_of_and_kept_where_asked(call, tmp_path):
    kept, out = tmp_path / "kept.mp4", tmp_path / "out.mp4"
    code, _, error = call("-o", out, "--size", 21)
    assert code == 0
    assert error.startswith("styleflax: warning: ")
    assert "28x22 px for frames of 28x21" in error
    call("-o", kept, "--size", 21, "--pixel-format", "yuv444p")
    made = [read_clip(path) for path in (out, kept)]
    assert [frames[0].shape for frames, _, _ in made] == [(22, 28, 3), (21, 28, 3)]
    assert [facts["format"] for _, _, facts in made] == ["yuv420p", "yuv444p"]


def test_flags_come_to_what_they_say(call, narrow, pictures, tmp_path, monkeypatch):
    made, styles = [], []

    class Noting(VideoStylizer):
        def __init__(self, *arguments, **keywords):
            super().__init__(*arguments, **keywords)
            assert callable(keywords.pop("announce"))
            made.append((arguments[3], keywords))
            styles.append(arguments[2])

    monkeypatch.setattr(video_job, "VideoStylizer", Noting)
    second = ("--style", pictures / "arts" / "s.png")
    keyframes = ("--keyframe", "0:1,0", "--keyframe", "0.08:0,1")
    looks = ("--alpha", 0.5, "--exaggerate", 1.5, "--color", "luminance")
    out, steady = ("-o", tmp_path / "out.mp4"), ("--smooth", 0.5, "--steady", 0)
    assert call(*second, *keyframes, *looks, *steady, *out)[0] == 0
    ((plan, keywords),) = made
    assert keywords == {
        "smooth_s": 0.5,
        "steady": 0.0,
        "keyframes": [(0.0, [1.0, 0.0]), (0.08, [0.0, 1.0])],
    }
    assert plan.strengths == (0.75,)
    assert plan.color == "luminance"
    made.clear()
    mask = pictures / "photo.png"
    masks = ("--mask", f"{mask}:2@0.5", "--mask", "rest:1", "--style-mask", f"{mask}:2")
    assert call(*second, *masks, *out, "--overwrite")[0] == 0
    files = pictures / "painting.png", pictures / "arts" / "s.png"
    wholes = [narrow[1].encode_style(path)["mean"] for path in files]
    same = [
        np.array_equal(x["mean"], y) for x, y in zip(styles[-1], wholes, strict=True)
    ]
    assert same == [True, False]
    ((plan, keywords),) = made
    assert plan.shares == ((0.0, 1.0), (1.0, 0.0))
    assert keywords == {"smooth_s": SMOOTH_S, "steady": STEADY, "keyframes": None}


def test_the_defaults_are_the_librarys():
    assert (video.DEFAULT_SMOOTH_S, video.DEFAULT_STEADY) == (SMOOTH_S, STEADY)


def test_a_style_file_serves_as_well(call, narrow, pictures, tmp_path):
    style = tmp_path / "painting.style"
    narrow[1].save_style(pictures / "painting.png", style)
    assert call("-o", tmp_path / "a.mkv", painting=style)[0] == 0
    assert call("-o", tmp_path / "b.mkv")[0] == 0
    pairs = zip(*(read_clip(tmp_path / f"{n}.mkv")[0] for n in "ab"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_of_an_interrupted_run(
    call, tmp_path, monkeypatch, number, clip
):
    before = signal.getsignal(signal.SIGTERM)
    # What a shell starts in the background ignores Ctrl-C.
    of_shell = signal.signal(signal.SIGINT, signal.default_int_handler)

    class Interrupted(VideoStylizer):
        def __call__(self, frame_u8, time_s):
            if time_s > 0:
                os.kill(os.getpid(), number)
            return super().__call__(frame_u8, time_s)

    monkeypatch.setattr(video_job, "VideoStylizer", Interrupted)
    out = tmp_path / "out" / "out.mp4"
    try:
        code, output, _ = call("-o", out)
    finally:
        signal.signal(signal.SIGINT, of_shell)
    assert (code, output) == (130, "")
    assert not list(out.parent.iterdir())
    assert signal.getsignal(signal.SIGTERM) is before


def test_mistakes_are_told_before_anything_is_loaded(
    refuses, loaded, clip, pictures, tmp_path
):
    painting, out = pictures / "painting.png", tmp_path / "out.mp4"
    start = ("video", clip, "--style", painting)
    assert "use --resume or --overwrite" in refuses(*start, "-o", clip)
    assert "suffix of a video" in refuses(*start, "-o", tmp_path / "out.ogg")
    assert "crf must be in [0, 51]" in refuses(*start, "-o", out, "--crf", 99)
    none = ("video", tmp_path / "none.mp4", "--style", painting, "-o", out)
    assert "VIDEO: there is no" in refuses(*none)
    second = (*start, "--style", pictures / "photo.png", "-o", out)
    assert "require --blend, --keyframe or --mask" in refuses(*second)
    both = ("--blend", "1,0", "--keyframe", "0:1,0")
    assert "--blend and --keyframe" in refuses(*second, *both)
    assert "must have 2 shares, one for each --style, got 1" in refuses(
        *second, "--keyframe", "1:1"
    )
    assert "alpha must be in [0, 1]" in refuses(*start, "-o", out, "--alpha", 2)
    (tmp_path / "text.mp4").write_text("no video")
    text = ("video", tmp_path / "text.mp4", "--style", painting, "-o", out)
    assert "cannot read the video" in refuses(*text)
    assert not loaded
    assert not out.exists()


def write_animation(path, **options):
    rng = np.random.default_rng(0)  # flat frames would all become the same one
    small = rng.integers(0, 256, (3, 4, 6, 3), dtype=np.uint8)
    frames = [Image.fromarray(x).resize((64, 48)) for x in small]
    rest = {"save_all": True, "append_images": frames[1:], "duration": [80, 200, 120]}
    path.parent.mkdir(parents=True, exist_ok=True)
    frames[0].save(path, **rest, **options)
    return path


def durations(path):
    with AnimationReader(path) as clip:
        return [frame.duration for frame in clip]


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_an_animated_picture_is_stylized_with_its_timing(
    loaded, command, pictures, tmp_path, suffix
):
    path = write_animation(tmp_path / f"in.{suffix}")
    out = tmp_path / f"out.{suffix}"
    start = ("video", path, "--style", pictures / "painting.png")
    code, output, error = command(*start, "-o", out)
    assert (code, output, error) == (0, f"{out}\n", "")
    assert durations(out) == [80, 200, 120]
    code, _, _ = command(*start, "-o", tmp_path / "out.mp4")
    assert code == 0
    assert np.allclose(read_clip(tmp_path / "out.mp4")[1], [0, 0.08, 0.28], atol=0.002)


def test_numbered_pictures_are_stylized_as_one_clip(
    loaded, command, pictures, tmp_path
):
    folder = tmp_path / "frames"
    folder.mkdir()
    for k, pixels in enumerate(flat_frames(COLORS)):
        Image.fromarray(pixels).save(folder / f"f{k + 9}.png")
    start = ("video", folder, "--style", pictures / "painting.png")
    code, _, error = command(*start, "-o", tmp_path / "o.mp4", "--fps", 10)
    assert (code, error) == (0, "")
    assert np.allclose(read_clip(tmp_path / "o.mp4")[1], [0, 0.1, 0.2])


def test_every_video_of_a_folder_is_stylized(loaded, command, pictures, tmp_path):
    folder, out = tmp_path / "clips", tmp_path / "out"
    write_animation(folder / "deep" / "a.gif")
    write_clip(folder / "b.mp4", flat_frames(COLORS))
    write_clip(folder / "b.avi", flat_frames(COLORS))
    (folder / "bad.mov").write_text("no video")
    (folder / "b.srt").write_text("x")
    start = ("video", folder, "--style", pictures / "painting.png", "-o", out)
    code, output, error = command(*start, "--json")
    assert code == 1
    names = sorted(p.relative_to(out).as_posix() for p in out.rglob("[!.]*.*"))
    assert names == ["b-2.mp4", "b.mp4", "deep/a.gif"]
    *lines, last = map(json.loads, output.splitlines())
    assert [line["error"] is None for line in lines].count(False) == 1
    assert (last["summary"]["videos"], last["summary"]["failed"]) == (4, 1)
    assert last["summary"]["left_out"][0]["path"] == str(folder / "b.srt")
    assert "1 file or folder left out" in error
    assert "styleflax: 1 of 4 videos failed:" in error
    assert f"  {folder / 'bad.mov'}: cannot read the video" in error
    assert loaded == ["adain"]


def test_a_stopped_folder_of_videos_goes_on(
    loaded, command, pictures, tmp_path, monkeypatch
):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    for name in "ab":
        write_clip(folder / f"{name}.mp4", flat_frames(COLORS))
    start = ("video", folder, "--style", pictures / "painting.png", "-o", out)
    make, calls = video_job._stylize, []

    def stopping(*arguments):
        if calls:
            raise KeyboardInterrupt
        calls.append(0)
        return make(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(video_job, "_stylize", stopping)
        assert command(*start)[0] == 130
    first = (out / "a.mp4").stat().st_mtime_ns
    assert not (out / "b.mp4").exists()
    assert "--overwrite" in command(*start)[2]
    assert "alpha: was 1.0, now 0.5" in command(*start, "--resume", "--alpha=0.5")[2]
    code, output, error = command(*start, "--resume")
    assert (code, output) == (0, f"{out / 'b.mp4'}\n")
    assert "1 of 2 videos are complete" in error
    assert (out / "a.mp4").stat().st_mtime_ns == first
    assert not list(out.glob(".*.part.*"))
    assert command(*start, "--resume")[:2] == (0, "")
    *lines, last = map(
        json.loads, command(*start, "--resume", "--json")[1].splitlines()
    )
    assert [line["output"] for line in lines if line["skipped"]] == [
        *(str(out / "a.mp4"), str(out / "b.mp4"))
    ]
    assert (last["summary"]["videos"], last["summary"]["skipped"]) == (2, 2)


def test_a_full_disk_ends_a_folder_of_videos_and_says_what_is_missing(
    loaded, command, pictures, tmp_path, monkeypatch
):
    folder, out = tmp_path / "clips", tmp_path / "out"
    folder.mkdir()
    (folder / "a.mp4").write_text("no video")
    for name in "bcd":
        write_clip(folder / f"{name}.mp4", flat_frames(COLORS))
    start = ("video", folder, "--style", pictures / "painting.png", "-o", out)
    make = video_job._stylize

    def full(job, *rest):
        if job.clip.name != "b.mp4":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(job.out))
        return make(job, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(video_job, "_stylize", full)
        for _ in range(2):
            code, _, error = command(*start, "--resume")
            assert code == 1
            assert "the disk is full: 1 result is written, 2 are missing" in error
            assert f"({out / 'c.mp4'}, {out / 'd.mp4'})" in error
    assert command(*start, "--resume")[0] == 1  # a.mp4 alone
    assert {p.name for p in out.glob("[!.]*")} == {"b.mp4", "c.mp4", "d.mp4"}


@pytest.mark.parametrize("name", ["still.png", "still.gif", "still.jpg"])
def test_a_still_picture_is_no_video(refuses, loaded, pictures, tmp_path, name):
    Image.fromarray(flat_frames(COLORS)[0]).save(tmp_path / name)
    start = ("video", tmp_path / name, "--style", pictures / "painting.png")
    text = refuses(*start, "-o", tmp_path / "o.mp4")
    assert "got an image with one frame" in text
    assert not loaded


def test_mistakes_about_folders_are_told_early(
    refuses, loaded, pictures, tmp_path, clip
):
    painting = pictures / "painting.png"
    folder = tmp_path / "clips"
    write_animation(folder / "a.gif")
    start = ("video", folder, "--style", painting)
    assert "-o must be a folder for the 1 videos" in refuses(*start, "-o", "o.mp4")
    assert "-o must be outside" in refuses(*start, "-o", folder / "out")
    text = refuses(*start, "-o", tmp_path / "out", "--crf", 20)
    assert "crf must be omitted for .gif" in text
    one = ("video", clip, "--style", painting, "-o", tmp_path / "o.mp4")
    assert "--fps is allowed for folders of numbered images" in refuses(
        *one, "--fps", 5
    )
    Image.fromarray(flat_frames(COLORS)[0]).save(folder / "1.png")
    assert "has videos (1, such as a.gif) and images (1" in refuses(
        *start, "-o", tmp_path / "out"
    )
    photos = (
        "video",
        pictures / "photos",
        "--style",
        painting,
        "-o",
        tmp_path / "o.mp4",
    )
    text = refuses(*photos)
    assert (
        "one name with a number, such as frame_0001.png, got 'a.png' and 'b.jpg'"
        in text
    )
    assert "`styleflax stylize` takes single photos" in text
    (folder / "1.png").rename(tmp_path / "1.png")
    (folder / "a.gif").rename(folder / "1.gif")
    numbered = tmp_path / "numbered"
    numbered.mkdir()
    (tmp_path / "1.png").rename(numbered / "1.png")
    start = ("video", numbered, "--style", painting, "-o", tmp_path / "o.mp4")
    assert "--fps must be above 0 and at most 1000, got nan" in refuses(
        *start, "--fps", "nan"
    )
    assert not loaded
