"""Rows from lines, orders and native files: always what the Parquet file says, or nothing."""

from __future__ import annotations

import json
import os
import random
import re
import struct
import threading
import time
from contextlib import contextmanager, suppress
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_store import own_store, publish, swift, table

from datahub.errands.derive import _later, _seen, derive
from datahub.errors import ServiceUnavailable
from datahub.errors_query import QueryLimit
from datahub.forms import derive as making
from datahub.forms.columns import columns_of, json_row, quote
from datahub.forms.ordered import order_name, top_name, values_name
from datahub.model import Distribution
from datahub.pipeline import withdraw_release
from datahub.serve import engine as engine_module
from datahub.serve import orders, sources
from datahub.serve.cursors import Start
from datahub.serve.engine import Engine
from datahub.serve.query.plan import compiled, read
from datahub.serve.reading import Reading, Table
from datahub.serve.rows import at_hand as rows_at_hand
from datahub.serve.rows import page, total
from datahub.store.derived import LINES, NATIVE, TEXT, Wanted

SCHEMA = {
    "fields": [
        {"name": "编号", "type": "integer"},
        {"name": "名称", "type": "string"},
        {"name": "值", "type": "number"},
        {"name": "日期", "type": "date"},
        {"name": "代码", "type": "string"},
        {"name": "地址", "type": "string"},
        {"name": "时刻", "type": "datetime", "timezone": "+08:00"},
        {"name": "大数", "type": "integer"},
        {"name": "宽数", "type": "number"},
        {"name": "实数", "type": "number"},
        {"name": "形状", "type": "object"},
    ]
}
ORDERS = [(column, down) for column in range(11) for down in (False, True)]
EQUAL = "示范区长江大道一百二十三号"  # longer than a key


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of the test's own, children in this process."""
    swift(monkeypatch)
    monkeypatch.setattr(os, "nice", lambda _n: 0)
    _later.clear()
    _seen.clear()
    own = own_store(tmp_path)
    yield own
    own.close()


@pytest.fixture
def reading(store):
    """Reading side of that store."""
    engine = Engine()
    yield Reading(store, engine)
    engine.close()


def random_table(reading, folder, seed: int, rows: int, parts: int) -> Table:
    """A table of random values with ties, nulls and Chinese, its NDJSON in some parts."""
    chance = random.Random(seed)
    columns = {
        "编号": pa.array(range(rows), pa.int64()),
        "名称": pa.array(
            [chance.choice([None, "", "西陵区", 'a"b\\c\n', "乙", "é"]) for _ in range(rows)]
        ),
        "值": pa.array(
            [
                chance.choice([None, Decimal(chance.randrange(-9, 9)).scaleb(-1)])
                for _ in range(rows)
            ],
            pa.decimal128(9, 2),
        ),
        "日期": pa.array(
            [chance.choice([None, chance.randrange(20_000)]) for _ in range(rows)], pa.int32()
        ).cast(pa.date32()),
        "代码": pa.array([f"YC-{chance.randrange(rows):05}" for _ in range(rows)]),
        "地址": pa.array(
            [
                chance.choice([None, EQUAL, f"{EQUAL}{chance.randrange(9)}栋", f"乙\0{rows}", "乙"])
                for _ in range(rows)
            ]
        ),
        "时刻": pa.array(
            [chance.choice([None, chance.randrange(-(10**15), 10**15)]) for _ in range(rows)],
            pa.timestamp("us", "UTC"),
        ),
        "大数": pa.array([chance.choice([-(2**63), 2**63 - 1, 0, None]) for _ in range(rows)]),
        "宽数": pa.array(
            [Decimal(chance.randrange(-(10**18), 10**18)).scaleb(-9) for _ in range(rows)],
            pa.decimal128(18, 9),
        ),
        "实数": pa.array([chance.choice([None, 0.5, -1e9]) for _ in range(rows)], pa.float64()),
        "形状": pa.array([chance.choice(["{}", '{"a":1}']) for _ in range(rows)]),
    }
    path = folder / "t.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=64)
    shown = columns_of(reading.engine.kinds(path), SCHEMA)
    texts = [
        row[0]
        for row in reading.engine.run(f"select {json_row(shown)} from read_parquet(?)", [str(path)])
    ]
    cuts = sorted(chance.sample(range(1, rows), parts - 1)) if parts else []
    files = []
    for number, (begin, end) in enumerate(
        zip([0, *cuts], [*cuts, rows], strict=True) if parts else ()
    ):
        name = f"t.part-{number + 1:04}.ndjson" if parts > 1 else "t.ndjson"
        data = "".join(text + "\n" for text in texts[begin:end]).encode()
        (folder / name).write_bytes(data)
        files.append(
            Distribution(
                path=name,
                resource="t",
                media_type="application/x-ndjson",
                bytes=len(data),
                sha256="0" * 64,
                form="ndjson",
                part=number + 1 if parts > 1 else None,
            )
        )
    return Table(
        dataset="d", version=1, resource="t", digest=f"{seed:064x}", path=path, rows=rows,
        columns=shown, schema=SCHEMA, files=tuple(files), latest=True,
    )  # fmt: skip


