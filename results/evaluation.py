"""What was found out about a candidate, and which run found it: frozen values, independent of any database."""

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
AS_ASKED = -1  # a tell order that is the sequence number
_PACKAGES = ("torch", "onnxruntime", "numpy", "pymoo", "optuna", "nas")  # whose versions may change outcomes


@dataclass(frozen=True)
class Evaluation:
    """What a run learnt about one candidate.

    Attributes:
        candidate: The candidate.
        values: Metric name to a finite value in the metric's natural unit; one or more.
        source: How the values came about. "measured": by measuring. "predicted": by predictors and tables.
            "verified": found by prediction, then accuracy by measuring on the supernet and costs by tables. "expected":
            accuracy by its posterior mean given all that a search measured, costs by tables. "exported": by running the
            exported file. "finetuned": the same, after its weights were trained further for it alone.
        run: Name of the run.
        sequence: Place within the run in the order of asking, from 0; a run has every number at most once.
        seed: Seed of this evaluation.
        tell_order: Place in the order in which the searcher of the run was told, from 0; by default that of
            `sequence`. They differ where candidates are told as they are measured.
        fidelity: Share of a full measurement that was made, such as the share of the images; above 0, at most 1.

    Raises:
        ValueError: If a value is not finite, there is none, or source, sequence or fidelity are illegal.
    """

    candidate: Candidate
    values: Mapping[str, float] = field(hash=False)
    source: Source
    run: str
    sequence: int
    seed: int
    tell_order: int = AS_ASKED
    fidelity: float = FULL_FIDELITY

    def __post_init__(self) -> None:
        values = {name: float(value) for name, value in self.values.items()}
        if not values or not all(map(math.isfinite, values.values())):
            raise ValueError(f"an evaluation needs one or more finite values, got {values}")
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
        """That of a run which begins now, in this environment and working directory; imports none of the packages."""
        return cls(_find_versions(), _describe_git(), utc_now())


@dataclass(frozen=True)
class RunRecord:
    """Everything needed to say what a run was and to start it again.

    Attributes:
        run: Unique name.
        inputs: Everything that the outcome depends on besides seed and device; plain JSON.
        seed: Seed of the whole run.
        device: Name of the device whose costs the run saw; "any" where it saw none.
        job: Name of the job that the run belongs to; empty for a run of no job.
        stage: The stage of that job.
        subject: Digest of all that a measured value depends on besides the candidate. Runs of equal subject may lend
            one another their measurements; empty for a run that neither lends nor borrows.
        sources: Runs whose measurements this one started from: name to how many of its evaluations, in tell order.
        provenance: The software, and when the run began.

    Raises:
        ValueError: If the name is empty or the inputs cannot be written as JSON.
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

    def __post_init__(self) -> None:
        if not self.run:
            raise ValueError("a run needs a name, got an empty one")
        try:  # as it comes back from a database, which knows no tuples, and detached from the caller's mapping
            inputs = json.loads(json.dumps(dict(self.inputs), allow_nan=False))
        except (TypeError, ValueError) as error:
            raise ValueError(f"the inputs of run {self.run!r} must be plain JSON: {error}") from error
        object.__setattr__(self, "inputs", inputs)
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
