import itertools
import logging

import numpy as np
import pytest

from styleflax.datasets.pipeline import make_pair_stream
from styleflax.datasets.sources import open_dataset
from styleflax.images.decoding import ImageError

SIZES = {"crop_px": 16, "resize_px": (16, 24), "flip": True}


class Listed(list):
    """Encoded pictures in memory."""


@pytest.fixture(scope="module")
def sources(make_picture, encode):
    contents = Listed(encode(make_picture(i, 24, 36)) for i in range(7))
    styles = Listed(encode(make_picture(100 + i, 36, 24)) for i in range(5))
    return contents, styles


def stream_of(sources, **changes):
    return make_pair_stream(
        *sources, **{"batch_size": 4, "seed": 3, **SIZES, **changes}
    )


def equal(a, b):
    return a.keys() == b.keys() and all((a[role] == b[role]).all() for role in a)


def first(batches, count):
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def test_batches_are_uint8_squares_of_both_roles(sources):
    batch = stream_of(sources).batch_at(0)
    assert set(batch) == {"content", "style"}
    for images in batch.values():
        assert images.shape == (4, 16, 16, 3)
        assert images.dtype == np.uint8


def test_a_batch_is_a_pure_function_of_seed_and_step(sources):
    a, b = stream_of(sources), stream_of(sources)
    backwards = {step: a.batch_at(step) for step in range(9, -1, -1)}
    assert all(equal(backwards[step], b.batch_at(step)) for step in range(10))
    assert not equal(a.batch_at(0), a.batch_at(1))
    assert not equal(a.batch_at(0), stream_of(sources, seed=4).batch_at(0))


@pytest.mark.parametrize("num_threads", [0, 1, 3])
def test_iteration_equals_random_access_from_any_step(sources, num_threads):
    stream = stream_of(sources)
    for start in (0, 1, 5, 1_000_000_007):
        batches = first(stream.iterate(start, num_threads=num_threads), 3)
        for offset, batch in enumerate(batches):
            assert equal(batch, stream.batch_at(start + offset))


@pytest.mark.slow  # two processes, which import all that training does
def test_worker_processes_change_nothing(tmp_path, photo_folder):
    source = open_dataset("image_folder", tmp_path, path=photo_folder)
    stream = stream_of((source, source))
    batches = first(stream.iterate(2, num_workers=2, num_threads=1), 6)
    assert all(equal(batch, stream.batch_at(2 + i)) for i, batch in enumerate(batches))


@pytest.mark.parametrize("process_count", [2, 4])
def test_processes_share_out_the_same_global_batch(sources, process_count):
    whole = stream_of(sources)
    parts = [
        stream_of(sources, process_index=i, process_count=process_count)
        for i in range(process_count)
    ]
    for step in range(4):
        expected = whole.batch_at(step)
        batches = [part.batch_at(step) for part in parts]
        for role in expected:
            interleaved = np.stack([batch[role] for batch in batches], axis=1)
            assert (interleaved.reshape(expected[role].shape) == expected[role]).all()


def plain_sources(num_contents, num_styles, encode):
    """Pictures of one gray each, so that a crop tells which it comes from."""

    def source(count):
        grays = (np.full((20, 20, 3), i, np.uint8) for i in range(count))
        return [encode(gray, "PNG") for gray in grays]

    return source(num_contents), source(num_styles)


def test_every_picture_comes_once_per_epoch_and_epochs_differ(encode):
    stream = stream_of(plain_sources(8, 8, encode))
    grays = [stream.batch_at(step)["content"][:, 0, 0, 0] for step in range(8)]
    epochs = np.concatenate(grays).reshape(4, 8)
    assert (np.sort(epochs, axis=1) == np.arange(8)).all()
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_content_and_style_are_independent(encode):
    stream = stream_of(plain_sources(8, 8, encode))
    batches = [stream.batch_at(step) for step in range(50)]
    content, style = (
        np.concatenate([batch[role][:, 0, 0, 0] for batch in batches])
        for role in ("content", "style")
    )
    assert abs(np.corrcoef(content.astype(float), style.astype(float))[0, 1]) < 0.3
    # Another picture of the other source leaves the first stream as it was.
    other = stream_of(plain_sources(8, 3, encode))
    for step in range(5):
        assert (other.batch_at(step)["content"] == batches[step]["content"]).all()


def test_a_source_smaller_than_the_batch_still_fills_it(encode):
    stream = stream_of(plain_sources(1, 2, encode), batch_size=6)
    assert stream.batch_at(3)["style"].shape == (6, 16, 16, 3)


def test_a_picture_gone_bad_is_replaced_by_the_next_and_reported_once(encode, caplog):
    contents, styles = plain_sources(4, 4, encode)
    contents[1] = contents[1][:50]
    contents[2] = b""
    sound = stream_of(plain_sources(4, 4, encode))
    stream = stream_of((contents, styles))
    with caplog.at_level(logging.WARNING):
        for step in range(6):
            expected = sound.batch_at(step)["content"][:, 0, 0, 0].tolist()
            replaced = [3 if gray in {1, 2} else gray for gray in expected]
            got = stream.batch_at(step)
            assert got["content"][:, 0, 0, 0].tolist() == replaced
            assert equal(got, stream.batch_at(step))
            assert (got["style"] == sound.batch_at(step)["style"]).all()
    assert stream.damaged == {"content": {1, 2}, "style": set()}
    assert len(caplog.records) == 2
    assert "content picture 1" in caplog.text


def test_only_bad_pictures_are_an_error(encode):
    _, styles = plain_sources(1, 2, encode)
    with pytest.raises(ImageError, match="no image of"):
        stream_of(([b"", b"x"], styles)).batch_at(0)


def test_flipped_bits_in_prepared_records_do_not_stop_a_stream(tmp_path, photo_folder):
    source = open_dataset("image_folder", tmp_path, path=photo_folder)
    (record,) = tmp_path.glob("*/*/*/*.array_record*")
    data = bytearray(record.read_bytes())
    jpeg = data.index(b"\xff\xd8\xff")
    data[jpeg + 40 : jpeg + 400] = bytes(360)
    record.write_bytes(data)
    source = open_dataset("image_folder", tmp_path, path=photo_folder)
    stream = stream_of((source, source))
    for step in range(3):
        assert stream.batch_at(step)["content"].shape == (4, 16, 16, 3)
    assert len(stream.damaged["content"]) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size must be .* 1, got 0"),
        ({"batch_size": 4, "process_count": 3}, "batch_size must be .* 3, got 4"),
        (
            {"process_index": 2, "process_count": 2},
            "process_index must be from 0 to 1, got 2",
        ),
        ({"crop_px": 25}, "got crop_px 25"),
    ],
)
def test_unsuitable_arguments_are_refused(sources, changes, message):
    with pytest.raises(ValueError, match=message):
        stream_of(sources, **changes)


def test_empty_sources_and_negative_steps_are_refused(sources):
    with pytest.raises(ValueError, match="style source"):
        stream_of((sources[0], []))
    with pytest.raises(ValueError, match="step must be at least 0, got -1"):
        stream_of(sources).batch_at(-1)
    with pytest.raises(ValueError, match="num_workers must be at least 0, got -1"):
        stream_of(sources).iterate(0, num_workers=-1)
