"""Opening and finding clips: videos, animated images and numbered images."""

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage

from styleflax.files import make_folder
from styleflax.images.decoding import ImageError
from styleflax.images.listing import (
    IMAGE_SUFFIXES,
    ExcludedPath,
    check_out_folder,
    check_outside,
    describe_excluded,
    has_image_suffix,
    list_folder,
)
from styleflax.images.read import read_picture
from styleflax.images.unread import VIDEO_SUFFIXES
from styleflax.inference.video.animation import (
    ANIMATION_SUFFIXES,
    AnimationReader,
    AnimationWriter,
    is_animation,
)
from styleflax.inference.video.clip import RGB_TAGS, Clip, ClipWriter, Closing, Frame
from styleflax.inference.video.reader import VideoReader
from styleflax.inference.video.writer import (
    WRITTEN_SUFFIXES,
    VideoWriter,
    check_video_target,
)

DEFAULT_RATE = Fraction(25)
_DIGITS = re.compile(r"(\d+)")


def open_clip(
    path: Path,
    max_megapixels: float = float("inf"),
    *,
    sound: bool = True,
    rate: Fraction = DEFAULT_RATE,
) -> Clip:
    """Opens a clip and returns its reader.

    Args:
        path: A video, an animated image, or a folder of numbered images.
        max_megapixels: Limit on the size of a frame.
        sound: Whether packets of sound are read, too.
        rate: Frames per second of numbered images.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If it cannot be read, is an image with one frame, or the images do
            not belong to one clip.
        ImportError: If it is a video and PyAV is not installed.
    """
    if path.is_dir():
        return NumberedPictures(path, rate, max_megapixels)
    if has_image_suffix(path.name, ANIMATED_SUFFIXES) and is_animation(path):
        return AnimationReader(path, max_megapixels)
    if has_image_suffix(path.name) and path.is_file():
        raise ValueError(
            f"a clip must be a video, an animated image or a folder of numbered "
            f"images, got an image with one frame, {str(path)!r}; use `styleflax "
            "stylize` for images"
        )
    return VideoReader(path, max_megapixels, sound=sound)


ANIMATED_SUFFIXES = ANIMATION_SUFFIXES | {".avif"}
"""Suffixes of images that may be animated."""


def open_writer(
    path: Path,
    source: Clip,
    *,
    crf: int | None = None,
    pixel_format: str = "yuv420p",
    overwrite: bool = False,
) -> ClipWriter:
    """Returns the writer of a video or an animated image, chosen by the suffix.

    Args:
        path: The file to be written.
        source: The clip that is stylized; it gives times, color tags and sound.
        crf: Constant rate factor of the encoder; None for its default.
        pixel_format: Pixel format, `yuv420p` or `yuv444p`.
        overwrite: Whether an existing file is replaced.

    Raises:
        ValueError: If the suffix, `crf` or `pixel_format` is not allowed.
        FileExistsError: If the file exists and `overwrite` is not set.
    """
    if path.suffix.lower() in ANIMATION_SUFFIXES:
        return AnimationWriter(path, source, overwrite=overwrite)
    options = {"crf": crf, "pixel_format": pixel_format, "overwrite": overwrite}
    return VideoWriter(path, source, **options)  # type: ignore[arg-type]


def find_clips(folder: Path) -> tuple[list[Path], list[ExcludedPath]]:
    """Returns the clips of a folder, and the paths that are left out.

    Returns:
        Every video and animated image in the folder and below it, or the folder
        itself if it has the numbered images of one clip.

    Raises:
        ValueError: If the folder has no clip, or both videos and images, or images
            that do not belong to one clip.
    """
    paths, left_out = list_folder(folder, IMAGE_SUFFIXES | VIDEO_SUFFIXES)
    videos = [path for path in paths if _is_clip(path)]
    pictures = [path for path in paths if path not in set(videos)]
    if videos and pictures:
        raise ValueError(
            f"{str(folder)!r} has videos ({len(videos)}, such as "
            f"{videos[0].name}) and images ({len(pictures)}, such as "
            f"{pictures[0].name}): give a folder of one kind"
        )
    if not paths:
        others = f": {describe_excluded(left_out)}" if left_out else ""
        raise ValueError(f"{str(folder)!r} has no video and no numbered images{others}")
    if videos:
        return videos, left_out
    in_order(pictures)
    return [folder], left_out


def _is_clip(path: Path) -> bool:
    if has_image_suffix(path.name, VIDEO_SUFFIXES):
        return True
    return has_image_suffix(path.name, ANIMATED_SUFFIXES) and is_animation(path)


