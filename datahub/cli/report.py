"""How a report is told to people: one line for each kind of error, and what would be right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len

from datahub.cli import show

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from datahub.model import Json

SHOWN = 20
_CELL = 40  # characters of a value


def tell_errors(
    report: Json, titles: Mapping[str, str] | None = None, *, english: bool = False
) -> None:
    """Print the kinds of errors with rows, values and what would be right."""
    groups: list[Json] = report.get("groups") or _ungrouped(report)
    lines = [_line(group, titles or {}) for group in groups[:SHOWN]]
    if len({group["file"] for group in groups}) > 1:
        lines = [{"文件": plain(g["file"])} | line for g, line in zip(groups, lines, strict=False)]
    if english:
        for group, line in zip(groups, lines, strict=False):
            line["问题"] += f"\n{plain(group['en'])}"
            line["正确写法"] += f"\n{plain(group['right_en'])}"
    if _fit(lines):
        show.table(list(lines[0]), [list(line.values()) for line in lines])
    else:
        _tell_narrow(lines)
    if len(groups) > SHOWN:
        show.out.print(f"… 还有 {len(groups) - SHOWN} 种错误 · more kinds of errors")


def _line(group: Json, titles: Mapping[str, str]) -> dict[str, str]:
    rows = ", ".join(map(str, group["rows"]))
    more = " …" if group["count"] > len(group["rows"]) > 0 else ""
    return {
        "数量": f"{group['count']:,}",
        "列": _column(group["field"], titles),
        "问题": plain(group["zh"]),
        "行": f"{rows}{more}",
        "值": _values(group["samples"]),
        "正确写法": plain(group["right_zh"]),
    }


def _fit(lines: Sequence[Mapping[str, str]]) -> bool:
    """Whether the table of these lines fits the terminal without breaking a sentence."""
    parts = [{name: (name, *text.split("\n")) for name, text in line.items()} for line in lines]
    widths = [max(cell_len(p) for line in parts for p in line[name]) for name in parts[0]]
    return sum(widths) + 2 * len(widths) <= show.out.width


def _tell_narrow(lines: Sequence[Mapping[str, str]]) -> None:
    for line in lines:
        told, *more = line["问题"].split("\n")
        show.out.print(f"{line['数量']} × {told}", style="bold", markup=False)
        place = [f"{name} {line[name]}" for name in ("文件", "列", "行", "值") if line.get(name)]
        right = [f"→ {text}" for text in line["正确写法"].split("\n") if text]
        for text in (*more, " · ".join(place), *right):
            show.out.print(f"    {text}", markup=False)


def tell_remarks(report: Json, *, english: bool = False) -> None:
    """Print what was noticed about the files, and the rules that a person should look at."""
    told = {group["field"] for group in report.get("groups", [])}
    remarks = [
        ("注意" if notice["severity"] == "warn" else "说明", notice["zh"], notice["en"])
        for notice in report.get("notices", [])
        if not notice["field"] or notice["field"] not in told
    ]
    for rule in report.get("rules", []):
        if rule["skipped"]:
            remarks.append(("没有核对", f"规则 {rule['rule']}：{rule['zh']}", rule["en"]))
        elif rule["count"] and rule["severity"] != "error":  # the others are among the errors
            remarks.append(("请核对", f"规则 {rule['rule']}：{rule['zh']}", rule["en"]))
    for kind, text_zh, text_en in remarks:
        show.out.print(f"[{kind}] {plain(text_zh)}", markup=False)
        if english:
            show.out.print(f"    {plain(text_en)}", markup=False)


def engine_zh(engine: Json) -> str:
    """Say how a table was judged."""
    version = engine["frictionless"]
    if engine["name"] == "columns":
        return f"逐列判定，出错的行和抽查的 {engine['audited']:,} 行经 Frictionless {version} 复核"
    why = f"（{plain(engine['why'])}）" if engine["why"] else ""
    return f"全部由 Frictionless {version} 逐行判定{why}"


def _ungrouped(report: Json) -> list[Json]:
    """Errors one by one, of a report from before there were groups."""
    return [
        {"count": 1, "file": task["place"], "field": error.get("fieldName", ""),
         "zh": error.get("note") or error["message"], "en": "", "right_zh": "", "right_en": "",
         "rows": [error["rowNumber"]] if "rowNumber" in error else [],
         "samples": [error["cell"]] if "cell" in error else []}
        for task in report["tasks"]
        for error in task["errors"]
    ]  # fmt: skip


def _column(name: str, titles: Mapping[str, str]) -> str:
    title = titles.get(name, name)
    return name if title == name else f"{title} {name}"


def _values(samples: Sequence[Any]) -> str:
    shown = [plain(str(value)) for value in samples]
    cut = [value if len(value) <= _CELL else f"{value[:_CELL]}…" for value in shown]
    return "、".join(f"“{value}”" if value else "（空）" for value in cut)


def plain(text: str) -> str:
    """Text of an owner's file without what would steer the terminal."""
    return "".join(c if c.isprintable() or c == "\n" else " " for c in text)
