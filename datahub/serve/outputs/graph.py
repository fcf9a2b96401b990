"""RDF from one form: JSON-LD nodes, written as JSON-LD or as Turtle, one node after the other.

A node is a dict with `@id` (else it is blank), `@type`, prefixed properties and `@reverse`. A
value is a node, `{"@id": …}`, or a literal `{"@value": …}`. Every writer takes nodes one by one,
so that a catalog of any size passes through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.serve.outputs.texts import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Node = dict[str, Any]

PREFIXES = {
    "adms": "http://www.w3.org/ns/adms#",
    "dcat": "http://www.w3.org/ns/dcat#",
    "dcatap": "http://data.europa.eu/r5r/",
    "dct": "http://purl.org/dc/terms/",
    "foaf": "http://xmlns.com/foaf/0.1/",
    "org": "http://www.w3.org/ns/org#",
    "owl": "http://www.w3.org/2002/07/owl#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "spdx": "http://spdx.org/rdf/terms#",
    "vcard": "http://www.w3.org/2006/vcard/ns#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
TURTLE = "text/turtle; charset=utf-8"
JSON_LD = "application/ld+json"
_ESCAPED = re.compile(r'[\x00-\x1f"\\\x7f]')
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def ref(iri: str) -> Node:
    """Point at a node."""
    return {"@id": iri}


def text(value: str, language: str = "") -> Node:
    """Literal in a language, or in none."""
    return {"@value": clean(value), "@language": language} if language else {"@value": clean(value)}


def typed(value: str, kind: str) -> Node:
    """Literal of an XSD type."""
    return {"@value": clean(value), "@type": f"xsd:{kind}"}


def compact(node: Node) -> Node:
    """Node without the properties that have no value."""
    return {key: value for key, value in node.items() if value not in (None, "", [], {})}


# JSON-LD -----------------------------------------------------------------------------------


def json_ld(first: Node, lists: dict[str, Iterable[Node]], others: Iterable[Node]) -> Iterator[str]:
    """Write a document: its first node with long lists of its own, then the others beside it."""
    yield f'{{"@context":{_json(PREFIXES)},"@graph":[\n{_json(first)[:-1]}'
    for name, items in lists.items():
        yield f",{_json(name)}:["
        mark = "\n"
        for item in items:
            yield mark + _json(item)
            mark = ",\n"
        yield "\n]"
    yield "}"
    for node in others:
        yield f",\n{_json(node)}"
    yield "\n]}\n"


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# Turtle ------------------------------------------------------------------------------------


def turtle(nodes: Iterable[Node]) -> Iterator[str]:
    """Write nodes as Turtle."""
    yield "".join(f"@prefix {name}: <{iri}> .\n" for name, iri in PREFIXES.items())
    for node in nodes:
        yield "".join(_blocks(node))


def _blocks(node: Node) -> Iterator[str]:
    """Write a node, then those inside it that have names of their own."""
    inner: list[Node] = []
    lines = _lines(node, inner)
    if lines:
        yield f"\n<{node['@id']}>\n    " + " ;\n    ".join(lines) + " .\n"
    for other in inner:
        yield from _blocks(other)
    for name, values in node.get("@reverse", {}).items():
        for other in _many(values):
            yield f"<{other['@id']}> {name} <{node['@id']}> .\n"


def _lines(node: Node, inner: list[Node]) -> list[str]:
    lines = [f"a {', '.join(_many(node['@type']))}"] if "@type" in node else []
    for name, values in node.items():
        if not name.startswith("@"):
            shown = [_value(value, inner) for value in _many(values)]
            lines.append(f"{name} {', '.join(shown)}")
    return lines


def _value(value: Node, inner: list[Node]) -> str:
    if "@value" in value:
        return _literal(value)
    if "@id" not in value:
        return f"[ {' ; '.join(_lines(value, inner))} ]"
    if len(value) > 1:
        inner.append(value)
    return f"<{value['@id']}>"


def _literal(value: Node) -> str:
    shown = f'"{_ESCAPED.sub(_escape, value["@value"])}"'
    if "@language" in value:
        return f"{shown}@{value['@language']}"
    return f"{shown}^^{value['@type']}" if "@type" in value else shown


def _escape(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04X}"


def _many(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
