"""The local app under load: 200 pictures from 20 clients at once, on loopback.

    python -m benchmarks.serve_load [--requests 200] [--clients 20] [--size 64]

Every client sends a job, waits for its end, fetches the result and removes it; where
the app refuses (429 or 503), the refusal is counted, and the client goes on with its
next request after the time that the app names. The memory of the process that serves is
read after two jobs, when the model is loaded and programs are compiled, and at the end.
Prints a table, and ends with code 1 if a request was neither answered nor refused, or
if memory grew.
"""

import argparse
import collections
import http.client
import io
import json
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
from PIL import Image

GROWTH_MB = 64.0
"""How much memory may grow from the first jobs to the end."""
_BOUNDARY = "styleflax-load"
_REFUSED = {429, 503}
_POLL_S = 0.05


class Load:
    """The requests that are left, and what became of the others."""

    def __init__(self, port: int, process_id: int, requests: int, size: int) -> None:
        self._port, self._process_id = port, process_id
        self._left, self._size, self._lock = requests, size, threading.Lock()
        self.outcomes: collections.Counter[str] = collections.Counter()
        self.seconds: list[float] = []
        self.memory_mb: dict[str, float] = {}

    def client(self, number: int) -> None:
        """Sends requests, one after the other, until none are left."""
        body = form(picture(self._size, number), picture(self._size, number + 1000))
        while True:
            with self._lock:
                if not self._left:
                    return
                self._left -= 1
            started = time.perf_counter()
            try:
                outcome, wait_s = self._one(body)
            except (OSError, http.client.HTTPException, ValueError) as error:
                outcome, wait_s = f"no answer: {type(error).__name__}", 0.0
            with self._lock:
                self.outcomes[outcome] += 1
                if outcome == "done":
                    self.seconds.append(time.perf_counter() - started)
            time.sleep(wait_s)

    def warm_up(self) -> None:
        """Lets the app load its model and compile its programs."""
        for seed in range(2):
            self._one(form(picture(self._size, seed), picture(self._size, seed + 1)))

    def read_memory(self, when: str) -> None:
        """Takes note of the memory of the app."""
        self.memory_mb[when] = resident_mb(self._process_id)

    def _one(self, body: bytes) -> tuple[str, float]:
        """What became of one request, and how long to wait before the next."""
        kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
        status, headers, answer = self._ask("POST", "/api/jobs", body, kind)
        if status in _REFUSED:
            return f"refused with {status}", float(headers["Retry-After"])
        if status != 202:
            return f"failed with {status}", 0.0
        address = f"/api/jobs/{json.loads(answer)['id']}"
        while True:
            _, _, answer = self._ask("GET", address)
            record = json.loads(answer)
            if record["state"] not in {"queued", "running"}:
                break
            time.sleep(_POLL_S)
        if record["state"] != "done":
            return f"failed: {record['error']}", 0.0
        status, _, data = self._ask("GET", f"{address}/result")
        same = status == 200 and Image.open(io.BytesIO(data)).size[0] == self._size
        self._ask("DELETE", address)
        return ("done" if same else "a wrong result"), 0.0

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


def picture(size: int, seed: int) -> bytes:
    """A smooth picture as a PNG file."""
    values = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    file = io.BytesIO()
    small = Image.fromarray(values)
    small.resize((size, size), Image.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def form(photo: bytes, painting: bytes) -> bytes:
    """The body of a job."""
    head = b'--%s\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    name, file = _BOUNDARY.encode(), b'; filename="picture.png"'
    parts = [
        head % (name, b"options", b"", b'{"kind": "picture"}'),
        head % (name, b"content", file, photo),
        head % (name, b"style", file, painting),
    ]
    return b"".join([*parts, b"--%s--\r\n" % name])


def resident_mb(process_id: int) -> float:
    """Memory of a process in MB (Linux)."""
    text = Path(f"/proc/{process_id}/status").read_text()
    found = re.search(r"VmRSS:\s*(\d+) kB", text)
    return float(found[1]) / 1024 if found else float("nan")


def main() -> int:
    """Prints what became of all requests."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--size", type=int, default=64, help="side of the images in px")
    options = parser.parse_args()
    command = [sys.executable, "-m", "styleflax", "serve", "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as app:
        try:
            assert app.stdout is not None
            port = int(re.search(r":(\d+)/", app.stdout.readline())[1])  # type: ignore[index]
            load = Load(port, app.pid, options.requests, options.size)
            load.warm_up()
            load.read_memory("at first")
            started = time.perf_counter()
            clients = [
                threading.Thread(target=load.client, args=(number,))
                for number in range(options.clients)
            ]
            for thread in clients:
                thread.start()
            for thread in clients:
                thread.join()
            spent = time.perf_counter() - started
            load.read_memory("at the end")
        finally:
            app.terminate()
    return report(load, options.requests, spent)


def report(load: Load, requests: int, spent: float) -> int:
    """Prints the table; returns 1 if a bar was missed."""
    for outcome, number in sorted(load.outcomes.items()):
        print(f"{outcome:<28}{number:>8}")
    if load.seconds:
        print(f"{'median s of those done':<28}{np.median(load.seconds):>8.2f}")
    print(f"{'seconds in all':<28}{spent:>8.1f}")
    growth = load.memory_mb["at the end"] - load.memory_mb["at first"]
    for name, value in load.memory_mb.items():
        print(f"{f'memory in MB, {name}':<28}{value:>8.0f}")
    answered = sum(
        number
        for outcome, number in load.outcomes.items()
        if outcome == "done" or outcome.startswith("refused")
    )
    bars = {
        f"answered or refused: {answered} of {requests}": answered == requests,
        f"memory grew by {growth:.0f} MB, at most {GROWTH_MB:.0f}": growth <= GROWTH_MB,
    }
    for text, holds in bars.items():
        print(f"{'ok  ' if holds else 'MISSED'} {text}")
    return 0 if all(bars.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
