"""Stage detect: find out in a child what each file is and how it is read as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.clock import stamp
from datahub.errors import SubmissionIncomplete
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import FileIn, State, Submission, Table
from datahub.store import records, submissions

if TYPE_CHECKING:
    from datahub.model import Json
    from datahub.store import Store

TARGET = "datahub.validation.sniff:sniff"


def detect(store: Store, submission: Submission) -> Submission:
    """Move a received submission to detected, with a table per file.

    Raises:
        FileError: a file cannot be read as a table; a subclass says why and where.

    """
    folder = store.objects.work(submission.id)
    folder.mkdir(exist_ok=True)
    with store.catalog.read() as db:
        dataset = records.get_dataset(db, submission.dataset)
    received = {file.resource for file in submission.files}
    if received != set(dataset.resources):  # the record changed since
        raise SubmissionIncomplete(
            dataset=dataset.name,
            expected=", ".join(dataset.resources),
            received=", ".join(sorted(received)),
        )
    tables: dict[str, tuple[Table, ...]] = {}
    for number, file in enumerate(submission.files):
        schema = dataset.resource(file.resource)["schema"]
        copy = str(folder / f"{file.resource}-{number}.csv")
        store.objects.need(file.bytes)  # a copy may be needed
        table = _sniff(store, file, schema, copy)
        tables[file.resource] = (*tables.get(file.resource, ()), table)
    with store.catalog.write() as db:
        return submissions.move(
            db,
            submission,
            State.DETECTED,
            who="pipeline",
            at=stamp(store.clock),
            tables=tables,
            metadata_digest=dataset.digest,
        )


def _sniff(store: Store, file: FileIn, schema: Json, copy: str) -> Table:
    settings = store.settings
    return run(
        TARGET,
        {
            "path": str(store.objects.received(file.sha256)),
            "name": file.name,
            "bytes": file.bytes,
            "sha256": file.sha256,
            "schema": schema,
            "copy": copy,
            "charset": file.charset,
            "line_bytes": settings.line_bytes,
            "unpacked_bytes": settings.unpacked_bytes,
        },
        returns=Table,
        limits=Limits(settings.child_memory, settings.child_seconds),
        folder=store.objects.work(""),
    )
