"""Commands on the glossary (政务词条): list, show, put, decide, retire."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from datahub.cli import show
from datahub.cli.publish import service
from datahub.cli.report import plain
from datahub.errors_glossary import TermInvalid, TermUnknown
from datahub.record.glossary import FIELDS, STATES

glossary_app = typer.Typer(
    help="政务词条：查、提修改、审核 · Glossary entries.", no_args_is_help=True
)
_PATH = "/api/v1/glossary"
_FILE_BYTES = 1 << 20

Id = Annotated[str, typer.Argument(help="词条编号，如 housing-fund · id of the entry")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command = glossary_app.command
    command("list", epilog="例：datahub glossary list 公积金 · datahub glossary list"
            " --state in_review")(find)  # fmt: skip
    command("show", epilog="例：datahub glossary show aqi · datahub glossary show aqi"
            " --version 2")(show_term)  # fmt: skip
    command(epilog="例：datahub glossary put aqi --synonym AQI --synonym 空气指数"
            " · datahub glossary put aqi --file aqi.yaml")(put)  # fmt: skip
    command(epilog="例：datahub glossary decide aqi 2 --approve · datahub glossary decide aqi 2"
            " --decline --reason 与国标不一致")(decide)  # fmt: skip
    command(epilog="例：datahub glossary retire aqi --reason 已并入其他词条")(retire)
    app.add_typer(glossary_app, name="glossary")


def _at(term: str, rest: str = "") -> str:
    return f"{_PATH}/{quote(term, safe='')}{rest}"


def find(
    words: Annotated[str | None, typer.Argument(help="要找的词 · words to look for")] = None,
    owner: Annotated[str | None, typer.Option(help="负责机构 · publisher id")] = None,
    dataset: Annotated[str | None, typer.Option(help="相关数据集 · related dataset")] = None,
    state: Annotated[
        str | None, typer.Option(help=f"状态 · one of {', '.join(STATES)}; else approved")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="最多几条 · at most")] = 100,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """列出词条 · List entries, those in force unless a state is named."""
    params = [("q", words), ("owner", owner), ("dataset", dataset), ("state", state)]
    found = service(server, token).get(_PATH, [*params, ("limit", limit)])
    if json:
        show.as_json(found)
        return
    columns = ("编号", "词条", "近义词", "负责机构", "版本", "状态")
    rows = [
        [item["id"], item["term"], "、".join(item["synonyms"]), item["owner"]["title"],
         item["version"], item["state_zh"]]
        for item in found["data"]
    ]  # fmt: skip
    show.records(columns, [[plain(str(cell)) for cell in row] for row in rows])
    show.out.print(f"共 {found['total']} 条 · entries", style="dim", markup=False)


def show_term(
    term: Id,
    version: Annotated[int | None, typer.Option(help="看某一版 · one version")] = None,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """看一个词条和它的各版 · Show an entry with its versions."""
    path = _at(term, "" if version is None else f"/versions/{version}")
    found = service(server, token).get(path)
    if json:
        show.as_json(found)
    else:
        _tell(found)


def _tell(found: Any) -> None:
    def say(text: str, style: str | None = None) -> None:
        show.out.print(plain(text), style=style, markup=False)

    ended = "，已过期 expired" if found["expired"] else ""
    say(f"{found['term']} · {found['id']} · 第 {found['version']} 版 · {found['state_zh']}{ended}",
        "bold")  # fmt: skip
    say(f"  {found['definition']}")
    lines = {
        "意义": found["meaning"],
        "近义词": "、".join(found["synonyms"]),
        "负责机构": found["owner"]["title"],
        "数据集": "、".join(found["related_datasets"]),
        "事项": "、".join(found["related_items"]),
        "文件": "、".join(found["related_docs"]),
        "地区": found["region"],
        "复核": found["reviewed"],
        "有效至": found["expires"],
    }
    for name, text in lines.items():
        if text:
            say(f"  {name}：{text}")
    for item in found.get("changes", ()):
        say(f"  改动 {item['field']}：{_short(item['before'])} → {_short(item['after'])}")
    for item in found.get("versions", ()):
        who = f" · {item['author']}" if item.get("author") else ""
        why = (item.get("decision") or {}).get("reason") or ""
        say(f"  第 {item['version']} 版 {item['at']} {item['state_zh']}{who} {why}", "dim")


def _short(value: Any) -> str:
    if isinstance(value, list):
        return "、".join(value) or "（无）"
    return str(value) if value else "（无）"


def put(
    term: Id,
    word: Annotated[str | None, typer.Option("--term", help="词条 · the term itself")] = None,
    definition: Annotated[str | None, typer.Option(help="概念解释 · definition")] = None,
    meaning: Annotated[str | None, typer.Option(help="词条意义 · what it is for")] = None,
    synonym: Annotated[
        list[str] | None, typer.Option(help="近义词，可多次；替换原有的 · synonyms, all of them")
    ] = None,
    dataset: Annotated[
        list[str] | None, typer.Option(help="相关数据集，可多次 · related datasets")
    ] = None,
    owner: Annotated[str | None, typer.Option(help="负责机构 · publisher id")] = None,
    expires: Annotated[str | None, typer.Option(help="有效至，如 2027-12-31 · last day")] = None,
    file: Annotated[
        Path | None,
        typer.Option(help="YAML 或 JSON 文件 · file of the fields", exists=True, dir_okay=False),
    ] = None,
    draft: Annotated[bool, typer.Option("--draft", help="先存草稿 · keep it a draft")] = False,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """提出新词条或修改 · Propose an entry or a change; what is not given stays as it is."""
    hub = service(server, token)
    given = {"term": word, "definition": definition, "meaning": meaning, "owner": owner,
             "expires": expires, "synonyms": synonym, "related_datasets": dataset}  # fmt: skip
    told = _of_file(file, term) if file else {}
    told |= {name: value for name, value in given.items() if value is not None}
    try:
        known = hub.get(_at(term))
    except TermUnknown:
        known = None
    body, match = told, ""
    if known is not None and known["state"] != "retired":
        before = {name: known[name] for name in FIELDS} | {"owner": known["owner"]["id"]}
        before["reviewed"] = ""  # whoever proposes has looked at it today
        body, match = before | told, str(known["version"])
    elif known is not None:
        match = str(known["version"])
    found = hub.put(_at(term, "?draft=true" if draft else ""), body, match=match)
    if json:
        show.as_json(found)
    else:
        _tell(found)


def _of_file(file: Path, term: str) -> dict[str, Any]:
    """Fields of an entry in a file.

    Raises:
        TermInvalid: it is no mapping, or too large.

    """
    import yaml

    try:
        text = file.read_text(encoding="utf-8") if file.stat().st_size <= _FILE_BYTES else "[]"
        found = None if "&" in text and "*" in text else yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise TermInvalid(
            term=term, field=file.name, reason_zh=f"不是 YAML：{reason}", reason_en=reason
        ) from None
    if not isinstance(found, dict):
        raise TermInvalid(
            term=term,
            field=file.name,
            reason_zh="应是一个词条的各个字段（键值映射，不用 YAML 别名，不超过 1 MB）",
            reason_en="a mapping of fields without YAML aliases, up to 1 MB, is expected",
        )
    return found


def decide(
    term: Id,
    version: Annotated[int, typer.Argument(help="哪一版 · number of the version")],
    approve: Annotated[bool, typer.Option("--approve", help="采纳")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="不采纳，需理由")] = False,
    reason: Annotated[str, typer.Option(help="理由 · reason")] = "",
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """审核一版词条 · Decide on a proposed version; nobody decides on their own."""
    if approve == decline:
        raise typer.BadParameter("--approve、--decline 选一个 · choose exactly one")
    body = {"version": version, "verdict": "approve" if approve else "decline", "reason": reason}
    found = service(server, token).post(_at(term, "/decision"), body)
    if json:
        show.as_json(found)
    else:
        _tell(found)


def retire(
    term: Id,
    reason: Annotated[str, typer.Option(help="公开的原因 · public reason")],
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """停用一个词条，各版仍可查 · Retire an entry; its versions stay readable."""
    found = service(server, token).post(_at(term, "/retirement"), {"reason": reason})
    if json:
        show.as_json(found)
    else:
        _tell(found)
