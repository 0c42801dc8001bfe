"""How much worse the outputs of a compressed network are than those of the network as it was trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from nas.compression.subject import CompressionSubject
from nas.tasks.divergence import compute_divergence
from nas.tasks.task import Task

Compare = Callable[[Tensor, Tensor, Tensor | None], float]


class Degradation(ABC):
    """Compares outputs; the mean over samples counts. Degradations are frozen dataclasses."""

    @abstractmethod
    def prepare(self, subject: CompressionSubject) -> Compare:
        """A function of outputs, of the outputs of the trained network, both (batch, ...), and of labels or None.

        It gives the mean over the batch, 0 for equal outputs.

        Args:
            subject: What is compressed.

        Raises:
            ValueError: If the degradation needs data, labels or a task that the subject has not.
        """


@dataclass(frozen=True)
class SquaredError(Degradation):
    """The mean squared difference of the outputs: needs inputs, whatever the outputs mean."""

    def prepare(self, subject: CompressionSubject) -> Compare:
        subject.need_data()
        return lambda outputs, reference, _: float((outputs.double() - reference.double()).square().mean())


@dataclass(frozen=True)
class Divergence(Degradation):
    """The Kullback-Leibler divergence from the probabilities of the trained network, in nats: needs no labels.

    Source: Cai et al., "ZeroQ", CVPR 2020, section 3.2, equation 6.
    """

    def prepare(self, subject: CompressionSubject) -> Compare:
        subject.need_data()
        task = need_probabilities(subject)

        def compare(outputs: Tensor, reference: Tensor, _: Tensor | None) -> float:
            return float(compute_divergence(*(_view_as_logits(task, values) for values in (outputs, reference))))

        return compare


@dataclass(frozen=True)
class LossRise(Degradation):
    """The rise of the loss of the task, which is negative where the compressed network is better: needs labels."""

    def prepare(self, subject: CompressionSubject) -> Compare:
        task = need_labels(subject)

        def compare(outputs: Tensor, reference: Tensor, labels: Tensor | None) -> float:
            assert labels is not None
            return float(task.compute_loss(outputs.double(), labels) - task.compute_loss(reference.double(), labels))

        return compare


def find_output_degradation(task: Task | None) -> Degradation:
    """The divergence of outputs that stand for probabilities, and the squared error of others.

    Args:
        task: Says what outputs mean.
    """
    return Divergence() if task is not None and task.gives_probabilities else SquaredError()


def need_labels(subject: CompressionSubject) -> Task:
    """The task of a subject with labels.

    Raises:
        ValueError: If there are no labels, or no task says what they mean.
    """
    if subject.need_data().labels is None or subject.task is None:
        raise ValueError(
            "this needs labels and a task, and the subject has not both; give CalibrationData(inputs, labels) and "
            "task=, or take a metric without labels, such as output_distortion"
        )
    return subject.task


def need_probabilities(subject: CompressionSubject) -> Task:
    """The task of a subject whose outputs stand for probabilities.

    Raises:
        ValueError: If there is no task, or its outputs are numbers.
    """
    if subject.task is None or not subject.task.gives_probabilities:
        raise ValueError(
            "this needs a task whose outputs are logits, such as classification, and the subject has none; "
            "give task=, or take output_distortion"
        )
    return subject.task


def _view_as_logits(task: Task, outputs: Tensor) -> Tensor:
    logits = task.view_as_logits(outputs.double())
    assert logits is not None
    return logits
