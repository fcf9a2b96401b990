"""Registering a catalog folder: plan, apply, refuse mistakes with their place, change nothing."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hub import CATALOG, Hub
from own_store import (
    CATALOG as SMALL,
)
from own_store import (
    REVIEWER,
    SCHEMA,
    approved,
    get,
    hand_in,
    own_store,
    package,
    publish,
    run,
    swift,
    table,
    write_catalog,
    write_dataset,
)

from datahub.errors import CatalogError, DecisionVoid
from datahub.model import State
from datahub.settings import Settings
from datahub.stages.register import export, register
from datahub.stages.review import review
from datahub.store import audit, open_store, proposals, records, submissions


def known(store) -> dict[str, tuple]:
    """Every dataset with its digest and whether it is retired."""
    with store.catalog.read() as db:
        return {n: (d.digest, d.retired) for n, d in records.all_datasets(db).items()}


def refused(store, folder: Path) -> str:
    """Place and texts of the error with which a folder is refused; nothing may change."""
    before = known(store)
    with store.catalog.read() as db:
        audit = db.exec_driver_sql("select count(*) from audit").scalar()
    with pytest.raises(CatalogError) as caught:
        register(store, folder)
    with store.catalog.read() as db:
        assert db.exec_driver_sql("select count(*) from audit").scalar() == audit
    assert known(store) == before
    return f"{caught.value.facts['place']}|{caught.value.text_zh}|{caught.value.text_en}"


@pytest.fixture(autouse=True, scope="module")
def _swift():
    """Run the stages' functions in this process."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        yield


@pytest.fixture
def store(tmp_path):
    """A store with the dataset `lamps` of `tmp_path / "catalog"`."""
    own = own_store(tmp_path)
    yield own
    own.close()


def test_the_city_catalog_registers_twice(tmp_path):
    """The second run of the real catalog finds nothing to do and writes nothing."""
    store = open_store(Settings(data=tmp_path / "data"))
    first, before = register(store, CATALOG), known(store)
    second = register(store, CATALOG)
    folders = {file.parent.name for file in CATALOG.glob("datasets/*/datapackage.yaml")}
    assert (set(first.add), first.empty) == (folders, False)
    assert (second.empty, second.same) == (True, first.add)
    assert known(store) == before
    store.close()


def test_plan_shows_add_change_retire(store, tmp_path):
    """The plan names what comes, changes, goes and stays, and applying does just that."""
    folder = write_catalog(tmp_path / "catalog", "benches", "parks")
    register(store, folder)
    write_dataset(folder, package("lamps", title="新名"))
    (folder / "datasets/benches/datapackage.yaml").unlink()
    write_dataset(folder, package("trees"))
    plan, before = register(store, folder, apply=False), known(store)
    shown = (plan.add, plan.change, plan.retire, plan.same)
    assert shown == (("trees",), ("lamps",), ("benches",), ("parks",))
    assert known(store) == before
    assert register(store, folder) == plan
    assert (known(store)["benches"][1], known(store)["trees"][1]) == (True, False)
    assert register(store, folder).empty


def test_plan_of_the_command_changes_nothing(tmp_path):
    """`datahub register --plan` prints the signs and leaves the catalog as it is."""
    hub = Hub(tmp_path / "data", catalog=write_catalog(tmp_path / "catalog", "lamps"))
    hub.data.mkdir()
    shown = hub.cli("register", hub.catalog, "--plan", check=True).stdout
    again = json.loads(hub.cli("register", hub.catalog, "--plan", "--json", check=True).stdout)
    assert "+ 新增 add lamps" in shown
    assert again["add"] == ["lamps"]


def test_order_of_keys_is_no_change(store, tmp_path):
    """A descriptor written in another order is the same descriptor."""
    write_dataset(tmp_path / "catalog", dict(reversed(package().items())))
    assert register(store, tmp_path / "catalog").same == ("lamps",)


