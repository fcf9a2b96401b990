"""The catalog content: schemas, dataset descriptors, and the sample files of the generator."""

import csv
import io
import json
import re
import subprocess
import sys
from collections import defaultdict
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from frictionless import Package, Resource, Schema
from python_calamine import CalamineWorkbook

ROOT = Path(__file__).resolve().parents[1]
CITY = ROOT / "catalogs" / "yichang"
DESCRIPTORS = sorted((CITY / "datasets").glob("*/datapackage.yaml"))
CATALOG = yaml.safe_load((CITY / "catalog.yaml").read_text(encoding="utf-8"))
CREDIT_CODE = re.compile(r"(?<![0-9A-Z])[159NY][1-9A-GN-Y]\d{6}[0-9A-HJ-NPQRTUWXY]{10}(?![0-9A-Z])")

sys.path.insert(0, str(CITY))
import sample as generator  # noqa: E402 - the script is beside the catalog, not installed
import sample_base  # noqa: E402

FILES = {file.path: file for file in generator.files()}
ENCODINGS = {
    "air_hourly/air_hourly.csv": ("utf-8", ","),
    "admin_license/admin_license.csv": ("gb18030", ","),
    "admin_penalty/admin_penalty.csv": ("utf-8-sig", ","),
    "parking_charging/parking_charging.csv": ("utf-16", "\t"),
}
ROWS = {
    "air_hourly/air_hourly.csv": 43800,
    "admin_license/admin_license.csv": 5000,
    "clinics/clinics.xlsx": 332,
}


def generate(out):
    """Run the generator as a command and return its folder."""
    command = [sys.executable, str(CITY / "sample.py"), str(out)]
    subprocess.run(command, check=True, capture_output=True)
    return out


def credit_code_is_right(code):
    """Check both check digits of GB 32100: the organisation code's and the whole code's."""
    alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
    total = sum(
        alphabet.index(c) * w
        for c, w in zip(
            code, (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28), strict=False
        )
    )
    inner = (
        11
        - sum(int(c, 36) * w for c, w in zip(code[8:16], (3, 7, 9, 10, 5, 8, 4, 2), strict=True))
        % 11
    )
    return code[17] == alphabet[-total % 31] and code[16] == {10: "X", 11: "0"}.get(
        inner, str(inner)
    )


def identity_number_is_right(number):
    """Check the last character of an 18-digit identity number."""
    total = sum(
        int(c) * w
        for c, w in zip(number, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2), strict=False)
    )
    return "10X98765432"[total % 11] == number[17].upper()


