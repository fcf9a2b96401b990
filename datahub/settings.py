"""One frozen Settings from defaults < file < environment; the only reader of the environment.

The file is TOML, named by DATAHUB_SETTINGS. A variable DATAHUB_<NAME> overrides field <name>.
Sizes are bytes, times are seconds.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Any

import msgspec

from datahub.errors import CatalogError

GIB = 1 << 30
MIB = 1 << 20


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator may set; each field's comment is its documentation."""

    data: Path = Path(".data")  # folder of catalog, originals and public files
    host: str = "127.0.0.1"  # address that serve listens on
    port: int = 8000
    workers: int = 2  # web processes
    server: str = "http://127.0.0.1:8000"  # where the commands find the service
    token: str = ""  # who the commands speak as
    site: str = ""  # address that visitors come by, https://…; empty: the request's Host
    proxied: bool = False  # X-Forwarded-Proto and -Host come from a proxy and are believed
    upload_bytes: int = 5 * GIB  # of one submission, all files together
    unpacked_bytes: int = 2 * GIB  # of a compressed file, once opened
    line_bytes: int = 4 * MIB  # of one line of text
    free_bytes: int = 64 * MIB  # kept free on the disk
    child_memory: int = 4 * GIB  # address space of a child that parses
    child_seconds: int = 1800  # deadline of a child that parses
    errors_kept: int = 1000  # errors in a report; all of them are in its CSV
    page_rows: int = 10_000  # rows a page at most
    query_threads: int = 1  # DuckDB threads of a web process
    query_memory: int = 96 * MIB  # of the DuckDB of a web process
    query_seconds: float = 10.0  # of a row query; longer ones belong into SQL jobs
    count_seconds: float = 0.2  # for an exact total; else the answer says "at least"
    cache_bytes: int = 20 * GIB  # of what is derived from releases to answer faster
    part_bytes: int = 2 * GIB  # of one part of a big CSV or NDJSON file
    sql_children: int = 5  # questions in SQL that are worked on at a time
    sql_memory: int = 1536 * MIB  # address space of a query child
    sql_seconds: float = 5.0  # of one question in SQL
    sql_rows: int = 10_000  # of its answer
    sql_bytes: int = 50 * MIB  # of its answer
    job_seconds: float = 600.0  # of one SQL job
    job_bytes: int = 4 * GIB  # of a job's result
    job_days: int = 7  # that a result is kept
    results_bytes: int = 20 * GIB  # of all results that are kept
    limit_window: float = 600.0  # that limits are counted over; a limit of 0 is none
    anonymous_seconds: float = 600.0  # of the server, for each address, in a window
    anonymous_bytes: int = 200 * GIB  # sent to each address in a window, downloads included
    anonymous_requests: int = 2_000_000  # of each address in a window: against floods
    anonymous_heavy: int = 3  # questions in SQL, exports, comparisons of an address at once
    key_seconds: float = 2400.0  # the same for each API key: four times, one more at once
    key_bytes: int = 800 * GIB
    key_requests: int = 8_000_000
    key_heavy: int = 4
    key_days: int = 365  # that an API key is valid
    limit_guesses: int = 1000  # wrong keys and tokens of an address in a window
    limit_new_keys: int = 100  # API keys that an address may make in a window
    private_webhooks: bool = False  # deliver to loopback and private addresses, too
    trust: Path = Path("~/.config/datahub/trust.json")  # whom this user's own commands trust
    log: str = "info"


def load(**overrides: Any) -> Settings:
    """Read settings; keyword arguments that are not None win over everything.

    Raises:
        CatalogError: an unknown setting or a value of the wrong type, with its name.

    """
    own = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    values: dict[str, Any] = {"trust": f"{own}/datahub/trust.json"}
    file = os.environ.get("DATAHUB_SETTINGS")
    if file:
        values |= _read(Path(file))
    for name in Settings.__struct_fields__:
        text = os.environ.get(f"DATAHUB_{name.upper()}")
        if text is not None:
            values[name] = text
    values |= {name: value for name, value in overrides.items() if value is not None}
    try:
        return msgspec.convert(values, Settings, strict=False, dec_hook=_path)
    except msgspec.ValidationError as error:
        raise CatalogError(
            place="settings", reason_zh=f"设置不对：{error}", reason_en=str(error)
        ) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CatalogError(
            place=str(file), reason_zh=f"设置文件读不出来：{error}", reason_en=str(error)
        ) from None


def _path(kind: type, value: Any) -> Any:
    return Path(value).expanduser() if kind is Path else value


def to_environment(settings: Settings) -> dict[str, str]:
    """Write settings as the variables that `load` reads, for a process started by this one."""
    values = {name: str(getattr(settings, name)) for name in Settings.__struct_fields__}
    values["data"] = str(settings.data.absolute())
    return {f"DATAHUB_{name.upper()}": value for name, value in values.items()}
