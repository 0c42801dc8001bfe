"""Queries of the results database, and their results as rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from results.database.errors import as_database_error
from results.database.schema import candidates, evaluations, runs
from search_spaces.quoting import escape_lines
from search_spaces.registry import unknown_name_error

_SHOWN_NAMES = 5  # names that a message lists at most
_SHOWN_LETTERS = 80  # of each of them


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
    """One row per run, oldest first: its columns but those of JSON, and evaluations (a count)."""
    count = sa.func.count(evaluations.c.sequence).label("evaluations")
    counted = sa.select(evaluations.c.run, count).group_by(evaluations.c.run).subquery()
    plain = [column for column in runs.columns if not isinstance(column.type, sa.JSON)]
    query = sa.select(*plain, sa.func.coalesce(counted.c.evaluations, 0).label("evaluations"))
    return query.outerjoin(counted, counted.c.run == runs.c.run).order_by(runs.c.created, runs.c.run)


def select_evaluations(key_prefix: str | None = None) -> sa.Select[Any]:
    """One row per evaluation, by run and sequence number, with the run's device and columns of the candidate.

    If the run or the candidate is lost, their columns are empty; `stored` is the key of the candidate that is there.

    Args:
        key_prefix: Only evaluations of candidates whose keys begin with these digits.
    """
    table, candidate = evaluations.c, candidates.c
    query = (
        sa.select(table.run, runs.c.device, table.sequence, table.source, table.fidelity)
        .add_columns(table.candidate_key.label("key"), candidate.key.label("stored"), table["values"], table.failure)
        .add_columns(candidate.resolution, candidate.blocks, candidate.mean_weight_bits)
        .select_from(evaluations.outerjoin(runs).outerjoin(candidates))
        .order_by(runs.c.created, table.run, table.sequence)
    )
    if key_prefix is None:
        return query
    return query.where(table.candidate_key.startswith(key_prefix.lower(), autoescape=True))


def select_candidates(key_prefix: str) -> sa.Select[Any]:
    """Rows of candidates whose keys begin with these digits, by key; one row more than a message lists, at most."""
    key = candidates.c.key
    query = sa.select(candidates).where(key.startswith(key_prefix.lower(), autoescape=True))
    return query.order_by(key).limit(_SHOWN_NAMES + 1)


def ambiguous_key(key_prefix: str, rows: Sequence[Mapping[str, Any]]) -> ValueError:
    """The error for digits with which several keys begin; it lists some of them.

    Args:
        key_prefix: The digits.
        rows: What `select_candidates` gives of them.
    """
    return ValueError(f"{key_prefix!r} must begin one key only, got {', '.join(_first_names(rows, 'key'))}; add digits")


def unknown_value(engine: sa.Engine, kind: str, name: str, column: sa.Column[str]) -> ValueError:
    """The error for a name that a column does not hold; it lists some names that the column holds.

    Args:
        engine: The database.
        kind: The kind of name, in singular, such as `run`.
        name: The unknown name.
        column: The column.
    """
    query = sa.select(column.label("name")).distinct().order_by(column).limit(_SHOWN_NAMES + 1)
    return unknown_name_error(kind, name, _first_names(fetch(engine, query), "name"))


def _first_names(rows: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    """The values of a field in the first rows, for a message, and "..." if there are more rows.

    Args:
        rows: Rows of a query.
        field: Name of a column of text.
    """
    names = [escape_lines(str(row[field]))[:_SHOWN_LETTERS] for row in rows[:_SHOWN_NAMES]]
    return names + ["..."] * (len(rows) > _SHOWN_NAMES)
