"""What becomes of each result, for whoever wants to know."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from styleflax.inference.folders.records import DiskFullError, describe_missing
from styleflax.inference.folders.sources import Pair
from styleflax.memory import describe_error

logger = logging.getLogger(__name__)


class Watcher:
    """Collects what becomes of results; subclasses show it, too.

    Attributes:
        written: Files that were written.
        skipped: Files of an earlier call that were complete.
        failed: What went wrong, by photo and styles.
        num_failed: Number of results that could not be made.
        on_window: Called with the numbers of windows done and of all; may be None.
        on_step: Called with the numbers of iterations done and of all; may be None.
    """

    on_window: Callable[[int, int], None] | None = None
    on_step: Callable[[int, int], None] | None = None

    def __init__(self) -> None:
        self.written: list[Path] = []
        self.skipped: list[Path] = []
        self.failed: dict[str, str] = {}
        self.num_failed = 0

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Surrounds "weights", the loading of the model, and "run", the work."""
        del name
        yield

    def done(
        self,
        pair: Pair,
        target: Path,
        size: tuple[int, int],
        seconds: float,
        notes: tuple[str, ...] = (),
    ) -> None:
        """Takes note of a result.

        Args:
            pair: The photo and its styles.
            target: The file of the result.
            size: Width and height of the result in pixels.
            seconds: Time that the result took, with its share of a batch.
            notes: What had to be ignored.
        """
        del pair, size, seconds
        for note in notes:
            self.warn(note)
        self.written.append(target)

    def skip(self, skipped: Sequence[tuple[Pair, Path]]) -> None:
        """Takes note of results that are complete already."""
        self.skipped += [target for _, target in skipped]

    def fail(self, pair: Pair, error: Exception) -> None:
        """Takes note of a result that could not be made."""
        content, mix = pair
        key = str(content.path), "+".join(str(style.path) for style in mix)
        self.failed[" in the style of ".join(key)] = describe_error(error)
        self.num_failed += 1

    def warn(self, text: str) -> None:
        """Takes note of what does not keep a result from being made."""
        logger.warning("%s", text)

    @contextmanager
    def stopping_when_full(
        self, targets: Iterable[Path], *, can_resume: bool
    ) -> Iterator[None]:
        """Within the block, a full disk ends the work and says what is missing.

        Args:
            targets: The files of all results that are not skipped.
            can_resume: Whether the results are recorded.

        Raises:
            OSError: The missing files, and what to do.
        """
        try:
            yield
        except DiskFullError as error:
            missing = [target for target in targets if target not in self.written]
            written = len(self.skipped) + len(self.written)
            failure = OSError(describe_missing(written, missing, can_resume=can_resume))
            failure.errno = error.errno
            raise failure from None
