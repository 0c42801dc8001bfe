"""The subject of a job's measurements: trained weights, images, and the space that is searched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from nas.compression.data_free.input_file import load_inputs
from nas.compression.methods import DEFAULT_METHODS
from nas.compression.repair.recipe import LIGHT
from nas.data.splits import DataSplits
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.realize import REALIZATION, REPAIR_SAMPLES, CandidateRealizer
from nas.jobs.job_runs import digest_file
from nas.objectives import MeasuredEvaluator, Measurement
from nas.training.checkpoint import read_leaves
from results.metric import Metric
from search_spaces.families.given import GivenSpace
from search_spaces.joint_space import JointSpace
from search_spaces.subspace import Subspace


@dataclass(frozen=True)
class Subject:
    """A trained supernet, or a given network, with its images.

    Attributes:
        space: What is searched, which may be a part of what the weights serve.
        measurement: Describes how a candidate is measured, so that any worker can do it.
        data: The images.
        packages: Names and versions of other packages that had a part in it.
        given: The measured values of the network as it was given, of which limits are shares, by name of the metric.
    """

    space: JointSpace
    measurement: ImageMeasurement
    data: DataSplits
    packages: tuple[str, ...] = ()
    given: Mapping[str, float] = field(default_factory=dict)

    @property
    def checkpoint(self) -> Path:
        """The file of the trained weights, or of the given network."""
        return self.measurement.checkpoint

    @property
    def metrics(self) -> list[Metric]:
        """What is measured."""
        return [one.metric for one in self.measurement.metrics]

    @property
    def metric_names(self) -> list[str]:
        """Names of what is measured."""
        return [one.name for one in self.metrics]

    def evaluate_by(self, measuring: Measurement) -> dict[Metric, MeasuredEvaluator]:
        """The evaluators of all that is measured, which share a measurement."""
        return {one: MeasuredEvaluator(measuring, one.name) for one in self.metrics}

    @cached_property
    def checkpoint_digest(self) -> str:
        """The SHA-256 of the file of the weights, in hexadecimal digits."""
        return digest_file(self.checkpoint)

    @cached_property
    def _distilled_digest(self) -> str | None:
        """The SHA-256 of the file of distilled inputs; None if training images calibrate."""
        return None if self.measurement.distilled is None else digest_file(self.measurement.distilled)

    @cached_property
    def digest(self) -> str:
        """The digest of all that a measured value depends on besides the candidate; see `RunRecord.subject`."""
        measurement = self.measurement
        parts = (version("nas"), REALIZATION, self.data.digest, self.checkpoint_digest, measurement.processor)
        # metrics have one meaning each but for those that a job states
        stated = [repr(one) for one in measurement.metrics if fields(one)]  # type: ignore[arg-type]
        recipe = measurement.methods.repair
        stated += [] if recipe is None else [repr(recipe), str(REPAIR_SAMPLES)]
        factorization = measurement.methods.factorization
        stated += [] if factorization == DEFAULT_METHODS.factorization else [repr(factorization), str(REPAIR_SAMPLES)]
        stated += [] if self._distilled_digest is None else [self._distilled_digest]
        if isinstance(measurement.space, GivenSpace) and measurement.space.widths is not None:
            stated += ["widths", repr(recipe or LIGHT), str(REPAIR_SAMPLES)]  # by which narrow networks are fitted
        if isinstance(measurement.space, GivenSpace) and measurement.space.blocks is not None:
            stated += ["blocks", repr(recipe or LIGHT), str(REPAIR_SAMPLES)]  # and networks without blocks
        described = [*parts, repr(measurement.methods), *self.packages, *stated]
        return hashlib.sha256(json.dumps(described).encode()).hexdigest()[:16]

    @property
    def inputs(self) -> dict[str, object]:
        """The inputs of a stage that measures candidates."""
        found: dict[str, object] = {
            "supernet": f"sha256:{self.checkpoint_digest}",
            "processor": self.measurement.processor,
            "metrics": self.metric_names,
        }
        # absent without, as in runs of before
        found |= {} if self._distilled_digest is None else {"distilled": f"sha256:{self._distilled_digest}"}
        # whatever else a value depends on: values of what was so before are not to be mixed with new ones
        return found | {"subject": self.digest}

    def count_calibrating(self, most: int) -> int:
        """How many samples calibrate a given network, training samples or distilled ones: `most`, or all if fewer."""
        distilled = self.measurement.distilled
        return min(most, len(self.data.train if distilled is None else load_inputs(distilled)))

    def read_leaves(self) -> tuple[Subspace, ...]:
        """The subspaces for which a few-shot supernet has weights of their own; empty if it has one set of weights."""
        return (
            ()
            if isinstance(self.measurement.space, GivenSpace)
            else read_leaves(self.checkpoint, self.measurement.space)
        )

    def realizer(self) -> CandidateRealizer:
        """What creates and measures the networks of candidates."""
        return self.measurement.realizer(self.data)