def test_vocabulary_change_is_planned(store, tmp_path):
    """A new theme is a change although no dataset changes; afterwards there is nothing to do."""
    themes = [*SMALL["themes"], {"code": "08", "title": "气象"}]
    folder = write_catalog(tmp_path / "catalog", "lamps", themes=themes)
    plan = register(store, folder)
    assert (plan.vocabularies, plan.change, plan.empty) == (True, (), False)
    assert register(store, folder).empty


def test_a_dataset_of_another_catalog_is_refused(store, tmp_path):
    """Two catalogs cannot own one dataset."""
    other = write_catalog(tmp_path / "other", "lamps", name="other")
    assert "lamps|lamps：数据集已属于目录 small" in refused(store, other)


def without(key: str) -> dict:
    """Descriptor that lacks one key, or one key of its record."""
    changed = package()
    if key in changed:
        del changed[key]
    else:
        changed["catalog"] = {k: v for k, v in changed["catalog"].items() if k != key}
    return changed


def record(**changes: object) -> dict:
    """Descriptor with a changed record."""
    return package(catalog=package()["catalog"] | changes)


def resource(**changes: object) -> dict:
    """Descriptor with a changed resource."""
    return package(resources=[package()["resources"][0] | changes])


@pytest.mark.parametrize(
    ("descriptor", "place", "told"),
    [
        *((without(k), rf"datapackage.yaml:\d+ {k}$", "缺少必填项") for k in ("name", "title", "resources", "licenses")),
        *((without(k), rf"datapackage.yaml:\d+ catalog.{k}$", "缺少必填项") for k in ("publisher", "theme", "openness", "update_cycle", "code", "issued")),
        (record(theme="77"), r":\d+ catalog.theme$", "“77”不在允许的值里：07"),
        (record(publisher="p9"), r":\d+ catalog.publisher$", "“p9”不在允许的值里：p1"),
        (record(openness="maybe"), r":\d+ catalog.openness$", "open, conditional, closed"),
        (record(update_cycle="often"), r":\d+ catalog.update_cycle$", "realtime"),
        (package(name="Lamps"), r":1 name$", "小写字母"),
        (package(name="../lamps"), r":1 name$", "小写字母"),
        (package(name="lamps\n"), r":1 name$", "小写字母"),
        (resource(name="Lamps"), r":\d+ resources.0.name$", "小写字母"),
        (resource(schema=None), r":\d+ resources.0.schema$", "缺少表结构"),
        (resource(schema="schemas/none/x.json"), r":\d+ resources.0.schema$", "没有文件"),
        (resource(schema="../../../secret.json"), r":\d+ resources.0.schema$", "目录之外"),
        (resource(schema="../lamps/schemas/../../../../secret.json"), r":\d+ resources.0.schema$", "目录之外"),
        (resource(schema="/etc/hosts"), r":\d+ resources.0.schema$", "目录之外"),
        (resource(schema={"fields": [{"name": "a", "type": "int"}]}), r":\d+ resources.0.schema$", "int"),
        (package(resources="lamps"), r":\d+ resources", ""),
        (package(resources=[1]), r":\d+ resources.0", ""),
        (package(title=5), r"datapackage.yaml:\d+", ""),
        (package(keywords=[1]), r"datapackage.yaml:\d+", ""),
        (package(keywords="灯"), r"datapackage.yaml:\d+", ""),
        (package(catalog=["x"]), r":\d+ catalog.publisher$", "缺少必填项"),
        (package(resources=package()["resources"] * 2), r":\d+ resources.1.name$", "重复"),
    ],
)  # fmt: skip
def test_mistakes_of_a_descriptor(store, tmp_path, descriptor, place, told):
    """Each mistake of a datapackage.yaml is refused with file, line and field."""
    (tmp_path / "secret.json").write_text(json.dumps(SCHEMA))
    write_dataset(tmp_path / "catalog", descriptor, at="lamps")
    where, words = refused(store, tmp_path / "catalog").split("|", 1)
    assert re.search(place, where), where
    assert told in words


FIELDS = [{"name": "a"}, {"name": "b"}]


