"""`datahub demo`: a city's catalog with sample data, through the real pipeline, in one command."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
from datetime import UTC, datetime
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from datahub import settings
from datahub.cli import show
from datahub.cli.publish import WAITING, follow
from datahub.errors import DatahubError, ServiceUnavailable, from_code
from datahub.guard import supervisor
from datahub.guard.outbound import Service
from datahub.model import Person, Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.model import Json
    from datahub.settings import Settings
    from datahub.store import Store

READY_SECONDS = 60.0


def demo(
    folder: Annotated[Path, typer.Argument(help="目录文件夹 · catalog folder with sample.py")],
    data: Annotated[Path | None, typer.Option(help="数据目录 · data folder")] = None,
    host: Annotated[str | None, typer.Option(help="监听地址")] = None,
    port: Annotated[int | None, typer.Option(help="端口 · port")] = None,
    stop: Annotated[bool, typer.Option("--stop", help="发布后就停 · stop when published")] = False,
) -> None:
    """登记目录、发布示例数据并启动服务 · Register, publish the sample data, and serve."""
    from datahub.cli.operate import listen
    from datahub.stages.register import register
    from datahub.store import open_store

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the service is stopped on the way
    chosen = settings.load(data=data, host=host, port=port)
    store = open_store(chosen)
    with show.busy("登记目录…"):
        plan = register(store, folder)
    show.out.print(f"目录 {plan.catalog}：新增 {len(plan.add)}，修改 {len(plan.change)}，"
                   f"不变 {len(plan.same)}")  # fmt: skip
    server = f"http://{chosen.host}:{chosen.port}"
    listen(chosen).close()  # a port that is taken is told now, not mistaken for our own service
    child = supervisor.start(
        ("serve",), settings.to_environment(chosen) | {"DATAHUB_LOG": "warning"}
    )
    try:
        _wait_ready(server, child)
        pending = _pending(store, plan.add + plan.change + plan.same)
        if pending:
            _publish(store, chosen, folder, server, pending)
        store.close()
        _print_tour(server)
        if not stop:
            child.wait()
    finally:
        supervisor.drain([child])


def _wait_ready(server: str, child: Any) -> None:
    hub, until = Service(server), time.monotonic() + READY_SECONDS
    with show.busy("启动服务…"):
        while time.monotonic() < until and child.poll() is None:
            with contextlib.suppress(DatahubError):
                hub.get("/health/ready")
                return
            time.sleep(0.1)
    raise ServiceUnavailable(reason_zh=f"{server} 没有启动起来", reason_en=f"{server} is not up")


def _pending(store: Store, names: Sequence[str]) -> dict[str, set[str]]:
    """Datasets without any release, each with those it refers to, which stand before it.

    Those whose first submission is still open go on first.
    """
    from datahub.store import records

    with store.catalog.read() as db:
        found = {name: records.get_dataset(db, name) for name in sorted(names)}
    needs = {name: _referred(dataset.package) - {name} for name, dataset in found.items()}
    try:
        order = TopologicalSorter({name: sorted(needed) for name, needed in needs.items()})
        ordered = [name for name in order.static_order() if name in found]
    except CycleError:  # the pipeline tells which release is missing
        ordered = list(found)
    return {name: needs[name] for name in ordered if found[name].latest is None}


def _referred(package: Json) -> set[str]:
    """Other datasets whose tables the schemas of a package refer to."""
    schemas = [resource["schema"] for resource in package["resources"]]
    stated = [item for schema in schemas for item in schema.get("foreignKeys", ())]
    stated += [item for schema in schemas for item in schema.get("datahub:rules", ())]
    names = [item["reference"].get("resource", "") for item in stated if "reference" in item]
    return {name.partition("/")[0] for name in names if "/" in name}


def _publish(
    store: Store, chosen: Settings, folder: Path, server: str, needs: dict[str, set[str]]
) -> None:
    """Submit every dataset's sample files as one person and approve them as another.

    The next dataset is examined while one waits for its release, unless it refers to that one.
    """
    owner, reviewer = _people(store)
    hub, judge = Service(server, owner), Service(server, reviewer)
    with tempfile.TemporaryDirectory(dir=chosen.data) as temporary:
        samples = Path(temporary)
        with show.busy("生成示例数据…"):
            supervisor.run_script(folder / "sample.py", str(samples))
        names, sent = list(needs), dict[str, str]()
        for number, name in enumerate(names, start=1):
            began = time.monotonic()
            for ready in names[number - 1 : number + 1]:
                if ready not in sent and name not in needs[ready]:
                    sent[ready] = _submit(store, hub, ready, samples / ready)
            identifier = sent[name]
            found = follow(hub, identifier)
            if found["state"] == "in_review":
                body = {"verdict": "approve", "reason": "示例数据，自动批准"}
                judge.post(f"/api/v1/submissions/{identifier}/decisions", body)
                found = follow(hub, identifier)
            if found["state"] != "released":
                problem = found["problem"] or {"code": "internal", "detail_zh": ""}
                show.err.print(problem["detail_zh"], markup=False)
                raise from_code(problem["code"], {"file": name})
            seconds = time.monotonic() - began
            show.out.print(f"  [{number}/{len(names)}] {name} 已发布第 {found['version']} 版"
                           f"（{seconds:.1f} 秒）", markup=False)  # fmt: skip


def _submit(store: Store, hub: Service, name: str, folder: Path) -> str:
    """Hand in a dataset's files, unless an earlier, interrupted run did."""
    from datahub.store import submissions

    with store.catalog.read() as db:
        for earlier in submissions.find(db, dataset=name):
            if earlier.state in WAITING or earlier.state == "in_review":
                return earlier.id
    files = [(path.stem, path) for path in sorted(folder.iterdir())]
    found = hub.upload(f"/api/v1/datasets/{name}/submissions", files, "示例数据")
    return str(found["id"])


def _people(store: Store) -> tuple[str, str]:
    """Two people with tokens for a day: one hands in, the other decides."""
    from datahub.store import people

    owner = Person(name="sample-owner", title="示例报送员", role=Role.OPERATOR)
    reviewer = Person(name="sample-reviewer", title="示例审核员", role=Role.REVIEWER)
    now = datetime.now(UTC)
    with store.catalog.write() as db:
        for person in (owner, reviewer):
            people.save(db, person)
        first, second = (
            people.create_token(db, person.name, days=1, now=now, who="demo")
            for person in (owner, reviewer)
        )
    return first, second


def _print_tour(server: str) -> None:
    rows = f"{server}/api/v1/datasets/air_hourly/resources/air_hourly/rows"
    show.out.print(  # the tour shows SQL, it runs none
        f"""
[bold]服务已启动 · running at {server}[/]（Ctrl-C 停止）

  浏览目录 browse     {server}/
  接口说明 API        {server}/docs
  数据行 rows         curl '{rows}?aqi=gte.150&limit=3'
  查询 query          .venv/bin/datahub query air_hourly --where aqi=gte.150 --limit 5
  下载 download       .venv/bin/datahub pull clinics --to downloads
  令牌 token          .venv/bin/datahub token create li --role steward --publisher yc-env
  DuckDB              select * from '{server}/d/air_hourly/latest/air_hourly.parquet'
  核对 verify         .venv/bin/datahub verify
"""  # noqa: S608
    )
