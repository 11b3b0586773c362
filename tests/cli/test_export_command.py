"""`styleflax export`."""

import json
import sys

import pytest
from exported import make_file

from styleflax.weights.store import save_model


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_model(path, make_file("lite"))
    return path


def test_export_writes_files_a_manifest_and_names_them(command, model, tmp_path):
    out = tmp_path / "made" / "here"
    code, output, _ = command("export", model, "-o", out, "--storage", "float16")
    assert code == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["name"], manifest["storage"]) == ("narrow", "float16")
    *files, last = output.splitlines()
    assert [line.split()[0] for line in files] == [
        str(out / part) for part in ("encoder.onnx", "decoder.onnx")
    ]
    assert last == str(out / "manifest.json")


def test_export_refuses_what_it_cannot_do(refuses, model, tmp_path, monkeypatch):
    out = ("-o", tmp_path / "out")
    assert "format must be one of" in refuses("export", model, *out, "--format", "tf")
    assert "storage must be one of" in refuses("export", model, *out, "--storage", "4")
    assert "no model file 'none'" in refuses("export", "none", *out)
    assert "-o must be a folder" in refuses("export", model, "-o", model)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'pip install "styleflax[export]"' in refuses("export", model, *out)
