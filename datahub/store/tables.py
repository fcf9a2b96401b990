"""The catalog's own tables.

JSON columns hold structs of `model` as text. Order in time is by `seq` or version, never by clock.
"""

from __future__ import annotations

import sqlalchemy as sa

metadata = sa.MetaData()

terms = sa.Table(
    "terms",  # vocabularies of the catalog: region, theme, license
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

publishers = sa.Table(
    "publishers",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("credit_code", sa.Text, nullable=False),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

datasets = sa.Table(
    "datasets",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("publisher", sa.Text, sa.ForeignKey("publishers.id"), nullable=False),
    sa.Column("theme", sa.Text, nullable=False),
    sa.Column("openness", sa.Text, nullable=False),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("search", sa.Text, nullable=False),  # folded text that q= looks in
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("modified", sa.Text, nullable=False),  # of the record; the data has data_updated
    sa.Column("latest", sa.Integer),
    sa.Column("retired", sa.Boolean, nullable=False, default=False),
    sa.Column("code", sa.Text, nullable=False, index=True),
    sa.Column("region", sa.Text, nullable=False),
    sa.Column("update_cycle", sa.Text, nullable=False),
    sa.Column("grade", sa.Text, nullable=False),
    sa.Column("validity", sa.Text, nullable=False),  # of documents; "" for all others
    sa.Column("status", sa.Text, nullable=False),  # active, deprecated, tombstone
    sa.Column("rows", sa.Integer, nullable=False),  # of the latest release, all resources
    sa.Column("cells", sa.Integer, nullable=False),  # 数据容量: rows × fields
    sa.Column("data_updated", sa.Text, nullable=False),  # of the latest release; "" while none
    sa.Column("score", sa.Integer, nullable=False),  # completeness of the record, 0 to 100
    sa.Column("share_type", sa.Text, nullable=False),
    sa.Column("fingerprint", sa.Text, nullable=False, index=True),  # of the columns of its tables
    # Not retired, active or deprecated, and in force if a document: what lists show unasked.
    sa.Column("listed", sa.Boolean, nullable=False),
    sa.Index("ix_datasets_listed", "listed", "title", "name"),
    sa.Index("ix_datasets_publisher", "publisher", "listed", "title", "name"),
    sa.Index("ix_datasets_theme", "theme", "listed", "title", "name"),
    sa.Column("releases", sa.Integer, nullable=False),  # that are not withdrawn
    sa.Column("stages", sa.Integer, nullable=False),  # milestones reached, a bit each
    # What lists are narrowed by and what totals add up, in the order each reads it in: neither
    # needs to read the records, which are large.
    sa.Index(
        "ix_datasets_browsed",
        *("title", "name", "listed", "retired", "status", "validity"),
        *("openness", "publisher", "theme"),
    ),
    sa.Index(
        "ix_datasets_totals",
        *("publisher", "region", "theme", "retired", "status", "openness"),
        *("rows", "cells", "latest", "releases", "stages"),
    ),
    sa.Index("ix_datasets_alive", "name", "retired", "status"),
)

aliases = sa.Table(
    "aliases",  # names that datasets had before: never used again, redirected for ever
    metadata,
    sa.Column("alias", sa.Text, primary_key=True),
    sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False),
    sa.Column("at", sa.Text, nullable=False),
)

statuses = sa.Table(
    "statuses",  # deprecated, withdrawn from the lists, tombstone: with reason and successor
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False, index=True),
    sa.Column("status", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("successor", sa.Text),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
)

milestones = sa.Table(
    "milestones",  # catalogued, collected, shared, opened: the first time each
    metadata,
    sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), primary_key=True),
    sa.Column("stage", sa.Text, primary_key=True),
    sa.Column("at", sa.Text, nullable=False),
)

