"""Progress and records of results, by which interrupted work can be resumed.

The record of `out/a.png` is the hidden file `out/.a.png.json`; other programs would
interpret a folder as a class of images. It is written before the result gets its name
and contains the digest of the result: a result is complete if it matches its record.
"""

import functools
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np

from styleflax.files import file_sha256, write_file
from styleflax.inference.folders.sources import DASH, Pair, Source
from styleflax.memory import describe_error

logger = logging.getLogger(__name__)

Request = Mapping[str, Any]
"""Everything that determines a result, by name, as JSON values."""
State = Literal["missing", "complete", "damaged", "stale"]
PHOTO = "photo"
"""Name of the photo in a request: a result of a changed photo is stale, not refused."""


def record_path(target: Path) -> Path:
    """Returns the path of a result's record."""
    return target.with_name(f".{target.name}.json")


def staged_path(target: Path) -> Path:
    """Returns the path of a result before it is recorded and published."""
    return target.with_name(f".{target.stem}.part{target.suffix}")


def write_record(target: Path, request: Request, digest: str) -> None:
    """Writes a result's record atomically.

    Args:
        target: Path of the result, which must be written next.
        request: Everything that determines the result.
        digest: Digest of the result's bytes; see `digest_bytes`.

    Raises:
        OSError: If the file cannot be written.
    """
    path = record_path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({"asked": request, "sha256": digest}))


def publish(target: Path, request: Request) -> None:
    """Records a complete result at its `staged_path`, and moves it to its name.

    Args:
        target: Path of the result.
        request: Everything that determines the result.

    Raises:
        OSError: If a file cannot be written.
    """
    staged = staged_path(target)
    write_record(target, request, digest_file(staged))
    staged.replace(target)


