"""The rules of a catalog record: what is wrong with one, field by field, and what is guarded.

`check` judges a whole Data Package descriptor with its record. A rule has a name that does not
change, so that programs can tell one refusal from another.
"""

from __future__ import annotations

import re
from datetime import date
from difflib import get_close_matches
from functools import cache
from typing import TYPE_CHECKING, Any

from datahub.model import Json, Struct
from datahub.record import texts, vocabularies
from datahub.record.conditions import conditional
from datahub.record.fields import DATA_PACKAGE, FIELDS, GUARDED, RECORD, TOP, Field
from datahub.record.problems import Context, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Changed", "Context", "Problem", "check", "complete", "guarded"]

_KINDS = {"line": "文字", "text": "文字", "date": "日期 YYYY-MM-DD", "lines": "文字列表",
          "object": "键值映射", "flag": "true 或 false"}  # fmt: skip
_KINDS_EN = {"line": "text", "text": "text", "date": "a date YYYY-MM-DD", "lines": "a list of text",
             "object": "a mapping", "flag": "true or false"}  # fmt: skip
_MOST_ITEMS = 200
_SHOWN = 30
_SKIPPED = frozenset({"schema", "catalog"})


class Changed(Struct, frozen=True):
    """A field with its values before and after; None where there was none."""

    field: str
    before: Any
    after: Any


def check(package: Any, context: Context) -> list[Problem]:
    """Everything that is wrong with a record, the mandatory fields first; empty when it is right.

    Tables' schemas are judged where data is: here, only the texts in them are.
    """
    if not isinstance(package, dict):
        return [Problem("", "type", "应是键值映射", "a mapping is expected")]
    given = package.get("catalog")
    record = given if isinstance(given, dict) else {}
    problems = list(_missing(package, record))
    if not isinstance(given, dict) and given is not None:
        problems.append(Problem("catalog", "type", "应是键值映射", "a mapping is expected"))
    problems += _unknown_keys(package, record)
    for field in FIELDS:
        value = (package if field.top else record).get(field.key)
        if value not in (None, "") and field.key not in ("licenses", "resources"):
            problems += _value(field, field.path, value)
    problems += _foreign_texts(package, context)
    wrong = {problem.field for problem in problems}
    problems += (p for p in _known(package, record, context) if p.field not in wrong)
    problems += (p for p in conditional(package, record, context) if p.field not in wrong)
    return problems


def complete(package: Json, context: Context) -> Json:
    """Return the record with what follows from the rest filled in: the publisher's region."""
    record = package.get("catalog")
    if isinstance(record, dict) and not record.get("region"):
        owner = (context.publishers or {}).get(str(record.get("publisher")))
        if owner and owner.get("region"):
            return package | {"catalog": record | {"region": owner["region"]}}
    return package


def guarded(old: Json, new: Json) -> list[Changed]:
    """Attributes fixed at registration that differ: their change needs a second person."""
    before, after = old.get("catalog", {}), new.get("catalog", {})
    pairs = ((key, _settled(before, key), _settled(after, key)) for key in GUARDED)
    return [Changed(field=f"catalog.{k}", before=b, after=a) for k, b, a in pairs if b != a]


def _settled(record: Json, key: str) -> Any:
    value = record.get(key) or None
    if key == "share_condition" and value is None and record.get("share_type") == "1":
        return "无条件"
    return value


def _missing(package: Json, record: Json) -> Iterator[Problem]:
    for field in FIELDS:
        holder = package if field.top else record
        if field.mandatory and holder.get(field.key) in (None, "", [], {}):
            yield Problem(
                field.path,
                "mandatory",
                f"缺少必填项“{field.zh}”",
                f"this is mandatory ({field.en})",
            )


def _unknown_keys(package: Json, record: Json) -> Iterator[Problem]:
    for key in record:
        if key not in RECORD:
            yield _unknown_key("catalog.", key, RECORD, TOP)
    for key in package:
        if key not in TOP and key not in DATA_PACKAGE and key != "catalog" and _near(key):
            yield _unknown_key("", key, TOP, RECORD)


