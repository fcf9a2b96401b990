"""What results are narrowed and counted by."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from datahub.model import Struct
from datahub.record import vocabularies
from datahub.search import schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from datahub.search.schema import Context

FRESHNESS = {
    "fresh": "按期更新",
    "due": "待更新",
    "overdue": "逾期未更新",
    "untimed": "无固定周期",
    "unpublished": "尚未发布",
}
NAMES = (*schema.FACETS, "freshness")
ALL = "all"
"""As the only value of status or validity: whatever it is."""
_PRESENT = ("active", "deprecated")
_FOREVER = 1 << 61
_MOST = 2000


_VOCABULARIES = ("openness", "update_cycle", "grade", "status", "validity")


def titles(context: Context) -> dict[str, dict[str, str]]:
    """Titles of the codes of each filter; formats are what they are."""
    return {
        "publisher": {code: str(item["title"]) for code, item in context.publishers.items()},
        "region": {code: str(item["title"]) for code, item in context.regions.items()},
        "theme": {code: str(item["title"]) for code, item in context.themes.items()},
        "freshness": FRESHNESS,
        "sample": {"true": "示例数据", "false": "正式数据"},
        **{name: vocabularies.labels(name) for name in _VOCABULARIES},
    }


class Count(Struct, frozen=True):
    """How many results have a value."""

    value: str
    count: int


def compiled(filters: Mapping[str, tuple[str, ...]], now: float) -> dict[str, Any]:
    """Query per filter; the ones that lists have by default stand under `listed`."""
    import tantivy

    query, known = tantivy.Query, schema.tantivy_schema()
    found = {
        name: query.term_set_query(known, name, list(values))
        for name, values in filters.items()
        if values and name in schema.FACETS and values != (ALL,)
    }
    if filters.get("freshness"):
        ranges = [_range(query, known, value, now) for value in filters["freshness"]]
        found["freshness"] = query.boolean_query([(tantivy.Occur.Should, r) for r in ranges])
    status, validity = filters.get("status"), filters.get("validity")
    if not status and not validity:
        found[schema.LISTED] = query.term_query(known, schema.LISTED, "y", "basic")
    elif not validity:
        found[schema.LISTED] = query.term_query(known, "force", "y", "basic")
    elif not status:
        found[schema.LISTED] = query.term_set_query(known, "status", list(_PRESENT))
    return found


def _bounds(now: float) -> dict[str, tuple[str, int, int]]:
    """Field with lower and upper bound (exclusive) per kind of freshness."""
    at = int(now)
    return {
        "unpublished": ("due", 0, 1),
        "fresh": ("due", at + 1, schema.NEVER),
        "untimed": ("due", schema.NEVER, _FOREVER),
        "overdue": ("overdue", 1, at + 1),
        "due": ("due", 1, at + 1),
    }


def _range(query: Any, known: Any, value: str, now: float) -> Any:
    import tantivy

    field, low, high = _bounds(now)[value]
    kind, must = tantivy.FieldType.Integer, tantivy.Occur.Must
    found = query.range_query(known, field, kind, low, high, True, False)
    if value == "due":  # the data is expected, but not late yet
        late = query.range_query(known, "overdue", kind, int(now) + 1, _FOREVER, True, False)
        return query.boolean_query([(must, found), (must, late)])
    return found


def counts(
    searcher: Any, query: Any, narrowing: dict[str, Any], names: Iterable[str]
) -> dict[str, list[Count]]:
    """Count the values of facets, each under all filters but its own."""
    together = [name for name in names if name not in narrowing]
    found: dict[str, list[Count]] = {}
    if together:
        found |= _counted(searcher, _narrowed(query, narrowing), together)
    for name in names:
        if name in narrowing:
            rest = {key: value for key, value in narrowing.items() if key != name}
            found |= _counted(searcher, _narrowed(query, rest), [name])
    return {name: found[name] for name in names}


def _narrowed(query: Any, narrowing: dict[str, Any]) -> Any:
    import tantivy

    return tantivy.Query.boolean_query(
        [(tantivy.Occur.Must, part) for part in (query, *narrowing.values())]
    )


def _counted(searcher: Any, query: Any, names: list[str]) -> dict[str, list[Count]]:
    wanted = {
        name: {"terms": {"field": name, "size": _MOST}} for name in names if name != "freshness"
    }
    if "freshness" in names:
        wanted |= _fresh_ranges()
    answer = searcher.aggregate(query, wanted) if wanted else {}
    found = {
        name: [Count(value=b["key"], count=b["doc_count"]) for b in answer[name]["buckets"]]
        for name in names
        if name != "freshness"
    }
    if "freshness" in names:
        found["freshness"] = _fresh_counts(answer)
    for values in found.values():
        values.sort(key=lambda item: (-item.count, item.value))
    return found


def _fresh_ranges() -> dict[str, Any]:
    at = int(time.time())
    due = [
        {"to": 1, "key": "unpublished"},
        {"from": 1, "to": at + 1, "key": "passed"},
        {"from": at + 1, "to": schema.NEVER, "key": "fresh"},
        {"from": schema.NEVER, "key": "untimed"},
    ]
    late = [{"from": 1, "to": at + 1, "key": "overdue"}]
    return {
        "due": {"range": {"field": "due", "ranges": due}},
        "overdue": {"range": {"field": "overdue", "ranges": late}},
    }


def _fresh_counts(answer: dict[str, Any]) -> list[Count]:
    by_key = {b["key"]: b["doc_count"] for b in answer["due"]["buckets"]}
    late = {b["key"]: b["doc_count"] for b in answer["overdue"]["buckets"]}.get("overdue", 0)
    totals = {
        "fresh": by_key.get("fresh", 0),
        "due": by_key.get("passed", 0) - late,
        "overdue": late,
        "untimed": by_key.get("untimed", 0),
        "unpublished": by_key.get("unpublished", 0),
    }
    return [Count(value=key, count=count) for key, count in totals.items() if count > 0]
