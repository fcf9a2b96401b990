"""The table schemas of schemas/: complete, valid, in two languages, each with an example row."""

import csv
import json
import re
from graphlib import TopologicalSorter

import pytest
import yaml
from frictionless import Resource, Schema
from hub import CATALOG, ROOT
from test_sample_data import FILES

from datahub.record.codes import is_credit_code
from datahub.validation.metadata import check_schema

# Row of table-schemas.md: files of schemas/ that cover it.
ROWS = {
    "D01": ("admin_license",),
    "D02": ("admin_penalty",),
    "D03": ("power_list",),
    "D04": ("budget_lines", "budget_transfers", "budget_functions"),
    "D05": ("three_public",),
    "D06": ("fees",),
    "D07": ("air_hourly", "air_stations"),
    "D08": ("water_quality", "water_quality_sources", "noise"),
    "D09": ("bus_lines", "bus_stops", "bus_line_stops"),
    "D10": ("bus_arrival",),
    "D11": ("parking_charging",),
    "D12": ("housing", "housing_allocations"),
    "D13": ("social_aid",),
    "D14": ("schools",),
    "D15": ("clinics",),
    "D16": ("utilities", "utilities_tap_water", "utilities_outlets"),
    "D17": ("food_sampling",),
    "D18": ("random_check",),
    "D19": ("service_rating",),
    "D20": ("service_items",),
    "D21": ("major_projects", "major_projects_approvals"),
    "D22": ("gazette", "gazette_articles"),
    "D23": ("norm_docs",),
    "D24": ("gov_terms", "gov_terms_items", "gov_terms_docs"),
    "D25": ("hotline", "hotline_totals", "hotline_tickets"),
    "D26": ("parks",),
    "D27": ("elderly_care",),
    "D28": ("gig_stations",),
    "D29": ("renewal",),
    "D30": ("decisions",),
    "D31": ("enforcement_annual",),
    "D32": ("intermediary",),
}
SCHEMAS = {
    path.stem: found
    for path in sorted((ROOT / "schemas").glob("*.json"))
    if "fields" in (found := json.loads(path.read_text(encoding="utf-8")))
}
PACKAGES = {
    path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in sorted(CATALOG.glob("datasets/*/datapackage.yaml"))
}
PLACE = {
    resource["schema"].removeprefix("schemas/").removesuffix(".json"): (dataset, resource["name"])
    for dataset, package in PACKAGES.items()
    for resource in package["resources"]
}
CHINESE = re.compile("[\u4e00-\u9fff]")
ENGLISH = re.compile("[A-Za-z]{2}")
# Indices and what has its unit in another column; all other numbers have one.
UNITLESS = re.compile(
    "aqi|ph|seq|next_stop_seq|version|score|star|value|lower|limit|no|issue_no|total_no|progress"
)


def fields_of(name):
    """Fields of a schema by name."""
    return {field["name"]: field for field in SCHEMAS[name]["fields"]}


def test_every_row_of_the_reference_has_its_schemas():
    """Each of the 32 rows has files of its own, and no file is without a row."""
    assert list(ROWS) == [f"D{number:02d}" for number in range(1, 33)]
    files = [name for names in ROWS.values() for name in names]
    assert sorted(files) == sorted(SCHEMAS)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_is_valid(name):
    """A schema has no fault for frictionless, and none for what we ask beyond it."""
    Schema.from_descriptor(SCHEMAS[name])
    assert check_schema(SCHEMAS[name]) == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_speaks_both_languages(name):
    """Table and fields have title and description in Chinese and in English."""
    for item in (SCHEMAS[name], *SCHEMAS[name]["fields"]):
        where = item.get("name", name)
        assert CHINESE.search(item["title"]), where
        assert CHINESE.search(item["description"]), where
        for key in ("title_en", "description_en"):
            assert ENGLISH.search(item[key]) or item[key] == "pH", where
        assert not CHINESE.search(item["title_en"]), where


@pytest.mark.parametrize("name", SCHEMAS)
def test_schema_declares_what_its_data_needs(name):
    """Keys are filled, credit codes are checked, times have a zone, places a system of reference."""
    fields = fields_of(name)
    keys = SCHEMAS[name]["primaryKey"]
    assert keys
    assert all(fields[key]["constraints"]["required"] for key in keys)
    assert "" in SCHEMAS[name]["missingValues"]
    assert list(fields)[-1] == "_row_updated"
    for field in fields.values():
        if field["name"] == "uscc" or field["name"].endswith("_uscc"):
            assert field["datahub:check"] == "credit-code"
        if field["type"] == "datetime":
            assert field["timezone"] == "+08:00"
        if field["type"] == "number" and not UNITLESS.fullmatch(field["name"]):
            assert field["unit"], field["name"]
    assert ("lon" in fields) == ("lat" in fields)
    if "lon" in fields:
        assert "crs" in fields
        kinds = {rule["kind"] for rule in SCHEMAS[name]["datahub:rules"]}
        assert "within" in kinds


