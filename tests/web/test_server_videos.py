"""Videos that are sent to the app."""

import threading

import numpy as np
import pytest
from app_client import png
from tiny_clips import flat_frames, read_clip, write_clip

from styleflax.inference.controls import make_plan
from styleflax.inference.video import job as video_job
from styleflax.inference.video.reader import VideoReader
from styleflax.inference.video.stylizer import VideoStylizer, load_for_video

STYLE, STYLE_U8 = png(seed=2)
COLORS = [(200, 40, 40), (190, 50, 40), (40, 90, 180)]


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_clip(path, flat_frames(COLORS), audio="aac")


def test_a_video_is_what_the_library_makes(client, clip, model_path, tmp_path):
    options = {"kind": "video", "alpha": 0.8, "smooth": 0.1, "crf": 0}
    record, answer = client.make(
        options, content=("a.mp4", clip.read_bytes()), style=STYLE
    )
    assert record["result"]["frames"] == len(COLORS)
    assert record["progress"]["phase"] == "writing"
    (tmp_path / "out.mp4").write_bytes(answer.content)
    found, times, _ = read_clip(tmp_path / "out.mp4")
    np.testing.assert_allclose(times, [0.0, 0.04, 0.08], atol=1e-3)
    model, stylizer = load_for_video(str(model_path))
    plan = make_plan(1, alpha=0.8)
    stylize = VideoStylizer(
        model, stylizer, [stylizer.prepare_style(STYLE_U8)], plan, smooth_s=0.1
    )
    with VideoReader(clip, sound=False) as reader:
        expected = [stylize(x.rgb_u8, float(x.pts * reader.time_base)) for x in reader]
    # Written in 4:2:0.
    for one, other in zip(found, expected, strict=True):
        assert np.abs(one / 255 - other).mean() < 0.02


def test_what_is_no_video_fails_in_words(client):
    record = client.wait(
        client.send(
            {"kind": "video"}, content=("a.mp4", b"no video"), style=STYLE
        ).json()["id"]
    )
    assert record["error"].startswith("cannot read the video 'content_0.mp4'")


def test_a_list_of_files_is_no_video(client, clip):
    text = f"ffconcat version 1.0\nfile {clip}\n".encode()
    answer = client.send({"kind": "video"}, content=("a.mp4", text), style=STYLE)
    record = client.wait(answer.json()["id"])
    assert record["error"].startswith("cannot read the video 'content_0.mp4'")


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"max_frames": 2}, "at most 2 frames"),
        ({"max_megapixels": 0.002}, "64x48"),
    ],
)
def test_a_video_over_the_limits_fails_in_words(start, clip, limits, words):
    with start(**limits) as client:
        content = "a.mp4", clip.read_bytes()
        answer = client.send({"kind": "video"}, content=content, style=STYLE)
        record = client.wait(answer.json()["id"])
        assert record["state"] == "failed"
        assert words in record["error"]


def test_a_running_video_tells_its_progress_and_is_canceled(start, clip, monkeypatch):
    reached, go_on = threading.Event(), threading.Event()
    to_u8 = video_job.to_u8

    def wait_and_round(image):
        reached.set()
        go_on.wait()
        return to_u8(image)

    monkeypatch.setattr(video_job, "to_u8", wait_and_round)
    with start() as client:
        content = "a.mp4", clip.read_bytes()
        answer = client.send({"kind": "video"}, content=content, style=STYLE)
        job_id = answer.json()["id"]
        reached.wait()
        record = client.http.get(f"/api/jobs/{job_id}").json()
        assert record["state"] == "running"
        assert record["progress"] == {"phase": "frames", "done": 0, "total": 3}
        client.http.delete(f"/api/jobs/{job_id}")
        go_on.set()
        # Its folder goes with the job, and the next job is served.
        picture = client.picture({"kind": "picture"}, content=STYLE, style=STYLE)
        assert picture.shape == (32, 32, 3)
        assert client.http.get(f"/api/jobs/{job_id}").status_code == 404
