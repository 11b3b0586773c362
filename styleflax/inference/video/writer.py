"""Writing videos with PyAV, atomically and with the sound of their source."""

import contextlib
import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
from jaxtyping import UInt8

from styleflax.files import temporary_beside
from styleflax.inference.video.animation import ANIMATION_SUFFIXES
from styleflax.inference.video.clip import Clip, Frame, from_rgb, tag
from styleflax.inference.video.reader import import_av

if TYPE_CHECKING:
    from av import Packet
    from av.audio.stream import AudioStream

_RATES = {"aac": (44_100, 48_000), "libopus": (48_000,)}
"""Sample rates by codec for sound that is encoded again; the last is the default."""


class _Codec(NamedTuple):
    """How one format of videos is encoded.

    Attributes:
        name: libav's name of the encoder.
        options: Options of libav.
        crf: Default constant rate factor; lower is better and larger.
        max_crf: Largest allowed constant rate factor.
        even_sides: Whether sides must be even if chroma has half the resolution.
        audio: Codec for sound that the container does not support.
    """

    name: str
    options: dict[str, str]
    crf: int
    max_crf: int
    even_sides: bool
    audio: str


# Without B-frames: with them, MP4 loses the duration of the last frame where the
# frame rate varies.
_H264 = _Codec("libx264", {"bf": "0"}, 18, 51, even_sides=True, audio="aac")
_VP9 = _Codec(
    "libvpx-vp9",
    {"b": "0", "row-mt": "1", "cpu-used": "4"},
    24,
    63,
    even_sides=False,
    audio="libopus",
)
PIXEL_FORMATS = ("yuv420p", "yuv444p")
"""Chroma at half the resolution, which every player supports, or at full resolution."""
_CODECS = {".mp4": _H264, ".m4v": _H264, ".mov": _H264, ".mkv": _H264, ".webm": _VP9}

WRITTEN_SUFFIXES = ANIMATION_SUFFIXES | _CODECS.keys()
"""Suffixes of videos and of animated images."""


