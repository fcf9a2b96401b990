"""The glossary (政务词条) as pages show it: entries by word, one entry with its versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.errors_glossary import TermUnknown
from datahub.record.glossary import STATES, expired, fold, words
from datahub.search import pinyin
from datahub.store import Store, editions, glossary, related, totals
from datahub.web.portal import cards

if TYPE_CHECKING:
    from datahub.record.glossary import Term
    from datahub.search.service import Search

PAGE = 48
_LOOKED_AT = 30
_PUBLIC = ("approved", "retired")


def list_view(store: Store, q: str, owner: str, number: int) -> dict[str, Any]:
    """A page of the entries in force, those that match best first."""
    entries: list[Term] = totals.kept(store.catalog, ("portal", "terms"), glossary.approved)
    with store.catalog.read() as db:
        titles = totals.titles(db, "publisher")
    chosen = [item for item in entries if owner in ("", item.owner)]
    found = _matching(chosen, fold(q)) if q else sorted(chosen, key=_spelt)
    pages = max(1, -(-len(found) // PAGE))
    number = min(number, pages)
    owners: dict[str, int] = {}
    for item in entries:
        owners[item.owner] = owners.get(item.owner, 0) + 1

    def url(**changes: str | int) -> str:
        values: dict[str, str | int] = {"q": q, "owner": owner, **changes}
        kept = {name: value for name, value in values.items() if value}
        return f"/glossary?{urlencode(kept, errors='replace')}" if kept else "/glossary"

    return {
        "q": q,
        "entries": found[(number - 1) * PAGE :][:PAGE],
        "found": len(found),
        "titles": titles,
        "owners": [
            (titles.get(code, code), count, url(owner="" if code == owner else code), code == owner)
            for code, count in sorted(owners.items(), key=lambda entry: (-entry[1], entry[0]))
        ],
        "number": number,
        "pages": pages,
        "url": url,
        "narrowed": bool(q or owner),
    }


def _spelt(item: Term) -> tuple[tuple[str, ...], str]:
    """Order of a dictionary: by pinyin."""
    return pinyin.syllables(item.term) or (fold(item.term),), item.id


def _matching(entries: list[Term], wanted: str) -> list[Term]:
    """Entries that hold the text: as a word of theirs, as part of one, in the definition."""
    scored: list[tuple[int, int, str, Term]] = []
    for item in entries:
        folded = [fold(word) for _, word in words(item)]
        inside = fold(item.definition + item.meaning)
        ranks = (wanted in folded, any(wanted in word for word in folded), wanted in inside)
        if any(ranks):
            scored.append((ranks.index(True), len(item.term), item.id, item))
    return [entry[-1] for entry in sorted(scored, key=lambda entry: entry[:-1])]


def view(store: Store, search: Search, identifier: str) -> dict[str, Any]:
    """One entry as it holds, or as it was when it was retired, with its public versions.

    Raises:
        TermUnknown: there is no such entry, or only a proposal of one.

    """
    with store.catalog.read() as db:
        known = [item for item in editions.versions(db, identifier) if item.state in _PUBLIC]
        if not known:
            raise TermUnknown(term=identifier[:80])
        head = editions.in_force(known) or known[0]
        entries = glossary.approved(db)
        named = related.titles(db, head.term.related_datasets)
        owner = totals.titles(db, "publisher").get(head.term.owner, head.term.owner)
        region = totals.titles(db, "region").get(head.term.region, head.term.region)
    hits = [hit.dataset for hit in search.find(head.term.term, limit=_LOOKED_AT).hits]
    named |= {d.name: d.title for d in hits if identifier in cards.values(d.record.get("terms"))}
    return {
        "term": head.term,
        "state": head.state,
        "state_title": STATES[head.state],
        "expired": expired(head.term, editions.today_of()),
        "owner": owner,
        "region": region,
        "at": head.at,
        "datasets": list(named.items()),
        "versions": [(item.version, STATES[item.state], item.at) for item in known],
        "siblings": [
            item for item in entries if item.owner == head.term.owner and item.id != identifier
        ][:8],
    }