def find_state(target: Path, request: Request) -> State:
    """Returns the state of a result.

    Args:
        target: Path of the result.
        request: Everything that determines the requested result.

    Returns:
        "missing"; "complete"; "damaged" if it does not match its record; or "stale" if
        the photo has changed.

    Raises:
        FileExistsError: If there is a file without a record, which may be the user's.
        ValueError: If it was made by another request; the error names a difference.
    """
    try:
        record = json.loads(record_path(target).read_text("utf-8"))
        recorded, digest = dict(record["asked"]), str(record["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        if os.path.lexists(target):
            raise FileExistsError(
                f"{str(target)!r} has no record, so it may be yours: move it, give "
                "another -o, or replace it with --overwrite"
            ) from None
        return "missing"
    if not target.is_file():
        return "missing"
    now = json.loads(json.dumps(dict(request)))
    different = sorted(
        k for k in recorded.keys() | now.keys() if recorded.get(k) != now.get(k)
    )
    if others := [name for name in different if name != PHOTO]:
        told = "; ".join(_difference(k, recorded.get(k), now.get(k)) for k in others)
        raise ValueError(
            f"{str(target)!r} was made differently ({told}): --resume continues only "
            "the same work; use the same options, give another -o, or make everything "
            "again with --overwrite"
        )
    if digest_file(target) != digest:
        return "damaged"
    return "stale" if different else "complete"


def digest_bytes(data: bytes) -> str:
    """Returns the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Returns the SHA-256 of a file; "" if it cannot be read.

    The digest of a folder is that of the names and digests of all files in it.
    """
    if path.is_dir():
        digest = hashlib.sha256()
        for below in sorted(p for p in path.rglob("*") if p.is_file()):
            name = os.fsencode(below.relative_to(path))
            digest.update(name + b"\0" + digest_file(below).encode())
        return digest.hexdigest()
    try:
        return file_sha256(path)
    except OSError:
        return ""


def plain(value: Any) -> Any:
    """Returns a control as a JSON value; arrays and images become digests."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, os.PathLike):
        return digest_file(Path(value))
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    array = np.ascontiguousarray(value)
    return digest_bytes(f"{array.dtype} {array.shape} ".encode() + array.tobytes())


def _difference(name: str, was: Any, now: Any) -> str:
    texts = [json.dumps(value) for value in (was, now)]
    if max(map(len, texts)) > 40:  # digests say nothing to people
        return f"{name} differ" if name.endswith("s") else f"{name} differs"
    return f"{name}: was {texts[0]}, now {texts[1]}"


_SHOWN = 3


class DiskFullError(OSError):
    """Raised when the disk is full, which ends the work on all results."""


class Recorder:
    """Describes the requests of results; every file is read once.

    Args:
        weights: Name or file of the model.
        ways: Further options that determine results, such as retained metadata.
    """

    def __init__(self, weights: str, **ways: Any) -> None:
        self._weights, self._ways = weights, ways
        self._digest = functools.cache(digest_file)

    def request(
        self,
        photo: Source | Path,
        styles: Sequence[Source],
        controls: Mapping[str, Any],
    ) -> Request:
        """Returns everything that determines the result of a photo.

        Args:
            photo: A photo, or a video.
            styles: Its styles, in order.
            controls: Keyword arguments of `Stylizer.__call__`, and further options.
        """
        source = Source(photo) if isinstance(photo, Path) else photo
        named = {name: plain(value) for name, value in controls.items()}
        if "weights" in named:  # shares of the styles; the model's are "the weights"
            named["blend"] = named.pop("weights")
        masks = [one.mask and self._digest(one.mask) for one in styles]
        return {
            **named,
            **self._ways,
            PHOTO: self._source(source),
            "the styles": [self._source(one) for one in styles],
            "the style masks": masks,
            "the weights": self._model(),
        }

    def _source(self, source: Source) -> str:
        if source.is_own:
            return str(source.path)
        if source.data is not None:
            return digest_bytes(source.data)
        return self._digest(source.path)

    def _model(self) -> str:
        from styleflax.weights.model_files import find_model  # noqa: PLC0415

        return self._digest(find_model(self._weights))


def find_states(request: Mapping[Path, Request]) -> dict[Path, State]:
    """Returns the state of every result; see `find_state`.

    Raises:
        ValueError: If results were made by other requests; the error describes the
            first and gives their number.
        FileExistsError: If existing files have no record.
    """
    states, refusals = {}, []
    for target, of_target in request.items():
        try:
            states[target] = find_state(target, of_target)
        except (ValueError, FileExistsError) as error:
            refusals.append(error)
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        raise type(refusals[0])(f"{refusals[0]}{more}")
    return states


def describe_missing(written: int, missing: Iterable[Path], *, can_resume: bool) -> str:
    """Returns a line that lists the results missing after a full disk, with advice."""
    paths = [str(path) for path in missing]
    rest = len(paths) - _SHOWN
    shown = ", ".join(paths[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
    how = "free space and run the same command with --resume"
    if not can_resume:
        how = "free space and run the same command again"
    results = "1 result is" if written == 1 else f"{written} results are"
    verb = "is" if len(paths) == 1 else "are"
    return (
        f"the disk is full: {results} written, {len(paths)} {verb} missing "
        f"({shown}); {how}"
    )


def check_resume(out: Path, *, resume: bool, overwrite: bool) -> None:
    """Checks that `--resume` is possible.

    Raises:
        ValueError: If `--overwrite` is also set, or the output is standard output.
    """
    if not resume:
        return
    if out == DASH:
        raise ValueError("--resume requires files, but -o is standard output")
    if overwrite:
        raise ValueError(
            "--resume and --overwrite cannot be combined; give one of them"
        )


class Watcher:
    """Collects the outcome of all results; subclasses also show it.

    Attributes:
        written: Files that were written.
        skipped: Complete files of an earlier call.
        failed: Errors by photo and styles.
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
        """Encloses a phase: "weights" (loading the model) or "run" (the work)."""
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
        """Records a written result.

        Args:
            pair: The photo and its styles.
            target: The file of the result.
            size: Width and height of the result in pixels.
            seconds: Time of the result, including its share of a batch.
            notes: One line for each part of the photo's file that was ignored.
        """
        del pair, size, seconds
        for note in notes:
            self.warn(note)
        self.written.append(target)

    def skip(self, skipped: Sequence[tuple[Pair, Path]]) -> None:
        """Records results that were complete already."""
        self.skipped += [target for _, target in skipped]

    def fail(self, pair: Pair, error: Exception) -> None:
        """Records a result that failed."""
        content, mix = pair
        key = str(content.path), "+".join(str(style.path) for style in mix)
        self.failed[" in the style of ".join(key)] = describe_error(error)
        self.num_failed += 1

    def warn(self, text: str) -> None:
        """Records a warning."""
        logger.warning("%s", text)

    @contextmanager
    def stopping_when_full(
        self, targets: Iterable[Path], *, can_resume: bool
    ) -> Iterator[None]:
        """Ends the work within the block if the disk is full.

        Args:
            targets: The files of all results that are not skipped.
            can_resume: Whether the results are recorded.

        Raises:
            OSError: If the disk is full; the error lists the missing files.
        """
        try:
            yield
        except DiskFullError as error:
            missing = [target for target in targets if target not in self.written]
            written = len(self.skipped) + len(self.written)
            failure = OSError(describe_missing(written, missing, can_resume=can_resume))
            failure.errno = error.errno
            raise failure from None
