"""Read JSON and NDJSON as a table, in pieces: an array may be larger than the memory.

Accepted: an array of objects, an array of arrays with a header, either of them somewhere inside
one object (`{"code": 0, "data": {"rows": [...]}}`), one object per line (NDJSON), one object.
Numbers keep the digits that were written; what is nested is written as JSON text.
"""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from datahub.errors import ArchiveBomb, FormatBroken, HeaderMissing, TableUnclear
from datahub.model import Dialect, Json, Notice, Table
from datahub.validation.probing import (
    SEARCHED_ROWS,
    Probe,
    check_columns,
    field_names,
    header_missing,
    null_text,
    renamed,
    score_header,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datahub.validation.encodings import Found

_CHUNK = 1 << 20
_BLANK = re.compile(r"[ \t\r\n]*")
_DEPTH = 4
_SHOWN = 5
_PARTS_MOST = 1000
_ENVELOPE = "$ (object)"


class _Number(str):
    """Digits as they were written."""

    __slots__ = ()


def _pairs(pairs: list[tuple[str, Any]]) -> Json:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice(next(k for i, (k, _) in enumerate(pairs) if k in dict(pairs[:i])))
    return found


class _Twice(ValueError):
    """An object has a key twice: which value counts is anybody's guess (RFC 8259, 4)."""


_DECODER = json.JSONDecoder(
    parse_float=_Number, parse_int=_Number, parse_constant=_Number, object_pairs_hook=_pairs
)


class _Reader:
    """A JSON text read in pieces, value by value; each value is at most so many characters."""

    def __init__(self, probe: Probe, path: str) -> None:
        self.probe, self.most = probe, probe.line_bytes
        self.file = Path(path).open(encoding="utf-8", newline="")  # noqa: SIM115 - closed by close
        self.text, self.at, self.line, self.over = "", 0, 1, False

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _more(self) -> bool:
        chunk = self.file.read(_CHUNK)
        self.line += self.text.count("\n", 0, self.at)
        self.text, self.at = self.text[self.at :] + chunk, 0
        self.over = not chunk
        return bool(chunk)

    def peek(self) -> str:
        """Next character that is no blank, or nothing at the end."""
        while True:
            found = _BLANK.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self._more():
                return ""

    def take(self, wanted: str) -> None:
        """Pass over one character, which has to be the wanted one."""
        if self.peek() != wanted:
            raise self.broken(f"此处应为 {wanted}", f"{wanted} is missing")
        self.at += 1

    def value(self) -> Any:
        """Next value, whole."""
        self.peek()
        while True:
            try:
                value, end = _DECODER.raw_decode(self.text, self.at)
            except _Twice as error:
                raise self.broken(f"键“{error}”出现两次", f"key '{error}' occurs twice") from None
            except RecursionError:
                raise self.broken("嵌套太深", "it is nested too deeply") from None
            except ValueError:
                end, value = len(self.text), None
            # At the end of a piece, a number or a broken value may go on in the next one.
            if end < len(self.text) or (self.over and value is not None):
                self.at = end
                return value
            if len(self.text) - self.at > self.most:
                raise self.broken("有一个值太长或没有结束", "a value is too long or never ends")
            if not self._more():
                raise self.broken(
                    "内容有语法错误或被截断", "a syntax error, or the text was cut off"
                )

    def broken(self, zh: str, en: str) -> FormatBroken:
        """Error at the present place."""
        line = self.line + self.text.count("\n", 0, self.at)
        return FormatBroken(
            file=self.probe.name,
            format="JSON",
            reason_zh=f"第 {line} 行：{zh}",
            reason_en=f"line {line}: {en}",
        )

    def items(self) -> Iterator[Any]:
        """Elements of an array that begins here, one by one."""
        self.take("[")
        if self.peek() == "]":
            self.at += 1
            return
        while True:
            yield self.value()
            if self.peek() == "]":
                self.at += 1
                return
            self.take(",")


class _Part:
    """One array of rows in a file: what its first elements and all of its keys are."""

    def __init__(self) -> None:
        self.count = 0
        self.keys: dict[str, int] = {}
        self.head: list[list[str]] = []
        self.odd = 0  # number of the first element that is no row like the others

    def see(self, item: Any) -> None:
        """Look at one element."""
        self.count += 1
        if isinstance(item, dict):
            for key in item:
                self.keys[key] = self.keys.get(key, 0) + 1
        elif isinstance(item, list) and len(self.head) < SEARCHED_ROWS:
            self.head.append([_cell(value, {}, "") for value in item])
        if not isinstance(item, dict if self.keys else list) and not self.odd:
            self.odd = self.count

    def score(self, expected: list[str]) -> tuple[int, int]:
        """Expected labels shown, and the number of the row that shows them (0: the keys)."""
        if self.keys:
            return score_header(self.keys, expected), 0
        scores = [(score_header(row, expected), -n) for n, row in enumerate(self.head, 1)]
        best, number = max(scores, default=(0, 0))
        return best, -number


class _Choice(NamedTuple):
    """Path of the array that is the table, what is in it, and its header's row."""

    path: str
    part: _Part
    header: int


def extract_json(probe: Probe, path: str, found: Found) -> Table:
    """Write the one table of a JSON or NDJSON text (UTF-8, at `path`) to the probe's copy.

    Raises:
        FormatBroken: it is no JSON, with the line.
        HeaderMissing: no array in it has the schema's keys.
        TableUnclear: several arrays have them equally.

    """
    source = probe.copy + ".json"
    Path(source).unlink(missing_ok=True)
    if path == probe.copy:  # transcoded there; the table takes its place
        Path(path).rename(source)
        path = source
    try:
        parts = dict[str, _Part]()
        _look(probe, path, parts)
        choice = _choose(probe, parts)
        notices = _write(probe, path, choice)
    except UnicodeEncodeError as error:
        raise FormatBroken(
            file=probe.name,
            format="JSON",
            reason_zh="有半个代理对（如 \\ud800），不是完整的字符",
            reason_en="half a surrogate pair is no character",
        ) from error
    finally:
        Path(source).unlink(missing_ok=True)
    lines = choice.path == ""
    return Table(
        path=probe.copy,
        name=probe.name,
        bytes=probe.bytes,
        sha256=probe.sha256,
        format="ndjson" if lines else "json",
        encoding=found.codec.removesuffix("-sig"),
        dialect=Dialect(header_row=max(1, choice.header), header_line=max(1, choice.header)),
        copied=True,
        notices=(*_renamed(probe), *found.notices, *notices),
    )


def _renamed(probe: Probe) -> tuple[Notice, ...]:
    """JSON and NDJSON are one family: either name is right for either."""
    return renamed(probe, "JSON") if renamed(probe, "NDJSON") else ()


def _look(probe: Probe, path: str, parts: dict[str, _Part]) -> None:
    def see(where: str, item: Any) -> None:
        part = parts.setdefault(where, _Part())
        part.see(item)
        check_columns(probe, len(part.keys), part.count)
        if len(parts) > _PARTS_MOST:
            raise TableUnclear(file=probe.name, found=", ".join(list(parts)[:_SHOWN]) + " …")

    _each(probe, path, see)


# Walking ------------------------------------------------------------------------------------


def _each(probe: Probe, path: str, see: Callable[[str, Any], None]) -> None:
    """Give every element of every array of rows to `see`, with the array's path."""
    reader = _Reader(probe, path)
    try:
        if reader.peek() == "[":
            _array(reader, "$", see)
            if reader.peek():
                raise reader.broken("数组之后还有内容", "something follows the array")
        elif _is_lines(path):
            while reader.peek():
                see("", reader.value())
        else:
            _object(reader, "$", see, 0)
            if reader.peek():
                raise reader.broken("对象之后还有内容", "something follows the object")
    finally:
        reader.close()


def _is_lines(path: str) -> bool:
    """Whether the first line is a whole object: then each line is one (NDJSON)."""
    with Path(path).open(encoding="utf-8", newline="") as file:
        line, after = file.readline(_CHUNK), file.readline(_CHUNK)
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return False
    nested = isinstance(value, dict) and any(isinstance(v, (list, dict)) for v in value.values())
    return bool(after.strip()) or not nested


def _array(reader: _Reader, where: str, see: Callable[[str, Any], None]) -> None:
    for item in reader.items():
        see(where, item)


def _object(reader: _Reader, where: str, see: Callable[[str, Any], None], depth: int) -> None:
    """Walk an envelope: arrays and objects in it are looked into, all else passed over."""
    reader.take("{")
    if reader.peek() == "}":
        reader.at += 1
        return
    record: Json = {}
    while True:
        key = reader.value()
        if not isinstance(key, str) or isinstance(key, _Number):
            raise reader.broken("键应是带引号的文字", "a key has to be a string")
        reader.take(":")
        opening = reader.peek()
        if key in record:
            raise reader.broken(f"键“{key[:40]}”出现两次", f"key '{key[:40]}' occurs twice")
        if opening == "[":
            _array(reader, f"{where}.{key}", see)
        elif opening == "{" and depth < _DEPTH:
            _object(reader, f"{where}.{key}", see, depth + 1)
        else:
            record[key] = reader.value()
            check_columns(reader.probe, len(record))
        if reader.peek() == "}":
            reader.at += 1
            break
        reader.take(",")
    if record and depth == 0:
        see(_ENVELOPE, record)


# Choosing and writing -----------------------------------------------------------------------


def _choose(probe: Probe, parts: dict[str, _Part]) -> _Choice:
    expected = field_names(probe.schema)
    if not expected and len(parts) > 1:  # any key looks like a label: the envelope's do not count
        parts = {where: part for where, part in parts.items() if where != _ENVELOPE} or parts
    scored = {where: part.score(expected) for where, part in parts.items()}
    best = max((score for score, _ in scored.values()), default=0)
    if not best:
        raise _no_header(probe, parts, expected)
    equal = [where for where, (score, _) in scored.items() if score == best]
    if len(equal) > 1:
        raise TableUnclear(file=probe.name, found=", ".join(equal[:_SHOWN]))
    choice = _Choice(equal[0], parts[equal[0]], scored[equal[0]][1])
    if choice.part.odd:
        raise FormatBroken(
            file=probe.name,
            format="JSON",
            reason_zh=f"第 {choice.part.odd} 个元素与其他元素的结构不同",
            reason_en=f"element {choice.part.odd} has another shape than the others",
        )
    check_columns(probe, len(choice.part.keys) or max(map(len, choice.part.head)))
    return choice


def _no_header(probe: Probe, parts: dict[str, _Part], expected: list[str]) -> HeaderMissing:
    for part in parts.values():
        if part.keys or part.head:
            found = ", ".join(list(part.keys)[:_SHOWN] or part.head[0])
            return header_missing(probe.name, expected, found)
    return header_missing(probe.name, expected, "-")


def _write(probe: Probe, path: str, choice: _Choice) -> tuple[Notice, ...]:
    null = null_text(probe.schema)
    fields = {field["name"]: field for field in probe.schema["fields"]}
    keys = [*fields, *(key for key in choice.part.keys if key not in fields)]
    size = number = 0
    columns: list[Json] = []
    with Path(probe.copy).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")

        def write(where: str, item: Any) -> None:
            nonlocal size, number, columns
            if where != choice.path:
                return
            number += 1
            if isinstance(item, dict):
                cells = [_cell(item.get(key), fields.get(key, {}), null) for key in keys]
            else:
                known = columns if number > choice.header else []
                spare: list[Json] = [{}] * max(0, len(item) - len(known))
                cells = [_cell(v, f, null) for v, f in zip(item, [*known, *spare], strict=False)]
                if number < choice.header:  # a title's line break would move the header's line
                    cells = [" ".join(cell.split()) for cell in cells]
                if number == choice.header:
                    columns = [fields.get(label.strip(), {}) for label in cells]
            size += writer.writerow(cells)
            if size > probe.unpacked_bytes:
                raise ArchiveBomb(file=probe.name, bytes=size, limit=probe.unpacked_bytes)

        if choice.part.keys:
            writer.writerow(keys)
        _each(probe, path, write)
    return tuple(_absent(probe, choice.part)) if choice.part.keys else ()


def _absent(probe: Probe, part: _Part) -> Iterator[Notice]:
    for field in probe.schema["fields"]:
        name = field["name"]
        if name not in part.keys:
            yield Notice(
                code="D21",
                severity="warn",
                zh=f"文件“{probe.name}”没有一条记录有键“{name}”，该列读作空。请核对键名。",
                en=f"No record of '{probe.name}' has the key '{name}'; the column is empty.",
                field=name,
                count=part.count,
            )


def _cell(value: Any, field: Json, null: str) -> str:
    """Value as the text that its field reads: digits as written, nested values as JSON."""
    if isinstance(value, str):  # texts, and numbers as they were written
        return str(value)
    if value is None:
        return null
    if isinstance(value, bool):
        name, default = ("trueValues", "true") if value else ("falseValues", "false")
        return str(field.get(name, [default])[0])
    return _json(value)


def _json(value: Any) -> str:
    """JSON text with the digits as they were written."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_json(str(k))}:{_json(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
