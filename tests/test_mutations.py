"""Every table schema of schemas/: its sample is valid, and a mutated sample fails where it must."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import re

import pytest
import yaml
from hub import CATALOG, ROOT
from test_sample_data import FILES, table

from datahub.model import Table
from datahub.validation import validate
from datahub.validation.judge import Job, judge
from datahub.validation.reading import Slot

SCHEMAS = {
    path.stem: found
    for path in sorted((ROOT / "schemas").glob("*.json"))
    if "fields" in (found := json.loads(path.read_text(encoding="utf-8")))
}
SAMPLES = {file.schema: path for path, file in FILES.items()}
RESOURCES = {path.rpartition(".")[0]: schema for schema, path in SAMPLES.items()}
DATASETS = {
    path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in CATALOG.glob("datasets/*/datapackage.yaml")
}
MOST_ROWS = 120
MOST_MUTATIONS = 100  # in one table, each in a row of its own
NOT_ANY = "§不在其中§"
BROKEN = "§不是这个类型§"
BOUNDED = ("integer", "number", "year", "date")
ROW_KEYS = {"primary-key", "foreign-key"}  # what a broken key cell may bring about beside


# Tables -----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def cells(samples):
    """Read the sample of a schema as lists of text cells, header first."""
    read: dict[str, list[list[str]]] = {}

    def of(schema):
        if schema not in read:
            read[schema] = table(samples, SAMPLES[schema])
        return read[schema]

    return of


def target(schema, resource):
    """Schema that a foreign key of a schema refers to."""
    if not resource:
        return schema
    own = SAMPLES[schema].split("/")[0]
    return RESOURCES[resource if "/" in resource else f"{own}/{resource}"]


def foreign_keys(schema):
    """Field, resource, schema and field referred to, of every foreign key of one field."""
    for key in SCHEMAS[schema].get("foreignKeys", ()):
        fields, there = key["fields"], key["reference"]
        mine, theirs = ([f] if isinstance(f, str) else f for f in (fields, there["fields"]))
        yield mine, there["resource"], target(schema, there["resource"]), theirs


def write(path, rows):
    """Write rows as plain CSV."""
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)
    return path


def related(schema, cells, folder):
    """Schema and file of each resource that the foreign keys of a schema refer to."""
    found = {}
    for _, resource, other, _ in foreign_keys(schema):
        if resource and resource not in found:
            path = write(folder / f"{len(found)}-{other}.csv", cells(other))
            found[resource] = (SCHEMAS[other], path)
    return found


def head(schema, cells):
    """First rows of a sample; what refers to rows that are cut off refers to nothing."""
    header, *rows = (list(row) for row in cells(schema)[: MOST_ROWS + 1])
    for mine, resource, _, theirs in foreign_keys(schema):
        if not resource:
            here, there = ([header.index(name) for name in names] for names in (mine, theirs))
            known = {tuple(row[i] for i in there) for row in rows}
            for row in rows:
                if tuple(row[i] for i in here) not in known:
                    for i in here:
                        row[i] = ""
    return header, rows


def faults(report):
    """What a report tells, as (row, field, error type)."""
    (task,) = report["tasks"]
    return {(e.get("rowNumber"), e.get("fieldName"), e["type"]) for e in task["errors"]}


# Mutations --------------------------------------------------------------------------------


def shifted(bound, kind, step):
    """A value beyond a bound."""
    if kind == "date":
        return str(dt.date.fromisoformat(bound) + dt.timedelta(days=step))
    return str(float(bound) + step) if kind == "number" else str(int(bound) + step)


def wrong_values(field):
    """Cells that a field must refuse, each with the type of the error."""
    kind, constraints = field.get("type", "string"), field.get("constraints", {})
    if constraints.get("required"):
        yield "", "constraint-error"
    if kind not in ("string", "any") or field.get("format", "default") not in ("default", "binary"):
        yield BROKEN, "type-error"
    if "enum" in constraints:
        yield NOT_ANY if kind == "string" else "987654", "constraint-error"
    if "pattern" in constraints and kind == "string":
        yield NOT_ANY, "constraint-error"
    if "minimum" in constraints and kind in BOUNDED:
        yield shifted(constraints["minimum"], kind, -1), "constraint-error"
    if "maximum" in constraints and kind in BOUNDED:
        yield shifted(constraints["maximum"], kind, 1), "constraint-error"
    if constraints.get("minLength", 0) > 1:
        yield "短", "constraint-error"
    if "maxLength" in constraints:
        address = "https://example.org/" if field.get("format") == "uri" else ""
        yield address + "x" * (constraints["maxLength"] + 1), "constraint-error"


def mutations(schema):
    """Every (field, cell, error type) that a schema's constraints and types ask for."""
    return [
        (field["name"], cell, kind)
        for field in SCHEMAS[schema]["fields"]
        for cell, kind in dict.fromkeys(wrong_values(field))
    ]


