"""A web server and Hub on this machine, with files for tests."""

import hashlib
import http.server
import threading
from contextlib import contextmanager, suppress

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class WeightsServer(http.server.ThreadingHTTPServer):
    """Serves `files`, path -> bytes, and counts what is asked for.

    A path is one of the Hub's: `user/repo/resolve/REVISION/FILE`; paths of `gated`
    need a login.
    """

    daemon_threads = True

    def __init__(self):
        self.files, self.gated, self.requests = {}, set(), []
        super().__init__(("127.0.0.1", 0), _Answer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(http.server.BaseHTTPRequestHandler):
    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        body = self._answer()
        if body:
            with suppress(ConnectionError):
                self.wfile.write(body)

    def _answer(self):
        path = self.path.partition("?")[0].strip("/")
        self.server.requests.append(f"{self.command} {path}")
        body = self.server.files.get(path)
        if path in self.server.gated or body is None:
            kind = "GatedRepo" if path in self.server.gated else "EntryNotFound"
            repos = {tuple(name.split("/")[:2]) for name in self.server.files}
            known = tuple(path.split("/")[:2]) in repos
            kind = kind if known else "RepoNotFound"
            self.send_response(403 if kind == "GatedRepo" else 404)
            self.send_header("X-Error-Code", kind)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return b""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        return body

    def log_message(self, *_):
        pass


@contextmanager
def running_server():
    with WeightsServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
