"""The job file as typed sections; keys and values are checked when it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError, field_validator, model_validator

from hardware.tables.entry import LATENCY
from nas.compression.equalization.registry import EQUALIZATIONS
from nas.compression.low_rank.registry import FACTORIZATIONS
from nas.compression.observers.registry import OBSERVERS
from nas.compression.quantizers.registry import QUANTIZERS
from nas.compression.rounding.registry import ROUNDINGS
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.data.augmentation.registry import AUGMENTATIONS
from nas.jobs.files.bounds import MOST_EXPORTED, MOST_MEASURED, Seed
from nas.jobs.files.compression_section import DATA_FREE, DEFAULT_FACTORIZATION, TRAINING, CompressionSection
from nas.jobs.files.data_section import DataSection
from nas.jobs.files.device_section import DeviceSection
from nas.jobs.files.metric_checks import check_metrics, check_pruning
from nas.jobs.files.search_section import SearchSection
from nas.jobs.files.section import Section, check_folder_name, read_section
from nas.jobs.files.space_section import SpaceSection
from nas.jobs.files.task_section import TaskSection
from nas.jobs.files.training_section import TrainingSection
from nas.search.registry import SEARCHERS
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.tasks.registry import CLASSIFICATION, TASKS
from nas.training.schedules.registry import SCHEDULES
from predictors.registry import DEFAULT_PREDICTOR, PREDICTORS
from search_spaces.analytic_costs.registry import ANALYTIC_COSTS
from search_spaces.presets import SPACES
from search_spaces.registry import Registry


class FitSection(Section):
    """The predictor of measured metrics, and the number of candidates that are measured to fit it."""

    predictor: Annotated[str, AfterValidator(PREDICTORS.check_name)] = DEFAULT_PREDICTOR
    candidates: Annotated[int, Field(ge=10, le=MOST_MEASURED)] = 100


class ExportSection(Section):
    """The number of networks of the front that are exported."""

    count: Annotated[int, Field(ge=1, le=MOST_EXPORTED)] = 3


# By which metric networks are judged, where a job does not say, depends on these sections.
_SECTIONS: dict[str, type[Section]] = {"task": TaskSection, "data": DataSection, "compression": CompressionSection}


class Job(Section):
    """The content of a job file."""

    name: str
    seed: Seed = 0
    task: TaskSection = TaskSection()
    data: DataSection = DataSection()
    space: SpaceSection
    training: TrainingSection = TrainingSection()
    compression: CompressionSection = CompressionSection()
    device: DeviceSection = DeviceSection()
    fit: FitSection = FitSection()
    search: SearchSection = SearchSection()
    export: ExportSection = ExportSection()

    @property
    def packages(self) -> list[str]:
        """Names and versions of other packages whose entries the job uses: outcomes depend on them."""
        used: list[tuple[Registry[Any], str | None]] = [
            (SPACES, self.space.name),
            (SCHEDULES, None if self.training.phases else self.training.schedule),
            (OBSERVERS, self.compression.observer),
            (QUANTIZERS, self.compression.quantizer),
            (EQUALIZATIONS, self.compression.equalization),
            (ROUNDINGS, self.compression.rounding),
            (FACTORIZATIONS, self.compression.factorization),
            (PREDICTORS, self.fit.predictor),
            (SEARCHERS, self.search.searcher),
            (SENSITIVITY_METRICS, self.search.method().damage_metric),
            (TASKS, self.task.name),
            *((AUGMENTATIONS, name) for name in self.training.list_augmentations()),
            *((MEASURED_METRICS, name) for name in self.search.measured if name not in self.task.metrics),
            *((ANALYTIC_COSTS, name) for name in self.search.asked if name in ANALYTIC_COSTS),
        ]
        found = {registry.find_package(name) for registry, name in used if name is not None}
        return sorted(found - {""})

    @property
    def has_data(self) -> bool:
        """Whether there are samples, or else images that are distilled from the given network stand in for all."""
        return "data" in self.model_fields_set or self.compression.calibration != DATA_FREE

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return self.has_data and self.data.labelled

    @property
    def headline(self) -> MeasuredMetric:
        """By which networks are judged where nothing else is asked for."""
        return self.task.find_measured(self.task.choose_headline(self.labelled))

    @property
    def measured_metrics(self) -> tuple[MeasuredMetric, ...]:
        """What is measured of candidates, in the order of the search."""
        corruption = None if self.search.corruption is None else self.search.corruption.corruption()
        return tuple(self.task.find_measured(name, corruption) for name in self.search.measured)

    @model_validator(mode="before")
    @classmethod
    def _trades_what_its_task_is_judged_by(cls, document: Any) -> Any:
        """Objectives that are not named are those of the task; what is wrong with other keys is told elsewhere."""
        search = document.get("search", {}) if isinstance(document, dict) else None
        if not isinstance(search, dict) or "objectives" in search:
            return document
        try:
            judged = {name: one.model_validate(document[name]) for name, one in _SECTIONS.items() if name in document}
            job = cls.model_construct(set(judged), **judged)
        except ValidationError:
            return document
        if "task" not in document and job.labelled:  # accuracy, and no task is loaded to know it
            return document
        objectives = [job.headline.metric.name, *SearchSection.model_fields["objectives"].default[1:]]
        return document | {"search": search | {"objectives": objectives}}

    @model_validator(mode="after")
    def _judges_by_metrics_of_its_task(self) -> Job:
        check_metrics(self.task, self.search, self.labelled, self.space.network is not None)
        check_pruning(self.space, self.task, self.search)
        if self.search.corruption is not None and self.data.tokenizer is not None:
            raise ValueError("search.corruption is of images, and the samples of this job are texts; leave it out")
        return self

    @model_validator(mode="after")
    def _trains_as_its_task_allows(self) -> Job:
        if self.task.kind == CLASSIFICATION:  # allows all, and is known without loading torch
            return self
        task, training = self.task.create(), self.training
        smooths = "label_smoothing" in training.model_fields_set and training.label_smoothing > 0
        for key, allowed, asked in (
            ("label_smoothing", task.smooths_labels, smooths),
            ("class_weights", task.weighs_classes, training.class_weights is not None),
        ):
            if asked and not allowed:
                raise ValueError(f"training.{key} has no meaning for task {self.task.kind}; leave it out")
        if not task.gives_probabilities and "alpha" in training.divergences:
            raise ValueError(
                f"divergence alpha is of probabilities, which task {self.task.kind} has not; take phases with kl, or "
                "another schedule"
            )
        return self

    @field_validator("name")
    @classmethod
    def _is_a_folder_name(cls, name: str) -> str:
        return check_folder_name(name)

    @model_validator(mode="after")
    def _has_the_leaves_that_its_searcher_needs(self) -> Job:
        name, given = self.search.searcher, self.space.network is not None
        if not self.search.method().needs_leaves:
            return self
        if given:
            raise ValueError(f"searcher {name!r} is for few-shot supernets, not for a given network")
        if self.search.quality != "measured" or self.space.only:
            raise ValueError(f"searcher {name!r} measures the whole space; leave out space.only and search.quality")
        if not self.training.splits:
            raise ValueError(f"searcher {name!r} needs a supernet that is split; take training.schedule: few_shot")
        return self

    @model_validator(mode="after")
    def _has_the_network_that_its_searcher_compresses(self) -> Job:
        name, metric = self.search.searcher, self.search.method().damage_metric
        if metric is None:
            return self
        if self.search.quality != "measured":
            raise ValueError(
                f"searcher {name!r} measures where it goes by a sensitivity metric; leave out search.quality"
            )
        if self.space.network is None and not self.search.method().allocates_architectures:
            raise ValueError(f"searcher {name!r} compresses one network, and measures it; name a space.network")
        if self.space.network is not None and self.search.method().measures_architectures:
            raise ValueError("own_tables are of architectures of a supernet, got a space.network; leave out own_tables")
        SENSITIVITY_METRICS.check_name(metric)
        return self

    @model_validator(mode="after")
    def _repairs_and_factorizes_a_given_network(self) -> Job:
        for key, asked in (
            ("repair", self.compression.repair is not None),
            ("factorization", self.compression.factorization != DEFAULT_FACTORIZATION),
            ("calibration", self.compression.calibration != TRAINING),
        ):
            if asked and self.space.network is None:
                raise ValueError(f"compression.{key} is for a given network, and the job names a space; leave it out")
        return self

    @model_validator(mode="after")
    def _trains_by_labels(self) -> Job:
        if not self.data.labelled and self.space.network is None:
            raise ValueError("data.labelled: false is for a given network; a supernet is trained by labels")
        if not self.labelled and self.task.loss is not None:
            raise ValueError("task.loss needs labels, and this job has none; name what the outputs are, as task.name")
        return self

    @model_validator(mode="after")
    def _inputs_are_those_of_the_data(self) -> Job:
        tokens = self.data.tokenizer is not None
        if tokens and self.space.network is None:
            raise ValueError("data.tokenizer reads texts, and spaces are of images; name a space.network for texts")
        if self.space.inputs is not None and (len(self.space.inputs) == 1) != tokens:
            what = f"the {self.data.length} tokens of a text, [{self.data.length}]" if tokens else "those of an image"
            raise ValueError(f"space.inputs must be {what}, got {self.space.inputs}")
        return self

    @model_validator(mode="after")
    def _given_networks_are_trained(self) -> Job:
        if self.space.network is not None and "training" in self.model_fields_set:
            raise ValueError("a given network (space.network) is trained already; leave out the section training")
        return self

    @model_validator(mode="after")
    def _only_latency_is_measured_here(self) -> Job:
        for name in self.search.table_costs:
            if name != LATENCY and self.device.table is None:
                raise ValueError(f"{name} needs a device.table that has it; this machine measures {LATENCY}")
        return self


def load_job(path: Path, data: str | None = None) -> Job:
    """Reads a job file.

    Args:
        path: The job file, in YAML.
        data: Replaces `data.source`, if given.

    Raises:
        ValueError: If the file is not YAML, or a key or value is not allowed; one line that names the key.
    """
    job = read_section(path, Job)
    return job if data is None else job.model_copy(update={"data": job.data.replace_source(data)})
