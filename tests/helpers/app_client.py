"""A client of the local app, with the calls of a page."""

import io
import json
import time
from typing import NamedTuple

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

ADDRESS = "http://127.0.0.1:8701"
DONE = {"done", "failed", "canceled"}


class Client(NamedTuple):
    """A test client with the calls of a page."""

    http: TestClient

    def send(self, options, headers=None, **files):
        """The answer to a job; files are (name, bytes) or lists of them."""
        parts = [("options", (None, json.dumps(options), "application/json"))]
        for part, found in files.items():
            several = found if isinstance(found, list) else [found]
            parts += [(part, (*file, "application/octet-stream")) for file in several]
        return self.http.post("/api/jobs", files=parts, headers=headers)

    def wait(self, job_id):
        """The record of a job that has ended."""
        while True:
            record = self.http.get(f"/api/jobs/{job_id}").json()
            if record["state"] in DONE:
                return record
            time.sleep(0.01)

    def make(self, options, **files):
        """The record of a job that was done, and its file."""
        answer = self.send(options, **files)
        assert answer.status_code == 202, answer.text
        record = self.wait(answer.json()["id"])
        assert record["state"] == "done", record
        return record, self.http.get(record["result"]["url"])

    def picture(self, options, **files):
        """The pixels of a job's picture."""
        _, answer = self.make(options, **files)
        return np.asarray(Image.open(io.BytesIO(answer.content)))


def png(height=32, width=32, seed=0, **options):
    """A smooth picture as (name, bytes), and its pixels."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    picture = small.resize((width, height), Image.Resampling.BICUBIC)
    return encoded(picture, **options), np.asarray(picture)


def encoded(picture, name="picture.png", **options):
    """A Pillow picture as (name, bytes)."""
    file = io.BytesIO()
    picture.save(file, "PNG", **options)
    return name, file.getvalue()
