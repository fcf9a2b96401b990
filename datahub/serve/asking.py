"""Ask a query child: the only place where a user's SQL runs, and where large answers are made.

A child is forked ahead of its question by `datahub queries` (guard.jail), serves one question over
a Unix socket and ends. It has no files of its own: those of the tables it may read are handed to
it as open descriptors, and so is one without a name that it writes a large answer into.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import tempfile
import time
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, Self

import msgspec

import datahub.errors_forms  # noqa: F401 - a child may raise what stands there
from datahub.errors import DatahubError, ServiceUnavailable, from_code
from datahub.errors_query import QueryBusy, QueryLimit
from datahub.guard import jail_wire
from datahub.guard.jail import QUESTIONS, STREAMS, folder
from datahub.model import TableVersion
from datahub.serve.sql.messages import (
    Bounds,
    Ending,
    Failed,
    Given,
    GivenTable,
    Head,
    Question,
    Reads,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from datahub.model import Json
    from datahub.serve.reading import Reading, Table

    Resolve = Callable[[str, str], Table]

__all__ = [
    "NOBODY",
    "PAYER",
    "Answer",
    "Bounds",
    "Ending",
    "Payer",
    "Prepared",
    "Question",
    "ask",
    "prepare",
]

QUEUE_SECONDS = 5.0
"""That a question waits for a child; then its asker is told to come later."""
_LATE_SECONDS = 15.0  # beyond a question's own, for its child's last words
_PIECE = 1 << 20
_WORDS = Reads | Head | Ending | Failed


class Payer:
    """Who pays for what children work; this one is nobody."""

    def rest(self) -> None:
        """Wait for a child, which works or has no time yet."""

    def work(self) -> None:
        """Go on after that."""

    def pay(self, seconds: float) -> None:
        """Pay for one child, which has ended: seconds of a processor, or those waited for it."""


NOBODY = Payer()
PAYER: ContextVar[Payer] = ContextVar("payer", default=NOBODY)
"""Who pays for the children that are asked in this context: set by request, and by job."""


@dataclass
class Answer:
    """Head of an answer at once; its bytes as they come; `ending` once they all came."""

    fields: list[Json]  # name and DuckDB type of each column
    chunks: AsyncIterator[bytes]
    ending: Ending | None = None  # known at once when the question asked for the whole
    versions: list[TableVersion] = field(default_factory=list)  # that were read
    estimate: int | None = None  # of rows, when the question was only checked


async def ask(reading: Reading, question: Question, resolve: Resolve) -> Answer:
    """Ask a question; `resolve(schema, name)` gives the table of each name that it reads.

    The text of a trusted question names its tables as "dataset"."resource" and may use the
    numbers of their rows (`forms.columns.row_number`). The pieces of an answer are those of
    `forms.write.encode`.

    Raises:
        SqlInvalid: a user's SQL is refused or wrong, with position and hint.
        QueryLimit: it took too much time or memory.
        QueryBusy: all children are busy, and others wait already.
        ServiceUnavailable: there are no children.

    """
    return await (await prepare(reading, question, resolve)).run()


async def prepare(reading: Reading, question: Question, resolve: Resolve) -> Prepared:
    """Let a child read a question and find its tables; it runs, or is closed, after that.

    Raises:
        DatahubError: as `ask`, and what `resolve` raises.

    """
    place = folder(reading.store.settings.data)
    wire = await _Wire.to_child(place, QUESTIONS if question.whole else STREAMS)
    try:
        wire.seconds = question.bounds.seconds
        wire.until = time.monotonic() + wire.seconds + _LATE_SECONDS
        await wire.tell(question)
        reads = await wire.hear(Reads)
        return Prepared(wire, question, reads, await _resolved(reads, resolve), place)
    except BaseException:
        wire.close()
        raise


async def _resolved(reads: Reads, resolve: Resolve) -> list[Table]:
    tables = []
    for (schema, name), at in zip(reads.names, reads.places, strict=True):
        try:
            tables.append(await asyncio.to_thread(resolve, schema, name))
        except DatahubError as error:
            if at:
                error.facts["position"] = at
            raise
    return tables


class Prepared:
    """A question that may run, with the tables it reads, its child waiting for them."""

    def __init__(
        self, wire: _Wire, question: Question, reads: Reads, tables: list[Table], place: Path
    ) -> None:
        self._wire, self._question, self._reads, self._place = wire, question, reads, place
        self.tables = tables
        self.text, self.changing = reads.text, reads.changing

    def close(self) -> None:
        """Do not run it; its child ends."""
        self._wire.close()

    async def run(self) -> Answer:
        """Hand over the tables and wait for the head of the answer."""
        spill: IO[bytes] = tempfile.TemporaryFile(dir=self._place)  # noqa: SIM115 - read later
        try:
            await self._give(spill)
            head = await self._wire.hear(Head)
        except BaseException:
            self._wire.close()
            spill.close()
            raise
        answer = Answer(
            fields=head.fields,
            chunks=_nothing(),
            ending=head.ending,
            versions=list(
                dict.fromkeys(TableVersion(t.dataset, t.resource, t.version) for t in self.tables)
            ),
            estimate=head.estimate,
        )
        if head.in_file and head.ending:
            self._wire.close()
            answer.chunks = _from_file(spill, head.ending.bytes)
            return answer
        spill.close()
        if self._question.only_check:
            self._wire.close()
        else:
            answer.chunks = self._pieces(answer)
        return answer

    async def _give(self, spill: IO[bytes]) -> None:
        named = zip(self._reads.names, self.tables, strict=True)
        given = Given([GivenTable(*name, table.columns) for name, table in named])
        with ExitStack() as files:
            handles = []
            for table in self.tables:
                handles.append(_nameless(table.path, self._place))
                files.callback(os.close, handles[-1])
            await self._wire.tell(given, [*handles, spill.fileno()])

    async def _pieces(self, answer: Answer) -> AsyncIterator[bytes]:
        """Pieces up to the ending, which a whole answer told ahead."""
        left = answer.ending.bytes if answer.ending else None
        with self._wire as wire:
            while left is None or left > 0:
                if left is None:  # a long answer: each piece has its own time to come
                    wire.until = time.monotonic() + self._question.bounds.seconds + _LATE_SECONDS
                kind, data = await wire.frame()
                if kind == b"J":
                    answer.ending = wire.understood(data, Ending)
                    return
                left = None if left is None else left - len(data)
                yield data


def _nameless(path: Path, folder: Path) -> int:
    """Open a file by a link that is gone at once, so that its descriptor tells no name.

    DuckDB resolves the paths that it allows, and whoever got past the gate could read that setting.
    """
    link, flags = folder / f".{secrets.token_hex(8)}", os.O_RDONLY | os.O_CLOEXEC
    try:
        os.link(path, link)
    except OSError:  # another file system; or the file is gone, which opening it tells
        return os.open(path, flags)
    try:
        return os.open(link, flags)
    finally:
        link.unlink()


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""


async def _from_file(file: IO[bytes], size: int) -> AsyncIterator[bytes]:
    with file:
        for start in range(0, size, _PIECE):
            yield await asyncio.to_thread(os.pread, file.fileno(), min(_PIECE, size - start), start)


class _Wire:
    """The asker's end of a conversation; `until` is when it gives up (monotonic)."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self.until = time.monotonic() + QUEUE_SECONDS
        self._began: float | None = None
        self.seconds = QUEUE_SECONDS  # that the question may take
        self._payer = PAYER.get()
        self._waited = 0.0  # seconds for the child's words, from the first on
        self._cpu: float | None = None  # seconds of a processor, when the child told them
        self._closed = False

    @classmethod
    async def to_child(cls, place: Path, pool: str) -> _Wire:
        """Call a child, and wait in line until one has time.

        Raises:
            QueryBusy: the line is full, or it took too long.
            ServiceUnavailable: nobody listens.

        """
        connection = socket.socket(socket.AF_UNIX)
        connection.setblocking(False)
        try:
            with jail_wire.Address(place, f"{pool}.sock") as address:
                connection.connect(address)
            wire = cls(connection)
            await wire.frame()
        except BlockingIOError:
            connection.close()
            raise QueryBusy(retry_after=int(QUEUE_SECONDS)) from None
        except OSError:
            connection.close()
            raise ServiceUnavailable(
                reason_zh="查询服务没有启动", reason_en="the query service is not running"
            ) from None
        except BaseException:
            connection.close()
            raise
        wire._began = time.monotonic()
        return wire

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up; a child that still works for us ends."""
        self._connection.close()
        if not self._closed:
            self._closed = True
            self._payer.pay(self._waited if self._cpu is None else self._cpu)

    async def tell(self, document: Any, handles: list[int] | None = None) -> None:
        """Send a JSON frame, with open files."""
        data = jail_wire.frame(b"J", msgspec.json.encode(document))
        try:
            if handles:
                sent = socket.send_fds(self._connection, [data], handles)
                data = data[sent:]
            await self._loop.sock_sendall(self._connection, data)
        except ConnectionError:
            raise self._ended() from None

    async def hear(self, kind: type[Any]) -> Any:
        """Wait for the child's next word, which is one of this kind.

        Raises:
            DatahubError: what the child says instead.

        """
        _, data = await self.frame()
        return self.understood(data, kind)

    def understood(self, data: bytes, kind: type[Any]) -> Any:
        """Read a child's word."""
        word = msgspec.json.decode(data, type=_WORDS)
        if isinstance(word, Failed):
            raise from_code(word.code, word.facts)
        if not isinstance(word, kind):
            raise self._ended()
        ending = word.ending if isinstance(word, Head) else word
        if isinstance(ending, Ending):
            self._cpu = ending.cpu
        return word

    async def frame(self) -> tuple[bytes, bytes]:
        """Read a frame: its letter and what it holds."""
        began = time.monotonic()
        self._payer.rest()
        try:
            async with asyncio.timeout(self.until - time.monotonic()):
                kind, length = jail_wire.head(await self._exactly(jail_wire.HEAD_BYTES))
                return kind, await self._exactly(length)
        except (TimeoutError, EOFError, ConnectionError) as error:
            if self._began is not None:
                raise self._ended() from None
            if isinstance(error, TimeoutError):
                raise QueryBusy(retry_after=int(QUEUE_SECONDS)) from None
            raise ServiceUnavailable(
                reason_zh="查询服务正在重启", reason_en="the query service is starting again"
            ) from None
        finally:
            self._payer.work()
            if self._began is not None:
                self._waited += time.monotonic() - began

    async def _exactly(self, count: int) -> bytes:
        parts = []
        while count > 0:
            part = await self._loop.sock_recv(self._connection, min(count, _PIECE))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def _ended(self) -> QueryLimit:
        """Tell what a child was ended for: the clock says whether it was the time."""
        if time.monotonic() - (self._began or 0.0) >= self.seconds:
            zh, en = f"超过 {self.seconds:g} 秒", f"it takes more than {self.seconds:g} seconds"
        else:
            zh, en = "查询进程中止，多半是内存不够", "its process ended, most likely out of memory"
        return QueryLimit(reason_zh=zh, reason_en=en)
