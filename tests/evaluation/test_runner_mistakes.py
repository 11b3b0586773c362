import pytest

from styleflax.evaluation import runner
from styleflax.evaluation.runner import Options, evaluate


def test_mistakes_are_refused_before_any_work(folders, model_path, tmp_path):
    out = tmp_path / "out"
    name, quick = str(model_path), Options(size_px=32, networks=())
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (([name], tmp_path / "empty", folders[1], out, quick), "has no image"),
        (([name], *folders, out, quick._replace(size_px=31)), "size must be"),
        (([name], *folders, out, quick._replace(alphas=(2.0,))), "alpha must be"),
        (
            ([name], *folders, out, quick._replace(alphas=())),
            "alphas must have at least one",
        ),
        (
            ([name], *folders, out, quick._replace(num_pairs=0)),
            "num_pairs must be at least 1, got 0",
        ),
        (
            ([], *folders, out, quick._replace(baselines=False)),
            "weights or outputs must be given",
        ),
        (([], *folders, out, quick._replace(networks=("vgg",))), "got 'vgg'"),
    ):
        with pytest.raises(ValueError, match=message):
            evaluate(*arguments)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        evaluate([name], folders[0], tmp_path / "nothing", out, quick)
    with pytest.raises(FileNotFoundError, match="there is no model file"):
        evaluate(["nothing"], *folders, out, quick)
    assert not out.exists()


def test_model_that_does_not_fit_is_refused_before_any_work(
    folders, model_file, tmp_path
):
    from styleflax.weights.store import save_model

    path = tmp_path / "empty.safetensors"
    save_model(path, model_file._replace(players={}))
    options = Options(size_px=32, networks=())
    with pytest.raises(ValueError, match="18 missing"):
        evaluate([str(path)], *folders, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_systems_of_one_name_are_refused(folders, tmp_path, write_picture):
    for pair in ("a__s", "a__t", "b__s", "b__t"):
        write_picture(tmp_path / "made" / f"{pair}.png")
    outputs = (("coral", tmp_path / "made"),)
    options = Options(size_px=32, networks=(), outputs=outputs)
    with pytest.raises(ValueError, match="got twice coral"):
        evaluate([], *folders, tmp_path / "out", options)


def test_missing_packages_are_named_before_any_work(folders, tmp_path, monkeypatch):
    def missing():
        raise ImportError('run `pip install "styleflax[eval]"`')

    monkeypatch.setattr(runner, "check_extras", missing)
    with pytest.raises(ImportError, match=r"styleflax\[eval\]"):
        evaluate([], *folders, tmp_path / "out")
