from pathlib import Path

import pytest

from styleflax.cli import train as command
from styleflax.cli.train import main, parse_arguments, resolve_config
from styleflax.config import StyleTerm
from styleflax.training import loop

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture
def calls(monkeypatch):
    """What `loop.train` was called with, in place of training."""
    made = []
    monkeypatch.setattr(loop, "train", lambda *arguments: made.append(arguments))
    return made


@pytest.fixture
def refused(capsys, calls):
    """The line on stderr after a command line that must be refused."""

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["train.py", *arguments])
        assert ended.value.code == 2
        assert not calls
        error = capsys.readouterr().err
        assert error.startswith("styleflax: ")
        assert error.count("\n") == 1
        return error

    return run


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--workdir=x"], "--config is missing"),
        (["--config=smoke"], "--workdir is missing"),
        (["--config=smoke", "--workdir"], "--workdir needs a value"),
        (["--config", "--workdir=x"], "--config needs a value"),
        (
            ["--config=nowhere.py", "--workdir=x"],
            "packaged configuration, got 'nowhere.py'",
        ),
        (["--config=", "--workdir=x"], "packaged are adain"),
        (["--config=smoke", "--workdir=x", "--wrkdir=y"], "flag 'wrkdir'"),
        (["--config=smoke", "--workdir=x", "more"], "unexpected argument 'more'"),
        (["--config=smoke:big", "--workdir=x"], "get_config() takes 0"),
        (
            ["--config=adain:0-4", "--workdir=x"],
            "phases must be as 1-4 or 5, of 1",
        ),
        (
            ["--config=adain:4-1", "--workdir=x"],
            "phases must be as 1-4 or 5, of 1",
        ),
    ],
)
def test_a_wrong_argument_is_one_line(arguments, line, refused):
    assert line in refused(*arguments)


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("seeds=1", "no field 'seeds'; close to it are seed"),
        ("optimzer.beta1=1", "no field 'optimzer.beta1'"),
        ("phases[9].steps=1", "no field 'phases[9].steps'"),
        ("phases[0].losses.pixels=1", "losses must be among ['adversarial', "),
        ("phases[0].losses.gram=much", "losses.gram must be a number, got 'much'"),
        ("phases[9].losses.gram=1", "no field 'phases[9].losses.gram'"),
        ("options.norms=batch", "options ['norms'] unknown to 'adain'; it has"),
        ("options.norm=batch", "options ['norm'] of 'adain' were for experiments"),
        ("options", "no field 'options'"),
        ("phases=3", "no field 'phases'"),
        ("data=3", "no field 'data'"),
        ("seed=abc", "--config.seed must be a whole number, got 'abc'"),
        ("seed=1.5", "--config.seed must be a whole number, got '1.5'"),
        ("optimizer.beta1=high", "--config.optimizer.beta1 must be a number, got 'h"),
        ("data.flip=perhaps", "--config.data.flip must be true or false, got 'perh"),
    ],
)
def test_a_wrong_field_is_one_line(field, line, refused):
    assert line in refused("--config=smoke", "--workdir=x", f"--config.{field}")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def get_config(:", "SyntaxError"),
        ("import nothing_like_this", "nothing_like_this"),
        ("", "get_config"),
        ("def get_config():\n    return {}", "must return a styleflax Config"),
        ("def get_config():\n    return 1 / 0", "division by zero"),
        ("def get_config():\n    raise ValueError('no good')", "no good"),
        ("def get_config():\n    raise OSError('no disk')", "OSError: no disk"),
    ],
)
def test_a_configuration_that_fails_is_one_line(text, line, refused, tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(text)
    assert line in refused(f"--config={path}", "--workdir=x")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--config=smoke", "--workdir=x", "--config.seed=5", "--noconfig.data.flip"],
        [
            "--config",
            "smoke",
            "--workdir",
            "x",
            "--config.seed",
            "5",
            "--config.data.flip=false",
        ],
        [
            "--config=smoke",
            "--workdir=x",
            "--config.seed=5",
            "--config.data.flip",
            "False",
        ],
    ],
)
def test_flags_may_be_written_in_every_usual_way(arguments):
    config, workdir = parse_arguments(arguments)
    assert (config.seed, config.data.flip) == (5, False)
    assert workdir == Path("x")


