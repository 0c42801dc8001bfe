"""The tables of the results database as this program reads and writes them.

The columns hold the fields of the same names of `RunRecord`, `Provenance` and `Evaluation` in `results.evaluation`.

A change here needs a new revision in `migrations/versions`, which migrates existing databases.
"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

METADATA = sa.MetaData()

runs = sa.Table(
    "nas_runs",
    METADATA,
    sa.Column("run", sa.String(200), primary_key=True),
    sa.Column("inputs", sa.JSON, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("device", sa.String(200), nullable=False),
    sa.Column("job", sa.String(200), nullable=False),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("subject", sa.String(64), nullable=False, index=True),
    sa.Column("sources", sa.JSON, nullable=False),
    sa.Column("versions", sa.JSON, nullable=False),
    sa.Column("git", sa.String(200), nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.Column("job_document", sa.JSON, nullable=False, server_default="{}"),
)
candidates = sa.Table(
    "nas_candidates",
    METADATA,
    sa.Column("key", sa.String(16), primary_key=True),
    sa.Column("json", sa.Text, nullable=False),
    sa.Column(
        "resolution", sa.Integer, nullable=False
    ),  # from here on: derived from the JSON, so that queries need not parse it
    sa.Column("blocks", sa.Integer, nullable=False),
    sa.Column("mean_weight_bits", sa.Float, nullable=False),
)
evaluations = sa.Table(
    "nas_evaluations",
    METADATA,
    sa.Column("run", sa.ForeignKey(runs.c.run), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("tell_order", sa.Integer, nullable=False),
    sa.Column("candidate_key", sa.ForeignKey(candidates.c.key), nullable=False),
    sa.Column("source", sa.String(20), nullable=False),
    sa.Column("fidelity", sa.Float, nullable=False),
    sa.Column("failure", sa.Text, nullable=False, server_default=""),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("values", sa.JSON, nullable=False),
    sa.Column("created", sa.String(40), nullable=False),
    sa.UniqueConstraint("run", "tell_order"),
)


def insert_if_absent(table: sa.Table, connection: sa.Connection) -> sa.Insert:
    """An insert that leaves a row with the same primary key as it is.

    Args:
        table: The table.
        connection: A connection to the database, whose dialect decides the SQL.
    """
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()
