"""The images of a training: the manifest of all, and the validation split.

A manifest lists every file by its name within its folder, its size and a digest of its
bytes. Folders may be moved; images must not change. Digests are cached next to the
prepared data sets by size and modification time, so that only new files are read.

The validation split uses the hash of file names. The side of an image depends only on
its name and the salt: it does not change if files are moved, reordered or added.
"""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from styleflax.datasets.pipeline import PictureSource
from styleflax.datasets.sources import find_manual_dir, parse_spec, picture_files
from styleflax.files import write_file
from styleflax.images.listing import RULES, Rules, list_folder, named_as_images

_DIGEST_FOLDER = ".digests"
_BLOCK_BYTES = 2**20
_NUM_THREADS = min(4, os.cpu_count() or 1)
_SHOWN = 3
_UNREADABLE = "unreadable"


class PictureFile(NamedTuple):
    """A file of a manifest.

    Attributes:
        name: Path within its folder, with forward slashes.
        size: Size in bytes; -1 if it cannot be read.
        digest: First digits of its SHA-256, in hexadecimal.
    """

    name: str
    size: int
    digest: str


class Part(NamedTuple):
    """A data set of a spec.

    Attributes:
        name: Kind of the data set, for example "image_folder"; with the version for
            data sets without files of the user, for example "sample_photos/0123abcd".
        files: Files, sorted by name.
    """

    name: str
    files: tuple[PictureFile, ...]


Manifest = tuple[Part, ...]
"""The data sets of a spec, in its order."""


def make_manifest(
    spec: str,
    data_dir: Path | str,
    manual_dir: Path | str | None = None,
    rules: Rules = RULES,
) -> Manifest:
    """Returns the current manifest of a spec, without preparing or checking images.

    Args:
        spec: Spec of data sets; see `datasets.sources.open_source`.
        data_dir: Folder of prepared datasets, which also contains the cached digests.
        manual_dir: Folder of files that the user downloaded.
        rules: Which files of folders are pictures.

    Raises:
        ValueError: If the spec names no dataset, or a folder without pictures.
        FileNotFoundError: If the folder or the files to prepare from are missing.
    """
    data_dir = Path(data_dir).expanduser().absolute()
    manual = find_manual_dir(data_dir, manual_dir)
    return tuple(
        _make_part(name, options, data_dir / _DIGEST_FOLDER, manual, rules)
        for name, options in parse_spec(spec)
    )


def describe_difference(old: Manifest, new: Manifest) -> str:
    """Returns the differences between two manifests, in words; "" if there are none."""
    if old == new:
        return ""
    kinds = [[part.name for part in manifest] for manifest in (old, new)]
    if kinds[0] != kinds[1]:
        return f"the data sets were {_join(kinds[0])}, and are {_join(kinds[1])}"
    was, now = _by_name(old), _by_name(new)
    changes = {
        "added": sorted(now.keys() - was.keys()),
        "missing": sorted(was.keys() - now.keys()),
        "changed": sorted(k for k in was.keys() & now.keys() if was[k] != now[k]),
    }
    told = {word: names for word, names in changes.items() if names}
    return ", ".join(
        f"{len(names)} {word} ({_join(names)})" for word, names in told.items()
    )


def to_plain(manifest: Manifest) -> list[Any]:
    """Returns a manifest as JSON values."""
    return [[part.name, [list(file) for file in part.files]] for part in manifest]


def from_plain(plain: Any) -> Manifest:
    """Returns the manifest of the values of `to_plain`.

    Raises:
        ValueError: If the value has another form.
        TypeError: If the value has another type.
    """
    return tuple(
        Part(name, tuple(PictureFile(*file) for file in files)) for name, files in plain
    )


