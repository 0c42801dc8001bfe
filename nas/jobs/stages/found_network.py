"""The run of the results database that a candidate's network is made of again."""

from __future__ import annotations

from dataclasses import dataclass

from results.database.results_database import ResultsDatabase
from results.evaluation import RunRecord
from search_spaces.candidate import Candidate
from search_spaces.quoting import quote

FINETUNED = "finetuned"
_MEASURED = ("measured", "verified")  # sources of values of the network itself
_MOST_LISTED = 8  # runs in a message


@dataclass(frozen=True)
class FoundNetwork:
    """A candidate, and the run whose network it is.

    Attributes:
        candidate: The candidate.
        record: The run in which it was measured or fine-tuned.
        values: What the run has stored of it, by metric, in natural units.
    """

    candidate: Candidate
    record: RunRecord
    values: dict[str, float]

    @property
    def is_finetuned(self) -> bool:
        """Whether its weights were trained further, for it alone."""
        return self.record.stage == "finetune"

    @property
    def subject(self) -> str:
        """Digest of what its values depend on besides the candidate; empty if the run does not tell."""
        return self.record.subject or str(self.record.inputs.get("subject", ""))


def find_network(database: ResultsDatabase, key: str, run: str | None = None) -> FoundNetwork:
    """The network of a candidate: that of the newest run which measured it, where all of them measured the same one.

    Args:
        database: The results database.
        key: First digits of the candidate's key.
        run: Name of the run; None where there is no other.

    Raises:
        ValueError: If no candidate has such a key, several have, it was never evaluated, the run has not evaluated it,
            or runs have evaluated other networks by that name and none is named.
    """
    candidate = database.candidate(key)
    frame = database.frame(key=candidate.key)
    sources = {str(one): set(rows["source"]) for one, rows in frame.groupby("run", sort=False)}
    if not sources:
        raise ValueError(f"candidate {candidate.key} failed wherever it was evaluated; see: nas results show {key}")
    if run is not None and run not in sources:
        listed = _join([quote(name) for name in sources])
        raise ValueError(f"run {quote(run)} has not evaluated candidate {candidate.key}; these have: {listed}")
    # what was only predicted, expected or exported is the network of a run that measured it, if there is one
    own = [name for name, kinds in sources.items() if kinds & {*_MEASURED, FINETUNED}] or [*sources]
    records = [database.record(name) for name in ([run] if run is not None else own)]
    known = [record for record in records if record.job]
    if not known:
        raise ValueError(
            f"candidate {candidate.key} was evaluated by {quote(records[-1].run)}, which is no run of a job, so no "
            "trained network is known of it"
        )
    networks = {(record.subject or record.run): record for record in known}
    if len(networks) > 1:
        listed = _join([f"{quote(one.run)} ({', '.join(sorted(sources[one.run]))})" for one in networks.values()])
        raise ValueError(
            f"candidate {candidate.key} is a network of each of {listed}, with weights or data of its own; name one by "
            "--run"
        )
    keeping = [record for record in known if record.job_document] or known
    record = keeping[-1]
    rows = frame[frame["run"] == record.run].iloc[-1:].to_dict("records")
    values = {str(name): float(value) for name, value in rows[0].items() if name in database.metrics and value == value}
    return FoundNetwork(candidate, record, values)


def _join(names: list[str]) -> str:
    """The first names for a message, and how many more there are."""
    more = [f"{len(names) - _MOST_LISTED} more"] if len(names) > _MOST_LISTED else []
    return ", ".join([*names[:_MOST_LISTED], *more])
