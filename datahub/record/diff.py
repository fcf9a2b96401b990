"""What changing a table schema means for those who read its data and those who submit it: pure.

A change is compatible when everything that was read or handed in under the old schema still is
under the new one (Table Schema 2.0, and the `datahub:` rules beside it).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Who = Literal["readers", "submitters"]
READERS: tuple[Who, ...] = ("readers",)
SUBMITTERS: tuple[Who, ...] = ("submitters",)
BOTH: tuple[Who, ...] = ("readers", "submitters")
WHO_ZH = {"readers": "用数据的人", "submitters": "报送的人"}

_READING = ("format", "trueValues", "falseValues", "separator", "groupChar", "decimalChar",
            "bareNumber", "timezone", "missingValues", "itemType", "delimiter")  # fmt: skip
_DEFAULTS: Json = {
    "type": "string", "format": "default", "bareNumber": True, "decimalChar": ".", "groupChar": "",
    "trueValues": ["true", "True", "TRUE", "1"], "falseValues": ["false", "False", "FALSE", "0"],
}  # fmt: skip
_LOWER = ("minimum", "exclusiveMinimum", "minLength")
_UPPER = ("maximum", "exclusiveMaximum", "maxLength")
WORDS = ("title", "title_en", "description", "description_en", "example", "rdfType")


class Change(Struct, frozen=True):
    """One difference between two schemas; compatible when it breaks nobody."""

    field: str  # "" for the schema itself
    what: str  # added, removed, renamed, type, required, enum, minimum, primaryKey, …
    before: Any
    after: Any
    breaks: tuple[Who, ...]
    zh: str
    en: str

    @property
    def compatible(self) -> bool:
        """Whether nobody has to do anything."""
        return not self.breaks


def _change(
    field: str, what: str, before: Any, after: Any, breaks: tuple[Who, ...], zh: str, en: str
) -> Change:
    return Change(field=field, what=what, before=before, after=after, breaks=breaks, zh=zh, en=en)


def compare(before: Json, after: Json) -> list[Change]:
    """Every difference, what breaks somebody first."""
    found = [*_fields(before, after), *_keys(before, after), *_whole(before, after)]
    return sorted(found, key=lambda change: change.compatible)


def is_compatible(changes: Sequence[Change]) -> bool:
    """Whether the new schema can take the place of the old one without telling anybody."""
    return all(change.compatible for change in changes)


# Fields -------------------------------------------------------------------------------------


def _by_name(schema: Json) -> dict[str, Json]:
    fields = schema.get("fields") or ()
    return {str(field["name"]): field for field in fields}


def _fields(before: Json, after: Json) -> Iterator[Change]:
    old, new = _by_name(before), _by_name(after)
    gone = [name for name in old if name not in new]
    come = [name for name in new if name not in old]
    for name in list(gone):
        other = _renamed(name, old, new, come)
        if other is not None:
            gone.remove(name)
            come.remove(other)
            zh = f"字段“{name}”改名为“{other}”，按旧名取数和报送都会出错"
            en = f"'{name}' is called '{other}' now: whoever uses the old name fails"
            yield _change(name, "renamed", name, other, BOTH, zh, en)
            yield from _field(other, old[name], new[other])
    for name in gone:
        zh = "字段没有了，用它的程序会出错，带这一列的文件也通不过"
        en = "the field is gone: programs that use it and files that have it fail"
        yield _change(name, "removed", _shown(old[name]), None, BOTH, zh, en)
    for name in come:
        yield _added(name, new[name])
    for name in old:
        if name in new:
            yield from _field(name, old[name], new[name])
    yield from _order([n for n in old if n in new], [n for n in new if n in old], after)


def _renamed(
    name: str, old: dict[str, Json], new: dict[str, Json], come: Sequence[str]
) -> str | None:
    """New name of a field that left: the one with its title, or in its place with its type."""
    title = old[name].get("title")
    for other in come:
        if title and new[other].get("title") == title:
            return other
    place = list(old).index(name)
    names = list(new)
    if len(old) == len(new) and names[place] in come:
        same = all(old[name].get(k) == new[names[place]].get(k) for k in ("type", "constraints"))
        words = (old[name].get("description"), new[names[place]].get("description"))
        if same and words[0] and words[0] == words[1]:
            return names[place]
    return None


def _shown(field: Json) -> str:
    return str(field.get("type", "string"))


def _added(name: str, field: Json) -> Change:
    if (field.get("constraints") or {}).get("required") is True:
        zh = "新字段必填，按旧结构做的文件会通不过；可先设为选填"
        en = "the new field is required: files made for the old schema fail; make it optional first"
        return _change(name, "added", None, _shown(field), SUBMITTERS, zh, en)
    zh = "新增选填字段，已有的用法不受影响；报送文件的表头须加上这一列"
    en = "a new optional field: what reads the others goes on; headers need the column"
    return _change(name, "added", None, _shown(field), (), zh, en)


def _order(old: Sequence[str], new: Sequence[str], after: Json) -> Iterator[Change]:
    if list(old) == list(new):
        return
    exact = after.get("fieldsMatch", "exact") in ("exact", ["exact"])
    zh = "字段换了顺序，" + ("按旧顺序做的文件会通不过" if exact else "文件的列序不限，不受影响")
    en = "the fields have another order: " + (
        "files in the old one fail" if exact else "any order of columns is taken"
    )
    yield _change("", "order", list(old), list(new), SUBMITTERS if exact else (), zh, en)


def _field(name: str, old: Json, new: Json) -> Iterator[Change]:
    kinds = old.get("type", "string"), new.get("type", "string")
    if kinds[0] != kinds[1]:
        zh = f"类型由 {kinds[0]} 改为 {kinds[1]}，读数据的程序和旧文件都可能出错"
        en = f"the type changes from {kinds[0]} to {kinds[1]}: programs and old files may fail"
        yield _change(name, "type", kinds[0], kinds[1], BOTH, zh, en)
    for key in _READING:
        ends = old.get(key, _DEFAULTS.get(key)), new.get(key, _DEFAULTS.get(key))
        if ends[0] != ends[1]:
            zh, en = (
                f"{key} 变了，同样的文字会读成别的值",
                f"{key} changes: texts are read otherwise",
            )
            yield _change(name, key, ends[0], ends[1], BOTH, zh, en)
    if old.get("unit") != new.get("unit"):
        zh, en = "计量单位变了，同样的数字意思不同", "the unit changes: numbers mean something else"
        yield _change(name, "unit", old.get("unit"), new.get("unit"), BOTH, zh, en)
    yield from _limits(name, old.get("constraints") or {}, new.get("constraints") or {})
    yield from _check(name, old.get("datahub:check"), new.get("datahub:check"))
    for key in WORDS:
        if old.get(key) != new.get(key):
            zh, en = f"{key} 的文字变了，不影响数据", f"{key} is worded differently"
            yield _change(name, key, old.get(key), new.get(key), (), zh, en)


def _check(name: str, old: Any, new: Any) -> Iterator[Change]:
    if old == new:
        return
    if new is None:
        zh, en = "不再检查校验位", "the check digit is not checked any more"
        yield _change(name, "datahub:check", old, new, (), zh, en)
    else:
        zh, en = f"增加校验位检查（{new}）", f"check digits are checked now ({new})"
        yield _change(name, "datahub:check", old, new, SUBMITTERS, zh, en)


# Constraints --------------------------------------------------------------------------------


def _limits(name: str, old: Json, new: Json) -> Iterator[Change]:
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if before == after or (not before and not after and key in ("required", "unique")):
            continue
        narrower, zh, en = _narrower(key, before, after)
        yield _change(name, key, before, after, SUBMITTERS if narrower else (), zh, en)


def _narrower(key: str, before: Any, after: Any) -> tuple[bool, str, str]:
    """Whether a constraint takes less than before, and why."""
    if key in ("required", "unique"):
        return _switched(key, on=bool(after))
    if after is None:
        return False, f"取消了 {key} 的限制", f"{key} is not limited any more"
    if before is None:
        return True, f"新加了 {key} 的限制，原来合格的值可能通不过", f"{key} is limited now"
    if key == "enum":
        return _enum(before, after)
    if key in (*_LOWER, *_UPPER):
        tighter = _tighter(key, before, after)
        word = ("收紧", "narrower") if tighter else ("放宽", "wider")
        return tighter, f"{key} {word[0]}：{before} → {after}", f"{key} is {word[1]} now"
    zh = f"{key} 变了，原来合格的值可能通不过"
    return True, zh, f"{key} changes: values that passed may fail"


def _switched(key: str, *, on: bool) -> tuple[bool, str, str]:
    words = {"required": ("必填", "required"), "unique": ("不许重复", "unique")}[key]
    if on:
        zh = f"改为{words[0]}，有空值（或重复）的旧文件会通不过"
        return True, zh, f"it is {words[1]} now: files that were not so fail"
    return False, f"不再{words[0]}，旧文件照样通过", f"it need not be {words[1]} any more"


def _enum(before: Sequence[Any], after: Sequence[Any]) -> tuple[bool, str, str]:
    gone = [value for value in before if value not in after]
    come = [value for value in after if value not in before]
    if gone:
        shown = "、".join(map(str, gone[:10]))
        return True, f"代码表去掉了 {shown}，用到的文件会通不过", f"values are gone: {shown}"
    if come:
        shown = "、".join(map(str, come[:10]))
        return False, f"代码表增加了 {shown}", f"values are added: {shown}"
    return False, "代码表只换了顺序", "only the order of the values changes"


def _tighter(key: str, before: Any, after: Any) -> bool:
    try:
        return bool(after > before) if key in _LOWER else bool(after < before)
    except TypeError:  # a number against a text: nobody can tell
        return True


# The schema itself --------------------------------------------------------------------------


def _listed(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) else list(value or ())


def _bare(item: Any) -> Any:
    """A key or rule without what people call it."""
    if not isinstance(item, dict):
        return item
    return {name: value for name, value in item.items() if name not in WORDS}


def _keys(before: Json, after: Json) -> Iterator[Change]:
    old, new = _listed(before.get("primaryKey")), _listed(after.get("primaryKey"))
    if old != new:
        zh = "主键变了，按主键关联和更新的程序要改，旧文件也可能有重复"
        en = "the primary key changes: joins and updates by it, and old files, may fail"
        yield _change("", "primaryKey", old, new, BOTH, zh, en)
    yield from _added_or_gone(before, after, "uniqueKeys", "唯一键", "unique key")
    yield from _added_or_gone(before, after, "foreignKeys", "外键", "foreign key")
    yield from _added_or_gone(before, after, "datahub:rules", "规则", "rule")


def _added_or_gone(before: Json, after: Json, key: str, zh: str, en: str) -> Iterator[Change]:
    old, new = ([_bare(item) for item in _listed(s.get(key))] for s in (before, after))
    for item in new:
        if item not in old:
            told = f"新加或改了{zh}，原来合格的文件可能通不过"
            yield _change("", key, None, item, SUBMITTERS, told, f"a new {en}: files may fail")
    for item in old:
        if item not in new:
            yield _change("", key, item, None, (), f"原来的{zh}不再有", f"a {en} is gone")


def _whole(before: Json, after: Json) -> Iterator[Change]:
    missing = [sorted(map(str, s.get("missingValues", [""]))) for s in (before, after)]
    if missing[0] != missing[1]:
        zh = "表示没有值的文字变了，同样的单元格会读成别的"
        en = "other texts mean 'no value': the same cells are read otherwise"
        yield _change("", "missingValues", missing[0], missing[1], BOTH, zh, en)
    match = [s.get("fieldsMatch", "exact") for s in (before, after)]
    if match[0] != match[1]:
        strict = match[1] in ("exact", ["exact"])
        zh = "表头须与字段完全一致" if strict else "表头与字段的对应方式变了"
        who = SUBMITTERS if strict else ()
        yield _change(
            "", "fieldsMatch", match[0], match[1], who, zh, "headers are matched otherwise"
        )
    for key in ("title", "title_en", "description", "description_en"):
        if before.get(key) != after.get(key):
            zh, en = f"表的 {key} 变了，不影响数据", f"{key} of the table is worded differently"
            yield _change("", key, before.get(key), after.get(key), (), zh, en)
