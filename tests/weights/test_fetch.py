import contextlib
import hashlib
import http.server
import socket
import threading

import pytest

from styleflax.weights import fetch as fetch_module
from styleflax.weights.fetch import WeightsError, fetch, find_cache_dir, find_cached
from styleflax.weights.registry import DOWNLOADS, NamedWeights

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    num_requests = 0

    def __init__(self):
        self.released = threading.Event()
        super().__init__(("127.0.0.1", 0), _Answer)

    def url(self, path):
        return f"http://127.0.0.1:{self.server_port}/{path}"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.num_requests += 1
        kind = self.path.strip("/")
        if kind == "flaky":
            kind = "busy" if self.server.num_requests == 1 else "good"
        if kind in {"missing", "busy"}:
            self.send_error(404 if kind == "missing" else 503)
            return
        body = CONTENT[::-1] if kind == "wrong" else CONTENT
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            if kind in {"truncated", "stalled"}:
                self.wfile.write(body[:100])
                self.wfile.flush()
                if kind == "stalled":
                    self.server.released.wait(20)
            else:
                self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(fetch_module.time, "sleep", lambda _: None)
    with _Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.released.set()
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _tiny_weights(monkeypatch):
    url = "http://127.0.0.1:9/tiny.pth"
    size = len(CONTENT)
    pinned = NamedWeights(url, "tiny.pth", DIGEST, size)
    monkeypatch.setitem(DOWNLOADS, "tiny", pinned)
    short = pinned._replace(filename="short.pth", sha256=DIGEST[:8])
    monkeypatch.setitem(DOWNLOADS, "short", short)
    loose = pinned._replace(filename="loose.pth", sha256="")
    monkeypatch.setitem(DOWNLOADS, "loose", loose)


def test_a_good_download_lands_in_the_cache_and_is_not_repeated(tmp_path, server):
    path = fetch("tiny", tmp_path, server.url("good"))
    assert path == tmp_path / "tiny.pth"
    assert path.read_bytes() == CONTENT
    assert fetch("tiny", tmp_path, server.url("good")) == path
    assert server.num_requests == 1
    assert find_cached("tiny", tmp_path) == path
    assert {file.name for file in tmp_path.iterdir()} == {"tiny.pth", "tiny.pth.sha256"}


@pytest.mark.parametrize(
    ("kind", "reason", "num_requests"),
    [
        ("truncated", "IncompleteRead", 2),
        ("stalled", "timed out", 2),
        ("busy", "503", 2),
        ("missing", "404", 1),
        ("wrong", "SHA-256", 1),
    ],
)
def test_a_failed_download_leaves_nothing_and_says_why_in_one_line(
    tmp_path, server, kind, reason, num_requests
):
    url = server.url(kind)
    with pytest.raises(WeightsError, match=reason) as caught:
        fetch("tiny", tmp_path, url, timeout_s=0.2, num_attempts=2)
    assert url in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []
    assert server.num_requests == num_requests


def test_a_failed_download_names_the_way_without_network(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/x"
        with pytest.raises(WeightsError, match="weights fetch tiny --from FILE"):
            fetch("tiny", tmp_path, url, num_attempts=1)


@pytest.mark.parametrize("url", ["nonsense", "gopher://x/y", "http://"])
def test_a_malformed_address_is_one_clear_error(tmp_path, url):
    with pytest.raises(WeightsError, match="could not download"):
        fetch("tiny", tmp_path, url)


def test_a_server_that_recovers_is_tried_again(tmp_path, server):
    assert fetch("tiny", tmp_path, server.url("flaky")).read_bytes() == CONTENT
    assert server.num_requests == 2


def test_a_damaged_file_in_the_cache_is_refused_and_then_downloaded_again(
    tmp_path, server
):
    path = fetch("tiny", tmp_path, server.url("good"))
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(WeightsError, match=r"is not tiny\.pth"):
        find_cached("tiny", tmp_path)
    assert fetch("tiny", tmp_path, server.url("good")).read_bytes() == CONTENT


def test_a_failed_download_does_not_harm_the_file_there_was(tmp_path, server):
    path = fetch("tiny", tmp_path, server.url("good"))
    path.write_bytes(b"damaged")
    with pytest.raises(WeightsError):
        fetch("tiny", tmp_path, server.url("wrong"))
    assert path.read_bytes() == b"damaged"


def test_a_digest_known_in_part_is_recorded_whole_and_said_so(tmp_path, server, capsys):
    path = fetch("short", tmp_path, server.url("good"))
    assert (tmp_path / "short.pth.sha256").read_text().strip() == DIGEST
    assert f"only {DIGEST[:8]}... is published" in capsys.readouterr().err
    assert find_cached("short", tmp_path) == path
    with pytest.raises(WeightsError, match=r"is not short\.pth"):
        fetch("short", tmp_path / "other", server.url("wrong"))


def test_the_first_download_is_trusted_and_later_ones_compared_with_it(
    tmp_path, server
):
    path = fetch("loose", tmp_path, server.url("good"))
    path.write_bytes(b"something else")
    with pytest.raises(WeightsError, match="differs from its first download"):
        find_cached("loose", tmp_path)
    with pytest.raises(WeightsError, match="differs from its first download"):
        fetch("loose", tmp_path, server.url("wrong"))
    assert fetch("loose", tmp_path, server.url("good")).read_bytes() == CONTENT


def test_a_file_from_elsewhere_is_checked_and_copied(tmp_path):
    good, bad = tmp_path / "good", tmp_path / "bad"
    good.write_bytes(CONTENT)
    bad.write_bytes(CONTENT + b"!")
    cache = tmp_path / "cache"
    with pytest.raises(WeightsError, match=r"bad is not tiny\.pth"):
        fetch("tiny", cache, local_path=bad)
    with pytest.raises(FileNotFoundError, match="no file"):
        fetch("tiny", cache, local_path=tmp_path / "none")
    assert fetch("tiny", cache, local_path=good).read_bytes() == CONTENT
    assert good.read_bytes() == CONTENT


def test_an_absent_file_names_the_command(tmp_path):
    with pytest.raises(FileNotFoundError, match="`styleflax weights fetch tiny`"):
        find_cached("tiny", tmp_path)


@pytest.mark.parametrize("name", ["vgg16", "adain", "resnet"])
def test_an_unknown_name_lists_the_known_ones(tmp_path, name):
    with pytest.raises(ValueError, match=f"no weights '{name}' to download.*vgg19"):
        fetch(name, tmp_path)


def test_the_environment_moves_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("STYLEFLAX_CACHE", str(tmp_path))
    assert find_cache_dir() == tmp_path
    assert find_cache_dir(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("STYLEFLAX_CACHE")
    assert "styleflax" in str(find_cache_dir())


def test_the_published_digits_are_the_ones_in_the_file_name():
    for weights in (DOWNLOADS["vgg19"],):
        assert weights.filename == weights.url.rpartition("/")[2]
        assert weights.filename == f"vgg19-{weights.sha256[:8]}.pth"
        assert len(weights.sha256) == 64
