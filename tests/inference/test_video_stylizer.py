import jax
import jax.numpy as jnp
import numpy as np
import pytest
from narrow_stylizer import make_narrow_stylizer

from styleflax.images.files import to_float, to_u8
from styleflax.inference.controls import make_plan
from styleflax.inference.video import frame as video_frame
from styleflax.inference.video.stylizer import VideoStylizer
from styleflax.methods.base import plain_controls, stylize

STEP_S = 0.04
MATCHED = {"color_match": 1.0, "detail": 1.0, "alpha": 0.8}


@pytest.fixture(scope="module")
def sanet(shared_programs):
    """A style of which only the moments matter, so that nothing else is compiled."""
    stylizer = make_narrow_stylizer("sanet")
    method = stylizer._model.method._replace(
        transfer=lambda variables, frozen, features, *_: features,
        decode=lambda variables, frozen, features: jnp.zeros((1, 32, 32, 3)),
    )
    stylizer._model = stylizer._model._replace(method=method)
    return stylizer


@pytest.fixture(scope="module")
def adain(shared_programs):
    return make_narrow_stylizer("adain")


@pytest.fixture(scope="module")
def frames(small_pictures):
    """A scene of four frames of changing light, and one of another scene."""
    content = small_pictures[0].astype(np.float32)
    scene = [np.uint8(content * light) for light in (1.0, 0.97, 1.0, 0.97)]
    return [*scene, np.uint8(255 - small_pictures[1] // 4)]


def video_of(stylizer, styles, keyframes=None, smooth_s=1.0, steady=0.0, **controls):
    plan = make_plan(len(styles), **controls)
    prepared = [stylizer.prepare_style(style, plan.color) for style in styles]
    arguments = {"smooth_s": smooth_s, "steady": steady, "keyframes": keyframes}
    return VideoStylizer(stylizer._model, stylizer, prepared, plan, **arguments)


def play(video, frames):
    return [video(frame, k * STEP_S) for k, frame in enumerate(frames)]


def test_without_smoothing_every_frame_is_a_picture_of_its_own(
    adain, frames, small_pictures
):
    method, *params = adain._model
    style = adain.prepare_style(small_pictures[1])
    picture = jax.jit(lambda x: stylize(method, *params, x, [style], plain_controls()))
    made = play(video_of(adain, small_pictures[1:2], smooth_s=0.0), frames[:2])
    for frame, stylized in zip(frames, made, strict=False):
        expected = picture(to_float(frame[None]))[0].clip(0, 1)
        assert np.abs(stylized - expected).max() < 1e-4


def test_controls_mean_what_they_mean_for_pictures(adain, frames, small_pictures):
    masks = [np.tri(32) > 0, np.eye(4) > 0]  # what neither covers keeps its pixels
    looks = {"alpha": 0.4, "region_alphas": [1.0, 0.5], "masks": masks}
    for color in ("lab", "coral"):
        styles, controls = list(small_pictures[1:]), {"color": color, **looks}
        (made,) = play(video_of(adain, styles, **controls), frames[:1])
        assert np.abs(made - adain(frames[0], styles, **controls).array).max() < 1e-4


def test_moments_differ_less_from_frame_to_frame_when_smoothed(
    sanet, frames, small_pictures
):
    changes = {}
    for smooth_s in (0.0, 1.0):
        video, seen = video_of(sanet, small_pictures[1:2], smooth_s=smooth_s), []
        smoother = video._moments

        def noting(now, kept, smoother=smoother, seen=seen):
            seen.append(smoother(now, kept))
            return seen[-1]

        video._moments = noting
        play(video, frames[:4])
        assert video.num_scenes == 1
        for layer in seen[0]:
            steps = np.diff([moments[layer].mean for moments in seen], axis=0)
            changes.setdefault(layer, []).append(float(np.square(steps).mean()))
    assert changes.keys() == {"relu4_1", "relu5_1"}
    assert all(after < 0.1 * before for before, after in changes.values())


def test_a_still_picture_stays_still(adain, frames, small_pictures):
    video = video_of(adain, small_pictures[1:2], color="lab", steady=0.0)
    made = play(video, [frames[0]] * 3)
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])


@pytest.mark.parametrize("color", ["coral", "lab"])
def test_a_cut_forgets_the_scene_before(adain, frames, small_pictures, color):
    video = video_of(adain, small_pictures[1:2], color=color)
    made = play(video, frames[2:])
    assert video.num_scenes == 2
    alone = play(video_of(adain, small_pictures[1:2], color=color), frames[4:])
    assert np.array_equal(made[2], alone[0])


def test_steady_frames_take_over_some_of_the_last_one(adain, frames, small_pictures):
    keyframes, still = [(0.0, [1, 0]), (STEP_S, [0, 1])], [frames[0]] * 2
    before, after = play(video_of(adain, small_pictures[1:], keyframes), still)
    steady = video_of(adain, small_pictures[1:], keyframes, steady=0.5)
    first, second = play(steady, still)
    assert np.array_equal(first, before)
    assert np.abs(second - (before + after) / 2).max() < 1e-3


def test_colors_and_detail_are_those_of_pictures(adain, frames, small_pictures):
    masks = [np.tri(32) > 0, np.eye(4) > 0]
    looks = {**MATCHED, "region_alphas": [1.0, 0.5], "masks": masks}
    for controls, styles in ((MATCHED, 1), (looks, 2)):
        paintings = list(small_pictures[1 : 1 + styles])
        (made,) = play(video_of(adain, paintings, **controls), frames[:1])
        expected = adain(frames[0], paintings, **controls).array
        assert np.abs(made - expected).max() < 1e-4


