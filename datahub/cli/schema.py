"""Commands on table schemas: propose one for a file, say what changing one breaks."""

from __future__ import annotations

import json as plain_json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from datahub.cli import show
from datahub.cli.check import Child, read_schema
from datahub.cli.publish import service
from datahub.cli.report import plain
from datahub.record.diff import WHO_ZH, WORDS, Change, compare, is_compatible

schema_app = typer.Typer(help="表结构：推断、比较 · Table schemas.", no_args_is_help=True)
_INFER = "datahub.validation.inferring:propose"
_MARKS = {"I06": "⚠", "I08": "⚠", "I10": "↓"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    infers = "例：datahub schema infer 学校名单.xlsx --out schools.json"
    compares = (
        "例：datahub schema diff 旧.json 新.json · datahub schema diff schools/schools 新.json"
    )
    schema_app.command(epilog=f"{infers} · datahub schema infer 空气.csv --bounds --json")(infer)
    schema_app.command(epilog=compares)(diff)
    app.add_typer(schema_app, name="schema")


def infer(
    file: Annotated[
        Path,
        typer.Argument(help="CSV、XLSX 等文件 · a file with a header", exists=True, dir_okay=False),
    ],
    out: Annotated[
        Path | None, typer.Option(help="把表结构存成这个文件 · save the schema here")
    ] = None,
    title: Annotated[str, typer.Option(help="表的名称 · title of the table")] = "",
    bounds: Annotated[
        bool,
        typer.Option("--bounds", help="也列出最小、最大和长度 · minimum, maximum, lengths, too"),
    ] = False,
    charset: Annotated[
        str, typer.Option(help="文件编码；不写则自动识别 · encoding, else found out")
    ] = "",
    force: Annotated[
        bool, typer.Option("--force", help="覆盖已有的文件 · overwrite the file")
    ] = False,
    json: show.Json = False,
) -> None:
    """按文件提出表结构，供修改后登记 · Propose a table schema for a file, to be edited."""
    if out is not None and out.exists() and not force:
        raise typer.BadParameter(f"--out {out} 已存在，加 --force 覆盖 · it exists; use --force")
    from datahub.validation.inference import known_schemas

    with tempfile.TemporaryDirectory() as temporary, show.busy("识别文件…") as say:
        child = Child(Path(temporary))
        table = child.detect(file, file.name, {"fields": []}, charset)
        say(f"推断并校验 {file.name}（{show.human(table.bytes)}）…")
        draft = {
            "table": table, "folder": temporary, "title": title, "bounds": bounds,
            "known": known_schemas(),
        }  # fmt: skip
        found = child.run(_INFER, draft, dict[str, Any])
    if out is not None:
        text = plain_json.dumps(found["schema"], ensure_ascii=False, indent=2)
        out.write_text(text + "\n", encoding="utf-8")
    if json:
        show.as_json(found)
    else:
        _tell(found, out)
    if not found["valid"]:
        raise typer.Exit(1)


def _tell(found: Any, out: Path | None) -> None:
    def say(text: str, style: str | None = None) -> None:
        show.out.print(plain(text), style=style, markup=False)

    table, schema = found["table"], found["schema"]
    place = table["sheet"] or f"分隔符 {table['delimiter']!r}"
    say(
        f"{table['name']} · {table['format']} · {table['encoding']} · {place}"
        f" · 表头行 {table['header_row']} · {table['rows']:,} 行 rows",
        "bold",
    )
    rows = [
        [field["name"], field.get("title", ""), _type(field), _limits(field), fact["missing"] or ""]
        for field, fact in zip(schema["fields"], found["columns"], strict=True)
    ]
    columns = ("字段 name", "列名 title", "类型 type", "约束 constraints", "空 missing")
    show.records(columns, [[plain(str(cell)) for cell in row] for row in rows])
    say(f"主键 key：{', '.join(schema.get('primaryKey', [])) or '（无）'}"
        f" · 空值 missing：{' '.join(repr(t) for t in schema['missingValues'])}")  # fmt: skip
    if found["checks"]:
        say("请核对 · to check", "bold")
    for item in found["checks"]:
        name = f"{item['field']}：" if item["field"] else ""
        say(f"  {_MARKS.get(item['code'], '·')} {name}{item['zh']} · {item['en']}")
    for group in found["groups"]:
        say(f"  ✗ {group['zh']} · {group['en']}")
    if found["valid"]:
        say(f"✓ 按此结构校验，{table['rows']:,} 行全部通过 · the file is valid by it")
    else:
        say("✗ 文件本身有错，须先改文件 · the file has errors of its own")
    if out is not None:
        say(f"已存为 {out} · saved")


def _type(field: Any) -> str:
    extra = [str(field[key]) for key in ("format", "unit", "separator") if field.get(key)]
    return " ".join([field["type"], *extra])


def _limits(field: Any) -> str:
    words = {"required": "必填", "unique": "不重复"}
    found = []
    for key, value in field.get("constraints", {}).items():
        if key in words:
            found += [words[key]] if value else []
        elif key == "enum":
            shown = "|".join(map(str, value[:6])) + ("|…" if len(value) > 6 else "")  # noqa: PLR2004
            found.append(f"取值 {shown}")
        else:
            found.append(f"{key} {value}")
    if "datahub:check" in field:
        found.append(f"校验位 {field['datahub:check']}")
    return "，".join(found)


def diff(
    before: Annotated[
        str, typer.Argument(help="旧表结构：文件，或 数据集/资源 · file or DATASET/RESOURCE")
    ],
    after: Annotated[
        str, typer.Argument(help="新表结构：文件，或 数据集/资源 · file or DATASET/RESOURCE")
    ],
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """比较两个表结构，说明哪些改动不兼容 · Say which changes of a schema are compatible.

    退出码：0 兼容，1 不兼容。Exit codes: 0 compatible, 1 breaking.
    """
    schemas = [_schema(text, server, token) for text in (before, after)]
    changes = compare(*schemas)
    fine = is_compatible(changes)
    if json:
        show.as_json({"compatible": fine, "changes": [_plain(change) for change in changes]})
    else:
        _tell_changes(changes, fine=fine)
    if not fine:
        raise typer.Exit(1)


def _schema(text: str, server: str | None, token: str | None) -> Any:
    path = Path(text)
    if path.is_file():
        return read_schema(path)
    dataset, slash, resource = text.partition("/")
    if not slash or path.suffix or "/" in resource or not (dataset and resource):
        raise typer.BadParameter(
            f"没有文件 {text}，也不是 数据集/资源 · neither a file nor a resource"
        )
    found = service(server, token).get(f"/api/v1/datasets/{dataset}/resources/{resource}/schema")
    return plain_json.loads(plain_json.dumps(found, default=float))  # as a file's numbers are read


def _plain(change: Change) -> dict[str, Any]:
    shown = {name: getattr(change, name) for name in change.__struct_fields__}
    return shown | {"compatible": change.compatible}


def _tell_changes(changes: list[Change], *, fine: bool) -> None:
    def say(text: str, style: str | None = None) -> None:
        show.out.print(plain(text), style=style, markup=False)

    worded = [change for change in changes if change.what in WORDS]
    for change in changes:
        if change.what in WORDS:
            continue
        mark = "✓" if change.compatible else "✗"
        who = "、".join(WHO_ZH[name] for name in change.breaks)
        place = f"{change.field} " if change.field else ""
        say(f"{mark} {place}{change.what}：{_short(change.before)} → {_short(change.after)}")
        say(f"    {change.zh}{f'（影响{who}）' if who else ''} · {change.en}")
    if worded:
        names = "、".join(dict.fromkeys(change.field or "表 table" for change in worded))
        say(f"✓ 文字说明改动 {len(worded)} 处（{names}）· {len(worded)} changes of wording only")
    broken = sum(not change.compatible for change in changes)
    if not changes:
        say("✓ 两个表结构相同 · the schemas are the same")
    elif fine:
        say(f"✓ {len(changes)} 处改动，都兼容 · compatible", "bold")
    else:
        say(f"✗ {len(changes)} 处改动，{broken} 处不兼容 · breaking", "bold")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else plain_json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:60] + "…"  # noqa: PLR2004 - a line
