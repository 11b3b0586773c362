import json
import logging
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from styleflax.training.checkpoint import Checkpoints, leaf_digests

NOTES = {"environment": {"jax": "1"}, "encoder": "abc"}


def tree(step):
    rng = np.random.default_rng(step)
    return {
        "step": np.int32(step),
        "params": {"a": rng.normal(size=(64, 64)).astype(np.float32)},
    }


@pytest.fixture
def saved(tmp_path):
    """A folder with checkpoints of steps 2, 4 and 6."""
    folder = tmp_path / "checkpoints"
    checkpoints = Checkpoints(folder, 3)
    for step in (2, 4, 6):
        checkpoints.save(step, tree(step), NOTES)
    checkpoints.close()
    return folder


def reopen(folder, **options):
    checkpoints = Checkpoints(folder, 3, **options)
    return checkpoints, checkpoints.restore_newest(tree(0))


def data_files(folder, step):
    """Files of a step that hold arrays."""
    files = [f for f in (folder / str(step) / "state").rglob("*") if f.is_file()]
    return sorted((f for f in files if "/d/" in str(f)), key=lambda f: f.stat().st_size)


def flip_bit(file, place):
    content = bytearray(file.read_bytes())
    content[place % len(content)] ^= 16
    file.write_bytes(bytes(content))


def test_the_newest_state_comes_back_bit_for_bit(saved):
    checkpoints, (state, notes) = reopen(saved)
    checkpoints.close()
    assert leaf_digests(state) == leaf_digests(tree(6))
    assert notes == NOTES


def test_only_so_many_are_kept(saved):
    checkpoints, _ = reopen(saved)
    checkpoints.save(8, tree(8), NOTES)
    checkpoints.close()
    assert sorted(p.name for p in saved.iterdir() if p.is_dir()) == ["4", "6", "8"]


