"""Life of a dataset: milestones and funnel, statuses, new names, totals, series, old catalogs."""

from __future__ import annotations

import json
from datetime import date, timedelta

import httpx
import pytest
from hub import Hub
from own_store import own_store, package, publish, swift, table, write_catalog, write_dataset

from datahub.clock import stamp
from datahub.errors import DatasetUnknown, StateError
from datahub.errors_catalog import DatasetGone, DatasetMoved, NameTaken, SuccessorInvalid
from datahub.model import Dataset, Openness
from datahub.pipeline import recover
from datahub.serve.series import CYCLES, _day, _issues, _periods
from datahub.store import aliases, audit, changes, lifecycle, milestones, records, releases, totals
from datahub.store.engine import Catalog
from datahub.store.verify import verify_folder, verify_store

REGIONS = [
    {"code": "420500", "title": "宜昌市"},
    {"code": "420506", "title": "夷陵区", "parent": "420500"},
]
PUBLISHERS = [
    {"id": "p1", "title": "环境局", "credit_code": "11420500MB0000019T", "region": "420500", "category": "GOV"},
    {
        "id": "p2", "title": "夷陵供水公司", "credit_code": "91420500MA0000090W", "region": "420506",
        "category": "WAT", "supervisor": "p1", "complaint": {"name": "投诉科", "phone": "0717-0000012"},
    },
]  # fmt: skip
BOOKS = {"fields": [{"name": "year", "type": "year"}, {"name": "no", "type": "integer"}]}


