import dataclasses
import importlib.util
from pathlib import Path

import pytest

import styleflax
from styleflax.config import (
    Config,
    Data,
    Phase,
    Run,
    Schedule,
    flatten,
    from_json,
    to_json,
)
from styleflax.training.phases import validate

FILES = sorted((Path(styleflax.__file__).parents[1] / "configs").glob("[a-z]*.py"))


def test_names_of_fields_are_those_of_the_command_line():
    config = Config(phases=(Phase(), Phase(losses={"pixel": 2.0})))
    flat = flatten(config)
    assert flat["seed"] == 0
    assert flat["run.parallel"] == "pmap"
    assert flat["phases[0].losses.style"] == 10.0
    assert flat["phases[1].losses.pixel"] == 2.0
    assert flat["phases[1].schedule.kind"] == "inverse"
    assert not any(isinstance(value, dict | list | tuple) for value in flat.values())


def test_json_gives_the_same_configuration_back():
    config = Config(
        seed=7,
        data=Data(content="image_folder:/p h/ö", flip=False),
        phases=(Phase(steps=3), Phase(schedule=Schedule("cosine", 1 / 3))),
        run=Run(num_workers=2),
    )
    assert from_json(to_json(config)) == config


def test_two_configurations_share_no_field_that_can_change():
    one, other = Config(), Config()
    one.phases[0].losses["style"] = 0.0
    one.optimizer.beta1 = 0.5
    assert other == Config()
    assert dataclasses.asdict(one) != dataclasses.asdict(other)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_configuration_file_is_valid(path):
    spec = importlib.util.spec_from_file_location(f"config_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = validate(module.get_config())
    assert from_json(to_json(config)) == config
    assert f"--config=configs/{path.name}" in module.__doc__