def luhn_is_right(number):
    """Check a bank card number."""
    doubled = (int(c) * (1 + i % 2) for i, c in enumerate(reversed(number)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


MOBILE = re.compile(r"(?<![0-9A-Za-z])(?:\+?86[- ]?)?1[3-9]\d{9}(?![0-9A-Za-z])")
IDENTITY = re.compile(r"(?<![0-9A-Za-z])[1-9]\d{16}[0-9Xx](?![0-9A-Za-z])")
CARD = re.compile(r"(?<!\d)(?:62|4|5[1-5])\d{11,17}(?!\d)")


def personal(text):
    """Return whether a cell holds what could be a mobile, an identity or a bank card number."""
    return bool(
        MOBILE.search(text)
        or any(identity_number_is_right(hit) for hit in IDENTITY.findall(text))
        or any(len(hit) <= 19 and luhn_is_right(hit) for hit in CARD.findall(text))
    )


def plain(value):
    """Write a workbook's cell as text; whole numbers come back from it as floats."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def table(sample, name):
    """Return a sample file as lists of text cells, header first."""
    file = FILES[name]
    if isinstance(file, sample_base.Sheet):
        sheet = CalamineWorkbook.from_path(sample / name).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False)[2 if file.title else 0 :]
        return [[plain(value) for value in row] for row in rows]
    if isinstance(file, sample_base.Lines):
        found = [json.loads(line) for line in (sample / name).read_text("utf-8").splitlines()]
        return [
            list(found[0]),
            *([sample_base.cell(value) for value in row.values()] for row in found),
        ]
    text = (sample / name).read_bytes().decode(encoding_of(file.layout))
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=file.layout.delimiter))


def encoding_of(layout):
    """Name the encoding with which Python takes the mark off."""
    marked = {"utf-8": "utf-8-sig", "utf-16-le": "utf-16"}
    return marked[layout.encoding] if layout.bom else layout.encoding


def schema_of(name):
    """Return the schema of a sample file."""
    path = ROOT / "schemas" / f"{FILES[name].schema}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def records(tables, name):
    """Return a sample file as dictionaries."""
    header, *rows = tables[name]
    return [dict(zip(header, row, strict=True)) for row in rows]


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """Generate the sample files once."""
    return generate(tmp_path_factory.mktemp("sample"))


@pytest.fixture(scope="session")
def tables(sample):
    """Read every sample file as text cells."""
    return {name: table(sample, name) for name in FILES}


@pytest.mark.parametrize("path", DESCRIPTORS, ids=lambda path: path.parent.name)
def test_descriptor_loads_without_trust(path):
    """A dataset descriptor is a valid Data Package whose schemas are found on safe paths."""
    package = Package.from_descriptor(str(path))
    assert package.name == path.parent.name
    assert package.title.endswith("（示例数据）")
    assert len(package.description) <= 256
    assert all(resource.schema.primary_key for resource in package.resources)


@pytest.mark.parametrize("path", DESCRIPTORS, ids=lambda path: path.parent.name)
def test_descriptor_points_into_the_catalog(path):
    """A dataset's publisher, theme, region and licence are entries of the catalog."""
    descriptor = yaml.safe_load(path.read_text(encoding="utf-8"))
    record = descriptor["catalog"]
    publishers = {publisher["id"]: publisher["title"] for publisher in CATALOG["publishers"]}
    assert publishers[record["publisher"]] == descriptor["contributors"][0]["title"]
    assert record["theme"] in {theme["code"] for theme in CATALOG["themes"]}
    assert record["region"] in {region["code"] for region in CATALOG["regions"]}
    assert descriptor["licenses"][0] in CATALOG["licenses"]
    assert re.fullmatch(r"[1-3]\d{5,}/\d{6}", record["code"])


def test_catalog_codes_are_unique():
    """No two datasets share a code, and the catalog repeats no region, theme or publisher."""
    codes = [
        yaml.safe_load(path.read_text(encoding="utf-8"))["catalog"]["code"] for path in DESCRIPTORS
    ]
    assert len(set(codes)) == len(codes) >= 8
    for key, field, least in (
        ("regions", "code", 14),
        ("themes", "code", 24),
        ("publishers", "id", 10),
    ):
        assert len({entry[field] for entry in CATALOG[key]}) == len(CATALOG[key]) >= least


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("91350100M000100Y43", True),
        ("91110000600037341L", True),
        ("114205000000002380", True),
        ("12420500000000019J", True),
        ("91350100M000100Y44", False),
    ],
)
def test_credit_code_check_knows_the_vectors(code, right):
    """The check of this file agrees with the published specimens."""
    assert credit_code_is_right(code) is right


def test_publishers_have_right_credit_codes():
    """A publisher's credit code has right check digits and names its region."""
    for publisher in CATALOG["publishers"]:
        assert credit_code_is_right(publisher["credit_code"])
        assert publisher["credit_code"][2:8] == publisher["region"]


def test_sample_credit_codes_are_right(tables):
    """Every credit code in the sample has right check digits; authorities are publishers."""
    known = {publisher["credit_code"]: publisher["title"] for publisher in CATALOG["publishers"]}
    for name in FILES:
        for row in records(tables, name):
            codes = {key: value for key, value in row.items() if key.endswith("uscc") and value}
            assert all(CREDIT_CODE.fullmatch(c) and credit_code_is_right(c) for c in codes.values())
            if "authority_uscc" in row:
                assert known[row["authority_uscc"]] == row["authority"]