def fk(resource_name: str, field: str = "a") -> dict:
    """Schema with a foreign key."""
    reference = {"resource": resource_name, "fields": [field]}
    return {"fields": FIELDS, "foreignKeys": [{"fields": ["a"], "reference": reference}]}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"fields": [{"name": "a", "type": "int"}]}, '"int" is not supported'),
        ({"fields": FIELDS, "primaryKey": ["c"]}, "primary key"),
        ({"fields": FIELDS, "primaryKey": "c"}, "primary key"),
        (fk("nowhere"), "不存在的资源“nowhere”"),
        ({"fields": FIELDS, "foreignKeys": [{"fields": ["a"]}]}, "foreign key"),
        ({"fields": FIELDS, "foreignKeys": [{"fields": ["c"], "reference": {"resource": "lamps", "fields": ["a"]}}]}, "foreign key"),
        (fk("lamps", "zz"), "zz"),
        ({"fields": [{"name": "a"}, {"name": "a"}]}, "unique"),
        ({"fields": [{"name": "a", "constraints": {"pattern": "["}}]}, "["),
        ({"fields": [{"name": "a", "type": "integer", "constraints": {"minimum": "x"}}]}, "minimum"),
        ({"fields": [{"name": "a", "type": "datetime", "timezone": "Mars/Base"}]}, "Mars/Base"),
        ({"fields": []}, "fields"),
        ({"fields": [{"type": "string"}]}, "name"),
        ({"columns": []}, "fields"),
        ([1], "fields"),
    ],
)  # fmt: skip
def test_mistakes_of_a_schema(store, tmp_path, schema, told):
    """Each mistake of a table schema is refused when it is registered, not when data comes."""
    write_dataset(tmp_path / "catalog", package(), schema)
    where, words = refused(store, tmp_path / "catalog").split("|", 1)
    assert "lamps.json" in where or "resources.0.schema" in where
    assert told in words


def test_bad_yaml_has_its_line(store, tmp_path):
    """A YAML mistake is told with its line."""
    file = tmp_path / "catalog/datasets/lamps/datapackage.yaml"
    file.write_text("name: lamps\ntitle: [灯\nx: 1\n")
    assert re.search(r"datapackage.yaml:3\|.*YAML", refused(store, tmp_path / "catalog"))


def test_bad_json_has_its_line(store, tmp_path):
    """A JSON mistake is told with line and column."""
    (tmp_path / "catalog/datasets/lamps/schemas/lamps.json").write_text('{"fields": [\n  {"a" 1}]}')
    assert re.search(r"lamps.json:2:8\|.*JSON", refused(store, tmp_path / "catalog"))


@pytest.mark.parametrize("name", ["datapackage.yaml", "schemas/lamps.json"])
def test_text_that_is_not_utf8(store, tmp_path, name):
    """A file in GB18030 is refused, with its name."""
    (tmp_path / "catalog/datasets/lamps" / name).write_bytes("名: 宜昌".encode("gb18030"))
    assert Path(name).name in refused(store, tmp_path / "catalog")


def test_a_schema_behind_a_link_is_refused(store, tmp_path):
    """A symbolic link does not lead out of the catalog folder."""
    (tmp_path / "secret.json").write_text(json.dumps(SCHEMA))
    file = tmp_path / "catalog/datasets/lamps/schemas/lamps.json"
    file.unlink()
    file.symlink_to(tmp_path / "secret.json")
    assert "目录之外" in refused(store, tmp_path / "catalog")


def test_two_datasets_of_one_name(store, tmp_path):
    """The second dataset of a name is refused with the place of the first."""
    write_dataset(tmp_path / "catalog", package("lamps"), at="other")
    told = refused(store, tmp_path / "catalog")
    assert re.search(r"other/datapackage.yaml:1 name\|.*lamps/datapackage.yaml", told)


