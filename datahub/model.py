"""The words of the product as frozen structs, and the state machine: pure, no I/O.

Each struct names the standard its fields come from: DCAT 3, Frictionless Data Package 2.0
("Data Package"), Table Schema 2.0. Times are UTC in RFC 3339; sizes are bytes; digests are
SHA-256 in lower-case hexadecimal.
"""

from __future__ import annotations

from enum import StrEnum
from hashlib import sha256
from typing import Any, Literal

import msgspec

Json = dict[str, Any]


class State(StrEnum):
    """States of a submission, in the order of the flow."""

    RECEIVED = "received"
    DETECTED = "detected"
    VALIDATED = "validated"
    SCREENED = "screened"
    IN_REVIEW = "in_review"
    APPROVED = "approved"
    RELEASED = "released"
    REJECTED = "rejected"
    RETURNED = "returned"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


S = State
_STOPS = {S.REJECTED, S.WITHDRAWN}
TRANSITIONS: dict[State, frozenset[State]] = {
    S.RECEIVED: frozenset({S.DETECTED} | _STOPS),
    S.DETECTED: frozenset({S.VALIDATED} | _STOPS),
    S.VALIDATED: frozenset({S.SCREENED} | _STOPS),
    S.SCREENED: frozenset({S.IN_REVIEW} | _STOPS),
    # A decision binds to digests: when the metadata changed since, the work starts again.
    S.IN_REVIEW: frozenset({S.APPROVED, S.RETURNED, S.DECLINED, S.RECEIVED, S.WITHDRAWN}),
    S.APPROVED: frozenset({S.RELEASED, S.RECEIVED, S.REJECTED, S.WITHDRAWN}),
    S.RELEASED: frozenset(),
    S.REJECTED: frozenset(),
    S.RETURNED: frozenset(),
    S.DECLINED: frozenset(),
    S.WITHDRAWN: frozenset(),
}
MACHINE_STATES = (S.RECEIVED, S.DETECTED, S.VALIDATED, S.SCREENED, S.APPROVED)
"""States in which the next step is the machine's, not a person's."""
OVER_STATES = tuple(state for state, after in TRANSITIONS.items() if not after)
"""States that nothing follows."""

STAGE_VERSIONS = {"detect": 3, "validate": 2, "screen": 2, "release": 3}
"""Raised with every change of what a stage finds or writes; each manifest names them."""

STATE_ZH = {
    S.RECEIVED: "已接收",
    S.DETECTED: "已识别",
    S.VALIDATED: "已校验",
    S.SCREENED: "已筛查",
    S.IN_REVIEW: "待审核",
    S.APPROVED: "已批准",
    S.RELEASED: "已发布",
    S.REJECTED: "未通过",
    S.RETURNED: "已退回",
    S.DECLINED: "不予发布",
    S.WITHDRAWN: "已撤回",
}


def may_move(before: State, after: State) -> bool:
    """Tell whether the state machine has this step."""
    return after in TRANSITIONS[before]


class Openness(StrEnum):
    """开放类型: 无条件开放, 有条件开放, 不予开放."""

    OPEN = "open"
    CONDITIONAL = "conditional"
    CLOSED = "closed"


OPENNESS_ZH = {"open": "无条件开放", "conditional": "有条件开放", "closed": "不予开放"}


class Role(StrEnum):
    """What a person is allowed, in one word."""

    STEWARD = "steward"
    REVIEWER = "reviewer"
    OPERATOR = "operator"


class Struct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """Base of all structs: frozen, by keyword."""


class Person(Struct, frozen=True):
    """Somebody with a name, a role and, for stewards, a publisher."""

    name: str
    title: str
    role: Role
    publisher: str | None = None


class Dialect(Struct, frozen=True):
    """CSV dialect (Table Dialect 2.0), and where the header stands."""

    delimiter: str = ","
    quote_char: str = '"'
    header_row: int = 1  # record number, 1-based (Table Dialect headerRows)
    header_line: int = 1  # physical line on which the header row ends, 1-based


class Notice(Struct, frozen=True):
    """What stage detect noticed about a file; stage screen makes a Finding of it."""

    code: str  # D..: how the file is written; Q..: what its content suffered
    severity: Literal["warn", "note"]
    zh: str
    en: str
    field: str = ""
    count: int = 1
    rows: tuple[int, ...] = ()  # row numbers as in the report, the first few
    sample: str = ""


class Table(Struct, frozen=True):
    """A file that can be read as one table: what stage detect found out.

    `path` is always UTF-8 text without a byte order mark: the original where it is that, else
    a copy with the same records at the same positions (transcoded, or the sheet as CSV). It is
    a server path and never leaves the process tree.
    """

    path: str
    name: str  # the file name its owner knows it by
    bytes: int
    sha256: str  # of the original
    format: Literal["csv", "xlsx", "xls", "ods", "json", "ndjson", "parquet"] = "csv"
    encoding: str = "utf-8"  # of the original
    dialect: Dialect = Dialect()
    sheet: str | None = None
    copied: bool = False  # path is a copy, not the original
    notices: tuple[Notice, ...] = ()  # what the owner should know about how it was read


