"""The run folder of a job: what is done is found by a fingerprint of everything it depends on.

In: a job and a folder for runs. Out: places for the outputs of each stage, and the shared inputs of the stages.
Knows no stage. A changed setting changes the fingerprint, so it starts a new folder and nothing is overwritten.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from nas.cluster import check_gpus
from nas.compression.tracing.trace import TracedNetwork
from nas.data.images import ImageData, Normalization
from nas.data.sources import EMBEDDED, DataSource
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.pool import Pool
from nas.evaluation.pools import open_pool
from nas.jobs.console.reporter import Reporter
from nas.jobs.files.compression_section import CompressionSection
from nas.jobs.files.job import Job
from nas.jobs.stages.given_network import network_name, trace_network
from nas.training.plan import TrainingPlan
from nas.training.schedules.schedule import Schedule
from nas.training.task import TrainingTask
from results.database.results_database import ResultsDatabase
from results.evaluation import JSON, Evaluation, RunRecord
from search_spaces.candidate import Candidate
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

# What a measured accuracy depends on besides the candidate; runs that agree in it lend one another measurements.
_SUBJECT = ("program", "data", "supernet", "processor", "compression")


@dataclass(frozen=True)
class Workspace:
    """Everything that the stages of one job share.

    Attributes:
        job: The job.
        runs: Folder of all runs; this job's is below it.
        database_url: The results database; None is `results.db` in the folder of all runs.
        reporter: Where progress is shown.
        workers: Processes that measure candidates; with Ray, actors that train and measure.
        ray_address: None for no Ray; see `nas.cluster.ray_session`.
        gpus_per_worker: Share of a GPU on which each Ray actor measures; 0 for the CPU.

    Raises:
        ValueError: If workers without Ray are to share GPUs, or the share is none.
    """

    job: Job
    runs: Path
    database_url: str | None
    reporter: Reporter
    workers: int = 1
    ray_address: str | None = None
    gpus_per_worker: float = 0.0

    def __post_init__(self) -> None:
        check_gpus(self.gpus_per_worker)
        if self.gpus_per_worker and self.ray_address is None:
            raise ValueError("--gpus-per-worker needs --ray or --ray-address: it is Ray that shares GPUs out")

    @cached_property
    def data(self) -> ImageData:
        """The images."""
        return self.data_source.load()

    @cached_property
    def data_digest(self) -> str:
        """Stands for the content of the images in the inputs of stages."""
        return self.data.digest()

    @property
    def data_source(self) -> DataSource:
        """Where the images come from."""
        section = self.job.data
        embedded = section.source == EMBEDDED
        # workers may have another working directory
        source = section.source if embedded else str(Path(section.source).resolve())
        stated = None
        if section.mean is not None and section.std is not None:
            stated = Normalization(tuple(section.mean), tuple(section.std))
        return DataSource(source, section.limit, section.image_size, section.split_seed, stated)

    @cached_property
    def network(self) -> TracedNetwork | None:
        """The given network, which is made and traced when it is first asked for; None where the job names a space."""
        return trace_network(self.job.space, self.job.seed)

    @cached_property
    def space(self) -> JointSpace:
        """The joint space of networks and policies that are asked for, for these images."""
        return JointSpace(self.job.space.restrict(self.trained_space.architectures), self.trained_space.policies)

    @cached_property
    def network_digest(self) -> str:
        """Stands for the content of the given network in the inputs of stages; empty where the job names a space."""
        return "" if self.network is None else self.network.digest()

    @cached_property
    def trained_space(self) -> JointSpace:
        """The joint space that the supernet serves: the whole of what `space` may be a part of."""
        section = self.job.space
        if self.network is not None:
            name = f"{network_name(str(section.network))}-{self.network_digest[:8]}"
            return JointSpace(self.network.space(name), section.policy_space())
        architectures = create_space(str(section.name), self.data.channels, self.data.classes)
        return JointSpace(architectures, section.policy_space())

    @cached_property
    def database(self) -> ResultsDatabase:
        """The results database."""
        return ResultsDatabase(self.database_url or f"sqlite:///{self.runs / 'results.db'}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes the database, if it was opened."""
        if "database" in vars(self):
            self.database.close()

    def measurement(self, checkpoint: Path) -> ImageMeasurement:
        """The accuracy measurement on a trained supernet."""
        space = self.trained_space.architectures
        methods = self.job.compression.methods()
        return ImageMeasurement(
            checkpoint.resolve(), space, self.data_source, processor=self.processor, methods=methods
        )

    @property
    def processor(self) -> str:
        """Where workers measure; on a GPU some figures differ a little, so it is in the inputs of what they measure."""
        return "cuda" if self.gpus_per_worker else "cpu"

    @property
    def compression(self) -> dict[str, object]:
        """How networks are compressed, in the inputs of what is measured; left out where it is as ever."""
        section = self.job.compression
        return {} if section == CompressionSection() else {"compression": section.model_dump()}

    def pool(self) -> Pool:
        """The workers that measure candidates."""
        return open_pool(self.workers, self.ray_address, self.gpus_per_worker)

    def training_task(
        self, schedule: Schedule, folder: Path, start: Path | None = None, only: Candidate | None = None
    ) -> TrainingTask:
        """A training on the job's data and space by its settings; see `nas.training.task.TrainingTask`."""
        plan = TrainingPlan(self.trained_space, schedule, self.job.training.settings(), self.job.seed, only)
        return TrainingTask(self.data_source, plan, folder, start)

    def folder(self, stage: str, inputs: Mapping[str, object]) -> Path:
        """The folder of a stage's outputs, which may not be there yet.

        Args:
            stage: Name of the stage.
            inputs: Everything its outcome depends on; a path stands for the content of its file.
        """
        return self.runs / self.job.name / f"{stage}-{_digest(_described(inputs))[:8]}"

    def record(self, stage: str, inputs: Mapping[str, object], device: str) -> RunRecord:
        """The database record of a stage that stores evaluations.

        Args:
            stage: Name of the stage.
            inputs: As in `folder`; the job's data, space, training and compression are added.
            device: Where the costs of the evaluations hold.
        """
        job = self.job.model_dump(include={"training", "seed"}) | {"space": self.job.space.described()}
        described = _described({"data": self.data_digest, **job, **self.compression, **inputs})
        measured = {name: described[name] for name in _SUBJECT if name in described}
        return RunRecord(
            f"{self.job.name}/{stage}-{_digest(described)[:8]}",
            described,
            self.job.seed,
            device,
            self.job.name,
            stage,
            subject=_digest(measured) if {"supernet", "processor"} <= measured.keys() else "",
        )

    def store(self, record: RunRecord, evaluations: Sequence[Evaluation]) -> None:
        """Stores a run that is stored whole, unless an earlier start did."""
        self.database.begin(record)
        if not self.database.evaluations(record.run):
            self.database.append(evaluations)


def _described(inputs: Mapping[str, object]) -> dict[str, JSON]:
    """The program's version and the inputs as JSON, with the digest of its content for every file."""
    described = {"program": version("nas")} | {
        name: f"sha256:{hashlib.sha256(part.read_bytes()).hexdigest()}" if isinstance(part, Path) else part
        for name, part in inputs.items()
    }
    plain: dict[str, JSON] = json.loads(json.dumps(described))
    return plain


def _digest(described: Mapping[str, JSON]) -> str:
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()
