"""What a request for rows asks: which table, which rows, which form; what names the answer."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote, quote_plus

import msgspec

from datahub.errors import CursorInvalid, ParameterInvalid
from datahub.errors_rows import FormMissing, NotAcceptable
from datahub.forms.names import FORMS, Form
from datahub.serve import cursors
from datahub.serve.cursors import Start
from datahub.serve.query import plan as plans
from datahub.serve.query.outputs import of_table
from datahub.serve.query.scanner import invalid
from datahub.web.negotiation import best

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from litestar import Request

    from datahub.serve.query.plan import Plan
    from datahub.serve.reading import Reading, Table

PAGE = 100
SHAPES = ("objects", "arrays", "columns")
_FORMAT = "1"  # of an answer's bytes; a change of the code that changes them counts it up
_TABLE = ("version", "as_of", "format")
_PAGE_OF = ("limit", "offset", "cursor", "count", "shape")
ONCE = (*_TABLE, *_PAGE_OF)
_FOREVER = "public, max-age=31536000, immutable"
_LATEST = "public, max-age=60, must-revalidate"
_ALTERNATES = ("json", "csv", "parquet")  # the others are told in the documentation
_SHORT = 1000  # characters of a question that is remembered
_LINK_QUERY = 2000  # characters; headers are no place for longer ones
_ACCEPTED = {form.media_type.split(";")[0]: name for name, form in FORMS.items()}
_ACCEPTED |= {"text/xml": "xml", "application/ndjson": "ndjson", "application/jsonl": "ndjson"}


class Question(NamedTuple):
    """What is asked of a table, apart from the page."""

    plan: Plan
    canonical: str  # one text for all ways of asking it
    fingerprint: bytes  # what a cursor belongs to
    fields: bytes  # JSON of name, title and type of each column of the answer


class Asked(NamedTuple):
    """A request for rows, understood."""

    path: str  # of the request, without ending
    ending: str  # with its dot; empty where the path has none
    pairs: tuple[tuple[str, str], ...]  # its parameters
    table: Table
    question: Question
    form: Form
    shape: str
    limit: int
    start: Start
    counting: str | None  # exact, none
    pinned: bool  # to a version, for ever

    @property
    def plan(self) -> Plan:
        """The question, compiled."""
        return self.question.plan

    @property
    def etag(self) -> str:
        """Tag of the answer: strong where it is the same to the byte whenever it is made.

        JSON tells the total, which depends on the time for counting; a mean on the order of sums.
        """
        query = self.plan.query
        counts = self.form.name == "json" and (query.filtered or query.facet)
        counted = counts or self.plan.grouped
        table = self.table
        told = (_FORMAT, table.dataset, table.version, table.resource, table.digest, self.form.name,
                self.shape, self.limit, *self.start, self.counting, self.question.canonical,
                self.plan.query.facet)  # fmt: skip
        tag = f'"{sha256(repr(told).encode()).hexdigest()[:32]}"'
        return tag if self.counting == "none" or not counted else f"W/{tag}"

    def address(self, **changes: str | None) -> str:
        """Address of this request with other parameters; None takes one away."""
        told = [pair for name, pair in _encoded(self.pairs) if name not in changes]
        told += [_told(name, value) for name, value in changes.items() if value is not None]
        path = _path(self.path + self.ending)
        return f"{path}?{'&'.join(told)}" if told else path


@lru_cache(maxsize=256)
def _encoded(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """Names, and the pairs as they stand in an address."""
    return tuple((name, _told(name, value)) for name, value in pairs)


def _told(name: str, value: str) -> str:
    return f"{quote_plus(name)}={quote_plus(value)}"


@lru_cache(maxsize=256)
def _path(path: str) -> str:
    return quote(path, safe="/%")


def understood(
    request: Request[Any, Any, Any], dataset: str, resource: str, suffix: str = ""
) -> Asked:
    """Read a request for rows.

    Raises:
        DatahubError: what it asks for is not there, or a parameter is wrong, and which.

    """
    reading: Reading = request.app.state.reading
    pairs = tuple((name, str(value)) for name, value in request.query_params.multi_items())
    own = own_parameters(pairs)
    data = reading.store.settings.data
    given = own.get("cursor")
    cursor = None if given is None else cursors.read(data, given)
    version = reading.version(dataset, own.get("version"), own.get("as_of"))
    if cursor is not None and version not in (None, cursor.version):
        raise invalid(
            "version", own.get("version", own.get("as_of", "")),
            f"与 cursor 的版本 {cursor.version} 不一致",
            f"the cursor belongs to version {cursor.version}",
        )  # fmt: skip
    table = reading.table(dataset, resource, cursor.version if cursor else version)
    asked = Asked(
        path=request.scope["path"].removesuffix(suffix),
        ending=suffix,
        pairs=pairs,
        table=table,
        question=question_of(table, tuple(pair for pair in pairs if pair[0] not in ONCE)),
        form=form_of(own.get("format"), request.headers.get("accept"), suffix),
        shape=_one_of("shape", own.get("shape"), SHAPES) or "objects",
        limit=_limit(own.get("limit"), reading.store.settings.page_rows),
        start=_start(cursor, own.get("offset")),
        counting=_one_of("count", own.get("count"), ("exact", "none")),
        pinned="version" in own and not table.latest and cursor is None,
    )
    if cursor is not None and cursor.asked != asked.question.fingerprint:
        raise CursorInvalid
    if asked.shape != "objects" and asked.form.name != "json":
        raise invalid("shape", asked.shape, "只用于 json", "goes with json only")
    if asked.plan.query.facet and asked.form.name != "json":
        raise invalid("facet", ",".join(asked.plan.query.facet), "只用于 json",
                      "goes with json only")  # fmt: skip
    return asked._replace(pinned=asked.pinned or cursor is not None)


def question_of(table: Table, pairs: tuple[tuple[str, str], ...]) -> Question:
    """Compile a question on a table; short ones are remembered, for every page asks the same.

    Raises:
        ParameterInvalid, ParameterUnknown: a parameter is wrong, and which.

    """
    short = sum(len(name) + len(value) for name, value in pairs) < _SHORT
    return (_question if short else _question.__wrapped__)(table, pairs)


@lru_cache(maxsize=256)
def _question(table: Table, pairs: tuple[tuple[str, str], ...]) -> Question:
    plan = plans.compiled(plans.read(pairs, table.columns), table.columns)
    canonical = plan.query.canonical
    return Question(
        plan=plan,
        canonical=canonical,
        fingerprint=cursors.digest(table.dataset, table.resource, canonical),
        fields=msgspec.json.encode(_fields(table, plan)),
    )


def _fields(table: Table, plan: Plan) -> list[dict[str, str]]:
    described = {field["name"]: field for field in table.schema["fields"]}
    found = []
    for output in plan.outputs:
        name = output.column.name
        own = described.get(name, {}) if output.sql == of_table(name) else {}
        title = str(own.get("title") or name)
        found.append({"name": name, "title": title, "type": output.column.type})
    return found


def own_parameters(
    pairs: Sequence[tuple[str, str]], names: Sequence[str] = ONCE
) -> Mapping[str, str]:
    """Those parameters that are no question to the table, each given once."""
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in names:
            if name in found:
                raise invalid(name, "…", "只能出现一次", "give it once")
            found[name] = value
    return found


def form_of(given: str | None, accept: str | None, suffix: str) -> Form:
    """Form of the answer: by ending, else by `format`, else by Accept.

    Raises:
        ParameterInvalid: ending and `format` contradict each other.
        FormMissing: there is no such form.
        NotAcceptable: Accept takes none of them.

    """
    if given is not None and given not in FORMS:
        raise FormMissing(form=given[:40], allowed=", ".join(FORMS), name="format")
    if suffix:
        if given not in (None, suffix[1:]):
            raise invalid("format", given or "", f"与扩展名 {suffix} 矛盾",
                          f"contradicts the ending {suffix}")  # fmt: skip
        return FORMS[suffix[1:]]
    if given is not None:
        return FORMS[given]
    if accept and "text/html" in accept:  # a browser, which asks for XML before anything else
        return FORMS["json"]
    name = best(accept, _ACCEPTED)
    if name is None:
        raise NotAcceptable(allowed=", ".join(_ACCEPTED))
    return FORMS[name]


def headers(asked: Asked) -> dict[str, str]:
    """Headers that are known before any query: a 304 has them, too."""
    return {
        "etag": asked.etag,
        "cache-control": _FOREVER if asked.pinned else _LATEST,
        "vary": "Accept",
    }


def links(asked: Asked, following: str | None, before: str | None) -> str:
    """Link header (RFC 8288): neighbours, the pinned version, the schema, other forms."""
    if sum(len(name) + len(value) for name, value in asked.pairs) > _LINK_QUERY:
        return ""
    version = str(asked.table.version)
    found = []
    for cursor, relation in ((following, "next"), (before, "prev")):
        if cursor:
            address = asked.address(cursor=cursor, offset=None, as_of=None, version=None)
            found.append(f'<{address}>; rel="{relation}"')
    if not asked.pinned:
        found.append(f'<{asked.address(version=version, as_of=None)}>; rel="canonical"')
    schema = _path(asked.path.rpartition("/")[0]) + "/schema"
    found.append(f'<{schema}>; rel="describedby"')
    if not asked.start.position:
        base = asked._replace(ending="").address(format=None, shape=None)
        base += "&" if "?" in base else "?"
        for name in _ALTERNATES:
            if name != asked.form.name:
                kind = FORMS[name].media_type.split(";")[0]
                found.append(f'<{base}format={name}>; rel="alternate"; type="{kind}"')
    return ", ".join(found)


def _limit(text: str | None, most: int) -> int:
    if text is None:
        return min(PAGE, most)
    limit = _whole("limit", text, 1)
    if limit > most:
        raise ParameterInvalid(
            name="limit", value=text[:40], most=most,
            reason_zh=f"每页最多 {most} 行；要全部数据请用 export 或下载文件",
            reason_en=f"{most} rows a page at most; for all rows take export, or the files",
        )  # fmt: skip
    return limit


def _start(cursor: cursors.Cursor | None, offset: str | None) -> Start:
    if offset is None:
        return Start(0) if cursor is None else cursor.start
    if cursor is not None:
        raise invalid("offset", offset, "不能与 cursor 同时使用", "give it without cursor")
    return Start(_whole("offset", offset, 0))


def _whole(name: str, text: str, least: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 18 and int(text) >= least):  # noqa: PLR2004 - fits 64 bits
        raise invalid(name, text, f"应为不小于 {least} 的整数",
                      f"give a whole number, {least} or more")  # fmt: skip
    return int(text)


def _one_of(name: str, text: str | None, allowed: Sequence[str]) -> str | None:
    if text is not None and text not in allowed:
        told = ", ".join(allowed)
        raise invalid(name, text, f"应为：{told}", f"give one of: {told}")
    return text
