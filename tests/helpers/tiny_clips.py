"""Small videos, made by PyAV as a user's would be."""

from fractions import Fraction

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.reformatter import ColorRange, Colorspace

MATRICES = {1: Colorspace.ITU709, 6: Colorspace.ITU601}
UNITS = 1000  # of times, in a second


def flat_frames(colors, height=48, width=64):
    """Frames of one color each, uint8."""
    return [np.full((height, width, 3), color, np.uint8) for color in colors]


def write_clip(  # noqa: PLR0913  (what a test asks of its clip)
    path,
    frames,
    *,
    times=None,
    codec="libx264",
    pixel_format="yuv444p",
    matrix=None,
    full=False,
    rotation=None,
    aspect=None,
    audio=None,
    rate=25,
):
    """A clip of uint8 RGB frames, nearly without loss; times in 1/UNITS s."""
    with av.open(str(path), "w") as container:
        options = {"libx264": {"qp": "1", "bf": "2"}}.get(codec, {})
        stream = container.add_stream(codec, rate, options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        if times is not None:
            context.time_base = Fraction(1, UNITS)
        if rotation is not None:
            stream.set_display_rotation(*rotation)
        if aspect is not None:
            context.sample_aspect_ratio = aspect
        if matrix is not None:
            context.colorspace = matrix
        context.color_range = 2 if full else 1
        sound = audio and container.add_stream(audio, 48_000)
        for k, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            if pixel_format != "rgb24":
                frame = frame.reformat(
                    format=pixel_format,
                    dst_colorspace=MATRICES.get(matrix, Colorspace.ITU601),
                    dst_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
                )
            frame.pts = k if times is None else times[k]
            if times is not None:
                frame.time_base = Fraction(1, UNITS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound:
            _add_sound(container, sound)
    return path


def _add_sound(container, stream, samples=24_000):
    wave = np.sin(np.arange(samples) * 2 * np.pi * 440 / 48_000) * 20_000
    stereo = np.repeat(wave.astype(np.int16)[None], 2, axis=1)
    frame = AudioFrame.from_ndarray(stereo, format="s16", layout="stereo")
    frame.sample_rate, frame.pts = 48_000, 0
    container.mux(stream.encode(frame))
    container.mux(stream.encode(None))


def read_clip(path):
    """(frames as uint8 RGB, times in s, first video stream's facts)."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        decoded = list(container.decode(stream))
        first = decoded[0]
        facts = {
            "codec": stream.codec_context.name,
            "format": first.format.name,
            "tags": (int(first.colorspace), int(first.color_range)),
            "aspect": stream.sample_aspect_ratio,
            "rate": stream.average_rate,
            "duration": container.duration,
            "rotation": first.rotation,
        }
        guess = MATRICES.get(int(first.colorspace), Colorspace.ITU601)
        pixels = [
            frame.reformat(format="rgb24", src_colorspace=guess).to_ndarray()
            for frame in decoded
        ]
        return pixels, [float(frame.pts * stream.time_base) for frame in decoded], facts


def read_sound(path):
    """(codec, packets as (time in s, bytes)) of the first stream of sound."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        packets = [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.dts is not None
        ]
        return stream.codec_context.name, packets