def _make_part(
    name: str, options: dict[str, Any], digests: Path, manual: Path, rules: Rules
) -> Part:
    path = Path(options.get("path", "")).expanduser().absolute()
    if name == "pictures" and path.is_file():
        return Part(name, tuple(_list_files(path.parent, [path], digests)))
    if name in ("pictures", "image_folder") and path.is_dir():
        # An empty list is refused where the images are opened.
        if name == "pictures":
            files = list_folder(path, rules.suffixes, rules).images
        else:
            files = named_as_images(path, rules)
        return Part(name, tuple(_list_files(path, files, digests)))
    if name == "pictures":
        picture_files(path, rules)  # opening it gives a better error
    # Imported late, because importing TFDS takes a second.
    from styleflax.datasets.builders.preparation import find_config  # noqa: PLC0415

    config = find_config(name, manual, options, rules)
    if not config.roots:
        return Part(f"{name}/{config.name}", ())
    listed: list[PictureFile] = []
    for root in config.roots:
        files = named_as_images(root, rules) if root.is_dir() else [root]
        top = root if root.is_dir() and len(config.roots) == 1 else root.parent
        listed += _list_files(top, files, digests)
    return Part(name, tuple(listed))


def _list_files(
    folder: Path, files: Sequence[Path], digests: Path
) -> list[PictureFile]:
    """Returns the files with their digests; unchanged files are not read again."""
    path = digests / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]}.json"
    known = _read_known(path)
    prefix = len(os.fspath(folder)) + len(os.sep)
    names = [os.fspath(file)[prefix:].replace(os.sep, "/") for file in files]
    states = [_state(file) for file in files]
    found = [
        known.get(name, ["", "", ""])[2] if known.get(name, [])[:2] == state else ""
        for name, state in zip(names, states, strict=True)
    ]
    missing = [i for i, digest in enumerate(found) if not digest]
    if missing:
        with ThreadPoolExecutor(_NUM_THREADS) as pool:
            made = pool.map(_digest, [files[i] for i in missing])
            for index, digest in zip(missing, made, strict=True):
                found[index] = digest
    rows = list(zip(names, states, found, strict=True))
    if missing:
        read = [row for row in rows if row[2] != _UNREADABLE]
        _write_known(path, {name: [*state, digest] for name, state, digest in read})
    return sorted(
        PictureFile(name, -1 if digest == _UNREADABLE else state[0], digest)
        for name, state, digest in rows
    )


def _state(file: Path) -> list[int]:
    """Returns size and modification time of a file; fixed values for other paths."""
    try:
        status = os.stat(file)  # noqa: PTH116  (a hundred thousand of them)
    except OSError:
        return [-1, 0]
    return [status.st_size, status.st_mtime_ns]


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    try:
        if not file.is_file():  # opening a named pipe would block
            return _UNREADABLE
        with file.open("rb") as opened:
            while block := opened.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError:
        return _UNREADABLE
    return digest.hexdigest()[:32]


def _read_known(path: Path) -> dict[str, list[Any]]:
    try:
        known: Any = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _write_known(path: Path, known: dict[str, list[Any]]) -> None:
    """Writes the cached digests; if that fails, files are read again next time."""
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        # json writes ASCII, because names may contain bytes that are not text.
        write_file(path, json.dumps(known))


def _by_name(manifest: Manifest) -> dict[tuple[int, str], PictureFile]:
    return {
        (index, file.name): file
        for index, part in enumerate(manifest)
        for file in part.files
    }


def _join(names: Sequence[Any]) -> str:
    first = [name if isinstance(name, str) else name[1] for name in names[:_SHOWN]]
    more = [f"and {len(names) - _SHOWN} more"] if len(names) > _SHOWN else []
    return ", ".join([*map(repr, first), *more])


_RULE = re.compile(r"(?P<prefix>[^\[\],]*)(?:\[(?P<first>\d*)-(?P<last>\d*)\])?")
_BITS = 64