def mutated(rows, header, wanted):
    """Put each mutation into a row of its own; return the rows and what must be told."""
    spoilt, expected = [list(row) for row in rows], set()
    for place, (field, cell, kind) in enumerate(wanted):
        spoilt[place][header.index(field)] = cell
        expected.add((place + 2, field, kind))
    return spoilt, expected


def free(field):
    """Whether a field takes texts that no list names."""
    return field["type"] == "string" and "enum" not in field.get("constraints", {})


def nowhere(value, pattern, known):
    """Return a value of the same shape that nothing has."""
    marks = "9876543210ZYXWVUTSRQPNMLKJHGFEDCBAzyxwvutsrqponmlkjihgfedcba"
    for place in reversed(range(len(value))):
        for mark in marks:
            other = value[:place] + mark + value[place + 1 :]
            if other not in known and (pattern is None or re.fullmatch(pattern, other)):
                return other
    raise AssertionError(f"every value like {value} is known")


# Tests ------------------------------------------------------------------------------------


def test_every_schema_has_a_sample_in_the_catalog():
    """Each table schema is that of a generated sample and of one resource of one dataset."""
    named = [
        resource["schema"].removeprefix("schemas/").removesuffix(".json")
        for package in DATASETS.values()
        for resource in package["resources"]
    ]
    assert sorted(SAMPLES) == sorted(SCHEMAS) == sorted(named)


@pytest.mark.parametrize("schema", SCHEMAS)
def test_sample_is_valid(schema, cells, tmp_path):
    """The sample is valid, foreign keys included, and the fast engine says so by itself."""
    path = write(tmp_path / "sample.csv", cells(schema)[: 5 * MOST_ROWS])
    whole = [head(schema, cells)] if any(not r for _, r, _, _ in foreign_keys(schema)) else []
    for header, rows in whole:
        write(path, [header, *rows])
    report = validate(
        path,
        SCHEMAS[schema],
        dialect={},
        encoding="utf-8",
        related=related(schema, cells, tmp_path),
    )
    assert report["valid"], report["tasks"][0]["errors"][:3]
    assert report["engine"]["name"] == "columns"
    assert report["engine"]["differences"] == 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_mutated_cells_are_told_at_their_place(schema, cells, tmp_path):
    """Each cell that breaks a type or constraint is one error of its type, row and field."""
    header, rows = head(schema, cells)
    everything = mutations(schema)
    others = related(schema, cells, tmp_path)
    size = min(MOST_MUTATIONS, len(rows))
    for start in range(0, len(everything), size):
        spoilt, expected = mutated(rows, header, everything[start : start + size])
        path = write(tmp_path / "spoilt.csv", [header, *spoilt])
        report = validate(path, SCHEMAS[schema], dialect={}, encoding="utf-8", related=others)
        found = {fault for fault in faults(report) if fault[2] not in ROW_KEYS | {"unique-error"}}
        assert found == expected
        assert report["engine"]["differences"] == 0


