"""Animated images (GIF, WebP, APNG, AVIF) as clips, read and written with Pillow."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple, Self

import numpy as np
from jaxtyping import UInt8
from PIL import Image as PillowImage

from styleflax.files import temporary_beside
from styleflax.images.decoding import ImageError, one_line, open_image
from styleflax.images.read import first_frame, is_animated, num_frames, read_picture
from styleflax.inference.video.clip import RGB_TAGS, Clip, Closing, Frame

MS = Fraction(1, 1000)
_DEFAULT_MS = 100
"""Duration that browsers use for a frame whose own is missing or almost 0."""
_SHORTEST_MS = 10


class _Kind(NamedTuple):
    """How one format of animated images is written.

    Attributes:
        format: Pillow's name of the format.
        options: Options of Pillow's `Image.save`.
        unit: Unit of the format's durations, in ms.
        least: Shortest duration of a frame, in that unit.
    """

    format: str
    options: dict[str, Any]
    unit: int
    least: int


# Browsers show a GIF frame of less than 20 ms for 100 ms.
_GIF = _Kind("GIF", {"optimize": False}, 10, 2)
_WEBP = _Kind("WEBP", {"quality": 90, "method": 4}, 1, 1)
_APNG = _Kind("PNG", {}, 1, 1)
_KINDS = {".gif": _GIF, ".webp": _WEBP, ".png": _APNG, ".apng": _APNG}
ANIMATION_SUFFIXES = frozenset(_KINDS)
"""Suffixes of animated images that `AnimationWriter` writes."""


class AnimationReader(Closing):
    """Reads the frames of an animated image, as `VideoReader` reads those of a video.

    Frames are complete, upright, in sRGB and on a white background. Times are those
    of the file; a frame without a duration is shown for 100 ms, as in browsers.

    Args:
        path: An image with several frames.
        max_megapixels: Limit on the size of a frame.

    Attributes:
        plays: Number of times the animation is played; 0 means without end.

    Other attributes are those of `Clip`.

    Raises:
        FileNotFoundError: If there is no such file.
        ImageError: If it cannot be read, or its frames are too small or too large.
    """

    def __init__(
        self, path: str | os.PathLike[str], max_megapixels: float = float("inf")
    ) -> None:
        self._path = Path(path)
        self._image: Any = open_image(self._path, max_megapixels=max_megapixels)
        self.time_base, self.aspect = MS, Fraction(1)
        self.audio: Sequence[Any] = ()
        self.width, self.height = self._image.size
        self.colors, self.num_damaged = RGB_TAGS, 0
        self.notes: Sequence[str] = ()
        self.num_frames: int | None = num_frames(self._image)
        self._times = self._read_times()
        self.rate = Fraction(len(self._times) * 1000, max(sum(self._times), 1))
        self.plays = self._read_plays()

    def close(self) -> None:
        """Closes the file."""
        self._image.close()

    def __iter__(self) -> Iterator[Frame]:
        """The frames in order.

        Raises:
            ImageError: If the first frame is damaged. A damaged later frame ends the
                clip and is counted in `num_damaged`.
        """
        pts = 0
        for index, duration in enumerate(self._times):
            try:
                self._seek(index)
                rgb_u8 = read_picture(self._image.copy()).on_white()
            except Exception as error:  # see one_line
                if not index:
                    text = f"{str(self._path)!r} is damaged: {one_line(error)}"
                    raise ImageError(text) from None
                self.num_damaged += 1
                return
            yield Frame(rgb_u8, pts, duration)
            pts += duration

    def _seek(self, index: int) -> None:
        self._image.seek(first_frame(self._image) + index)
        self._image.load()

    def _read_times(self) -> list[int]:
        """How long every frame is shown, in ms."""
        times = []
        count = num_frames(self._image)
        for index in range(count):
            try:
                self._seek(index)
            except Exception:  # reported when the frame is read
                times += [_DEFAULT_MS] * (count - index)
                break
            ms = round(float(self._image.info.get("duration") or 0))
            times.append(ms if ms > _SHORTEST_MS else _DEFAULT_MS)
        return times

    def _read_plays(self) -> int:
        loop = self._image.info.get("loop")
        if self._image.format != "GIF":
            return 0 if loop is None else int(loop)
        # In a GIF, the number counts the repetitions after the first time.
        return 1 if loop is None else int(loop) + 1 if loop else 0


class AnimationWriter:
    """Writes frames as an animated image, as `VideoWriter` writes a video.

    Args:
        path: Its suffix names the format: .gif, .webp, .png or .apng.
        source: The clip that gives the times and the number of plays, which is
            without end for videos.
        overwrite: Whether an existing file is replaced.

    Attributes:
        sound: Empty, since animated images have no sound.
        size: Width and height as written, in px; (0, 0) before the first frame.
        notes: Differences from the source, one line each.

    Raises:
        FileExistsError: If there is such a file, and `overwrite` is not set.
    """

    def __init__(
        self, path: str | os.PathLike[str], source: Clip, *, overwrite: bool = False
    ) -> None:
        self._path, self._source = Path(path), source
        if self._path.exists() and not overwrite:
            raise FileExistsError(f"{str(path)!r} exists already; use --overwrite")
        self._kind = _KINDS[self._path.suffix.lower()]
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._path.parent)  # noqa: SIM115
        self._starts: list[int] = []
        self._end, self._num_dropped = 0, 0
        self.sound: list[str] = []
        self.size = (0, 0)
        self.notes: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._finish()

    def write(self, rgb_u8: UInt8[np.ndarray, "h w 3"], frame: Frame) -> None:
        """Adds a frame; all frames must have the same size.

        Args:
            rgb_u8: The image to show.
            frame: The source's frame, which gives the time and the duration.

        Raises:
            OSError: If there is no room for it.
        """
        ms = self._source.time_base / MS
        start = round(frame.pts * ms / self._kind.unit)
        duration = frame.duration * ms or 1000 / Fraction(self._source.rate)
        self._end = round((frame.pts * ms + duration) / self._kind.unit)
        if self._starts and start - self._starts[-1] < self._kind.least:
            self._num_dropped += 1
            return
        self._starts.append(start)
        self.size = rgb_u8.shape[1], rgb_u8.shape[0]
        self._file.write(np.ascontiguousarray(rgb_u8).data)

    def copy(self, packet: Any) -> None:
        """Ignores a packet of sound."""
        del packet

    def _finish(self) -> None:
        if not self._starts:
            raise ValueError(f"cannot write {str(self._path)!r}: there is no frame")
        self._add_notes()
        least = self._kind.least
        ends = [*self._starts[1:], max(self._end, self._starts[-1] + least)]
        pairs = zip(self._starts, ends, strict=True)
        times = [(end - start) * self._kind.unit for start, end in pairs]
        stored = _StoredFrames(self._file, self.size, len(times), self._kind.format)
        options = self._kind.options | _loop(self._kind, self._plays())
        temporary = temporary_beside(self._path)
        try:
            stored.save(
                temporary,
                self._kind.format,
                save_all=True,
                duration=times if len(times) > 1 else times[0],
                **options,
            )
            temporary.replace(self._path)
        except (OSError, ValueError) as error:
            text = f"cannot write {str(self._path)!r}: {one_line(error)}"
            raise OSError(text) from error
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)

    def _plays(self) -> int:
        return getattr(self._source, "plays", 0)

    def _add_notes(self) -> None:
        name = self._kind.format
        if self._num_dropped:
            self.notes.append(
                f"{self._path} has {len(self._starts)} frames, {self._num_dropped} "
                f"fewer than its source: {name} shows at most "
                f"{1000 // (self._kind.unit * self._kind.least)} per second"
            )
        if self._source.audio:
            self.notes.append(f"the sound is dropped: {name} has none")
        if self._source.aspect != 1:
            self.notes.append(f"pixels that are not square become square in {name}")


class _StoredFrames(PillowImage.Image):
    """Raw frames in a file as an image of Pillow, which loads one frame at a time."""

    def __init__(
        self, file: IO[bytes], size: tuple[int, int], count: int, kind: str
    ) -> None:
        super().__init__()
        self._file, self._size, self._with_palette = file, size, kind == "GIF"
        self.n_frames, self.is_animated = count, count > 1
        self.seek(0)

    def seek(self, frame: int) -> None:
        """Brings a frame into memory.

        Raises:
            EOFError: If there is no such frame, as in Pillow's own readers.
        """
        if not 0 <= frame < self.n_frames:
            raise EOFError
        width, height = self._size
        num_bytes = width * height * 3
        self._file.seek(frame * num_bytes)
        image = PillowImage.frombytes("RGB", self._size, self._file.read(num_bytes))
        if self._with_palette:
            palette = image.quantize(256, PillowImage.Quantize.MEDIANCUT)
            image = image.quantize(palette=palette)  # which dithers
        self._frame, self._mode = frame, image.mode
        self.im, self.palette = image.im, image.palette

    def tell(self) -> int:
        """The number of the frame in memory."""
        return self._frame


def _loop(kind: _Kind, plays: int) -> dict[str, int]:
    if kind.format != "GIF":
        return {"loop": plays}
    return {} if plays == 1 else {"loop": max(plays - 1, 0)}


def is_animation(path: Path) -> bool:
    """Returns whether a file is an image with several frames that follow in time."""
    try:
        with open_image(path, min_side_px=1) as image:
            return is_animated(image)
    except (OSError, ValueError):
        return False