class Subset:
    """Some of the images of a source, in a given order."""

    def __init__(self, source: PictureSource, places: Sequence[int]) -> None:
        self._source, self._places = source, list(places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        return self._source[self._places[index]]

    def name(self, index: int) -> str:
        """Returns the name of an image in its source."""
        return self._source.name(self._places[index])

    def __repr__(self) -> str:
        return f"{len(self)} of {self._source!r}"


def split_sources(
    sources: Sequence[PictureSource], share: float, salt: str = "", names: str = ""
) -> tuple[tuple[Subset, ...], tuple[Subset, ...]]:
    """Returns the training images and the validation images of every source.

    Identical images are on the same side, also across sources: that of the first of
    their names, or training if one of them may not be held out. To find them, every
    image is read once.

    Args:
        sources: Sources whose images have names.
        share: Approximate share of the validation images, in (0, 1).
        salt: Text that varies the split.
        names: Rule for the names of images that may be held out; see `name_rule`.

    Raises:
        ValueError: If the share or the rule is not valid, or a side of a source would
            be empty.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must be above 0 and below 1, got {share}")
    may_be_held_out = name_rule(names)
    listed = [[s.name(i) for i in range(len(s))] for s in sources]
    digests = [[hashlib.sha256(s[i]).digest() for i in range(len(s))] for s in sources]
    groups: dict[bytes, list[str]] = {}
    for own_names, own_digests in zip(listed, digests, strict=True):
        for name, digest in zip(own_names, own_digests, strict=True):
            groups.setdefault(digest, []).append(file_name(name))
    places = {k: _place_of(group, salt) for k, group in groups.items()}
    held_out = {
        digest
        for digest, group in groups.items()
        if places[digest] < share and all(map(may_be_held_out, group))
    }
    train, validation = [], []
    for source, own in zip(sources, digests, strict=True):
        # In a random order, so that the first few are a representative sample.
        out = sorted((places[d], i) for i, d in enumerate(own) if d in held_out)
        validation.append(Subset(source, [i for _, i in out]))
        train.append(
            Subset(source, [i for i, d in enumerate(own) if d not in held_out])
        )
        if not validation[-1] or not train[-1]:
            side = "validation" if train[-1] else "training"
            raise ValueError(
                f"a validation share of {share} leaves no picture of {source!r} for "
                f"{side}; give another share, or another rule for names"
            )
    return tuple(train), tuple(validation)


def split_digest(sources: Sequence[PictureSource]) -> str:
    """Returns a digest of the names of all images, independent of their order."""
    names = [sorted(s.name(i) for i in range(len(s))) for s in sources]
    return hashlib.sha256(repr(names).encode()).hexdigest()[:16]


def name_rule(names: str) -> Callable[[str], bool]:
    """Returns a function that says whether a file's name matches a rule.

    Args:
        names: Beginnings of names, separated by commas, each optionally with a range of
            the number that follows, as in `content_[1239-],style_[705-2000]`; empty
            for all files.

    Raises:
        ValueError: If the rule has another form.
    """
    rules = []
    for part in names.split(",") if names else ():
        read = _RULE.fullmatch(part.strip())
        if read is None or not part.strip():
            raise ValueError(
                "the rule for names must be as in 'content_[1239-],style_', with "
                f"beginnings of names and ranges of numbers, got {names!r}"
            )
        rules.append(read)

    def holds(name: str) -> bool:
        return not rules or any(_matches(name, rule) for rule in rules)

    return holds


def file_name(name: str) -> str:
    """Returns the last part of an image's name, which determines its side."""
    return name.rpartition("/")[2]


def _matches(name: str, rule: re.Match[str]) -> bool:
    if not name.startswith(rule["prefix"]):
        return False
    if rule["first"] is None:
        return True
    number = re.match(r"\d+", name[len(rule["prefix"]) :])
    if number is None:
        return False
    last = float(rule["last"] or "inf")
    return int(rule["first"] or 0) <= int(number[0]) <= last


def _place_of(names: Sequence[str], salt: str) -> float:
    """Returns a deterministic pseudo-random number in [0, 1)."""
    text = os.fsencode(f"{salt}{min(names)}")
    digest = hashlib.sha256(text).digest()[: _BITS // 8]
    return int.from_bytes(digest, "big") / 2**_BITS
