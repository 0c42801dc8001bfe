"""Runs that keep their job: a column for it; runs of before have kept none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """Adds the column."""
    op.add_column("nas_runs", sa.Column("job_document", sa.JSON, nullable=False, server_default="{}"))
