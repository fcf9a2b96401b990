"""The record: code lists, rules field by field, regions, score, duplicates, JSON Schema, routes."""

from __future__ import annotations

import datetime as dt
import json

import jsonschema
import pytest
import yaml
from hub import CATALOG, ROOT

from datahub.record import completeness, duplicates, regions, rules, texts, vocabularies
from datahub.record import jsonschema as made
from datahub.record.compare import compare

AREAS = [
    {"code": "420500", "title": "宜昌市"},
    {"code": "420506", "title": "夷陵区", "parent": "420500", "valid_from": "2001"},
    {"code": "420521", "title": "宜昌县", "parent": "420500", "valid_to": "2001"},
    {"code": "420500-gxq", "title": "高新区", "parent": "420500"},
]
CONTEXT = rules.Context(
    publishers={"p1": {"id": "p1", "title": "环境局", "region": "420506"}},
    themes={"07": {"code": "07", "title": "生态环境"}},
    licenses={"CC-BY-4.0": {"name": "CC-BY-4.0", "title": "署名"}},
    regions=regions.Tree(AREAS),
    codes={"307001/9": "other"},
    titles={("p1", "已有"): "other"},
    datasets={"other": None},
    aliases={"former": "other"},
    today=dt.date(2026, 6, 1),
)
TERMS = {"method": "线下申请", "use": "只用于研究", "security": "专人保管"}


def package(*fields: dict, top: dict | None = None, **record: object) -> dict:
    """A right record, changed."""
    own = {
        "publisher": "p1", "code": "307001/1", "theme": "07", "openness": "open", "grade": "L1",
        "share_type": "1", "update_cycle": "monthly", "issued": "2026-01-01",
    }  # fmt: skip
    return {
        "name": "lamps",
        "title": "路灯",
        "description": "路灯的编号和位置。",
        "licenses": [{"name": "CC-BY-4.0"}],
        "resources": [{"name": "lamps", "schema": {"fields": list(fields) or [{"name": "a"}]}}],
        "catalog": {k: v for k, v in (own | record).items() if v is not None},
    } | (top or {})


def broken(given: object) -> list[tuple[str, str]]:
    """Field and rule of everything that is wrong."""
    return [(problem.field, problem.rule) for problem in rules.check(given, CONTEXT)]


def test_a_right_record_has_no_problem():
    """The record that all cases below change breaks no rule."""
    assert broken(package()) == []


@pytest.mark.parametrize("field", ["name", "title", "description", "licenses", "resources"])
def test_mandatory_fields_of_the_package(field):
    """Each mandatory field of the Data Package is asked for by name."""
    assert broken(package(top={field: None}))[0] == (field, "mandatory")


@pytest.mark.parametrize(
    "field",
    ["publisher", "code", "theme", "openness", "share_type", "grade", "update_cycle", "issued"],
)
def test_mandatory_fields_of_the_record(field):
    """Each mandatory field of the record is asked for by name."""
    assert broken(package(**{field: None}))[0] == (f"catalog.{field}", "mandatory")


