"""Which names on a command line are paintings and which are photos."""

import shlex
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from styleflax.cli import control_flags, stylize_flags

_SUBJECTS = {"stylize": "photo", "sheet": "photo", "video": "video"}
"""What the commands that take several `--style` stylize."""
_SWITCHES = stylize_flags.SWITCHES | control_flags.SWITCHES
_MAX_NAMES = 4

Kind = Literal["option", "painting", "follower", "photo"]


class _Word(NamedTuple):
    """One argument.

    Attributes:
        text: As given.
        kind: `follower` for a name that stands directly after a painting of `--style`
            or after another follower; `photo` for any other name; `option` for flags
            and their values.
    """

    text: str
    kind: Kind


def spread_styles(arguments: Sequence[str]) -> list[str]:
    """Returns arguments where `--style A B` is `--style A --style B`.

    A shell's `photo.jpg --style paintings/*.jpg` works that way. Names after the first
    painting are paintings only where a photo stands before `--style` or after `--`. A
    single name that may be either is the photo.

    Args:
        arguments: Those after `styleflax`, the command first.

    Raises:
        ValueError: Several names after `--style` can be read in two ways.
    """
    if not arguments or arguments[0] not in _SUBJECTS:
        return list(arguments)
    command, *rest = arguments
    end = rest.index("--") if "--" in rest else len(rest)
    words = list(_words(rest[:end]))
    has_photo = len(rest) > end + 1
    if not has_photo:
        _refuse_two_readings(words, command)
    spread: list[str] = []
    for word in words:
        has_photo |= word.kind == "photo"
        if word.kind == "follower" and has_photo:
            spread.append("--style")
        spread.append(word.text)
    return [command, *spread, *rest[end:]]


def _words(arguments: Sequence[str]) -> Iterator[_Word]:
    waiting: Kind | None = None
    """What the next name is, if it is no photo."""
    for text in arguments:
        if text.startswith("-") and text != "-":
            # As in --size=9 and -oOUT; what follows a switch is no value of it.
            has_value = "=" in text or not (text.startswith("--") or len(text) == 2)
            closed = has_value or text in _SWITCHES
            waiting = None if closed else "option"
            if text == "--style":
                waiting = "painting"
            yield _Word(text, "option")
            continue
        yield _Word(text, waiting or "photo")
        waiting = "follower" if waiting in {"painting", "follower"} else None


def _refuse_two_readings(words: Sequence[_Word], command: str) -> None:
    kinds = [word.kind for word in words]
    if "follower" not in kinds:
        return
    first = kinds.index("follower")
    found = [word.text for word in words if word.kind in {"follower", "photo"}]
    names = [shlex.quote(name) for name in found]
    if "photo" in kinds[:first] or len(names) == 1:
        return
    subject = _SUBJECTS[command]
    painting, last = shlex.quote(words[first - 1].text), names[-1]
    others = _shown(names[:-1])
    raise ValueError(
        f"{_shown(names, ' and ')} after --style {painting} may be paintings or "
        f"{subject}s. If only {last} is a {subject}, put it first: styleflax {command} "
        f"{last} --style {painting} {others}. If all of them are {subject}s, put -- "
        f"before them: styleflax {command} --style {painting} -- {others} {last}"
    )


def _shown(names: Sequence[str], last: str = " ") -> str:
    if len(names) > _MAX_NAMES:
        return f"{names[0]} ... {names[-1]}"
    joint = ", " if last != " " else " "
    return last.join(filter(None, [joint.join(names[:-1]), names[-1]]))
