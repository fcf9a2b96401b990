"""The catalog's first tables."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "audit",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("who", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("before", sa.Text),
        sa.Column("after", sa.Text),
        sa.Column("digest", sa.Text, nullable=False),
    )
    op.create_table(
        "field_ids",
        sa.Column("dataset", sa.Text, primary_key=True),
        sa.Column("resource", sa.Text, primary_key=True),
        sa.Column("field", sa.Text, primary_key=True),
        sa.Column("id", sa.Integer, nullable=False),
        sa.UniqueConstraint("dataset", "resource", "id"),
    )
    op.create_table(
        "publishers",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("credit_code", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "terms",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "datasets",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("publisher", sa.Text, sa.ForeignKey("publishers.id"), nullable=False),
        sa.Column("theme", sa.Text, nullable=False),
        sa.Column("openness", sa.Text, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("search", sa.Text, nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("modified", sa.Text, nullable=False),
        sa.Column("latest", sa.Integer),
        sa.Column("retired", sa.Boolean, nullable=False),
    )
    op.create_table(
        "people",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("publisher", sa.Text, sa.ForeignKey("publishers.id")),
    )
    op.create_table(
        "releases",
        sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("submission", sa.Text, nullable=False, unique=True),
        sa.Column("released", sa.Text, nullable=False),
        sa.Column("manifest_sha256", sa.Text, nullable=False),
        sa.Column("package", sa.Text, nullable=False),
        sa.Column("files", sa.Text, nullable=False),
        sa.Column("withdrawn", sa.Text),
        sa.Column("reason", sa.Text),
        sa.Column("withdrawn_by", sa.Text),
    )
    op.create_table(
        "submissions",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("dataset", sa.Text, sa.ForeignKey("datasets.name"), nullable=False),
        sa.Column("submitter", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
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
    op.create_index("ix_submissions_state", "submissions", ['state'])
    op.create_index("ix_submissions_dataset", "submissions", ['dataset'])
    op.create_table(
        "tokens",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.Text, nullable=False, unique=True),
        sa.Column("person", sa.Text, sa.ForeignKey("people.name"), nullable=False),
        sa.Column("created", sa.Text, nullable=False),
        sa.Column("expires", sa.Text, nullable=False),
        sa.Column("revoked", sa.Text),
    )
    op.create_table(
        "decisions",
        sa.Column("seq", sa.Integer, primary_key=True),
        sa.Column("submission", sa.Text, sa.ForeignKey("submissions.id"), nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
    )
    op.create_index("ix_decisions_submission", "decisions", ['submission'])
    op.create_table(
        "reports",
        sa.Column("submission", sa.Text, sa.ForeignKey("submissions.id"), primary_key=True),
        sa.Column("report", sa.Text, nullable=False),
    )


def downgrade() -> None:
    """Drop the tables."""
    op.drop_table("reports")
    op.drop_table("decisions")
    op.drop_table("tokens")
    op.drop_table("submissions")
    op.drop_table("releases")
    op.drop_table("people")
    op.drop_table("datasets")
    op.drop_table("terms")
    op.drop_table("publishers")
    op.drop_table("field_ids")
    op.drop_table("audit")