@pytest.mark.parametrize("schema", SCHEMAS)
def test_broken_rows_and_keys_are_told(schema, cells, tmp_path):
    """A repeated key, a key to nowhere, a cell too many and one too few are told in their rows."""
    header, rows = head(schema, cells)
    descriptor, number = SCHEMAS[schema], len(rows)
    fields = {field["name"]: field for field in descriptor["fields"]}
    spoilt = [*(list(row) for row in rows), list(rows[0])]
    spoilt[1], spoilt[2] = [*rows[1], "多"], rows[2][:-1]
    expected = {(number + 2, None, "primary-key"), (3, "", "extra-cell")}
    expected |= {(4, header[-1], "missing-cell")}
    for place, (mine, _, other, theirs) in enumerate(foreign_keys(schema), start=5):
        there = cells(other)
        columns = [there[0].index(name) for name in theirs]
        row = spoilt[place]
        for name, column in zip(mine, columns, strict=True):
            row[header.index(name)] = there[1][column]
        one = next(i for i, name in enumerate(mine) if free(fields[name]))
        at = header.index(mine[one])
        pattern = fields[mine[one]].get("constraints", {}).get("pattern")
        row[at] = nowhere(row[at], pattern, {line[columns[one]] for line in there[1:]})
        expected.add((place + 2, None, "foreign-key"))
    report = validate(
        write(tmp_path / "spoilt.csv", [header, *spoilt]),
        descriptor,
        dialect={},
        encoding="utf-8",
        related=related(schema, cells, tmp_path),
    )
    assert {f for f in faults(report) if f[2] != "unique-error"} == expected


@pytest.mark.parametrize("schema", SCHEMAS)
def test_wrong_label_is_told(schema, cells, tmp_path):
    """A column of another name is an error of the header, at its place."""
    header, rows = head(schema, cells)
    path = write(tmp_path / "spoilt.csv", [["错名", *header[1:]], *rows[:20]])
    others = related(schema, cells, tmp_path)
    report = validate(path, SCHEMAS[schema], dialect={}, encoding="utf-8", related=others)
    first = report["tasks"][0]["errors"][0]
    assert (first["type"], first["fieldNumber"]) == ("incorrect-label", 1)
    assert header[0] in first["message"] or "错名" in first["message"]


# Declared rules ---------------------------------------------------------------------------


def good_value(header, rows, name, allowed=None):
    """A filled cell of a column, one of those allowed if they are given."""
    return next(
        row[header.index(name)]
        for row in rows
        if row[header.index(name)] and (allowed is None or row[header.index(name)] in allowed)
    )


def ordered(left, right):
    """A lower and a higher cell that both fields take."""
    if left["type"] in ("date", "datetime", "yearmonth", "time"):
        return {
            "date": ("2001-01-01", "2024-12-31"),
            "datetime": ("2001-01-01T00:00:00", "2024-12-31T00:00:00"),
            "yearmonth": ("2001-01", "2024-12"),
            "time": ("01:00:00", "23:00:00"),
        }[left["type"]]
    limits = [field.get("constraints", {}) for field in (left, right)]
    low = max([0, *(limit["minimum"] for limit in limits if "minimum" in limit)])
    return str(low), str(low + 1)


def beside(op, value, field):
    """A cell that does not compare so with a constant."""
    kind, limits = field["type"], field.get("constraints", {})
    if value == "today":
        return "2001-01-01" if op[0] == ">" else "2999-01-01"
    down = op in (">", ">=") or (op == "=" and limits.get("minimum") != value)
    step = 0 if op == "!=" else -1 if down else 1
    return shifted(value, kind, step) if kind in BOUNDED else NOT_ANY


def meet(conditions, fields, header, rows, row):
    """Let a rule's conditions hold in a row."""
    for condition in conditions:
        name = condition["field"]
        constraints = fields[name].get("constraints", {})
        if "in" in condition:
            cell = str(condition["in"][0])
            cell = {"True": "是", "False": "否"}.get(cell, cell)
        elif "notIn" in condition:
            cell = next(v for v in constraints["enum"] if v not in condition["notIn"])
        else:
            cell = "" if condition["empty"] else good_value(header, rows, name)
        row[header.index(name)] = cell


def unlike(rule, fields, header, rows):
    """Cells that do not compare as a rule says."""
    left, op = fields[rule["left"]], rule["op"]
    if "value" in rule:
        return {rule["left"]: beside(op, rule["value"], left)}
    if op == "!=":
        return {rule[side]: good_value(header, rows, rule["left"]) for side in ("left", "right")}
    low, high = ordered(left, fields[rule["right"]])
    up = op in ("<", "<=", "=")
    return {rule["left"]: high if up else low, rule["right"]: low if up else high}


