"""Commands on signing keys: those of a service, and those that this user trusts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from datahub import settings
from datahub.cli import show

Data = Annotated[Path | None, typer.Option(help="数据目录 · data folder (DATAHUB_DATA)")]


def add_to(app: typer.Typer) -> None:
    """Add the commands to those on releases."""
    app.command("keys", epilog="例：datahub release keys · 请在官网公布最后一个编号")(keys)
    app.command("new-key", epilog="例：datahub release new-key")(new_key)
    app.command("trusted", epilog="例：datahub release trusted")(trusted)
    app.command("forget", epilog="例：datahub release forget http://127.0.0.1:8000")(forget)


def keys(data: Data = None, json: show.Json = False) -> None:
    """列出本服务的签名密钥 · List the service's signing keys; the last one signs."""
    from datahub.clock import system_clock
    from datahub.store.signing import Keyring

    found = Keyring(_folder(data), system_clock).public().keys
    if json:
        show.as_json([{"id": k.id, "created": k.created, "retired": k.retired} for k in found])
    else:
        show.table(("编号", "启用", "停用"), [(k.id, k.created, k.retired) for k in found])


def new_key(data: Data = None) -> None:
    """更换签名密钥，由旧密钥介绍 · Rotate: the old key introduces the new one and is removed."""
    from datahub.clock import system_clock
    from datahub.store.signing import Keyring

    added = Keyring(_folder(data), system_clock).rotate()
    print(added.id)
    show.err.print(
        "请在官网公布新编号，并备份 keys 目录 · publish this id, back up the folder keys"
    )


def trusted(json: show.Json = False) -> None:
    """列出您信任的服务和密钥 · List the services that you trust, and their keys."""
    from datahub.store.trust import load

    found = load(settings.load().trust).services
    rows = [(" ".join(s.sites), s.keys[-1].id, len(s.datasets)) for s in found]
    names = ("sites", "key", "datasets")
    if json:
        show.as_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        show.table(("网址", "密钥", "见过的数据集"), rows)


def forget(site: Annotated[str, typer.Argument(help="网址 · address")]) -> None:
    """忘记一个服务，下次当作第一次 · Forget a service: its next use is a first one."""
    from datahub.store.trust import remembered

    with remembered(settings.load().trust) as memory:
        after = memory.trust.forget(site.rstrip("/"))
        known = after != memory.trust
        memory.trust = after
    if not known:
        raise typer.BadParameter(f"没有记住 {site} · not known")
    show.out.print(f"✓ 已忘记 {site} · forgotten", markup=False)


def _folder(data: Path | None) -> Path:
    chosen = settings.load(data=data).data.absolute()
    if not (chosen / "catalog.sqlite").is_file():
        raise typer.BadParameter(f"{chosen} 不是数据目录 · no data folder")
    return chosen
