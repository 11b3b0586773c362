"""`styleflax site`: the folder of the page, and a checkout without it."""

import json

import pytest

from styleflax.cli.app import run as command
from styleflax.web import site


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A page without its runtime, in the place of the one of `make site`."""
    folder = tmp_path / "built"
    (folder / "models/lite").mkdir(parents=True)
    for name in ("index.html", "app.js", "runtime-webgpu.txt", "models/lite/a.onnx"):
        (folder / name).write_text(name)
    described = {"models": [{"name": "lite", "folder": "models/lite/"}]}
    (folder / "site.json").write_text(json.dumps(described))
    monkeypatch.setattr(site, "BUILT", folder)
    return folder


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        command(["site", *map(str, arguments)])
    return ended.value.code, capsys.readouterr()


def test_checkout_without_the_page_says_what_to_do(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(site, "BUILT", tmp_path / "missing")
    code, printed = run(capsys, "-o", tmp_path / "out")
    assert code == 2
    assert "make site" in printed.err
    assert printed.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_folder_is_the_page_with_its_files_for_no_network(built, tmp_path):
    site.write_site(tmp_path / "out")
    written = json.loads((tmp_path / "out/site.json").read_text())
    assert {"app.js", "models/lite/a.onnx"} <= set(written["offline"])
    assert (tmp_path / "out/models/lite/a.onnx").read_text() == "models/lite/a.onnx"
    worker = (tmp_path / "out/sw.js").read_text()
    assert '"development"' not in worker


def test_version_changes_with_the_files(built, tmp_path):
    def version():
        site.write_site(tmp_path / "out")
        return (tmp_path / "out/sw.js").read_text()

    first = version()
    assert version() == first
    (built / "app.js").write_text("other")
    assert version() != first


def test_model_of_its_own_is_added(built, tmp_path):
    from exported import make_file

    from styleflax.weights.store import save_model

    save_model(tmp_path / "mine.safetensors", make_file("lite"))
    save_model(tmp_path / "fixed.safetensors", make_file("johnson"))
    out = tmp_path / "out"
    added = site.write_site(out, [str(tmp_path / "mine.safetensors")])["models"][-1]
    assert added["name"] == added["title"] == "mine"
    manifest = json.loads((out / added["folder"] / "manifest.json").read_text())
    assert manifest["method"] == "lite"
    with pytest.raises(ValueError, match="lite, adain, sanet, got 'fixed' of johnson"):
        site.write_site(out, [str(tmp_path / "fixed.safetensors")])
    assert not (out / "models/fixed").exists()


def test_file_in_the_place_of_the_folder_is_refused(built, tmp_path, capsys):
    code, printed = run(capsys, "-o", tmp_path / "page.html")
    assert code == 2
    assert "must be a folder" in printed.err