@pytest.mark.parametrize(
    ("given", "field", "rule"),
    [
        (package(top={"title": "灯" * 300}), "title", "too-long"),
        (package(top={"title": "灯" * 51}), "title", "too-long"),
        (package(top={"description": "灯" * 257}), "description", "too-long"),
        (package(top={"title": "<b>灯</b>"}), "title", "markup"),
        (package(top={"title": "灯<script>alert(1)</script>"}), "title", "markup"),
        (package(top={"title": "＜img src=x onerror=alert(1)＞"}), "title", "markup"),
        (package(top={"description": "&lt;script&gt;"}), "description", "markup"),
        (package(top={"title": "灯\x00"}), "title", "control-character"),
        (package(top={"title": "灯\n二"}), "title", "control-character"),
        (package(top={"title": "灯\u202e二"}), "title", "control-character"),
        (package(top={"title": "锟斤拷"}), "title", "mojibake"),
        (package(top={"title": "  "}), "title", "mandatory"),
        (package(top={"title": 5}), "title", "type"),
        (package(top={"keywords": "灯"}), "keywords", "type"),
        (package(top={"keywords": ["灯", 1]}), "keywords.1", "type"),
        (package(top={"licenses": [{"name": "GPL"}]}), "licenses.0.name", "unknown-code"),
        (package(top={"licenses": "CC-BY-4.0"}), "licenses", "type"),
        (package(top={"keyword": ["灯"]}), "keyword", "unknown-key"),
        (package(top={"theme": "07"}), "theme", "unknown-key"),
        (package({"name": "a", "title": "<i>a</i>"}), "resources.0.schema.fields.0.title", "markup"),
        (package(top={"contributors": [{"path": "javascript:alert(1)"}]}), "contributors.0.path", "script"),
        (package(openess="open"), "catalog.openess", "unknown-key"),
        (package(theme="77"), "catalog.theme", "unknown-code"),
        (package(publisher="p9"), "catalog.publisher", "unknown-code"),
        (package(openness="无条件开放"), "catalog.openness", "unknown-code"),
        (package(update_cycle="often"), "catalog.update_cycle", "unknown-code"),
        (package(share_type=1), "catalog.share_type", "type"),
        (package(grade="L9"), "catalog.grade", "unknown-code"),
        (package(code="1/1"), "catalog.code", "pattern"),
        (package(code="907001/1"), "catalog.code", "pattern"),
        (package(code="307001/9"), "catalog.code", "code-used"),
        (package(top={"name": "former"}), "name", "name-used"),
        (package(top={"title": "已有"}), "title", "title-used"),
        (package(issued="2026-02-30"), "catalog.issued", "date"),
        (package(region="999999"), "catalog.region", "unknown-region"),
        (package(region="420521"), "catalog.region", "region-expired"),
        (package(contact={"phone": "0717-0000001"}), "catalog.contact.name", "mandatory"),
        (package(contact={"name": "x", "mail": "a@b.c"}), "catalog.contact.mail", "unknown-key"),
        (package(temporal={"start": "2026-01-02", "end": "2026-01-01"}), "catalog.temporal.end", "order"),
        (package(openness="conditional"), "catalog.open_condition", "condition-missing"),
        (package(openness="conditional", open_condition={"method": "申请"}), "catalog.open_condition.use", "mandatory"),
        (package(open_condition=TERMS), "catalog.open_condition", "contradiction"),
        (package(openness="closed", legal_basis="政府信息公开条例第十四条"), "catalog.closed_reason", "condition-missing"),
        (package(openness="closed", closed_reason="N01"), "catalog.legal_basis", "condition-missing"),
        (package(openness="closed", closed_reason="N99", legal_basis="条例"), "catalog.closed_reason", "unknown-code"),
        (package(openness="closed", closed_reason="N11", legal_basis="数据条例"), "catalog.review_by", "condition-missing"),
        (package(openness="closed", closed_reason="N11", legal_basis="数据条例", review_by="2027-07-01"), "catalog.review_by", "condition-missing"),
        (package(share_type="2"), "catalog.share_condition", "condition-missing"),
        (package(share_type="2", share_condition="有条件"), "catalog.share_condition", "condition-missing"),
        (package(share_type="3"), "catalog.share_condition", "condition-missing"),
        (package(share_type="1", share_condition="仅限公安"), "catalog.share_condition", "contradiction"),
        (package(grade="L3"), "catalog.grade", "contradiction"),
        (package(grade="L4", openness="conditional", open_condition=TERMS), "catalog.grade", "contradiction"),
        (package({"name": "lon", "type": "number"}, {"name": "lat", "type": "number"}), "catalog.crs", "condition-missing"),
        (package({"name": "p", "type": "geopoint"}), "catalog.crs", "condition-missing"),
        (package({"name": "p", "type": "geopoint"}, crs="EPSG:4326"), "catalog.crs", "unknown-code"),
        (package({"name": "t", "type": "datetime"}), "catalog.timezone", "condition-missing"),
        (package({"name": "t", "type": "datetime"}, timezone="Asia/Shanghai"), "catalog.timezone", "pattern"),
        (package(update_cycle="other"), "catalog.update_lag", "condition-missing"),
        (package(validity="amended"), "catalog.superseded_by", "condition-missing"),
        (package(validity="repealed", superseded_by="nowhere"), "catalog.superseded_by", "unknown-dataset"),
        (package(validity="amended", superseded_by="lamps"), "catalog.superseded_by", "cycle"),
        ("text", "", "type"),
        (package(top={"catalog": ["x"]}), "catalog", "type"),
    ],
)  # fmt: skip
def test_each_rule_names_its_field(given, field, rule):
    """A record that breaks a rule is told the field and the rule, in two languages."""
    assert (field, rule) in broken(given)
    assert all(problem.zh and problem.en for problem in rules.check(given, CONTEXT))


