"""`--weights URL`, and what `styleflax weights` does with URLs."""

from pathlib import Path

from weights_server import running_server


def test_the_command_fetches_lists_verifies_and_uses_urls(
    command, refuses, tmp_path, monkeypatch, model_path, pictures
):
    monkeypatch.setenv("STYLEFLAX_CACHE", str(tmp_path / "cache"))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with running_server() as server:
        server.files["models/model.safetensors"] = model_path.read_bytes()
        check_command(server, command, refuses, pictures, tmp_path)


def check_command(server, command, refuses, pictures, tmp_path):
    url = f"{server.url}/models/model.safetensors"
    code, output, _ = command("weights", "fetch", url)
    assert code == 0
    path = output.strip()
    listed = command("weights", "list")[1].splitlines()
    assert any(line.startswith(url) and line.endswith(path) for line in listed)
    assert f"{url}: ok" in command("weights", "verify", url)[1]
    assert '"method": "adain"' in command("weights", "info", url)[1]
    assert "must name a file" in refuses("weights", "fetch", "hf://user/repo")
    assert "got the URL 's3://b/c.safetensors'" in refuses(
        *("weights", "info", "s3://b/c.safetensors")
    )
    assert "must begin with https://, http:// or hf://, got 'ftp://x/y.pth'" in refuses(
        *("weights", "fetch", "ftp://x/y.pth")
    )
    Path(path).write_bytes(b"changed")
    code, output, _ = command("weights", "verify", url)
    assert (code, "BAD" in output) == (1, True)
    assert command("weights", "fetch", url, "--renew")[0] == 0
    assert command("weights", "verify", url)[0] == 0
    style = ("--style", pictures / "painting.png", "-o", tmp_path / "out.png")
    assert command("stylize", pictures / "photo.png", *style, "--weights", url)[0] == 0
