"""Runs, candidates and evaluations as rows of the database, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from results.database import schema
from results.database.errors import DatabaseError
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
    """The row of `schema.candidates`; the mean weight bits are the plain mean over layers."""
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
    """The run of a row that `make_run_row` made."""
    provenance = Provenance(**{field.name: row[field.name] for field in fields(Provenance)})
    own = {field.name: row[field.name] for field in fields(RunRecord) if field.name in row}
    return RunRecord(**own, provenance=provenance)


def read_candidate(row: Mapping[str, Any]) -> Candidate:
    """The candidate of a row that `make_candidate_row` made.

    Raises:
        DatabaseError: If its JSON cannot be read, or its hash is not the key of the row.
    """
    try:
        candidate = Candidate.from_json(row["json"])
    except ValueError as error:
        raise DatabaseError(f"candidate {row['key']} is damaged in the database ({error}); restore a copy") from error
    if candidate.key != row["key"]:
        raise DatabaseError(f"candidate {row['key']} reads as {candidate.key}, so its row is damaged; restore a copy")
    return candidate


def read_evaluation(row: Mapping[str, Any], candidate: Candidate) -> Evaluation:
    """The evaluation of a row that `make_evaluation_row` made.

    Args:
        row: A row of `schema.evaluations`.
        candidate: The candidate whose key the row holds.

    Raises:
        DatabaseError: If `Evaluation` refuses the values of the row.
    """
    try:
        return Evaluation(candidate, *_get_columns(row))
    except (ValueError, TypeError, AttributeError) as error:
        number = f"evaluation {row['sequence']} of run {row['run']!r}"
        raise DatabaseError(f"{number} is damaged in the database ({error}); restore a copy") from error
