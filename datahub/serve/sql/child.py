"""A query child's life once it is confined: an instance, one question, the answer, the end.

Nothing of a user's is looked at outside such a child, not even to parse it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import pyarrow as pa

from datahub.errors import DatahubError
from datahub.errors_query import QueryLimit
from datahub.forms import columns as told_columns
from datahub.forms import write
from datahub.forms.columns import Column, numbered, quote
from datahub.forms.names import FORMS
from datahub.guard.jail_limits import bound, read_only_these
from datahub.guard.last_words import log_error
from datahub.serve.sql import gate, mistakes
from datahub.serve.sql.answering import Running
from datahub.serve.sql.messages import Failed, Given, Head, Question, Reads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from datahub.guard.jail_wire import Line
    from datahub.model import Json
    from datahub.settings import Settings

_ZONE = "+08:00"  # of the clock, where no table has one
_BATCH = 8192  # rows told at a time
_GRACE = 0.6  # seconds between asking a query to end and ending it
_SETTINGS = """
    set enable_progress_bar=false;
    set parquet_metadata_cache=true;
    set errors_as_json=true;
    set max_expression_depth=250
"""

_WARM = """
    select json_object('a', json_deserialize_sql(json_serialize_sql('select 1')), 'n', count(*))
        ::varchar as "row"
    from range(3) t(i) group by i order by i limit 2
"""
"""Touches the code that every question needs, before there is one."""


def rehearse() -> None:
    """Load all that an answer may need: a child reads no file of a library's any more."""
    pa.set_memory_pool(pa.system_memory_pool())  # the others reserve address space ahead
    column = Column(name="t", kind="TIMESTAMP WITH TIME ZONE", zone="+08:00")
    place = [Column(name=name, kind="DOUBLE", type="number") for name in ("lon", "lat")]
    for form in FORMS.values():
        write.expressions(form, [column, *place])
        batch = pa.record_batch({"row": ["<c>é\x01</c>"]})
        for _ in write.encode(form, [column], iter([batch]), schema=batch.schema):
            pass


def birth(settings: Settings) -> Callable[[Line], None]:
    """Open the instance ahead of its question; return what answers one."""
    sys.setrecursionlimit(5000)
    memory = settings.sql_memory * 3 // 4  # the rest is for the answer, and for what it overshoots
    connection = duckdb.connect(
        ":memory:",
        config={
            "threads": 1,
            "memory_limit": f"{memory >> 20}MiB",
            "temp_directory": "",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "allow_persistent_secrets": False,
            "python_enable_replacements": False,
            "python_scan_all_frames": False,
            "extension_directory": "/nonexistent",
        },
    )
    connection.execute(_SETTINGS)
    connection.execute(_WARM).to_arrow_reader(_BATCH).read_all()
    return lambda line: _converse(connection, line)


def _converse(connection: Any, line: Line) -> None:
    question, _ = line.receive(Question)
    line.allow(question.bounds.seconds + _GRACE)
    try:
        asked = _Asked(connection, question)
        line.tell(Reads(list(asked.names), asked.places(), asked.text, asked.changing))
        given, handles = line.receive(Given)
        bound(seconds=question.bounds.seconds, written=2 * question.bounds.bytes + (64 << 20))
        read_only_these(handles)
        asked.lock(given, handles)
        _answer(asked, line, handles[-1])
    except DatahubError as error:
        line.tell(Failed(error.code, error.facts))
    except (MemoryError, RecursionError):
        short = QueryLimit(reason_zh="内存不够", reason_en="it needs too much memory")
        line.tell(Failed(short.code, short.facts))
    except (EOFError, ConnectionError):
        raise  # nobody is there to be told
    except UnicodeDecodeError as error:  # DuckDB's words held a part of a letter
        found = mistakes.told(duckdb.Error(error.object.decode(errors="replace")))
        wrong = mistakes.mistake(found, None)
        line.tell(Failed(wrong.code, wrong.facts))
    except Exception:  # noqa: BLE001 - what a library raises on odd values is no reason to be silent
        log_error("question.failed")
        odd = mistakes.refusal(None, "这条语句不能执行", "this statement cannot be carried out")
        line.tell(Failed(odd.code, odd.facts))