@pytest.mark.parametrize("name", SCHEMAS)
def test_example_is_a_valid_row(name, tmp_path):
    """The examples of the fields are one row that frictionless finds valid."""
    examples = {key: field["example"] for key, field in fields_of(name).items()}
    with (tmp_path / "row.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([examples, map(str, examples.values())])
    described = {key: value for key, value in SCHEMAS[name].items() if key != "foreignKeys"}
    schema = Schema.from_descriptor(described)
    report = Resource(path="row.csv", basepath=str(tmp_path), schema=schema).validate()
    assert report.valid, report.flatten(["fieldName", "type", "note"])
    assert report.tasks[0].stats["rows"] == 1
    for key, field in fields_of(name).items():
        if field.get("datahub:check") == "credit-code":
            assert is_credit_code(examples[key])


@pytest.mark.parametrize("name", SCHEMAS)
def test_example_keeps_the_comparisons(name):
    """The example row keeps the rules that compare two of its fields."""
    examples = {key: field["example"] for key, field in fields_of(name).items()}
    signs = {
        "<=": lambda a, b: a <= b,
        ">=": lambda a, b: a >= b,
        "<": lambda a, b: a < b,
        ">": lambda a, b: a > b,
        "=": lambda a, b: a == b,
        "!=": lambda a, b: a != b,
    }
    for rule in SCHEMAS[name].get("datahub:rules", ()):
        if rule["kind"] == "compare" and "right" in rule and "when" not in rule:
            assert signs[rule["op"]](examples[rule["left"]], examples[rule["right"]]), rule["name"]
        if rule["kind"] == "sum" and "when" not in rule:
            parts = sum(examples[part] for part in rule["parts"])
            gap = abs(examples[rule["total"]] - parts)
            assert rule.get("op", "=") != "=" or gap <= rule.get("tolerance", 0), rule["name"]


@pytest.mark.parametrize("name", SCHEMAS)
def test_foreign_keys_lead_somewhere(name):
    """A foreign key names fields of a resource of its dataset, of another one, or of itself."""
    own, _ = PLACE[name]
    for key in SCHEMAS[name].get("foreignKeys", ()):
        wanted = key["reference"]["resource"]
        dataset, _, resource = wanted.rpartition("/")
        package = PACKAGES[dataset or own]
        (found,) = (
            [SCHEMAS[name]]
            if not wanted
            else [
                SCHEMAS[r["schema"].removeprefix("schemas/").removesuffix(".json")]
                for r in package["resources"]
                if r["name"] == resource
            ]
        )
        types = {field["name"]: field["type"] for field in found["fields"]}
        mine = {field: fields_of(name)[field]["type"] for field in key["fields"]}
        assert [types[field] for field in key["reference"]["fields"]] == list(mine.values())


@pytest.mark.parametrize(
    ("name", "field", "resource"),
    [
        ("service_rating", "item_code", "service_items/service_items"),
        ("intermediary", "for_item", "service_items/service_items"),
        ("housing_allocations", "project_id", "housing/housing"),
        ("bus_arrival", "line_id", "bus/lines"),
    ],
)
def test_tables_of_different_departments_are_joined(name, field, resource):
    """What one department's table says of another's is a foreign key across datasets."""
    keys = SCHEMAS[name]["foreignKeys"]
    assert [field, resource] in [[k["fields"][0], k["reference"]["resource"]] for k in keys]


def test_datasets_can_be_published_one_after_the_other():
    """No datasets refer to each other in a circle: there is an order in which each finds its own."""
    needs = {dataset: set() for dataset in PACKAGES}
    for name, (own, _) in PLACE.items():
        for key in SCHEMAS[name].get("foreignKeys", ()):
            needs[own] |= {key["reference"]["resource"].rpartition("/")[0]} - {"", own}
    order = list(TopologicalSorter(needs).static_order())
    assert sorted(order) == sorted(PACKAGES)
    assert order.index("service_items") < order.index("service_rating")


def test_grade_of_a_dataset_is_that_of_its_gravest_field():
    """A field that says more about someone has a higher grade, and its dataset at least that."""
    for name, (own, _) in PLACE.items():
        highest = max((f.get("grade", "L1") for f in SCHEMAS[name]["fields"]), default="L1")
        assert highest <= PACKAGES[own]["catalog"]["grade"], name
    assert fields_of("housing_allocations")["applicant_masked"]["grade"] == "L3"


def test_samples_have_a_hundred_rows_and_differ_in_layout():
    """Files come as UTF-8, GB18030 and UTF-16 text, workbooks and lines of JSON."""
    layouts = {
        getattr(getattr(file, "layout", None), "encoding", type(file).__name__)
        for file in FILES.values()
    }
    assert layouts >= {"utf-8", "gb18030", "utf-16-le", "Sheet", "Lines"}
    # Code lists are as long as they are.
    short = {path for path, file in FILES.items() if len(file.rows(2025)) < 100}
    assert short <= {"air_stations/air_stations.csv", "budget_transfers/functions.csv"}


def test_what_is_open_on_conditions_says_so():
    """Live positions and lists of persons are open on conditions, at least grade L2."""
    for name in ("bus_arrival", "housing_allocations"):
        record = PACKAGES[name]["catalog"]
        assert record["openness"] == "conditional"
        assert set(record["open_condition"]) == {"method", "use", "security"}
        assert record["grade"] in ("L2", "L3")
