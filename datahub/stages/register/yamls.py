"""Reading YAML and JSON that people wrote: nothing ambiguous, nothing that explodes.

Refused are keys given twice, aliases that grow beyond bounds, tags, keys that are no text, files
above a size and structures too deep. Dates stay text. Lines are looked up only for a message.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import yaml

from datahub.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path

RECORD_BYTES = 1 << 20
CATALOG_BYTES = 8 << 20
SCHEMA_BYTES = 4 << 20
_MOST_VALUES = 200_000
_MOST_EXPANDED = 20_000  # values beyond those that are written, which aliases repeat
_DEEP = 50
_SHALLOW_BYTES = 8 << 10  # what is shorter cannot be deep enough to harm the parser
_TAG = "tag:yaml.org,2002:"
_PLAIN = {_TAG + name for name in ("int", "float", "bool", "null")}

Keys = tuple[str | int, ...]


class _Loader(yaml.CSafeLoader):
    """The safe loader without dates: `issued: 2025-01-01` is text as it stands."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, test) for tag, test in resolvers if tag != _TAG + "timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def failure(place: object, zh: str, en: str, **more: Any) -> CatalogError:
    """Make the error that a folder is refused with."""
    return CatalogError(place=str(place), reason_zh=zh, reason_en=en, **more)


def read_text(file: Path, most: int) -> str:
    """Text of a file, which is UTF-8 and not too large.

    Raises:
        CatalogError: it is missing, too large or not UTF-8.

    """
    try:
        size = file.stat().st_size
        if size > most:
            raise failure(
                file,
                f"文件有 {size / 1e6:.1f} MB，超过上限 {most / 1e6:.1f} MB",
                f"the file has {size / 1e6:.1f} MB, the limit is {most / 1e6:.1f} MB",
                rule="too-large",
            )
        return file.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise failure(file, "缺少这个文件", "the file is missing") from None
    except UnicodeDecodeError as error:
        reason = f"not UTF-8 at byte {error.start}"
        raise failure(file, f"不是 UTF-8 文字（第 {error.start} 字节）", reason) from None
    except OSError as error:
        raise failure(file, "读不出来", type(error).__name__) from None


def load(file: Path, most: int = RECORD_BYTES) -> Any:
    """Read a YAML file.

    Raises:
        CatalogError: it is no YAML, or ambiguous; the place has the line.

    """
    text = read_text(file, most)
    try:
        if len(text) > _SHALLOW_BYTES:
            _measure(file, text)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            return None if node is None else _Values(file, loader).value(node, 0)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _broken(file, error) from None


def _broken(file: Path, error: yaml.YAMLError) -> CatalogError:
    mark = getattr(error, "problem_mark", None)
    line = mark.line + 1 if mark else 1
    problem = str(getattr(error, "problem", None) or error).splitlines()[0]
    return failure(f"{file}:{line}", f"YAML 语法错误：{problem}", problem, rule="yaml")


def _measure(file: Path, text: str) -> None:
    """Refuse a file that is too deep before the composer, which recurses, sees it."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _DEEP:
                raise _too_deep(file, event.start_mark.line + 1 if event.start_mark else 1)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(file: Path, line: int) -> CatalogError:
    return failure(
        f"{file}:{line}",
        f"嵌套超过 {_DEEP} 层",
        f"more than {_DEEP} levels deep",
        rule="too-deep",
    )


class _Values:
    """Turns the nodes of one file into values."""

    def __init__(self, file: Path, loader: Any) -> None:
        self.file, self.loader, self.values = file, loader, 0
        self.seen: set[int] = set()
        self.repeated = 0

    def value(self, node: Any, depth: int) -> Any:
        self._count(node, depth)
        tag = node.tag
        if tag == _TAG + "str" and isinstance(node, yaml.ScalarNode):
            return node.value
        if isinstance(node, yaml.MappingNode) and tag == _TAG + "map":
            return self._mapping(node, depth)
        if isinstance(node, yaml.SequenceNode) and tag == _TAG + "seq":
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.ScalarNode) and tag in _PLAIN:
            return self._plain(node)
        raise self._fail(
            node, f"不支持的标记 {tag[:60]}", f"tag {tag[:60]} is not supported", "tag"
        )

    def _plain(self, node: Any) -> Any:
        try:
            found = self.loader.construct_object(node)
        except (ValueError, OverflowError):  # 9999 digits, 0b9
            found = math.nan
        if isinstance(found, float) and not math.isfinite(found):
            raise self._fail(node, "不是能读的数字", "no number that can be read", "yaml")
        return found

    def _mapping(self, node: Any, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, item in node.value:
            if key.tag != _TAG + "str" or not isinstance(key, yaml.ScalarNode):
                shown = str(key.value)[:40] if isinstance(key, yaml.ScalarNode) else "…"
                raise self._fail(
                    key,
                    f"键“{shown}”应为文字（加引号）",
                    f"key '{shown}' must be text: quote it",
                    "key",
                )
            if key.value in found:
                shown = key.value[:60]
                raise self._fail(
                    key, f"键“{shown}”出现了两次", f"key '{shown}' is given twice", "duplicate-key"
                )
            found[key.value] = self.value(item, depth + 1)
        return found

    def _count(self, node: Any, depth: int) -> None:
        if depth > _DEEP:
            raise _too_deep(self.file, node.start_mark.line + 1)
        self.values += 1
        if not isinstance(node, yaml.ScalarNode):
            self.repeated += len(node.value) if id(node) in self.seen else 0
            self.seen.add(id(node))
        if self.values > _MOST_VALUES or self.repeated > _MOST_EXPANDED:
            zh, en = "别名（*）展开后太大", "aliases (*) grow too large"
            raise self._fail(node, zh, en, "aliases")

    def _fail(self, node: Any, zh: str, en: str, rule: str) -> CatalogError:
        return failure(f"{self.file}:{node.start_mark.line + 1}", zh, en, rule=rule)


def line_of(file: Path, keys: Keys) -> int:
    """Line of a value in a YAML file; of the nearest thing around it when it is missing."""
    try:
        node: Any = yaml.compose(file.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return 1
    line = 1
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if k.value == key]
            if not found:
                return line
            line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and str(key).isdecimal():
            if int(key) >= len(node.value):
                return line
            node = node.value[int(key)]
            line = node.start_mark.line + 1
    return line


def read_json(file: Path, most: int = SCHEMA_BYTES) -> Any:
    """Read a JSON file in which no key stands twice.

    Raises:
        CatalogError: it is no JSON, or ambiguous.

    """
    text = read_text(file, most)
    try:
        return json.loads(text, object_pairs_hook=_Once(file), parse_constant=_Constant(file))
    except json.JSONDecodeError as error:
        place = f"{file}:{error.lineno}:{error.colno}"
        raise failure(place, f"JSON 语法错误：{error.msg}", error.msg, rule="json") from None
    except RecursionError:
        raise _too_deep(file, 1) from None


class _Once:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)[:60]
            zh, en = f"键“{twice}”出现了两次", f"key '{twice}' is given twice"
            raise failure(self.file, zh, en, rule="duplicate-key")
        return found


class _Constant:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __call__(self, name: str) -> Any:
        raise failure(self.file, f"JSON 里没有 {name}", f"{name} is no JSON", rule="json")