@pytest.fixture(autouse=True, scope="module")
def _swift():
    """Run the stages' functions in this process."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        yield


@pytest.fixture
def store(tmp_path):
    """A store with a few datasets."""
    own = own_store(tmp_path, "lamps", "trees", "roads")
    yield own
    own.close()


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    """A running service; each test has datasets of its own."""
    folder = tmp_path_factory.mktemp("city")
    catalog = write_catalog(folder / "catalog", "walk", "fall", "heir", "moved", "rest",
                            regions=REGIONS, publishers=PUBLISHERS)  # fmt: skip
    water = package("water")
    water["catalog"] |= {"publisher": "p2"}
    write_dataset(catalog, water)
    old = package("old_rule")
    old["catalog"] |= {"validity": "repealed"}
    write_dataset(catalog, old)
    books = package("books")
    books["catalog"]["series"] = {
        "kind": "issue", "resource": "books", "fields": ["year", "no"], "start": "2023-2", "frequency": 4,
    }  # fmt: skip
    write_dataset(catalog, books, BOOKS)
    hub = Hub(folder / "data", catalog=catalog)
    hub.data.mkdir()
    hub.register()
    hub.start()
    yield hub
    hub.stop()


def now_of(store) -> str:
    """Time as the catalog stores it."""
    return stamp(store.clock)


def rename(store, old: str, new: str) -> None:
    """Rename in one transaction, then sweep."""
    with store.catalog.write() as db:
        aliases.rename(db, store.objects, old, new, who="op", now=now_of(store))
    aliases.sweep(store)


# Milestones and statuses ---------------------------------------------------------------------


def test_each_stage_is_dated_once(store):
    """Catalogued at registration, collected when validated, shared and opened with a release."""
    with store.catalog.read() as db:
        assert [s for s, at in milestones.of(db, "lamps").items() if at] == ["catalogued"]
    publish(store)
    with store.catalog.read() as db:
        first = milestones.of(db, "lamps")
    assert all(first.values())
    publish(store, table(13))
    with store.catalog.read() as db:
        assert milestones.of(db, "lamps") == first


def test_a_record_may_state_earlier_dates(store):
    """A stated date moves a milestone back, never forward, and makes none that is not reached."""
    with store.catalog.write() as db:
        found = records.get_dataset(db, "trees").package
        stated = {"catalogued": "2019-05-06", "collected": "2020-01-01", "opened": "2999-01-01"}
        found["catalog"]["milestones"] = stated
        records.save_dataset(db, found, digest=records.package_digest(found), now=now_of(store))
        assert milestones.of(db, "trees")["catalogued"] == "2019-05-06"
        assert milestones.of(db, "trees")["collected"] is None
    publish(store, dataset="trees")
    with store.catalog.read() as db:
        found = milestones.of(db, "trees")
    assert found["collected"] == "2020-01-01"
    assert found["opened"] < "2999"


def test_a_closed_dataset_is_not_opened(store):
    """A release of a dataset that is not open is shared, not opened, until the record changes."""
    with store.catalog.write() as db:
        found = records.get_dataset(db, "roads").package
        found["catalog"] |= {"openness": "closed", "closed_reason": "N03", "legal_basis": "条例"}
        records.save_dataset(db, found, digest=records.package_digest(found), now=now_of(store))
    publish(store, dataset="roads")
    with store.catalog.write() as db:
        assert milestones.of(db, "roads")["opened"] is None
        assert milestones.of(db, "roads")["shared"]
        found["catalog"] |= {"openness": "open"}
        records.save_dataset(db, found, digest=records.package_digest(found), now="2030-01-01")
        assert milestones.of(db, "roads")["opened"] == "2030-01-01"


def test_successors_make_no_circle(store):
    """A successor exists, is served, and does not lead back."""

    def change(name, status, successor=None):
        with store.catalog.write() as db:
            lifecycle.set_status(db, name, status=status, reason="合并", successor=successor,
                                 who="op", now=now_of(store))  # fmt: skip

    change("lamps", "deprecated", "trees")
    change("trees", "deprecated", "roads")
    for name in ("lamps", "trees", "roads", "nowhere"):
        with pytest.raises(SuccessorInvalid):
            change("roads", "deprecated", name)
    change("lamps", "tombstone", "roads")
    with pytest.raises(StateError):
        change("lamps", "active")
    with pytest.raises(SuccessorInvalid):
        change("trees", "deprecated", "lamps")
    with store.catalog.read() as db:
        assert [c.what for c in changes.since(db, 0) if c.dataset == "lamps"][-1] == "status"
        assert audit.broken_link(db) is None


def test_a_tombstone_keeps_name_and_code(store):
    """Neither name nor code of a tombstone, nor a former code, is another dataset's ever again."""
    with store.catalog.write() as db:
        gone = records.get_dataset(db, "lamps").package
        lifecycle.set_status(db, "lamps", status="tombstone", reason="注销", successor=None,
                             who="op", now=now_of(store))  # fmt: skip
        other = records.get_dataset(db, "trees").package
        was = other["catalog"]["code"]
        with pytest.raises(NameTaken):
            records.check_free(db, "lamps")
        taken = other | {"catalog": other["catalog"] | {"code": gone["catalog"]["code"]}}
        with pytest.raises(NameTaken):
            records.save_dataset(db, taken, digest="d", now=now_of(store))
        moved = other | {"catalog": other["catalog"] | {"code": "30701001/999"}}
        records.save_dataset(db, moved, digest="d", now=now_of(store))
        third = records.get_dataset(db, "roads").package
        third["catalog"]["code"] = was
        with pytest.raises(NameTaken):
            records.save_dataset(db, third, digest="d", now=now_of(store))


def test_status_over_http(city):
    """Deprecated stays listed with a notice; a tombstone answers 410 with reason and successor."""
    city.publish("fall", ("fall", "fall.csv", table()))
    op, path = city.token("operator"), "/api/v1/datasets/fall"

    def change(**body):
        return city.post(f"{path}/status", token=op, json=body)

    assert change(status="gone", reason="x").status_code == 400
    assert change(status="deprecated").status_code == 400
    assert change(status="deprecated", reason="已合并", successor="no").status_code == 422
    assert change(status="deprecated", reason="已合并", successor="heir").status_code == 200
    view = city.get(path).json()
    assert view["notice"]["successor"] == "heir"
    assert "fall" in {d["name"] for d in city.get("/api/v1/datasets").json()["data"]}
    assert city.get(f"{path}/resources/fall/rows").status_code == 200
    assert change(status="tombstone", reason="<b>含敏感</b>", successor="heir").status_code == 200
    for address in (f"{path}/resources/fall/rows", "/d/fall/1/fall.csv", "/d/fall/latest/fall.csv"):
        answer = city.get(address)
        assert answer.status_code == 410
        facts = answer.json()["facts"]
        assert (facts["reason"], facts["successor"]) == ("<b>含敏感</b>", "heir")
        assert facts["at"]
    assert (city.data / "public/fall/1/fall.csv").exists()
    record = city.get(path)
    assert record.status_code == 200
    assert record.json()["notice"]["reason"] == "<b>含敏感</b>"
    assert city.get(f"{path}/releases").json()[0]["files"] == []
    assert "fall" not in {d["name"] for d in city.get("/api/v1/datasets").json()["data"]}
    listed = city.get("/api/v1/datasets?status=tombstone").json()["data"]
    assert [d["name"] for d in listed] == ["fall"]
    assert city.submit("fall", ("fall", "fall.csv", table())).status_code == 410
    assert change(status="active", reason="").status_code == 409
    assert city.cli("verify").returncode == 0


