"""A tab at the page: what a person does there, and what they see."""

import contextlib
import functools
import http.client
import http.server
import io
import threading
import urllib.parse

import numpy as np
from PIL import Image

TYPES = {".mjs": "text/javascript", ".js": "text/javascript"}
TYPES |= {".wasm": "application/wasm", ".webp": "image/webp"}


class Visit:
    """A tab at the page: what a person does there, and what they see."""

    def __init__(self, context, address):
        self.context, self.address = context, address
        self.page = context.new_page()
        self.page.set_default_timeout(60_000)
        self.requests, self.errors = [], []
        context.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._hear)
        self.page.goto(address)
        self.wait()

    def _hear(self, message):
        blocked = "blocked by Playwright" in message.text  # service workers, see below
        if message.type in {"error", "warning"} and not blocked:
            self.errors.append(message.text)

    def run(self, code, argument=None):
        """What a function returns for the page's state and an argument."""
        loaded = f"async (x) => ({code})((await import('./state.js')).state, x)"
        return self.page.evaluate(loaded, argument)

    def wait(self):
        """Waits until the engine rests; the result is then that of all settings."""
        for _ in range(1200):
            if self.run("(s) => Boolean(s.shown && !s.busy && !s.again && !s.pending)"):
                return
            if self.message():
                return
            self.page.wait_for_timeout(50)
        raise AssertionError(self.page.inner_text("#status"))

    def message(self):
        box = self.page.locator("#message")
        return self.page.inner_text("#message-text") if box.is_visible() else ""

    def open(self, which, picture, name="picture.png"):
        """Opens a picture, or bytes, as a photo or a painting."""
        data = picture if isinstance(picture, bytes) else as_png(picture)
        file = {"name": name, "mimeType": "image/png", "buffer": data}
        self.page.set_input_files(f"#{which}-file", file)
        self.wait()

    def slide(self, control, value):
        """Moves a slider, by its id or a locator."""
        found = (
            self.page.locator(f"#{control}") if isinstance(control, str) else control
        )
        found.evaluate(
            "(e, v) => { e.value = v;"
            "e.dispatchEvent(new Event('input', { bubbles: true })) }",
            str(value),
        )
        self.wait()

    def choose(self, name, value):
        self.page.check(f"input[name={name}][value={value}]")
        self.wait()

    def size(self, value):
        self.page.select_option("#size", str(value))
        self.wait()

    def saved_style(self):
        """Content of the style file that the page saves."""
        with self.page.expect_download() as saved:
            self.page.click("#save-style")
        return saved.value.path().read_bytes()

    def result(self):
        """The result as the page saves it, RGB of 8 bits."""
        with self.page.expect_download() as saved:
            self.page.click("#download")
        return np.asarray(Image.open(saved.value.path()).convert("RGB"))


def as_png(picture):
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def fetch(address, path):
    """The text of one of the page's files."""
    parts = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(parts.hostname, parts.port)
    connection.request("GET", f"/{path}")
    return connection.getresponse().read().decode()


class _Handler(http.server.SimpleHTTPRequestHandler):
    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | TYPES

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def serving(folder):
    """The address of a static server of a folder."""
    handler = functools.partial(_Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
