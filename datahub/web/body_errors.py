"""What is wrong with a JSON body or a value: the library's messages in words of two languages."""

from __future__ import annotations

import re
from enum import Enum
from typing import Any, Literal, get_args, get_origin

import msgspec

from datahub.errors import BodyInvalid

_KINDS = {
    "str": ("文本", "a text"),
    "int": ("整数", "a whole number"),
    "float": ("数字", "a number"),
    "bool": ("true 或 false", "true or false"),
    "array": ("列表", "a list"),
    "object": ("对象 {…}", "an object {…}"),
    "null": ("null", "null"),
}
_SENTENCES = (
    (r"Expected `(?P<kinds>[^`]+)`, got `(?P<got>[^`]+)`", "应为{kinds}，不是{got}",
     "give {kinds}, not {got}"),
    (r"Expected `(?P<kinds>[^`]+)` (?P<rule>\S.*)", "应为{kinds}，且 {rule}",
     "give {kinds} {rule}"),
    (r"Object missing required field `(?P<name>[^`]+)`", "缺少这个字段", "it is missing"),
    (r"Object contains unknown field `(?P<name>[^`]+)`", "没有这个字段",
     "there is no such field"),
    (r"Invalid (?:enum )?value (?P<name>.+)", "不能是 {name}", "it cannot be {name}"),
    (r"JSON is malformed: (?P<rule>.+) \(byte (?P<at>\d+)\)", "不是 JSON：第 {at} 字节处（{rule}）",
     "this is no JSON: {rule} (byte {at})"),
    (r"Input data was truncated", "不是 JSON：没有写完，或有半个代理字符",
     "this is no JSON: it ends too early, or has half of a surrogate pair"),
    (r"(?:Number|Integer value) out of range", "数字太大", "a number is too large"),
    (r"Invalid UTF-8.*", "不是 UTF-8 文本", "it is not UTF-8"),
)  # fmt: skip
_NEEDED = ("需要 JSON 内容，例如 {example}", "a JSON body is needed, such as {example}")
_JSON = ("内容应为 UTF-8 的 JSON，不压缩", "Send UTF-8 JSON, not compressed")


def told(message: str) -> tuple[str, str]:
    """Tell one of msgspec's messages in Chinese and English; one that is not known as it is."""
    message = message.partition(" - at `")[0]
    for pattern, zh, en in _SENTENCES:
        found = re.fullmatch(pattern, message)
        if found is not None:
            words = found.groupdict()
            return zh.format(**_named(words, 0)), en.format(**_named(words, 1))
    return message, message


def _named(words: dict[str, str], language: int) -> dict[str, str]:
    """Put the words of a language for the kinds of values."""
    or_ = ("或", " or ")[language]
    return {
        name: or_.join(_KINDS.get(kind, (kind, kind))[language] for kind in text.split(" | "))
        if name in ("kinds", "got")
        else text
        for name, text in words.items()
    }


def of_value(message: str, kind: Any) -> tuple[str, str]:
    """Tell what is wrong with a parameter of this type: no address can say null."""
    choices = _choices(kind)
    if choices:
        return f"应为：{'、'.join(choices)}", f"give one of: {', '.join(choices)}"
    return told(message.replace(" | null`", "`"))


def _choices(kind: Any) -> list[str]:
    """Values of an enumeration, or of a type that may be one or nothing."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return [str(item.value) for item in kind]
    if get_origin(kind) is Literal:
        return [str(value) for value in get_args(kind)]
    return [text for part in get_args(kind) for text in _choices(part)]


def no_json(message: str) -> BodyInvalid:
    """Tell why a body cannot be read at all, and what would be right."""
    zh, en = told(message)
    return BodyInvalid(reason_zh=f"{zh}。{_JSON[0]}", reason_en=f"{en}. {_JSON[1]}")


def of_body(wrong: list[tuple[str, str]], body: Any) -> BodyInvalid:
    """Tell what is wrong with a body: places and messages of msgspec; `body` is its type."""
    fields = _fields(body)
    problems = []
    for place, message in wrong:
        zh, en = told(message)
        if " " in message:  # else it is no sentence, as for a body that is not there
            problems.append({"field": _place(place, message), "zh": zh, "en": en})
    if not problems:
        needed = ", ".join(f'"{name}": …' for name, needed in fields if needed)
        zh, en = (text.format(example=f"{{{needed}}}") for text in _NEEDED)
        return BodyInvalid(reason_zh=zh, reason_en=en)
    zh = "；".join(f"{item['field']} {item['zh']}".strip() for item in problems)
    en = "; ".join(f"{item['field']}: {item['en']}".removeprefix(": ") for item in problems)
    if fields:
        listed = ", ".join(f"{name}{'' if needed else '?'}" for name, needed in fields)
        zh += f"。字段：{listed}（? 可省略）"
        en += f". The fields are {listed} (? may be left out)"
    return BodyInvalid(reason_zh=zh, reason_en=en, problems=problems)


def _place(place: str, message: str) -> str:
    """Where a body is wrong: a field that is missing or unknown is a place of its own."""
    found = re.match(r"Object (?:missing required|contains unknown) field `([^`]+)`", message)
    parts = [part for part in (place, found and found[1]) if part and part != "data"]
    return ".".join(parts)


def _fields(body: Any) -> list[tuple[str, bool]]:
    """Names of the fields of a body's type, and whether each is needed."""
    if not (isinstance(body, type) and issubclass(body, msgspec.Struct)):
        return []
    return [(field.encode_name, field.required) for field in msgspec.structs.fields(body)]