def test_rights_on_status_and_names(city):
    """Only stewards of the publisher and operators change status or name; others are told why."""
    theirs, own = city.token("steward", "p2"), city.token("steward", "p1")
    path = "/api/v1/datasets/rest"
    for rest, body in (
        ("status", {"status": "deprecated", "reason": "x"}),
        ("name", {"name": "rest2"}),
    ):
        assert city.post(f"{path}/{rest}", json=body).status_code == 401
        assert (
            city.post(f"{path}/{rest}", token=city.token("reviewer"), json=body).status_code == 403
        )
        refused = city.post(f"{path}/{rest}", token=theirs, json=body)
        assert refused.status_code == 403
        assert "环境局" in refused.json()["detail_zh"]
    done = city.post(f"{path}/status", token=own, json={"status": "deprecated", "reason": "x"})
    assert done.json()["status_zh"] == "不再推荐使用"
    done = city.cli("dataset", "status", "rest", "--set", "active", token=own)
    assert "正常" in done.stdout


def test_documents_not_in_force_are_listed_when_asked(city):
    """Of documents only those in force are listed; validity= shows the rest."""

    def names(query: str) -> set[str]:
        return {d["name"] for d in city.get(f"/api/v1/datasets{query}").json()["data"]}

    assert "old_rule" not in names("")
    assert names("?validity=repealed") == {"old_rule"}
    assert {"old_rule", "walk"} <= names("?validity=all")
    assert city.get("/api/v1/datasets?validity=maybe").status_code == 400
    assert city.get("/api/v1/datasets/old_rule").status_code == 200


# Names ---------------------------------------------------------------------------------------


def test_old_addresses_redirect_for_ever(city, tmp_path):
    """After a new name every old address redirects, files are the same bytes, pull verifies."""
    city.publish("moved", ("moved", "moved.csv", table()))
    manifest = city.get("/d/moved/1/manifest.json").content
    op = city.token("operator")
    done = city.post("/api/v1/datasets/moved/name", token=op, json={"name": "moved_on"})
    assert done.json()["formerly"] == ["moved"]
    for old, status in (
        ("/api/v1/datasets/moved", 308),
        ("/api/v1/datasets/moved/resources/moved/rows?limit=2&id=gt.3", 308),
        ("/d/moved/1/moved.csv", 308),
        ("/d/moved/latest/moved.parquet", 308),
        ("/datasets/moved", 301),
    ):
        answer = city.get(old)
        assert answer.status_code == status, old
        wanted = old.replace("/moved", "/moved_on", 1)
        assert answer.headers["location"] == wanted
        assert httpx.get(city.url + old, follow_redirects=True).status_code == 200
    assert city.get("/d/moved_on/1/manifest.json").content == manifest
    for name in ("moved", "moved_on"):
        pulled = city.cli("pull", name, "--to", tmp_path, check=True)
        assert "✓" in pulled.stdout
        assert list(verify_folder(tmp_path / name / "1")) == []
    assert city.cli("verify").returncode == 0
    assert not (city.data / "public/moved").exists()
    again = city.publish("moved_on", ("moved", "moved.csv", table(13)))
    assert again["version"] == 2
    taken = city.post("/api/v1/datasets/heir/name", token=op, json={"name": "moved"})
    assert taken.status_code == 409
    assert taken.json()["facts"]["dataset"] == "moved_on"
    for bad in ("../x", "A B", ""):
        wrong = city.post("/api/v1/datasets/heir/name", token=op, json={"name": bad})
        assert wrong.status_code == 400


