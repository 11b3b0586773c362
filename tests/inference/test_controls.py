import numpy as np
import pytest

from styleflax.inference.controls import make_plan
from styleflax.inference.masks.layout import WHOLE, make_region_masks
from styleflax.inference.video.stylizer import schedule_weights

LEFT = np.repeat(np.arange(16)[None] < 8, 16, axis=0)
HALVES = [LEFT, ~LEFT]


def test_nothing_asked_for_is_full_strength_everywhere():
    plan = make_plan(2)
    assert plan.strengths == (1.0,)
    assert plan.shares == ((0.5, 0.5),)
    assert plan.mask_set is None
    controls = plan.controls(WHOLE)
    assert controls.masks.shape == (1, 1, 1)
    assert controls.extras == {}


def test_masks_take_the_styles_in_order():
    plan = make_plan(2, masks=HALVES)
    assert plan.shares == ((1.0, 0.0), (0.0, 1.0))
    assert make_plan(1, masks=HALVES).shares == ((1.0,), (1.0,))


def test_regions_have_styles_mixes_and_strengths_of_their_own():
    plan = make_plan(
        3,
        masks=HALVES,
        region_styles=[2, [1, 1, 2]],
        region_alphas=[0.5, 1],
        alpha=0.5,
    )
    assert plan.shares == ((0.0, 0.0, 1.0), (0.25, 0.25, 0.5))
    assert plan.strengths == (0.25, 0.5)


def test_weights_hold_for_all_regions():
    plan = make_plan(2, masks=HALVES, weights=[1, 3])
    assert plan.shares == ((0.25, 0.75),) * 2


def test_exaggeration_multiplies_every_strength():
    plan = make_plan(1, masks=HALVES, region_alphas=[0.0, 1.0], exaggerate=1.5)
    assert plan.strengths == (0.0, 1.5)


def test_what_is_kept_is_a_region_of_strength_0():
    plan = make_plan(2, masks=[LEFT], region_styles=[1])
    controls = plan.controls(make_region_masks(plan.mask_set, 16, 16)[:, :])
    np.testing.assert_array_equal(controls.strength, [1, 0])
    np.testing.assert_allclose(controls.weights.sum(axis=1), 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"exaggerate": 1.0}, "exaggerate must be above 1 and at most 10, got 1.0"),
        ({"exaggerate": 0.5}, "use alpha from 0 to 1"),
        ({"exaggerate": float("nan")}, "exaggerate must be above 1"),
        ({"exaggerate": 11.0}, "at most 10"),
        ({"color": "sepia"}, "color must be one of .*'coral'.* got 'sepia'"),
        ({"style_size": 15}, "style_size must be at least 16 px, got 15"),
        ({"region_alphas": [1.0]}, "require masks"),
        ({"region_styles": [0]}, "require masks"),
        ({"masks": [LEFT]}, "there are 2 styles for 1 masks.*'rest'"),
        ({"masks": HALVES, "region_alphas": [1.0]}, "got 1 for 2 masks"),
        ({"masks": HALVES, "region_alphas": [1, 2]}, r"region_alphas must be in \[0"),
        ({"masks": HALVES, "region_styles": [0]}, "one per mask, got 1 for 2"),
        ({"masks": HALVES, "region_styles": [0, 2]}, "mask 2 must be an index from 0"),
        ({"masks": HALVES, "region_styles": [0, -1]}, "index from 0 to 1, got -1"),
        ({"masks": HALVES, "region_styles": [0, [1.0]]}, "one per style, got 1 for 2"),
        (
            {"masks": HALVES, "region_styles": [0, 1], "weights": [1, 1]},
            "cannot be combined",
        ),
    ],
)
def test_what_does_not_fit_is_refused_by_its_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_plan(2, **arguments)


def test_a_schedule_is_linear_between_keyframes_and_still_beyond():
    keyframes = [(1.0, [1, 0]), (3.0, [0, 2]), (4.0, [1, 3])]
    expected = {
        0.0: [1, 0],
        1.0: [1, 0],
        1.5: [0.75, 0.25],
        3.0: [0, 1],
        3.5: [0.125, 0.875],
        4.0: [0.25, 0.75],
        9.0: [0.25, 0.75],
    }
    for t, weights in expected.items():
        np.testing.assert_allclose(schedule_weights(keyframes, t), weights)
    assert schedule_weights([(5.0, [2, 2])], 0.0) == [0.5, 0.5]


@pytest.mark.parametrize(
    ("keyframes", "message"),
    [
        ([], "at least one keyframe"),
        ([(1.0, [1]), (1.0, [1])], "finite and increase"),
        ([(2.0, [1]), (1.0, [1])], "finite and increase"),
        ([(float("nan"), [1])], "finite and increase"),
        ([(0.0, [1, 0]), (1.0, [1])], "one per style, got 1 for 2"),
        ([(0.0, [0, 0])], "not all 0"),
    ],
)
def test_schedules_that_make_no_sense_are_refused(keyframes, message):
    with pytest.raises(ValueError, match=message):
        schedule_weights(keyframes, 0.5)