def check_video_target(
    path: Path,
    *,
    overwrite: bool = False,
    crf: int | None = None,
    pixel_format: str = "yuv420p",
) -> None:
    """Checks that `VideoWriter` or `AnimationWriter` can write a file.

    Raises:
        ValueError: If the suffix or pixel format is unknown, `crf` is out of range or
            set for an animated image, or the path is a folder.
        FileExistsError: If the file exists and `overwrite` is not set.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_SUFFIXES:
        raise ValueError(
            f"cannot write {str(path)!r}: the suffix of a video must be one of "
            f"{', '.join(sorted(WRITTEN_SUFFIXES))}"
        )
    max_crf = _CODECS[suffix].max_crf if suffix in _CODECS else -1
    if crf is not None and max_crf < 0:
        raise ValueError(
            f"crf must be omitted for {suffix}: only H.264 and VP9 have this setting"
        )
    if crf is not None and not 0 <= crf <= max_crf:
        raise ValueError(f"crf must be in [0, {max_crf}] for {path.suffix}, got {crf}")
    if pixel_format not in PIXEL_FORMATS:
        raise ValueError(
            f"pixel_format must be one of {', '.join(PIXEL_FORMATS)}, "
            f"got {pixel_format!r}"
        )
    if path.is_dir():
        raise ValueError(f"a video must be a file, but {str(path)!r} is a folder")
    if path.exists() and not overwrite:
        raise FileExistsError(
            f"{str(path)!r} exists already; use --resume or --overwrite"
        )


class VideoWriter:
    """Writes frames as a video, with the sound of their source.

    The file appears under its name only if the `with` block ends without an error;
    otherwise no file is written, and an existing one stays unchanged.

    Args:
        path: Path whose suffix names the container: H.264 in .mp4, .m4v, .mov and
            .mkv, VP9 in .webm.
        source: Clip that gives rate, times, color tags, pixel aspect and sound.
        crf: Constant rate factor; lower is better and larger. The default is 18 for
            H.264 and 24 for VP9.
        pixel_format: "yuv420p", which every player supports, or "yuv444p" with
            colors at full resolution. H.264 in yuv420p has even sides only: a frame
            with an odd side is written with its last row or column repeated.
        overwrite: Whether an existing file is replaced.

    Attributes:
        sound: For each stream, "copied", "encoded as NAME" or why it was left out.
        size: Width and height as written, in px; (0, 0) before the first frame.
        notes: Differences from the frames, one line each.

    Raises:
        ValueError: If `check_video_target` refuses the arguments, or this PyAV has no
            such encoder.
        FileExistsError: If the file exists and `overwrite` is not set.
        OSError: If the file cannot be written.

    Example:
        >>> with VideoReader("in.mp4") as reader, VideoWriter("o.mp4", reader) as out:
        ...     for item in reader:
        ...         if isinstance(item, Frame):
        ...             out.write(255 - item.rgb_u8, item)
        ...         else:
        ...             out.copy(item)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        source: Clip,
        *,
        crf: int | None = None,
        pixel_format: str = "yuv420p",
        overwrite: bool = False,
    ) -> None:
        self._av, self._path, self._source = import_av(), Path(path), source
        check_video_target(
            self._path, overwrite=overwrite, crf=crf, pixel_format=pixel_format
        )
        self._pixel_format = pixel_format
        self._codec = _CODECS[self._path.suffix.lower()]
        if self._codec.name not in self._av.codecs_available:
            raise ValueError(f"this PyAV has no encoder {self._codec.name}")
        self._crf = self._codec.crf if crf is None else crf
        # The suffix names the container, also for the temporary file.
        suffix = f".tmp{self._path.suffix}"
        self._temporary = temporary_beside(self._path, suffix)
        self._container: Any = None
        self._video: Any = None
        self._audio: dict[int, Any] = {}
        self._step = 0
        self._durations: dict[int, int] = {}
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
        try:
            if kind is None:
                with self._failures():
                    self._finish()
        finally:
            if self._container is not None:
                with contextlib.suppress(Exception):
                    self._container.close()
            with contextlib.suppress(OSError):
                self._temporary.unlink(missing_ok=True)

    def write(self, rgb_u8: UInt8[np.ndarray, "h w 3"], frame: Frame) -> None:
        """Adds a frame; all frames must have the same size.

        Args:
            rgb_u8: The image to show.
            frame: The source's frame, which gives the time and the duration.

        Raises:
            OSError: If the file cannot be written.
        """
        with self._failures():
            if self._container is None:
                self._open(*rgb_u8.shape[:2])
            width, height = self.size
            added = (height - rgb_u8.shape[0], width - rgb_u8.shape[1])
            if any(added):
                rgb_u8 = np.pad(rgb_u8, [(0, n) for n in (*added, 0)], "edge")
            encoded = from_rgb(rgb_u8, self._source.colors, self._pixel_format)
            encoded.pts, encoded.time_base = frame.pts, self._source.time_base
            self._durations[frame.pts] = frame.duration or self._step
            self._mux(self._video.encode(encoded))

    def copy(self, packet: "Packet") -> None:
        """Adds a packet of the source's sound; call it after the first `write`.

        Raises:
            OSError: If the file cannot be written.
        """
        target = self._audio.get(packet.stream.index)
        if target is None:
            return
        with self._failures():
            if not target.codec_context.is_encoder:
                packet.stream = target
                self._container.mux(packet)
                return
            with contextlib.suppress(self._av.error.InvalidDataError):
                for samples in packet.decode():
                    self._container.mux(target.encode(samples))

    def _open(self, height: int, width: int) -> None:
        codec, source = self._codec, self._source
        self._container = self._av.open(str(self._temporary), "w")
        options = codec.options | {"crf": str(self._crf)}
        rate = Fraction(source.rate).limit_denominator(100_000)
        self._step = max(1, round(1 / (rate * source.time_base)))
        stream = self._container.add_stream(codec.name, rate, options)
        stream.width, stream.height = self._set_size(height, width)
        context = stream.codec_context
        context.pix_fmt = self._pixel_format
        context.time_base = stream.time_base = source.time_base
        context.sample_aspect_ratio = source.aspect
        tag(context, source.colors)
        self._video = stream
        for audio in source.audio:
            self._add_sound(audio)

    def _set_size(self, height: int, width: int) -> tuple[int, int]:
        """Returns the width and height to write for frames with these sides."""
        self.size = width, height
        if self._codec.even_sides and self._pixel_format == "yuv420p":
            self.size = width + width % 2, height + height % 2
        if self.size != (width, height):
            self.notes.append(
                f"{self._path} has {self.size[0]}x{self.size[1]} px for frames of "
                f"{width}x{height}, with the edge pixels repeated: H.264 that every "
                "player supports has even sides; --pixel-format yuv444p or a .webm "
                "file keeps odd ones"
            )
        return self.size

    def _add_sound(self, stream: "AudioStream") -> None:
        try:
            target = self._container.add_stream_from_template(stream)
            self.sound.append("copied")
        except ValueError:  # the container does not support this codec
            if stream.codec_context is None:
                self.sound.append("left out: PyAV cannot decode it")
                return
            name, rate = self._codec.audio, stream.codec_context.sample_rate
            rates = _RATES[name]
            target = self._container.add_stream(
                name, rate if rate in rates else rates[-1]
            )
            mono = stream.codec_context.layout.nb_channels == 1
            target.codec_context.layout = "mono" if mono else "stereo"
            self.sound.append(f"encoded as {target.codec_context.codec.name}")
        if language := stream.metadata.get("language"):
            target.metadata["language"] = language
        self._audio[stream.index] = target

    def _finish(self) -> None:
        if self._container is None:
            raise ValueError(f"cannot write {str(self._path)!r}: there is no frame")
        self._mux(self._video.encode(None))
        for target in self._audio.values():
            if target.codec_context.is_encoder:
                self._container.mux(target.encode(None))
        self._container.close()
        self._temporary.replace(self._path)

    def _mux(self, packets: "list[Packet]") -> None:
        for packet in packets:
            # Encoders drop the duration, and that of the last frame would be undefined.
            packet.duration = self._durations.pop(packet.pts or 0, self._step)
            self._container.mux(packet)

    @contextlib.contextmanager
    def _failures(self) -> Any:
        try:
            yield
        except (self._av.FFmpegError, OSError) as error:
            reason = getattr(error, "strerror", None) or error
            text = f"cannot write {str(self._path)!r}: {reason}"
            raise OSError(text) from error
