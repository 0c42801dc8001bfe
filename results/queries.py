"""The larger questions to the tables of the results database.

In: nothing. Out: SQL statements. Knows no connection.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from results import storage


def of_runs() -> sa.Select[Any]:
    """One row per run, oldest first: its columns, and evaluations (a count)."""
    table = storage.runs
    count = sa.func.count(storage.evaluations.c.sequence).label("evaluations")
    counted = sa.select(storage.evaluations.c.run, count).group_by(storage.evaluations.c.run).subquery()
    query = sa.select(table, sa.func.coalesce(counted.c.evaluations, 0).label("evaluations"))
    query = query.outerjoin(counted, counted.c.run == table.c.run)
    return query.order_by(table.c.created, table.c.run)


def of_evaluations() -> sa.Select[Any]:
    """One row per evaluation, by run and sequence number, with its run's device and what describes its candidate."""
    table, of_run, of_candidate = storage.evaluations.c, storage.runs.c, storage.candidates.c
    return (
        sa.select(table.run, of_run.device, table.sequence, table.source, table.fidelity, of_candidate.key)
        .add_columns(table["values"], of_candidate.resolution, of_candidate.blocks, of_candidate.mean_weight_bits)
        .select_from(storage.evaluations.join(storage.runs).join(storage.candidates))
        .order_by(of_run.created, table.run, table.sequence)
    )