def test_strength_0_of_a_video_is_the_video(adain, frames, small_pictures):
    looks = {**MATCHED, "alpha": 0.0}
    for sizes in ({}, {"size": 24, "restore_size": True}):
        video = video_of(adain, small_pictures[1:2], **looks, **sizes)
        for frame, made in zip(frames, play(video, frames), strict=True):
            np.testing.assert_array_equal(to_u8(made), frame)


def test_color_moments_are_smoothed_and_forgotten_at_cuts(
    adain, frames, small_pictures
):
    seen = {}
    for smooth_s in (0.0, 1.0):
        video, noted = (
            video_of(adain, small_pictures[1:2], smooth_s=smooth_s, **MATCHED),
            [],
        )
        smoother = video._colors

        def noting(now, kept, smoother=smoother, noted=noted):
            noted.append(smoother(now, kept))
            return noted[-1]

        video._colors = noting
        play(video, frames)
        seen[smooth_s] = [moments.mean for moments in noted]
    steps = {
        s: np.square(np.diff(means[:4], axis=0)).mean() for s, means in seen.items()
    }
    assert steps[1.0] < 0.1 * steps[0.0]
    np.testing.assert_array_equal(seen[1.0][4], seen[0.0][4])


def test_keyframes_change_the_mix_over_time(adain, frames, small_pictures):
    styles, content = small_pictures[1:], frames[0]
    keyframes = [(0.0, [1, 0]), (0.08, [1, 3])]
    made = play(video_of(adain, styles, keyframes), [content] * 3)
    for picture, weights in zip(made, ([1, 0], [5, 3], [1, 3]), strict=True):
        (expected,) = play(video_of(adain, styles, weights=weights), [content])
        assert np.abs(picture - expected).max() < 1e-5


def test_sizes_are_those_of_stylized_pictures(adain, frames, small_pictures):
    wide = np.concatenate([frames[0], frames[0][:, :13]], axis=1)
    (small,) = play(video_of(adain, small_pictures[1:2], size=24), [wide])
    assert small.shape == (24, 34, 3)
    restored = video_of(adain, small_pictures[1:2], size=24, restore_size=True)
    assert play(restored, [wide])[0].shape == wide.shape


@pytest.mark.parametrize(
    "looks",
    [{}, {"color": "lab"}, {"color": "luminance"}, {"alpha": 0.7, "detail": 1.0}],
    ids=["style", "lab", "luminance", "detail"],
)
def test_a_frame_is_enlarged_in_floats_as_a_picture_is(
    adain, frames, small_pictures, looks
):
    wide = np.concatenate([frames[0], frames[0][:, :13]], axis=1)
    mask = np.zeros(wide.shape[:2], np.float32)
    mask[:, :20] = 1.0
    controls = {"size": 24, "restore_size": True, "masks": mask, **looks}
    picture = adain(wide, small_pictures[1], **controls).array
    video = video_of(adain, small_pictures[1:2], **controls)
    (frame,) = play(video, [wide])
    # A step of 8 bits is 4e-3.
    assert np.abs(frame - picture).max() < 1e-4


@pytest.mark.parametrize("looks", [{"color": "lab"}, MATCHED])
def test_nothing_is_compiled_after_the_second_frame(
    adain, frames, small_pictures, looks
):
    compiled = []

    def note(event, _seconds, **_):
        if event == "/jax/core/compile/backend_compile_duration":
            compiled.append(event)

    keyframes = [(0.0, [1, 0]), (1.0, [0, 1])]
    video = video_of(adain, small_pictures[1:], keyframes, **looks)
    play(video, frames[:2])  # the second is the first to be averaged
    jax.monitoring.register_event_duration_secs_listener(note)
    try:
        for k, frame in enumerate(frames[2:] * 2):
            video(frame, 0.1 + 0.03 * k)
    finally:
        jax.monitoring.unregister_event_duration_listener(note)
    assert not compiled


def test_large_frames_go_through_windows(adain, frames, small_pictures, monkeypatch):
    monkeypatch.setattr(video_frame, "TILE_PX", 144)
    picture = np.tile(frames[0], (5, 6, 1))[:150, :190]
    style = adain.prepare_style(small_pictures[1])
    for looks in ({}, MATCHED):
        controls = make_plan(1, **looks).controls(np.ones((1, 1, 1), np.float32))
        operands = (adain._model, picture, [style], controls, lambda moments: moments)
        whole = video_frame.stylize_frame(*operands)
        tiled = video_frame.stylize_frame(*operands, whole_px=1000)
        assert np.abs(whole - tiled).max() < 1e-4


def test_mistakes_are_refused(adain, small_pictures):
    style = small_pictures[1:2]
    with pytest.raises(ValueError, match="smooth must be finite and at least 0 s"):
        video_of(adain, style, smooth_s=float("nan"))
    with pytest.raises(ValueError, match=r"steady must be in \[0, 1\), got 1"):
        video_of(adain, style, steady=1)
    with pytest.raises(
        ValueError, match="not available for a video, which has no opacity"
    ):
        video_of(adain, style, masks="alpha")
    with pytest.raises(ValueError, match="at 0 s must have 1 weights, got 2"):
        video_of(adain, style, [(0.0, [1, 2])])
    with pytest.raises(
        ValueError, match="times of keyframes must be finite and increase"
    ):
        video_of(adain, style, [(1.0, [1]), (0.5, [1])])
