import hashlib
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from styleflax.evaluation.inputs import choose_pairs, load_inputs
from styleflax.evaluation.runner import Options, evaluate
from styleflax.images.files import to_float


def test_pictures_become_center_crops(folders):
    (_, wide) = load_inputs(folders[0], 64)
    path = folders[0] / "below" / "b.png"
    assert wide.name == "b"
    assert wide.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    with Image.open(path) as image:
        expected = np.asarray(image)[:, 16:80]
    np.testing.assert_array_equal(wide.square_u8, expected)
    np.testing.assert_array_equal(wide.picture, to_float(expected))


def test_pictures_of_the_same_name_are_all_kept(write_picture, tmp_path):
    for name in ("x/p.png", "x/p.bmp", "y/p.png", "q.png"):
        write_picture(tmp_path / name)
    names = [picture.name for picture in load_inputs(tmp_path, 16)]
    assert names == ["q", "x_p", "x_p-2", "y_p"]


def test_damaged_picture_is_named(write_picture, tmp_path):
    write_picture(tmp_path / "bad.png")
    data = (tmp_path / "bad.png").read_bytes()
    (tmp_path / "bad.png").write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"bad\.png' is damaged"):
        load_inputs(tmp_path, 32)


def test_frames_that_are_not_scored_are_told(write_picture, tmp_path, caplog):
    frames = [Image.new("RGB", (40, 40), (9 * i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    write_picture(tmp_path / "b.png")
    load_inputs(tmp_path, 32)
    assert "a.gif: only the first of its 3 frames is taken" in caplog.text
    assert "b.png" not in caplog.text


@pytest.mark.parametrize(("contents", "styles"), [(8, 12), (3, 5), (4, 4), (1, 6)])
def test_chosen_pairs_cover_contents_and_styles_evenly(contents, styles):
    for number in range(1, contents * styles + 1):
        pairs = choose_pairs(contents, styles, number)
        assert len(set(pairs)) == number
        assert pairs == sorted(pairs)
        for side, count in ((0, contents), (1, styles)):
            times = Counter(pair[side] for pair in pairs)
            found = [times[i] for i in range(count)]
            assert max(found) - min(found) <= 1


def test_all_pairs_are_the_default():
    every = [(i, j) for i in range(2) for j in range(3)]
    assert choose_pairs(2, 3) == choose_pairs(2, 3, 100) == every


def test_pairs_whose_pictures_would_have_one_name_are_refused(write_picture, tmp_path):
    for name in ("c/a.png", "c/a__b.png", "s/c.png", "s/b__c.png"):
        write_picture(tmp_path / name)
    options = Options(size_px=32, networks=())
    with pytest.raises(ValueError, match="'a__b__c'; rename"):
        evaluate([], tmp_path / "c", tmp_path / "s", tmp_path / "out", options)
