"""The metrics that each run knows: those that are known here, and those that its own record describes."""

from __future__ import annotations

import sqlalchemy as sa

from results.database.queries import fetch
from results.database.row_checks import Known, read_described
from results.database.schema import runs
from results.metric import Metric, extend_metrics
from search_spaces.registry import Registry


class RunMetrics:
    """The metrics of each run of a database; a record is read once, for none is ever changed.

    Args:
        engine: The database.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._known: dict[str, Known] = {}

    def __call__(self, run: str) -> Known:
        """The metrics of a run; of one that is not there, those that are known here.

        Raises:
            DatabaseError: If the database cannot be read.
        """
        if run not in self._known:
            rows = fetch(self._engine, sa.select(runs.c.inputs).where(runs.c.run == run))
            if not rows:
                return read_described({})
            self._known[run] = read_described(rows[0]["inputs"])
        return self._known[run]

    def all(self) -> Registry[Metric]:
        """The metrics that are known here, and those that runs describe, of which the latest description counts.

        A damaged description is left out: it is said wherever an evaluation of its run is read.

        Raises:
            DatabaseError: If the database cannot be read.
        """
        records = fetch(self._engine, sa.select(runs.c.inputs).order_by(runs.c.created, runs.c.run))
        found = (read_described(row["inputs"]) for row in records)
        return extend_metrics(metric for known in found for metric in known.described)
