"""Unsupported kinds of files that users may give as images, with advice for each."""

import os
from typing import NamedTuple

from styleflax.files import find_substitute

HEAD_BYTES = 1024
"""Number of bytes at the start of a file that `unread_by_content` reads."""
VIDEO_SUFFIXES = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv"),
        *(".flv", ".ts", ".mts", ".m2ts", ".3gp", ".ogv", ".y4m"),
    }
)
"""Suffixes of videos, in lower case, for every command."""


class Unread(NamedTuple):
    """An unsupported kind of file.

    Attributes:
        kind: The kind with its article, for example "a Photoshop file".
        advice: Advice that begins with a verb.
    """

    kind: str
    advice: str

    def in_words(self) -> str:
        """Returns the kind and the advice in one line."""
        return f"{self.kind}: {self.advice}"


_JPEG_2000 = Unread(
    "a JPEG 2000 picture",
    "convert it to PNG or JPEG, for example by `magick a.jp2 a.png`",
)
_JPEG_XL = Unread(
    "a JPEG XL picture",
    "convert it to PNG or JPEG, for example by `djxl a.jxl a.png`",
)
_PSD = Unread("a Photoshop file", "export it as PNG, TIFF or JPEG there")
_RAW = Unread(
    "a camera's raw file (DNG and its like)",
    "develop it to TIFF or JPEG by darktable, RawTherapee or Lightroom",
)
_SVG = Unread(
    "an SVG drawing",
    "draw it as PNG at the size that you need, for example by `inkscape a.svg -o a.png "
    "-w 2048`",
)
_ICO = Unread("a Windows icon (ICO)", "save its largest picture as PNG")
_TGA = Unread(
    "a TGA picture",
    "convert it to PNG, for example by `magick a.tga a.png`",
)
_PDF = Unread("a PDF document", "draw its page as PNG: `pdftoppm -png a.pdf a`")
_POSTSCRIPT = Unread("a PostScript file (EPS)", "convert it to PNG or PDF first")
_HDR = Unread(
    "a picture of high dynamic range (EXR, HDR)",
    "tone-map it to TIFF, PNG or JPEG first",
)
_XCF = Unread("a GIMP file (XCF)", "export it as PNG or TIFF there")
_VIDEO = Unread("a video", "use `styleflax video` for it")
_ARCHIVE = Unread("an archive", "unpack it and give the folder")
_WEIGHTS = Unread(
    "a style file or a model file",
    "give a style file (*.style) to --style, a model file to --weights",
)

_SUFFIXES: dict[str, Unread] = {
    **dict.fromkeys(
        (".jp2", ".j2k", ".jpc", ".j2c", ".jpf", ".jpx", ".jpm"), _JPEG_2000
    ),
    ".jxl": _JPEG_XL,
    **dict.fromkeys((".psd", ".psb"), _PSD),
    **dict.fromkeys((".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw"), _RAW),
    **dict.fromkeys((".sr2", ".raf", ".orf", ".rw2", ".pef", ".srw", ".3fr"), _RAW),
    **dict.fromkeys((".iiq", ".rwl", ".kdc", ".dcr", ".erf", ".mef", ".mos"), _RAW),
    **dict.fromkeys((".svg", ".svgz"), _SVG),
    **dict.fromkeys((".ico", ".cur"), _ICO),
    **dict.fromkeys((".tga", ".icb", ".vda", ".vst"), _TGA),
    ".pdf": _PDF,
    **dict.fromkeys((".eps", ".ps", ".ai"), _POSTSCRIPT),
    **dict.fromkeys((".exr", ".hdr"), _HDR),
    ".xcf": _XCF,
    **dict.fromkeys(VIDEO_SUFFIXES, _VIDEO),
    **dict.fromkeys((".style", ".safetensors"), _WEIGHTS),
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"), _ARCHIVE),
}
_BEGINNINGS: tuple[tuple[bytes, Unread], ...] = (
    (b"\0\0\0\x0cjP  \r\n\x87\n", _JPEG_2000),
    (b"\xff\x4f\xff\x51", _JPEG_2000),
    (b"\0\0\0\x0cJXL \r\n\x87\n", _JPEG_XL),
    (b"\xff\x0a", _JPEG_XL),
    (b"8BPS", _PSD),
    (b"FUJIFILMCCD-RAW", _RAW),
    (b"IIRO", _RAW),
    (b"IIRS", _RAW),
    (b"IIU\0", _RAW),
    (b"\0\0\1\0", _ICO),
    (b"%PDF", _PDF),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"\x76\x2f\x31\x01", _HDR),
    (b"#?RADIANCE", _HDR),
    (b"#?RGBE", _HDR),
    (b"gimp xcf", _XCF),
    (b"\x1aE\xdf\xa3", _VIDEO),
    (b"FLV\1", _VIDEO),
    (b"PK\x03\x04", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"7z\xbc\xaf\x27\x1c", _ARCHIVE),
    (b"Rar!", _ARCHIVE),
)
# Major brands of files of ISO/IEC 14496-12 and of QuickTime.
_VIDEO_BRANDS = (b"iso", b"mp4", b"M4V", b"qt", b"3g", b"avc1", b"dash", b"MSNV")
# In safetensors files, the first eight bytes are the size of a JSON header.
_MAX_HEADER_BYTES = 100_000_000
RAW_FILE = _RAW
"""The kind of raw files that only tags distinguish from TIFF files."""


def unread_by_name(name: str) -> Unread | None:
    """Returns the kind of a file by its suffix; None if it may be an image."""
    return _SUFFIXES.get(os.path.splitext(name)[1].lower())  # noqa: PTH122


def unread_by_content(head: bytes) -> Unread | None:
    """Returns the kind of a file by its first bytes; None if it may be an image.

    Args:
        head: The first `HEAD_BYTES`, or all of a shorter file.
    """
    if substitute := find_substitute(head):
        return Unread(*substitute)
    known = [kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)]
    return known[0] if known else _of_container(head) or _of_text(head)


def _of_container(head: bytes) -> Unread | None:
    if head[4:8] == b"ftyp" and head[8:11] == b"crx":
        return _RAW
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") < _MAX_HEADER_BYTES:
        return _WEIGHTS
    is_film = head[4:8] == b"ftyp" and head[8:12].startswith(_VIDEO_BRANDS)
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    return _VIDEO if is_film or is_avi else None


def _of_text(head: bytes) -> Unread | None:
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return _SVG if text.startswith((b"<svg", b"<?xml")) and b"<svg" in text else None
