"""Records of results, by which work continues and no result is taken for a photo.

The record of `out/a.png` is `out/.a.png.json`, a hidden file and no folder, which other
programs would take for a class of pictures. It is written before the result gets its
name, and holds the result's digest: a result is complete if it is the one that its
record describes.
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
from styleflax.images.listing import LeftOut
from styleflax.inference.folders.sources import Source

Asked = Mapping[str, Any]
"""What a result follows from, by name, as JSON has it."""
State = Literal["missing", "complete", "damaged", "stale"]
PHOTO = "photo"
"""Name of what may change: a result of another photograph is stale, not refused."""


def record_path(target: Path) -> Path:
    """Returns the file of a result's record."""
    return target.with_name(f".{target.name}.json")


def staged_path(target: Path) -> Path:
    """Returns where a result may be written before it is recorded and published."""
    return target.with_name(f".{target.stem}.part{target.suffix}")


def write_record(target: Path, asked: Asked, digest: str) -> None:
    """Writes a result's record, whole or not at all.

    Args:
        target: The result, which is to get its name next.
        asked: What it follows from.
        digest: Digest of its bytes, see `digest_bytes`.

    Raises:
        OSError: The file cannot be written.
    """
    path = record_path(target)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, json.dumps({"asked": asked, "sha256": digest}))


def publish(target: Path, asked: Asked) -> None:
    """Records a result that is complete at `staged_path`, and gives it its name.

    Raises:
        OSError: A file cannot be written.
    """
    staged = staged_path(target)
    write_record(target, asked, digest_file(staged))
    staged.replace(target)


def find_state(target: Path, asked: Asked) -> State:
    """Returns how far a result is.

    Args:
        target: Where it is, or will be.
        asked: What it is to follow from.

    Returns:
        "missing"; "complete"; "damaged" if it is not what its record describes; or
        "stale" if it was made of another photograph.

    Raises:
        FileExistsError: There is a file without a record, which may be somebody's own.
        ValueError: It was made otherwise than asked for; says in what.
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
    now = json.loads(json.dumps(dict(asked)))
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


def without_results(
    sources: Sequence[Source],
    given: Sequence[Path],
    out: Path,
    name: str,
    left_out: list[LeftOut] | None = None,
) -> list[Source]:
    """Returns the pictures without those that earlier runs have written.

    These are what is in `out`, and pictures that have a record beside them. Pictures
    that were given by their own names stay, as do those of a folder of nothing but
    results.

    Args:
        sources: What `expand` has made of `given`.
        given: Files and folders, as they stand on the command line.
        out: A file or folder to be written.
        name: How messages call the pictures.
        left_out: What is not among them is added to this list.

    Raises:
        ValueError: `out` is one of the folders, or no picture remains.
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
        left_out.append(LeftOut(out, f"{number} earlier results, in the folder of -o"))
    return left


def _without_recorded(
    sources: Sequence[Source], given: Sequence[Path], left_out: list[LeftOut] | None
) -> Sequence[Source]:
    """The pictures without results of earlier runs, wherever in a folder these are."""
    folders = [path for path in given if path.is_dir()]
    results: set[Path] = set()
    for folder in folders:
        inside = {s.path for s in sources if s.path.is_relative_to(folder)}
        found = {path for path in inside if record_path(path).is_file()}
        if found != inside:
            results |= found
    results -= {*given}
    if left_out is not None:
        for folder, number in sorted(Counter(p.parent for p in results).items()):
            several = "s" if number > 1 else ""
            reason = f"{number} result{several} of an earlier run"
            left_out.append(LeftOut(folder, reason))
    return [s for s in sources if s.path not in results]


def digest_bytes(data: bytes) -> str:
    """Returns the SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest_file(path: Path) -> str:
    """Returns the SHA-256 of a file; "" if it cannot be read.

    A folder's is that of the names and digests of all files below it.
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
    """Returns a control as JSON has it: arrays and pictures by their digests."""
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
    """Says what results follow from; files are read once.

    Args:
        weights: Name or file of the model.
        ways: What else results depend on, as the metadata that they keep.
    """

    def __init__(self, weights: str, **ways: Any) -> None:
        self._weights, self._ways = weights, ways
        self._digest = functools.cache(digest_file)

    def asked(
        self,
        photo: Source | Path,
        styles: Sequence[Source],
        controls: Mapping[str, Any],
    ) -> Asked:
        """Everything that a result of this photograph follows from.

        Args:
            photo: A photograph, or a video.
            styles: In order.
            controls: Keyword arguments of `Stylizer.__call__`, or what else is asked.
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


def find_states(asked: Mapping[Path, Asked]) -> dict[Path, State]:
    """How far every result is, see `records.find_state`.

    Raises:
        ValueError: Some were made otherwise; tells of the first, and how many.
        FileExistsError: Some have no record.
    """
    states, refusals = {}, []
    for target, of_target in asked.items():
        try:
            states[target] = find_state(target, of_target)
        except (ValueError, FileExistsError) as error:
            refusals.append(error)
    if refusals:
        more = f" (and {len(refusals) - 1} more)" if len(refusals) > 1 else ""
        raise type(refusals[0])(f"{refusals[0]}{more}")
    return states