PUBLISHER = SMALL["publishers"][0]


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"publishers": [PUBLISHER | {"credit_code": "11420500MB0000019U"}]}, r":\d+ publishers\[0\].credit_code"),
        ({"publishers": [PUBLISHER | {"credit_code": 114205}]}, r"publishers\[0\].credit_code"),
        ({"publishers": [PUBLISHER | {"region": "999999"}]}, r"publishers\[0\].region"),
        ({"publishers": []}, r"catalog.yaml:1 publishers"),
        ({"publishers": [PUBLISHER, PUBLISHER]}, r"publishers\[1\]"),
        ({"themes": [{"code": "07"}]}, r"themes\[0\].title"),
        ({"themes": [{"code": 7, "title": "x"}]}, r"themes\[0\].code"),
        ({"themes": ["x"]}, r"themes\[0\]"),
        ({"themes": [*SMALL["themes"], {"code": "07", "title": "别名"}]}, r"themes\[1\]"),
        ({"regions": None}, r"catalog.yaml:1 regions"),
        ({"name": ""}, r"catalog.yaml:1 name"),
    ],
)  # fmt: skip
def test_mistakes_of_the_catalog_file(store, tmp_path, changes, place):
    """Each mistake of catalog.yaml is refused with line and field."""
    write_catalog(tmp_path / "catalog", "lamps", **changes)
    assert re.search(place, refused(store, tmp_path / "catalog"))


@pytest.mark.parametrize("missing", ["", "catalog.yaml", "datasets"])
def test_a_folder_that_is_none(store, tmp_path, missing):
    """A folder that is not there, or lacks its parts, is named."""
    folder = write_catalog(tmp_path / "empty")
    if missing == "catalog.yaml":
        (folder / missing).unlink()
    target = folder if missing else tmp_path / "nowhere"
    assert str(target / missing).rstrip("/") in refused(store, target)


def test_the_first_mistake_leaves_the_good_ones_unregistered(store, tmp_path):
    """One bad dataset keeps the whole folder from being applied."""
    write_dataset(tmp_path / "catalog", package("good"))
    write_dataset(tmp_path / "catalog", package("bad", title=""))
    assert "bad/datapackage.yaml" in refused(store, tmp_path / "catalog")
    assert set(known(store)) == {"lamps"}


# Changes while data is there --------------------------------------------------------------


def test_a_retired_dataset_stays_downloadable(tmp_path):
    """A dataset that left the folder is off the list; its release is served as before."""
    folder = write_catalog(tmp_path / "catalog", "lamps", "parks")
    hub = Hub(tmp_path / "data", catalog=folder)
    hub.data.mkdir()
    hub.register()
    hub.fill("lamps", ("lamps", "lamps.csv", table()))
    hub.start()
    try:
        (folder / "datasets/lamps/datapackage.yaml").unlink()
        hub.register()
        listed = hub.get("/api/v1/datasets").json()
        assert "lamps" not in json.dumps(listed)
        assert hub.get("/d/lamps/1/lamps.csv").content == table()
        assert hub.get("/d/lamps/latest/lamps.csv").status_code == 200
    finally:
        hub.stop()


def test_changed_metadata_voids_a_decision(store, tmp_path):
    """A decision after the metadata changed does not count; the work begins again, then it does."""
    submission = hand_in(store)
    assert run(store, submission) is State.IN_REVIEW
    write_dataset(tmp_path / "catalog", package(title="新名"))
    register(store, tmp_path / "catalog")
    with pytest.raises(DecisionVoid) as caught:
        review(store, REVIEWER, submission.id, "approve", "")
    now = get(store, submission)
    assert (caught.value.status, now.state, now.attempt, now.decision) == (
        409,
        State.RECEIVED,
        2,
        None,
    )
    assert run(store, submission) is State.IN_REVIEW
    assert review(store, REVIEWER, submission.id, "approve", "").state is State.APPROVED
    assert run(store, submission) is State.RELEASED


def test_metadata_changed_after_approval(store, tmp_path):
    """An approval from before a change is void: nothing is released, review comes again."""
    submission = approved(store)
    write_dataset(tmp_path / "catalog", package(), SCHEMA | {"missingValues": ["", "NA"]})
    register(store, tmp_path / "catalog")
    assert run(store, submission) is State.IN_REVIEW
    assert not list((tmp_path / "data/public").glob("*/*"))
    with store.catalog.read() as db:
        assert submissions.get(db, submission.id).decision is None


