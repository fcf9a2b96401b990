"""What a request in SQL asks: statement, parameters, form and bounds; what names the answer."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import BodyInvalid, ParameterInvalid, ParameterUnknown
from datahub.forms.names import Form
from datahub.model import Struct
from datahub.serve.sql.messages import Bounds, Question
from datahub.serve.sql.parameters import values
from datahub.web.rows_request import form_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from litestar import Request

    from datahub.serve.asking import Prepared
    from datahub.serve.sql.parameters import Parameter
    from datahub.settings import Settings

NAMES = ("q", "format", "shape", "limit", "timeout_ms")
SHAPES = ("objects", "arrays")
_FORMAT = "1"  # of an answer's bytes; a change of the code that changes them counts it up
_HUGE = 1 << 127
_VALUES, _LETTERS = 100, 100_000  # parameters, characters of all of them


class SqlBody(Struct, frozen=True, forbid_unknown_fields=True):
    """A question in SQL; `params` are the values of its $names."""

    q: str
    params: dict[str, Any] = msgspec.field(default_factory=dict)
    format: str | None = None
    shape: str | None = None
    limit: int | None = None
    timeout_ms: int | None = None


class Asked(Struct, frozen=True):
    """A request in SQL, understood."""

    question: Question
    form: Form

    def etag(self, prepared: Prepared) -> str:
        """Tag of the answer: weak, because the answer tells how long it took."""
        tables = [(table.dataset, table.resource, table.version, table.digest)
                  for table in prepared.tables]  # fmt: skip
        question = self.question
        told = (_FORMAT, prepared.text, question.values, question.bounds, question.shape,
                self.form.name, tables)  # fmt: skip
        return f'W/"{sha256(repr(told).encode()).hexdigest()[:32]}"'


def of_query(request: Request[Any, Any, Any], settings: Settings, suffix: str = "") -> Asked:
    """Read the parameters of a GET; values of $names are texts, p.name=value.

    Raises:
        DatahubError: which parameter is wrong, and what would be right.

    """
    found: dict[str, Any] = {}
    values: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        known, into, key = name in NAMES, found, name
        if name.startswith("p.") and len(name) > 2:  # noqa: PLR2004 - of p.
            known, into, key = True, values, name[2:]
        if not known:
            raise ParameterUnknown(name=name[:80], allowed=", ".join((*NAMES, "p.…")))
        if key in into:
            raise _wrong(name, "…", "只能出现一次", "give it once")
        into[key] = value
    if "q" not in found:
        raise _wrong("q", "", "必填：一条 SELECT 语句", "it is needed: one SELECT statement")
    for name in ("limit", "timeout_ms"):
        if name in found:
            found[name] = _whole(name, found[name])
    return _asked(request, settings, SqlBody(params=values, **found), suffix)


def of_body(
    request: Request[Any, Any, Any], settings: Settings, body: SqlBody, suffix: str = ""
) -> Asked:
    """Read the body of a POST; `suffix` is the ending of the path."""
    return _asked(request, settings, body, suffix)


def of_stored(
    request: Request[Any, Any, Any],
    settings: Settings,
    sql: str,
    declared: Sequence[Parameter],
    suffix: str,
) -> Asked:
    """Read a request for a stored query, whose parameters are those of the address.

    Raises:
        DatahubError: which parameter is wrong, and what would be right.

    """
    own = [name for name in NAMES if name != "q"]
    names = [parameter.name for parameter in declared]
    found: dict[str, Any] = {}
    given: dict[str, str] = {}
    for name, value in request.query_params.multi_items():
        if name not in own and name not in names:
            raise ParameterUnknown(name=name[:80], allowed=", ".join([*names, *own]))
        into = found if name in own else given
        if name in into:
            raise _wrong(name, "…", "只能出现一次", "give it once")
        into[name] = value
    for name in ("limit", "timeout_ms"):
        if name in found:
            found[name] = _whole(name, found[name])
    body = SqlBody(q=sql, params=values(declared, given), **found)
    return _asked(request, settings, body, suffix)


def _asked(
    request: Request[Any, Any, Any], settings: Settings, body: SqlBody, suffix: str
) -> Asked:
    form = form_of(body.format, request.headers.get("accept"), suffix)
    if body.shape is not None and (body.shape not in SHAPES or form.name != "json"):
        raise _wrong("shape", body.shape, "应为 objects 或 arrays，且只用于 json",
                     "give objects or arrays, with json only")  # fmt: skip
    seconds = settings.sql_seconds
    milliseconds = _bounded("timeout_ms", body.timeout_ms, int(seconds * 1000))
    question = Question(
        sql=body.q,
        values=_values(body.params),
        form=form,
        shape=body.shape or "objects",
        title="sql",
        bounds=Bounds(
            seconds=milliseconds / 1000,
            rows=_bounded("limit", body.limit, settings.sql_rows),
            bytes=settings.sql_bytes,
        ),
    )
    return Asked(question=question, form=form)


def _bounded(name: str, given: int | None, most: int) -> int:
    if given is None:
        return most
    if not 1 <= given <= most:
        raise _wrong(name, str(given), f"应在 1 与 {most} 之间", f"give 1 to {most}")
    return given


def _values(params: dict[str, Any]) -> dict[str, Any]:
    """Check values: texts, numbers, truth values, null, and lists of these.

    Raises:
        BodyInvalid: a value of another kind, or too many of them.

    """
    size = sum(len(str(value)) for value in params.values())
    if len(params) > _VALUES or size > _LETTERS:
        raise BodyInvalid(
            reason_zh=f"参数最多 {_VALUES} 个、共 {_LETTERS:,} 个字符",
            reason_en=f"at most {_VALUES} parameters of {_LETTERS:,} characters in all",
        )
    for name, value in params.items():
        items = value if isinstance(value, list) else [value]
        if not all(item is None or isinstance(item, (str, int, float)) for item in items):
            raise BodyInvalid(
                reason_zh=f"params.{name[:60]} 应为文本、数字、布尔值、null 或它们的列表",
                reason_en=f"params.{name[:60]}: give a text, a number, true, false, null or a list",
            )
        if any(isinstance(item, int) and abs(item) >= _HUGE for item in items):
            raise BodyInvalid(
                reason_zh=f"params.{name[:60]} 超过 128 位整数；请写成文本",
                reason_en=f"params.{name[:60]} is no integer of 128 bits; give it as a text",
            )
    return params


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):  # noqa: PLR2004 - fits 32 bits
        raise _wrong(name, text, "应为正整数", "give a whole number")
    return int(text)


def _wrong(name: str, value: str, zh: str, en: str) -> ParameterInvalid:
    return ParameterInvalid(name=name, value=value[:40], reason_zh=zh, reason_en=en)