def in_order(pictures: Sequence[Path]) -> list[Path]:
    """Returns the numbered images of a clip in the order of their numbers.

    Raises:
        ValueError: If they are in several folders, differ in more than their numbers,
            have no numbers, or two have the same number.
    """
    folders = sorted({str(path.parent) for path in pictures})
    if len(folders) > 1:
        raise ValueError(
            "the images of a clip must be in one folder, got "
            f"{len(folders)}, such as {folders[0]!r} and {folders[1]!r}: give one of "
            "them"
        )
    by_words: dict[tuple[str, ...], list[Path]] = {}
    for path in pictures:
        by_words.setdefault(tuple(_DIGITS.split(path.stem)[::2]), []).append(path)
    examples = [f"{paths[0].name!r}" for paths in by_words.values()][:2]
    if len(by_words) > 1 or all(len(words) == 1 for words in by_words):
        raise ValueError(
            "the images of a clip must have one name with a number, such as "
            f"frame_0001.png, got {' and '.join(examples)} in {folders[0]!r}. "
            "`styleflax stylize` takes single photos"
        )
    ordered = sorted(pictures, key=_numbers)
    for one, other in itertools.pairwise(ordered):
        if _numbers(one) == _numbers(other):
            raise ValueError(
                f"two images of the clip have the same number: {one.name!r} and "
                f"{other.name!r} in {folders[0]!r}"
            )
    return ordered


def _numbers(path: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in _DIGITS.split(path.stem)[1::2])


class NumberedPictures(Closing):
    """Reads the images of a folder as frames, in the order of their numbers.

    All frames have the size of the first; others are resized. An image that cannot be
    read is left out, and the frame before it is shown for longer.

    Args:
        folder: Folder of images such as frame_0001.png.
        rate: Frames per second.
        max_megapixels: Limit on the size of a frame.

    Attributes are those of `Clip`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If there is no image, or the images do not belong to one clip.
        ImageError: If the first image cannot be read.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        rate: Fraction = DEFAULT_RATE,
        max_megapixels: float = float("inf"),
    ) -> None:
        pictures = list_folder(folder).images
        if not pictures:
            raise ValueError(f"{os.fspath(folder)!r} has no image")
        self._paths = in_order(pictures)
        self._max_megapixels = max_megapixels
        self.time_base, self.rate = 1 / rate, rate
        self.num_frames: int | None = len(self._paths)
        self.num_damaged = 0
        self.audio: Sequence[Any] = ()
        self.aspect, self.colors = Fraction(1), RGB_TAGS
        first = self._read(self._paths[0])
        self.height, self.width = first.shape[:2]
        self.notes: Sequence[str] = [*_gaps(self._paths)]

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order."""
        for index, path in enumerate(self._paths):
            try:
                rgb_u8 = self._read(path)
            except (ImageError, OSError):
                self.num_damaged += 1
                continue
            if rgb_u8.shape != (self.height, self.width, 3):
                image = PillowImage.fromarray(rgb_u8)
                size = self.width, self.height
                rgb_u8 = np.asarray(image.resize(size, PillowImage.Resampling.BICUBIC))
            yield Frame(rgb_u8, index, 1)

    def _read(self, path: Path) -> np.ndarray:
        return read_picture(path, max_megapixels=self._max_megapixels).on_white()


def _gaps(paths: Sequence[Path]) -> Iterator[str]:
    """Yields a note about missing numbers, if one number counts the images."""
    columns = list(zip(*map(_numbers, paths), strict=True))
    counting = [column for column in columns if len(set(column)) > 1]
    if len(counting) != 1:
        return
    steps = [b - a for a, b in itertools.pairwise(counting[0])]
    usual = min(steps)
    missing = sum(step // usual - 1 for step in steps)
    if missing:
        before = next(i for i, step in enumerate(steps) if step > usual)
        yield (
            f"{missing} numbers are missing, the first after {paths[before].name}: the "
            "frames follow each other without a pause"
        )


_MAX_FPS = 1000


def find_video_targets(
    clip: Path,
    out: Path,
    left_out: list[ExcludedPath],
    *,
    crf: int | None,
    overwrite: bool,
) -> list[tuple[Path, Path]]:
    """Returns every clip with the path of its result, and creates the folders.

    Args:
        clip: A file, or a folder of videos or of numbered images.
        out: A file, or a folder if `clip` is a folder of videos.
        left_out: List to which files that are not clips are added.
        crf: Constant rate factor of the encoder; None for its default.
        overwrite: Whether existing files are replaced.

    Raises:
        ValueError: If the folder holds no clip, several kinds or several series of
            images; or the files cannot be written.
        FileExistsError: If files exist and `overwrite` is not set.
        OSError: If a folder cannot be written to.
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
    """Returns the frames per second of numbered images.

    Raises:
        ValueError: If `fps` is out of range, or no clip is a folder of images.
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
    """Returns videos with their targets, in a format that can be written."""
    taken_names: set[str] = set()
    targets = []
    for clip in clips:
        suffix = clip.suffix.lower()
        suffix = suffix if suffix in WRITTEN_SUFFIXES else ".mp4"
        stem = clip.relative_to(folder).with_suffix("")
        numbers = itertools.chain([""], (f"-{i}" for i in itertools.count(2)))
        names = (f"{stem}{number}{suffix}" for number in numbers)
        name = next(name for name in names if name.casefold() not in taken_names)
        taken_names.add(name.casefold())
        targets.append((clip, out / name))
    return targets