def test_rows_of_the_catalog_follow_a_name(store):
    """Releases, field ids, milestones and submissions belong to the new name at once."""
    publish(store)
    with store.catalog.read() as db:
        manifest = releases.get(db, "lamps", 1).manifest_sha256
        ids = records.get_dataset(db, "lamps").rows
    rename(store, "lamps", "lanterns")
    with store.catalog.read() as db:
        assert releases.get(db, "lanterns", None).manifest_sha256 == manifest
        assert records.get_dataset(db, "lanterns").rows == ids
        assert all(milestones.of(db, "lanterns").values())
        with pytest.raises(DatasetMoved) as moved:
            records.get_dataset(db, "lamps")
        assert isinstance(moved.value, DatasetUnknown)
        told = [c.dataset for c in changes.since(db, 0) if c.what == "renamed"]
        assert told == ["lamps", "lanterns"]
    rename(store, "lanterns", "lights")
    with store.catalog.read() as db:
        assert records.current_name(db, "lamps") == "lights"
        assert records.current_name(db, "lanterns") == "lights"
    rename(store, "lights", "lamps")  # its own old name it may take back
    with store.catalog.read() as db:
        assert records.get_dataset(db, "lamps").latest == 1
        assert records.current_name(db, "lights") == "lamps"
    assert list(verify_store(store)) == []


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_while_renaming(store, monkeypatch, when):
    """Killed before the commit the old name is whole, after it the new one; nothing is left over."""
    folder = publish(store)
    inode = (folder / "lamps.csv").stat().st_ino

    class KilledError(BaseException):
        pass

    def die(*_arguments, **_more):
        raise KilledError

    if when == "before":
        monkeypatch.setattr(aliases.audit, "append", die)
    else:
        monkeypatch.setattr(aliases, "sweep", die)
    with pytest.raises(KilledError):
        rename_then_sweep(store)
    monkeypatch.undo()
    assert {p.name for p in (store.objects.root / "public").iterdir()} == {"lamps", "lanterns"}
    recover(store)
    name = "lamps" if when == "before" else "lanterns"
    assert [p.name for p in (store.objects.root / "public").iterdir()] == [name]
    assert (store.objects.public(name, 1) / "lamps.csv").stat().st_ino == inode
    assert list(verify_store(store)) == []
    with store.catalog.read() as db:
        assert releases.get(db, name, None).version == 1


def rename_then_sweep(store) -> None:
    """As the service does it."""
    with store.catalog.write() as db:
        aliases.rename(db, store.objects, "lamps", "lanterns", who="op", now=now_of(store))
    aliases.sweep(store)


def test_withdrawn_files_follow_too(store):
    """Files of a withdrawn release, which are private, lie under the new name afterwards."""
    publish(store)
    publish(store, table(13))
    with store.catalog.write() as db:
        releases.withdraw(db, releases.get(db, "lamps", 1), reason="错", who="op", at=now_of(store))
    store.objects.take_down("lamps", 1)
    rename(store, "lamps", "lanterns")
    assert (store.objects.withdrawn("lanterns", 1) / "lamps.csv").exists()
    assert not (store.objects.root / "withdrawn/lamps").exists()
    assert list(verify_store(store)) == []


# Totals --------------------------------------------------------------------------------------


def test_totals_and_funnel(city):
    """Totals add up rows × fields per publisher, region, theme and month; the funnel its stages."""
    city.publish("walk", ("walk", "walk.csv", table(30)))
    city.publish("water", ("water", "water.csv", table(20)))
    publishers = {p["id"]: p for p in city.get("/api/v1/publishers").json()}
    water = publishers["p2"]
    assert water["totals"] == {"datasets": 1, "releases": 1, "rows": 20, "cells": 40, "opened": 1}
    assert water["supervisor"] == {"id": "p1", "title": "环境局"}
    assert water["complaint"]["phone"] == "0717-0000012"
    assert water["category"]["code"] == "WAT"
    assert city.get("/api/v1/publishers/p2").json() == water
    assert city.get("/api/v1/publishers/p9").status_code == 404
    (root,) = city.get("/api/v1/regions").json()
    (below,) = root["regions"]
    assert below["own"] == water["totals"]
    assert root["below"]["rows"] == root["own"]["rows"] + 20
    every = city.get("/api/v1/totals?by=publisher").json()
    assert every["total"]["cells"] == every["total"]["rows"] * 2
    for kind in ("region", "theme"):
        assert city.get(f"/api/v1/totals?by={kind}").json()["total"] == every["total"]
    months = city.get("/api/v1/totals?by=month").json()
    assert months["data"][-1]["total"]["rows"] == every["total"]["rows"]
    assert months["data"][-1]["total"]["releases"] == every["total"]["releases"]
    funnel = city.get("/api/v1/funnel?region=420506").json()
    assert funnel["total"] == funnel["data"][0] | {"publisher": None, "title": "合计"}
    assert funnel["total"]["open_rate"] == 1.0
    mine = city.get("/api/v1/funnel?publisher=p1").json()["total"]
    assert mine["catalogued"] > mine["opened"] > 0
    assert mine["open_rate"] == round(mine["opened"] / mine["catalogued"], 4)
    assert city.get("/api/v1/totals?by=colour").status_code == 400


