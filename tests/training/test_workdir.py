import dataclasses
import errno
import fcntl
import json

import pytest

from styleflax.config import Config, Data, Phase, Run, Schedule
from styleflax.datasets.manifest import Part, PictureFile
from styleflax.images.listing import RULES, RULES_OF_0_1
from styleflax.training import encoder, workdir
from styleflax.training.workdir import (
    MANIFEST,
    check_pictures,
    check_place,
    check_same_config,
    has_begun,
    locked,
    open_workdir,
    recorded_rules,
)


def one_phase(steps, kind="inverse", **fields):
    return Config(phases=(Phase(steps=steps, schedule=Schedule(kind)),), **fields)


def begin(folder, config):
    """A folder in which that configuration has been trained for two steps."""
    open_workdir(folder, config)
    (folder / "checkpoints" / "2").mkdir(parents=True, exist_ok=True)


def test_a_new_folder_gets_the_whole_configuration(tmp_path):
    config = one_phase(10)
    open_workdir(tmp_path / "a" / "b", config)
    stored = json.loads((tmp_path / "a" / "b" / "config.json").read_text())
    assert stored == json.loads(json.dumps(dataclasses.asdict(config)))
    assert (tmp_path / "a" / "b" / "samples").is_dir()


def test_a_new_folder_among_the_pictures_or_of_a_files_name_is_refused(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    config = one_phase(10, data=Data(content=f"sample_photos+image_folder:{photos}"))
    with pytest.raises(ValueError, match=r"--workdir must be outside .*photos"):
        check_place(photos / "run", config)
    with pytest.raises(ValueError, match="--workdir must be a folder, got a file's"):
        check_place(tmp_path / "run.zip", config)
    check_place(tmp_path / "run", config)
    (photos / "run").mkdir()
    (photos / "run" / "config.json").touch()
    check_place(photos / "run", config)  # begun by an older version


def test_another_configuration_is_refused_with_all_differences(tmp_path):
    begin(tmp_path, one_phase(10))
    other = one_phase(10, seed=3, data=Data(flip=False))
    with pytest.raises(ValueError, match="another configuration") as refused:
        open_workdir(tmp_path, other)
    assert "data.flip: was True, now False" in str(refused.value)
    assert "seed: was 0, now 3" in str(refused.value)
    assert "--config.init_from=MODEL.safetensors" in str(refused.value)
    assert "may change: fields of run" in str(refused.value)
    open_workdir(tmp_path, one_phase(10))


def test_how_a_run_is_carried_out_may_change(tmp_path):
    begin(tmp_path, one_phase(10))
    changed = Run(
        parallel="shard_map",
        num_workers=2,
        log_every_steps=1,
        checkpoint_every_steps=7,
        keep_checkpoints=1,
        tensorboard=False,
    )
    open_workdir(tmp_path, one_phase(10, run=changed, data=Data(data_dir="elsewhere")))
    stored = json.loads((tmp_path / "config.json").read_text())
    assert stored["run"]["num_workers"] == 2


def test_more_steps_are_allowed_where_the_rate_does_not_depend_on_them(tmp_path):
    begin(tmp_path, one_phase(10))
    open_workdir(tmp_path, one_phase(20))
    with pytest.raises(ValueError, match=r"phases\[0\].steps: was 20, now 15"):
        open_workdir(tmp_path, one_phase(15))


def test_more_steps_are_refused_for_a_cosine(tmp_path):
    begin(tmp_path, one_phase(10, "cosine"))
    with pytest.raises(ValueError, match=r"phases\[0\].steps: was 10, now 20"):
        open_workdir(tmp_path, one_phase(20, "cosine"))


def test_more_steps_of_an_earlier_phase_are_refused(tmp_path):
    def two(first):
        return Config(phases=(Phase(steps=first), Phase(steps=10)))

    begin(tmp_path, two(10))
    with pytest.raises(ValueError, match=r"phases\[0\].steps"):
        open_workdir(tmp_path, two(11))
    with pytest.raises(ValueError, match=r"phases\[1\].batch_size: was 8, now None"):
        open_workdir(tmp_path, Config(phases=(Phase(steps=10),)))


def test_a_field_that_an_older_version_had_not_is_as_by_default(tmp_path):
    begin(tmp_path, one_phase(10))
    stored = json.loads((tmp_path / "config.json").read_text())
    del stored["phases"][0]["schedule"]["every_steps"], stored["data"]["style_px"]
    (tmp_path / "config.json").write_text(json.dumps(stored))
    with pytest.raises(ValueError, match=r"data.style_px: was 0, now 64"):
        open_workdir(tmp_path, one_phase(10, data=Data(style_px=64)))
    open_workdir(tmp_path, one_phase(10))


def test_a_file_in_place_of_the_folder_is_an_error_that_names_it(tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(OSError, match=r"cannot write the workdir .*run"):
        open_workdir(tmp_path / "run", one_phase(10))


def test_a_folder_with_another_config_json_is_refused(tmp_path):
    for text in ("{", "[]", "3", "", '{"name": "web"}'):
        (tmp_path / "config.json").write_text(text)
        with pytest.raises(ValueError, match="configuration"):
            open_workdir(tmp_path, one_phase(10))
        assert (tmp_path / "config.json").read_text() == text


def test_a_folder_in_use_is_refused_until_its_training_ends(tmp_path):
    folder = tmp_path / "a" / "b"
    with locked(folder):
        with (
            pytest.raises(ValueError, match=r"another training uses .*b"),
            locked(folder),
        ):
            pass
        with locked(tmp_path / "c"):
            pass
    with locked(folder):
        pass


def test_a_file_system_without_locks_is_borne(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(tmp_path):
        pass


def test_a_file_in_place_of_the_folder_to_lock_is_an_error(tmp_path):
    (tmp_path / "run").write_text("")
    with (
        pytest.raises(OSError, match=r"cannot write the workdir .*run"),
        locked(tmp_path / "run"),
    ):
        pass


def test_processes_with_other_configurations_are_refused(monkeypatch):
    told = []

    def exchange(text):
        told.append(text)
        return told

    monkeypatch.setattr(workdir, "exchange", exchange)
    check_same_config(one_phase(10))
    check_same_config(one_phase(10, run=Run(num_workers=2, process_id=1)))
    with pytest.raises(ValueError, match=r"steps: 10 in process 0, 11 in process 2"):
        check_same_config(one_phase(11))


def pictures(*names):
    files = tuple(PictureFile(name, 3, "d" * 32) for name in names)
    return {"content": (Part("image_folder", files),), "style": (Part("art/1", ()),)}


def test_where_nothing_was_trained_everything_may_change(tmp_path):
    open_workdir(tmp_path, one_phase(10))
    check_pictures(tmp_path, one_phase(10), RULES, pictures("a.jpg"))
    (tmp_path / encoder.FILE_NAME).touch()
    assert not has_begun(tmp_path)
    other = one_phase(10, seed=3, data=Data(content="image_folder:elsewhere"))
    open_workdir(tmp_path, other)
    assert not (tmp_path / encoder.FILE_NAME).exists()
    check_pictures(tmp_path, other, RULES, pictures("b.jpg"))
    (tmp_path / encoder.FILE_NAME).touch()
    check_pictures(tmp_path, other, RULES, pictures("c.jpg"))
    assert not (tmp_path / encoder.FILE_NAME).exists()
    assert json.loads((tmp_path / "config.json").read_text())["seed"] == 3
    assert "c.jpg" in (tmp_path / MANIFEST).read_text()


def test_a_damaged_checkpoint_is_one_that_was_trained(tmp_path):
    (tmp_path / "checkpoints_damaged" / "4.0").mkdir(parents=True)
    assert has_begun(tmp_path)


def test_the_same_pictures_may_lie_elsewhere(tmp_path):
    begin(tmp_path, one_phase(10))
    check_pictures(tmp_path, one_phase(10), RULES, pictures("a.jpg"))
    moved = one_phase(10, data=Data(content="image_folder:elsewhere"))
    open_workdir(tmp_path, moved)
    assert "elsewhere" not in (tmp_path / "config.json").read_text()
    check_pictures(tmp_path, moved, RULES, pictures("a.jpg"))
    assert "elsewhere" in (tmp_path / "config.json").read_text()


def test_other_pictures_are_refused_with_what_changed_and_what_to_do(tmp_path):
    begin(tmp_path, one_phase(10))
    check_pictures(tmp_path, one_phase(10), RULES, pictures("a.jpg"))
    before = (tmp_path / MANIFEST).read_text()
    with pytest.raises(ValueError, match="not those that the run in") as refused:
        check_pictures(tmp_path, one_phase(10), RULES, pictures("a.jpg", "b.jpg"))
    text = str(refused.value)
    for words in ("data.content: 1 added ('b.jpg')", "init_from", "may change", "run"):
        assert words in text
    assert "\n" not in text
    assert (tmp_path / MANIFEST).read_text() == before


def test_an_older_run_gets_a_record_with_one_warning(tmp_path, caplog):
    begin(tmp_path, one_phase(10))
    assert recorded_rules(tmp_path) == RULES_OF_0_1
    for _ in range(2):
        rules = recorded_rules(tmp_path)
        check_pictures(tmp_path, one_phase(10), rules, pictures("a.jpg"))
    warnings = [r for r in caplog.records if r.levelname == "WARNING"]
    assert len(warnings) == 1
    assert "of an older version" in warnings[0].getMessage()
    assert recorded_rules(tmp_path) == RULES_OF_0_1
    assert recorded_rules(tmp_path / "new") == RULES


def test_an_older_run_goes_by_absolute_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "run"
    begin(folder, one_phase(10, data=Data(content="image_folder:p+sample_photos")))
    same = f"image_folder:{tmp_path / 'p'}+sample_photos"
    open_workdir(folder, one_phase(10, data=Data(content=same)))
    with pytest.raises(ValueError, match=r"data.content: .*change it in config.json"):
        open_workdir(folder, one_phase(10, data=Data(content="image_folder:q")))


@pytest.mark.parametrize("text", ["{", "[]", '{"rules": 3}', '{"rules": "[1]"}'])
def test_a_damaged_record_is_refused_by_name(tmp_path, text):
    begin(tmp_path, one_phase(10))
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(ValueError, match=r"pictures.json, the record of the run"):
        recorded_rules(tmp_path)
