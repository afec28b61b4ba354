"""One file and a few short fields from a multipart body: counted while it arrives, never held in memory as a whole."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import anyio.to_thread
from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from drishtiksha.errors import RequestError

FILE = "file"
FIELDS_BYTES = 64 * 1024
"""Of all fields, part headers and boundaries together."""

MAX_PARTS = 64
FLUSH_BYTES = 1 << 20
STALL_S = 30.0
"""Seconds without a byte after which an upload is given up."""

GRACE_S, SLOWEST = 60.0, 10_000
"""Bytes a second that an upload must reach once the grace is over: only so many may arrive at once."""


@dataclass
class Upload:
    """A received body. The file lies at `path` until the request is answered."""

    path: Path
    name: str = ""
    size: int = 0
    fields: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@asynccontextmanager
async def received(request: Request, folder: Path, max_bytes: int) -> AsyncIterator[Upload]:
    """The body of a multipart request; its file is deleted at the end of the block, whatever happens.

    max_bytes: of the file. Raises: RequestError (400, 408, 413, 415, 422), starlette's ClientDisconnect.
    """
    boundary = _boundary(request)
    stated = request.headers.get("content-length", "")
    if stated.isdigit() and int(stated) > max_bytes + FIELDS_BYTES:
        raise _too_large(max_bytes)
    upload = Upload(folder / secrets.token_hex(16))
    try:
        with upload.path.open("xb") as target:
            upload.path.chmod(0o600)
            await _read(request, _Form(boundary, upload, max_bytes), target)
        yield upload
    finally:
        upload.path.unlink(missing_ok=True)


async def _read(request: Request, form: _Form, target: BinaryIO) -> None:
    """Write the file part to `target` as it comes."""
    total, began = 0, time.monotonic()
    stream = request.stream()
    while (chunk := await _next(stream)) is not None:
        total += len(chunk)
        if time.monotonic() - began > GRACE_S + total / SLOWEST:
            raise RequestError("upload_stalled", "The upload was too slow. Send it over a faster connection.", 408)
        if total > form.max_bytes + FIELDS_BYTES:
            raise _too_large(form.max_bytes)
        form.feed(chunk)
        if len(form.pending) >= FLUSH_BYTES:
            data, form.pending = form.pending, bytearray()
            await anyio.to_thread.run_sync(target.write, data)
    if not form.ended:
        raise RequestError("upload_incomplete", "The upload ended too early. Send it again.", 400)
    await anyio.to_thread.run_sync(target.write, form.pending)


async def _next(stream: AsyncIterator[bytes]) -> bytes | None:
    """None at the end."""
    try:
        async with asyncio.timeout(STALL_S):
            return await anext(stream, None)
    except TimeoutError as error:
        raise RequestError("upload_stalled", "The upload came to a standstill. Send it again.", 408) from error


class _Form:
    """Callbacks of the multipart parser. `pending` holds bytes of the file that are not on the disk yet."""

    def __init__(self, boundary: bytes, upload: Upload, max_bytes: int) -> None:
        self.upload, self.max_bytes = upload, max_bytes
        self.pending, self.ended = bytearray(), False
        self._parts = self._other_bytes = 0
        self._has_file = False
        self._part, self._header, self._value, self._disposition = "", bytearray(), bytearray(), b""
        self._text = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._on_header,
                "on_header_value": self._on_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._part_end,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Raises: RequestError."""
        if self.ended:
            return
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise RequestError("bad_request", "The body is not valid multipart/form-data.", 400) from error

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestError("bad_request", f"The form has more than {MAX_PARTS} fields.", 422)
        self._part, self._disposition, self._text = "", b"", bytearray()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = bytes(self._value)
        self._header, self._value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._part = _text(options.get(b"name", b""))
        if self._part != FILE:
            return
        if self._has_file:
            raise RequestError("bad_request", "Send one file at a time.", 422)
        self._has_file = True
        self.upload.name = _text(options.get(b"filename", b""))

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._part == FILE:
            self.upload.size += end - start
            if self.upload.size > self.max_bytes:
                raise _too_large(self.max_bytes)
            self.pending += data[start:end]
            return
        self._count(end - start)
        self._text += data[start:end]

    def _count(self, more: int) -> None:
        self._other_bytes += more
        if self._other_bytes > FIELDS_BYTES:
            raise RequestError("bad_request", "The fields of the form are too long.", 422)

    def _part_end(self) -> None:
        if self._part != FILE:
            self.upload.fields[self._part].append(_text(bytes(self._text)))

    def _end(self) -> None:
        self.ended = True
        if not self._has_file:
            raise RequestError("file_missing", f"The form has no field `{FILE}` with the file to examine.", 422)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data":
        raise RequestError("wrong_content_type", "Send the file as multipart/form-data, in a field `file`.", 415)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= 70:
        raise RequestError("bad_request", "The multipart body has no usable boundary.", 400)
    return boundary


def _too_large(max_bytes: int) -> RequestError:
    limit = f"{max_bytes / 1e6:,.0f} MB" if max_bytes >= 1e6 else f"{max_bytes:,} bytes"
    return RequestError("media_limit", f"The file is larger than the {limit} that this server takes.", 413)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
