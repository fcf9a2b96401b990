"""The functions that SQL from anybody may call: an allow-list, reviewed for DuckDB 1.5.

Not in it, on purpose: what reads files, settings or the catalog, waits, logs or keeps state
(read_csv, current_setting, query, nextval, sleep_ms, write_log…); what takes memory by the size of
an argument (repeat, lpad, printf, list_resize, bitstring…); what costs the product of two lengths
(levenshtein…) or folds a list step by step (list_reduce). A function that DuckDB gains later is
refused until somebody puts it into functions.json.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from datahub.model import Struct


class Topic(Struct, frozen=True):
    """Functions of one kind, with an example."""

    topic: str
    title: str
    example: str
    names: tuple[str, ...]


TOPICS = msgspec.json.decode(
    (Path(__file__).parent / "functions.json").read_bytes(), type=tuple[Topic, ...]
)
ALLOWED = frozenset(name for topic in TOPICS for name in topic.names)
SERIES = frozenset({"range", "generate_series"})
"""Allowed with constant bounds only: as tables up to SERIES_ROWS, as lists up to SERIES_ITEMS."""
SERIES_ROWS, SERIES_ITEMS = 1_000_000, 10_000
TABLES = SERIES | {"unnest"}
LAMBDAS = frozenset(
    {
        *("apply", "list_apply", "list_filter", "list_transform"),
        *("filter", "array_apply", "array_filter", "array_transform"),
    }
)
"""Call their argument for every item; within one another they multiply."""
CHANGING = frozenset(
    {
        *("random", "uuid", "uuidv4", "gen_random_uuid", "age", "ago", "now", "today"),
        *("current_date", "current_localtime", "current_localtimestamp", "get_current_time"),
        *("get_current_timestamp", "transaction_timestamp"),
    }
)
"""Their results differ from one asking to the next: such answers are not kept."""
CLOCK = frozenset(
    {"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"}
)
"""Words that read the clock where no column has their name."""
SESSION = frozenset(
    {
        *("current_catalog", "current_database", "current_role", "current_schema"),
        *("current_user", "session_user", "user"),
    }
)
"""Words that name the session where no column has their name."""
