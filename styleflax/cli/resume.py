"""`--resume`: what is there and complete is skipped, and a full disk ends the work."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from styleflax.cli.stylize_inputs import DASH, Source
from styleflax.inference.records import (
    PHOTO,
    Asked,
    State,
    digest_bytes,
    digest_file,
    find_state,
    plain,
)

_SHOWN = 3


class DiskFullError(OSError):
    """There is no room for a result, so that no other need be tried."""


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
        from styleflax.weights.packaged import find_model  # noqa: PLC0415

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


def describe_missing(written: int, missing: Iterable[Path], *, can_resume: bool) -> str:
    """What a full disk has left undone, and what to do."""
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
    """Refuses to keep what is there and to replace it, and to keep what is no file.

    Raises:
        ValueError: If files are to be replaced, or go to standard output.
    """
    if not resume:
        return
    if out == DASH:
        raise ValueError("--resume requires files, but -o is standard output")
    if overwrite:
        raise ValueError(
            "--resume and --overwrite cannot be combined; give one of them"
        )
