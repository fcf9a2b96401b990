"""The index's fields, and what a record becomes in them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from datahub.model import Json, Openness, Struct
from datahub.record import vocabularies
from datahub.search import analysis, pinyin

if TYPE_CHECKING:
    from datahub.store.sources import Source

VERSION = 2
"""Raised with every change of fields or of how text becomes terms; older indexes are rebuilt."""

FACETS = (
    "publisher",
    "region",
    "theme",
    "openness",
    "format",
    "update_cycle",
    "grade",
    "status",
    "validity",
    "sample",
)
"""Fields that results are narrowed by and counted by; freshness is one more, from the clock."""
NEVER = 1 << 60
LISTED = "listed"
IN_FORCE = ("", "in_force")
_TEXT = ("title", "keys", "gloss", "org", "fields", "body", "spell")
_ORDERED = ("title2", "keys2", "rest2", "title1", "sound", "sound2")
_NUMBERS = ("updated", "modified", "demand", "due", "overdue")
_MARK = re.compile(r"[（(]\s*示例数据\s*[)）]\s*$")
_PUNCTUATION = re.compile(r"[\W_]+")
_DAYS = {
    "realtime": 0.04,
    "daily": 1,
    "weekly": 7,
    "tendays": 10,
    "monthly": 31,
    "quarterly": 92,
    "halfyear": 184,
    "yearly": 366,
    "twoyear": 731,
}
_UNIT_DAYS = {"hour": 1 / 24, "day": 1, "working-day": 1.5, "month": 31}


class Context(Struct, frozen=True):
    """What records refer to, and what the glossary says of each dataset."""

    publishers: dict[str, Json]
    themes: dict[str, Json]
    regions: dict[str, Json]
    glossary: dict[str, tuple[str, ...]]  # words of the entries that name a dataset
    entries: tuple[tuple[str, ...], ...] = ()  # each entry's term with its synonyms

    def path(self, region: str) -> list[str]:
        """Region with all that it lies in; a cycle ends where it began."""
        found: list[str] = []
        while region and region not in found:
            found.append(region)
            region = str(self.regions.get(region, {}).get("parent") or "")
        return found


def differing(before: dict[str, Json], after: dict[str, Json]) -> set[str]:
    """Keys that are in one of the two only, or stand for something else."""
    return {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


@cache
def tantivy_schema() -> Any:
    """Fields of the index."""
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field(
        "name", stored=True, fast=True, tokenizer_name="raw", index_option="basic"
    )
    for name in ("exact", "suggest", "force", LISTED, *FACETS):
        fast = name in FACETS
        builder.add_text_field(name, fast=fast, tokenizer_name="raw", index_option="basic")
    builder.add_text_field("order", fast=True, tokenizer_name="raw", index_option="basic")
    for name in _TEXT:
        builder.add_text_field(name, tokenizer_name="blank", index_option="freq")
    for name in _ORDERED:
        builder.add_text_field(name, tokenizer_name="blank", index_option="position")
    for name in _NUMBERS:
        builder.add_integer_field(name, indexed=True, fast=True)
    builder.add_float_field("weight", fast=True)
    builder.add_text_field("meta", stored=True, tokenizer_name="raw", index_option="basic")
    return builder.build()


def plain_title(title: str) -> str:
    """Title without the mark of sample data."""
    return _MARK.sub("", title).strip()


def squeezed(text: str) -> str:
    """Folded text without blanks and punctuation: what counts as the same title."""
    return _PUNCTUATION.sub("", analysis.fold(text))


def document(source: Source, context: Context) -> Any:
    """Record as a document of the index."""
    import tantivy

    texts = Texts.of(source, context)
    found = tantivy.Document()
    found.add_text("name", source.dataset.name)
    found.add_text(LISTED, "y" if source.listed else "n")
    found.add_text("force", "y" if source.validity in IN_FORCE else "n")
    found.add_text("order", texts.title[:80])
    for name, values in facets(source, context).items():
        for value in values:
            found.add_text(name, value)
    _add_texts(found, texts)
    _add_numbers(found, source)
    for term in texts.exact:
        found.add_text("exact", term)
    if source.listed:
        for term in _suggestions(texts):
            found.add_text("suggest", term)
    return found


class Texts(Struct, frozen=True):
    """Texts of a record by how much they say about what it is."""

    title: str
    exact: tuple[str, ...]
    keys: tuple[str, ...]  # keywords, resources, English title
    gloss: tuple[str, ...]  # words of the glossary entries that name it
    org: tuple[str, ...]
    fields: tuple[str, ...]
    body: tuple[str, ...]
    keywords: tuple[str, ...]

    @staticmethod
    def of(source: Source, context: Context) -> Texts:
        """Gather the texts of a record."""
        item, package = source.dataset, source.dataset.package
        resources = package.get("resources", [])
        publisher = context.publishers.get(item.publisher, {})
        theme = context.themes.get(item.theme, {})
        title = plain_title(item.title)
        english = _strings(package, "title_en") + _strings(item.record, "title_en")
        short = _strings(publisher, "short", "short_title", "title_en", "aliases")
        keywords = _strings(package, "keywords")
        tables = [resource.get("schema") or {} for resource in resources]
        keys = keywords + english
        for resource, table in zip(resources, tables, strict=True):
            keys += _strings(resource, "title", "name") + _strings(table, "title", "title_en")
        regions = [str(context.regions.get(source.region, {}).get("title", ""))]
        exact = [item.name, item.title, title, *english, *source.former]
        exact += [source.code, source.code.split("/")[0]]
        body = _strings(package, "description", "description_en")
        body += [*_strings(item.record, "spatial", "source_dept", "provider", "source_system")]
        return Texts(
            title=title,
            exact=tuple({term for text in exact for term in _exact_forms(str(text))}),
            keys=(*dict.fromkeys(keys), item.name),
            gloss=context.glossary.get(item.name, ()),
            org=tuple(dict.fromkeys([item.publisher_title, item.publisher, *short, *regions])),
            fields=tuple(_field_texts(tables)),
            body=(*body, item.theme_title, *_strings(theme, "title_en")),
            keywords=tuple(keywords),
        )


def _strings(item: Json, *names: str) -> list[str]:
    """Texts under these keys, lists of texts included; anything else is left out."""
    found: list[str] = []
    for name in names:
        value = item.get(name)
        values = value if isinstance(value, list) else [value]
        found += [text for text in values if isinstance(text, str) and text]
    return found


def _exact_forms(text: str) -> set[str]:
    return {form for form in (analysis.fold(text).strip(), squeezed(text)) if form}


def _field_texts(tables: list[Json]) -> list[str]:
    found: dict[str, None] = {}
    for table in tables:
        for field in table.get("fields", []):
            if isinstance(field, dict):
                for text in _strings(field, "name", "title", "title_en"):
                    found[text] = None
                values = (field.get("constraints") or {}).get("enum")
                for text in _strings({"enum": values}, "enum")[:40]:
                    found[text] = None
    return list(found)


def facets(source: Source, context: Context) -> dict[str, list[str]]:
    """Codes that a record is counted under."""
    item = source.dataset
    formats = {
        str(resource.get("format") or str(resource.get("path", "")).rpartition(".")[2]).lower()
        for resource in item.package.get("resources", [])
    }
    if item.latest is not None:
        formats |= {"csv", "parquet"}
    found = {
        "publisher": [item.publisher],
        "region": context.path(source.region),
        "theme": [item.theme],
        "openness": [item.openness.value],
        "format": sorted(formats - {""}),
        "update_cycle": [source.update_cycle],
        "grade": [source.grade],
        "status": [item.status],
        "validity": [source.validity],
        "sample": ["true" if item.record.get("sample") else "false"],
    }
    return {name: [value for value in values if value] for name, values in found.items()}


def _add_texts(found: Any, texts: Texts) -> None:
    add, title = found.add_text, (texts.title,)
    named = (texts.title, *texts.keys)
    rest = (*texts.gloss, *texts.org, *texts.fields, *texts.body)
    add("title", analysis.all_words(title))
    add("keys", analysis.all_words(texts.keys))
    add("gloss", analysis.all_words(texts.gloss))
    add("org", analysis.all_words(texts.org))
    add("fields", analysis.all_words(texts.fields))
    add("body", analysis.all_words(texts.body))
    add("title2", analysis.all_bigrams(title))
    add("keys2", analysis.all_bigrams(texts.keys))
    add("rest2", analysis.all_bigrams(rest))
    add("title1", analysis.all_characters(named))
    add("sound", analysis.all_sounds(named))
    add("sound2", analysis.all_sounds((*texts.gloss, *texts.org, *texts.fields)))
    add("spell", analysis.all_spelled((*named, *texts.gloss, *texts.org)))


def _add_numbers(found: Any, source: Source) -> None:
    item = source.dataset
    due, overdue = deadlines(source)
    found.add_float("weight", 2.0 ** _liveliness(source) - 2.0)  # counts as log2(2 + weight)
    found.add_integer("updated", _seconds(item.data_updated))
    found.add_integer("modified", _seconds(item.modified))
    found.add_integer("demand", source.demand)
    found.add_integer("due", due)
    found.add_integer("overdue", overdue)


def _liveliness(source: Source) -> float:
    """Of two that fit alike, what is brought up to date more often, and open, comes first."""
    often = {"realtime": 0.04, "daily": 0.04, "irregular": 0.0, "static": 0.0, "other": 0.0}
    is_open = source.dataset.openness is Openness.OPEN
    return 1.0 + often.get(source.update_cycle, 0.02) + (0.03 if is_open else 0.0)


def deadlines(source: Source) -> tuple[int, int]:
    """When new data is expected and when it is late; NEVER without a timer, 0 without data."""
    updated = _seconds(source.dataset.data_updated)
    days = _DAYS.get(source.update_cycle)
    if not updated:
        return 0, 0
    if days is None:
        return NEVER, NEVER
    term = vocabularies.term("update_cycle", source.update_cycle)
    grace = (term.more.get("overdue") or {}) if term else {}
    late = timedelta(days=float(grace.get("after", 0)) * _UNIT_DAYS.get(str(grace.get("unit")), 1))
    due = updated + int(timedelta(days=days).total_seconds())
    return due, due + int(late.total_seconds())


def _seconds(stamp: str) -> int:
    try:
        return int(datetime.fromisoformat(stamp).timestamp())
    except ValueError:
        return 0


def _suggestions(texts: Texts) -> set[str]:
    """Terms `typed NUL shown` of what may be offered while somebody types."""
    found = {(texts.title, "title")}
    found |= {(word, "keyword") for word in texts.keywords}
    found |= {(texts.org[0], "publisher")} if texts.org else set()
    terms: set[str] = set()
    for shown, kind in found:
        for typed in typed_forms(shown):
            terms.add(f"{typed}\x1f{shown[:80]}\x1f{kind}")
    return terms


@lru_cache(maxsize=32_768)
def typed_forms(shown: str) -> frozenset[str]:
    """How people begin to type a text: itself, its pinyin in full, its initials."""
    forms = {squeezed(shown)[:40]}
    runs = [run for run, han in analysis.runs(analysis.fold(shown)) if han]
    if runs and len(runs[0]) > 1:
        spoken = [s for word in analysis.cut(runs[0]) for s in pinyin.syllables(word)]
        forms |= {"".join(spoken)[:40], "".join(s[0] for s in spoken)[:40]}
    return frozenset(form for form in forms if form)
