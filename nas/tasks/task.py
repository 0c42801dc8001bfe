"""The base class of tasks, and labels as they are read from a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:  # tasks are named and listed where no torch is loaded
    from torch import Tensor, nn

    from nas.tasks.class_weights import ClassWeights


@dataclass(frozen=True)
class NumberedPlaces:
    """The places of samples that have a number and no name.

    Attributes:
        before: What stands before the number.
        after: What stands after it.
    """

    before: str
    after: str = ""

    def __call__(self, row: int) -> str:
        """The place of a row."""
        return f"{self.before}{row}{self.after}"


@dataclass(frozen=True)
class RawLabels:
    """The labels of a split as they are stored.

    Attributes:
        values: One label for each sample: an integer, a name, a number, or a list of these; None where it is missing.
        where: Says where the label of a row is stored, for messages, such as `train.parquet row 17`.
        source: The file or folder of all of them, for messages.
    """

    values: Sequence[Any]
    where: Callable[[int], str]
    source: str

    def __len__(self) -> int:
        return len(self.values)


@dataclass(frozen=True)
class EncodedLabels:
    """Labels as tensors.

    Attributes:
        labels: The labels of each split, shape (n, ...), in the order in which the splits were given.
        names: Name of each output of a network, such as that of its class.
    """

    labels: tuple[Tensor, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Mixture:
    """Other labels of which the samples of a batch have a share, as mixup and cutmix mix samples in pairs.

    Attributes:
        other_labels: The labels of the samples that were mixed in, as the task encodes them, shape (batch, ...).
        weight: What the own labels count, from 0 to 1; the other ones count the rest.
    """

    other_labels: Tensor
    weight: float


class Task(ABC):
    """What the labels of a data set mean, and how far outputs are from them.

    Tasks are frozen values, as they are sent to workers. Tests hold all tasks to this contract: what `encode` gives is
    of the shape that the other methods take; the loss is a scalar, finite for finite outputs, and least where outputs
    are right.

    Attributes:
        name: Name of the kind of task.
        headline: Name of the measured metric by which networks are judged where nothing else is asked for; empty if
            the task has none.
        unlabelled_headline: The same where samples have no labels, and networks are compared with the one as given.
        smooths_labels: Whether label smoothing has a meaning.
        weighs_classes: Whether classes can be given weights.
        gives_probabilities: Whether outputs stand for probabilities, which `view_as_logits` shows.
    """

    name: ClassVar[str]
    headline: ClassVar[str]
    unlabelled_headline: ClassVar[str] = "explained_variance"
    smooths_labels: ClassVar[bool] = False
    weighs_classes: ClassVar[bool] = False
    gives_probabilities: ClassVar[bool] = False

    @abstractmethod
    def encode(self, splits: Sequence[RawLabels], names: tuple[str, ...] | None) -> EncodedLabels:
        """The labels of all splits as tensors.

        Args:
            splits: The labels of each split; the training split comes first.
            names: Names of the outputs, where the data set states them; None takes them from the labels.

        Raises:
            ValueError: If a label is missing or not one of this task; the message names its place.
        """

    @abstractmethod
    def find_strata(self, labels: Tensor) -> Tensor:
        """Groups of samples of which every split must have its share, such as the classes.

        Args:
            labels: Labels as `encode` gives them, shape (n, ...).

        Returns:
            The index of the group of each sample, int64, shape (n,).
        """

    @abstractmethod
    def compute_loss(self, outputs: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
        """The mean loss of a batch, a scalar.

        Args:
            outputs: Outputs of a network, shape (batch, outputs).
            labels: Labels as `encode` gives them, shape (batch, ...).
            smoothing: Share of a target distribution that is spread evenly over all classes, in [0, 1).
        """

    def compute_mixed_loss(
        self, outputs: Tensor, labels: Tensor, mixture: Mixture | None, smoothing: float = 0.0
    ) -> Tensor:
        """The mean loss of a batch whose samples may be mixed with others, a scalar.

        Args:
            outputs: Outputs of a network, shape (batch, outputs).
            labels: Labels as `encode` gives them, shape (batch, ...).
            mixture: The labels of the samples that were mixed in; None if nothing was.
            smoothing: As for `compute_loss`.
        """
        loss = self.compute_loss(outputs, labels, smoothing)
        if mixture is None:
            return loss
        other = self.compute_loss(outputs, mixture.other_labels, smoothing)
        return mixture.weight * loss + (1 - mixture.weight) * other

    def view_as_logits(self, outputs: Tensor) -> Tensor | None:  # noqa: ARG002
        """Outputs as logits of distributions, which a student learns from its teacher; None if they are numbers.

        Args:
            outputs: Outputs of a network, shape (batch, outputs).

        Returns:
            Shape (n, classes), with gradients to the outputs.
        """
        return None

    def fit(self, labels: Tensor) -> Task:  # noqa: ARG002
        """The task with what it takes from training labels, such as their spread.

        Args:
            labels: Labels of the training samples as `encode` gives them, shape (n, ...).
        """
        return self

    def weigh(self, stated: ClassWeights, labels: Tensor, names: Sequence[str]) -> Task:  # noqa: ARG002
        """The task with weights of classes in its loss.

        Args:
            stated: The weights as a user states them.
            labels: Labels of the training samples as `encode` gives them, shape (n, ...).
            names: Names of the outputs.

        Raises:
            ValueError: If the task has no classes, or the weights are not those of its classes.
        """
        raise ValueError(f"class weights are for tasks with classes, and task {self.name} has none; leave them out")

    def finish_network(self, network: nn.Module) -> nn.Module:
        """A trained network whose outputs are as users read them, such as in the unit of the labels.

        Args:
            network: A network that was trained by the loss of this task.
        """
        return network

    @abstractmethod
    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """Checks that there is something to learn.

        Args:
            labels: Labels of the training samples as `encode` gives them, shape (n, ...).
            names: Names of the outputs.

        Raises:
            ValueError: If an output, such as a class, has no training samples, or all samples are alike.
        """
