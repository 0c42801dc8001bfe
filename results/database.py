"""In: evaluations, and questions about them. Out: evaluations, tables and Pareto fronts. Knows no search, no network.

Append-only: nothing here changes or deletes a row. The order of a run's sequence numbers is the order of its story.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import sqlalchemy as sa

from results import queries, storage
from results.evaluation import SOURCES, Evaluation, RunRecord, Source, utc_now
from results.metric import Metric
from results.rows import candidate_row, evaluation_row, read_candidate, read_evaluation, read_run, run_row
from search_spaces.candidate import Candidate
from search_spaces.registry import unknown_name_error

if TYPE_CHECKING:
    import pandas as pd

_SHOWN_NAMES = 5


class ResultsDatabase:
    """All runs ever recorded in one place.

    Args:
        url: An SQLAlchemy URL of SQLite or PostgreSQL, such as `sqlite:///runs/results.db`; made if it is not there.

    Raises:
        DatabaseError: Here and in every method: if the database cannot be reached, read or written.
    """

    def __init__(self, url: str) -> None:
        self._engine = storage.open_engine(url)
        self._stored: set[str] = set()  # candidates known to be there: what is appended stays

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Gives the connections back."""
        self._engine.dispose()

    def begin(self, record: RunRecord) -> None:
        """Records a run, unless it is there with the same inputs, sources, seed and device: then it stays as it was.

        Raises:
            ValueError: If a run of other inputs, sources, seed or device has that name.
        """
        with storage.as_database_error(self._engine), self._engine.begin() as connection:
            connection.execute(storage.insert_if_absent(storage.runs, connection), run_row(record))
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
        rows = self._rows(sa.select(storage.runs).where(storage.runs.c.run == run))
        if not rows:
            raise self._unknown("run", run, storage.runs.c.run)
        return read_run(rows[0])

    def has_run(self, run: str) -> bool:
        """Whether a run of that name has begun."""
        return bool(self._rows(sa.select(storage.runs.c.run).where(storage.runs.c.run == run)))

    def runs_of_subject(self, subject: str) -> list[str]:
        """Names of the runs whose measurements are interchangeable, oldest first; see `RunRecord.subject`."""
        table = storage.runs.c
        rows = self._rows(sa.select(table.run).where(table.subject == subject).order_by(table.created, table.run))
        return [row["run"] for row in rows]

    def append(self, evaluations: Iterable[Evaluation]) -> None:
        """Adds evaluations in one transaction: all of them or none.

        Raises:
            ValueError: If a run has not begun, or already holds one of the sequence numbers.
        """
        batch = list(evaluations)
        if not batch:
            return
        created = utc_now()
        added = [evaluation_row(entry, created) for entry in batch]
        new = {entry.candidate.key: entry.candidate for entry in batch if entry.candidate.key not in self._stored}

        def insert(cut_off: bool) -> None:
            if cut_off and self._holds(batch):
                return
            with self._engine.begin() as connection:
                if new:  # in order of keys, so that two writers of the same candidates cannot deadlock
                    absent = storage.insert_if_absent(storage.candidates, connection)
                    connection.execute(absent, [candidate_row(new[key]) for key in sorted(new)])
                connection.execute(sa.insert(storage.evaluations), added)

        with storage.as_database_error(self._engine):
            try:
                storage.retry_during_restart(self._engine, insert)
            except sa.exc.IntegrityError as error:
                raise self._refusal(batch) from error
        self._stored.update(new)

    @contextmanager
    def run_lock(self, run: str) -> Iterator[None]:
        """Holds a run for this process while a block runs, so that two do not write it.

        Raises:
            ValueError: If another process holds it.
        """
        with storage.run_lock(self._engine, run):
            yield

    def evaluations(self, run: str) -> list[Evaluation]:
        """All evaluations of a run, by sequence number.

        Raises:
            ValueError: If there is no such run.
        """
        self.record(run)
        table = storage.evaluations
        found = self._rows(sa.select(table).where(table.c.run == run).order_by(table.c.sequence))
        used = sa.select(table.c.candidate_key).where(table.c.run == run)  # read second: others may append meanwhile
        stored = self._rows(sa.select(storage.candidates).where(storage.candidates.c.key.in_(used)))
        known = {row["key"]: read_candidate(row) for row in stored}
        return [read_evaluation(row, known[row["candidate_key"]]) for row in found]

    def candidate(self, key_prefix: str) -> Candidate:
        """The candidate whose key begins so.

        Raises:
            ValueError: If there is none, or more than one.
        """
        key = storage.candidates.c.key
        query = sa.select(storage.candidates).where(key.startswith(key_prefix.lower(), autoescape=True)).order_by(key)
        rows = self._rows(query.limit(_SHOWN_NAMES + 1))
        if not rows:
            raise self._unknown("candidate", key_prefix, key)
        if len(rows) > 1:
            raise ValueError(f"{key_prefix!r} must begin one key only, got {', '.join(_some(rows, 'key'))}; add digits")
        return read_candidate(rows[0])

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: the fields of its record and its provenance, and evaluations (a count)."""
        import pandas as pd

        query = queries.of_runs()
        return pd.DataFrame.from_records(self._rows(query), columns=[column.key for column in query.selected_columns])

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
            source: Only values that came about so.
            device: Only runs for this device.
            limits: Metric name to the worst value allowed: an upper bound where less is better, else a lower bound.
                Evaluations that lack such a metric are left out.

        Raises:
            ValueError: If the run, source, device or a limited metric is unknown, or no evaluation has that metric.
        """
        from results import frame  # pandas is slow to import and most callers only append

        return frame.within(frame.assemble(self._selected(run, source, device)), limits or {})

    def pareto_front(
        self,
        metrics: Sequence[Metric],
        run: str | None = None,
        source: Source | None = None,
        device: str | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> pd.DataFrame:
        """The rows of `frame`, under the same filters, that no other row beats in the metrics; best of the first first.

        Equal rows are all kept; evaluations that lack one of the metrics or full fidelity are left out. Values of
        different devices or sources are compared as they are: filter by them where that is not meant.

        Raises:
            ValueError: As `frame`, or if no metric is given, or no evaluation has one of them.
        """
        from results import frame

        return frame.front(self.frame(run, source, device, limits), metrics)

    def _selected(self, run: str | None, source: Source | None, device: str | None) -> list[dict[str, Any]]:
        if source is not None and source not in SOURCES:
            raise unknown_name_error("source", source, SOURCES)
        query, of_run = queries.of_evaluations(), storage.runs.c
        for name, column, wanted in (("run", of_run.run, run), ("device", of_run.device, device)):
            if wanted is not None:
                if not self._rows(sa.select(column).where(column == wanted).limit(1)):
                    raise self._unknown(name, wanted, column)
                query = query.where(column == wanted)
        return self._rows(query if source is None else query.where(storage.evaluations.c.source == source))

    def _rows(self, query: sa.Select[Any]) -> list[dict[str, Any]]:
        with storage.as_database_error(self._engine), self._engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def _unknown(self, what: str, name: str, column: sa.Column[str]) -> ValueError:
        rows = self._rows(sa.select(column.label("name")).distinct().order_by(column).limit(_SHOWN_NAMES + 1))
        return unknown_name_error(what, name, _some(rows, "name"))

    def _holds(self, batch: Sequence[Evaluation]) -> bool:
        """Whether all evaluations of a batch, of one run, are stored."""
        table = storage.evaluations.c
        numbers = [entry.sequence for entry in batch]
        query = sa.select(sa.func.count()).where(table.run == batch[0].run, table.sequence.in_(numbers))
        with self._engine.connect() as connection:
            return connection.scalar(query) == len(batch)

    def _refusal(self, batch: Sequence[Evaluation]) -> ValueError:
        """Why the database refused a batch."""
        for run in dict.fromkeys(entry.run for entry in batch):
            self.record(run)
            numbers = sorted(entry.sequence for entry in batch if entry.run == run)
            column = storage.evaluations.c.sequence
            held = self._rows(sa.select(sa.func.max(column).label("last")).where(storage.evaluations.c.run == run))
            if held[0]["last"] is not None and numbers[0] <= held[0]["last"]:
                return ValueError(
                    f"every evaluation of run {run!r} needs a new sequence number; it holds numbers up to "
                    f"{held[0]['last']}, got {numbers[0]}..{numbers[-1]}; nothing was added"
                )
        return ValueError("two of the evaluations have the same run and sequence number; nothing was added")


def _identity(record: RunRecord) -> dict[str, object]:
    """What makes two runs of one name different runs, by name; inputs count one by one."""
    return {**record.inputs, "seed": record.seed, "device": record.device, "sources": record.sources}


def _some(rows: Sequence[Mapping[str, Any]], field: str) -> list[str]:
    return [row[field] for row in rows[:_SHOWN_NAMES]] + ["..."] * (len(rows) > _SHOWN_NAMES)
