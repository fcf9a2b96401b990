"""Commands of those who use data: release list, query; `fetch` has pull and verify."""

from __future__ import annotations

import csv
import sys
from typing import Annotated, Any

import typer

from datahub.cli import show, signing
from datahub.cli.publish import service
from datahub.guard.outbound import Service

_PAGE = 10_000
release_app = typer.Typer(help="已发布的版本 · Releases.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(release_app, name="release")
    app.command(epilog="例：datahub query air_hourly --where aqi=gte.150 --limit 5 · "
                       "datahub query bus/stops --csv > 站点.csv")(query)  # fmt: skip
    signing.add_to(release_app)


@release_app.command("list", epilog="例：datahub release list air_hourly")
def release_list(
    dataset: Annotated[str, typer.Argument(help="数据集名 · name of the dataset")],
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """列出一个数据集的各版本 · List a dataset's releases, withdrawn ones too."""
    found = service(server, None).get(f"/api/v1/datasets/{dataset}/releases")
    if json:
        show.as_json(found)
        return
    rows = [
        (item["version"], item["released"], "最新" if item["latest"] else "",
         item["withdrawn"] and f"已撤回：{item['reason']}",
         show.human(sum(file["bytes"] for file in item["files"])))
        for item in found
    ]  # fmt: skip
    show.table(("版本", "发布时间", "", "撤回", "大小"), rows)


def query(
    target: Annotated[str, typer.Argument(help="数据集 或 数据集/资源 · DATASET/RESOURCE")],
    where: Annotated[
        list[str] | None, typer.Option(help="列=运算符.值，可重复 · COLUMN=OPERATOR.VALUE")
    ] = None,
    select: Annotated[
        str | None, typer.Option(help="列、别名:列、列.avg()、count() · columns, aggregates")
    ] = None,
    order: Annotated[str | None, typer.Option(help="列.desc,… · COLUMN.desc,…")] = None,
    having: Annotated[str | None, typer.Option(help="汇总的条件 · of aggregates")] = None,
    search: Annotated[str | None, typer.Option(help="文字列中的词 · words in text")] = None,
    limit: Annotated[int, typer.Option(help="最多几行 · rows at most")] = 20,
    version: Annotated[int | None, typer.Option(help="版本；不写则最新 · release")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="输出 CSV · print CSV")] = False,
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """查数据行 · Query rows; operators eq neq gt gte lt lte in like is and others of PostgREST."""
    params = [_condition(text) for text in where or []]
    asked = {"select": select, "order": order, "having": having, "q": search}
    params += [(name, text) for name, text in asked.items() if text is not None]
    hub = service(server, None)
    dataset, _, resource = target.partition("/")
    if not resource:
        resource = hub.get(f"/api/v1/datasets/{dataset}")["resources"][0]["name"]
    page = _rows(hub, dataset, resource, params, version, limit)
    if json:
        show.as_json(page)
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow([field["name"] for field in page["fields"]])
        writer.writerows(row.values() for row in page["data"])
    else:
        titles = [f"{field['name']} {field['title']}" for field in page["fields"]]
        show.records(titles, [list(row.values()) for row in page["data"]])
        least = "≥ " if page["total"]["kind"] == "atleast" else ""
        show.err.print(
            f"{len(page['data'])} / {least}{page['total']['value']} 行 · 第 {page['version']} 版"
        )


def _condition(text: str) -> tuple[str, str]:
    column, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text}：应写成 列=运算符.值 · write COLUMN=OPERATOR.VALUE")
    # In quotes a name is always a column, also one called like a parameter.
    return (column if column.startswith('"') else f'"{column}"'), value


def _rows(
    hub: Service,
    dataset: str,
    resource: str,
    params: list[tuple[str, str]],
    version: int | None,
    limit: int,
) -> Any:
    """Rows of as many pages as it takes, in the shape of one page."""
    path = f"/api/v1/datasets/{dataset}/resources/{resource}/rows"
    own = [] if version is None else [("version", version)]
    page = hub.get(path, [("limit", min(limit, _PAGE)), *own, *params])
    while page["page"]["next"] and len(page["data"]) < limit:
        size = min(limit - len(page["data"]), _PAGE)
        where = [("limit", size), ("cursor", page["page"]["next"]), *params]
        following = hub.get(path, where)
        page["data"] += following["data"]
        page["page"] = following["page"]
    return page
