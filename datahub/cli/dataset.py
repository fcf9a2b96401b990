"""Commands on records: put one, change status or name; list, show and decide on proposals."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from datahub.cli import show
from datahub.cli.publish import service
from datahub.cli.report import plain
from datahub.errors_catalog import RecordInvalid

dataset_app = typer.Typer(
    help="目录记录：新增、变更、状态、更名 · Records of datasets.", no_args_is_help=True
)
proposals_app = typer.Typer(
    help="变更申请：查看、审核 · Changes that need a second person.", no_args_is_help=True
)
_DATASETS, _PROPOSALS = "/api/v1/datasets", "/api/v1/proposals"
_STATUSES = "active, deprecated, withdrawn, tombstone"

Name = Annotated[str, typer.Argument(help="数据集名 · name of the dataset")]
Id = Annotated[str, typer.Argument(help="变更申请编号 · id of the proposal")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command = dataset_app.command
    command(epilog="例：datahub dataset put datapackage.yaml --plan · datahub dataset put"
            " datapackage.yaml --reason '分级调整'")(put)  # fmt: skip
    command(epilog="例：datahub dataset status schools · datahub dataset status old_schools"
            " --set deprecated --reason '已合并' --successor schools")(status)  # fmt: skip
    command(epilog="例：datahub dataset rename schools education_schools")(rename)
    command(epilog="例：datahub dataset series gazette")(series)
    app.add_typer(dataset_app, name="dataset")
    command = proposals_app.command
    command("list", epilog="例：datahub proposals list · datahub proposals list --state all")(find)
    command("show", epilog="例：datahub proposals show 3f2a…")(show_one)
    command(epilog="例：datahub proposals decide 3f2a… --approve · datahub proposals decide 3f2a…"
            " --decline --reason '依据不足'")(decide)  # fmt: skip
    app.add_typer(proposals_app, name="proposals")


def put(
    file: Annotated[Path, typer.Argument(help="datapackage.yaml 或 .json · descriptor")],
    plan: Annotated[bool, typer.Option("--plan", help="只看会改什么 · save nothing")] = False,
    reason: Annotated[str, typer.Option(help="给审核人的理由 · for who decides")] = "",
    match: Annotated[
        str, typer.Option("--if-match", help="仅当记录仍是这个摘要 · only onto this digest")
    ] = "",
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """新增或变更一条目录记录 · Add or change a record; --plan shows what would change."""
    package = _read(file)
    path = f"{_DATASETS}/{quote(str(package.get('name', file.stem)), safe='')}"
    params = [("plan", "true" if plan else None), ("reason", reason or None)]
    hub = service(server, token)
    try:
        found = hub.put(path, package, match=match.strip('"'), params=params)
    except RecordInvalid as error:
        problems = error.facts.get("problems") or []
        if json or not problems:
            raise
        _tell_problems(problems)
        raise typer.Exit(3) from None
    if json:
        show.as_json(found)
    else:
        _tell(found)
    if found["problems"]:
        raise typer.Exit(3)


def _read(file: Path) -> Any:
    """Descriptor of a file, with the schemas in it that it names as files beside it."""
    from datahub.stages.register.yamls import failure, load, read_json

    package = read_json(file) if file.suffix == ".json" else load(file)
    if not isinstance(package, dict):
        raise failure(f"{file}:1", "应是键值映射", "a mapping is expected")
    resources = package.get("resources")
    for resource in resources if isinstance(resources, list) else ():
        reference = resource.get("schema") if isinstance(resource, dict) else None
        if isinstance(reference, str) and (file.parent / reference).is_file():
            resource["schema"] = read_json(file.parent / reference)
    return package


def _tell(found: Any) -> None:
    say = show.out.print
    say(f"{found['dataset']} · {found['action_zh']} {found['action']}"
        f" · 完整度 {found['score']}", style="bold", markup=False)  # fmt: skip
    for item in found["changes"]:
        fixed = "（须审核）" if item["field"] in found["guarded"] else ""
        text = f"  {item['field']}{fixed}：{_short(item['before'])} → {_short(item['after'])}"
        say(plain(text), markup=False)
    for item in found["duplicates"]:
        say(plain(f"  ! 疑似重复 {item['like']}（{item['publisher']}，{item['title']}，相似度"
                  f" {item['similarity']}）· possible duplicate"), markup=False)  # fmt: skip
    _tell_problems(found["problems"])
    if found["proposal"]:
        say(f"  变更申请 {found['proposal']} 等待另一人审核 · waits for a second person:"
            f" datahub proposals decide {found['proposal']} --approve", markup=False)  # fmt: skip
    elif found["saved"]:
        say("✓ 已保存 · saved", markup=False)


def _tell_problems(problems: Any) -> None:
    for item in problems:
        text = f"  ✗ {item['field']} [{item['rule']}] {item['zh']} · {item['en']}"
        show.out.print(plain(text), markup=False)


def _short(value: Any) -> str:
    text = "（无）" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"  # noqa: PLR2004 - a line of text


def status(
    dataset: Name,
    chosen: Annotated[str | None, typer.Option("--set", help=f"改为 · {_STATUSES}")] = None,
    reason: Annotated[str, typer.Option(help="公开的原因 · public reason")] = "",
    successor: Annotated[str | None, typer.Option(help="后继数据集 · what follows it")] = None,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """看或改数据集的状态 · Show or change a dataset's status."""
    hub, path = service(server, token), f"{_DATASETS}/{quote(dataset, safe='')}/status"
    if chosen is None:
        found = hub.get(path)
    else:
        found = hub.post(path, {"status": chosen, "reason": reason, "successor": successor})
    if json:
        show.as_json(found)
        return
    show.out.print(f"{found['dataset']} · {found['status_zh']} {found['status']}", style="bold",
                   markup=False)  # fmt: skip
    columns = ("时间", "状态", "原因", "后继")
    names = ("at", "status_zh", "reason", "successor")
    rows = [[plain(str(item[name] or "")) for name in names] for item in found["history"]]
    if rows:
        show.table(columns, rows)


