"""Reading videos with PyAV: upright RGB frames with times, and packets of sound."""

import os
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from styleflax.images.decoding import MIN_SIDE_PX
from styleflax.inference.video.clip import Closing, Frame, tags_of, to_rgb, turn_of

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.audio.stream import AudioStream
    from av.video.codeccontext import VideoCodecContext
    from av.video.stream import VideoStream

__all__ = ["Frame", "VideoReader", "import_av"]

_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Decoder by codec that reads the opacity of WebM, which libav's own ignore."""
_REFERRING = frozenset(
    {
        *("concat", "dash", "hls", "image2", "image2pipe", "imf", "lavfi"),
        *("rtp", "rtsp", "sdp", "tty", "webm_dash_manifest"),
    }
)
"""Formats whose files name other files or addresses to read, or that are not videos:
a file of unknown origin must not choose what is read."""
_US = 1_000_000  # libav's unit of times of whole files, per second


def import_av() -> Any:
    """Returns the module `av` of PyAV.

    Raises:
        ImportError: If it is not installed; the message names the extra.
    """
    try:
        import av  # noqa: PLC0415  (optional dependency)
    except ImportError:
        raise ImportError('videos need PyAV: pip install "styleflax[video]"') from None
    # Its messages about files would mix with those of the command.
    av.logging.set_level(av.logging.PANIC)
    return av


