"""The catalog of record: what lists show, life cycle, proposals, changes, glossary, misses."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_RECORD = ("code", "region", "update_cycle", "grade", "validity")


def upgrade() -> None:
    """Add the columns and tables; the columns are filled from the records."""
    for name in (*_RECORD, "data_updated"):
        op.add_column("datasets", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("datasets", sa.Column("status", sa.Text, nullable=False, server_default="active"))
    for name in ("rows", "cells", "score"):
        op.add_column("datasets", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    for name in _RECORD:
        op.execute(
            f"UPDATE datasets SET {name} = coalesce(json_extract(package, '$.catalog.{name}'), '')"  # noqa: S608
        )
    op.execute(
        "UPDATE datasets SET data_updated = coalesce((SELECT released FROM releases"
        " WHERE dataset = name AND version = latest), '')"
    )
    op.create_index("ix_datasets_code", "datasets", ["code"])
    op.create_index("ix_datasets_listed", "datasets", ["retired", "status", "title", "name"])
    _life_cycle()
    _changes()


def _life_cycle() -> None:
    op.create_table(
        "aliases",
        sa.Column("alias", sa.Text, primary_key=True),
        sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "statuses",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False, index=True),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("successor", sa.Text),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
    )
    op.create_table(
        "milestones",
        sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), primary_key=True),
        sa.Column("stage", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
    )
    op.create_table(
        "proposals",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("dataset", sa.Text, nullable=False, index=True),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("base_digest", sa.Text, nullable=False),
        sa.Column("changes", sa.Text, nullable=False),
        sa.Column("proposer", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False, index=True),
        sa.Column("decision", sa.Text),
    )


def _changes() -> None:
    op.create_table(
        "changes",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("dataset", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("version", sa.Integer),
        sqlite_autoincrement=True,  # a number that was given is never given again
    )
    op.execute(
        "INSERT INTO changes (at, dataset, what, version)"
        " SELECT modified, name, 'registered', NULL FROM datasets ORDER BY created, name"
    )
    op.create_table(
        "glossary",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("author", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("decision", sa.Text),
        sa.UniqueConstraint("id", "version"),
    )
    op.create_table(
        "misses",
        sa.Column("query", sa.Text, primary_key=True),
        sa.Column("times", sa.Integer, nullable=False),
        sa.Column("first", sa.Text, nullable=False),
        sa.Column("last", sa.Text, nullable=False),
    )
