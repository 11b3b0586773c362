"""The app as a process: its command, its signals, and clients that are slow."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from app_client import png

from styleflax.cli.serve import _check_address

PHOTO, _ = png(seed=1)
IMPATIENT = """
import sys
from pathlib import Path
import jax
from styleflax.web import server
from styleflax.web.limits import Limits
from styleflax.web.offers import offer
offered = {"adain": offer("adain", Path(sys.argv[1]))}
limits = Limits(chunk_s=0.5, header_s=0.5)
listening = server.listen("127.0.0.1", 0)
parts = server.App(offered, jax.local_devices()[:1], limits=limits)
tell = lambda: print(listening.getsockname()[1], flush=True)
server.run_app(parts, listening, tell)
"""


@contextlib.contextmanager
def running(command, folder):
    """A process of the app with a temporary folder of its own, and its first line."""
    folder.mkdir(exist_ok=True)
    environment = os.environ | {"TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, *command],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def form(options, photo):
    """The body of a job, with the boundary B."""
    head = b'--B\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n'
    parts = [head % (b"options", b""), json.dumps(options).encode(), b"\r\n"]
    for part in (b"content", b"style"):
        parts += [head % (part, b'; filename="a.png"'), photo, b"\r\n"]
    return b"".join([*parts, b"--B--\r\n"])


def ask(address, body=None):
    kind = {"Content-Type": "multipart/form-data; boundary=B"} if body else {}
    request = urllib.request.Request(address, body, kind)
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_the_command_serves_and_leaves_no_file_behind(tmp_path, model_path, number):
    # The narrow model takes the name, and with it the place, of the package's.
    weights = tmp_path / "adain.safetensors"
    weights.write_bytes(model_path.read_bytes())
    command = ["-m", "styleflax", "serve", "--port", "0", "--weights", str(weights)]
    folder = tmp_path / "temporary"
    with running(command, folder) as (process, line):
        address = line.removeprefix("styleflax: ").partition(" ")[0]
        assert address.startswith("http://127.0.0.1:")
        assert "adain" in str(ask(f"{address}api/info")["models"])
        options = {"kind": "picture", "size": 32}
        sent = ask(f"{address}api/jobs", form(options, PHOTO[1]))
        assert sent["state"] in {"queued", "running", "done"}
        assert [*folder.glob("styleflax-app-*/*")]
        process.send_signal(number)
        process.wait()
        assert not [*folder.glob("styleflax-app-*")]
        assert "Traceback" not in process.stderr.read()


@pytest.fixture(scope="module")
def impatient(tmp_path_factory, model_path):
    """The port of an app that gives clients half a second."""
    folder = tmp_path_factory.mktemp("impatient")
    with running(["-c", IMPATIENT, str(model_path)], folder) as (_, line):
        yield int(line)


def talk(port, *pieces):
    """What the app answers to bytes; "" if it hangs up without an answer."""
    with socket.create_connection(("127.0.0.1", port)) as connection:
        received = b""
        # It may hang up while the later pieces are sent.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for piece in pieces:
                connection.sendall(piece)
        with contextlib.suppress(ConnectionResetError):
            while more := connection.recv(65536):
                received += more
        return received.decode()


START = b"POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n"
KIND = b"Content-Type: multipart/form-data; boundary=B\r\n"


@pytest.mark.parametrize("sent", [b"", b"GET /api/info HT", START])
def test_a_client_that_does_not_finish_its_headers_is_hung_up_on(impatient, sent):
    assert talk(impatient, sent) == ""


def test_a_later_request_has_a_deadline_as_well(impatient):
    whole = b"GET /api/info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    answer = talk(impatient, whole, b"GET /api/info HTTP/1.1\r\nHo")
    assert answer.count("HTTP/1.1 200") == 1


def test_an_upload_that_stops_is_given_up(impatient):
    headers = START + KIND + b"Content-Length: 9999\r\n\r\n"
    answer = talk(impatient, headers, form({"kind": "picture"}, PHOTO[1])[:300])
    assert answer.startswith("HTTP/1.1 408")
    assert "too slow" in answer


def test_huge_headers_are_refused(impatient):
    answer = talk(impatient, START + b"X: " + b"y" * 40_000 + b"\r\n\r\n")
    assert answer.startswith("HTTP/1.1 431")
    # Where they do not come at once, uvicorn refuses them before they are complete.
    pieces = [b"X-%d: %s\r\n" % (k, b"y" * 9000) for k in range(9)]
    answer = talk(impatient, START, *pieces)
    assert not answer or answer.startswith("HTTP/1.1 4")


def test_a_body_that_announces_too_much_is_refused_unread(impatient):
    headers = START + KIND + b"Content-Length: 99999999999\r\n\r\n"
    assert talk(impatient, headers).startswith("HTTP/1.1 413")


def test_the_app_still_serves_after_all_that(impatient):
    body = form({"kind": "picture"}, PHOTO[1])
    sent = ask(f"http://127.0.0.1:{impatient}/api/jobs", body)
    assert sent["id"]
    with pytest.raises(urllib.error.HTTPError, match="404"):
        ask(f"http://127.0.0.1:{impatient}/api/jobs/unknown")


def test_an_address_of_the_network_must_be_allowed(capsys):
    assert _check_address("127.0.0.1", [], allow_network=False) == ()
    with pytest.raises(ValueError, match="--allow-network"):
        _check_address("192.168.1.5", [], allow_network=False)
    with pytest.raises(ValueError, match="needs --allow-host"):
        _check_address("0.0.0.0", [], allow_network=True)
    assert capsys.readouterr().err == ""
    hosts = _check_address("192.168.1.5", ["art.example"], allow_network=True)
    assert hosts == ("art.example", "192.168.1.5")
    assert "everyone who reaches it" in capsys.readouterr().err
    assert _check_address("0.0.0.0", ["me"], allow_network=True) == ("me",)
