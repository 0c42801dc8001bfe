"""Runs, candidates and evaluations as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from results.database import schema
from results.database.errors import DatabaseError
from results.database.row_checks import Known, check_evaluations, check_run
from results.evaluation import Evaluation, Provenance, RunRecord
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import FULL_PRECISION_BITS

# All fields but the candidate are stored as they are, in columns of their names.
_FIELDS = tuple(field.name for field in fields(Evaluation) if field.name != "candidate")
_get_fields, _get_columns = attrgetter(*_FIELDS), itemgetter(*_FIELDS)


def make_run_row(record: RunRecord) -> dict[str, Any]:
    """The row of `schema.runs`."""
    row = vars(record) | vars(record.provenance)
    return {column.key: row[column.key] for column in schema.runs.columns}


def make_candidate_row(candidate: Candidate) -> dict[str, Any]:
    """The row of `schema.candidates`; the mean weight bits are the plain mean over layers, whatever rank and zeros."""
    layers = candidate.policy.layers
    bits = sum(layer.weight_bits for layer in layers) / len(layers) if layers else float(FULL_PRECISION_BITS)
    return {
        "key": candidate.key,
        "json": candidate.to_json(),
        "resolution": candidate.architecture.resolution,
        "blocks": sum(map(len, candidate.architecture.stages)),
        "mean_weight_bits": bits,
    }


def make_evaluation_row(evaluation: Evaluation, created: str) -> dict[str, Any]:
    """The row of `schema.evaluations`.

    Args:
        evaluation: The evaluation.
        created: Time of storing, UTC in ISO 8601.
    """
    row = dict(zip(_FIELDS, _get_fields(evaluation), strict=True))
    return row | {"candidate_key": evaluation.candidate.key, "created": created}


def read_run(row: Mapping[str, Any]) -> RunRecord:
    """The run of a row that `make_run_row` made.

    Raises:
        DatabaseError: If the row holds something else.
    """
    check_run(row)
    provenance = Provenance(**{field.name: row[field.name] for field in fields(Provenance)})
    own = {field.name: row[field.name] for field in fields(RunRecord) if field.name in row}
    return RunRecord(**own, provenance=provenance)


def read_candidate(row: Mapping[str, Any]) -> Candidate:
    """The candidate of a row that `make_candidate_row` made.

    Raises:
        DatabaseError: If its JSON cannot be read, its hash is not the key of the row, or a column does not follow from
            it.
    """
    try:
        candidate = Candidate.from_json(row["json"])
        made = make_candidate_row(candidate)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DatabaseError(f"candidate {row['key']} is damaged in the database ({error}); restore a copy") from error
    if candidate.key != row["key"]:
        raise DatabaseError(f"candidate {row['key']} reads as {candidate.key}, so its row is damaged; restore a copy")
    wrong = next((name for name in made if name != "json" and made[name] != row[name]), None)
    if wrong is not None:
        raise DatabaseError(
            f"candidate {row['key']} is damaged in the database ({wrong} is {row[wrong]!r}, and should be "
            f"{made[wrong]}); restore a copy"
        )
    return candidate


def read_evaluation(row: Mapping[str, Any], candidate: Candidate | None, metrics: Callable[[str], Known]) -> Evaluation:
    """The evaluation of a row that `make_evaluation_row` made.

    Args:
        row: A row of `schema.evaluations`.
        candidate: The candidate whose key the row holds; None if it is not there.
        metrics: Gives the metrics of a run.

    Raises:
        DatabaseError: If the row holds what is no evaluation, or there is no candidate.
    """
    check_evaluations([{**row, "key": row["candidate_key"], "stored": candidate}], metrics)
    assert candidate is not None
    return Evaluation(candidate, *_get_columns(row))


def identify_run(record: RunRecord) -> dict[str, object]:
    """The fields by which runs of one name are told apart: each input, the seed, the device and the sources."""
    return {**record.inputs, "seed": record.seed, "device": record.device, "sources": record.sources}