def rename(
    dataset: Name,
    name: Annotated[str, typer.Argument(help="新的名称 · new name")],
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """更名；旧地址永久跳转 · Rename a dataset; the old addresses redirect for ever."""
    path = f"{_DATASETS}/{quote(dataset, safe='')}/name"
    found = service(server, token).post(path, {"name": name})
    if json:
        show.as_json(found)
    else:
        formerly = "、".join(found["formerly"])
        show.out.print(f"✓ {found['name']}（曾用 formerly {formerly}）", markup=False)


def series(
    dataset: Name,
    server: show.Server = None,
    json: show.Json = False,
) -> None:
    """核对期次是否齐全 · Which issues or periods of a series are missing."""
    found = service(server, None).get(f"{_DATASETS}/{quote(dataset, safe='')}/series")
    if json:
        show.as_json(found)
        return
    show.out.print(
        f"{dataset} 第 {found['version']} 版 · 应有 {found['expected']} · 现有 {found['held']}"
        f" · 缺 {found['missing_count']} · 逾期 {found['overdue_count']}",
        markup=False,
    )
    for item in found["missing"][:50]:
        text = item if isinstance(item, str) else f"{item['year']} 年第 {item['no'] or '?'} 期"
        show.out.print(f"  缺 {text}", markup=False)


def find(
    dataset: Annotated[str | None, typer.Option(help="只看一个数据集 · of one dataset")] = None,
    state: Annotated[
        str, typer.Option(help="pending, approved, declined, superseded, all")
    ] = "pending",
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """列出变更申请 · List proposals, those that wait unless a state is named."""
    found = service(server, token).get(_PROPOSALS, [("dataset", dataset), ("state", state)])
    if json:
        show.as_json(found)
        return
    columns = ("编号", "数据集", "状态", "申请人", "时间", "变更字段", "理由")
    rows = [
        [item["id"], item["dataset"], item["state_zh"], item["proposer"], item["created"],
         "、".join(change["field"] for change in item["changes"]), item["reason"]]
        for item in found
    ]  # fmt: skip
    show.table(columns, [[plain(str(cell)) for cell in row] for row in rows])


def show_one(
    proposal: Id,
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """看一份变更申请 · Show a proposal."""
    found = service(server, token).get(f"{_PROPOSALS}/{quote(proposal, safe='')}")
    if json:
        show.as_json(found)
    else:
        _tell_proposal(found)


def _tell_proposal(found: Any) -> None:
    say = show.out.print
    say(f"{found['id']} · {found['dataset']} · {found['state_zh']} {found['state']}"
        f" · {found['proposer']} · {found['created']}", style="bold", markup=False)  # fmt: skip
    if found["reason"]:
        say(plain(f"  理由：{found['reason']}"), markup=False)
    for item in found["changes"]:
        text = f"  {item['field']}：{_short(item['before'])} → {_short(item['after'])}"
        say(plain(text), markup=False)
    if found["decision"]:
        decided = found["decision"]
        text = f"  审核：{decided['verdict']} · {decided['person']} · {decided['reason']}"
        say(plain(text), markup=False)


def decide(
    proposal: Id,
    approve: Annotated[bool, typer.Option("--approve", help="批准并生效")] = False,
    decline: Annotated[bool, typer.Option("--decline", help="不批准，需理由")] = False,
    reason: Annotated[str, typer.Option(help="理由 · reason")] = "",
    server: show.Server = None,
    token: show.Token = None,
    json: show.Json = False,
) -> None:
    """审核一份变更申请 · Decide on a proposal; nobody decides on their own."""
    if approve == decline:
        raise typer.BadParameter("--approve、--decline 选一个 · choose exactly one")
    body = {"verdict": "approve" if approve else "decline", "reason": reason}
    path = f"{_PROPOSALS}/{quote(proposal, safe='')}/decision"
    found = service(server, token).post(path, body)
    if json:
        show.as_json(found)
    else:
        _tell_proposal(found)
