"""Evaluations of candidates and records of runs, as frozen values that are independent of any database."""

from __future__ import annotations

import json
import math
import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, TypeAlias, get_args

from search_spaces.candidate import Candidate

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
Source = Literal["measured", "predicted", "verified", "expected", "exported", "finetuned"]  # see Evaluation
SOURCES: tuple[Source, ...] = get_args(Source)
FULL_FIDELITY = 1.0
AS_ASKED = -1  # as a tell order: the same number as the sequence number
_PACKAGES = ("torch", "onnxruntime", "numpy", "pymoo", "optuna", "nas")  # whose versions may change outcomes


@dataclass(frozen=True)
class Evaluation:
    """Values of one candidate, by metric, from one run; or the reason why it could not be evaluated.

    Attributes:
        candidate: The candidate.
        values: Metric name to a finite value in the metric's natural unit; one or more, and none if it has failed.
        source: The kind of the values. In all kinds, costs such as latency and size come from tables or formulas, if
            nothing else is said. "measured": measured metrics are measured on the validation images. "predicted":
            measured metrics are predicted. "verified": the candidate was found by predictions, and its measured metrics
            were then measured. "expected": measured metrics are posterior means, given all measurements of the search;
            the measured values may be there, too. "exported": values of a network that was exported: `test_X` and the
            latency are those of the ONNX file, other values are as before the export. "finetuned": the same of a
            network that was trained further before the export, with its measured metrics after that training.
        run: Name of the run.
        sequence: Place of the candidate in the order of asking within the run, from 0; a run has every number at most
            once.
        seed: Seed of the run.
        tell_order: Place of the candidate in the order in which the searcher was told, from 0; by default the same as
            `sequence`. They differ if candidates are told as soon as they are measured.
        fidelity: Share of a full measurement that was made, such as the share of the images; above 0, at most 1.
        failure: Why the candidate has no values, in one line; empty if it has.

    Raises:
        ValueError: If there is no value or one is not finite, there are values beside a failure, the source is unknown,
            the sequence number is negative, or the fidelity is not above 0 and at most 1.
    """

    candidate: Candidate
    values: Mapping[str, float] = field(hash=False)
    source: Source
    run: str
    sequence: int
    seed: int
    tell_order: int = AS_ASKED
    fidelity: float = FULL_FIDELITY
    failure: str = ""

    def __post_init__(self) -> None:
        values = {name: float(value) for name, value in self.values.items()}
        if not self.failure and (not values or not all(map(math.isfinite, values.values()))):
            raise ValueError(f"an evaluation needs one or more finite values, got {values}")
        if self.failure and values:
            raise ValueError(f"an evaluation that failed ({self.failure}) has no values, got {values}")
        if self.source not in SOURCES:
            raise ValueError(f"the source of an evaluation must be one of {SOURCES}, got {self.source!r}")
        if self.sequence < 0:
            raise ValueError(f"sequence numbers start at 0, got {self.sequence}")
        if not 0 < self.fidelity <= FULL_FIDELITY:
            raise ValueError(f"the fidelity of an evaluation must be above 0 and at most 1, got {self.fidelity}")
        if self.tell_order == AS_ASKED:
            object.__setattr__(self, "tell_order", self.sequence)
        object.__setattr__(self, "values", values)  # plain floats, detached from the caller's mapping


@dataclass(frozen=True)
class Provenance:
    """The software that made a run, and when.

    Attributes:
        versions: Package name to version.
        git: State of the working tree as `git describe` names it, or "none".
        created: When the run began, UTC in ISO 8601.
    """

    versions: Mapping[str, str] = field(hash=False)
    git: str
    created: str

    @classmethod
    def now(cls) -> Provenance:
        """The provenance of a run that begins now, in this environment and working directory.

        The packages are not imported.
        """
        return cls(_find_versions(), _describe_git(), utc_now())


@dataclass(frozen=True)
class RunRecord:
    """The description of a run: what its outcome depends on, and where it comes from.

    Attributes:
        run: Unique name.
        inputs: Everything that the outcome depends on besides seed, device and sources; plain JSON.
        seed: Seed of the whole run.
        device: Name of the device whose latencies the run used; "any" if it used none.
        job: Name of the job that the run belongs to; empty if it belongs to none.
        stage: Name of the stage of that job; empty if the run belongs to no job.
        subject: Digest of all that a measured value depends on besides the candidate. The measurements of runs of equal
            subject are interchangeable; empty for a run that shares no measurements.
        sources: Names of the runs whose measurements this run started from, with the number of evaluations that it
            took from each, the first in tell order.
        provenance: The software, and when the run began.
        job_document: The job as it was carried out, plain JSON, so that its networks can be made again from the record
            alone; empty if it was not kept. A run does not depend on it: the inputs say on what of it.

    Raises:
        ValueError: If the name is empty or the inputs or the job cannot be written as JSON.
    """

    run: str
    inputs: Mapping[str, JSON] = field(hash=False)
    seed: int
    device: str = "any"
    job: str = ""
    stage: str = ""
    subject: str = ""
    sources: Mapping[str, int] = field(default_factory=dict, hash=False)
    provenance: Provenance = field(default_factory=Provenance.now)
    job_document: Mapping[str, JSON] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.run:
            raise ValueError("a run needs a name, got an empty one")
        for name, what in (("inputs", "inputs"), ("job_document", "job")):
            try:  # as it comes back from a database, which knows no tuples, and detached from the caller's mapping
                plain = json.loads(json.dumps(dict(getattr(self, name)), allow_nan=False))
            except (TypeError, ValueError) as error:
                raise ValueError(f"the {what} of run {self.run!r} must be plain JSON: {error}") from error
            object.__setattr__(self, name, plain)
        object.__setattr__(self, "sources", dict(self.sources))


def utc_now() -> str:
    """The present time, UTC in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _find_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _describe_git() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() if answer.returncode == 0 else "none"
