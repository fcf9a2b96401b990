"""Judge a submission in a child: the entry, which begins to read before it loads the engine."""

from __future__ import annotations

import msgspec

from datahub.model import Json, Struct
from datahub.validation.reading import Slot
from datahub.validation.scan import start


class Job(Struct, frozen=True):
    """All tables of a submission; `errors_csv` takes every error, the report the first ones.

    `related` are resources of other datasets that foreign keys refer to, as "dataset/resource".
    `typed` is the folder that takes `<resource>.parquet` of every resource found valid.
    """

    slots: tuple[Slot, ...]
    folder: str  # for files that help judging
    errors_csv: str
    errors_kept: int = 1000
    related: tuple[Slot, ...] = ()
    typed: str = ""
    field_ids: dict[str, dict[str, int]] = msgspec.field(default_factory=dict)
    today: str = ""  # RFC 3339 date that rules of freshness count from


def judge(job: Job) -> Json:
    """Judge a submission: every table, its keys, its rules; one report.

    A report has Frictionless's own shape and error types. Beside them stand `totals` over all rows,
    `groups` of errors in words, `rules`, `notices` of stage detect, and `engine`, which tells how
    it was judged.
    """
    started = start(job.slots[0].tables[0])
    try:
        from datahub.validation.judging import judge_submission  # a third of a second
        from datahub.validation.reference import few_plugins

        with few_plugins():
            return judge_submission(job, started)
    finally:
        started.stop()


__all__ = ["Job", "Slot", "judge"]
