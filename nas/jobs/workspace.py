"""What a job works with; `nas.jobs.run` takes from it what the stages need, and the stages do not know it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.compression.data_free.distilled_source import DistilledSource
from nas.compression.tracing.trace import TracedNetwork
from nas.data.decoding.text_encoder import TextEncoder
from nas.data.sources import DataSource
from nas.data.splits import DataSplits
from nas.data.survey.survey import Survey
from nas.data.survey.take import take_survey
from nas.evaluation.measurement import ImageMeasurement
from nas.jobs.console.data_report import say_inputs, say_survey
from nas.jobs.console.reporter import Reporter
from nas.jobs.execution import Execution, Tolerance, Workers
from nas.jobs.files.compression_section import DATA_FREE, CompressionSection
from nas.jobs.files.job import Job
from nas.jobs.files.job_document import keep_job
from nas.jobs.job_runs import JobRuns, stage_path
from nas.jobs.stage_folder import StageFolder
from nas.jobs.stages import train as training
from nas.jobs.stages.channel_ranking import ChannelRanking
from nas.jobs.stages.distill import distill_all, find_distilled
from nas.jobs.stages.exact_costs import ExactCosts
from nas.jobs.stages.given_network import create_given_space, name_given, trace_network
from nas.jobs.stages.profile import find_table
from nas.jobs.stages.subject import Subject
from nas.jobs.stages.table_request import TableRequest
from nas.training.plan import TrainingPlan
from nas.training.task import TrainingTask
from nas.user_code import import_callable
from results.database.location import locate_database
from results.database.results_database import ResultsDatabase
from results.metric import BUILT_IN, describe_metrics, extend_metrics
from search_spaces.joint_space import JointSpace
from search_spaces.presets import create_space

CACHE = ".cache"  # in the folder of all runs; no job can have this name


@dataclass(frozen=True)
class Workspace:
    """The images, spaces and files of a job, each loaded or created when it is first used.

    Attributes:
        job: The job.
        runs: Folder of all runs, which contains the job's folder.
        reporter: Shows progress.
        workers: The workers that measure and train.
        database_url: URL of the results database; None is `results.db` in the folder of all runs.
        restored: Name of the given network of a job that a run has kept, which says where the job has stored it.
    """

    job: Job
    runs: Path
    reporter: Reporter
    workers: Workers = field(default_factory=Workers)
    database_url: str | None = None
    restored: str | None = None

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

    @cached_property
    def survey(self) -> Survey:
        """What the data set holds."""
        return take_survey(self._stated_source, self.folder)

    @property
    def _stated_source(self) -> DataSource:
        source = self.job.data.data_source((self.runs / CACHE).resolve())
        return replace(source, task=self.job.task.create())

    @cached_property
    def source(self) -> DataSource:
        """The source of the samples, with the size that all of them have: it need not be looked for again."""
        source = self._stated_source
        return source if source.image_size is not None else replace(source, image_size=self.survey.side)

    @cached_property
    def data(self) -> DataSplits:
        """The samples, of which is said what was read; images distilled from the network where the job has none."""
        if not self.job.has_data and self.network is not None and self.distilled is not None:
            distill_all(self.network, self.distilled, self.reporter)
            return self.distilled.load()
        say_survey(self.survey, self.reporter)
        data = replace(self.source.load(), contents=self.survey.contents)
        say_inputs(data, self.reporter)
        return data

    @cached_property
    def resolved_source(self) -> DataSource:
        """The source as workers load it, with all that was found out of the images stated."""
        return self.source.resolve(self.data)

    @cached_property
    def network(self) -> TracedNetwork | None:
        """The given network, traced; None if the job names a space."""
        text = self.job.data.text_reading()
        vocabulary = None if text is None else TextEncoder.of(text).vocabulary
        return trace_network(self.job.space, self.job.seed, self.reporter, vocabulary)

    @cached_property
    def trained_space(self) -> JointSpace:
        """The joint space of the supernet or of the given network; `space` is a part of it, or all."""
        section = self.job.space
        if self.network is not None:
            return JointSpace(create_given_space(self.network, section, self._given_name), section.policy_space())
        architectures = create_space(str(section.name), self.data.channels, self.data.classes)
        return JointSpace(architectures, section.policy_space())

    def check_task(self) -> None:
        """Makes sure that metrics of one's own can be imported, and that weights of classes are those of the data.

        Raises:
            ValueError: If not.
        """
        for metric in self.job.task.metrics.values():
            import_callable(metric.function, "metric")
        self.data.weigh_task(self.job.training.settings().class_weights)

    @cached_property
    def space(self) -> JointSpace:
        """The joint space that is searched."""
        return JointSpace(self.job.space.restrict(self.trained_space.architectures), self.trained_space.policies)

    @cached_property
    def database(self) -> ResultsDatabase:
        """The results database."""
        return ResultsDatabase(locate_database(self.runs, self.database_url))

    @cached_property
    def execution(self) -> Execution:
        """The surroundings in which stages run: runs, workers, reporter."""
        job = self.job
        common: dict[str, Any] = {"data": self.data.digest, "space": job.space.described()}
        common |= {"training": job.training.described(), "seed": job.seed} | self._packages
        metrics = [one.metric for one in job.measured_metrics]
        own = [metric for metric in metrics if metric.name not in BUILT_IN]
        compression = {} if job.compression == CompressionSection() else job.compression.described()
        optional = {"outputs": self.data.stated_names, "compression": compression, "task": job.task.described()}
        optional["described_metrics"] = describe_metrics(own)  # for those who read the results without their code
        common |= {name: value for name, value in optional.items() if value}
        kept = None if self.network is None else (self.network_folder / training.NETWORK, self._given_name)
        known, document = extend_metrics(metrics), keep_job(job, kept)
        runs = JobRuns(job.name, job.seed, self.folder, self.database, common, known, document)
        tolerance = Tolerance(job.search.most_failures, job.search.timeout_s)
        return Execution(runs, self.workers, self.reporter, tolerance, job.device.target)

    @cached_property
    def training_task(self) -> TrainingTask:
        """The training of the supernet."""
        job, space = self.job, self.trained_space
        schedule, settings = job.training.resolve(space), job.training.settings()
        inputs: dict[str, Any] = {"data": self.data.digest, "space": job.space.name, "seed": job.seed, **self._packages}
        inputs |= {"policies": job.space.policy_space().to_json()}
        inputs |= {"schedule": asdict(schedule), "settings": settings.described()}
        plan = TrainingPlan(space, schedule, settings, job.seed)
        folder = stage_path(self.folder, "train", inputs)
        return TrainingTask(self.resolved_source, plan, folder, watched=self.job.headline)

    @property
    def _packages(self) -> dict[str, list[str]]:
        """Other packages that the job uses, in the inputs of stages; left out where there are none."""
        return {"packages": self.job.packages} if self.job.packages else {}

    @property
    def _given_name(self) -> str:
        assert self.network is not None
        return name_given(self.network, self.job.space) if self.restored is None else self.restored

    @property
    def network_folder(self) -> Path:
        """Where the given network is stored."""
        assert self.network is not None
        if self.restored is not None and (stored := self.job.space.stored) is not None:
            return stored.parent  # where channels are sorted, it is another network by its digest
        inputs = {"network": self.network.digest(), "data": self.data.digest}
        return stage_path(self.folder, "network", inputs if self.ranking is None else inputs | self.ranking.inputs)

    @property
    def ranking(self) -> ChannelRanking | None:
        """By what channels of the given network are ranked; None where all stay."""
        return None if (widths := self.job.space.widths) is None else ChannelRanking(widths.importance, self.distilled)

    @cached_property
    def distilled(self) -> DistilledSource | None:
        """Where the images lie that are distilled from the given network; None if training images calibrate it."""
        if self.network is None or self.job.compression.calibration != DATA_FREE:
            return None
        return find_distilled(self.network, self.folder.resolve(), self.job.task.create())

    @cached_property
    def subject(self) -> Subject:
        """The trained network and the images on which candidates are measured.

        Raises:
            ValueError: If the supernet is not trained, the network or distilled images not there, or a file damaged.
        """
        given = self.network is not None
        checkpoint = self.network_folder / training.NETWORK if given else self.training_task.folder / training.SUPERNET
        stored = "its network stored; store it" if given else "a trained supernet; make it"
        distilled = None if self.distilled is None else self.distilled.calibration
        for file, what in ((checkpoint, stored), (distilled, "images distilled from its network; distil them")):
            if file is not None and not StageFolder(file.parent).holds(file.name):
                raise ValueError(f"job {self.job.name!r} needs {what} with: nas train JOB (there is no {file})")
        measurement = ImageMeasurement(
            checkpoint.resolve(),
            self.trained_space.architectures,
            self.distilled if self.distilled is not None and not self.job.has_data else self.resolved_source,
            self.job.measured_metrics,
            self.workers.processor,
            self.job.compression.methods(),
            distilled=distilled,
        )
        return Subject(self.space, measurement, self.data, tuple(self.job.packages))

    @cached_property
    def table_request(self) -> TableRequest:
        """The latency table that the job asks for."""
        inputs = {"space": self.job.space.described(), "channels": self.data.channels, "classes": self.data.classes}
        inputs |= self._packages
        return TableRequest(self.job.device, self.job.search, self.space, self.network, inputs, self.folder)

    def costs(self) -> ExactCosts:
        """The exact costs of candidates, from the finished latency table if the search asks for latency or energy.

        Raises:
            ValueError: If the table is needed and not there, or the search cannot use it; see `find_table`.
        """
        table = find_table(self.table_request, self.reporter) if self.job.search.table_costs else None
        return ExactCosts(self.space, table)
