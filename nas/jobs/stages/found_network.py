"""The run of the results database that a candidate's network is made of again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hardware.tables.entry import LATENCY
from results.database.results_database import ResultsDatabase
from results.evaluation import FULL_FIDELITY, RunRecord, Source
from search_spaces.candidate import Candidate
from search_spaces.quoting import quote

if TYPE_CHECKING:
    import pandas as pd

_OWN = ("measured", "verified", "finetuned")  # sources of metrics that were measured of the network itself
_BY_TABLE = ("measured", "verified", "predicted", "expected")  # sources whose latency is that of the table
_MOST_LISTED = 8  # runs in a message
_MOST_STEPS = 2  # from an export to a front, and from that to its search


@dataclass(frozen=True)
class FoundNetwork:
    """A candidate, and the run whose network it is.

    Attributes:
        candidate: The candidate.
        record: The run in which it was measured or fine-tuned, or else predicted.
        subject: Digest of what its values depend on besides the candidate; empty if no run tells.
        source: The kind of the values; see `results.evaluation.Evaluation`.
        values: What is stored of it by a full measurement, by metric, in natural units; empty if there was none.
    """

    candidate: Candidate
    record: RunRecord
    subject: str
    source: Source
    values: dict[str, float]

    @property
    def is_finetuned(self) -> bool:
        """Whether its weights were trained further, for it alone."""
        return self.record.stage == "finetune"

    @property
    def measured(self) -> dict[str, float]:
        """The values, where measured metrics are measured ones of this network; empty where they are predicted."""
        return self.values if self.source in _OWN else {}

    @property
    def predicted_latency_ms(self) -> float:
        """Latency by the table, in milliseconds; NaN where none is stored, or that of a file that was timed."""
        return self.values.get(LATENCY, math.nan) if self.source in _BY_TABLE else math.nan


def find_network(database: ResultsDatabase, key: str, run: str | None = None) -> FoundNetwork:
    """The network of a candidate: that of the newest run which measured it, where all of them measured the same one.

    A run that has predicted, expected or exported it leads to the run whose network it took.

    Args:
        database: The results database.
        key: First digits of the candidate's key.
        run: Name of the run; None where there is no other.

    Raises:
        ValueError: If no candidate has such a key, several have, it was never evaluated, the run has not evaluated it,
            runs have evaluated other networks by that name and none is named, or it is only what an export of another
            candidate computes.
    """
    candidate = database.candidate(key)
    frame = database.frame(key=candidate.key)
    sources = _list_sources(frame)
    if not sources:
        raise ValueError(f"candidate {candidate.key} failed wherever it was evaluated; see: nas results show {key}")
    if run is not None and run not in sources:
        listed = _join([quote(name) for name in sources])
        raise ValueError(f"run {quote(run)} has not evaluated candidate {candidate.key}; these have: {listed}")
    records = [database.record(name) for name in ([run] if run is not None else _choose_runs(frame))]
    known = [_trace(database, record, candidate) for record in records if record.job]
    if not known:
        raise ValueError(
            f"candidate {candidate.key} was evaluated by {quote(records[-1].run)}, which is no run of a job, so no "
            "trained network is known of it"
        )
    networks = {one.network: one.named.run for one in known}
    if len(networks) > 1:
        listed = _join([f"{quote(name)} ({', '.join(sorted(sources[name]))})" for name in networks.values()])
        raise ValueError(
            f"candidate {candidate.key} is a network of each of {listed}, with weights or data of its own; name one by "
            "--run"
        )
    found = [one for one in known if one.origin.job_document] or known
    return _read_values(database, frame, candidate, found[-1])


@dataclass(frozen=True)
class _Trace:
    """A run that has stored values of a network, the run that this is the network of, and its subject."""

    named: RunRecord
    origin: RunRecord
    subject: str

    @property
    def network(self) -> str:
        """What tells its network from others of that key: each fine-tuning has one of its own."""
        return self.origin.run if self.origin.stage == "finetune" else self.subject or self.named.run


def _choose_runs(frame: pd.DataFrame) -> list[str]:
    """The runs that have measured a candidate, in full if any has; all where it was only predicted or exported."""
    full, any_share = _list_sources(frame[frame["fidelity"] == FULL_FIDELITY]), _list_sources(frame)
    for sources in (full, any_share):
        if own := [name for name, kinds in sources.items() if kinds & {*_OWN}]:
            return own
    return [*any_share]


def _read_values(database: ResultsDatabase, frame: pd.DataFrame, candidate: Candidate, found: _Trace) -> FoundNetwork:
    """What is stored of a network by the run that it is of, or by the one that leads there."""
    runs = frame["run"]
    rows = frame[runs == found.origin.run] if (runs == found.origin.run).any() else frame[runs == found.named.run]
    full = rows[rows["fidelity"] == FULL_FIDELITY].iloc[-1:].to_dict("records")
    metrics = database.metrics
    values = {str(name): float(one) for row in full for name, one in row.items() if name in metrics and one == one}
    return FoundNetwork(candidate, found.origin, found.subject, rows["source"].iloc[-1], values)


def _list_sources(frame: pd.DataFrame) -> dict[str, set[str]]:
    """The kinds of values that each run has stored, by its name."""
    return {str(one): set(rows["source"]) for one, rows in frame.groupby("run", sort=False)}


def _trace(database: ResultsDatabase, record: RunRecord, candidate: Candidate) -> _Trace:
    """Follows a run of a front or an export to the one that it names.

    Raises:
        ValueError: If the run has exported another candidate in a form that is this one.
    """
    origin = record
    for _ in range(_MOST_STEPS):
        of = origin.inputs.get("of", origin.inputs.get("front")) if origin.stage in ("front", "export") else None
        if not isinstance(of, str) or not database.has_run(of):
            break
        other, form = origin.inputs.get("candidate", candidate.key), origin.inputs.get("format")
        if other != candidate.key:
            raise ValueError(
                f"candidate {candidate.key} is what run {quote(origin.run)} made of another one, without a network of "
                f"its own; for that file: nas export {other} --run {of} --format {form}"
            )
        origin = database.record(of)
    return _Trace(record, origin, _find_subject(database, origin))


def _find_subject(database: ResultsDatabase, record: RunRecord) -> str:
    """The subject of a run; a search by predictions leaves it to the run that verifies what it found."""
    if subject := record.subject or record.inputs.get("subject"):
        return str(subject)
    runs = database.runs()
    verifying = runs[(runs["job"] == record.job) & (runs["stage"] == "verify") & (runs["subject"] != "")]
    verified = (database.record(run) for run in verifying["run"])
    return next((one.subject for one in verified if one.inputs.get("search") == record.run), "")


def _join(names: list[str]) -> str:
    """The first names for a message, and how many more there are."""
    more = [f"{len(names) - _MOST_LISTED} more"] if len(names) > _MOST_LISTED else []
    return ", ".join([*names[:_MOST_LISTED], *more])
