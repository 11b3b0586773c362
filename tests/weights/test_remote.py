"""Weights by URL, against a server on this machine."""

import hashlib

import pytest
from weights_server import running_server

from styleflax.weights import fetch as fetch_module
from styleflax.weights.fetch import WeightsError, fetch, list_fetched
from styleflax.weights.registry import is_remote, remote_weights
from styleflax.weights.store import find_model, load_model, model_digest

HUB = "hf://someone/paint/sub/model.safetensors"
PATH = "someone/paint/resolve/main/sub/model.safetensors"


@pytest.fixture
def server(monkeypatch, tmp_path, model_path):
    """Has the narrow model on the web and on the Hub."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STYLEFLAX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(fetch_module.time, "sleep", lambda _: None)
    with running_server() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        data = model_path.read_bytes()
        server.files |= {"models/model.safetensors": data, PATH: data}
        server.files["someone/paint/resolve/v2/model.safetensors"] = data
        yield server


@pytest.fixture
def hub(server):
    pytest.importorskip("huggingface_hub")
    return server


@pytest.mark.parametrize("kind", ["web", "hub"])
def test_weights_are_fetched_once_and_load_without_the_server(
    request, kind, model_path
):
    server = request.getfixturevalue("server" if kind == "web" else "hub")
    url = f"{server.url}/models/model.safetensors" if kind == "web" else HUB
    path = find_model(url)
    assert path.name == "model.safetensors"
    assert path.read_bytes() == model_path.read_bytes()
    assert model_digest(load_model(path)) == model_digest(load_model(model_path))
    count = len(server.requests)
    assert count > 0
    assert find_model(url) == path
    assert fetch(url) == path
    assert len(server.requests) == count
    assert list_fetched() == {url: path}
    assert not [p for p in path.parent.iterdir() if p.name.startswith(".")]


def test_stylizer_loads_by_url(hub, model_path):
    from styleflax import Stylizer

    stylizer = Stylizer.load(HUB)
    assert "model" in stylizer._model.variables.players
    assert hub.requests.count(f"GET {PATH}") == 1


def test_a_revision_and_a_file_in_the_root_are_found(hub):
    assert fetch("hf://someone/paint@v2/model.safetensors").is_file()
    assert fetch("hf://models/someone/paint@v2/model.safetensors").is_file()
    with pytest.raises(WeightsError, match="someone/paint has no file none"):
        fetch("hf://someone/paint/none.safetensors")
    with pytest.raises(WeightsError, match="there is no repository other/paint"):
        fetch("hf://other/paint/model.safetensors")
    hub.gated.add("someone/paint/resolve/main/gated.safetensors")
    with pytest.raises(WeightsError, match="asks for a login"):
        fetch("hf://someone/paint/gated.safetensors")


def test_the_first_digest_is_recorded_and_a_changed_file_refused(server, capsys):
    url = f"{server.url}/models/model.safetensors"
    path = fetch(url)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert f"later loads must have {digest}" in capsys.readouterr().err
    path.write_bytes(b"changed")
    with pytest.raises(WeightsError, match="differs from its first download"):
        find_model(url)
    with pytest.raises(WeightsError, match=r"weights fetch http.* --renew"):
        fetch(url)
    server.files["models/model.safetensors"] = b"new"
    assert fetch(url, renew=True).read_bytes() == b"new"
    assert find_model(url).read_bytes() == b"new"


def test_a_pinned_digest_must_be_that_of_the_file(server):
    url = f"{server.url}/models/model.safetensors"
    digest = hashlib.sha256(server.files["models/model.safetensors"]).hexdigest()
    assert fetch(f"{url}#sha256={digest.upper()}").is_file()
    wrong = f"{url}#sha256={'0' * 64}"
    with pytest.raises(WeightsError, match="and should be 0000"):
        fetch(wrong)
    with pytest.raises(WeightsError, match="and should be 0000"):
        fetch(wrong, renew=True)
    assert fetch(url).is_file()  # what was there has stayed
    with pytest.raises(ValueError, match="after # must stand sha256="):
        fetch(f"{url}#md5=1")


def test_what_servers_send_in_place_of_files_is_named(server):
    server.files |= {
        "page.safetensors": b"\n<!DOCTYPE html><html>",
        "lfs.safetensors": b"version https://git-lfs.github.com/spec/v1\noid sha256:0",
    }
    with pytest.raises(WeightsError, match="is a web page"):
        fetch(f"{server.url}/page.safetensors")
    with pytest.raises(WeightsError, match="is a pointer of Git LFS"):
        fetch(f"{server.url}/lfs.safetensors")
    with pytest.raises(WeightsError, match="404"):
        fetch(f"{server.url}/none.safetensors")
    assert list_fetched() == {}


def test_urls_are_read():
    assert is_remote(HUB)
    assert is_remote("https:/host/mangled.safetensors")
    assert not any(map(is_remote, ("adain", "a/b.safetensors", "s3://b/c.bin")))
    one = remote_weights("https:/host/a%20b.safetensors?download=true")
    assert one.url == "https://host/a%20b.safetensors?download=true"
    assert one.filename.endswith("/a_b.safetensors")
    page = remote_weights("https://huggingface.co/u/r/blob/main/x.safetensors")
    assert page.url == "https://huggingface.co/u/r/resolve/main/x.safetensors"
    for url in ("https://host", "https://host/", "hf://user/repo", "hf://user"):
        with pytest.raises(ValueError, match="must name a file"):
            remote_weights(url)


def test_without_the_hubs_client_the_extra_is_named(server, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ImportError, match=r'pip install "styleflax\[hub\]"'):
        fetch(HUB)
