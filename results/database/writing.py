"""Adds runs and evaluations to the tables; existing rows are neither changed nor deleted."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import sqlalchemy as sa

from results.database.errors import as_database_error, retry_during_restart
from results.database.queries import fetch, unknown_value
from results.database.row_checks import Known, check_values
from results.database.rows import make_candidate_row, make_evaluation_row, make_run_row
from results.database.schema import candidates, evaluations, insert_if_absent, runs
from results.evaluation import Evaluation, RunRecord, utc_now


def insert_run(engine: sa.Engine, record: RunRecord) -> None:
    """Adds a run, unless one of that name is there.

    Args:
        engine: The database.
        record: The run.

    Raises:
        DatabaseError: If the database cannot be written.
    """
    with as_database_error(engine), engine.connect() as connection:
        connection.execute(insert_if_absent(runs, connection), make_run_row(record))
        connection.commit()
        if engine.dialect.name == "sqlite":  # so that a copy of the file without its -wal shows the run
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")


def insert_evaluations(
    engine: sa.Engine, batch: Sequence[Evaluation], stored: set[str], metrics: Callable[[str], Known]
) -> None:
    """Adds evaluations, one or more, and their candidates in one transaction: all of them or none.

    Args:
        engine: The database.
        batch: The evaluations.
        stored: Keys of candidates that are known to be stored; those of the batch are added to it.
        metrics: Gives the metrics of a run.

    Raises:
        ValueError: If a run has not begun, or already holds one of the sequence numbers, or a value is outside the
            bounds of its metric.
        DatabaseError: If the database cannot be written.
    """
    created = utc_now()
    added = [make_evaluation_row(entry, created) for entry in batch]
    for entry in batch:  # what is refused when it is read must not be written
        if not entry.failure and (wrong := check_values(entry.values, metrics(entry.run))):
            raise ValueError(f"evaluation {entry.sequence} of run {entry.run!r} cannot be stored: {wrong}")
    new = {entry.candidate.key: entry.candidate for entry in batch if entry.candidate.key not in stored}

    def insert(cut_off: bool) -> None:
        if cut_off and _holds(engine, batch):
            return
        with engine.begin() as connection:
            if new:  # in order of keys, so that two writers of the same candidates cannot deadlock
                absent = insert_if_absent(candidates, connection)
                connection.execute(absent, [make_candidate_row(new[key]) for key in sorted(new)])
            connection.execute(sa.insert(evaluations), added)

    with as_database_error(engine):
        try:
            retry_during_restart(engine, insert)
        except sa.exc.IntegrityError as error:
            raise _refusal(engine, batch) from error
    stored.update(new)


def _holds(engine: sa.Engine, batch: Sequence[Evaluation]) -> bool:
    """Whether all evaluations of a batch, of one run, are stored."""
    numbers = [entry.sequence for entry in batch]
    query = sa.select(sa.func.count()).where(evaluations.c.run == batch[0].run, evaluations.c.sequence.in_(numbers))
    with engine.connect() as connection:
        return connection.scalar(query) == len(batch)


def _refusal(engine: sa.Engine, batch: Sequence[Evaluation]) -> ValueError:
    """The error that says why the database refused a batch."""
    for run in dict.fromkeys(entry.run for entry in batch):
        if not fetch(engine, sa.select(runs.c.run).where(runs.c.run == run)):
            return unknown_value(engine, "run", run, runs.c.run)
        numbers = sorted(entry.sequence for entry in batch if entry.run == run)
        last = sa.select(sa.func.max(evaluations.c.sequence).label("last")).where(evaluations.c.run == run)
        held = fetch(engine, last)[0]["last"]
        if held is not None and numbers[0] <= held:
            return ValueError(
                f"every evaluation of run {run!r} needs a new sequence number; it holds numbers up to "
                f"{held}, got {numbers[0]}..{numbers[-1]}; nothing was added"
            )
    return ValueError("two of the evaluations have the same run and sequence number; nothing was added")