def test_a_resource_added_while_a_submission_waits(store, tmp_path):
    """A submission that lacks a file for a new resource is rejected with a clear code."""
    submission = hand_in(store)
    assert run(store, submission) is State.IN_REVIEW
    two = [
        *package()["resources"],
        {"name": "more", "path": "m.csv", "schema": "schemas/more.json"},
    ]
    write_dataset(tmp_path / "catalog", package(resources=two))
    register(store, tmp_path / "catalog")
    pytest.raises(DecisionVoid, review, store, REVIEWER, submission.id, "approve", "")
    assert run(store, submission) is State.REJECTED
    assert get(store, submission).problem["code"] == "submission-incomplete"


def test_a_resource_renamed_while_a_submission_waits(store, tmp_path):
    """A submission whose resource is gone is rejected with a clear code."""
    submission = hand_in(store)
    renamed = {"name": "other", "path": "o.csv", "schema": "schemas/other.json"}
    write_dataset(tmp_path / "catalog", package(resources=[renamed]))
    register(store, tmp_path / "catalog")
    assert run(store, submission) is State.REJECTED
    assert get(store, submission).problem["code"] == "submission-incomplete"


def test_released_descriptor_is_that_of_its_release(store, tmp_path):
    """A title changed later does not reach into a release that is out."""
    folder = publish(store)
    write_dataset(tmp_path / "catalog", package(title="新名"))
    register(store, tmp_path / "catalog")
    assert json.loads((folder / "datapackage.json").read_text())["title"] == "数据集 lamps"


# Ambiguous and hostile folders ------------------------------------------------------------


def written(tmp_path: Path, text: str, name: str = "datasets/lamps/datapackage.yaml") -> Path:
    """The catalog folder with another text in one of its files."""
    (tmp_path / "catalog" / name).write_text(text, encoding="utf-8")
    return tmp_path / "catalog"


BILLIONS = 'a: &a ["x","x","x","x","x","x","x","x","x"]\n' + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\n" for n in range(9)
)


@pytest.mark.parametrize(
    ("text", "place", "rule"),
    [
        ("name: lamps\ntitle: 灯\ntitle: 灯二\n", r":3$", "duplicate-key"),
        ("name: lamps\ntitle: {a: 1, a: 2}\n", r":2$", "duplicate-key"),
        (BILLIONS, r"datapackage.yaml:\d+$", "aliases"),
        ("a: &a [*a]\n", r"datapackage.yaml:1$", "too-deep"),
        ("a: " + "[" * 20_000, r":1$", "too-deep"),
        ("a: " + "{b: " * 3000, r":1$", "too-deep"),
        ("1: lamps\n", r":1$", "key"),
        ("a: !!python/object/apply:os.system [ls]\n", r":1$", "tag"),
        ("a: .nan\n", r":1$", "yaml"),
        ("a: 1\n---\nb: 2\n", r":2$", "yaml"),
        ("name: 5\ntitle: 灯\nresources: [x]\ncatalog: {a: b}\nlicenses: [x]\n", r":1 name$", "type"),
    ],
)  # fmt: skip
def test_ambiguous_yaml_is_refused(store, tmp_path, text, place, rule):
    """YAML that says two things, or explodes, is refused with its line and rule."""
    folder = written(tmp_path, text)
    assert re.search(place, refused(store, folder).split("|")[0])
    with pytest.raises(CatalogError) as caught:
        register(store, folder)
    assert caught.value.facts["rule"] == rule


def test_a_yaml_of_50_mb_is_refused_at_once(store, tmp_path):
    """A huge file is refused by its size, before it is read."""
    folder = written(tmp_path, "title: " + "x" * 50_000_000)
    began = time.monotonic()
    assert "50.0 MB" in refused(store, folder)
    assert time.monotonic() - began < 2


def test_a_schema_with_a_key_twice(store, tmp_path):
    """A JSON key that stands twice is refused, for one of the two would be lost."""
    folder = written(tmp_path, '{"fields": [], "fields": []}', "datasets/lamps/schemas/lamps.json")
    assert "fields" in refused(store, folder)