proposals = sa.Table(
    "proposals",  # record changes that need a second person
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("dataset", sa.Text, nullable=False, index=True),
    sa.Column("package", sa.Text, nullable=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("base_digest", sa.Text, nullable=False),  # of the record it changes
    sa.Column("changes", sa.Text, nullable=False),  # field, before, after
    sa.Column("proposer", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("decision", sa.Text),
)

changes = sa.Table(
    "changes",  # what readers of the catalog follow; "" is the catalog itself
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("dataset", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("version", sa.Integer),
)

glossary = sa.Table(
    "glossary",  # 政务词条, every version
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
    sa.Column("author", sa.Text, nullable=False),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("decision", sa.Text),
    sa.UniqueConstraint("id", "version"),
)

misses = sa.Table(
    "misses",  # searches that found nothing, for the operators
    metadata,
    sa.Column("query", sa.Text, primary_key=True),
    sa.Column("times", sa.Integer, nullable=False),
    sa.Column("first", sa.Text, nullable=False),
    sa.Column("last", sa.Text, nullable=False),
)

field_ids = sa.Table(
    "field_ids",  # column -> Parquet field id, kept for ever per resource
    metadata,
    sa.Column("dataset", sa.Text, primary_key=True),
    sa.Column("resource", sa.Text, primary_key=True),
    sa.Column("field", sa.Text, primary_key=True),
    sa.Column("id", sa.Integer, nullable=False),
    sa.UniqueConstraint("dataset", "resource", "id"),
)

submissions = sa.Table(
    "submissions",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.Text, nullable=False, unique=True),
    sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False, index=True),
    sa.Column("submitter", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("modified", sa.Text, nullable=False),
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("metadata_digest", sa.Text, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("tables", sa.Text),
    sa.Column("findings", sa.Text),
    sa.Column("problem", sa.Text),
    sa.Column("decision", sa.Text),
    sa.Column("version", sa.Integer),
)

reports = sa.Table(
    "reports",
    metadata,
    sa.Column("submission", sa.Text, sa.ForeignKey("submissions.id"), primary_key=True),
    sa.Column("report", sa.Text, nullable=False),
)

decisions = sa.Table(
    "decisions",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("submission", sa.Text, sa.ForeignKey("submissions.id"), nullable=False, index=True),
    sa.Column("decision", sa.Text, nullable=False),
)

releases = sa.Table(
    "releases",
    metadata,
    sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("submission", sa.Text, nullable=False, unique=True),
    sa.Column("released", sa.Text, nullable=False),
    sa.Column("manifest_sha256", sa.Text, nullable=False),
    sa.Column("package", sa.Text, nullable=False),  # the descriptor as it was released
    sa.Column("files", sa.Text, nullable=False),
    sa.Column("withdrawn", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("withdrawn_by", sa.Text),
    sa.Column("rows", sa.Integer, nullable=False),  # over all resources
    sa.Column("cells", sa.Integer, nullable=False),
    sa.Index("ix_releases_totals", "dataset", "version", "released", "withdrawn", "rows", "cells"),
)

people = sa.Table(
    "people",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("publisher", sa.Text, sa.ForeignKey("publishers.id")),
)

tokens = sa.Table(
    "tokens",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("person", sa.Text, sa.ForeignKey("people.name"), nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    sa.Column("revoked", sa.Text),
)

audit = sa.Table(
    "audit",  # append only; each row's digest covers the row and the digest before it
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("at", sa.Text, nullable=False),
    sa.Column("who", sa.Text, nullable=False),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("before", sa.Text),
    sa.Column("after", sa.Text),
    sa.Column("digest", sa.Text, nullable=False),
)

api_keys = sa.Table(
    "api_keys",  # made by whoever wants one; kept as digests, like tokens
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False, unique=True),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("expires", sa.Text, nullable=False),
    sa.Column("revoked", sa.Text),
    sa.Column("replaced_by", sa.Text),
)

usage = sa.Table(
    "usage",  # of each key and day; "" stands for requests without a key
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("requests", sa.Integer, nullable=False),
    sa.Column("refused", sa.Integer, nullable=False),
    sa.Column("bytes", sa.Integer, nullable=False),
    sa.Column("milliseconds", sa.Integer, nullable=False),
)

jobs = sa.Table(
    "jobs",  # SQL that takes long; results are kept as files for a week
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("values", sa.Text, nullable=False),
    sa.Column("form", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # waiting, running, done, failed, gone
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("started", sa.Text),
    sa.Column("ended", sa.Text),
    sa.Column("rows", sa.Integer),
    sa.Column("bytes", sa.Integer),
    sa.Column("sha256", sa.Text),
    sa.Column("truncated", sa.Text),
    sa.Column("versions", sa.Text),  # tables that it reads, pinned when it was handed in
    sa.Column("problem", sa.Text),  # code and facts of what it failed with
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
)

stored_queries = sa.Table(
    "stored_queries",  # a change is a new version; versions stay
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("sql", sa.Text, nullable=False),
    sa.Column("parameters", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("tables", sa.Text, nullable=False, server_default="[]"),  # that it reads
    sa.Column("retired", sa.Text),  # since when its name is used no more
)

webhooks = sa.Table(
    "webhooks",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("owner", sa.Text, nullable=False, index=True),  # key that made it
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("secret", sa.Text, nullable=False),  # deliveries are signed with it
    sa.Column("datasets", sa.Text, nullable=False),  # JSON list; empty: all
    sa.Column("events", sa.Text, nullable=False),  # JSON list; empty: all
    sa.Column("created", sa.Text, nullable=False),
    sa.Column("seq", sa.Integer, nullable=False),  # of the last change that was looked at
    sa.Column("ended", sa.Text),
    sa.Column("reason", sa.Text),
)

deliveries = sa.Table(
    "deliveries",  # a change on its way to a webhook, tried again until it arrives or is given up
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("webhook", sa.Text, sa.ForeignKey("webhooks.id"), nullable=False, index=True),
    sa.Column("seq", sa.Integer, nullable=False),
    sa.Column("state", sa.Text, nullable=False, index=True),  # waiting, delivered, given-up
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", sa.Text, nullable=False),
    sa.Column("at", sa.Text),
    sa.Column("status", sa.Integer),
    sa.Column("problem", sa.Text),
    sa.UniqueConstraint("webhook", "seq"),
)