def test_totals_follow_each_change(store):
    """What was added up is not kept beyond a change."""

    def count():
        return totals.kept(store.catalog, ("t",), lambda db: totals.by(db, "publisher"))["p1"]

    before = count()
    assert (before.datasets, before.releases, before.opened) == (3, 0, 0)
    publish(store)
    assert (count().releases, count().rows, count().cells) == (1, 12, 24)
    with store.catalog.write() as db:
        lifecycle.set_status(db, "roads", status="withdrawn", reason="x", successor=None,
                             who="op", now=now_of(store))  # fmt: skip
    assert count().datasets == 2


def test_months_without_releases_are_there():
    """Totals at each month's end, also of months in which nothing happened."""
    found = totals._cumulated({"2025-11": {"rows": 5, "datasets": 1}, "2026-02": {"rows": 2}})
    assert [(m["month"], m["total"].rows) for m in found] == [
        ("2025-11", 5), ("2025-12", 5), ("2026-01", 5), ("2026-02", 7),
    ]  # fmt: skip


# Series --------------------------------------------------------------------------------------


def test_series_of_issues_over_http(city):
    """The gaps between the issues that are held are told by year and number."""
    issues = [(2023, 2), (2023, 4), (2024, 1), (2024, 2), (2024, 3), (2024, 4), (2025, 1)]
    data = "year,no\n" + "".join(f"{y},{n}\n" for y, n in issues)
    city.publish("books", ("books", "books.csv", data.encode()))
    found = city.get("/api/v1/datasets/books/series").json()
    assert found["missing"] == [{"year": 2023, "no": 3}]
    assert (found["expected"], found["held"]) == (8, 7)
    assert found["overdue"][0] == {"year": 2025, "no": 2}
    assert "缺 2023 年第 3 期" in city.cli("dataset", "series", "books").stdout
    assert city.get("/api/v1/datasets/heir/series").status_code == 404


def declared(**series) -> Dataset:
    """A dataset whose record declares a series."""
    return Dataset(name="d", title="d", publisher="p1", publisher_title="", theme="", theme_title="",
                   openness=Openness.OPEN, digest="", created="", modified="",
                   package={"catalog": {"series": series, "update_cycle": "monthly"}, "resources": []})  # fmt: skip


def test_issues_without_a_fixed_number_a_year():
    """Without a frequency the highest number of each year tells; a year without any is a gap."""
    rows = [("2020", "1"), ("2020", "3"), ("2022", "第1期"), ("x", "2")]
    dataset = declared(kind="issue")
    found = _issues(dataset, dataset.record["series"], rows, date(2026, 1, 1))
    assert found["missing"] == [{"year": 2020, "no": 2}, {"year": 2021, "no": None}]
    assert found["unreadable"] == 1
    assert found["overdue"] == []


