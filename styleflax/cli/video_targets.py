"""What `styleflax video` reads and where it writes, checked before any work is done."""

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from styleflax.cli.output_paths import check_out_folder, check_outside
from styleflax.files import make_folder
from styleflax.images.listing import LeftOut
from styleflax.inference.video.clips import DEFAULT_RATE, find_clips
from styleflax.inference.video.writer import WRITTEN_SUFFIXES, check_video_target

_MAX_FPS = 1000


def find_video_targets(
    clip: Path, out: Path, left_out: list[LeftOut], *, crf: int | None, overwrite: bool
) -> list[tuple[Path, Path]]:
    """Returns every clip with the file that it becomes; makes the folders.

    Args:
        clip: A file, or a folder of videos or of numbered pictures.
        out: A file; a folder for a folder of videos.
        left_out: List to which files that are not clips are added.
        crf: See `check_video_target`.
        overwrite: See `check_video_target`.

    Raises:
        ValueError: The folder holds no clip, several kinds or several series of
            pictures; or the files cannot be written.
        FileExistsError: Files are there, and `overwrite` is not set.
        OSError: A folder cannot be written to.
    """
    if not clip.is_dir():
        targets = [(clip, out)]
    else:
        clips, others = find_clips(clip)
        left_out += others
        targets = [(clip, out)]
        if clips != [clip]:
            if out.suffix.lower() in WRITTEN_SUFFIXES and not out.is_dir():
                raise ValueError(
                    f"-o must be a folder for the {len(clips)} videos in "
                    f"{str(clip)!r}, got {str(out)!r}"
                )
            check_out_folder(out)
            check_outside(out, [clip])
            targets = _named(clip, clips, out)
    for _, target in targets:
        check_video_target(target, overwrite=overwrite, crf=crf)
        make_folder(target.parent)
    return targets


def read_rate(fps: float | None, clips: Sequence[Path]) -> Fraction:
    """Returns the frames in a second of numbered pictures.

    Raises:
        ValueError: It is out of range, or there are no numbered pictures.
    """
    if fps is None:
        return DEFAULT_RATE
    if not 0 < fps <= _MAX_FPS:  # so that NaN fails too
        raise ValueError(f"--fps must be above 0 and at most {_MAX_FPS}, got {fps}")
    if not any(clip.is_dir() for clip in clips):
        raise ValueError(
            "--fps is allowed for folders of numbered images only; a video has its own"
        )
    return Fraction(fps).limit_denominator(1001)


def _named(folder: Path, clips: Sequence[Path], out: Path) -> list[tuple[Path, Path]]:
    """Videos with their targets, in a format that can be written."""
    seen: set[str] = set()
    targets = []
    for clip in clips:
        suffix = clip.suffix.lower()
        suffix = suffix if suffix in WRITTEN_SUFFIXES else ".mp4"
        stem = clip.relative_to(folder).with_suffix("")
        numbers = itertools.chain([""], (f"-{i}" for i in itertools.count(2)))
        names = (f"{stem}{number}{suffix}" for number in numbers)
        name = next(name for name in names if name.casefold() not in seen)
        seen.add(name.casefold())
        targets.append((clip, out / name))
    return targets