def test_generator_is_deterministic(sample, tmp_path):
    """Two runs with the same seed give the same bytes."""
    again = generate(tmp_path)
    assert {p.relative_to(again).as_posix() for p in again.rglob("*.*")} == set(FILES)
    assert all((again / name).read_bytes() == (sample / name).read_bytes() for name in FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_file_validates(tables, tmp_path, name):
    """A sample file validates against its schema with frictionless, foreign keys aside."""
    path = tmp_path / "table.csv"
    with path.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(tables[name])
    descriptor = schema_of(name)
    descriptor.pop("foreignKeys", None)  # those need the other tables: see below
    resource = Resource(
        path=path.name, basepath=str(tmp_path), schema=Schema.from_descriptor(descriptor)
    )
    report = resource.validate()
    assert report.valid, report.flatten(["rowNumber", "fieldName", "type", "note"])[:5]
    assert report.tasks[0].stats["rows"] == ROWS.get(name, report.tasks[0].stats["rows"])


@pytest.mark.parametrize("name", ENCODINGS)
def test_file_is_written_as_the_department_writes(sample, name):
    """Some files are in other encodings than UTF-8, as departments send them."""
    encoding, delimiter = ENCODINGS[name]
    text = (sample / name).read_bytes().decode(encoding)
    header = [field["name"] for field in schema_of(name)["fields"]]
    assert text.splitlines()[0].split(delimiter) == header


def test_bus_package_validates_with_its_foreign_keys(sample):
    """The three bus tables validate together, foreign keys included."""
    descriptor = yaml.safe_load(
        (CITY / "datasets" / "bus" / "datapackage.yaml").read_text(encoding="utf-8")
    )
    for resource in descriptor["resources"]:
        resource["schema"] = json.loads((ROOT / resource["schema"]).read_text(encoding="utf-8"))
    report = Package.from_descriptor(descriptor, basepath=str(sample / "bus")).validate()
    assert report.valid, report.flatten(["name", "rowNumber", "type", "note"])[:5]


@pytest.mark.parametrize("name", FILES)
def test_header_is_the_schema(tables, name):
    """A file's header is its schema's field names in order."""
    assert tables[name][0] == [field["name"] for field in schema_of(name)["fields"]]


def test_air_hours_have_no_gaps(tables):
    """Every station has each of the 8,760 hours of 2025 once."""
    hours = defaultdict(list)
    for row in records(tables, "air_hourly/air_hourly.csv"):
        hours[row["station_code"]].append(row["time"])
    begin = datetime.fromisoformat("2025-01-01T00:00:00")
    year = [(begin + timedelta(hours=i)).isoformat() for i in range(8760)]
    assert len(hours) == 5
    assert all(found == year for found in hours.values())


def test_air_levels_follow_the_index(tables):
    """The level is the band of the index, and few values are missing."""
    bands = ((50, "优"), (100, "良"), (150, "轻度"), (200, "中度"), (300, "重度"), (500, "严重"))
    rows = records(tables, "air_hourly/air_hourly.csv")
    measured = [row for row in rows if row["aqi"] != "NA"]
    assert all(
        row["level"] == next(name for top, name in bands if int(row["aqi"]) <= top)
        for row in measured
    )
    missing = sum(value == "NA" for row in rows for value in row.values()) / len(rows) / 15
    assert 0 < missing < 0.02
    assert {row["level"] for row in measured} >= {"优", "良", "轻度"}


def test_dates_are_in_order(tables):
    """A decision follows its acceptance, and validity and publication end after they begin."""
    for row in records(tables, "admin_license/admin_license.csv"):
        assert date.fromisoformat(row["accept_date"]) <= date.fromisoformat(row["decision_date"])
        assert row["valid_from"] <= row["valid_to"]
    for row in records(tables, "admin_penalty/admin_penalty.csv"):
        assert row["decision_date"] <= row["publish_until"]


def test_places_lie_in_the_city(tables):
    """Coordinates lie in the window of the city, regions are the catalog's, free spaces fit."""
    regions = {region["code"] for region in CATALOG["regions"]}
    for name in FILES:
        for row in records(tables, name):
            assert (row.get("region") or "420500")[
                :6
            ] in regions  # townships begin with their county
            if row.get("lon"):
                assert 110.9 <= float(row["lon"]) <= 111.9
                assert 30.3 <= float(row["lat"]) <= 31.1
            if row.get("free"):
                assert int(row["free"]) <= int(row["spaces"])


def test_nothing_looks_like_personal_data(tables):
    """No cell matches a personal number, and natural persons are masked."""
    hits = [
        (name, cell)
        for name in FILES
        for row in tables[name]
        for cell in row
        if personal(cell) and not re.fullmatch("[0-9a-f]{64}", cell)
    ]
    assert hits == []
    for name in ("admin_license/admin_license.csv", "admin_penalty/admin_penalty.csv"):
        people = [row for row in records(tables, name) if row["party_type"] == "自然人"]
        assert people
        assert all(
            re.fullmatch(r"[\u4e00-\u9fff]\*", row["party_name"]) and not row["party_uscc"]
            for row in people
        )


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("13812345678", True),
        ("420502190001010015", True),
        ("4111111111111111", True),
        ("6200000000000009", False),
        ("0717-0000012", False),
    ],
)
def test_personal_data_check_knows_the_vectors(text, found):
    """The check of this file finds the known vectors."""
    assert personal(text) is found
