"""What `styleflax video` prints: lines, bars of frames, failures."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from styleflax.cli.report import Times
from styleflax.images.listing import ExcludedPath, describe_excluded
from styleflax.inference.video.job import VideoJob, VideoResult, VideoWatcher


class VideoReport(VideoWatcher):
    """Lines on standard output, progress and complaints on standard error.

    Args:
        left_out: What folders hold beside videos, which is said at the beginning.
        times: Counts the seconds of phases.
        as_json: Lines of JSON instead of paths.
    """

    def __init__(
        self, left_out: Sequence[ExcludedPath], times: Times, *, as_json: bool
    ) -> None:
        super().__init__()
        self._left_out, self._times, self._as_json = left_out, times, as_json
        self._num_skipped = 0
        if left_out:
            self.warn(describe_excluded(left_out))

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Counts the time of the block."""
        with self._times.phase(name):
            yield

    @contextmanager
    def frames(self, total: int | None) -> Iterator[Callable[[], object]]:
        """Shows frames in a second, and when the last one will be done."""
        hidden = not sys.stderr.isatty()
        with tqdm(total=total, unit="frame", disable=hidden) as bar:
            yield bar.update

    def done(self, job: VideoJob, result: VideoResult) -> None:
        """Says that a video is written."""
        super().done(job, result)
        if self._as_json:
            _print_json(job, result, None)
        else:
            print(job.out)

    def skip(self, complete: Sequence[VideoJob], total: int) -> None:
        """Says which of the videos are complete already."""
        self._num_skipped = len(complete)
        text = f"styleflax: {len(complete)} of {total} videos are complete already"
        print(text, file=sys.stderr)
        for job in complete if self._as_json else ():
            _print_json(job, None, None, skipped=True)

    def fail(self, job: VideoJob, error: Exception) -> None:
        """Says that a video could not be made."""
        super().fail(job, error)
        if self._as_json:
            _print_json(job, None, self.failed[job.clip])

    def warn(self, text: str) -> None:
        """Says something on standard error."""
        tqdm.write(f"styleflax: warning: {text}", file=sys.stderr)

    def end(self, num_videos: int) -> int:
        """Says what failed, and with JSON where the time went; returns the exit code.

        Args:
            num_videos: Number of all videos.
        """
        if self._as_json:
            seconds = {k: round(value, 3) for k, value in self._times.seconds.items()}
            left_out = [{"path": str(p), "reason": why} for p, why in self._left_out]
            summary = {
                "videos": num_videos,
                "failed": len(self.failed),
                "skipped": self._num_skipped,
                "left_out": left_out,
                "seconds": seconds,
            }
            print(json.dumps({"summary": summary}))
        if not self.failed:
            return 0
        lines = [f"  {clip}: {text}" for clip, text in self.failed.items()]
        heading = f"styleflax: {len(self.failed)} of {num_videos} videos failed:"
        print("\n".join([heading, *lines]), file=sys.stderr)
        return 1


def _print_json(
    job: VideoJob, made: VideoResult | None, error: str | None, *, skipped: bool = False
) -> None:
    line: dict[str, Any] = {
        "input": str(job.clip),
        "styles": [str(source.path) for source in job.styles],
        "output": str(job.out) if made or skipped else None,
        "size": [made.width, made.height] if made else None,
        "frames": made.num_frames if made else None,
        "scenes": made.num_scenes if made else None,
        "audio": made.sound if made else None,
        "frames_per_s": round(made.num_frames / made.seconds, 3) if made else None,
        "seconds": round(made.seconds, 3) if made else None,
        "warnings": made.warnings if made else [],
        "error": error,
    }
    if skipped:
        line["skipped"] = True
    print(json.dumps(line))
