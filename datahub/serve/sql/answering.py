"""A query that runs: watched by the clock and for its reader, cut at its bounds, delivered."""

from __future__ import annotations

import os
import select
import threading
import time
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from datahub.errors_query import QueryLimit
from datahub.serve.sql.messages import Ending, Head

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.guard.jail_wire import Line
    from datahub.model import Json
    from datahub.serve.sql.messages import Question

_INLINE = 256 << 10  # bytes of a whole answer that are sent as they are; more go into the file
_FINISH_SECONDS = 10.0  # to close a form whose query was ended, and to hand it over
_POLLRDHUP = 0x2000


class Running:
    """One query: rows and bytes that were given, seconds that it took, and why it was cut."""

    def __init__(self, connection: Any, question: Question, line: Line, cpu: float) -> None:
        """Begin; `cpu` is what this process had used of a processor when the question came."""
        self.connection, self.question, self.line = connection, question, line
        self._cpu = cpu
        self.rows = self.read = 0
        self.truncated: str | None = None
        self._began = time.monotonic()
        self._blocked = 0.0  # seconds spent on a slow reader, which are not the query's
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def seconds(self) -> float:
        """That the query took so far."""
        return time.monotonic() - self._began - self._blocked

    def batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        """Batches up to the bounds; what ends them early is kept in `truncated`."""
        bounds = self.question.bounds
        while True:
            try:
                batch = reader.read_next_batch()
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - Arrow passes DuckDB's on in several kinds
                if self._late(error):
                    return
                raise _limit(error) from None
            fits = _fitting(batch, bounds.bytes - self.read)
            for most, reason in ((bounds.rows - self.rows, "rows"), (fits, "bytes")):
                if batch.num_rows > most:
                    batch, self.truncated = batch.slice(0, most), reason
            self.rows += batch.num_rows
            self.read += batch.nbytes
            if batch.num_rows:
                yield batch
            if self.truncated:
                return

    def deliver(self, pieces: Iterator[bytes], fields: list[Json], file: int) -> None:
        """Send the answer: piece by piece, or whole and with its end told first."""
        if self.question.whole:
            self._whole(pieces, fields, file)
            return
        self.line.tell(Head(fields))
        sent = 0
        for piece in pieces:
            began = time.monotonic()
            self.line.send(piece)
            self._blocked += time.monotonic() - began
            self.line.allow(self._left() + 1.0)
            sent += len(piece)
        self.line.tell(self._ending(sent))

    def _whole(self, pieces: Iterator[bytes], fields: list[Json], file: int) -> None:
        held: list[bytes] = []
        size = written = 0
        for piece in pieces:
            held.append(piece)
            size += len(piece)
            if size - written > _INLINE:
                _write(file, held)
                written = size
        if self.truncated == "time" and not self.rows:
            raise QueryLimit(
                reason_zh=f"超过 {self.question.bounds.seconds:g} 秒",
                reason_en=f"it takes more than {self.question.bounds.seconds:g} seconds",
            )
        if written:
            _write(file, held)
        self.line.allow(_FINISH_SECONDS)
        self.line.tell(Head(fields, self._ending(size), in_file=written > 0))
        for piece in held:
            self.line.send(piece)

    def _ending(self, size: int) -> Ending:
        self._over.set()
        cpu = round(time.process_time() - self._cpu, 4)
        return Ending(self.rows, size, round(self.seconds, 4), self.truncated, cpu)

    def _left(self) -> float:
        return max(0.0, self.question.bounds.seconds - self.seconds)

    def _late(self, error: Exception) -> bool:
        """Tell whether this is the end that the clock asked for; there is time to finish then."""
        if self._left() > 0 or not ("Interrupt" in str(error) or "INTERRUPT" in str(error)):
            return False
        self.truncated = "time"
        self.line.allow(_FINISH_SECONDS)
        return True

    def _watch(self) -> None:
        """Interrupt the query when its time is over; end at once when nobody is there to read."""
        reader = select.poll()
        reader.register(self.line.connection, _POLLRDHUP | select.POLLHUP)
        while not self._over.is_set():
            if reader.poll(min(200.0, 1000 * self._left() + 10)):
                os._exit(0)
            if self._left() <= 0:
                self.connection.interrupt()


def _write(file: int, held: list[bytes]) -> None:
    for piece in held:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(file, rest) :]
    held.clear()


def _fitting(batch: pa.RecordBatch, room: int) -> int:
    """How many rows of a batch have `room` bytes."""
    if batch.nbytes <= room:
        return int(batch.num_rows)
    column = batch.column(0)
    if batch.num_columns > 1 or not (pa.types.is_string(column.type)):
        return int(batch.num_rows * max(room, 0) // batch.nbytes)
    ends = pc.cumulative_sum(pc.cast(pc.binary_length(column.fill_null("")), pa.int64()))
    return int(pc.sum(pc.less_equal(ends, room)).as_py() or 0)


def _limit(error: Exception) -> Exception:
    """Make memory that ran out, in whichever library, our error; others are as they are."""
    if isinstance(error, (MemoryError, pa.ArrowMemoryError)) or "Out of Memory" in str(error):
        return QueryLimit(reason_zh="内存不够", reason_en="it needs too much memory")
    return error if isinstance(error, duckdb.Error) else duckdb.Error(str(error))
