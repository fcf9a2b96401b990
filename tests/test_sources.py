"""Rows from lines, orders and native files: always what the Parquet file says, or nothing."""

from __future__ import annotations

import json
import os
import random
import struct
import threading
import time
from contextlib import suppress
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
from datahub.model import Distribution
from datahub.pipeline import withdraw_release
from datahub.serve import engine as engine_module
from datahub.serve import sources
from datahub.serve.engine import Engine
from datahub.serve.reading import Reading, Table
from datahub.store.derived import LINES, NATIVE, TEXT, Wanted, order_name

SCHEMA = {
    "fields": [
        {"name": "编号", "type": "integer"},
        {"name": "名称", "type": "string"},
        {"name": "值", "type": "number"},
        {"name": "日期", "type": "date"},
    ]
}


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
        name = SCHEMA["fields"][column]["name"]
        making.derive(
            making.Job(
                **given,
                target=order_name(column, descending),
                kind="order",
                column=name,
                descending=descending,
            )
        )


@pytest.mark.parametrize("parts", [0, 1, 3])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_derived_says_what_parquet_says(reading, tmp_path, seed, parts):
    """Windows, picked lines, orders and the native file equal the answers of SQL on the Parquet."""
    rows = 40 + 97 * seed
    made = random_table(reading, tmp_path, seed, rows, parts)
    run, path = reading.engine.run, str(made.path)
    assert sources.window(reading, made, 0, 5) is None
    assert sources.source(reading, made).row == "file_row_number"
    both = [(column, down) for column in range(4) for down in (False, True)]
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
            start, count = chance.randrange(rows), chance.choice([1, 7, rows])
            for begin, many in ((0, rows), (start, count)):
                found = sources.ordered(
                    reading, made, name, begin, many, descending=down, nulls_first=first
                )
                assert found == wanted[begin : begin + many], (name, down, first)


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
    asked = {"descending": True, "nulls_first": False}
    assert sources.ordered(reading, made, "编号", 0, 5, **asked) is None
    assert not order.exists()
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
    asked = {"descending": True, "nulls_first": False}
    assert sources.ordered(reading, made, "id", 0, 3, **asked) is None
    assert sources.source(reading, made).row == "file_row_number"
    settle(store)
    assert sources.ordered(reading, made, "id", 0, 3, **asked) == [29, 28, 27]
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
