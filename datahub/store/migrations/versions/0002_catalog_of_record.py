"""The catalog of record: what lists show, life cycle, proposals, changes, glossary, misses."""

# ruff: noqa: S608 - the texts are all ours
import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_RECORD = ("code", "region", "update_cycle", "grade", "validity", "share_type")
_IN_FORCE = ("", "in_force")
_BROWSED = ("title", "name", "listed", "retired", "status", "validity", "openness", "publisher")
_TOTALS = ("publisher", "region", "theme", "retired", "status", "openness", "rows", "cells")


def upgrade() -> None:
    """Add the columns and tables; the columns are filled from the records."""
    for name in (*_RECORD, "data_updated", "fingerprint"):
        op.add_column("datasets", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("datasets", sa.Column("status", sa.Text, nullable=False, server_default="active"))
    for name in ("rows", "cells", "score", "listed", "releases", "stages"):
        op.add_column("datasets", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    for name in _RECORD:
        op.execute(
            f"UPDATE datasets SET {name} = coalesce(json_extract(package, '$.catalog.{name}'), '')"
        )
    op.execute(
        "UPDATE datasets SET data_updated = coalesce((SELECT released FROM releases"
        " WHERE dataset = name AND version = latest), '')"
    )
    _fingerprints()
    op.create_index("ix_datasets_code", "datasets", ["code"])
    op.create_index("ix_datasets_fingerprint", "datasets", ["fingerprint"])
    op.execute(
        f"UPDATE datasets SET listed = 1 WHERE retired = 0 AND validity IN {_IN_FORCE}"
    )
    op.create_index("ix_datasets_listed", "datasets", ["listed", "title", "name"])
    op.create_index("ix_datasets_publisher", "datasets", ["publisher", "listed", "title", "name"])
    op.create_index("ix_datasets_theme", "datasets", ["theme", "listed", "title", "name"])
    _life_cycle()
    _sizes()
    _milestones()
    op.create_index("ix_datasets_browsed", "datasets", [*_BROWSED, "theme"])
    op.create_index("ix_datasets_totals", "datasets", [*_TOTALS, "latest", "releases", "stages"])
    op.create_index("ix_datasets_alive", "datasets", ["name", "retired", "status"])
    op.create_index(
        "ix_releases_totals",
        "releases",
        ["dataset", "version", "released", "withdrawn", "rows", "cells"],
    )
    _changes()


def _fingerprints() -> None:
    """Digests of columns, and how complete each record is, as today's rules have it."""
    from datahub.record import completeness, duplicates

    db = op.get_bind()
    for name, text in db.execute(sa.text("SELECT name, package FROM datasets")).all():
        package = json.loads(text)
        db.execute(
            sa.text("UPDATE datasets SET fingerprint = :f, score = :s WHERE name = :n"),
            {
                "f": duplicates.fingerprint(package),
                "s": completeness.score(package)[0],
                "n": name,
            },
        )


def _sizes() -> None:
    """Fill rows and cells of releases from their files and schemas, then of their datasets."""
    for name in ("rows", "cells"):
        op.add_column("releases", sa.Column(name, sa.Integer, nullable=False, server_default="0"))
    db = op.get_bind()
    found = db.execute(sa.text("SELECT dataset, version, files, package FROM releases")).all()
    for dataset, version, files, package in found:
        rows = {f["resource"]: f["rows"] for f in json.loads(files) if f["resource"] and f["rows"]}
        resources = json.loads(package).get("resources", [])
        width = {item["name"]: len(item["schema"]["fields"]) for item in resources}
        cells = sum(count * width.get(name, 0) for name, count in rows.items())
        db.execute(
            sa.text(
                "UPDATE releases SET rows = :r, cells = :c WHERE dataset = :d AND version = :v"
            ),
            {"r": sum(rows.values()), "c": cells, "d": dataset, "v": version},
        )
    for name in ("rows", "cells"):
        op.execute(
            f"UPDATE datasets SET {name} = coalesce((SELECT r.{name} FROM releases r"
            " WHERE r.dataset = datasets.name AND r.version = datasets.latest), 0)"
        )


def _milestones() -> None:
    """The first dates as the older tables know them."""
    insert = "INSERT INTO milestones (dataset, stage, at) "
    op.execute(insert + "SELECT name, 'catalogued', created FROM datasets")
    op.execute(
        insert + "SELECT s.dataset, 'collected', min(a.at) FROM submissions s"
        " JOIN audit a ON a.what = 'submission:validated' AND a.subject = s.id GROUP BY s.dataset"
    )
    first = "SELECT r.dataset, '{}', min(r.released) FROM releases r"
    op.execute(
        insert + first.format("collected") + " WHERE r.dataset NOT IN"
        " (SELECT dataset FROM milestones WHERE stage = 'collected') GROUP BY r.dataset"
    )
    for stage, test in (
        ("shared", "d.share_type IN ('1', '2')"),
        ("opened", "d.openness = 'open'"),
    ):
        op.execute(
            insert + first.format(stage) + f" JOIN datasets d ON d.name = r.dataset"
            f" WHERE d.latest IS NOT NULL AND {test} GROUP BY r.dataset"
        )
    op.execute(
        "UPDATE datasets SET stages = (SELECT sum(CASE stage WHEN 'catalogued' THEN 1"
        " WHEN 'collected' THEN 2 WHEN 'shared' THEN 4 ELSE 8 END) FROM milestones"
        " WHERE dataset = name), releases = (SELECT count(*) FROM releases r"
        " WHERE r.dataset = name AND r.withdrawn IS NULL)"
    )


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
