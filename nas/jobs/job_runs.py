"""The runs of one job: the folders of their files, and their names in the database.

Folder and name contain a fingerprint of everything that the outcome depends on. A changed setting changes the
fingerprint, so a new folder and a new run begin, and older outcomes are not overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from results.database.results_database import ResultsDatabase
from results.evaluation import Evaluation, RunRecord
from results.metric import METRICS, Metric
from search_spaces.registry import Registry

Inputs = Mapping[str, Any]  # names to JSON values or paths; a path counts by the content of its file


@dataclass(frozen=True)
class JobRuns:
    """The runs of one job.

    Attributes:
        job: Name of the job.
        seed: Seed of the job.
        folder: The folder of the job, which may not be there yet.
        database: The database that stores evaluations.
        common: The inputs that all runs of the job depend on, besides their own.
        metrics: The metrics that are known, with those of the job's own.
        document: The job as its runs keep it; see `nas.jobs.files.job_document`.
    """

    job: str
    seed: int
    folder: Path
    database: ResultsDatabase
    common: Inputs
    metrics: Registry[Metric] = field(default_factory=lambda: METRICS)
    document: Mapping[str, Any] = field(default_factory=dict)

    def path(self, stage: str, inputs: Inputs) -> Path:
        """The folder of a stage's outputs, which may not be there yet.

        Args:
            stage: Name of the stage.
            inputs: Everything that its outcome depends on.
        """
        return stage_path(self.folder, stage, inputs)

    def record(self, stage: str, inputs: Inputs, device: str = "any", subject: str = "") -> RunRecord:
        """The record of a stage that stores evaluations.

        Args:
            stage: Name of the stage.
            inputs: Everything that its outcome depends on, besides `common`.
            device: Name of the device whose latencies it uses; "any" if it uses none.
            subject: The subject of its measurements; see `RunRecord`.
        """
        described = describe_inputs({**self.common, **inputs})
        run = f"{self.job}/{stage}-{_fingerprint(described)}"
        return RunRecord(
            run,
            described,
            self.seed,
            device,
            job=self.job,
            stage=stage,
            subject=subject,
            job_document=self.document,
        )

    def store(self, record: RunRecord, evaluations: Sequence[Evaluation]) -> None:
        """Stores a run with all its evaluations, unless it is stored already.

        Args:
            record: The run.
            evaluations: All evaluations of the run.
        """
        self.database.begin(record)
        if not self.database.evaluations(record.run):
            self.database.append(evaluations)


def stage_path(folder: Path, stage: str, inputs: Inputs) -> Path:
    """The folder of a stage's outputs, which may not be there yet.

    Args:
        folder: The folder of the job.
        stage: Name of the stage.
        inputs: Everything that its outcome depends on.
    """
    return folder / f"{stage}-{_fingerprint(describe_inputs(inputs))}"


def describe_inputs(inputs: Inputs) -> dict[str, Any]:
    """The version of this program and the inputs as JSON values; a path becomes the digest of its file's content."""
    return {"program": version("nas")} | {
        name: f"sha256:{digest_file(part)}" if isinstance(part, Path) else part for name, part in inputs.items()
    }


def digest_file(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fingerprint(described: Inputs) -> str:
    return hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:8]
