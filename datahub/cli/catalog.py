"""Commands on the catalog as a whole: the plan of `register`, export, the record's JSON Schema."""

from __future__ import annotations

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from datahub import settings
from datahub.cli import show

if TYPE_CHECKING:
    from datahub.stages.register import Plan

_MOST_SHOWN = 200
app = typer.Typer(help="整个目录 · The catalog as a whole.", no_args_is_help=True)


def add_to(root: typer.Typer) -> None:
    """Add the commands to the application."""
    root.add_typer(app, name="catalog")


@app.command(epilog="例：datahub catalog export 导出的目录")
def export(
    folder: Annotated[Path, typer.Argument(help="要写出的新文件夹 · new folder")],
    catalog: Annotated[str, typer.Option(help="目录名，只有一个时可省略 · name")] = "",
    data: Annotated[Path | None, typer.Option(help="数据目录 · data folder")] = None,
    json: show.Json = False,
) -> None:
    """把目录写成文件夹 · Write a folder that registers to the same catalog."""
    from datahub.stages.register import export as write
    from datahub.store import open_store

    store = open_store(settings.load(data=data))
    with show.busy("写出目录…"):
        done = write(store, folder, catalog=catalog)
    store.close()
    if json:
        show.as_json(msgspec.to_builtins(done))
        return
    show.out.print(
        f"✓ {done.catalog}：{done.datasets} 个数据集、{done.publishers} 个机构、{done.terms} 个词条"
        f" → {folder}",
        markup=False,
    )


@app.command(epilog="例：datahub catalog schema > schemas/catalog-record.json")
def schema() -> None:
    """打印目录记录的 JSON Schema · Print the JSON Schema of a catalog record."""
    from datahub.record.jsonschema import schema as make

    print(json_module.dumps(make(), ensure_ascii=False, indent=2))


def print_plan(plan: Plan, *, applied: bool) -> None:
    """Show what registering changes, dataset by dataset, with values before and after."""
    if plan.empty and not plan.waiting:
        show.out.print(f"没有要改的（{len(plan.same)} 个数据集）· nothing to change", markup=False)
        return
    for line in list(_lines(plan))[:_MOST_SHOWN]:
        show.out.print(line, markup=False)
    counts = [("新增 add", plan.add), ("修改 change", plan.change), ("改名 rename", plan.rename),
              ("下架 retire", plan.retire), ("待审核 needs review", plan.review),
              ("等待审核中 waiting for review", plan.waiting), ("词条 terms", plan.terms),
              ("不变 same", plan.same)]  # fmt: skip
    told = " · ".join(f"{words} {len(names)}" for words, names in counts if names)
    show.out.print(told, markup=False)
    if plan.empty:
        show.out.print("没有别的要改 · nothing else to change", markup=False)
    else:
        show.out.print("✓ 已登记 · registered" if applied else "以上只是计划 · a plan only")


def _lines(plan: Plan) -> Any:
    """Lines of a plan, the weightiest first."""
    for name in plan.review:
        yield f"  ! 待审核 needs review {name}（登记时确定的属性，须另一人批准）"
        yield from _differences(plan, name)
    for name in plan.waiting:
        yield f"  … 等待审核中 waiting for review {name}"
    for item in plan.duplicates:
        yield (
            f"  ? 疑似重复 duplicate {item.dataset} ≈ {item.like}（{item.publisher}，"
            f"“{item.title}”，字段相同，标题相似度 {item.similarity:.0%}）"
        )
    yield from _moves(plan)
    for name in plan.change:
        yield f"  ~ 修改 change {name}"
        yield from _differences(plan, name)
    for name in plan.add:
        yield f"  + 新增 add {name}  {plan.titles.get(name, '')}"
    if plan.terms:
        shown = "、".join(plan.terms[:10]) + ("…" if len(plan.terms) > 10 else "")  # noqa: PLR2004
        yield f"  ~ 词条 glossary {len(plan.terms)}：{shown}"


def _moves(plan: Plan) -> Any:
    for name in plan.retire:
        yield f"  - 下架 retire {name}（已发布的版本保留）"
    for old, new in plan.rename:
        yield f"  > 改名 rename {old} → {new}（旧地址转到新地址）"
    for name in plan.lists:
        yield f"  ~ 列表 list {name}"
    if plan.vocabularies:
        yield "  ~ 发布机构、地区、领域或许可 · publishers, regions, themes or licences"


def _differences(plan: Plan, name: str) -> Any:
    from datahub.stages.register.plan import shown

    for item in plan.differences.get(name, ()):
        yield f"      {item.field}: {shown(item.before)} → {shown(item.after)}"
    if not plan.differences.get(name):
        yield "      重新上架 · listed again"
