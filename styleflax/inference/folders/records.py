"""Records of results, for `--resume` and for leaving results out of photo folders.

The record of `out/a.png` is the hidden file `out/.a.png.json`; other programs would
interpret a folder as a class of images. It is written before the result gets its name
and contains the digest of the result: a result is complete if it matches its record.
"""

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from styleflax.files import file_sha256, is_within, write_file
from styleflax.images.listing import ExcludedPath
from styleflax.inference.folders.sources import Source

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
        differences = "; ".join(
            _difference(k, recorded.get(k), now.get(k)) for k in others
        )
        raise ValueError(
            f"{str(target)!r} was made differently ({differences}): --resume "
            "continues only the same work; use the same options, give another -o, or "
            "make everything again with --overwrite"
        )
    if digest_file(target) != digest:
        return "damaged"
    return "stale" if different else "complete"


def without_results(
    sources: Sequence[Source],
    given: Sequence[Path],
    out: Path,
    name: str,
    left_out: list[ExcludedPath] | None = None,
) -> list[Source]:
    """Returns the images without results of earlier runs.

    Results are the images in `out`, and images with a record next to them. Images that
    were given by their own names are retained, as are those of a folder that contains
    only results.

    Args:
        sources: The images of `given`, as returned by `expand`.
        given: Files and folders of the command line.
        out: File or folder of the results.
        name: Name of the images in messages.
        left_out: List to which excluded paths are added.

    Raises:
        ValueError: If `out` is one of the folders, or no image remains.
    """
    sources = _without_recorded(sources, given, left_out)
    around = [path for path in given if path.is_dir() and is_within(out, path)]
    if not around:
        return list(sources)
    real = os.path.realpath(out)
    for folder in around:
        if os.path.realpath(folder) == real:
            raise ValueError(
                f"-o must be a folder other than {name} {str(folder)!r}, as the next "
                f"run would read its own results; use -o {str(folder / 'stylized')!r}"
            )
    own = {*given}
    left = [s for s in sources if s.path in own or not is_within(s.path, out)]
    if not left:
        raise ValueError(
            f"{name}: {str(around[0])!r} has no image outside -o {str(out)!r}"
        )
    if left_out is not None and len(left) < len(sources):
        number = len(sources) - len(left)
        left_out.append(
            ExcludedPath(out, f"{number} earlier results, in the folder of -o")
        )
    return left


def _without_recorded(
    sources: Sequence[Source],
    given: Sequence[Path],
    left_out: list[ExcludedPath] | None,
) -> Sequence[Source]:
    """Returns the images without those that have a record of an earlier run."""
    folders = [path for path in given if path.is_dir()]
    results: set[Path] = set()
    for folder in folders:
        inside = {s.path for s in sources if s.path.is_relative_to(folder)}
        recorded = {path for path in inside if record_path(path).is_file()}
        if recorded != inside:
            results |= recorded
    results -= {*given}
    if left_out is not None:
        for folder, number in sorted(Counter(p.parent for p in results).items()):
            several = "s" if number > 1 else ""
            reason = f"{number} result{several} of an earlier run"
            left_out.append(ExcludedPath(folder, reason))
    return [s for s in sources if s.path not in results]


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
        from styleflax.weights.store import find_model  # noqa: PLC0415

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
