"""Commands of those who run the service: register, serve, worker, token, demo."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from datahub import settings
from datahub.cli import processes, show
from datahub.cli.catalog import print_plan
from datahub.errors import ServiceUnavailable
from datahub.guard.spare import FRAMES, spare
from datahub.guard.supervisor import Service, die_with_parent, supervise
from datahub.guard.text import check_name
from datahub.logs import configure
from datahub.model import Person, Role
from datahub.settings import Settings

LEAN = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "65536"}
"""For web processes (mallopt(3)): threads share arenas, and large blocks go back when freed."""
_PORT_SECONDS = 4.0
token_app = typer.Typer(help="人员和令牌 · People and tokens.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="数据目录 · data folder (DATAHUB_DATA)")]
Host = Annotated[str | None, typer.Option(help="监听地址 · address to listen on")]
Port = Annotated[int | None, typer.Option(help="端口 · port", min=0, max=65535)]


def add_to(app: typer.Typer) -> None:
    """Add the commands to the application."""
    from datahub.cli.demo import demo

    app.command(epilog="例：datahub register catalogs/yichang --plan")(register)
    app.command(epilog="例：datahub serve --port 8000 --workers 2")(serve)
    app.command(epilog="例：datahub worker（通常由 serve 启动）")(worker)
    app.command(epilog="例：datahub queries（通常由 serve 启动）")(queries)
    app.command(epilog="例：datahub demo catalogs/yichang（make run 用的就是它）")(demo)
    app.add_typer(token_app, name="token")


def register(
    folder: Annotated[Path, typer.Argument(help="目录文件夹，如 catalogs/yichang")],
    plan: Annotated[bool, typer.Option("--plan", help="只看会改什么 · only show")] = False,
    data: Data = None,
    json: show.Json = False,
) -> None:
    """登记目录文件夹 · Make the catalog what a folder says; running it again changes nothing."""
    from datahub.stages.register import register as run_register
    from datahub.store import open_store

    store = open_store(settings.load(data=data))
    with show.busy("读取目录…"):
        found = run_register(store, folder, apply=not plan)
    store.close()
    if json:
        show.as_json(msgspec.to_builtins(found))
        return
    print_plan(found, applied=not plan)


def serve(
    data: Data = None,
    host: Host = None,
    port: Port = None,
    workers: Annotated[int | None, typer.Option(help="网页进程数 · web processes")] = None,
) -> None:
    """启动服务：网页进程和流水线 · Run the web processes and the pipeline; Ctrl-C drains."""
    from datahub.store import open_store

    die_with_parent()  # when `demo` started it
    chosen = settings.load(data=data, host=host, port=port, workers=workers)
    configure(chosen.log)
    open_store(chosen).close()  # create or migrate before any process needs it
    listener = listen(chosen)
    environment = settings.to_environment(chosen) | metrics_folder(chosen)
    handle = listener.fileno()
    lean = environment | LEAN
    services = [
        Service(f"web-{n}", (processes.__name__, "web", str(handle)), lean, (handle,))
        for n in range(chosen.workers)
    ]
    others = [
        Service(name, (processes.__name__, name), environment) for name in ("worker", "queries")
    ]
    supervise([*services, *others])


def listen(chosen: Settings) -> socket.socket:
    """Open the socket that all web processes share.

    Raises:
        ServiceUnavailable: the port is taken, or not ours to take.

    """
    until = time.monotonic() + _PORT_SECONDS
    while True:
        try:
            listener = socket.create_server((chosen.host, chosen.port), backlog=1024)
        except OSError as error:
            # A process of a service that was killed just now may hold it for a moment.
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                time.sleep(0.1)
                continue
            raise ServiceUnavailable(
                reason_zh=f"不能监听 {chosen.host}:{chosen.port}（端口被占用？可换 --port 8001）",
                reason_en=f"cannot listen on {chosen.host}:{chosen.port} ({error.strerror})",
            ) from None
        listener.set_inheritable(True)
        return listener


def metrics_folder(chosen: Settings) -> dict[str, str]:
    """Fresh folder in which the web processes put their metrics together."""
    folder = chosen.data.absolute() / "run" / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def worker(data: Data = None) -> None:
    """运行流水线 · Run the pipeline: detect, validate, screen, release."""
    processes.worker(data)


def queries(data: Data = None) -> None:
    """运行查询子进程 · Keep children that answer SQL: limited, single-use, without rights."""
    spare(*FRAMES)
    processes.queries(data)


@token_app.command("create", epilog="例：datahub token create li --role steward --publisher yc-env")
def token_create(
    person: Annotated[str, typer.Argument(help="人员名（小写字母和数字）· name")],
    role: Annotated[Role | None, typer.Option(help="角色；已有人员可省略")] = None,
    title: Annotated[str | None, typer.Option(help="姓名或职务 · name to show")] = None,
    publisher: Annotated[str | None, typer.Option(help="所属机构编号，如 yc-env")] = None,
    days: Annotated[int, typer.Option(help="有效天数 · days", min=1, max=3650)] = 90,
    data: Data = None,
    json: show.Json = False,
) -> None:
    """给一个人新令牌，只显示一次 · Make a token; it is shown once and kept as a digest only."""
    from datahub.store import open_store, people

    store = open_store(settings.load(data=data))
    now = datetime.now(UTC)
    with store.catalog.write() as db:
        if role is not None:
            _check_publisher(db, publisher, role)
            known = Person(name=check_name(person, "人员名 person"), title=title or person,
                           role=role, publisher=publisher)  # fmt: skip
            people.save(db, known)
        token = people.create_token(db, person, days=days, now=now, who="operator")
    store.close()
    if json:
        show.as_json({"person": person, "token": token, "days": days})
    else:
        print(token)
        show.err.print("请现在保存，以后不再显示：export DATAHUB_TOKEN=… · shown only once")


def _check_publisher(db: Any, publisher: str | None, role: Role) -> None:
    from datahub.store import records

    known = [item["id"] for item in records.get_publishers(db)]
    if publisher is None and role is Role.STEWARD:
        raise typer.BadParameter("steward 要有 --publisher · a steward needs a publisher")
    if publisher is not None and publisher not in known:
        shown = "、".join(known) or "（请先 register）"
        raise typer.BadParameter(f"没有机构 {publisher}；现有：{shown}")


@token_app.command("list", epilog="例：datahub token list --json")
def token_list(data: Data = None, json: show.Json = False) -> None:
    """列出令牌（不含令牌本身）· List tokens without their secret."""
    from datahub.store import open_store, people

    store = open_store(settings.load(data=data))
    with store.catalog.read() as db:
        found = people.list_tokens(db)
    store.close()
    if json:
        show.as_json(found)
    else:
        names = ("id", "person", "created", "expires", "revoked")
        rows = [[item[name] for name in names] for item in found]
        show.table(("编号", "人员", "创建", "到期", "撤销"), rows)


@token_app.command("revoke", epilog="例：datahub token revoke 3c547c03")
def token_revoke(identifier: str, data: Data = None) -> None:
    """撤销一个令牌 · End a token; the next request with it is refused."""
    from datahub.store import open_store, people

    store = open_store(settings.load(data=data))
    with store.catalog.write() as db:
        ended = people.revoke_token(db, identifier, now=datetime.now(UTC), who="operator")
    store.close()
    if not ended:
        raise typer.BadParameter(f"没有有效的令牌 {identifier} · no such token")
    show.out.print(f"✓ 已撤销 {identifier} · revoked", markup=False)
