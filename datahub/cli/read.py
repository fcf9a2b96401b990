"""Commands of those who use data: release list, query, pull, verify."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from datahub import settings
from datahub.cli import show
from datahub.cli.publish import service
from datahub.errors import ReleaseUnknown
from datahub.guard.outbound import Service
from datahub.guard.text import check_file_name

_PAGE = 10_000
release_app = typer.Typer(help="已发布的版本 · Releases.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(release_app, name="release")
    app.command(epilog="例：datahub query air_hourly --where aqi=gte.150 --limit 5 · "
                       "datahub query bus/stops --csv > 站点.csv")(query)  # fmt: skip
    app.command(epilog="例：datahub pull air_hourly --to 数据/ · 断了再运行一次即可续传")(pull)
    app.command(epilog="例：datahub verify（整个数据目录）· datahub verify 数据/air_hourly/1")(
        verify
    )


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
    limit: Annotated[int, typer.Option(help="最多几行 · rows at most")] = 20,
    version: Annotated[int | None, typer.Option(help="版本；不写则最新 · release")] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="输出 CSV · print CSV")] = False,
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """查数据行 · Query rows; operators eq neq gt gte lt lte, and is.null."""
    params = [_condition(text) for text in where or []]
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
        show.err.print(
            f"{len(page['data'])} / {page['total']['value']} 行 · 第 {page['version']} 版"
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


def pull(
    dataset: Annotated[str, typer.Argument(help="数据集名 · name of the dataset")],
    version: Annotated[int | None, typer.Option(help="版本；不写则最新 · release")] = None,
    to: Annotated[Path, typer.Option(help="放到哪里 · folder")] = Path(),
    only: Annotated[str | None, typer.Option(help="只要这种，如 parquet · one format")] = None,
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """下载一个版本，可续传，核对摘要 · Download a release: resumes, checks every digest."""
    hub = service(server, None)
    release = _choose(hub.get(f"/api/v1/datasets/{dataset}/releases"), dataset, version)
    folder = to / dataset / str(release["version"])
    folder.mkdir(parents=True, exist_ok=True)
    for file in release["files"]:
        check_file_name(file["path"])  # what a server says is from outside, too
    files = [f for f in release["files"] if only is None or _wanted(f, only)]
    done = []
    with show.transfer() as progress:
        for file in files:
            task = progress.add_task(file["path"], total=file["bytes"])

            def seen(count: int, task: Any = task) -> None:
                progress.advance(task, count)

            fetched = hub.download(
                file["url"], folder / file["path"],
                size=file["bytes"], sha256=file["sha256"], seen=seen,
            )  # fmt: skip
            progress.update(task, completed=file["bytes"])
            done.append(file | {"path": str(folder / file["path"]), "fetched": fetched})
    if json:
        show.as_json(done)
    else:
        show.out.print(
            f"✓ {folder} · {len(done)} 个文件，摘要全部相符 · all digests match", markup=False
        )


def _wanted(file: Any, only: str) -> bool:
    # The manifest and the sums come along always: without them nothing can be verified later.
    return file["resource"] is None or file["path"].endswith(f".{only}")


def _choose(releases: Any, dataset: str, version: int | None) -> Any:
    for release in releases:
        named = release["latest"] if version is None else release["version"] == version
        if named and release["withdrawn"] is None:
            return release
    known = [r["version"] for r in releases if r["withdrawn"] is None]
    raise ReleaseUnknown(
        dataset=dataset,
        version=version or "latest",
        hint_zh=f"现有版本：{known}",
        hint_en=f"releases: {known}",
    )


def verify(
    folder: Annotated[
        Path | None, typer.Argument(help="下载的版本目录；不写则核对整个数据目录")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="数据目录 · data folder")] = None,
    json: show.Json = False,
) -> None:
    """重读字节，与清单核对 · Re-read bytes against manifests; offline for a pulled folder."""
    from datahub.store import open_store
    from datahub.store.verify import verify_folder, verify_store

    with show.busy("核对中…"):
        if folder is not None:
            faults = list(verify_folder(folder))
        else:
            chosen = settings.load(data=data)
            if not (chosen.data / "catalog.sqlite").is_file():
                raise typer.BadParameter(f"{chosen.data} 不是数据目录 · no data folder")
            store = open_store(chosen)
            faults = list(verify_store(store))
            store.close()
    if json:
        show.as_json([{n: getattr(f, n) for n in f.__struct_fields__} for f in faults])
    elif faults:
        rows = [(f.kind, f.place, f.expected, f.actual) for f in faults]
        show.table(("问题", "位置", "应为", "实为"), rows)
    else:
        show.out.print("✓ 全部相符 · everything verifies")
    if faults:
        raise typer.Exit(1)
