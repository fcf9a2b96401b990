"""The command validate: judge files against a table schema on this machine, without a server."""

from __future__ import annotations

import locale
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from datahub import settings
from datahub.cli import show
from datahub.cli.report import engine_zh, plain, tell_errors, tell_remarks
from datahub.errors import CatalogError, FileError, from_code
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Json, Table

T = TypeVar("T")
_SCHEMAS = Path("schemas")
_YAML = (".yaml", ".yml")


def add_to(app: typer.Typer) -> None:
    """Add the command to the application."""
    example = (
        "例：datahub validate 空气.csv --schema schemas/air_hourly.json"
        " · datahub validate 一月.csv 二月.csv --schema air_hourly --errors 错误.xlsx"
    )
    app.command(epilog=example)(validate)


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV、XLSX 等文件；几个文件合成一张表 · files; several are one table",
            exists=True,
            dir_okay=False,
        ),
    ],
    schema: Annotated[
        str, typer.Option(help="表结构 JSON/YAML，或 schemas/ 里的名称 · table schema, or its name")
    ],
    errors: Annotated[
        Path | None,
        typer.Option(help="把全部错误存成 .csv 或 .xlsx · save all errors"),
    ] = None,
    related: Annotated[
        list[str] | None,
        typer.Option(
            help="外键引用的表：名称=文件,表结构 · NAME=FILE,SCHEMA of a table that keys refer to"
        ),
    ] = None,
    charset: Annotated[
        str, typer.Option(help="文件编码；不写则自动识别 · encoding, else found out")
    ] = "",
    english: Annotated[
        bool, typer.Option("--english", help="附英文说明 · English sentences, too")
    ] = False,
    json: show.Json = False,
) -> None:
    """按表结构校验文件，不需要服务 · Validate files against a schema, no server needed."""
    if errors is not None and (errors.suffix not in (".csv", ".xlsx") or errors.is_dir()):
        raise typer.BadParameter("--errors 应以 .csv 或 .xlsx 结尾 · a .csv or .xlsx file")
    descriptor = read_schema(_schema_file(schema))
    with tempfile.TemporaryDirectory() as temporary, show.busy("识别文件…") as say:
        child = Child(Path(temporary))
        tables = []
        for file, name in zip(files, _names(files), strict=True):
            say(f"识别 {name}（{show.human(file.stat().st_size)}）…")
            tables.append(child.detect(file, name, descriptor, charset))
        others = [_related(child, text) for text in related or ()]
        say(f"校验 {show.human(sum(table.bytes for table in tables))} …")
        report = child.judge(tables, descriptor, others)
        if errors is not None:
            say("保存错误清单…")
            child.save_errors(errors)
    if json:
        show.as_json(report)
    else:
        _tell(tables, report, descriptor, english=english or _speaks_english())
    if not report["valid"]:
        raise typer.Exit(1)


def _related(child: Child, text: str) -> Json:
    """Table that foreign keys refer to, of "NAME=FILE,SCHEMA"."""
    name, _, rest = text.partition("=")
    file, _, schema = rest.rpartition(",")
    if not name or not file or not schema:
        raise typer.BadParameter(f"--related {text}：应为 名称=文件,表结构 · NAME=FILE,SCHEMA")
    path = Path(file)
    if not path.is_file():
        raise typer.BadParameter(f"--related {text}：没有文件 {file} · there is no such file")
    descriptor = read_schema(_schema_file(schema))
    table = child.detect(path, path.name, descriptor, "")
    return {"name": name, "schema": descriptor, "tables": [table]}


def _names(files: list[Path]) -> list[str]:
    """Name of each file as the report says it: with its folder where names repeat."""
    names = [file.name for file in files]
    return [str(f) if names.count(f.name) > 1 else f.name for f in files]


def _speaks_english() -> bool:
    return locale.setlocale(locale.LC_CTYPE).startswith("en")


# The schema -------------------------------------------------------------------------------


def _schema_file(text: str) -> Path:
    """File of a schema given as a path or as a name in the folder schemas/."""
    path = Path(text)
    named = _SCHEMAS / f"{text}.json"
    for found in (path, named):
        if found.is_file():
            return found
    raise typer.BadParameter(f"--schema：没有文件 {path} 或 {named} · no such file")


