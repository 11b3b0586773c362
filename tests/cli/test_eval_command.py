import json
from pathlib import Path

import pytest

from styleflax.evaluation import runner


@pytest.fixture
def arguments(pictures, tmp_path):
    """The folders, as options."""
    folders = {"content": pictures / "photos", "style": pictures / "arts"}
    return [*(f"--{k}={v}" for k, v in folders.items()), f"--out={tmp_path / 'out'}"]


@pytest.fixture
def asked(monkeypatch):
    """What the library is asked for, without doing it."""
    calls = []

    def evaluate(*given):
        calls.append(given)
        raise ValueError("no more than asked")

    monkeypatch.setattr(runner, "evaluate", evaluate)
    return calls


def test_eval_prints_a_table_and_writes_a_report(
    command, arguments, model_path, tmp_path
):
    arguments += [f"--weights={model_path}", "--size=64"]
    code, output, _ = command("eval", *arguments, "--alphas=1")
    assert code == 0
    assert "untrained" in output
    assert "coral" in output
    assert "ms_ssim" in output
    assert "report.html" in output
    out = tmp_path / "out"
    results = json.loads((out / "results.json").read_text("utf-8"))
    counts = {s["system"]: s["num_pairs"] for s in results["systems"]}
    assert counts == dict.fromkeys(("untrained", "content", "style", "coral"), 2)
    assert (out / "report.html").is_file()


def test_options_reach_the_library(refuses, arguments, asked, tmp_path):
    options = [
        *("--weights=one", "--weights", "two", "--outputs=lite@0.5:some/dir"),
        *("--alphas=0,0.5", "--size=64", "--no-baselines", "--networks=vgg16"),
        *("--num-pairs=3", "--inception=i.pth", "--art-inception=a.pth"),
        *("--no-keep-pictures", "--overwrite"),
    ]
    refuses("eval", *arguments, *options)
    ((weights, content, _, out, given),) = asked
    assert weights == ["one", "two"]
    assert content.name == "photos"
    assert out == tmp_path / "out"
    assert given == runner.Options(
        size_px=64,
        alphas=(0.0, 0.5),
        outputs=(("lite@0.5", Path("some/dir")),),
        baselines=False,
        networks=("vgg16",),
        num_pairs=3,
        inception=Path("i.pth"),
        art_inception=Path("a.pth"),
        keep_pictures=False,
        overwrite=True,
    )


def test_defaults_are_those_of_the_library(refuses, arguments, asked):
    refuses("eval", *arguments)
    assert asked[0][0] == ["adain"]
    assert asked[0][-1] == runner.DEFAULTS


def test_outputs_alone_need_no_weights(refuses, arguments, asked):
    refuses("eval", *arguments, "--outputs=lite:dir")
    assert asked[0][0] == []


def test_the_former_name_of_one_strength_still_works(refuses, arguments, asked):
    refuses("eval", *arguments, "--alpha=0.5")
    assert asked[0][-1].alphas == (0.5,)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--alphas=0,x", "--alphas must be numbers joined by commas, got '0,x'"),
        ("--alphas=2", "alpha must be in"),
        ("--outputs=lite", "NAME:DIR"),
        ("--outputs=lite:nowhere", "there is no folder 'nowhere'"),
        ("--weights=nothing", "there is no model file"),
        ("--size=8", "size must be at least 32 px, got 8"),
        ("--num-pairs=0", "num_pairs must be at least 1, got 0"),
        ("--content=nowhere", "there is no folder 'nowhere'"),
        ("--networks=vgg19", "'vgg19'"),
    ],
)
def test_mistakes_are_one_line(refuses, arguments, option, message):
    quick = () if "--networks" in option else ("--networks=alexnet",)
    assert message in refuses("eval", *arguments, "--size=32", *quick, option)


def test_out_that_is_a_file_is_one_line(refuses, arguments, tmp_path):
    quick = ("--size=32", "--networks=alexnet", "--outputs=made:" + str(tmp_path))
    assert "lacks 2 of 2" in refuses("eval", *arguments, *quick)
    (tmp_path / "out").touch()
    quick = (*quick[:2], "--alphas=1", "--no-baselines")
    error = refuses("eval", *arguments, *quick)
    assert f"--out must be a folder, got a file: '{tmp_path / 'out'}'" in error


def test_missing_weights_of_networks_are_one_line(
    refuses, arguments, monkeypatch, tmp_path
):
    from styleflax.weights import packaged

    monkeypatch.setattr(packaged, "_DISTRIBUTION", "no-such-distribution")
    monkeypatch.setattr(packaged.sys, "path", [str(tmp_path)])
    error = refuses("eval", *arguments)
    assert 'pip install "styleflax[eval]"' in error
