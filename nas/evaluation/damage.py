"""The description of a measurement of damage, as a value that can be sent to any worker and built there."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cache

from nas.compression.sensitivity.degradation import find_output_degradation
from nas.compression.sensitivity.joint_degradation import PolicyDegradation
from nas.compression.sensitivity.registry import SENSITIVITY_METRICS
from nas.compression.sensitivity.sensitivity_metric import PolicyDamage
from nas.compression.subject import KEPT_BYTES, CompressionSubject
from nas.compression.tracing.trace import TracedNetwork
from nas.evaluation.measurement import ImageMeasurement
from nas.evaluation.narrow_damage import NarrowDamage
from nas.evaluation.pool import Measure
from nas.evaluation.realize import REPAIR_SAMPLES, CandidateRealizer, one_thread
from search_spaces.candidate import Candidate
from search_spaces.compression_policy import LayerPolicy

DAMAGE, SECONDS = "damage", "seconds"  # what is measured of a policy


@dataclass(frozen=True)
class DamageMeasurement:
    """Builds the measurement of what the policies of a given network damage.

    Attributes:
        candidates: Describes the network, the samples and how networks are compressed.
        metric: Name of the sensitivity metric.
        samples: Number of training samples on which damage is measured.
        workers: Number of processes that measure at the same time. Together they keep up to `KEPT_BYTES` of
            activations from one policy to the next, each an equal part.
    """

    candidates: ImageMeasurement
    metric: str
    samples: int
    workers: int = 1

    def __call__(self) -> Measure:
        """Loads the network and the samples.

        Returns:
            A function of a candidate and a fidelity, the share of the samples. It returns the damage of the policy and
            the seconds that this took, by name.
        """
        realizer = self.candidates.realizer(self.candidates.data.load())
        measures: dict[int, PolicyDamage] = {}

        @cache
        def make_narrow(count: int) -> NarrowDamage:
            return NarrowDamage(realizer, make_subject(realizer, count), self.metric)

        @cache
        def make_whole() -> CompressionSubject:
            subject = make_equalized_subject(realizer, self.samples)
            return replace(subject, kept_bytes=KEPT_BYTES // self.workers)

        def measure(candidate: Candidate, fidelity: float) -> dict[str, float]:
            samples, begun = math.ceil(fidelity * self.samples), time.perf_counter()
            with one_thread():
                if not realizer.given.is_whole(candidate.architecture):
                    damage = make_narrow(samples)(candidate)
                    return {DAMAGE: damage, SECONDS: time.perf_counter() - begun}
                if samples not in measures:
                    measures.clear()  # and with it the activations of other samples
                    whole = make_whole()
                    subject = replace(whole, data=whole.need_data().take(samples))
                    measures[samples] = measure_by(self.metric, subject)
                damage = measures[samples](candidate.policy)
            return {DAMAGE: damage, SECONDS: time.perf_counter() - begun}

        return measure


def make_subject(realizer: CandidateRealizer, samples: int) -> CompressionSubject:
    """The given network of a job, as it is, with its first training samples; its layers have no choices yet.

    Args:
        realizer: Makes the candidates of the job.
        samples: Number of samples.

    Raises:
        ValueError: If the job has no given network.
    """
    data = realizer.calibration_data(samples)
    assert isinstance(realizer.source, TracedNetwork)  # or there would be no calibration data
    return CompressionSubject.uniform_choices(
        realizer.source, [LayerPolicy()], data, realizer.methods, realizer.data.task
    )


def make_equalized_subject(realizer: CandidateRealizer, samples: int) -> CompressionSubject:
    """The same, equalised as candidates are before they are rounded, where the recipe of the job says so.

    It is equalised by as many samples as candidates are. The recipe that is left equalises no more, as a network that
    was equalised twice is another one.

    Args:
        realizer: Makes the candidates of the job.
        samples: Number of samples.

    Raises:
        ValueError: If the job has no given network.
    """
    subject, recipe = make_subject(realizer, samples), realizer.methods.repair
    if recipe is None or recipe.equalization is None:
        return subject
    traced = recipe.equalization.equalize(make_subject(realizer, REPAIR_SAMPLES))
    methods = replace(realizer.methods, repair=replace(recipe, equalization=None))
    return replace(subject, traced=traced, methods=methods)


def measure_by(metric: str, subject: CompressionSubject) -> PolicyDamage:
    """What measures the damage of policies by a metric or, if it measures none, by what they do to the outputs.

    Args:
        metric: Name of the sensitivity metric.
        subject: The network, with data.

    Raises:
        ValueError: If there is no such metric, or it needs what the subject has not.
    """
    if (measure := SENSITIVITY_METRICS[metric]().measure_policies(subject)) is not None:
        return measure
    return PolicyDegradation(subject, find_output_degradation(subject.task))