def _near(key: Any) -> bool:
    """Whether a key at the top looks like one of ours; others are free in Data Package 2.0."""
    known = [*TOP, *DATA_PACKAGE, "catalog"]
    return not isinstance(key, str) or key in RECORD or bool(get_close_matches(key, known, n=1))


def _unknown_key(prefix: str, key: Any, here: dict[str, Field], there: dict[str, Field]) -> Problem:
    shown = str(key)[:60]
    close = get_close_matches(shown, list(here), n=1)
    if shown in there:
        zh, en = f"应写在{'最外层' if prefix else ' catalog 之下'}", "it stands in the other place"
    elif close:
        zh, en = f"是不是 {close[0]}？", f"did you mean {close[0]}?"
    else:
        zh, en = f"可用的有：{'、'.join(here)}", f"known: {', '.join(here)}"
    return Problem(f"{prefix}{shown}", "unknown-key", f"没有这个字段；{zh}", f"unknown key; {en}")


def _value(field: Field, path: str, value: Any) -> Iterator[Problem]:
    """Faults of one value: type, length, characters, pattern, code."""
    if field.kind == "lines" or (field.either and isinstance(value, list)):
        if not isinstance(value, list):
            yield _wrong_type(field, path, value)
        elif len(value) > _MOST_ITEMS:
            yield Problem(path, "too-many", f"最多 {_MOST_ITEMS} 项", f"{_MOST_ITEMS} at most")
        else:
            for number, item in enumerate(value):
                yield from _text(field, f"{path}.{number}", item)
    elif field.kind == "object":
        yield from _object(field, path, value)
    elif field.kind == "flag":
        if not isinstance(value, bool):
            yield _wrong_type(field, path, value)
    else:
        yield from _text(field, path, value)


def _object(field: Field, path: str, value: Any) -> Iterator[Problem]:
    if not isinstance(value, dict):
        yield _wrong_type(field, path, value)
        return
    parts = {part.key: part for part in field.parts}
    for part in field.parts:
        given = value.get(part.key)
        if given not in (None, ""):
            yield from _value(part, f"{path}.{part.key}", given)
        elif part.mandatory:
            told = f"this is mandatory ({part.en})"
            yield Problem(f"{path}.{part.key}", "mandatory", f"缺少必填项“{part.zh}”", told)
    if parts:
        for key in value:
            if key not in parts:
                yield _unknown_key(f"{path}.", key, parts, {})
    else:
        for place, text in texts.walk(value):
            yield from _characters(".".join(map(str, (path, *place))), text, lines=True)


def _text(field: Field, path: str, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str):
        yield _wrong_type(field, path, value)
        return
    if not value.strip():
        yield Problem(path, "mandatory", "只有空白", "it is blank")
        return
    if len(value) > field.most:
        yield Problem(
            path,
            "too-long",
            f"“{field.zh}”最多 {field.most} 个字符，现有 {len(value)} 个",
            f"{field.most} characters at most, it has {len(value)}",
        )
        return
    found = list(_characters(path, value, lines=field.kind == "text"))
    yield from found
    if found:
        return
    if field.kind == "date" and not is_date(value):
        yield Problem(path, "date", f"“{value}”不是 YYYY-MM-DD 日期", "it is no date YYYY-MM-DD")
    elif field.pattern and not _pattern(field.pattern).fullmatch(value):
        told = field.told
        yield Problem(path, "pattern", f"“{value}”的写法不对，应为{told}", f"must fit {told}")
    elif field.vocabulary and value not in vocabularies.labels(field.vocabulary):
        yield _unknown_code(path, value, vocabularies.labels(field.vocabulary))


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.ASCII)


