"""Stage receive: bytes that are on disk under their digest become a submission.

Nothing is interpreted. When this returns, the submission survives any crash.
"""

from __future__ import annotations

import secrets
from pathlib import PurePath
from typing import TYPE_CHECKING

from datahub.clock import stamp
from datahub.errors import FileEmpty, PublisherForeign, StateError, SubmissionIncomplete
from datahub.model import Dataset, FileIn, Person, Role, State, Submission
from datahub.store import records, submissions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.store import Store


def receive(
    store: Store, person: Person, dataset_name: str, files: Sequence[FileIn], *, note: str = ""
) -> Submission:
    """Record what `person` handed in for a dataset, one or more files per resource.

    A file whose resource is "" goes to the resource its name says, or to the only one.

    Raises:
        DatasetUnknown: there is no such dataset.
        PublisherForeign: the dataset belongs to another publisher.
        FileEmpty: a file has no bytes.
        SubmissionIncomplete: a resource has no file, or a file no resource.

    """
    now = stamp(store.clock)
    with store.catalog.write() as db:
        dataset = records.get_dataset(db, dataset_name)
        check_publisher(person, dataset)
        records.check_alive(db, dataset.name)
        submission = Submission(
            id=secrets.token_hex(8),
            dataset=dataset.name,
            submitter=person.name,
            state=State.RECEIVED,
            created=now,
            modified=now,
            files=assign(dataset, files),
            metadata_digest=dataset.digest,
            note=note,
        )
        submissions.add(db, submission)
    return submission


def may_receive(store: Store, person: Person, dataset_name: str) -> None:
    """Check, before a byte is stored, that the dataset is there and the person's to submit to.

    Raises:
        DatasetUnknown: there is no such dataset.
        DatasetGone: it is a tombstone.
        PublisherForeign: the dataset belongs to another publisher.

    """
    with store.catalog.read() as db:
        check_publisher(person, records.get_dataset(db, dataset_name))
        records.check_alive(db, dataset_name)


def check_publisher(person: Person, dataset: Dataset) -> None:
    """Let stewards act on their own publisher's datasets only.

    Raises:
        PublisherForeign: it is somebody else's.
        StateError: it was retired from the catalog.

    """
    if dataset.retired:
        raise StateError(
            what="dataset",
            id=dataset.name,
            state="已下架 retired",
            action_zh="报送",
            action_en="submitted to",
        )
    if person.role is not Role.OPERATOR and person.publisher != dataset.publisher:
        raise PublisherForeign(
            dataset=dataset.name, publisher=dataset.publisher_title, own=person.publisher or "—"
        )


def assign(dataset: Dataset, files: Sequence[FileIn]) -> tuple[FileIn, ...]:
    """Give every file its resource, in catalog order of the resources.

    Raises:
        FileEmpty: a file has no bytes.
        SubmissionIncomplete: a resource has no file, or a file no resource.

    """
    given: dict[str, list[FileIn]] = {}
    for file in files:
        if file.bytes == 0:
            raise FileEmpty(file=file.name)
        given.setdefault(_resource_of(dataset, file), []).append(file)
    if set(given) != set(dataset.resources):
        raise SubmissionIncomplete(
            dataset=dataset.name,
            expected=", ".join(dataset.resources),
            received=", ".join(sorted(given)) or "—",
        )
    return tuple(
        FileIn(resource=name, name=f.name, bytes=f.bytes, sha256=f.sha256, charset=f.charset)
        for name in dataset.resources
        for f in given[name]
    )


def _resource_of(dataset: Dataset, file: FileIn) -> str:
    if file.resource:
        return file.resource
    if len(dataset.resources) == 1:
        return dataset.resources[0]
    return PurePath(file.name).stem