def test_two_records_cannot_claim_one_code(store, tmp_path):
    """The second record of a code is refused with the first one's name."""
    code = package()["catalog"]["code"]
    write_dataset(tmp_path / "catalog", package("parks", catalog=record(code=code)["catalog"]))
    told = refused(store, tmp_path / "catalog")
    assert re.search(r"parks/datapackage.yaml:\d+ catalog.code\|.*已属于数据集 lamps", told)


def test_a_code_once_used_is_never_used_again(store, tmp_path):
    """A code that a dataset had before stays that dataset's."""
    old = package()["catalog"]["code"]
    folder = tmp_path / "catalog"
    write_dataset(folder, record(code="307001/77"))
    register(store, folder)
    write_dataset(folder, package("parks", catalog=record(code=old)["catalog"]))
    assert "lamps" in refused(store, folder)


def test_a_foreign_key_to_no_dataset(store, tmp_path):
    """A foreign key into a dataset that does not exist is refused."""
    write_dataset(tmp_path / "catalog", package(), fk("nowhere/table"))
    assert "nowhere/table" in refused(store, tmp_path / "catalog")


def test_all_mistakes_are_told_at_once(store, tmp_path):
    """The error names the first mistake and lists every other with place and rule."""
    write_dataset(tmp_path / "catalog", record(theme="77", grade="L9"))
    write_dataset(tmp_path / "catalog", package("parks", title="灯" * 300))
    with pytest.raises(CatalogError) as caught:
        register(store, tmp_path / "catalog")
    rules = [problem["rule"] for problem in caught.value.facts["problems"]]
    assert sorted(rules) == ["too-long", "unknown-code", "unknown-code"]


AREA = SMALL["regions"][0]


@pytest.mark.parametrize(
    ("changes", "place", "told"),
    [
        ({"regions": [AREA | {"parent": "420506"}, {"code": "420506", "title": "夷陵区", "parent": "420500"}]}, r"regions\[0\].parent", "420500 → 420506"),
        ({"regions": [AREA | {"parent": "999999"}]}, r"regions\[0\].parent", "999999"),
        ({"regions": [AREA | {"parnet": "999999"}]}, r"regions\[0\].parnet", "parent"),
        ({"publishers": [PUBLISHER | {"category": "WAT"}]}, r"publishers\[0\].supervisor", "主管部门"),
        ({"publishers": [PUBLISHER | {"category": "XXX"}]}, r"publishers\[0\].category", "供水"),
        ({"publishers": [PUBLISHER | {"supervisor": "p1"}]}, r"publishers\[0\].supervisor", "成环"),
        ({"publishers": [PUBLISHER, PUBLISHER | {"id": "p2"}]}, r"publishers\[1\].credit_code", "p1"),
        ({"publishers": [PUBLISHER | {"title": "<b>x</b>"}]}, r"publishers\[0\].title", "HTML"),
    ],
)  # fmt: skip
def test_more_mistakes_of_the_catalog_file(store, tmp_path, changes, place, told):
    """Cycles among regions, public enterprises without supervisor and the like are refused."""
    write_catalog(tmp_path / "catalog", "lamps", **changes)
    said = refused(store, tmp_path / "catalog")
    assert re.search(rf"catalog.yaml:\d+ {place}", said)
    assert told in said


# Plan, review, names, export --------------------------------------------------------------


def test_the_plan_tells_values_before_and_after(store, tmp_path):
    """Every changed field is shown with both values, on the command line, too."""
    write_dataset(tmp_path / "catalog", package(title="新名"))
    plan = register(store, tmp_path / "catalog", apply=False)
    (change,) = plan.differences["lamps"]
    assert (change.field, change.before, change.after) == ("title", "数据集 lamps", "新名")
    done = Hub(tmp_path / "data").cli("register", tmp_path / "catalog", "--plan", check=True)
    assert "title: 数据集 lamps → 新名" in done.stdout


