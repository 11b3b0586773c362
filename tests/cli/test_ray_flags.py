import os
import socket
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from styleflax import distributed
from styleflax.cli.train import RayFlags, main, split_ray
from styleflax.config import Config
from styleflax.training import on_ray

TRAIN = ["train.py", "--config=smoke", "--workdir=x"]
ON_RAY = ["--launcher=ray", "--ray.num_workers=2"]


def test_flags_of_ray_are_taken_out_of_the_others():
    flags, rest = split_ray(
        ["--config=a", *ON_RAY, "--ray.address", "h:1", "--workdir", "b"]
    )
    assert flags == RayFlags(num_workers=2, address="h:1")
    assert rest == ["--config=a", "--workdir", "b"]


def test_without_the_flag_nothing_is_started_on_ray():
    assert split_ray(["--config=a"]) == (None, ["--config=a"])
    assert split_ray(["--launcher=jax"]) == (None, [])


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--launcher=slurm"], "--launcher must be jax or ray, got 'slurm'"),
        (["--launcher"], "--launcher needs a value"),
        (["--launcher", "--ray.address=x"], "--launcher needs a value"),
        (["--ray.num_workers=2"], "--ray.num_workers requires --launcher=ray"),
        (["--launcher=ray"], "--launcher=ray requires --ray.num_workers"),
        (
            [*ON_RAY, "--ray.workers=2"],
            "no field 'workers'; close to it are num_wo",
        ),
        (["--launcher=ray", "--ray.num_workers=a"], "must be a whole number, got 'a'"),
        (["--launcher=ray", "--ray.num_workers=0"], "num_workers must be at least 1"),
        ([*ON_RAY, "--ray.max_failures=-2"], "max_failures must be at least -1"),
        ([*ON_RAY, "--ray.gpus_per_worker=-1"], "must be at least 0, got -1"),
        (["--launcher=ray", "--ray.num_workers=3"], "must be a multiple of the 3"),
        ([*ON_RAY, "--config.run.distributed=auto"], "run.distributed is 'auto', but"),
    ],
)
def test_impossible_flags_of_ray_are_refused_in_one_line(arguments, line, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*TRAIN, *arguments])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert line in error
    assert error.count("\n") == 1


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"pip install 'styleflax\[ray\]'"):
        on_ray.train_on_ray(Config(), Path("x"), print, num_workers=1)


@pytest.mark.parametrize("part", ["data", "train.v2.jax"])
def test_no_use_of_ray_is_reported_to_its_makers(monkeypatch, part):
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    with pytest.raises(ImportError, match="needs Ray"):
        distributed.import_ray(part)
    assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"


def test_an_address_that_does_not_answer_is_refused(monkeypatch):
    monkeypatch.setattr(on_ray, "import_ray", lambda _: SimpleNamespace())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(
            ConnectionError, match=f"no Ray cluster answers at {address}"
        ):
            on_ray.train_on_ray(
                Config(), Path("x"), print, num_workers=1, address=address
            )
    with pytest.raises(ValueError, match=r"--ray\.address must be HOST:PORT or auto"):
        on_ray.train_on_ray(Config(), Path("x"), print, num_workers=1, address="here")