@pytest.mark.parametrize(
    ("cycle", "values", "missing", "overdue"),
    [
        ("monthly", ["2025-01", "2025-03", "202504"], ["2025-02"], ["2025-05", "2025-06"]),
        ("quarterly", ["2024Q1", "2024-Q3"], ["2024-Q2"], ["2024-Q4", "2025-Q1", "2025-Q2"]),
        ("yearly", ["2021", "2024"], ["2022", "2023"], []),
        ("halfyear", ["2024-H1", "2025-H1"], ["2024-H2"], []),
        ("tendays", ["2025-06-01", "2025-06-21"], ["2025-06中旬"], []),
        ("weekly", ["2025-06-16", "2025-06-30"], ["2025-W26"], []),
        ("daily", ["2025-06-28", "2025-06-30"], ["2025-06-29"], ["2025-07-01"]),
    ],
)
def test_series_of_periods(cycle, values, missing, overdue):
    """Gaps up to the last period held are missing, what ended since is overdue."""
    dataset = declared(kind="period", field="m", frequency=cycle)
    rows = [(value,) for value in values]
    found = _periods(dataset, dataset.record["series"], rows, date(2025, 7, 2))
    assert found["missing"] == missing
    if cycle in ("monthly", "quarterly", "daily"):
        assert found["overdue"] == overdue


@pytest.mark.parametrize("cycle", sorted(CYCLES))
def test_periods_are_consecutive(cycle):
    """Day by day the number of a period stays or grows by one, and its first day is in it."""
    found, day = CYCLES[cycle], date(1999, 12, 20)
    before = found.number(day)
    for _ in range(800):
        day += timedelta(days=1)
        number = found.number(day)
        assert number - before in (0, 1)
        assert found.number(found.first(number)) == number
        before = number
    assert _day(found.label(before)) is not None


# Catalogs of the version before --------------------------------------------------------------


def test_upgrade_of_a_catalog_with_content(tmp_path):
    """A catalog made before has its sizes, dates, scores and lists filled when it is opened."""
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    from datahub.store import engine as engine_module

    path = tmp_path / "catalog.sqlite"
    config = Config()
    folder = engine_module.Path(engine_module.__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder))
    described = package("lamps")
    described["resources"][0]["schema"] = {"fields": [{"name": "id"}, {"name": "name"}]}
    old = package("old") | {"resources": described["resources"]}
    old["catalog"] |= {"validity": "expired"}
    files = [{"path": "lamps.csv", "bytes": 1, "sha256": "x", "media_type": "text/csv", "resource": "lamps", "rows": 7},
             {"path": "lamps.parquet", "bytes": 1, "sha256": "x", "media_type": "x", "resource": "lamps", "rows": 7}]  # fmt: skip
    with sa.create_engine(f"sqlite:///{path}").begin() as db:
        config.attributes["connection"] = db
        command.upgrade(config, "0001")
        db.exec_driver_sql("insert into publishers values ('p1', '环境局', 'c', '420500', '{}')")
        for name, what in (("lamps", described), ("old", old)):
            db.exec_driver_sql(
                "insert into datasets values (?, ?, 'p1', '07', 'open', ?, 'd', '', '2025-01-01', '2025-01-02', ?, 0)",
                (name, f"数据集 {name}", json.dumps(what), 1 if name == "lamps" else None),
            )
        db.exec_driver_sql(
            "insert into releases values ('lamps', 1, 's1', '2025-03-01', 'm', ?, ?, null, null, null)",
            (json.dumps(described), json.dumps(files)),
        )
    catalog = Catalog(path)
    with catalog.read() as db:
        found = records.get_dataset(db, "lamps")
        assert (found.rows, found.cells, found.data_updated) == (7, 14, "2025-03-01")
        assert found.score > 50
        assert milestones.of(db, "lamps") == {
            "catalogued": "2025-01-01", "collected": "2025-03-01",
            "shared": "2025-03-01", "opened": "2025-03-01",
        }  # fmt: skip
        assert [d.name for d in records.list_datasets(db, records.Filter())[1]] == ["lamps"]
        assert totals.by(db, "publisher")["p1"].cells == 14
        assert [c.dataset for c in changes.since(db, 0)] == ["lamps", "old"]
    catalog.close()


def test_withdrawn_datasets_come_back(store):
    """A withdrawn dataset is off the lists and not served; made active again it is as before."""
    publish(store)
    with store.catalog.write() as db:
        change = {"successor": None, "who": "op", "now": now_of(store)}
        lifecycle.set_status(db, "lamps", status="withdrawn", reason="核查", **change)
        with pytest.raises(DatasetGone):
            records.check_open(db, "lamps")
        assert records.list_datasets(db, records.Filter())[0] == 2
        lifecycle.set_status(db, "lamps", status="active", reason="", **change)
        records.check_open(db, "lamps")
        assert records.list_datasets(db, records.Filter())[0] == 3
