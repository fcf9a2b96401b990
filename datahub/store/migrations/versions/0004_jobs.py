"""Attempts of jobs; tables that stored queries read, and names that are used no more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add columns to two tables that nothing wrote to before."""
    op.add_column("jobs", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))
    op.add_column(
        "stored_queries", sa.Column("tables", sa.Text, nullable=False, server_default="[]")
    )
    op.add_column("stored_queries", sa.Column("retired", sa.Text))


def downgrade() -> None:
    """Take them away."""
    op.drop_column("stored_queries", "retired")
    op.drop_column("stored_queries", "tables")
    op.drop_column("jobs", "attempts")