@pytest.mark.parametrize(
    "given",
    [
        package(openness="conditional", open_condition=TERMS, grade="L3", auth_level="realname"),
        package(openness="closed", closed_reason="N01", legal_basis="保守国家秘密法第十五条", grade="L4"),
        package(openness="closed", closed_reason="N11", legal_basis="数据条例第三条", review_by="2027-05-01"),
        package(share_type="2", share_condition="向市直部门提供，用于行政审批核验", share_method=["api", "file"]),
        package(share_type="3", share_condition="依据反恐怖主义法第五十一条不予共享"),
        package({"name": "lon", "type": "number"}, {"name": "lat", "type": "number"}, crs="CGCS2000"),
        package({"name": "lon"}, {"name": "lat"}, {"name": "crs"}),
        package({"name": "t", "type": "datetime", "timezone": "+08:00"}),
        package(region="420521", temporal={"start": "1995-01-01", "end": "1999-12-31"}),
        package(region="420500-gxq"),
        package(validity="in_force"),
        package(top={"description": "PM2.5 < 75，共两行\n第二行"}),
        package(top={"x-local": {"any": 1}}),
        package(code="307001/9", formerly=["other"]),
        package(update_cycle="other", update_lag="节假日后第一个工作日"),
    ],
)  # fmt: skip
def test_conditions_that_are_met(given):
    """A record that meets its conditions breaks no rule."""
    assert broken(given) == []


def test_an_unknown_key_is_told_a_near_one():
    """A mistyped key is answered with the one that was meant."""
    (problem,) = rules.check(package(update_cylce="daily"), CONTEXT)
    assert "update_cycle" in problem.zh
    (label,) = rules.check(package(openness="不予开放"), CONTEXT)
    assert "closed" in label.zh


def test_guarded_attributes():
    """Only attributes fixed at registration are guarded; 无条件 written or not is the same."""
    old, new = package(), package(openness="conditional", open_condition=TERMS, spatial="全市")
    assert [item.field for item in rules.guarded(old, new)] == [
        "catalog.openness",
        "catalog.open_condition",
    ]
    assert rules.guarded(old, package(share_condition="无条件", top={"title": "新"})) == []


def test_the_region_is_the_publishers_where_none_is_given():
    """A record without region takes its publisher's."""
    assert rules.complete(package(), CONTEXT)["catalog"]["region"] == "420506"


def test_differences_are_told_field_by_field():
    """Two records are compared down to the columns of their tables."""
    old, new = package({"name": "a"}, {"name": "b"}), package({"name": "a", "type": "integer"})
    told = {c.field: (c.before, c.after) for c in compare(old, new | {"title": "新"})}
    assert told == {
        "title": ("路灯", "新"),
        "resources.lamps.schema.fields.a": ({}, {"type": "integer"}),
        "resources.lamps.schema.fields.b": ({}, None),
    }


# Regions ----------------------------------------------------------------------------------


def test_regions_are_a_tree():
    """Descendants hold the code itself and all below."""
    tree = regions.Tree(AREAS)
    assert tree.descendants("420500") == ("420500", "420506", "420521", "420500-gxq")
    assert tree.roots() == ("420500",)
    assert [tree.valid("420506", day, day) for day in ("2000-12-31", "2001-06-01")] == [False, True]


@pytest.mark.parametrize(
    ("items", "key"),
    [
        ([{"code": "420500", "title": "a", "parent": "420506"}, {"code": "420506", "title": "b", "parent": "420500"}], "parent"),
        ([{"code": "420500", "title": "a", "parent": "420500"}], "parent"),
        ([{"code": "420506", "title": "a", "parent": "999999"}], "parent"),
        ([{"code": "4205", "title": "a"}], "code"),
        ([{"code": "420500-gxq", "title": "a"}], "parent"),
        ([{"code": "420500", "title": "a", "valid_from": 1998}], "valid_from"),
        ([{"code": "420500", "title": "a", "valid_from": "2001", "valid_to": "1998"}], "valid_to"),
    ],
)  # fmt: skip
def test_faults_of_regions(items, key):
    """Cycles, unknown parents, wrong codes and years are found."""
    assert key in [fault[1] for fault in regions.faults(items)]


# Code lists, score, duplicates, JSON Schema -----------------------------------------------


def test_every_code_list_has_labels_in_two_languages():
    """Each code is once in its list and has Chinese and English text."""
    lists = vocabularies.everything()
    assert {"update_cycle", "openness", "share_type", "share_method", "theme", "grade",
            "closed_reason", "publisher_category", "disclosure_stage", "validity"} <= lists.keys()  # fmt: skip
    for item in lists.values():
        codes = [term.code for term in item.terms]
        assert len(set(codes)) == len(codes)
        assert all(term.zh and term.en for term in item.terms)


@pytest.mark.parametrize(
    ("source", "code", "ours"),
    [("yichang", "0", "daily"), ("dsp", "7", "yearly"), ("guangzhou", "8", "realtime"),
     ("hangzhou", "7", "other"), ("chongqing", "HALF_YEAR", "halfyear"), ("dsp", "99", None)],
)  # fmt: skip
def test_codes_of_other_platforms(source, code, ours):
    """What other platforms number differently becomes our code."""
    found = vocabularies.from_source("update_cycle", source, code)
    assert (found.code if found else None) == ours


