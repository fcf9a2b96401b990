"""Arrays and objects, which are JSON texts: compared by what they hold, not by how it is written.

Elements of arrays are compared as texts, as cs, cd and ov do; a value is written as PostgREST
writes it, `{a,b}`, or as JSON.
"""

from __future__ import annotations

import msgspec

from datahub.forms.columns import Column, is_json
from datahub.serve.query.parse import elements
from datahub.serve.query.scanner import invalid


def is_nested(column: Column) -> bool:
    """Tell whether the values of a column are arrays or objects."""
    return is_json(column)


def told(column: Column, sql: str) -> str:
    """SQL of a value (of a cell, or one that `read` returned) as what is compared."""
    if column.type == "array":
        return f"json_extract_string({sql}, '$[*]')"
    return f"json({sql})::varchar"


def read(column: Column, text: str, parameter: str) -> str:
    """Read a value that is compared with a column; the result is JSON.

    Raises:
        ParameterInvalid: it is neither JSON of the column's type nor, for an array, `{a,b}`.

    """
    if column.type == "array" and text.startswith("{"):
        return msgspec.json.encode(elements(parameter, text)).decode()
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        found = None
    if isinstance(found, list if column.type == "array" else dict):
        return text
    example = '{a,b}、["a", "b"]' if column.type == "array" else '{"a": 1}'
    raise invalid(
        parameter,
        text,
        f"列“{column.name}”的类型是 {column.type}，应写成 {example}",
        f"column '{column.name}' is of type {column.type}: write {example.replace('、', ' or ')}",
    )
