"""Evaluations that failed: a column for the reason; what was stored before has not failed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Adds the column."""
    op.add_column("nas_evaluations", sa.Column("failure", sa.Text, nullable=False, server_default=""))