def violate(rule, fields, header, rows, row):
    """Change a row so that it breaks a rule and nothing else that types or constraints ask."""
    meet(rule.get("when", ()), fields, header, rows, row)
    match rule["kind"]:
        case "compare":
            put = unlike(rule, fields, header, rows)
        case "sum":
            parts = dict.fromkeys(rule["parts"], "0") | {rule["parts"][0]: "1"}
            put = parts | {rule["total"]: "2" if rule.get("op") == "<=" else "0"}
        case "days":
            put = {rule["from"]: "2024-01-01", rule["to"]: "2024-01-02", rule["total"]: "300"}
        case "present":
            put = {rule["fields"][0]: ""}
        case "absent":
            put = {rule["fields"][0]: good_value(header, rows, rule["fields"][0])}
        case "within":
            put = {rule["lon"]: "1.5", rule["lat"]: "1.5"}
        case "check-digit":
            code = good_value(header, rows, rule["field"])
            put = {rule["field"]: code[:-1] + ("A" if code[-1] != "A" else "B")}
        case _:
            pytest.fail(f"no way to break {rule['kind']} is written here")
    for name, cell in put.items():
        row[header.index(name)] = cell


def spoil(schema, whole):
    """Break each rule in a row of its own where it repeats no key; return rows and places."""
    header, *rows = (list(row) for row in whole[: MOST_ROWS + 1])
    fields = {field["name"]: field for field in SCHEMAS[schema]["fields"]}
    keys = [header.index(name) for name in SCHEMAS[schema]["primaryKey"]]
    places = {}
    for rule in rules_of(schema):
        for place, row in enumerate(rows):
            spoilt = list(row)
            violate(rule, fields, header, whole[1:], spoilt)
            key = [spoilt[i] for i in keys]
            others = (other for n, other in enumerate(rows) if n != place)
            if place + 2 not in places.values() and all(
                key != [o[i] for i in keys] for o in others
            ):
                rows[place], places[rule["name"]] = spoilt, place + 2
                break
    return [header, *rows], places


def rules_of(schema):
    """Declared rules of a schema, those of its fields too; freshness is no matter of one row."""
    listed = SCHEMAS[schema].get("datahub:rules", [])
    checks = [
        {"kind": "check-digit", "name": f"check:{field['name']}", "field": field["name"]}
        for field in SCHEMAS[schema]["fields"]
        if "datahub:check" in field
    ]
    return [rule for rule in [*listed, *checks] if rule["kind"] != "fresh"]


def judged(schema, rows, folder):
    """Report of stage validate on a table without foreign keys."""
    path = write(folder / "table.csv", rows)
    data = path.read_bytes()
    found = Table(
        path=str(path),
        name=path.name,
        bytes=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    alone = {key: value for key, value in SCHEMAS[schema].items() if key != "foreignKeys"}
    slot = Slot(schema, alone, (found,))
    return judge(Job((slot,), str(folder), str(folder / "errors.csv"), today="2026-01-10"))


RULED = [schema for schema in SCHEMAS if rules_of(schema)]


@pytest.mark.parametrize("schema", RULED)
def test_broken_rules_are_found(schema, cells, tmp_path):
    """The sample keeps every declared rule; a row that breaks one is the finding of that rule."""
    whole = cells(schema)
    good = judged(schema, whole[: 5 * MOST_ROWS], tmp_path)
    assert good["valid"]
    assert [(r["rule"], r["rows"]) for r in good["rules"] if r["count"] or r["skipped"]] == []
    rules = rules_of(schema)
    spoilt, places = spoil(schema, whole)
    bad = judged(schema, spoilt, tmp_path)
    assert bad["totals"]["types"].keys() <= {"row-constraint"}, bad["tasks"][0]["errors"][:3]
    told = {result["rule"]: result["rows"] for result in bad["rules"]}
    assert [r["name"] for r in rules if places[r["name"]] not in told[r["name"]]] == []
    grave = any(rule.get("severity", "error") == "error" for rule in rules)
    assert bad["valid"] is not grave