CONDITIONS = {"method": "线下申请", "use": "只用于研究", "security": "专人保管"}


def test_guarded_attributes_wait_for_a_second_person(store, tmp_path):
    """A change of openness becomes a proposal; once approved there is nothing left to do."""
    folder = tmp_path / "catalog"
    write_dataset(folder, record(openness="conditional", open_condition=CONDITIONS))
    before = known(store)
    plan = register(store, folder)
    assert (plan.review, plan.change) == (("lamps",), ())
    assert known(store) == before
    again = register(store, folder)
    assert (again.empty, again.review, again.waiting) == (True, (), ("lamps",))
    with store.catalog.write() as db:
        (waiting,) = proposals.pending(db)
        proposals.decide(
            db, waiting.id, verdict="approve", who="wang", reason="", now="2026-11-22T00:00:00Z"
        )
    assert register(store, folder).same == ("lamps",)
    assert known(store) != before


def test_a_renamed_dataset_keeps_its_code_and_old_name(store, tmp_path):
    """`formerly` renames; the old name is never another dataset's."""
    folder = tmp_path / "catalog"
    code = package()["catalog"]["code"]
    publish(store)
    (folder / "datasets/lamps/datapackage.yaml").unlink()
    new = package("lights", catalog=record(code=code, formerly=["lamps"])["catalog"])
    write_dataset(folder, new)
    plan = register(store, folder)
    assert (plan.rename, plan.add, plan.retire) == ((("lamps", "lights"),), (), ())
    assert register(store, folder).empty
    with store.catalog.read() as db:
        assert records.current_name(db, "lamps") == "lights"
        assert records.latest_version(db, "lights") == 1
    write_dataset(folder, package("lamps"))
    assert "lights" in refused(store, folder)


def test_a_duplicate_is_shown_before_it_is_saved(store, tmp_path):
    """The same table under a similar title at another publisher stands in the plan."""
    other = PUBLISHER | {"id": "p2", "title": "城管局", "credit_code": "11420500MB0000027M"}
    folder = write_catalog(tmp_path / "catalog", publishers=[PUBLISHER, other])
    write_dataset(folder, record(publisher="p2") | {"name": "lights", "title": "数据集 lamps 名录",
                  "catalog": record(publisher="p2", code="307001/5")["catalog"]})  # fmt: skip
    plan = register(store, folder, apply=False)
    assert [(d.dataset, d.like, d.publisher) for d in plan.duplicates] == [
        ("lights", "lamps", "p1")
    ]
    assert set(known(store)) == {"lamps"}


def test_the_city_catalog_goes_out_and_comes_back(tmp_path):
    """An exported folder registers to the same catalog: nothing to change, in either store."""
    first = open_store(Settings(data=tmp_path / "one"))
    register(first, CATALOG)
    done = export(first, tmp_path / "out")
    assert (done.catalog, done.datasets) == ("yichang", len(known(first)))
    assert register(first, tmp_path / "out").empty
    second = open_store(Settings(data=tmp_path / "two"))
    register(second, tmp_path / "out")
    assert known(second) == known(first)
    assert register(second, CATALOG).empty
    export(second, tmp_path / "again")
    for file in sorted((tmp_path / "out").rglob("*.*")):
        assert (tmp_path / "again" / file.relative_to(tmp_path / "out")).read_bytes() == (
            file.read_bytes()
        )
    with pytest.raises(CatalogError):
        export(first, tmp_path / "out")
    first.close()
    second.close()


def test_many_datasets_register_quickly(tmp_path):
    """Three hundred datasets take seconds, the second run less, and the audit chain holds."""
    folder = write_catalog(tmp_path / "catalog", *(f"lamps{n}" for n in range(300)))
    store = open_store(Settings(data=tmp_path / "data"))
    began = time.monotonic()
    assert len(register(store, folder).add) == 300
    assert time.monotonic() - began < 20
    assert register(store, folder).empty
    with store.catalog.read() as db:
        assert audit.broken_link(db) is None
        assert db.exec_driver_sql("select count(*) from changes where dataset > ''").scalar() == 300
    store.close()
