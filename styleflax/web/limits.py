"""What the local app accepts, and the errors by which it refuses the rest."""

import dataclasses
from collections.abc import Mapping

from styleflax.images.decoding import MAX_MEGAPIXELS

_PUBLIC = (
    *("max_body_bytes", "max_megapixels", "max_styles", "max_masks"),
    *("max_iterations", "max_frames", "queue"),
)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Bounds on what one client, and all clients together, can ask for.

    Attributes:
        max_body_bytes: Size of one upload, all of its files together.
        max_megapixels: Size of every picture, mask, frame and result.
        max_styles: Paintings of one job.
        max_masks: Masks of one job, and style masks as well.
        max_iterations: Iterations of optimization at one level.
        max_frames: Frames of a video.
        queue: Jobs that wait or are being uploaded; those that run do not count.
        kept_jobs: Finished jobs whose results are kept at once.
        keep_s: Seconds for which a finished job is kept.
        chunk_s: Seconds within which a client must send, or take, the next bytes.
        upload_s: Seconds within which an upload must be complete.
        header_s: Seconds within which the headers of a request must be complete.
        min_bytes_per_s: Average speed of an upload, from `chunk_s` seconds on.
        connections: Connections at once.
    """

    max_body_bytes: int = 1 << 30
    max_megapixels: float = MAX_MEGAPIXELS
    max_styles: int = 8
    max_masks: int = 8
    max_iterations: int = 2000
    max_frames: int = 20_000
    queue: int = 8
    kept_jobs: int = 32
    keep_s: float = 600.0
    chunk_s: float = 20.0
    upload_s: float = 900.0
    header_s: float = 10.0
    min_bytes_per_s: float = 4096.0
    connections: int = 128

    def public(self) -> dict[str, float]:
        """Returns the limits that a client has to know."""
        return {name: getattr(self, name) for name in _PUBLIC}


class RefusedError(Exception):
    """A request that is not served.

    Args:
        status: Status of HTTP.
        message: One line for people.
        headers: Headers of the answer, beside the usual ones.
    """

    def __init__(
        self, status: int, message: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message = status, message
        self.headers = dict(headers or {})


def refuse_full(message: str, retry_after_s: float, status: int = 503) -> RefusedError:
    """Returns the refusal of a request that may succeed later.

    Args:
        message: One line that says what is full.
        retry_after_s: Seconds after which it is worth trying again.
        status: 503, or 429 where the client itself asks for too much.
    """
    seconds = max(1, round(retry_after_s))
    return RefusedError(
        status, f"{message}; try again in {seconds} s", {"Retry-After": str(seconds)}
    )
