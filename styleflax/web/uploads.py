"""Uploads: multipart bodies, written to files as they arrive, within limits."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import IO, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from styleflax.images.listing import IMAGE_SUFFIXES
from styleflax.images.unread import VIDEO_SUFFIXES
from styleflax.inference.contents import STYLE_SUFFIX
from styleflax.web.limits import Limits, RefusedError

OPTIONS = "options"
MAX_OPTIONS_BYTES = 64 * 1024
_MAX_HEADERS, _MAX_HEADER_BYTES, _MAX_BOUNDARY_BYTES = 8, 2048, 200
_SUFFIXES = frozenset({*IMAGE_SUFFIXES, *VIDEO_SUFFIXES, STYLE_SUFFIX})
"""Suffixes that a stored file takes from the client's file name; the rest of that name
is never used."""


class Upload(NamedTuple):
    """The content of one upload.

    Attributes:
        options: Text of the part `options`.
        files: Paths of the stored files by the name of their part, in order.
    """

    options: bytes
    files: Mapping[str, Sequence[Path]]


async def receive_upload(
    chunks: AsyncIterator[bytes],
    headers: Mapping[str, str],
    folder: Path,
    limits: Limits,
) -> Upload:
    """Returns an upload, whose files are written to a folder while they arrive.

    Args:
        chunks: Body of the request.
        headers: Headers of the request.
        folder: Folder of the files, which get new names.
        limits: Limits on size, number of files and speed.

    Raises:
        RefusedError: If the body is not a valid form (400), is too large (413) or
            arrives too slowly (408).
        OSError: If a file cannot be written.
    """
    check_length(headers, limits)
    receiver = _Receiver(_boundary(headers), folder, limits)
    received, started = 0, time.monotonic()
    try:
        while True:
            try:
                async with asyncio.timeout(limits.chunk_s):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise _too_slow() from None
            if chunk is None:
                break
            received += len(chunk)
            if received > limits.max_body_bytes:
                raise _too_large(limits)
            spent = time.monotonic() - started
            is_slow = received < spent * limits.min_bytes_per_s
            if (spent > limits.chunk_s and is_slow) or spent > limits.upload_s:
                raise _too_slow()
            await asyncio.to_thread(receiver.write, chunk)
        return receiver.finish()
    finally:
        receiver.close()


def check_length(headers: Mapping[str, str], limits: Limits) -> None:
    """Refuses a body whose header declares too large a length.

    Raises:
        RefusedError: If the length is too large (413) or not a number (400).
    """
    length = headers.get("content-length")
    if length is None:
        return
    if not length.isdecimal():
        raise RefusedError(400, "the header Content-Length must be a number")
    if int(length) > limits.max_body_bytes:
        raise _too_large(limits)


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(
        413,
        f"an upload must be at most {limits.max_body_bytes / 1e6:g} MB in all; send "
        "less, or start the app with a larger --max-upload-mb",
    )


def _too_slow() -> RefusedError:
    return RefusedError(408, "the upload is too slow and was abandoned; send it again")


def _boundary(headers: Mapping[str, str]) -> bytes:
    kind, parameters = parse_options_header(headers.get("content-type", ""))
    boundary = parameters.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= _MAX_BOUNDARY_BYTES:
        raise RefusedError(
            415, "the body must be multipart/form-data with a boundary; see docs/app.md"
        )
    return boundary


class _Receiver:
    """Writes the parts of a form to files while it is parsed.

    Args:
        boundary: Boundary between the parts.
        folder: Folder of the files.
        limits: Limits on the number of parts.
    """

    def __init__(self, boundary: bytes, folder: Path, limits: Limits) -> None:
        self._most = {
            "content": 1,
            "style": limits.max_styles,
            "mask": limits.max_masks,
            "style_mask": limits.max_styles,
        }
        self._folder = folder
        self._files: dict[str, list[Path]] = {}
        self._options: bytearray | None = None
        self._file: IO[bytes] | None = None
        self._field, self._value, self._disposition = b"", b"", b""
        self._has_ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._open,
                "on_part_data": self._on_data,
                "on_part_end": self.close,
                "on_end": self._on_end,
            },
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )

    def write(self, chunk: bytes) -> None:
        """Parses the next bytes of the body.

        Raises:
            RefusedError: If the form is malformed or exceeds a limit.
        """
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RefusedError(400, f"the form cannot be read: {error}") from None

    def finish(self) -> Upload:
        """Returns the complete upload.

        Raises:
            RefusedError: If the form is incomplete, has no options, or a file is empty.
        """
        if not self._has_ended:
            raise RefusedError(
                400, "the form is incomplete: the upload was interrupted"
            )
        if self._options is None:
            raise RefusedError(400, f"the part {OPTIONS} (JSON) is missing")
        empty = [
            name
            for name, paths in self._files.items()
            if any(not path.stat().st_size for path in paths)
        ]
        if empty:
            raise RefusedError(400, f"a file of the part {empty[0]} is empty")
        return Upload(bytes(self._options), self._files)

    def close(self) -> None:
        """Closes the file of the current part."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self._disposition = b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def _open(self) -> None:
        _, parameters = parse_options_header(self._disposition)
        name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if name == OPTIONS and self._options is None:
            self._options = bytearray()
            return
        if self._options is None:
            raise RefusedError(400, f"the first part must be {OPTIONS} (JSON)")
        if name not in self._most:
            known = ", ".join(self._most)
            raise RefusedError(
                400, f"parts must be {OPTIONS}, {known}, got {name[:40]!r}"
            )
        paths = self._files.setdefault(name, [])
        if len(paths) == self._most[name]:
            raise RefusedError(
                400, f"the part {name} must have at most {self._most[name]} files"
            )
        given = parameters.get(b"filename", b"").decode("utf-8", "replace")
        suffix = PurePath(given).suffix.lower()
        suffix = suffix if suffix in _SUFFIXES else ""
        path = self._folder / f"{name}_{len(paths)}{suffix}"
        self._file = path.open("xb")
        paths.append(path)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        assert self._options is not None
        self._options += data[start:end]
        if len(self._options) > MAX_OPTIONS_BYTES:
            raise RefusedError(
                413, f"options must be at most {MAX_OPTIONS_BYTES} bytes of JSON"
            )

    def _on_end(self) -> None:
        self._has_ended = True
