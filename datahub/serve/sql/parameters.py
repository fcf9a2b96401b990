"""Parameters of stored queries: how they are declared, and what may be given for them."""

from __future__ import annotations

import math
import re
from datetime import date
from typing import TYPE_CHECKING, Literal

from datahub.errors import ParameterInvalid
from datahub.errors_jobs import QueryParameterInvalid
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value = str | int | float | bool | None
Kind = Literal["text", "integer", "number", "boolean", "date"]
MOST, LETTERS = 20, 2000
"""Parameters of a query; characters of a text."""
_NAME = re.compile(r"[^\W\d]\w{0,62}\Z")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?\Z", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_RIGHT = {
    "text": (f"应为文本，最多 {LETTERS} 个字符", f"give a text of {LETTERS} characters at most"),
    "integer": ("应为整数，如 2025", "give a whole number, as 2025"),
    "number": ("应为数字，如 3.5", "give a number, as 3.5"),
    "boolean": ("应为 true 或 false", "give true or false"),
    "date": ("应为日期，如 2025-03-01", "give a date, as 2025-03-01"),
}


class Parameter(Struct, frozen=True, forbid_unknown_fields=True):
    """A $name of a query; without a default it must be given."""

    name: str
    type: Kind = "text"
    title: str = ""
    default: Value = None
    enum: tuple[Value, ...] = ()
    min: Value = None
    max: Value = None


def check(parameters: Sequence[Parameter], reserved: Sequence[str]) -> None:
    """Check declarations; `reserved` are names that mean something else in an address.

    Raises:
        QueryParameterInvalid: which one is wrong, and what would be right.

    """
    if len(parameters) > MOST:
        raise _wrong("…", f"参数最多 {MOST} 个", f"{MOST} parameters at most")
    names = [parameter.name.casefold() for parameter in parameters]
    for parameter, name in zip(parameters, names, strict=True):
        if not _NAME.match(parameter.name):
            raise _wrong(parameter.name, "名称应为字母、汉字、数字或下划线，不以数字开头",
                         "a name has letters, digits and _, and begins with no digit")  # fmt: skip
        if name in reserved:
            raise _wrong(parameter.name, "这个名称另有用途", "this name has another meaning")
        if names.count(name) > 1:
            raise _wrong(parameter.name, "名称重复", "the name stands twice")
        _check_values(parameter)


def _check_values(parameter: Parameter) -> None:
    bounds = {"min": parameter.min, "max": parameter.max}
    for field, value in {"default": parameter.default, **bounds}.items():
        if value is not None and not _fits(parameter.type, value):
            raise _wrong(parameter.name, f"{field} {_RIGHT[parameter.type][0]}",
                         f"{field}: {_RIGHT[parameter.type][1]}")  # fmt: skip
    if not all(_fits(parameter.type, value) for value in parameter.enum):
        raise _wrong(parameter.name, f"enum 的值{_RIGHT[parameter.type][0]}",
                     f"values of enum: {_RIGHT[parameter.type][1]}")  # fmt: skip
    if parameter.type in ("text", "boolean") and (parameter.min, parameter.max) != (None, None):
        raise _wrong(parameter.name, "min 和 max 只用于数字和日期",
                     "min and max are for numbers and dates")  # fmt: skip
    if parameter.default is not None:
        try:
            _check_bounds(parameter, parameter.default)
        except ParameterInvalid as error:
            facts = error.facts
            raise _wrong(parameter.name, f"default {facts['reason_zh']}",
                         f"default: {facts['reason_en']}") from None  # fmt: skip


def _fits(kind: Kind, value: Value) -> bool:
    """Whether a value of JSON is one of a type."""
    if kind == "boolean":
        return isinstance(value, bool)
    if isinstance(value, bool):
        return False
    if kind == "integer":
        return isinstance(value, int)
    if kind == "number":
        return isinstance(value, (int, float))
    return isinstance(value, str) and _read(kind, value) is not None


def values(parameters: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, Value]:
    """Values of all parameters, from texts of an address and defaults.

    Raises:
        ParameterInvalid: which one is missing or wrong, and what would be right.

    """
    return {
        parameter.name: _value(parameter, given.get(parameter.name)) for parameter in parameters
    }


def _value(parameter: Parameter, text: str | None) -> Value:
    right_zh, right_en = _RIGHT[parameter.type]
    if text is None and parameter.default is not None:
        return parameter.default
    if text is None:
        raise ParameterInvalid(name=parameter.name, value="", reason_zh=f"必填：{right_zh}",
                               reason_en=f"it is needed: {right_en}")  # fmt: skip
    value = _read(parameter.type, text)
    if value is None:
        raise ParameterInvalid(name=parameter.name, value=text[:40], reason_zh=right_zh,
                               reason_en=right_en)  # fmt: skip
    _check_bounds(parameter, value)
    return value


def _read(kind: Kind, text: str) -> Value:
    """Value of a text; None when it is none of this type."""
    if kind == "text":
        return text if len(text) <= LETTERS and "\0" not in text else None
    if kind == "boolean":
        return {"true": True, "false": False}.get(text.lower())
    if kind == "integer":
        return int(text) if _INTEGER.match(text) else None
    if kind == "number":
        found = float(text) if _NUMBER.match(text) else math.inf
        return found if math.isfinite(found) else None
    try:
        return date.fromisoformat(text).isoformat() if _DATE.match(text) else None
    except ValueError:
        return None


def _check_bounds(parameter: Parameter, value: Value) -> None:
    told = {"name": parameter.name, "value": str(value)[:40]}
    if parameter.enum and value not in parameter.enum:
        shown = ", ".join(str(item) for item in parameter.enum[:50])
        raise ParameterInvalid(
            **told, allowed=shown, reason_zh=f"应为 {shown} 之一", reason_en=f"give one of {shown}"
        )
    if parameter.min is not None and value < parameter.min:  # type: ignore[operator]
        raise ParameterInvalid(**told, reason_zh=f"最小为 {parameter.min}",
                               reason_en=f"give {parameter.min} or more")  # fmt: skip
    if parameter.max is not None and value > parameter.max:  # type: ignore[operator]
        raise ParameterInvalid(**told, reason_zh=f"最大为 {parameter.max}",
                               reason_en=f"give {parameter.max} or less")  # fmt: skip


def examples(parameters: Sequence[Parameter]) -> dict[str, Value]:
    """Values to check a query with: defaults, else one that is allowed, else null."""
    return {
        parameter.name: next(
            (v for v in (parameter.default, *parameter.enum, parameter.min, parameter.max)
             if v is not None), None,
        )
        for parameter in parameters
    }  # fmt: skip


def _wrong(name: str, zh: str, en: str) -> QueryParameterInvalid:
    return QueryParameterInvalid(name=name[:80], reason_zh=zh, reason_en=en)