def test_a_flipped_bit_anywhere_in_the_data_is_noticed(saved, warnings_logged):
    largest = data_files(saved, 6)[-1]
    flip_bit(largest, largest.stat().st_size // 2)
    checkpoints, (state, _) = reopen(saved)
    assert leaf_digests(state) == leaf_digests(tree(4))
    assert "checkpoint 6 is damaged" in warnings_logged()
    assert "checkpoints_damaged/6.0" in warnings_logged()
    assert (saved.parent / "checkpoints_damaged" / "6.0").is_dir()
    checkpoints.close()


def test_saving_goes_on_after_a_damaged_step_was_moved_aside(saved):
    flip_bit(data_files(saved, 6)[-1], 1000)
    checkpoints, (state, _) = reopen(saved)
    for step in (5, 6):
        checkpoints.save(step, tree(step), NOTES)
    checkpoints.close()
    checkpoints, (state, _) = reopen(saved)
    checkpoints.close()
    assert leaf_digests(state) == leaf_digests(tree(6))


def truncate(step_folder):
    for file in (step_folder / "state").rglob("*"):
        if file.is_file() and "/d/" in str(file):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(step_folder):
    for file in step_folder.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")


def lose_digests(step_folder):
    shutil.rmtree(step_folder / "meta")


def lose_state(step_folder):
    shutil.rmtree(step_folder / "state")


def change_notes(step_folder):
    (file,) = (f for f in (step_folder / "meta").rglob("*") if "abc" in f.read_text())
    file.write_text(file.read_text().replace("abc", "abd"))


@pytest.mark.parametrize(
    "damage", [truncate, empty, lose_digests, lose_state, change_notes]
)
def test_the_step_before_is_taken_after(damage, saved, warnings_logged):
    damage(saved / "6")
    checkpoints, (state, _) = reopen(saved)
    checkpoints.close()
    assert leaf_digests(state) == leaf_digests(tree(4))
    assert "checkpoint 6 is damaged" in warnings_logged()
    assert not (saved / "6").exists()


def test_notes_without_a_digest_are_read(saved):
    (file,) = (f for f in (saved / "6" / "meta").rglob("*") if "abc" in f.read_text())
    meta = json.loads(file.read_text())
    del meta["digests"]["notes"]
    file.write_text(json.dumps(meta))
    checkpoints, (state, notes) = reopen(saved)
    checkpoints.close()
    assert state["step"] == 6
    assert notes == NOTES


def test_several_damaged_steps_are_all_moved_aside(saved, warnings_logged):
    for step in (2, 4, 6):
        truncate(saved / str(step))
    checkpoints, restored = reopen(saved)
    assert restored is None
    assert "no checkpoint" in warnings_logged()
    checkpoints.save(1, tree(1), NOTES)
    checkpoints.close()
    checkpoints, (state, _) = reopen(saved)
    checkpoints.close()
    assert state["step"] == 1


def test_a_step_that_is_damaged_twice_is_moved_to_two_places(saved):
    for _ in range(2):
        truncate(saved / "6")
        checkpoints, _ = reopen(saved)
        checkpoints.save(6, tree(6), NOTES)
        checkpoints.close()
    aside = saved.parent / "checkpoints_damaged"
    assert sorted(p.name for p in aside.iterdir()) == ["6.0", "6.1"]


def test_half_written_checkpoints_are_deleted(saved):
    half = saved / "8.orbax-checkpoint-tmp"
    shutil.copytree(saved / "6", half)
    checkpoints, (state, _) = reopen(saved)
    checkpoints.close()
    assert state["step"] == 6
    assert not half.exists()


def test_reading_alone_changes_nothing(saved, warnings_logged):
    truncate(saved / "6")
    before = sorted(saved.parent.rglob("*"))
    checkpoints, (state, _) = reopen(saved, read_only=True)
    checkpoints.close()
    assert state["step"] == 4
    assert sorted(saved.parent.rglob("*")) == before
    assert "moved" not in warnings_logged()


def test_an_empty_folder_holds_nothing(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    checkpoints, restored = reopen(tmp_path / "new")
    assert restored is None
    assert checkpoints.newest_step() is None
    checkpoints.close()
    assert not caplog.records


def test_a_state_of_another_shape_is_refused_and_stays(saved):
    checkpoints = Checkpoints(saved, 3)
    other = {"step": np.int32(0), "params": {"a": np.zeros((4, 4), np.float32)}}
    with pytest.raises(ValueError, match=r"checkpoint 6 .* of another network"):
        checkpoints.restore_newest(other)
    checkpoints.close()
    assert (saved / "6").is_dir()


def test_buffers_may_be_donated_while_their_checkpoint_is_written(tmp_path):
    advance = jax.jit(lambda x: x * 1.5 + 1.0, donate_argnums=0)
    checkpoints = Checkpoints(tmp_path / "checkpoints", 20)
    state, expected = {"a": jnp.ones((1024, 1024))}, {}
    for step in range(1, 7):
        expected[step] = leaf_digests(jax.device_get(state))
        checkpoints.save(step, state, {})
        state = {"a": advance(state["a"])}
    checkpoints.wait()
    for step in range(6, 0, -1):
        read, _ = checkpoints.restore_newest(state)
        assert leaf_digests(read) == expected[step]
        shutil.rmtree(tmp_path / "checkpoints" / str(step))
        checkpoints.close()
        checkpoints = Checkpoints(tmp_path / "checkpoints", 20)
    checkpoints.close()


def test_digests_tell_type_shape_and_sign_of_zero_apart():
    zero = np.zeros((2, 2), np.float32)
    variants = [zero, -zero, zero.astype(np.int32), zero.reshape(4), zero[:1]]
    digests = {leaf_digests({"a": v})["['a']"] for v in variants}
    assert len(digests) == len(variants)


def test_an_intact_checkpoint_of_another_network_is_refused_and_kept(saved):
    checkpoints = Checkpoints(saved, 3)
    for other in ({"step": np.int32(0)}, tree(0) | {"more": np.zeros(2)}):
        with pytest.raises(ValueError, match=r"6 of .* is of another network"):
            checkpoints.restore_newest(other)
    checkpoints.close()
    assert (saved / "6").is_dir()
