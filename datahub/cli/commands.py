"""All commands as one application; errors of our tree end as two sentences."""

from __future__ import annotations

import json
import sys
from typing import Any

import typer

from datahub.cli import catalog, check, dataset, fetch, glossary, operate, publish, read, schema
from datahub.errors import (
    CatalogError,
    DatahubError,
    DigestMismatch,
    FileError,
    PlatformError,
)
from datahub.logs import configure

app = typer.Typer(
    help="城市公共数据开放目录 · An open public-data catalog and publishing service.\n\n"
    "报送、校验、审核、发布、查询、下载。退出码：0 完成；1 数据不合格或校验不符；"
    "2 命令写错；3 被拒绝；4 服务不可用（可重试）。\n\n"
    "Exit codes: 0 done, 1 data invalid or not verified, 2 usage, 3 refused, 4 try again later.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for module in (publish, read, fetch, check, operate, dataset, glossary, catalog, schema):
    module.add_to(app)


def exit_code(error: DatahubError) -> int:
    """Exit code of an error, as the help text documents them."""
    if isinstance(error, PlatformError) or error.retryable:
        return 4
    if isinstance(error, FileError | CatalogError | DigestMismatch):
        return 1
    return 3


def run() -> None:
    """Run the command line; errors of our tree end as two sentences, never as a traceback."""
    configure("warning")
    try:
        app()
    except DatahubError as error:
        if "--json" in sys.argv:
            told: dict[str, Any] = {
                "code": error.code, "detail": error.text_en, "detail_zh": error.text_zh
            }  # fmt: skip
            told |= {k: error.facts[k] for k in ("place", "rule", "problems") if k in error.facts}
            print(json.dumps({"error": told}, ensure_ascii=False))
        else:
            print(f"✗ {error.text_zh}\n  {error.text_en} [{error.code}]", file=sys.stderr)
            for problem in error.facts.get("problems", ()):
                place = problem.get("place", problem.get("field", ""))
                print(f"  · {place}：{problem['zh']} [{problem['rule']}]", file=sys.stderr)
        sys.exit(exit_code(error))
    except (FileNotFoundError, FileExistsError, PermissionError, NotADirectoryError,
            IsADirectoryError) as error:  # fmt: skip
        print(f"✗ 打不开 {error.filename}：{error.strerror} · cannot open", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except KeyboardInterrupt:
        sys.exit(130)
