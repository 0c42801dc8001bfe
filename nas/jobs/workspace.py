"""What a job works on: its images, spaces and files, each made when it is first asked for.

The root from which `nas.jobs.run` takes what it hands to the stages; no stage sees it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.compression.tracing.trace import TracedNetwork
from nas.data.images import ImageData, Normalization
from nas.data.sources import EMBEDDED, DataSource
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.metrics.registry import MEASURED_METRICS
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Execution, Workers
from nas.jobs.files.compression_section import CompressionSection
from nas.jobs.files.job import Job
from nas.jobs.job_runs import JobRuns, stage_path
from nas.jobs.stages import train as training
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.given_network import network_name, trace_network
from nas.jobs.stages.profile import TableRequest, find_table
from nas.jobs.stages.subject import Subject
from nas.training.plan import TrainingPlan
from nas.training.task import TrainingTask
from results.database.results_database import ResultsDatabase
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space


@dataclass(frozen=True)
class Workspace:
    """What a job works on, each part made when it is first asked for.

    Attributes:
        job: The job.
        runs: Folder of all runs; this job's is below it.
        reporter: Where progress is shown.
        workers: Who measures candidates.
        database_url: The results database; None is `results.db` in the folder of all runs.
    """

    job: Job
    runs: Path
    reporter: Reporter
    workers: Workers = field(default_factory=Workers)
    database_url: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Closes the database, if it was opened."""
        if "database" in vars(self):
            self.database.close()

    @property
    def folder(self) -> Path:
        """The folder of the job."""
        return self.runs / self.job.name

    @property
    def source(self) -> DataSource:
        """Where the images come from."""
        section = self.job.data
        # workers may have another working directory
        path = section.source if section.source == EMBEDDED else str(Path(section.source).resolve())
        stated = None
        if section.mean is not None and section.std is not None:
            stated = Normalization(tuple(section.mean), tuple(section.std))
        return DataSource(path, section.limit, section.image_size, section.split_seed, stated)

    @cached_property
    def data(self) -> ImageData:
        """The images."""
        return self.source.load()

    @cached_property
    def data_digest(self) -> str:
        """Stands for the content of the images in the inputs of stages."""
        return self.data.digest()

    @cached_property
    def network(self) -> TracedNetwork | None:
        """The given network, traced; None where the job names a space."""
        return trace_network(self.job.space, self.job.seed)

    @cached_property
    def trained_space(self) -> JointSpace:
        """The joint space that the supernet serves: the whole of what `space` may be a part of."""
        section = self.job.space
        if self.network is not None:
            name = f"{network_name(str(section.network))}-{self.network.digest()[:8]}"
            return JointSpace(self.network.space(name), section.policy_space())
        architectures = create_space(str(section.name), self.data.channels, self.data.classes)
        return JointSpace(architectures, section.policy_space())

    @cached_property
    def space(self) -> JointSpace:
        """The joint space that is searched."""
        return JointSpace(self.job.space.restrict(self.trained_space.architectures), self.trained_space.policies)

    @cached_property
    def database(self) -> ResultsDatabase:
        """The results database."""
        return ResultsDatabase(self.database_url or f"sqlite:///{self.runs / 'results.db'}")

    @cached_property
    def execution(self) -> Execution:
        """How the stages are carried out."""
        job = self.job
        common: dict[str, Any] = {"data": self.data_digest, "space": job.space.described()}
        common |= job.model_dump(include={"training", "seed"})
        if job.compression != CompressionSection():
            common["compression"] = job.compression.model_dump()
        runs = JobRuns(job.name, job.seed, self.folder, self.database, common)
        return Execution(runs, self.workers, self.reporter)

    @cached_property
    def training_task(self) -> TrainingTask:
        """The training of the supernet."""
        job, space = self.job, self.trained_space
        schedule, settings = job.training.resolve(space), job.training.settings()
        inputs = {
            "data": self.data_digest,
            "space": job.space.name,
            "policies": job.space.policy_space().to_json(),
            "schedule": asdict(schedule),
            "settings": asdict(settings),
            "seed": job.seed,
        }
        plan = TrainingPlan(space, schedule, settings, job.seed)
        return TrainingTask(self.source, plan, stage_path(self.folder, "train", inputs))

    @property
    def network_folder(self) -> Path:
        """Where the given network is stored."""
        assert self.network is not None
        return stage_path(self.folder, "network", {"network": self.network.digest(), "data": self.data_digest})

    @cached_property
    def subject(self) -> Subject:
        """What candidates are measured on.

        Raises:
            ValueError: If it is not trained or stored.
        """
        given = self.network is not None
        checkpoint = self.network_folder / training.NETWORK if given else self.training_task.folder / training.SUPERNET
        if not checkpoint.exists():
            what = "its network stored; store" if given else "a trained supernet; make"
            raise ValueError(f"job {self.job.name!r} needs {what} it with: nas train JOB")
        measurement = ImageMeasurement(
            checkpoint.resolve(),
            self.trained_space.architectures,
            self.source,
            tuple(MEASURED_METRICS[name] for name in self.job.search.measured),
            self.workers.processor,
            self.job.compression.methods(),
        )
        return Subject(self.space, measurement, self.data)

    @cached_property
    def table_request(self) -> TableRequest:
        """The latency table that the job asks for."""
        inputs = {"space": self.job.space.described(), "channels": self.data.channels, "classes": self.data.classes}
        return TableRequest(self.job.device, self.job.search, self.space, self.network, inputs, self.folder)

    def costs(self) -> ExactCosts:
        """What is looked up of candidates: by the finished table, where latency or energy is asked for."""
        asked = self.job.search.table_costs
        return ExactCosts(self.space, find_table(self.table_request, self.reporter) if asked else None)
