"""Take the files of a request: streamed to disk and hashed on the way, multipart or raw body."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio.to_thread import run_sync
from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from datahub.errors import BodyInvalid, ParameterInvalid
from datahub.guard.text import check_file_name, printable
from datahub.model import FileIn

if TYPE_CHECKING:
    from litestar import Request

    from datahub.store import Store
    from datahub.store.objects import Incoming

MAX_PARTS = 200
_NOTE_BYTES = 4000
_CHARSETS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "gb18030": "gb18030",
    "gbk": "gb18030",
    "gb2312": "gb18030",
    "big5": "big5",
    "cp950": "big5",
    "utf-16": "utf-16",
    "utf-16le": "utf-16-le",
    "utf-16be": "utf-16-be",
}


async def take_files(
    request: Request[Any, Any, Any], store: Store, *, resource: str | None, filename: str | None
) -> tuple[list[FileIn], str]:
    """Store every file of the request and return them with the note that came along.

    Raises:
        BodyInvalid: the multipart body is malformed or ends early.
        BodyTooLarge: all files together exceed the limit.
        NameInvalid: a file name has folders or control characters.
        StorageFull: the disk has no room; nothing is kept.

    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind == "multipart/form-data":
        return await _Multipart(store, options.get("boundary", "")).take(request)
    name = check_file_name(filename or f"{resource or 'data'}.csv")
    incoming = store.objects.incoming(store.settings.upload_bytes)
    try:
        async for chunk in request.stream():
            await run_sync(incoming.write, chunk)
        file = _file(incoming, await run_sync(incoming.keep), resource or "", name,
                     charset(options.get("charset")))  # fmt: skip
    finally:
        incoming.drop()
    return [file], ""


def charset(text: str | None) -> str:
    """Codec of a declared charset; empty when nothing was declared.

    Raises:
        ParameterInvalid: it is none that can be read here.

    """
    if not text:
        return ""
    found = _CHARSETS.get(text.lower())
    if found is None:
        raise ParameterInvalid(
            name="charset",
            value=printable(text),
            reason_zh=f"可用：{'、'.join(_CHARSETS)}；不写则自动识别",
            reason_en=f"use one of {', '.join(_CHARSETS)}, or leave it out",
        )
    return found


def _file(incoming: Incoming, digest: str, resource: str, name: str, declared: str) -> FileIn:
    return FileIn(
        resource=resource, name=name, bytes=incoming.bytes, sha256=digest, charset=declared
    )


class _Multipart:
    """Reads multipart/form-data (RFC 7578) part by part."""

    def __init__(self, store: Store, boundary: str) -> None:
        self.store = store
        try:
            self.parser = PushMultipartParser(boundary, max_segment_count=MAX_PARTS)
        except (MultipartError, ValueError) as error:
            raise _malformed(error) from None
        self.left = store.settings.upload_bytes
        self.segment: MultipartSegment | None = None
        self.incoming: Incoming | None = None
        self.name = self.declared = ""
        self.note = bytearray()
        self.files: list[FileIn] = []

    async def take(self, request: Request[Any, Any, Any]) -> tuple[list[FileIn], str]:
        try:
            async for chunk in request.stream():
                for event in self.parser.parse(chunk):
                    await self.on_event(event)
            self.parser.close()
        except (MultipartError, ValueError) as error:
            raise _malformed(error) from None
        finally:
            if self.incoming is not None:
                self.incoming.drop()
        if not self.files:
            raise BodyInvalid(
                reason_zh="没有文件。每个文件一个部分，部分名写资源名或 file",
                reason_en="there is no file; send each as a part named like its resource, or file",
            )
        return self.files, self.note.decode(errors="replace")

    async def on_event(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        if isinstance(event, MultipartSegment):
            self.begin(event)
        elif event is None:
            await self.end()
        elif self.incoming is not None:
            self.left -= len(event)
            await run_sync(self.incoming.write, bytes(event))
        else:
            self.note += event[: _NOTE_BYTES - len(self.note)]

    def begin(self, segment: MultipartSegment) -> None:
        self.segment = segment
        if segment.filename is None and segment.name == "note":
            return
        self.name = check_file_name(segment.filename or f"{segment.name}.csv")
        self.declared = charset(segment.charset)
        used = self.store.settings.upload_bytes - self.left
        self.incoming = self.store.objects.incoming(self.store.settings.upload_bytes, used=used)

    async def end(self) -> None:
        if self.incoming is None or self.segment is None:
            return
        digest = await run_sync(self.incoming.keep)
        field = self.segment.name or "file"
        resource = "" if field == "file" else field
        self.files.append(_file(self.incoming, digest, resource, self.name, self.declared))
        self.incoming = None


def _malformed(error: Exception) -> BodyInvalid:
    return BodyInvalid(
        reason_zh=f"multipart 内容不完整或格式有误（{error}），请重新上传",
        reason_en=f"malformed or truncated multipart body ({error})",
    )
