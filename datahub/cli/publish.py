"""Commands of those who publish: submit, status, review, withdraw."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from datahub import settings
from datahub.cli import show
from datahub.cli.report import tell_errors, tell_remarks
from datahub.guard.outbound import Service

WAITING = {"received", "detected", "validated", "screened", "approved"}
_BAD = {"rejected", "returned", "declined", "withdrawn"}


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command(epilog="例：datahub submit air_hourly 空气.csv · datahub submit bus lines=线路.csv"
                       " stops=站点.csv line_stops=线路站点.csv")(submit)  # fmt: skip
    app.command(epilog="例：datahub status · datahub status 3f2a… --errors 错误.csv")(status)
    app.command(epilog="例：datahub review 3f2a… --approve · datahub review 3f2a… --return"
                       " --reason '请补充 2025 年数据'")(review)  # fmt: skip
    app.command(epilog="例：datahub withdraw air_hourly 3 --reason '第 3 版站点坐标有误'")(withdraw)


def service(server: str | None, token: str | None) -> Service:
    """Open the service that options and settings name."""
    chosen = settings.load(server=server, token=token)
    return Service(chosen.server, chosen.token)


def submit(
    dataset: Annotated[str, typer.Argument(help="数据集名 · name of the dataset")],
    files: Annotated[list[str], typer.Argument(help="文件，或 资源=文件 · FILE or RESOURCE=FILE")],
    note: Annotated[str, typer.Option(help="给审核人的说明 · note to the reviewer")] = "",
    wait: Annotated[bool, typer.Option(help="等到校验完 · wait for the stages")] = True,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """报送数据集的文件 · Hand in a dataset's files; several of one resource are one table."""
    parts = [_part(text) for text in files]
    hub = service(server, token)
    size = sum(path.stat().st_size for _, path in parts)
    with show.busy(f"上传 {show.human(size)} …"):
        found = hub.upload(f"/api/v1/datasets/{dataset}/submissions", parts, note)
    if wait:
        found = follow(hub, found["id"])
    if json:
        show.as_json(found)
    else:
        _tell(found)
        _tell_report(hub, found)
    if found["state"] in _BAD:
        raise typer.Exit(1)


def _part(text: str) -> tuple[str, Path]:
    resource, equals, name = text.partition("=")
    path = Path(name if equals else text)
    if not equals or not path.is_file():
        resource, path = "file", Path(text)
    if not path.is_file():
        raise typer.BadParameter(f"没有文件 {text} · no such file")
    return resource, path


def follow(hub: Service, identifier: str) -> Any:
    """Wait until a submission needs a person or is over."""
    with show.busy("处理中…") as say:
        while True:
            found = hub.get(f"/api/v1/submissions/{identifier}")
            if found["state"] not in WAITING:
                return found
            say(f"{found['state_zh']} {found['state']} …")
            time.sleep(0.2)


def _tell(found: Any) -> None:
    say = functools.partial(show.out.print, markup=False)
    say(
        f"报送 {found['id']} · {found['dataset']} · {found['state_zh']} {found['state']}",
        style="bold",
    )
    for item in found["detected"]:
        place = item["sheet"] or f"分隔符 {item['delimiter']!r}"
        say(
            f"  {item['resource']}：{item['file']} · {item['format']} · {item['encoding']}"
            f" · {place} · 表头行 {item['header_row']}"
        )
    for finding in found["findings"]:
        say(f"  [{finding['severity']}] {finding['zh']}")
    if found["problem"]:
        say(f"  ✗ {found['problem']['detail_zh']}")
    if found["decision"]:
        decision = found["decision"]
        say(f"  审核：{decision['verdict']} · {decision['person']} · {decision['reason']}")
    if found["version"]:
        say(f"  已发布第 {found['version']} 版：/d/{found['dataset']}/{found['version']}/")


def status(
    submission: Annotated[str | None, typer.Argument(help="报送编号；不写则列出最近的")] = None,
    dataset: Annotated[str | None, typer.Option(help="只看一个数据集 · of one dataset")] = None,
    state: Annotated[str | None, typer.Option(help="如 in_review · in one state")] = None,
    errors: Annotated[
        Path | None, typer.Option(help="把全部错误存成 .csv 或 .xlsx · save all errors")
    ] = None,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """看报送进行到哪一步 · Show where submissions are."""
    hub = service(server, token)
    if submission is None:
        found = hub.get("/api/v1/submissions", [("dataset", dataset), ("state", state)])
        if json:
            show.as_json(found)
        else:
            columns = ("编号", "数据集", "状态", "报送人", "时间", "版本")
            names = ("id", "dataset", "state_zh", "submitter", "created", "version")
            show.table(columns, [[item[name] for name in names] for item in found])
        return
    found = hub.get(f"/api/v1/submissions/{submission}")
    if errors is not None:
        form = "xlsx" if errors.suffix == ".xlsx" else "csv"
        errors.write_bytes(hub.text(f"/api/v1/submissions/{submission}/report.{form}"))
    if json:
        show.as_json(found)
        return
    _tell(found)
    _tell_report(hub, found)


def _tell_report(hub: Service, found: Any) -> None:
    """Say what is wrong with the data of a submission that its report rejected."""
    if found["problem"] and found["problem"]["code"] == "table-invalid":
        report = hub.get(f"/api/v1/submissions/{found['id']}/report")
        tell_errors(report)
        tell_remarks(report)
        show.out.print(
            f"全部 {report['totals']['errors']:,} 处可以存成表格 · to save all of them:"
            f" datahub status {found['id']} --errors 错误.xlsx",
            markup=False,
        )


def review(
    submission: Annotated[str, typer.Argument(help="报送编号 · id of the submission")],
    approve: Annotated[bool, typer.Option("--approve", help="批准发布")] = False,
    send_back: Annotated[bool, typer.Option("--return", help="退回修改，需理由")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="不予发布，需理由")] = False,
    reason: Annotated[str, typer.Option(help="理由 · reason")] = "",
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """审核一次报送 · Decide on a submission; nobody decides on their own."""
    chosen = {"approve": approve, "return": send_back, "decline": decline}
    if sum(chosen.values()) != 1:
        raise typer.BadParameter("--approve、--return、--decline 选一个 · choose exactly one")
    (verdict,) = [name for name, given in chosen.items() if given]
    hub = service(server, token)
    body = {"verdict": verdict, "reason": reason}
    found = hub.post(f"/api/v1/submissions/{submission}/decisions", body)
    if verdict == "approve":
        found = follow(hub, submission)
    if json:
        show.as_json(found)
    else:
        _tell(found)
    if verdict == "approve" and found["state"] in _BAD:
        raise typer.Exit(1)


def withdraw(
    dataset: Annotated[str, typer.Argument(help="数据集名 · name of the dataset")],
    version: Annotated[int, typer.Argument(help="版本号 · number of the release")],
    reason: Annotated[str, typer.Option(help="公开的原因 · public reason")],
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """撤回一个已发布版本，保留记录和原因 · Take a release down; record and reason stay."""
    path = f"/api/v1/datasets/{dataset}/releases/{version}/withdrawal"
    found = service(server, token).post(path, {"reason": reason})
    if json:
        show.as_json(found)
    else:
        show.out.print(
            f"已撤回 {dataset} 第 {version} 版 · withdrawn {found['withdrawn']}", markup=False
        )