class VideoReader(Closing):
    """Iterates over the frames of a video and the packets of sound between them.

    The first item is a frame. Times start at the beginning of the file. All frames
    have the size and color tags of the first; later frames of another size are
    resized.

    Args:
        path: File in any container and codec that PyAV reads.
        max_megapixels: Limit on the size of a frame.
        sound: Whether packets of sound are read, too.

    Attributes:
        time_base: The unit of times, in seconds.
        rate: Average number of frames per second.
        num_frames: Approximate number of frames; None if unknown.
        audio: The streams of sound.
        width: Width of upright frames, in px.
        height: Height of upright frames, in px.
        aspect: Ratio of width to height of an upright pixel.
        colors: Color tags of the file.
        num_damaged: Number of packets so far that could not be decoded.
        notes: Empty.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file is not a video, is damaged at its beginning, or has
            frames that are too large or too small.
        ImportError: If PyAV is not installed.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        max_megapixels: float = float("inf"),
        *,
        sound: bool = True,
    ) -> None:
        self._av, self._path = import_av(), Path(path)
        if not self._path.is_file():
            raise FileNotFoundError(f"there is no video {str(path)!r}")
        self.num_damaged, self._last_pts = 0, -1
        self.notes: Sequence[str] = ()
        try:
            self._container = self._av.open(str(path), options=_own_bytes(self._av))
        except self._av.FFmpegError as error:
            raise self._unreadable(error) from None
        try:
            self._begin(max_megapixels, sound=sound)
        except BaseException:
            self._container.close()
            raise

    def _begin(self, max_megapixels: float, *, sound: bool) -> None:
        stream = self._video_stream()
        size = stream.codec_context.width, stream.codec_context.height
        _check_size(self._path, *size, max_megapixels)
        stream.thread_type = "AUTO"
        self._decoder = self._find_decoder(stream)
        audio = self._container.streams.audio if sound else ()
        self.audio: Sequence[AudioStream] = list(audio)
        self._stream, self.time_base = stream, stream.time_base or Fraction(1, 90_000)
        self.rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self.num_frames: int | None = self._count()
        self._items = self._decode()
        self._first = self._find_first()
        self.colors, turn = tags_of(self._first[0]), turn_of(self._first[0])
        self._coded_size = self._first[0].width, self._first[0].height
        self.width, self.height = self._coded_size[:: -1 if turn.transposed else 1]
        aspect = stream.sample_aspect_ratio or Fraction(1)
        self.aspect = 1 / aspect if turn.transposed else aspect

    def close(self) -> None:
        """Closes the file."""
        self._container.close()

    def __iter__(self) -> "Iterator[Frame | Packet]":
        """Frames, and packets of sound, as they stand in the file.

        Raises:
            ValueError: If the file cannot be read on.
        """
        frame, waiting = self._first
        yield self._seen(frame)
        yield from waiting
        for item in self._items:
            yield self._seen(item[0]) if item[0] is not None else item[1]

    def _decode(self) -> "Iterator[tuple[VideoFrame, None] | tuple[None, Packet]]":
        try:
            for packet in self._container.demux([self._stream, *self.audio]):
                if packet.stream is self._stream:
                    for frame in self._decode_packet(packet):
                        yield frame, None
                elif packet.dts is not None:  # without a dts it marks the end
                    yield None, self._from_start(packet)
        except self._av.FFmpegError as error:
            raise self._unreadable(error) from None

    def _decode_packet(self, packet: "Packet") -> "list[VideoFrame]":
        try:
            return self._decoder.decode(packet)
        except self._av.error.InvalidDataError:
            self.num_damaged += 1
            return []

    def _find_decoder(self, stream: "VideoStream") -> "VideoCodecContext":
        context = stream.codec_context
        name = _ALPHA_DECODERS.get(context.name)
        has_alpha = stream.metadata.get("alpha_mode") == "1"
        if not has_alpha or name not in self._av.codecs_available:
            return context
        decoder: VideoCodecContext = self._av.CodecContext.create(name, "r")
        return decoder

    def _find_first(self) -> "tuple[VideoFrame, list[Packet]]":
        """Returns the first frame, and the packets of sound before it."""
        waiting: list[Packet] = []
        for frame, packet in self._items:
            if frame is not None:
                return frame, waiting
            assert packet is not None
            waiting.append(packet)
        raise ValueError(f"{str(self._path)!r} has no frame that can be decoded")

    def _seen(self, frame: "VideoFrame") -> Frame:
        turn = turn_of(frame)
        rgb_u8 = turn.apply(to_rgb(frame, *self._coded_size))
        duration = frame.duration or 0
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            step = duration or round(1 / (self.rate * self.time_base))
            pts = self._last_pts + max(step, 1)
        else:
            pts -= self._start(self.time_base)
        # Encoders refuse equal times, which some files have.
        self._last_pts = max(pts, self._last_pts + 1)
        return Frame(rgb_u8, self._last_pts, duration)

    def _from_start(self, packet: "Packet") -> "Packet":
        start = self._start(packet.time_base)
        packet.dts = (packet.dts or 0) - start
        packet.pts = packet.dts if packet.pts is None else packet.pts - start
        return packet

    def _start(self, time_base: Fraction) -> int:
        """Returns the start time of the file in the given unit."""
        return round(Fraction(self._container.start_time or 0, _US) / time_base)

    def _video_stream(self) -> "VideoStream":
        covers = self._av.stream.Disposition.attached_pic
        for stream in self._container.streams.video:
            if not stream.disposition & covers and stream.codec_context is not None:
                return stream
        raise ValueError(f"{str(self._path)!r} has no video that can be decoded")

    def _count(self) -> int | None:
        if self._stream.frames:
            return self._stream.frames
        duration = self._container.duration
        return None if duration is None else round(duration * self.rate / _US)

    def _unreadable(self, error: Exception) -> ValueError:
        reason = getattr(error, "strerror", None) or error
        return ValueError(f"cannot read the video {str(self._path)!r}: {reason}")


def _own_bytes(av: Any) -> dict[str, str]:
    """Returns options of libav with which no other file or address is read."""
    formats = sorted(av.formats_available - _REFERRING)
    return {"format_whitelist": ",".join(formats), "protocol_whitelist": "file"}


def _check_size(path: Path, width: int, height: int, max_megapixels: float) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise ValueError(
            f"frames of {str(path)!r} must have sides of at least {MIN_SIDE_PX} px, "
            f"got {width}x{height} px"
        )
    if width * height > max_megapixels * 1e6:
        raise ValueError(
            f"{str(path)!r} has frames of {width}x{height} px, more than "
            f"{max_megapixels:g} megapixels; --max-megapixels raises the limit"
        )