def is_date(value: str) -> bool:
    """Whether a text is a real day, YYYY-MM-DD."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _characters(path: str, value: str, *, lines: bool) -> Iterator[Problem]:
    wrong = texts.fault(value, lines=lines)
    if wrong:
        yield Problem(path, *wrong)


def _wrong_type(field: Field, path: str, value: Any) -> Problem:
    quoted = isinstance(value, int | float) and not isinstance(value, bool)
    hint = "（代码和数字须加引号）" if quoted else ""
    hint_en = " (quote codes)" if quoted else ""
    return Problem(
        path,
        "type",
        f"“{field.zh}”应为{_KINDS[field.kind]}{hint}",
        f"it must be {_KINDS_EN[field.kind]}{hint_en}",
    )


def _unknown_code(path: str, value: str, allowed: dict[str, str]) -> Problem:
    named = [code for code, label in allowed.items() if value == label]
    codes = list(allowed)
    shown = ", ".join(codes[:_SHOWN]) + (f" … ({len(codes)})" if len(codes) > _SHOWN else "")
    close = named or get_close_matches(value, codes, n=1)
    hint = f"；是不是 {close[0]}？" if close else ""
    hint_en = f"; did you mean {close[0]}?" if close else ""
    return Problem(
        path,
        "unknown-code",
        f"“{value[:60]}”不在允许的值里：{shown}{hint}",
        f"'{value[:60]}' is none of: {shown}{hint_en}",
    )


def _known(package: Json, record: Json, context: Context) -> Iterator[Problem]:
    """Codes that this catalog knows: publishers, themes, licences; names and codes in use."""
    for key, allowed in (("publisher", context.publishers), ("theme", context.themes)):
        value = record.get(key)
        if isinstance(value, str) and value and allowed is not None and value not in allowed:
            yield _unknown_code(f"catalog.{key}", value, {c: _title(allowed[c]) for c in allowed})
    licences = package.get("licenses")
    if not isinstance(licences, list):
        if licences:
            told = "a list of licences is expected"
            yield Problem("licenses", "type", "应是许可的列表", told)
        return
    for number, item in enumerate(licences):
        if not isinstance(item, dict) or not isinstance(item.get("name"), str):
            told = "a licence needs a name"
            yield Problem(f"licenses.{number}", "mandatory", "许可缺少 name", told)
        elif context.licenses is not None and item["name"] not in context.licenses:
            names = {name: _title(context.licenses[name]) for name in context.licenses}
            yield _unknown_code(f"licenses.{number}.name", item["name"], names)


def _title(item: Any) -> str:
    return str(item.get("title", "")) if isinstance(item, dict) else str(item)


def _foreign_texts(package: Json, context: Context) -> Iterator[Problem]:
    """Characters in all texts that are not fields of ours: resources, licences, schemas."""
    ours = set(TOP) - {"licenses", "resources"}
    outer = {key: value for key, value in package.items() if key not in ours and key != "catalog"}
    resources = outer.pop("resources", None)
    for place, text in texts.walk(outer):
        yield from _characters(".".join(map(str, place)), text, lines=True)
    for number, resource in enumerate(resources if isinstance(resources, list) else ()):
        if not isinstance(resource, dict):
            continue
        own = {key: value for key, value in resource.items() if key not in _SKIPPED}
        for place, text in texts.walk(own):
            path = ".".join(map(str, ("resources", number, *place)))
            yield from _characters(path, text, lines=True)
        for inner, rule, zh, en in _schema_texts(resource.get("schema"), context):
            yield Problem(f"resources.{number}.schema.{inner}", rule, zh, en)


def _schema_texts(schema: Any, context: Context) -> list[tuple[str, str, str, str]]:
    """Faults of a schema's texts; one that many resources share is looked at once."""
    known = context.schemas.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    found = []
    for place, text in texts.walk(schema):
        wrong = texts.fault(text, lines=True)
        if wrong:
            found.append((".".join(map(str, place)), *wrong))
    context.schemas[id(schema)] = (schema, found)
    return found
