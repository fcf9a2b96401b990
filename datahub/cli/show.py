"""How commands print: tables and progress for people, JSON for programs."""

from __future__ import annotations

import json
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="给程序读的 JSON · JSON for programs")]
Server = Annotated[
    str | None, typer.Option(help="服务地址 · address of the service (DATAHUB_SERVER)")
]
Token = Annotated[str | None, typer.Option(help="令牌 · token (DATAHUB_TOKEN)")]


def as_json(value: Any) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under a header; a narrow terminal wraps, nothing is cut."""
    shown = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        shown.add_row(*(Text(_text(cell)) for cell in row))  # text: brackets in data mean nothing
    out.print(shown)


def records(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows as a table where it fits the terminal, else as one block a row."""
    texts = [[_text(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(columns, *texts, strict=True)]
    if sum(widths) + 2 * len(widths) <= out.width:
        table(columns, texts)
        return
    widest = max(map(cell_len, columns))
    for number, row in enumerate(texts, start=1):
        out.print(f"── {number} ──", style="dim")
        for name, cell in zip(columns, row, strict=True):
            out.print(f"{name}{' ' * (widest - cell_len(name))}  {cell}", markup=False)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)


@contextmanager
def busy(text: str) -> Iterator[Any]:
    """Show that something takes its time, with the seconds, on standard error."""
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(),
        console=err, transient=True, disable=not err.is_terminal,
    ) as progress:  # fmt: skip
        task = progress.add_task(text, total=None)
        yield lambda words: progress.update(task, description=words)


@contextmanager
def transfer() -> Iterator[Progress]:
    """Show transfers with bytes and speed, on standard error."""
    with Progress(
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
        console=err, disable=not err.is_terminal,
    ) as progress:  # fmt: skip
        yield progress


def human(size: int) -> str:
    """Size in bytes as people read it."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:  # noqa: PLR2004 - SI units
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
