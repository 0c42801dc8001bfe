"""The task of a job: what labels mean, by which loss networks learn them, and metrics of one's own.

It neither imports nor runs what it names.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas.jobs.files.bounds import MOST_OBJECTIVES
from nas.jobs.files.section import Section
from nas.tasks.metrics.accuracy import CorruptedAccuracy
from nas.tasks.metrics.corruption import Corruption
from nas.tasks.metrics.measured_metric import MeasuredMetric
from nas.tasks.metrics.own_metric import OwnMetric
from nas.tasks.metrics.registry import MEASURED_METRICS
from nas.tasks.registry import CLASSIFICATION, OWN_LOSS, TASKS
from results.metric import METRICS, Metric
from search_spaces.quoting import quote

if TYPE_CHECKING:
    from nas.tasks.task import Task

_MOST_OUTPUTS = 1_000_000  # of a network; no published one has more
# Beginnings and ends of names of columns, which say how a value came about.
_TAKEN = re.compile(r"(expected|test|measured|predicted|before)_.*|.*_std")


class OwnMetricSection(Section):
    """A metric of one's own: a function `(outputs, labels) -> number`, its direction and its unit."""

    function: str
    maximize: bool
    unit: Annotated[str, Field(min_length=0, max_length=40)] = ""


class TaskSection(Section):
    """What labels mean; see `nas.tasks`. A text is the name of a task.

    Without a `name`, `loss` is `package.module:function` of a function `(outputs, labels)` that returns the mean loss
    as a tensor, and `outputs` the number of outputs where labels do not tell it. `metrics` are metrics of one's own, by
    name, which can be objectives and limits like all others.
    """

    name: Annotated[str, AfterValidator(TASKS.check_name)] | None = None
    loss: str | None = None
    outputs: Annotated[int, Field(ge=1, le=_MOST_OUTPUTS)] | None = None
    metrics: Annotated[dict[str, OwnMetricSection], Field(max_length=MOST_OBJECTIVES)] = {}

    @model_validator(mode="before")
    @classmethod
    def _is_a_name_or_keys(cls, given: object) -> object:
        return {"name": given} if isinstance(given, str) else given

    @field_validator("metrics")
    @classmethod
    def _have_names_of_their_own(cls, metrics: dict[str, OwnMetricSection]) -> dict[str, OwnMetricSection]:
        for name in metrics:
            if not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", name) or _TAKEN.fullmatch(name):
                raise ValueError(
                    "the name of a metric must be lower-case letters, digits and '_', must not begin with expected_, "
                    f"test_, measured_, predicted_ or before_, nor end with _std; got {quote(name)}"
                )
            if name in METRICS or name in MEASURED_METRICS:
                raise ValueError(f"a metric of one's own needs a name of its own, and there is a {name}; rename it")
            Metric(name, "")
        return metrics

    @model_validator(mode="after")
    def _has_one_loss(self) -> TaskSection:
        if self.loss is not None and self.name is not None:
            raise ValueError(f"task {self.name} has a loss; leave out the name or the loss")
        if self.outputs is not None and self.loss is None:
            raise ValueError("outputs are stated for a loss of one's own; other tasks take them from the labels")
        if self.loss is not None and not self.metrics:
            raise ValueError("a loss of one's own needs one metric or more, as candidates are not judged by losses")
        return self

    @property
    def kind(self) -> str:
        """The name of the task, as measured metrics are for tasks."""
        return OWN_LOSS if self.loss is not None else self.name or CLASSIFICATION

    def choose_headline(self, labelled: bool) -> str:
        """The name of the metric by which networks are judged where nothing else is asked for.

        Args:
            labelled: Whether samples have labels.
        """
        if not labelled:
            return self.create().unlabelled_headline
        return next(iter(self.metrics)) if self.loss is not None else self.create().headline

    @property
    def own_metrics(self) -> dict[str, Metric]:
        """The metrics of one's own by name."""
        return {name: Metric(name, one.unit, one.maximize) for name, one in self.metrics.items()}

    def create(self) -> Task:
        """The task; loads torch."""
        if self.loss is None:
            return TASKS[self.kind]
        from nas.tasks.own_loss import OwnLoss

        return OwnLoss(self.loss, self.outputs)

    def find_measured(self, name: str, corruption: Corruption | None = None) -> MeasuredMetric:
        """The measured metric of a name, which may be one's own.

        Args:
            name: The name.
            corruption: What is done to images for metrics of robustness; None is what they do by default.
        """
        if name in self.metrics:
            return OwnMetric(self.metrics[name].function, self.own_metrics[name])
        found = MEASURED_METRICS[name]
        is_robustness = isinstance(found, CorruptedAccuracy) and corruption is not None
        return replace(found, corruption=corruption) if is_robustness else found  # type: ignore[type-var]

    def described(self) -> dict[str, Any]:
        """What decides outcomes, for the inputs of stages; empty for plain classification."""
        described = self.model_dump(exclude_defaults=True)
        return {} if described == {"name": CLASSIFICATION} else described