class FileIn(Struct, frozen=True):
    """One file of a submission, kept verbatim under its digest."""

    resource: str
    name: str
    bytes: int
    sha256: str
    charset: str = ""  # as declared with the file; empty when nothing was declared


class Pin(Struct, frozen=True):
    """A table that SQL reads, as it is written there, and which one that is."""

    schema: str
    name: str
    dataset: str
    resource: str
    version: int | None  # None: the latest when it is asked


class TableVersion(Struct, frozen=True):
    """A table of a release, as answers tell what they read."""

    dataset: str
    resource: str
    version: int


class Finding(Struct, frozen=True):
    """What the screening found; it never carries the value itself."""

    rule: str
    severity: Literal["block", "warn", "note"]
    resource: str
    field: str
    count: int
    rows: tuple[int, ...]  # row numbers as in the report, the first few
    sample: str  # masked
    zh: str
    en: str


class Decision(Struct, frozen=True):
    """A person's yes or no with a reason, bound to the digests of data and metadata."""

    person: str
    verdict: Literal["approve", "return", "decline"]
    reason: str
    data_digest: str
    metadata_digest: str
    at: str


class Submission(Struct, frozen=True):
    """What was handed in for a dataset and is not public."""

    id: str
    dataset: str
    submitter: str
    state: State
    created: str
    modified: str
    files: tuple[FileIn, ...]
    metadata_digest: str  # of the record and schemas that it is judged against
    note: str = ""
    attempt: int = 1
    tables: dict[str, tuple[Table, ...]] = {}
    findings: tuple[Finding, ...] = ()
    problem: Json | None = None  # the error (code, facts) that rejected it
    decision: Decision | None = None
    version: int | None = None  # of the release it became


class Distribution(Struct, frozen=True):
    """One downloadable form of a resource in a release (DCAT Distribution)."""

    path: str
    bytes: int
    sha256: str
    media_type: str
    resource: str | None = None
    rows: int | None = None
    form: str | None = None  # parquet, csv, ndjson, xlsx, geojson, stats, original
    part: int | None = None  # number of this part of a big file, from 1
    crc32: int | None = None  # for the bundle, which is made from the files without a copy

    @property
    def has_rows(self) -> bool:
        """Whether it is a form of a resource's rows, not a document about them."""
        return self.resource is not None and self.form != "stats"


class Release(Struct, frozen=True):
    """Immutable published state of a dataset."""

    dataset: str
    version: int
    released: str
    submission: str
    manifest_sha256: str
    files: tuple[Distribution, ...]
    withdrawn: str | None = None
    reason: str | None = None
    withdrawn_by: str | None = None


class Dataset(Struct, frozen=True):
    """A catalog record with its resources (Data Package and the fields beside it)."""

    name: str
    title: str
    publisher: str
    publisher_title: str
    theme: str
    theme_title: str
    openness: Openness
    package: Json  # the Data Package descriptor, schemas inlined
    digest: str  # of the package: what a decision binds to
    created: str
    modified: str  # of the record, not of the data
    latest: int | None = None
    retired: bool = False  # left the catalog folder that it was registered from
    status: str = "active"  # or deprecated, tombstone
    rows: int = 0  # of the latest release, over all resources
    cells: int = 0  # 数据容量: rows × fields
    data_updated: str = ""  # when the latest release came; "" while there is none
    score: int = 0  # completeness of the record, 0 to 100

    @property
    def resources(self) -> tuple[str, ...]:
        """Names of the resources, in catalog order."""
        return tuple(r["name"] for r in self.package["resources"])

    @property
    def record(self) -> Json:
        """The catalog record's own fields."""
        record: Json = self.package["catalog"]
        return record

    def resource(self, name: str) -> Json:
        """Descriptor of one resource (Data Resource); KeyError where there is none."""
        for resource in self.package["resources"]:
            if resource["name"] == name:
                found: Json = resource
                return found
        raise KeyError(name)


def data_digest(files: tuple[FileIn, ...]) -> str:
    """Digest of all files of a submission: over resource and digest, line by line."""
    return sha256("".join(f"{f.resource} {f.sha256}\n" for f in files).encode()).hexdigest()


def slots(dataset: Dataset, submission: Submission) -> list[Json]:
    """Every resource with its schema and its tables, as the children of the stages take them."""
    return [
        {
            "name": name,
            "schema": dataset.resource(name)["schema"],
            "tables": msgspec.to_builtins(submission.tables[name]),
        }
        for name in dataset.resources
    ]
