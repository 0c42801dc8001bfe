"""Queries of the results database, and their results as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from results.database.errors import as_database_error
from results.database.schema import candidates, evaluations, runs
from search_spaces.registry import unknown_name_error

_SHOWN_NAMES = 5  # names that a message lists at most


def fetch(engine: sa.Engine, query: sa.Select[Any]) -> list[dict[str, Any]]:
    """The rows that answer a query, by column name.

    Args:
        engine: The database.
        query: The query.

    Raises:
        DatabaseError: If the database cannot be read.
    """
    with as_database_error(engine), engine.connect() as connection:
        result = connection.execute(query)
        names = list(result.keys())
        return [dict(zip(names, row, strict=True)) for row in result]  # twice as fast as mappings()


def select_runs() -> sa.Select[Any]:
    """One row per run, oldest first: its columns, and evaluations (a count)."""
    count = sa.func.count(evaluations.c.sequence).label("evaluations")
    counted = sa.select(evaluations.c.run, count).group_by(evaluations.c.run).subquery()
    query = sa.select(runs, sa.func.coalesce(counted.c.evaluations, 0).label("evaluations"))
    return query.outerjoin(counted, counted.c.run == runs.c.run).order_by(runs.c.created, runs.c.run)


def select_evaluations() -> sa.Select[Any]:
    """One row per evaluation, by run and sequence number, with the run's device and columns of the candidate."""
    table, candidate = evaluations.c, candidates.c
    return (
        sa.select(table.run, runs.c.device, table.sequence, table.source, table.fidelity, candidate.key)
        .add_columns(table["values"], candidate.resolution, candidate.blocks, candidate.mean_weight_bits)
        .select_from(evaluations.join(runs).join(candidates))
        .order_by(runs.c.created, table.run, table.sequence)
    )


def select_candidates(key_prefix: str) -> sa.Select[Any]:
    """Rows of candidates whose keys begin with these digits, by key; one row more than a message lists, at most."""
    key = candidates.c.key
    query = sa.select(candidates).where(key.startswith(key_prefix.lower(), autoescape=True))
    return query.order_by(key).limit(_SHOWN_NAMES + 1)


def first_names(rows: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    """The values of a field in the first rows, for a message, and "..." if there are more rows.

    Args:
        rows: Rows of a query.
        field: Name of a column of text.
    """
    return [row[field] for row in rows[:_SHOWN_NAMES]] + ["..."] * (len(rows) > _SHOWN_NAMES)


def unknown_value(engine: sa.Engine, kind: str, name: str, column: sa.Column[str]) -> ValueError:
    """The error for a name that a column does not hold; it lists some names that the column holds.

    Args:
        engine: The database.
        kind: The kind of name, in singular, such as `run`.
        name: The unknown name.
        column: The column.
    """
    query = sa.select(column.label("name")).distinct().order_by(column).limit(_SHOWN_NAMES + 1)
    return unknown_name_error(kind, name, first_names(fetch(engine, query), "name"))
