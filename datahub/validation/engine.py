"""Judge one table at column speed with exactly frictionless's verdicts.

One pass over Arrow batches proves most cells valid and asks frictionless's reader about the others,
once per distinct text; keys go to DuckDB. The report's errors are then frictionless's own, from the
rows at fault alone, among rows that were found clean, one in AUDITED: should it say anything else
than the pass did, it judges the whole table, and the report tells that.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pyarrow as pa

from datahub.validation import reference
from datahub.validation.columns import UnjudgeableError
from datahub.validation.ledger import ROW_PLACE, Ledger
from datahub.validation.request import Outcome, Request, WholeError
from datahub.validation.scan import RecordTooLongError, blocks, too_long
from datahub.validation.table_pass import DifferenceError, TablePass

if TYPE_CHECKING:
    from datahub.model import Json

WIDEST = 5_000


def judge_table(request: Request) -> Outcome:
    """Judge a table.

    Raises:
        LineTooLong: a record is larger than any that is read.

    """
    began = time.perf_counter()
    try:
        outcome = _by_columns(request)
    except WholeError as why:
        outcome = _whole(request, str(why))
        outcome.differences = int(isinstance(why, DifferenceError))
    except UnjudgeableError as error:
        # Frictionless itself may have had errors enough before it came to that value.
        outcome = _whole(request, str(error))
    outcome.fields = [f for f in request.given.schema.get("fields", ()) if isinstance(f, dict)]
    seconds = round(time.perf_counter() - began, 3)
    outcome.report["stats"]["seconds"] = seconds
    for task in outcome.report["tasks"]:
        task["stats"]["seconds"] = seconds
    return outcome


def _by_columns(request: Request) -> Outcome:
    opened = _open(request)
    for size in blocks():
        ledger = Ledger(request.folder)
        try:
            return TablePass(request, opened, ledger, size).outcome()
        except RecordTooLongError:
            ledger.close()
        except pa.ArrowInvalid as error:
            ledger.close()
            raise WholeError(f"the bytes are no UTF-8 ({error})") from error
        except Exception:
            ledger.close()
            raise
    raise too_long(request.table)


def _open(request: Request) -> reference.Opened:
    if not request.vectorised:
        raise WholeError("a dialect that only frictionless reads")
    if request.limit_rows:
        raise WholeError("a limit of rows")
    try:
        opened = reference.open_header(request.given)
    except Exception as error:  # a schema that is wrong, or one that frictionless chokes on
        raise WholeError("schema or header cannot be read") from error
    if not opened.labels:
        raise WholeError("no header")
    if len(opened.labels) > WIDEST:
        raise WholeError(f"more than {WIDEST} columns")
    return opened


def _whole(request: Request, why: str) -> Outcome:
    """Let frictionless judge all rows; its errors beyond the limit are counted too."""
    ledger = Ledger(request.folder)
    try:
        report = reference.judge_whole(
            request.given, limit_errors=request.limit_errors, limit_rows=request.limit_rows
        )
    except Exception as error:  # noqa: BLE001 - whatever comparing odd values raises
        told = "cannot be compared" in why  # which field and value
        return _failed(request, why if told else f"{type(error).__name__}: {error}")
    found = Outcome(report, ledger, engine="frictionless", why=why)
    try:
        found.rows = _count(request, report, ledger, found.header)
    except Exception:  # noqa: BLE001 - the rest of the rows cannot be judged
        found.why += "; not all rows could be counted"
    return found


def _count(request: Request, report: Json, ledger: Ledger, header: list[Json]) -> int:
    """Count every error of the file, those beyond the limit too; return the number of rows."""
    (task,) = report["tasks"]
    cut = any("error limit" in warning for warning in task["warnings"])
    stream = reference.ErrorStream(request.given)
    for error in stream if cut else task["errors"]:
        if "rowNumber" in error:
            ledger.add(
                error["rowNumber"], error.get("fieldNumber", ROW_PLACE), error["type"],
                field=error.get("fieldName", ""), cell=error.get("cell", ""), note=error["note"],
            )  # fmt: skip
        else:
            header.append(error)
    return stream.rows if cut else int(task["stats"].get("rows", 0))


def _failed(request: Request, note: str) -> Outcome:
    found = reference.fault("check-error", note)
    task = reference.empty_task(request.given.name, [found])
    report = {
        "valid": False,
        "stats": {"tasks": 1, "errors": 1, "warnings": 0, "seconds": 0.0},
        "warnings": [],
        "errors": [],
        "tasks": [task],
    }
    return Outcome(report, Ledger(request.folder), engine="frictionless", why=note, header=[found])
