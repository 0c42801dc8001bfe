"""The first revision: the tables of runs, candidates and evaluations; `results.database.schema` explains the columns.

It repeats the columns instead of importing them, as a revision must not change when the schema does.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "r0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables."""
    op.create_table(
        "nas_runs",
        sa.Column("run", sa.String(200), primary_key=True),
        sa.Column("inputs", sa.JSON, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("device", sa.String(200), nullable=False),
        sa.Column("job", sa.String(200), nullable=False),
        sa.Column("stage", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("sources", sa.JSON, nullable=False),
        sa.Column("versions", sa.JSON, nullable=False),
        sa.Column("git", sa.String(200), nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
    )
    op.create_index("ix_nas_runs_subject", "nas_runs", ["subject"])
    op.create_table(
        "nas_candidates",
        sa.Column("key", sa.String(16), primary_key=True),
        sa.Column("json", sa.Text, nullable=False),
        sa.Column("resolution", sa.Integer, nullable=False),
        sa.Column("blocks", sa.Integer, nullable=False),
        sa.Column("mean_weight_bits", sa.Float, nullable=False),
    )
    op.create_table(
        "nas_evaluations",
        sa.Column("run", sa.String(200), sa.ForeignKey("nas_runs.run"), primary_key=True),
        sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("tell_order", sa.Integer, nullable=False),
        sa.Column("candidate_key", sa.String(16), sa.ForeignKey("nas_candidates.key"), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("fidelity", sa.Float, nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=False),
        sa.Column("values", sa.JSON, nullable=False),
        sa.Column("created", sa.String(40), nullable=False),
        sa.UniqueConstraint("run", "tell_order"),
    )