def test_fields_of_phases_can_be_set():
    config, _ = parse_arguments(
        [
            "--config=smoke",
            "--workdir=x",
            "--config.phases[0].steps=7",
            "--config.phases[1].schedule.learning_rate=0.5",
            "--config.phases[1].losses.style=3",
        ]
    )
    assert config.phases[0].steps == 7
    assert config.phases[1].schedule.learning_rate == 0.5
    assert config.phases[1].losses["style"] == 3.0
    again, _ = parse_arguments(["--config=smoke", "--workdir=x"])
    assert again.phases[0].steps != 7


def test_losses_that_a_configuration_has_not_got_can_be_given():
    names = ("mmd_gaussian_sampled", StyleTerm("gram", ("relu3_1", "relu4_1")))
    flags = [f"--config.phases[1].losses.{name}=0.5" for name in names]
    config, _ = parse_arguments(["--config=smoke", "--workdir=x", *flags])
    assert {config.phases[1].losses[name] for name in names} == {0.5}
    again, _ = parse_arguments(["--config=smoke", "--workdir=x"])
    assert not set(names) & set(again.phases[1].losses)


def test_a_name_stands_for_a_packaged_configuration():
    assert Path(resolve_config("smoke")).samefile(CONFIGS / "smoke.py")
    assert resolve_config("smoke:a:b").endswith("smoke.py:a:b")


def test_a_file_is_preferred_to_a_packaged_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("smoke").write_text("")
    assert resolve_config("smoke") == "smoke"


def test_configurations_inside_an_installed_package_are_found(tmp_path, monkeypatch):
    folder = tmp_path / "styleflax" / "configs"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text("")
    monkeypatch.setattr(
        command.styleflax, "__file__", str(tmp_path / "styleflax" / "__init__.py")
    )
    assert resolve_config("mine") == str(folder / "mine.py")


def test_training_gets_the_configuration_and_the_folder(calls):
    main(["train.py", "--config=smoke", "--workdir=runs/x"])
    ((config, workdir, make_sampler, request),) = calls
    assert config.phases[0].crop_px == 64
    assert workdir == Path("runs/x")
    assert callable(make_sampler)
    assert request.name == ""  # until a signal asks to stop


@pytest.mark.parametrize(("name", "code"), [("SIGINT", 130), ("SIGTERM", None)])
def test_ctrl_c_has_its_own_exit_code_and_a_scheduler_has_none(name, code, monkeypatch):
    def stopped(config, workdir, make_sampler, request):
        request.name = name

    monkeypatch.setattr(loop, "train", stopped)
    try:
        main(["train.py", "--config=smoke", "--workdir=x"])
        ended = None
    except SystemExit as error:
        ended = error.code
    assert ended == code


def test_arguments_are_the_programs_own_by_default(calls, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--config=smoke", "--workdir=y"])
    main()
    assert calls[0][1] == Path("y")


def test_help_lists_flags_and_fields(capsys, calls):
    main(["styleflax train", "--help"])
    text = capsys.readouterr().out
    assert text.startswith("usage: styleflax train --config=FILE")
    assert "--config.run.checkpoint_every_steps=" in text
    assert "smoke" in text
    assert not calls


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ValueError("phases[0].steps must be at least 1, got 0"), 2),
        (FileNotFoundError("there is no model file x"), 2),
        (loop.TrainingDivergedError("not finite for 10 steps"), 3),
    ],
)
def test_what_stops_training_is_one_line(error, code, monkeypatch, capsys):
    def fail(*arguments):
        raise error

    monkeypatch.setattr(loop, "train", fail)
    with pytest.raises(SystemExit) as ended:
        main(["train.py", "--config=smoke", "--workdir=x"])
    assert ended.value.code == code
    assert capsys.readouterr().err == f"styleflax: {error}\n"


def test_the_phases_of_adain_may_be_runs_of_their_own():
    whole, first, last = (
        parse_arguments([f"--config=adain{which}", "--workdir=x"])[0]
        for which in ("", ":1-4", ":5")
    )
    assert first.phases + last.phases == whole.phases
    assert (whole.decoder, first.decoder, last.decoder) == (
        *("inverse", "inverse"),
        "random",  # nothing is fitted, as it begins from a file
    )
