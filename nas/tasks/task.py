"""The base class of tasks, and labels as they are read from a data set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor


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


class Task(ABC):
    """What the labels of a data set mean, and how far outputs are from them.

    Tasks are frozen values, as they are sent to workers.

    Attributes:
        name: Name of the kind of task.
    """

    name: ClassVar[str]

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

    @abstractmethod
    def check_training(self, labels: Tensor, names: Sequence[str]) -> None:
        """Checks that there is something to learn.

        Args:
            labels: Labels of the training samples as `encode` gives them, shape (n, ...).
            names: Names of the outputs.

        Raises:
            ValueError: If an output, such as a class, has no training samples, or all samples are alike.
        """
