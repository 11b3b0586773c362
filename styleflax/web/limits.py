"""Limits of the local app, and the errors by which it refuses requests."""

import dataclasses
from collections.abc import Mapping

from styleflax.images.decoding import MAX_MEGAPIXELS

_PUBLIC = (
    *("max_body_bytes", "max_megapixels", "max_styles", "max_masks"),
    *("max_iterations", "max_frames", "queue"),
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds on the requests of one client and of all clients together.

    Attributes:
        max_body_bytes: Largest size of one upload, all of its files together.
        max_megapixels: Largest size of every image, mask, frame and result.
        max_styles: Largest number of paintings of one job.
        max_masks: Largest number of masks of one job, and of its style masks.
        max_iterations: Largest number of optimization iterations at one level.
        max_frames: Largest number of frames of a video.
        queue: Number of jobs that may wait or be uploading; running ones do not count.
        retained_jobs: Number of finished jobs whose results are retained.
        retain_s: Seconds for which a finished job is retained.
        chunk_s: Seconds within which a client must send, or accept, the next bytes.
        upload_s: Seconds within which an upload must be complete.
        header_s: Seconds within which the headers of a request must be complete.
        min_bytes_per_s: Lowest average speed of an upload after `chunk_s` seconds.
        connections: Number of simultaneous connections.
    """

    max_body_bytes: int = 1 << 30
    max_megapixels: float = MAX_MEGAPIXELS
    max_styles: int = 8
    max_masks: int = 8
    max_iterations: int = 2000
    max_frames: int = 20_000
    queue: int = 8
    retained_jobs: int = 32
    retain_s: float = 600.0
    chunk_s: float = 20.0
    upload_s: float = 900.0
    header_s: float = 10.0
    min_bytes_per_s: float = 4096.0
    connections: int = 128

    def public(self) -> dict[str, float]:
        """Returns the limits that clients need to know, by name."""
        return {name: getattr(self, name) for name in _PUBLIC}


class RefusedError(Exception):
    """Raised to refuse a request.

    Args:
        status: HTTP status code.
        message: Explanation in one line.
        headers: Additional headers of the response.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})


def refuse_full(message: str, retry_after_s: float, status: int = 503) -> RefusedError:
    """Returns the error that refuses a request which may succeed later.

    Args:
        message: One line that says what is full.
        retry_after_s: Seconds after which the client should try again.
        status: HTTP status code: 503, or 429 if this client sends too many requests.
    """
    seconds = max(1, round(retry_after_s))
    return RefusedError(
        status, f"{message}; try again in {seconds} s", {"Retry-After": str(seconds)}
    )