class _Asked:
    """A question that passed the gate, in an instance of its own."""

    def __init__(self, connection: Any, question: Question) -> None:
        self.connection, self.question = connection, question
        self.cpu = time.process_time()
        self.text, self.changing = question.sql, False
        self.names: dict[tuple[str, str], Any] = {}
        self.zone = _ZONE
        self.tree: Json = {}
        self.known: dict[tuple[str, str], Column] = {}
        if question.trusted:
            self.names = gate.names_of(self._parsed(question.sql))
        else:
            self._pass_the_gate()

    def _pass_the_gate(self) -> None:
        sql = self.question.sql
        if len(sql) > gate.LENGTH:
            zh, en = f"超过 {gate.LENGTH:,} 个字符", f"it has more than {gate.LENGTH:,} characters"
            raise mistakes.refusal(None, zh, en, "请缩短或拆开", "Shorten it, or ask in parts")
        if "\0" in sql:  # DuckDB would read no further
            at = mistakes.Position(sql, sql.index("\0"))
            raise mistakes.refusal(at, "不能有 NUL 字符", "NUL is no character of a statement")
        self.tree = self._parsed(sql)
        verdict = gate.check(self.tree, sql)
        _check_values(verdict.parameters, self.question.values)
        self.names, self.changing = verdict.names, verdict.changing
        written = msgspec.json.encode(self.tree).decode()
        self.text = self._one("select json_deserialize_sql(?::json)", written)
        # What runs is this text: it must say what was judged, whatever writing it anew did to it.
        gate.check(self._parsed(self.text), self.text, set(verdict.names))

    def places(self) -> list[dict[str, int]]:
        """Where in the user's text each table is named."""
        sql = self.question.sql
        found = [mistakes.Position.of_bytes(sql, name.at) for name in self.names.values()]
        return [place.facts if place else {} for place in found]

    def _parsed(self, sql: str) -> Json:
        try:
            text = self._one("select json_serialize_sql(?::varchar)", sql)
        except duckdb.Error as error:
            raise mistakes.mistake(mistakes.told(error), None) from None
        try:
            tree: Json = msgspec.json.decode(text)
        except msgspec.DecodeError:  # DuckDB writes Infinity, which JSON has no word for
            raise mistakes.endless(json.loads(text), sql) from None
        if tree["error"]:
            raise mistakes.unparsed(tree, sql)
        return tree

    def _one(self, sql: str, value: str) -> str:
        (found,) = self.connection.execute(sql, [value]).fetchone()
        return str(found)

    def lock(self, given: Given, handles: Sequence[int]) -> None:
        """Make views of the files, and let nothing else be read or set any more."""
        run = self.connection.execute
        zones = {c.zone for table in given.tables for c in table.columns if c.zone}
        self.zone = zones.pop() if len(zones) == 1 else _ZONE
        run(f"set timezone='{_zone_name(self.zone)}'")
        files = [f"/proc/self/fd/{handle}" for handle in handles[: len(given.tables)]]
        listed = ", ".join(f"'{file}'" for file in files)
        run(f"set allowed_paths=[{listed}]")
        run("set enable_external_access=false")
        for table, file in zip(given.tables, files, strict=True):
            schema = quote(table.schema or "main")
            relation = f"read_parquet('{file}')"
            if self.question.trusted:
                relation = numbered(f"'{file}'", [column.name for column in table.columns])
            run(f"create schema if not exists memory.{schema}")
            run(
                f"create view if not exists memory.{schema}.{quote(table.name)} as "  # noqa: S608
                f"select * from {relation}"
            )
            self.known |= {(column.name, column.kind): column for column in table.columns}
        run("set lock_configuration=true")

    def bind(self) -> tuple[Column, ...]:
        """Columns of the result, their names made unique."""
        before = "select * from ("
        try:
            found = self.connection.execute(f"{before}{self.text}\n) limit 0", self.question.values)
        except duckdb.Error as error:
            raise self.mistake(error, len(before)) from None
        columns: dict[str, Column] = {}
        for given, kind, *_ in found.description:
            # A column without a name is called by its expression, as it was written anew.
            name = given if given in self.question.sql else mistakes.plain(given) or given
            own, number = name, 1
            while own.lower() in columns:
                number += 1
                own = f"{name}_{number}"
            columns[own.lower()] = self._column(own, str(kind))
        return tuple(columns.values())

    def _column(self, name: str, kind: str) -> Column:
        zone = self.zone if kind == "TIMESTAMP WITH TIME ZONE" else None
        return self.known.get((name, kind)) or Column(name=name, kind=kind, zone=zone)

    def select(self, columns: Sequence[Column]) -> tuple[str, str]:
        """SQL of the whole answer in its form, as what stands before the question and all of it."""
        question = self.question
        if question.form.name == "json" and question.shape == "arrays":
            cells = ", ".join(told_columns.json_of(column) for column in columns)
            selected = f'json_array({cells})::varchar as "row"'
        else:
            selected = write.expressions(question.form, columns, question.crs)
        names = ", ".join(quote(column.name) for column in columns)
        before = f"select {selected} from (select * from ("  # noqa: S608 - the gate let it pass
        limit = question.bounds.rows + 1
        return before, f'{before}{self.text}\n) limit {limit}) as "rows"({names})'

    def estimate(self) -> int | None:
        """How many rows DuckDB expects."""
        run = self.connection.execute
        explain = f"explain (format json) {self.text}"
        plan = run(explain, self.question.values).fetchone()[1]
        extra = msgspec.json.decode(plan)[0].get("extra_info", {})
        found = re.sub(r"\D", "", str(extra.get("Estimated Cardinality", "")))
        return int(found) if found else None

    def mistake(self, error: Exception, before: int) -> DatahubError:
        """Our error of one that DuckDB raised about our text, which has `before` bytes ahead."""
        found = mistakes.told(error)
        at = None
        if not self.question.trusted and str(found.get("position", "")).isdigit():
            at = self._place(int(found["position"]) - before)
        return mistakes.mistake(found, at, self.question.bounds.seconds)

    def _place(self, at: int) -> mistakes.Position | None:
        """Where in the user's text that stands which stands at a byte of ours.

        Both texts have trees of the same shape, so the n-th node of one is the n-th of the other.
        """
        ours = gate.locations(self._parsed(self.text))
        theirs = gate.locations(self.tree)
        if at not in ours or len(ours) != len(theirs):
            return None
        place = theirs[ours.index(at)]
        return mistakes.Position.of_bytes(
            self.question.sql, place if place < len(self.question.sql.encode()) else None
        )


