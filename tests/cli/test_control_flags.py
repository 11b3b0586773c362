import numpy as np
import pytest
from PIL import Image

from styleflax.cli.controls import (
    Looks,
    MaskFlag,
    read_keyframes,
    read_looks,
    read_mask_flag,
)
from styleflax.cli.options import Color
from styleflax.inference.controls import make_plan
from styleflax.inference.folders.sources import one_picture


@pytest.fixture
def mask(tmp_path):
    """Path of a mask whose left half is white."""
    left = np.repeat(np.arange(16)[None] < 8, 16, axis=0)
    Image.fromarray(np.where(left, 255, 0).astype(np.uint8)).save(tmp_path / "m.png")
    return str(tmp_path / "m.png")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sky.png", MaskFlag("sky.png", None, 1.0)),
        ("sky.png:2", MaskFlag("sky.png", 2, 1.0)),
        ("sky.png@0.5", MaskFlag("sky.png", None, 0.5)),
        ("rest:2@.5", MaskFlag("rest", 2, 0.5)),
        ("alpha:0.3,0.7", MaskFlag("alpha", [0.3, 0.7], 1.0)),
        ("C:/sky.png:1,0@1", MaskFlag("C:/sky.png", [1.0, 0.0], 1.0)),
        ("sky.png:x", MaskFlag("sky.png:x", None, 1.0)),
        ("l.png[3]:2@0.5", MaskFlag("l.png[3]", 2, 0.5)),
        ("l.png[#ff0000]:2", MaskFlag("l.png[#ff0000]", 2, 1.0)),
        ("l.png[#ff0000]", MaskFlag("l.png[#ff0000]", None, 1.0)),
        ("m[1].png:2", MaskFlag("m[1].png", 2, 1.0)),
    ],
)
def test_a_mask_has_a_style_and_a_strength(text, expected):
    assert read_mask_flag(text) == expected


def test_a_file_of_the_whole_name_comes_first(tmp_path):
    path = tmp_path / "sky:2"
    path.touch()
    assert read_mask_flag(str(path)) == MaskFlag(str(path), None, 1.0)


def test_masks_are_read_once_and_take_styles_in_order(mask):
    arguments, plan = read_looks(Looks(mask=[mask, "rest@0.5"], feather=2.0), 2)
    assert one_picture(arguments)
    assert arguments["masks"] is plan.mask_set
    assert plan.mask_set.names == ("mask 1 (m.png)", "mask 2 (rest)")
    assert plan.mask_set.feather_px == 2.0
    assert plan.shares == ((1.0, 0.0), (0.0, 1.0))
    assert plan.strengths == (1.0, 0.5)
    assert make_plan(2, **arguments)._replace(mask_set=None) == plan._replace(
        mask_set=None
    )


def test_masks_name_styles_from_1_or_shares_of_all(mask):
    arguments, plan = read_looks(Looks(mask=[f"{mask}:3", "rest:1,1,2"]), 3)
    assert one_picture(arguments)
    assert plan.shares == ((0.0, 0.0, 1.0), (0.25, 0.25, 0.5))


def test_one_style_goes_to_all_masks(mask):
    assert read_looks(Looks(mask=[mask, "rest"]), 1)[1].shares == ((1.0,), (1.0,))


def test_a_single_mask_without_a_style_is_of_every_style_by_itself(mask):
    assert not one_picture(read_looks(Looks(mask=[mask]), 3)[0])
    assert one_picture(read_looks(Looks(mask=[mask + ":3"]), 3)[0])
    assert not one_picture(read_looks(Looks(), 3)[0])


def test_a_blend_is_of_all_styles_in_all_regions(mask):
    arguments, plan = read_looks(Looks(blend="1,3", mask=[mask, "rest@0.5"]), 2)
    assert one_picture(arguments)
    assert plan.shares == ((0.25, 0.75),) * 2
    assert one_picture(read_looks(Looks(blend="1,3"), 2)[0])


def test_arguments_are_those_of_the_stylizer():
    arguments, plan = read_looks(
        Looks(alpha=0.5, exaggerate=2.0, color=Color.LAB, size=32, level_balance=0.3), 1
    )
    assert plan.strengths == (1.0,)
    assert (plan.color, plan.size, plan.extras) == ("lab", 32, {"level_balance": 0.3})
    assert make_plan(1, **arguments) == plan


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"mask": ["alpha:3"]}, "--mask alpha: there is no style 3, but 2"),
        ({"mask": ["alpha:0"]}, "there is no style 0"),
        ({"mask": ["alpha", "alpha", "rest"]}, "there is no style 3"),
        ({"mask": ["alpha@2"]}, r"region_alphas must be in \[0, 1\], got 2.0"),
        ({"mask": ["alpha:1"], "blend": "1,1"}, "cannot be combined"),
        ({"feather": 3.0}, "--feather requires --mask"),
        ({"exaggerate": 0.5}, "exaggerate must be above 1"),
        ({"style_size": 3}, "style_size must be at least 16"),
        ({"blend": "1;2"}, "--blend must be numbers joined by commas"),
    ],
)
def test_mistakes_are_told_before_anything_is_made(arguments, message):
    with pytest.raises(ValueError, match=message):
        read_looks(Looks(**arguments), 2)


def test_keyframes_are_times_and_shares():
    assert read_keyframes(["0:1,0", "2.5:0,1"]) == [(0.0, [1, 0]), (2.5, [0, 1])]
    for text in ("1", "1:", "a:1,0", "1:1;0"):
        with pytest.raises(ValueError, match="must be TIME:SHARES"):
            read_keyframes([text])


def test_color_match_and_detail_reach_the_plan():
    arguments, plan = read_looks(Looks(color_match=0.4, detail=0.0), 1)
    assert (arguments["color_match"], arguments["detail"]) == (0.4, 0.0)
    assert (plan.color_match, plan.detail) == (0.4, 0.0)
    _, plan = read_looks(Looks(), 1)
    assert plan.color_match is plan.detail is None  # what the weights say
    with pytest.raises(ValueError, match=r"color_match must be in \[0, 1\], got 2"):
        read_looks(Looks(color_match=2), 1)
    with pytest.raises(ValueError, match=r"color_match must be 0.*color='lab'"):
        read_looks(Looks(color=Color.LAB, color_match=1.0), 1)
