import json

import jax
import numpy as np
import pytest

from styleflax.files import file_sha256
from styleflax.weights import store
from styleflax.weights.fetch import CACHE_VARIABLE
from styleflax.weights.store import load_model, model_digest


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch, model_path):
    """A folder in place of the package's, with the model `mine`; nothing cached."""
    path = tmp_path / "mine.safetensors"
    path.write_bytes(model_path.read_bytes())
    sums = f"{file_sha256(path)}  {path.name}\n"
    (tmp_path / "SHA256SUMS").write_text(sums)
    monkeypatch.setattr(store, "FOLDER", tmp_path)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "300")
    return path


def test_list_is_a_table_or_json(command, installed):
    code, output, _ = command("weights", "list")
    assert code == 0
    line = next(line for line in output.splitlines() if "mine" in line)
    for text in ("model adain", "package", "ready", str(installed)):
        assert text in line
    assert "to fetch: `styleflax weights fetch vgg19`" in output
    code, output, _ = command("weights", "list", "--json")
    entries = {entry["name"]: entry for entry in json.loads(output)}
    assert entries.keys() == {"mine", "vgg19", "vgg16", "alexnet"}
    assert entries["mine"]["path"] == str(installed)
    assert entries["mine"]["num_bytes"] == installed.stat().st_size
    assert entries["vgg19"]["is_here"] is False


def test_verify_checks_all_that_is_here(command, installed):
    code, output, _ = command("weights", "verify")
    assert code == 0
    digest = file_sha256(installed)
    assert f"mine: ok, SHA-256 {digest}\n" in output
    assert "vgg19" not in output


def test_a_bad_digest_ends_with_code_1(command, installed, model_path):
    data = bytearray(installed.read_bytes())
    data[-1] ^= 64
    installed.write_bytes(data)
    for names in ((), ("mine", model_path)):
        code, output, _ = command("weights", "verify", *names)
        assert code == 1
        assert output.splitlines()[0].startswith("mine: BAD: ")
    assert f"{model_path}: ok" in output


def test_verify_of_what_is_absent_is_one_line(refuses):
    assert "there is no file 'nope'" in refuses("weights", "verify", "nope")
    assert "weights fetch vgg19" in refuses("weights", "verify", "vgg19")


def test_info_takes_every_name_of_the_list(command, refuses):
    code, output, _ = command("weights", "info", "mine")
    assert (code, json.loads(output)["method"]) == (0, "adain")
    code, output, _ = command("weights", "info", "alexnet")
    assert (code, json.loads(output)["kind"]) == (0, "metric network")
    assert "weights fetch vgg19" in refuses("weights", "info", "vgg19")


def test_average_of_a_model_with_itself_is_that_model(command, installed, tmp_path):
    out = tmp_path / "mean.safetensors"
    code, output, _ = command("weights", "average", "mine", installed, "-o", out)
    assert code == 0
    assert output.startswith(f"{out} (SHA-256 of its values ")
    own, mean = load_model(installed), load_model(out)
    jax.tree.map(np.testing.assert_array_equal, mean.players, own.players)
    assert [m["sha256"] for m in mean.provenance["mean_of"]] == [model_digest(own)] * 2


def test_average_of_one_model_is_refused(refuses, installed, tmp_path):
    out = tmp_path / "mean.safetensors"
    assert "at least two" in refuses("weights", "average", "mine", "-o", out)
    assert not out.exists()
