"""The results database: runs, evaluations that are only ever added, and queries; independent of searchers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Self

import sqlalchemy as sa

from results.database import queries, schema
from results.database.engine import close_engine, open_engine, open_to_read
from results.database.queries import fetch
from results.database.row_checks import check_evaluations, describe_run_damage
from results.database.rows import identify_run, read_candidate, read_evaluation, read_run
from results.database.run_lock import run_lock
from results.database.run_metrics import RunMetrics
from results.database.writing import insert_evaluations, insert_run
from results.evaluation import SOURCES, Evaluation, RunRecord, Source
from results.metric import Metric
from search_spaces.candidate import Candidate
from search_spaces.registry import Registry, unknown_name_error

if TYPE_CHECKING:
    import pandas as pd

_KEYS_AT_ONCE = 10_000  # of a query: SQLite takes no more than 32,766


class ResultsDatabase:
    """A results database, open until it is closed.

    Args:
        url: An SQLAlchemy URL of SQLite or PostgreSQL, such as `sqlite:///runs/results.db`; see `locate_database` for
            the file of a folder. Missing tables, and a missing SQLite file, are created.
        read_only: Whether it is only read. Then nothing is created or changed, neither in the database nor beside its
            file, which may lie where nobody can write; `begin` and `append` fail.

    Attributes:
        lack: What a copied file that is only read may lack, in one line; empty if it is whole.

    Raises:
        DatabaseError: Here and in every method: if the database cannot be reached, read or written.
    """

    def __init__(self, url: str | sa.URL, read_only: bool = False) -> None:
        self._engine, self.lack = open_to_read(url) if read_only else (open_engine(url), "")
        self._close = self._engine.dispose if read_only else partial(close_engine, self._engine)
        self._metrics = RunMetrics(self._engine)
        self._stored: set[str] = set()  # keys of candidates that are known to be stored; rows are never deleted

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections; a file is then whole, unless another process has it open."""
        self._close()

    def begin(self, record: RunRecord) -> None:
        """Records a run; does nothing if a run of that name with the same inputs, sources, seed and device is recorded.

        Raises:
            ValueError: If a run of that name with other inputs, sources, seed or device is recorded.
        """
        insert_run(self._engine, record)
        known, given = identify_run(self.record(record.run)), identify_run(record)
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
            raise queries.unknown_value(self._engine, "run", run, schema.runs.c.run)
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
            insert_evaluations(self._engine, batch, self._stored, self._metrics)

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
        return [read_evaluation(row, known.get(row["candidate_key"]), self._metrics) for row in found]

    def candidate(self, key_prefix: str) -> Candidate:
        """The candidate whose key begins with these digits.

        Raises:
            ValueError: If no candidate's key does, or those of several do.
        """
        rows = fetch(self._engine, queries.select_candidates(key_prefix))
        if not rows:
            rows = fetch(self._engine, queries.select_evaluations(key_prefix).limit(1))
            check_evaluations(rows, self._metrics)  # its row may be lost
            raise queries.unknown_value(self._engine, "candidate", key_prefix, schema.candidates.c.key)
        if len(rows) > 1:
            raise queries.ambiguous_key(key_prefix, rows)
        return read_candidate(rows[0])

    def candidates(self, keys: Iterable[str]) -> dict[str, Candidate]:
        """The candidates of these keys, by key; those that are not stored are left out.

        Raises:
            DatabaseError: If the row of one is damaged.
        """
        wanted, stored = sorted(set(keys)), schema.candidates
        parts = [wanted[start : start + _KEYS_AT_ONCE] for start in range(0, len(wanted), _KEYS_AT_ONCE)]
        queries = [sa.select(stored).where(stored.c.key.in_(part)) for part in parts]
        return {row["key"]: read_candidate(row) for query in queries for row in fetch(self._engine, query)}

    def failures(self, key: str) -> list[tuple[str, str]]:
        """The runs in which this candidate could not be evaluated, and why."""
        table = schema.evaluations.c
        query = sa.select(table.run, table.failure).where(table.candidate_key == key, table.failure != "")
        return [(row["run"], row["failure"]) for row in fetch(self._engine, query.order_by(table.run, table.sequence))]

    def runs(self) -> pd.DataFrame:
        """One row per run, oldest first: the fields of its record that are no mappings, and evaluations (a count)."""
        import pandas as pd

        query = queries.select_runs()
        columns = [column.key for column in query.selected_columns]
        return pd.DataFrame.from_records(fetch(self._engine, query), columns=columns)

    def damaged_runs(self) -> list[str]:
        """What is wrong with the records of runs, a line for each that is damaged, oldest first."""
        rows = fetch(self._engine, sa.select(schema.runs).order_by(schema.runs.c.created, schema.runs.c.run))
        return [damage for row in rows if (damage := describe_run_damage(row))]

    @property
    def metrics(self) -> Registry[Metric]:
        """The metrics that are known here, and those that runs describe, of which the latest description counts."""
        return self._metrics.all()

    def frame(
        self,
        run: str | None = None,
        source: Source | None = None,
        device: str | None = None,
        limits: Mapping[str, float] | None = None,
        key: str | None = None,
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
            key: Only this candidate.

        Raises:
            DatabaseError: If one of these rows is damaged.
            ValueError: If the run, source, device or a limited metric is unknown, or no evaluation has that metric.
        """
        from results.database.frame import keep_within, make_frame  # pandas is slow to import; most callers only append

        if source is not None and source not in SOURCES:
            raise unknown_name_error("source", source, SOURCES)
        query, table = queries.select_evaluations(key), schema.runs.c
        for kind, column, wanted in (("run", table.run, run), ("device", table.device, device)):
            if wanted is not None:
                if not fetch(self._engine, sa.select(column).where(column == wanted).limit(1)):
                    raise queries.unknown_value(self._engine, kind, wanted, column)
                query = query.where(column == wanted)
        if source is not None:
            others = [name for name in SOURCES if name != source]  # a damaged one is not passed over
            query = query.where(schema.evaluations.c.source.not_in(others))
        check_evaluations(rows := fetch(self._engine, query), self._metrics)
        return keep_within(make_frame(rows), limits or {}, self.metrics)

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