def test_the_score_tells_what_is_missing():
    """A fuller record scores higher, and what it lacks is named with its weight."""
    poor, missing = completeness.score(package())
    rich, _ = completeness.score(
        package(
            {"name": "a", "title": "甲", "description": "甲的说明"},
            contact={"name": "办公室", "phone": "0717-0000001"},
            temporal={"start": "2026-01-01", "end": "2026-12-31"},
            spatial="全市",
            top={"keywords": ["路灯"], "title_en": "Lamps"},
        )
    )
    assert 0 < poor < rich <= 100
    assert {"keywords", "catalog.contact"} <= {item.field for item in missing}
    assert [m.weight for m in missing] == sorted((m.weight for m in missing), reverse=True)


@pytest.mark.parametrize(
    ("title", "publisher", "fields", "found"),
    [
        ("夷陵区停车场基本信息", "p2", ("a", "b"), True),
        ("宜昌市公共停车场名录", "p2", ("b", "a"), True),
        ("宜昌市公共停车场名录", "p1", ("a", "b"), False),
        ("宜昌市公共停车场名录", "p2", ("a", "c"), False),
        ("学校名录", "p2", ("a", "b"), False),
    ],
)
def test_duplicates(title, publisher, fields, found):
    """The same columns under a similar title at another publisher are a duplicate."""
    old = package({"name": "a"}, {"name": "b"}, top={"title": "停车场（示例数据）"})
    new = package(
        *({"name": name} for name in fields),
        publisher=publisher,
        top={"name": "new", "title": title},
    )
    assert bool(duplicates.find(new, [old])) is found


SCHEMA = json.loads((ROOT / "schemas/catalog-record.json").read_text(encoding="utf-8"))


def test_the_json_schema_is_as_it_would_be_made():
    """schemas/catalog-record.json is what `datahub catalog schema` prints, and is valid itself."""
    assert json.loads(json.dumps(made.schema())) == SCHEMA
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(
    "file", sorted(CATALOG.glob("datasets/*/datapackage.yaml")), ids=lambda f: f.parent.name
)
def test_the_citys_records_fit_the_json_schema(file):
    """Every record of catalogs/yichang is valid to the JSON Schema."""
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    errors = list(jsonschema.Draft202012Validator(SCHEMA).iter_errors(content))
    assert [f"{e.json_path}: {e.message[:200]}" for e in errors] == []


@pytest.mark.parametrize(
    "given",
    [
        package(grade="L9"), package(openness="conditional"), package(openness="closed"),
        package(grade="L3"), package(share_type="2"), package(typo="x"), package(code="x"),
        package(theme=None), package(top={"title": "灯" * 300}), package(top={"title": "<b>x"}),
        package(validity="amended"), package(share_type=1),
    ],
)  # fmt: skip
def test_the_json_schema_refuses_what_the_rules_refuse(given):
    """What one record can tell by itself, the JSON Schema tells, too."""
    assert broken(given)
    assert not jsonschema.Draft202012Validator(SCHEMA).is_valid(given)


def test_texts_are_found_wherever_they_stand():
    """Every text of a structure is looked at, with its place."""
    found = dict(texts.walk({"a": [{"b": "x"}], "pattern": "(?<n>x)"}))
    assert found == {("a", 0, "b"): "x"}


# Routes -----------------------------------------------------------------------------------


def test_code_lists_are_served(server):
    """Each code list has an address, its terms their equivalents; the catalog's own are there."""
    lists = {item["name"]: item for item in server.get("/api/v1/vocabularies").json()}
    assert {"openness", "closed_reason", "regions", "themes", "licenses"} <= lists.keys()
    assert lists["closed_reason"]["terms"] == 11
    cycle = server.get(lists["update_cycle"]["link"]).json()["terms"]
    monthly = next(term for term in cycle if term["code"] == "monthly")
    assert (monthly["zh"], monthly["iso8601"]) == ("每月", "R/P1M")
    assert monthly["eu"].endswith("/frequency/MONTHLY")
    areas = server.get("/api/v1/vocabularies/regions").json()["terms"]
    yiling = next(term for term in areas if term["code"] == "420506")
    assert (yiling["zh"], yiling["parent"], yiling["valid_from"]) == ("夷陵区", "420500", "2001")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/api/v1/vocabularies/nothing", 404, "vocabulary-unknown"),
        ("/api/v1/vocabularies?x=1", 400, "parameter-unknown"),
    ],
)
def test_unknown_code_lists_and_parameters(server, path, status, code):
    """What is not there is refused with its code."""
    answer = server.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
