"""Fixed style pictures, in the order of their names."""

import numpy as np
import pytest

from styleflax.datasets.pipeline import center_crop, make_pair_stream
from styleflax.datasets.sources import open_source, picture_files


@pytest.fixture
def paintings(write_picture, tmp_path):
    for seed, name in enumerate(("c", "a", "b")):
        write_picture(tmp_path / "paintings" / f"{name}.png", 20, 30, seed=seed)
    return tmp_path / "paintings"


def test_pictures_of_a_folder_come_in_the_order_of_their_names(paintings, tmp_path):
    source = open_source(f"pictures:{paintings}", tmp_path)
    assert [source[i] for i in range(3)] == [
        (paintings / f"{name}.png").read_bytes() for name in "abc"
    ]
    joined = f"pictures:{paintings / 'c.png'}+pictures:{paintings / 'a.png'}"
    both = open_source(joined, tmp_path)
    assert [both[i] for i in range(2)] == [source[2], source[0]]
    with pytest.raises(IndexError):
        source[3]


def test_missing_pictures_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        open_source(f"pictures:{tmp_path / 'nothing'}", tmp_path)
    with pytest.raises(ValueError, match="has no image"):
        picture_files(tmp_path)
    with pytest.raises(ValueError, match="lacks its path"):
        open_source("pictures", tmp_path)


def test_batches_hold_whole_styles_and_their_places(paintings, tmp_path):
    source = open_source(f"pictures:{paintings}", tmp_path)
    stream = make_pair_stream(
        source,
        source,
        crop_px=8,
        batch_size=3,
        seed=0,
        resize_px=16,
        flip=True,
        style_px=12,
    )
    for step in range(2):
        batch = stream.batch_at(step)
        assert batch["content"].shape == (3, 8, 8, 3)
        assert sorted(batch["style_index"]) == [0, 1, 2]
        assert batch["style_index"].dtype == np.int32
        for image, place in zip(batch["style"], batch["style_index"], strict=True):
            np.testing.assert_array_equal(image, center_crop(source[int(place)], 12))