def build(reading, made: Table, *orders: tuple[int, bool]) -> None:
    """Derive everything of a table, as the worker's child does."""
    folder = reading.derived.folder(made.digest)
    folder.mkdir(parents=True, exist_ok=True)
    given = {"parquet": str(made.path), "schema": SCHEMA, "folder": str(folder)}
    texts = tuple(str(made.path.with_name(f.path)) for f in made.files)
    if not texts:
        making.derive(making.Job(**given, target=TEXT, kind="text"))
        texts = (str(folder / TEXT),)
    making.derive(making.Job(**given, target=LINES, kind="lines", ndjson=texts))
    making.derive(making.Job(**given, target=NATIVE, kind="native"))
    for column, descending in orders:
        order = order_name(column, descending)
        more = given | {"column": SCHEMA["fields"][column]["name"], "descending": descending}
        making.derive(making.Job(**more, target=order, kind="order"))
        if not (folder / values_name(column)).exists():
            making.derive(making.Job(**more, target=values_name(column), kind="values"))
        read = {"order": str(folder / order), "lines": str(folder / LINES), "ndjson": texts}
        making.derive(making.Job(**given, **read, target=top_name(column, descending), kind="top"))


@pytest.mark.parametrize("parts", [0, 1, 3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_derived_says_what_parquet_says(reading, tmp_path, seed, parts):
    """Windows, picked lines, orders and the native file equal the answers of SQL on the Parquet."""
    rows = 40 + 97 * seed
    made = random_table(reading, tmp_path, seed, rows, parts)
    run, path = reading.engine.run, str(made.path)
    assert sources.window(reading, made, 0, 5) is None
    assert sources.source(reading, made).row == "file_row_number"
    both = random.Random(seed * 9 + parts).sample(ORDERS, 4)
    build(reading, made, *both)

    texts = [
        r[0].encode() for r in run(f"select {json_row(made.columns)} from read_parquet(?)", [path])
    ]
    chance = random.Random(seed)
    for _ in range(20):
        start, count = chance.randrange(rows + 5), chance.choice([1, 3, 50, 1000])
        assert sources.window(reading, made, start, count) == texts[start : start + count]
    picked = [chance.randrange(rows) for _ in range(30)]
    assert sources.lines(reading, made, picked) == [texts[row] for row in picked]

    native = sources.source(reading, made)
    assert native.row == "rowid"
    listed = ", ".join(quote(c.name) for c in made.columns)
    assert run(f"select {listed}, {native.row} from {native.relation}") == run(
        f"select {listed}, file_row_number from read_parquet(?, file_row_number=true)", [path]
    )

    for column, down in both:
        name = made.columns[column].name
        for first in (False, True):
            order = (
                f"{quote(name)} {'desc' if down else 'asc'} nulls {'first' if first else 'last'}"
            )
            wanted = [
                r[0]
                for r in run(
                    f"select file_row_number from read_parquet(?, file_row_number=true) order by {order}, 1",
                    [path],
                )
            ]
            which = orders.Asked(column=column, descending=down, nulls_first=first)
            start, count = chance.randrange(rows), chance.choice([1, 7, rows])
            for begin, many in ((0, rows), (start, count)):
                part = wanted[begin : begin + many]
                found = orders.page(reading, made, which, begin, many)
                assert found.numbers[:many] == part, which
                assert found.numbers[many:] == wanted[begin + many :][:1]
                assert found.lines == [texts[row] for row in part]


def questions(chance: random.Random, rows: int) -> list[list[tuple[str, str]]]:
    """Questions that a stretch of an order answers, with values that are there and that are not."""
    values = {
        "编号": [str(chance.randrange(-3, rows + 3)), str(10**30)],
        "名称": ["西陵区", "", "é", "乙乙", 'a"b\\c\n'],
        "值": ["-0.3", "0.1", "0.15", "-9999999"],
        "日期": [f"{1970 + chance.randrange(55)}-03-01", "0001-01-01", "9999-12-31"],
        "代码": [f"YC-{chance.randrange(rows):05}", "YC-", "A", "Z", "YC-00001\0", "YC-000010"],
        "地址": [EQUAL, f"{EQUAL}3栋", f"{EQUAL}5", "乙", f"乙\0{rows}", "乙\0"],
        "时刻": ["1970-01-01T08:00:00+08:00", "1985-06-01T00:00:00Z"],
        "大数": ["0", "9223372036854775807", "-9223372036854775808", str(-(10**30))],
        "宽数": ["0", "0.0000000001", "-123456789.123456789"],
        "实数": ["0.5", "0.1"],
        "形状": ["{}"],
    }
    found = []
    for name, given in values.items():
        for value in given:
            way = chance.choice(["", ".desc", ".nullsfirst", ".desc.nullslast"])
            ordered = ("order", f"{name}{way}")
            operator, other = chance.sample(["eq", "gt", "gte", "lt", "lte"], 2)
            found += [
                [(name, f"eq.{value}")],
                [(name, f"{operator}.{value}"), ordered],
                [(name, f"{operator}.{value}"), (name, f"{other}.{given[0]}"), ordered],
            ]
    return found


def test_rows_found_by_values_are_those_of_a_query(reading, tmp_path):
    """Filters and orders on one column tell the same with derived files as without, page by page.

    Of eleven columns of every type, those whose values have keys are answered without any query.
    """
    rows, chance = 300, random.Random(8)
    made = random_table(reading, tmp_path, 8, rows, 1)
    plans = [compiled(read(pairs, made.columns), made.columns) for pairs in questions(chance, rows)]
    starts = [chance.choice([0, 0, 5, 100]) for _ in plans]
    asked = list(zip(plans, starts, strict=True))
    wanted = [page(reading, made, plan, Start(start), 20) for plan, start in asked]
    totals = [total(reading, made, plan, 60) for plan in plans]
    build(reading, made, *ORDERS)
    with statements_of(reading) as statements:
        for (plan, start), page_, count in zip(asked, wanted, totals, strict=True):
            assert page(reading, made, plan, Start(start), 20) == page_, plan.query
            assert total(reading, made, plan, 60) == count, plan.query
    compared = {name for sql in statements for name in re.findall(r't\."(\w+)" [=<>]', sql)}
    assert compared <= {"实数", "形状"}


@contextmanager
def statements_of(reading):
    """The statements that are run within the block."""
    told, run = [], reading.engine.run

    def running(sql, values=(), seconds=None):
        told.append(sql)
        return run(sql, values, seconds)

    reading.engine.run = running
    yield told
    del reading.engine.run


def test_only_little_is_read_while_others_wait(reading, tmp_path):
    """A key and the first pages of an order are at hand; what is all over the file is not."""
    made = random_table(reading, tmp_path, 7, 300, 1)

    def at_hand(*pairs: tuple[str, str], start: int = 0) -> bool:
        plan = compiled(read(pairs, made.columns), made.columns)
        return rows_at_hand(reading, made, plan, Start(start), 100)

    assert not at_hand(("编号", "eq.5"))
    build(reading, made, (0, False), (1, False), (2, True))
    assert at_hand(("编号", "eq.5"))
    assert at_hand(("order", "值.desc"), start=150)
    assert not at_hand(("order", "值"))
    assert not at_hand(("编号", "eq.5"), ("名称", "eq.乙"))
    assert not at_hand(("编号", "gt.5"))
    assert at_hand(("名称", "eq.乙"))
    (reading.derived.folder(made.digest) / top_name(1, descending=False)).unlink()
    assert not at_hand(("名称", "eq.乙"))


def test_damage_is_noticed_and_removed(reading, tmp_path):
    """An index, order or native file that cannot be right is removed; Parquet answers."""
    made = random_table(reading, tmp_path, 4, 100, 1)
    build(reading, made, (0, True))
    folder = reading.derived.folder(made.digest)
    (folder / LINES).write_bytes(struct.pack("<101Q", *range(101)))
    assert sources.window(reading, made, 3, 4) is None
    assert not (folder / LINES).exists()
    order = folder / order_name(0, descending=True)
    order.write_bytes(order.read_bytes()[:-4])
    which = orders.Asked(column=0, descending=True)
    assert orders.page(reading, made, which, 0, 5) is None
    assert not order.exists()
    build(reading, made, (0, True))
    whole = orders.page(reading, made, which, 0, 2)
    assert whole.numbers == [99, 98, 97]

    def found(number: int) -> orders.Found | None:
        asked = orders.Asked(column=0, descending=True, tests=(("eq", number),))
        return orders.page(reading, made, asked, 0, 5)

    assert found(7).numbers == [7]
    for name in (values_name(0), top_name(0, descending=True)):
        data = (folder / name).read_bytes()
        for number, wrong in enumerate((data[:-1], b"", b"x" * len(data))):
            (folder / name).write_bytes(wrong)
            if name == values_name(0):
                assert found(number) is None
            assert orders.page(reading, made, which, 0, 2).numbers == whole.numbers
            assert not (folder / name).exists()
    (folder / NATIVE).write_bytes(b"x" * 20_000)
    assert sources.source(reading, made).row == "file_row_number"
    assert not (folder / NATIVE).exists()


def test_a_native_file_damaged_inside_is_given_up(reading, tmp_path):
    """A block with another checksum ends one statement with 503, and the next uses Parquet."""
    made = random_table(reading, tmp_path, 5, 3000, 1)
    build(reading, made)
    native = reading.derived.folder(made.digest) / NATIVE
    data = bytearray(native.read_bytes())
    data[3 * 4096 :] = bytes(b ^ 0x55 for b in data[3 * 4096 :])
    native.write_bytes(data)
    found = sources.source(reading, made)
    if found.row == "rowid":  # its head could be read
        with pytest.raises(ServiceUnavailable):
            reading.engine.run(f'select max("名称"), sum("值") from {found.relation}')
    assert not native.exists()
    again = sources.source(reading, made)
    assert reading.engine.run(f"select count(*) from {again.relation}", again.values) == [(3000,)]


def test_what_is_removed_under_load_fails_nobody(reading, tmp_path, monkeypatch):
    """While caches come and go, every statement in four threads gets the right answer."""
    monkeypatch.setattr(engine_module, "_GRACE", 0.3)
    made = random_table(reading, tmp_path, 6, 2000, 1)
    folder = reading.derived.folder(made.digest)
    (total,) = reading.engine.run('select sum("编号") from read_parquet(?)', [str(made.path)])
    wrong, native, until = [], [0], time.monotonic() + 2.5

    def ask() -> None:
        while time.monotonic() < until:
            found = sources.source(reading, made)
            native[0] += found.row == "rowid"
            answer = reading.engine.run(f'select sum("编号") from {found.relation}', found.values)
            lines = sources.window(reading, made, 7, 2)
            if answer != [total] or (lines is not None and json.loads(lines[0])["编号"] != 7):
                wrong.append((answer, lines))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while time.monotonic() < until:
        build(reading, made)
        time.sleep(0.1)
        for path in folder.iterdir():
            path.unlink()
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    assert wrong == []
    assert native[0] > 10


def test_a_statement_has_its_time_and_memory(reading):
    """What runs too long or needs too much is refused, and the next statement runs."""
    began = time.monotonic()
    with pytest.raises(QueryLimit, match=r"0\.2 seconds"):
        reading.engine.run("select count(*) from range(1000000000) a, range(100) b", (), 0.2)
    assert time.monotonic() - began < 2
    with pytest.raises(QueryLimit, match="memory"):
        reading.engine.run(
            "select list(i::varchar || 'xxxxxxxxxxxxxxxx') from range(20000000) t(i)"
        )
    assert reading.engine.run("select 1") == [(1,)]


# The worker's errand -------------------------------------------------------------------------


def settle(store) -> None:
    """Let the errand look and do all that there is to do."""
    _seen.clear()
    derive(store, lambda: False)


def test_what_is_asked_is_built_and_goes_with_its_release(store, reading):
    """Asking once has lines, native file and order built; withdrawal removes all of them."""
    publish(store, table(30))
    made = reading.table("lamps", "lamps")
    which = orders.Asked(column=0, descending=True, tests=(("lt", 30),))
    assert orders.page(reading, made, which, 0, 3) is None
    assert sources.source(reading, made).row == "file_row_number"
    settle(store)
    assert orders.page(reading, made, which, 0, 2).numbers == [28, 27, 26]
    assert orders.page(reading, made, which, 28, 3).lines == ['{"id":1,"name":"路灯1"}'.encode()]
    assert sources.source(reading, made).row == "rowid"
    assert [json.loads(line) for line in sources.window(reading, made, 2, 1)] == [
        {"id": 3, "name": "路灯3"}
    ]
    folder = reading.derived.folder(made.digest)
    assert folder.exists()
    withdraw_release(store, "lamps", 1, reason="试验", who="wang")
    settle(store)
    assert not folder.exists()
    assert list(reading.derived.wanted()) == []


def test_a_new_version_is_read_from_its_own(store, reading):
    """What is derived from version 1 never answers for version 2."""
    publish(store, table(5))
    sources.window(reading, reading.table("lamps", "lamps"), 0, 1)
    settle(store)
    assert (
        sources.window(reading, reading.table("lamps", "lamps"), 0, 9)[0]
        == '{"id":1,"name":"路灯1"}'.encode()
    )
    publish(store, table(5, first=100))
    new = reading.table("lamps", "lamps")
    found = sources.window(reading, new, 0, 1)
    assert found is None or json.loads(found[0])["id"] == 100
    settle(store)
    assert json.loads(sources.window(reading, new, 0, 1)[0])["id"] == 100
    old = reading.table("lamps", "lamps", 1)
    assert json.loads(sources.window(reading, old, 0, 1)[0])["id"] == 1


def test_the_longest_unused_goes_when_room_is_short(tmp_path, monkeypatch):
    """Within `cache_bytes` what was asked last stays; one that never fits is not tried again."""
    swift(monkeypatch)
    monkeypatch.setattr(os, "nice", lambda _n: 0)
    _later.clear()
    store = own_store(tmp_path, "lamps", "poles", cache_bytes=900_000)
    engine = Engine()
    reading = Reading(store, engine)
    folders = {}
    for name in ("lamps", "poles"):
        publish(store, table(30), dataset=name) if name == "lamps" else publish(
            store, table(40), dataset=name
        )
        made = reading.table(name, name)
        sources.source(reading, made)
        settle(store)
        folders[name] = reading.derived.folder(made.digest)
    assert not folders["lamps"].exists()
    assert (folders["poles"] / NATIVE).exists()
    engine.close()
    store.close()


def test_notes_are_few_and_not_believed(reading):
    """A note that nobody can read is removed; one that names nothing builds nothing."""
    wanted = Wanted(dataset="nothing", version=1, resource="nothing", digest="0" * 64)
    reading.derived.ask(wanted)
    notes = reading.derived.root / "wanted"
    (notes / "broken").write_bytes(b"{")
    assert list(reading.derived.wanted()) == [wanted]
    assert not (notes / "broken").exists()
    settle(reading.store)
    with suppress(FileNotFoundError):
        assert list(notes.iterdir()) == []
    assert reading.derived.folders() == []
