"""What `styleflax stylize` says: a line for each picture, progress, failures."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tqdm import tqdm

from styleflax.cli.errors import describe_error
from styleflax.cli.resume import DiskFullError, describe_missing
from styleflax.cli.stylize_inputs import DASH
from styleflax.cli.stylize_targets import Pair
from styleflax.images.listing import LeftOut, describe_left_out

if TYPE_CHECKING:
    from styleflax.cli.stylize_job import Job


class Report:
    """Lines on standard output, progress and complaints on standard error.

    Args:
        total: How many pictures there will be.
        as_json: Lines of JSON instead of paths.
        left_out: Files in folders that are not images; reported first.
    """

    def __init__(
        self, total: int, *, as_json: bool = False, left_out: Sequence[LeftOut] = ()
    ) -> None:
        self.failed: dict[str, str] = {}
        self.num_failed = 0
        self._total, self._as_json = total, as_json
        self._raises = total == 1 and not as_json
        self._said: set[str] = set()
        self._written: set[Any] = set()
        self.num_skipped = 0
        self._left_out = left_out
        shown = total > 1 and sys.stderr.isatty()
        self._bar = tqdm(total=total, unit="picture", disable=not shown)
        if left_out:
            self.warn(describe_left_out(left_out))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def done(
        self,
        pair: Pair,
        target: Any,
        size: tuple[int, int],
        seconds: float,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Says that a picture is written.

        Args:
            pair: The photograph and its styles.
            target: Where the picture is.
            size: Its width and height.
            seconds: What it took, with its share of a batch.
            notes: What had to be ignored.
        """
        for note in notes:
            self.warn(note)
        self._written.add(target)
        if self._as_json:
            self._say_json(pair, str(target), size, seconds, None, notes)
        elif target != DASH:
            self._say(str(target))
        self._bar.update()

    def skip(self, skipped: Sequence[tuple[Pair, Path]]) -> None:
        """Says which pictures were there before, and complete."""
        self.num_skipped = len(skipped)
        for pair, target in skipped:
            if self._as_json:
                self._say_json(pair, str(target), None, None, None, (), skipped=True)
            self._bar.update()
        if skipped and not self._as_json:
            counts = f"{len(skipped)} of {self._total} results"
            self._say(f"styleflax: {counts} are complete already", sys.stderr)

    @contextmanager
    def stopping_when_full(self, jobs: "Sequence[Job]") -> Iterator[None]:
        """Within the block, a full disk ends the program and says what is missing.

        Raises:
            OSError: What is missing, and what to do.
        """
        try:
            yield
        except DiskFullError as error:
            targets = [target for job in jobs for target in job.targets.values()]
            missing = [target for target in targets if target not in self._written]
            can_resume = any(job.recorder is not None for job in jobs)
            written = self.num_skipped + len(self._written)
            text = describe_missing(written, missing, can_resume=can_resume)
            failure = OSError(text)
            failure.errno = error.errno
            raise failure from None

    def fail(self, pair: Pair, error: Exception) -> None:
        """Says that a picture could not be made.

        Raises:
            Exception: The error itself, if there is only this picture.
        """
        if self._raises:
            raise error
        content, mix = pair
        text = describe_error(error)
        key = str(content.path), "+".join(str(style.path) for style in mix)
        self.failed[" in the style of ".join(key)] = text
        self.num_failed += 1
        if self._as_json:
            self._say_json(pair, None, None, None, text, ())
        self._bar.update()

    def warn(self, text: str) -> None:
        """Says something on standard error, once."""
        if text not in self._said:
            self._said.add(text)
            self._say(f"styleflax: warning: {text}", sys.stderr)

    def end(self, seconds: dict[str, float]) -> int:
        """Says what failed, and with JSON where the time went.

        Returns:
            The exit code: 1 if a picture failed.
        """
        self._bar.close()
        if self._as_json:
            rounded = {name: round(value, 3) for name, value in seconds.items()}
            counts = {
                "pictures": self._total,
                "failed": self.num_failed,
                "skipped": self.num_skipped,
            }
            rest = [{"path": str(p), "reason": reason} for p, reason in self._left_out]
            summary = {**counts, "left_out": rest, "seconds": rounded}
            self._say(json.dumps({"summary": summary}))
        if not self.failed:
            return 0
        lines = [f"  {name}: {text}" for name, text in self.failed.items()]
        heading = f"styleflax: {self.num_failed} of {self._total} results failed:"
        self._say("\n".join([heading, *lines]), sys.stderr)
        return 1

    def _say_json(
        self,
        pair: Pair,
        target: str | None,
        size: tuple[int, int] | None,
        seconds: float | None,
        error: str | None,
        notes: tuple[str, ...],
        *,
        skipped: bool = False,
    ) -> None:
        content, mix = pair
        line = {
            "input": str(content.path),
            "styles": [str(style.path) for style in mix],
            "output": target,
            "size": size,
            "seconds": None if seconds is None else round(seconds, 3),
            "warnings": notes,
            "error": error,
        }
        if skipped:
            line["skipped"] = True
        self._say(json.dumps(line))

    def _say(self, text: str, file: Any = None) -> None:
        # By way of the bar, which otherwise would be broken up; and with the bytes
        # of a file's name that are no text shown as \xNN.
        encoding = sys.stdout.encoding or "utf-8"
        text = text.encode(encoding, "backslashreplace").decode(encoding)
        self._bar.write(text, file=file or sys.stdout)
        (file or sys.stdout).flush()
