import hashlib
from pathlib import Path

import numpy as np

from styleflax import art as procedural
from styleflax.weights import registry, store
from styleflax.weights.store import load_model


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_doctor_names_devices_versions_caches_and_weights(command, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("STYLEFLAX_CACHE", "/some/[red]cache")
    code, output, _ = command("doctor")
    assert code == 0
    for text in ("python", "jaxlib", "device 0", "compiler options", "vgg16.ckpt"):
        assert text in output
    assert "/some/[red]cache" in output
    assert "weights adain" in output
    assert "to fetch: `styleflax weights fetch vgg19`" in output


def test_fetched_file_may_be_one_that_is_here(command, refuses, tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEFLAX_CACHE", str(tmp_path / "cache"))
    source = tmp_path / "mine.pth"
    source.write_bytes(b"weights")
    assert "its SHA-256 is" in refuses("weights", "fetch", "vgg19", "--from", source)
    assert "there is no file" in refuses("weights", "fetch", "vgg19", "--from", "no")
    digest = hashlib.sha256(b"weights").hexdigest()
    known = registry.DOWNLOADS["vgg19"]._replace(sha256=digest)
    monkeypatch.setitem(registry.DOWNLOADS, "vgg19", known)
    code, output, _ = command("weights", "fetch", "vgg19", "--from", source)
    assert code == 0
    assert Path(output.strip()).read_bytes() == b"weights"


def test_export_writes_what_the_run_holds(
    command, refuses, model_file, tmp_path, monkeypatch
):
    def read_run(_workdir, *, complete):
        if complete:
            raise ValueError("has taken 1 of 2 steps")
        return model_file

    monkeypatch.setattr("styleflax.training.export.read_run", read_run)
    out = tmp_path / "model.safetensors"
    code, output, _ = command("weights", "export", tmp_path, "-o", out)
    assert code == 0
    assert output.startswith(str(out))
    assert load_model(out).method == "adain"
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "model.safetensors"
    error = refuses("weights", "export", tmp_path, "-o", below)
    assert "must be a folder, got a file" in error
    assert "1 of 2" in refuses("weights", "export", tmp_path, "--complete", "-o", out)


def test_export_of_no_run_is_one_line(refuses, tmp_path):
    error = refuses("weights", "export", tmp_path, "-o", tmp_path / "m.safetensors")
    assert "has no run" in error


def test_demo_writes_a_sheet_and_its_parts(
    command, refuses, model_path, tmp_path, monkeypatch
):
    def paint(family, seed, size_px):
        shade = 20 * len(family)
        return np.full((32, 32, 3), shade, np.uint8)

    monkeypatch.setattr(procedural, "paint", paint)
    # All packaged weights, by default.
    monkeypatch.setattr(store, "FOLDER", model_path.parent)
    arguments = ["demo", "--size", "16", "-o"]
    code, output, _ = command(*arguments, tmp_path / "demo")
    assert code == 0
    assert str(tmp_path / "demo" / "demo.png") in output
    # The photo, the sheet, four paintings, and the photo by each and by their mix.
    assert len(names(tmp_path / "demo")) == 2 + 4 + 5
    (tmp_path / "file").touch()
    assert "file" in refuses(*arguments, tmp_path / "file")
    assert "size must be" in refuses(*arguments, tmp_path / "demo", "--size", "3")
