"""The results database: runs, their evaluations, and queries of them.

It is append-only: nothing here changes or deletes a row. It is independent of searchers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from results.database import schema
from results.database.engine import open_engine
from results.database.queries import (
    fetch,
    first_names,
    select_candidates,
    select_evaluations,
    select_runs,
    unknown_value,
)
from results.database.rows import read_candidate, read_evaluation, read_run
from results.database.run_lock import run_lock
from results.database.writing import insert_evaluations, insert_run
from results.evaluation import SOURCES, Evaluation, RunRecord, Source
from results.metric import Metric
from search_spaces.candidate import Candidate
from search_spaces.registry import unknown_name_error

if TYPE_CHECKING:
    import pandas as pd


class ResultsDatabase:
    """A results database, open until it is closed.

    Args:
        url: An SQLAlchemy URL of SQLite or PostgreSQL, such as `sqlite:///runs/results.db`. Missing tables, and a
            missing SQLite file, are created.

    Raises:
        DatabaseError: Here and in every method: if the database cannot be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        self._stored: set[str] = set()  # keys of candidates that are known to be stored; rows are never deleted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    def begin(self, record: RunRecord) -> None:
        """Records a run; does nothing if a run of that name with the same inputs, sources, seed and device is recorded.

        Raises:
            ValueError: If a run of that name with other inputs, sources, seed or device is recorded.
        """
        insert_run(self._engine, record)
        known, given = _identity(self.record(record.run)), _identity(record)
        different = [name for name in known | given if known.get(name) != given.get(name)]
        if different:
            was = ", ".join(f"{name} {str(known.get(name, 'unset'))[:80]!r}" for name in different)
            raise ValueError(f"run {record.run!r} is already there with another {was}; choose another run name")

    def record(self, run: str) -> RunRecord:
        """What `begin` first recorded of a run.

        Raises:
            ValueError: If there is no such run.
        """
        rows = fetch(self._engine, sa.select(schema.runs).where(schema.runs.c.run == run))
        if not rows:
            raise unknown_value(self._engine, "run", run, schema.runs.c.run)
        return read_run(rows[0])

    def has_run(self, run: str) -> bool:
        """Whether a run of that name has begun."""
        return bool(fetch(self._engine, sa.select(schema.runs.c.run).where(schema.runs.c.run == run)))

    def runs_of_subject(self, subject: str) -> list[str]:
        """Names of the runs of a subject, oldest first; their measurements are interchangeable."""
        table = schema.runs.c
        query = sa.select(table.run).where(table.subject == subject).order_by(table.created, table.run)
        return [row["run"] for row in fetch(self._engine, query)]

    def append(self, evaluations: Iterable[Evaluation]) -> None:
        """Adds evaluations in one transaction: all of them or none.

        Raises:
            ValueError: If a run has not begun, or already holds one of the sequence numbers.
        """
        batch = list(evaluations)
        if batch:
            insert_evaluations(self._engine, batch, self._stored)

    @contextmanager
    def run_lock(self, run: str) -> Iterator[None]:
        """Locks a run while the block runs, so that no other process writes it.

        Raises:
            ValueError: If another process holds the lock.
        """
        with run_lock(self._engine, run):
            yield

    def evaluations(self, run: str) -> list[Evaluation]:
        """All evaluations of a run, by sequence number.

        Raises:
            ValueError: If there is no such run.
        """
        self.record(run)
        table = schema.evaluations
        found = fetch(self._engine, sa.select(table).where(table.c.run == run).order_by(table.c.sequence))
        used = sa.select(table.c.candidate_key).where(table.c.run == run)  # read second: others may append meanwhile
        stored = fetch(self._engine, sa.select(schema.candidates).where(schema.candidates.c.key.in_(used)))
        known = {row["key"]: read_candidate(row) for row in stored}
        return [read_evaluation(row, known[row["candidate_key"]]) for row in found]

    def candidate(self, key_prefix: str) -> Candidate:
        """The candidate whose key begins with these digits.

        Raises:
            ValueError: If no candidate's key does, or those of several do.
        """
        rows = fetch(self._engine, select_candidates(key_prefix))
        if not rows:
            raise unknown_value(self._engine, "candidate", key_prefix, schema.candidates.c.key)
        if len(rows) > 1:
            keys = ", ".join(first_names(rows, "key"))
            raise ValueError(f"{key_prefix!r} must begin one key only, got {keys}; add digits")
        return read_candidate(rows[0])

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: the fields of its record and its provenance, and evaluations (a count)."""
        import pandas as pd

        query = select_runs()
        columns = [column.key for column in query.selected_columns]
        return pd.DataFrame.from_records(fetch(self._engine, query), columns=columns)

    def frame(
        self,
        run: str | None = None,
        source: Source | None = None,
        device: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """One row per evaluation, by run and sequence number.

        Columns: run, device, sequence, source, fidelity, key; one for every metric that was recorded, in its natural
        unit (NaN where an evaluation lacks it); resolution (pixels), blocks (count), mean_weight_bits (plain mean over
        layers).

        Args:
            run: Only this run.
            source: Only values of this source.
            device: Only runs for this device.
            limits: Metric name to the worst value allowed: an upper bound where less is better, else a lower bound.
                Evaluations that lack such a metric are left out.

        Raises:
            ValueError: If the run, source, device or a limited metric is unknown, or no evaluation has that metric.
        """
        from results.database.frame import keep_within, make_frame  # pandas is slow to import; most callers only append

        return keep_within(make_frame(self._selected(run, source, device)), limits or {})

    def pareto_front(
        self,
        metrics: Sequence[Metric],
        run: str | None = None,
        source: Source | None = None,
        device: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """The rows of `frame`, under the same filters, that no other row beats in the metrics; sorted by the first.

        Equal rows are all kept; evaluations that lack one of the metrics or full fidelity are left out. Values of
        different devices or sources are compared as they are: filter by them where that is not meant.

        Args:
            metrics: The metrics of the front, one or more.
            run: Only this run.
            source: Only values of this source.
            device: Only runs for this device.
            limits: Metric name to the worst value allowed; see `frame`.

        Raises:
            ValueError: If `frame` raises it, no metric is given, or a metric is in none of the evaluations.
        """
        from results.database.frame import select_front

        return select_front(self.frame(run, source, device, limits), metrics)

    def _selected(self, run: str | None, source: Source | None, device: str | None) -> list[dict[str, Any]]:
        if source is not None and source not in SOURCES:
            raise unknown_name_error("source", source, SOURCES)
        query, table = select_evaluations(), schema.runs.c
        for kind, column, wanted in (("run", table.run, run), ("device", table.device, device)):
            if wanted is not None:
                if not fetch(self._engine, sa.select(column).where(column == wanted).limit(1)):
                    raise unknown_value(self._engine, kind, wanted, column)
                query = query.where(column == wanted)
        if source is not None:
            query = query.where(schema.evaluations.c.source == source)
        return fetch(self._engine, query)


def _identity(record: RunRecord) -> dict[str, object]:
    """The fields by which `begin` tells runs of one name apart: each input, the seed, the device and the sources."""
    return {**record.inputs, "seed": record.seed, "device": record.device, "sources": record.sources}
