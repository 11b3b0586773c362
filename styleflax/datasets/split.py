"""A validation set cut from training pictures by the hash of their file names.

The side of a picture follows from its name and the salt alone: it stays the same
wherever the files lie, in whatever order, and when others are added.
"""

import hashlib
import os
import re
from collections.abc import Callable, Sequence

from styleflax.datasets.pipeline import PictureSource

_RULE = re.compile(r"(?P<prefix>[^\[\],]*)(?:\[(?P<first>\d*)-(?P<last>\d*)\])?")
_BITS = 64


class Subset:
    """Some of the pictures of a source, in a given order."""

    def __init__(self, source: PictureSource, places: Sequence[int]) -> None:
        self._source, self._places = source, list(places)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> bytes:
        if not 0 <= index < len(self):
            raise IndexError(f"picture {index} of {len(self)}")
        return self._source[self._places[index]]

    def name(self, index: int) -> str:
        """Returns the picture's name in its source."""
        return self._source.name(self._places[index])

    def __repr__(self) -> str:
        return f"{len(self)} of {self._source!r}"


def split_sources(
    sources: Sequence[PictureSource], share: float, salt: str = "", names: str = ""
) -> tuple[tuple[Subset, ...], tuple[Subset, ...]]:
    """Returns what stays for training of every source, and what is validated on.

    Pictures of the same bytes are on the same side, in whichever sources they are:
    that of the first of their names, or training if one of them may not be held out.
    Every picture is read once for that.

    Args:
        sources: Whose pictures have names.
        share: Approximate share of the images that is held out, in (0, 1).
        salt: Another text holds out other pictures.
        names: Which may be; see `name_rule`.

    Raises:
        ValueError: If the share or the rule is impossible, or a side of a source is
            left without pictures.
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
        # In an order of their own, so that the first few are a fair sample.
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
    """Returns a digest of the names of all pictures, in whatever order they are."""
    names = [sorted(s.name(i) for i in range(len(s))) for s in sources]
    return hashlib.sha256(repr(names).encode()).hexdigest()[:16]


def name_rule(names: str) -> Callable[[str], bool]:
    """Returns whether a file's name is among those of a rule.

    Args:
        names: Beginnings of names, separated by commas, each perhaps with the range
            of the number that follows it, as in `content_[1239-],style_[705-2000]`;
            empty for all files.

    Raises:
        ValueError: If the rule reads otherwise.
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
    """Returns the last part of a picture's name, which its side follows from."""
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
    """Returns a number in [0, 1) that looks random and is always the same."""
    text = os.fsencode(f"{salt}{min(names)}")
    digest = hashlib.sha256(text).digest()[: _BITS // 8]
    return int.from_bytes(digest, "big") / 2**_BITS
