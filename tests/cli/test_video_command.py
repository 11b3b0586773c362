import json
import os
import signal

import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer
from tiny_clips import flat_frames, read_clip, read_sound, write_clip

from styleflax.cli import video, video_job
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
    assert "see --overwrite" in refuses(*start, "-o", clip)
    assert "suffix of a video" in refuses(*start, "-o", tmp_path / "out.gif")
    assert "crf must be in [0, 51]" in refuses(*start, "-o", out, "--crf", 99)
    none = ("video", tmp_path / "none.mp4", "--style", painting, "-o", out)
    assert "VIDEO: there is no" in refuses(*none)
    second = (*start, "--style", pictures / "photo.png", "-o", out)
    assert "say by --blend, --keyframe or --mask" in refuses(*second)
    both = ("--blend", "1,0", "--keyframe", "0:1,0")
    assert "--blend (for all times) or --keyframe" in refuses(*second, *both)
    assert "has 1 shares for 2 of --style" in refuses(*second, "--keyframe", "1:1")
    assert "alpha must be in [0, 1]" in refuses(*start, "-o", out, "--alpha", 2)
    (tmp_path / "text.mp4").write_text("no video")
    text = ("video", tmp_path / "text.mp4", "--style", painting, "-o", out)
    assert "cannot read the video" in refuses(*text)
    assert not loaded
    assert not out.exists()
