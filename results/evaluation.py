"""In: a candidate and what was found out about it. Out: frozen `Evaluation` and `RunRecord` values. Knows no database.

`provenance` describes the software around a new run without importing any of it.
"""

from __future__ import annotations

import json
import math
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, get_args

from search_spaces.candidate import Candidate

Source = Literal["screened", "measured", "predicted", "verified", "expected", "exported", "finetuned"]  # see Evaluation
SOURCES: tuple[Source, ...] = get_args(Source)
AS_ASKED = -1
_PACKAGES = ("torch", "onnxruntime", "numpy", "pymoo", "optuna", "nas")


@dataclass(frozen=True)
class Evaluation:
    """What a run learnt about one candidate.

    Attributes:
        candidate: The candidate.
        values: Metric name to a finite value in the metric's natural unit; one or more.
        source: How the values came about. "screened": by measuring with a part of the images. "measured": by
            measuring. "predicted": by predictors and tables. "verified": accuracy by measuring on the supernet, costs
            by tables. "expected": accuracy by its posterior mean given all that a search measured, costs by tables.
            "exported": by running the exported file. "finetuned": the same, after its weights were trained
            further for it alone.
        run: Name of the run.
        sequence: Place within the run, from 0; a run has every number at most once.
        seed: Seed of this evaluation.
        told: Place in the order in which the searcher of the run was told, from 0; by default that of
            `sequence`. They differ where candidates are told as they are measured.

    Raises:
        ValueError: If a value is not finite, there is none, or source or sequence are illegal.
    """

    candidate: Candidate
    values: Mapping[str, float] = field(hash=False)
    source: Source
    run: str
    sequence: int
    seed: int
    told: int = AS_ASKED

    def __post_init__(self) -> None:
        values = {name: float(value) for name, value in self.values.items()}
        if not values or not all(map(math.isfinite, values.values())):
            raise ValueError(f"an evaluation needs one or more finite values, got {values}")
        if self.source not in SOURCES:
            raise ValueError(f"the source of an evaluation must be one of {SOURCES}, got {self.source!r}")
        if self.sequence < 0:
            raise ValueError(f"sequence numbers start at 0, got {self.sequence}")
        if self.told == AS_ASKED:
            object.__setattr__(self, "told", self.sequence)
        object.__setattr__(self, "values", values)  # plain floats, detached from the caller's mapping


@dataclass(frozen=True)
class RunRecord:
    """Everything needed to say what a run was and to start it again.

    Attributes:
        run: Unique name.
        job: The job as JSON text.
        seed: Seed of the whole run.
        device: Name of the device whose costs the run saw.
        versions: Package name to version.
        git: State of the working tree, or "none".
        created: When the run began, UTC in ISO 8601.

    Raises:
        ValueError: If the name is empty or the job is not JSON.
    """

    run: str
    job: str
    seed: int
    device: str
    versions: Mapping[str, str] = field(hash=False)
    git: str
    created: str

    def __post_init__(self) -> None:
        if not self.run:
            raise ValueError("a run needs a name, got an empty one")
        try:
            json.loads(self.job)
        except json.JSONDecodeError as error:
            raise ValueError(f"the job of run {self.run!r} must be JSON text, got {self.job[:80]!r}") from error


def provenance(run: str, job: str, seed: int, device: str) -> RunRecord:
    """The record of a run that begins now, in this environment and working directory."""
    return RunRecord(run, job, seed, device, _versions(), _git_state(), utc_now())


def utc_now() -> str:
    """The present time, UTC in ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions


def _git_state() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return "none"
    return answer.stdout.strip() if answer.returncode == 0 else "none"