def _answer(asked: _Asked, line: Line, file: int) -> None:
    columns = asked.bind()
    fields: list[Json] = [{"name": column.name, "type": column.kind} for column in columns]
    before, sql = asked.select(columns)  # what does not fit the form is told by a check, too
    if asked.question.only_check:
        line.tell(Head(fields, estimate=asked.estimate()))
        return
    running = Running(asked.connection, asked.question, line, asked.cpu)
    try:
        reader = asked.connection.execute(sql, asked.question.values).to_arrow_reader(_BATCH)
        pieces = write.encode(
            asked.question.form, columns, running.batches(reader),
            title=asked.question.title, schema=reader.schema,
        )  # fmt: skip
        running.deliver(pieces, fields, file)
    except duckdb.Error as error:
        raise asked.mistake(error, len(before.encode())) from None


def _check_values(wanted: set[str], values: dict[str, Any] | list[Any]) -> None:
    """Compare a statement's parameters with the values that came.

    Raises:
        SqlInvalid: one is missing, or there is one too many.

    """
    if any(name.isdigit() for name in wanted):
        raise mistakes.refusal(
            None, "参数要有名称", "parameters have names",
            "写成 $名称，值放在 p.名称=值 或 params 里",
            "Write $name, its value as p.name=value or in params",
        )  # fmt: skip
    given = set(values)
    if wanted - given:
        zh = f"缺少参数 {'、'.join(sorted(wanted - given))}"
        en = f"no value for {', '.join(sorted(wanted - given))}"
        raise mistakes.refusal(None, zh, en, "加上 p.名称=值", "Add p.name=value")
    if given - wanted:
        zh = f"语句里没有参数 {'、'.join(sorted(given - wanted))}"[:200]
        en = f"the statement has no parameter {', '.join(sorted(given - wanted))}"[:200]
        raise mistakes.refusal(None, zh, en, "参数写成 $名称", "Write parameters as $name")


def _zone_name(zone: str) -> str:
    """Name of a zone of whole hours, which ICU writes with the other sign."""
    hours, minutes = int(zone[1:3]), zone[4:6]
    if minutes != "00" or hours == 0:
        return "UTC"
    return f"Etc/GMT{'-' if zone[0] == '+' else '+'}{hours}"
