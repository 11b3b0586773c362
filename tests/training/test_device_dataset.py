"""Pictures held on the device, and what is cut of them."""

import dataclasses
import io
import logging
import sys

import numpy as np
import pytest
from PIL import Image

from styleflax.datasets.pipeline import center_crop
from styleflax.images.decoding import ImageError
from styleflax.training.checkpoint import leaf_digests
from styleflax.training.device_dataset import DevicePairs, load_device_images

CROP = 8


def encode(array_u8):
    file = io.BytesIO()
    Image.fromarray(array_u8).save(file, "PNG")
    return file.getvalue()


def placed(number, height, width):
    """A picture whose colors say which it is, and where in it."""
    rows, columns = np.mgrid[:height, :width]
    return np.stack([rows, columns, np.full_like(rows, number)], -1).astype(np.uint8)


CONTENTS = [placed(k, 16, 20 + k) for k in range(5)]
STYLES = [placed(100 + k, 30, 16) for k in range(3)]


@pytest.fixture(scope="module")
def held():
    return [
        load_device_images([encode(x) for x in kind], 16) for kind in (CONTENTS, STYLES)
    ]


def pairs(held, **changes):
    numbers = {"crop_px": CROP, "batch_size": 4, "seed": 3, "flip": True}
    return DevicePairs(*held, **{**numbers, **changes})


def arrays(batch):
    return {name: np.asarray(x) for name, x in batch.items()}


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[k], b[k]) for k in a)


def test_a_batch_is_a_pure_function_of_seed_and_step(held):
    batches = pairs(held).iterate(5)
    for step in (5, 6):
        batch = arrays(next(batches))
        assert equal(batch, arrays(pairs(held).batch_at(step)))
        assert not equal(batch, arrays(pairs(held, seed=4).batch_at(step)))
        assert {x.dtype for x in batch.values()} == {np.dtype(np.uint8)}


def test_crops_are_pieces_of_single_pictures_half_of_them_mirrored(held):
    mirrored, corners = [], set()
    for step in range(12):
        for crop in arrays(pairs(held).batch_at(step))["content"].astype(int):
            assert len(np.unique(crop[..., 2])) == 1
            assert (np.diff(crop[..., 0], axis=0) == 1).all()
            across = np.diff(crop[..., 1], axis=1)
            assert (across == across[0, 0]).all()
            mirrored.append(across[0, 0] == -1)
            corners.add((crop[..., 0].min(), crop[..., 1].min()))
            height, width = CONTENTS[crop[0, 0, 2]].shape[:2]
            assert crop[..., 0].max() < height
            assert crop[..., 1].max() < width
    assert 0.2 < np.mean(mirrored) < 0.8
    assert len(corners) > 24
    plain = arrays(pairs(held, flip=False).batch_at(0))["content"].astype(int)
    assert (np.diff(plain[..., 1], axis=2) == 1).all()


def test_every_picture_comes_once_per_epoch_and_epochs_differ(held):
    stream = pairs(held, batch_size=5)
    epochs = [
        arrays(stream.batch_at(k))["content"][:, 0, 0, 2].tolist() for k in range(4)
    ]
    assert all(sorted(epoch) == [0, 1, 2, 3, 4] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_processes_share_out_the_same_global_batch(held):
    whole = arrays(pairs(held).batch_at(2))
    shares = [arrays(pairs(held, share=(k, 2)).batch_at(2)) for k in range(2)]
    for role, images in whole.items():
        assert np.array_equal(images[0::2], shares[0][role])
        assert np.array_equal(images[1::2], shares[1][role])


def test_fixed_styles_are_middle_squares_with_their_places(held):
    encoded = [encode(x) for x in STYLES]
    squares = load_device_images(encoded, 12, square=True)
    stream = pairs([held[0], squares], fixed_styles=True)
    batch = arrays(stream.batch_at(1))
    assert batch["style_index"].dtype == np.int32
    for index, style in zip(batch["style_index"], batch["style"], strict=True):
        assert np.array_equal(style, center_crop(encoded[index], 12))


def test_damaged_pictures_are_left_out_and_long_ones_lose_their_ends(caplog):
    source = [b"no picture", encode(placed(7, 16, 64))]
    with caplog.at_level(logging.WARNING):
        held = load_device_images(source, 16)
    assert "picture 0 of" in caplog.text
    assert held.places.tolist() == [1]
    assert held.sizes.tolist() == [[16, 32]]
    assert np.asarray(held.images_u8)[0, 0, 0].tolist() == [0, 16, 7]
    with pytest.raises(ImageError, match="no picture of"):
        load_device_images(source[:1], 16)
    with pytest.raises(ValueError, match="got crop_px 17 and resize_px 16"):
        pairs([held, held], crop_px=17)


def test_a_run_on_held_pictures_needs_no_grain_and_is_resumed_to_the_bit(
    train_tiny, tiny_config, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "grain", None)
    data = dataclasses.replace(tiny_config.data, on_device=True)
    config = dataclasses.replace(tiny_config, data=data)
    first, last = config.phases
    half = dataclasses.replace(last, steps=3)
    whole = leaf_digests(train_tiny(config, tmp_path / "whole"))
    train_tiny(dataclasses.replace(config, phases=(first, half)), tmp_path / "parts")
    assert leaf_digests(train_tiny(config, tmp_path / "parts")) == whole