def read_schema(file: Path) -> Json:
    """Read a table schema and see that every value could be judged by it.

    Raises:
        CatalogError: it has a mistake.

    """
    from datahub.stages.register import read_schema as read_json
    from datahub.validation.metadata import check_schema

    found = _read_yaml(file) if file.suffix in _YAML else read_json(file)
    fields = found.get("fields") if isinstance(found, dict) else None
    if not isinstance(fields, list) or not all(map(_is_field, fields or [None])):
        raise CatalogError(
            place=str(file),
            reason_zh="应有 fields（字段列表），每个字段都有 name",
            reason_en="fields must be a list of fields, each with a name",
        )
    for problem in check_schema(found):
        raise CatalogError(
            place=str(file), reason_zh=f"表结构有误：{problem}", reason_en=f"schema: {problem}"
        )
    return found


def _is_field(entry: Any) -> bool:
    return isinstance(entry, dict) and isinstance(entry.get("name"), str)


def _read_yaml(file: Path) -> Any:
    import yaml

    try:
        return yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CatalogError(
            place=str(file), reason_zh=f"不是 YAML：{error}", reason_en=f"no YAML: {error}"
        ) from None


# The children that read the files -----------------------------------------------------------


class Child:
    """Runs the stages' own functions in children with limits; their files stay in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._settings = settings.load()
        self._limits = Limits(self._settings.child_memory, self._settings.child_seconds)
        self._errors = folder / "errors.csv"

    def detect(self, file: Path, name: str, schema: Json, charset: str) -> Table:
        """Find out how a file is read.

        Raises:
            FileError: it cannot be read as a table.

        """
        from datahub.store.objects import digest_of

        number = len(list(self._folder.glob("copy-*")))
        copy = self._folder / f"copy-{number}"
        copy.mkdir()
        probe = {
            "path": str(file.absolute()), "name": name, "bytes": file.stat().st_size,
            "sha256": digest_of(file), "schema": schema, "copy": str(copy / "copy.csv"),
            "charset": charset, "line_bytes": self._settings.line_bytes,
            "unpacked_bytes": self._settings.unpacked_bytes,
        }  # fmt: skip
        try:
            return self.run("datahub.validation.sniff:sniff", probe, Table)
        except FileError as error:  # a parser that failed does not know whose file it read
            raise from_code(error.code, error.facts | _file_of(error, name)) from None

    def judge(self, tables: list[Table], schema: Json, related: list[Json]) -> Json:
        """Judge all tables as one resource; `related` are slots that its keys refer to."""
        job = {
            "slots": [{"name": "table", "schema": schema, "tables": tables}],
            "folder": str(self._folder),
            "errors_csv": str(self._errors),
            "errors_kept": self._settings.errors_kept,
            "related": related,
        }
        return self.run("datahub.validation.judge:judge", job, dict[str, Any])

    def save_errors(self, target: Path) -> None:
        """Save the list of all errors as CSV or workbook, as the name says."""
        found = self._errors
        if target.suffix == ".xlsx":
            found = self._errors.with_suffix(".xlsx")
            listing = {"csv": str(self._errors), "xlsx": str(found)}
            self.run("datahub.validation.errors_xlsx:build", listing, int)
        shutil.copyfile(found, target)

    def run(self, target: str, argument: Json, returns: type[T]) -> T:
        """Call a function in a child with the limits of this machine's settings."""
        return run(target, argument, returns=returns, limits=self._limits, folder=self._folder)


def _file_of(error: FileError, name: str) -> Json:
    return {"file": name} if error.facts.get("file") == "…" else {}


# What people read ---------------------------------------------------------------------------


def _tell(tables: list[Table], report: Json, schema: Json, *, english: bool) -> None:
    from datahub.validation.messages import type_zh

    def say(text: str, style: str | None = None) -> None:
        show.out.print(plain(text), style=style, markup=False)

    totals = report["totals"]
    name = tables[0].name if len(tables) == 1 else f"{len(tables)} 个文件"
    if report["valid"]:
        say(f"✓ {name}：{totals['rows']:,} 行，全部符合 · valid")
    else:
        say(f"✗ {name}：{totals['rows']:,} 行，{totals['errors']:,} 处错误 · invalid")
    for table in tables:
        say(f"  {_how_read(table)}", style="dim")
    if not report["valid"]:
        fields = schema["fields"]
        titles = {field["name"]: field.get("title") or field["name"] for field in fields}
        tell_errors(report, titles, english=english)
        kinds = [f"{type_zh(kind)} {kind} {count:,}" for kind, count in totals["types"].items()]
        say(f"合计 {totals['errors']:,} 处：{'；'.join(kinds)}")
    tell_remarks(report, english=english)
    say(f"校验方式：{engine_zh(report['engine'])}", style="dim")


def _how_read(table: Table) -> str:
    place = table.sheet or f"分隔符 {table.dialect.delimiter!r}"
    return (
        f"{table.name} · {table.format} · {table.encoding} · {place}"
        f" · 表头行 {table.dialect.header_row}"
    )
